//! What a language model was asked, by whom, and what that cost. The words themselves are transcripts.

use std::fmt;
use std::iter::Sum;
use std::ops::AddAssign;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::IdError;

/// The part that a model plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Answers briefs with ideas.
    Ideator,
    /// Turns an idea into edits.
    Implementer,
    /// Chooses between candidates, and distils lessons.
    Judge,
    /// Mends a revision that failed when it ran.
    Repairer,
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Ideator, Self::Implementer, Self::Judge, Self::Repairer];

    /// The word used in settings, tables and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ideator => "ideator",
            Self::Implementer => "implementer",
            Self::Judge => "judge",
            Self::Repairer => "repairer",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A model at a provider, written `provider/name`; the name may itself contain `/`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ModelName {
    provider: String,
    name: String,
}

impl ModelName {
    /// The provider, as the settings name it.
    pub fn provider(&self) -> &str {
        &self.provider
    }

    /// The model, as the provider names it.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl FromStr for ModelName {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let plain = |part: &str| {
            !part.is_empty() && !part.chars().any(|c| c.is_control() || c.is_whitespace())
        };
        match text.split_once('/') {
            Some((provider, name)) if plain(provider) && plain(name) => {
                Ok(Self { provider: provider.to_owned(), name: name.to_owned() })
            }
            _ => Err(IdError::new(text, "a model (PROVIDER/NAME, such as openai/gpt-5)")),
        }
    }
}

impl TryFrom<String> for ModelName {
    type Error = IdError;
    fn try_from(text: String) -> Result<Self, IdError> {
        text.parse()
    }
}

impl From<ModelName> for String {
    fn from(model: ModelName) -> String {
        model.to_string()
    }
}

impl fmt::Display for ModelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.provider, self.name)
    }
}

/// Who asked, within a run: `b3` (brief 3), `i7.r0.c2.v1` (idea 7, revision 0, candidate 2, version 1),
/// `i7.r0.judge`, `l2` (lessons of epoch 2). The same key is the same call: one that was answered is never paid twice.
/// What was decided over answers is kept beside them as a note, such as `i7.r0.choice`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CallKey(String);

impl CallKey {
    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for CallKey {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let parts = || text.split('.');
        let plain = |part: &str| {
            !part.is_empty()
                && part.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
        };
        if parts().all(plain) && text.len() <= 100 {
            Ok(Self(text.to_owned()))
        } else {
            Err(IdError::new(
                text,
                "a call's key (lowercase letters, digits and '-', joined by '.')",
            ))
        }
    }
}

impl TryFrom<String> for CallKey {
    type Error = IdError;
    fn try_from(text: String) -> Result<Self, IdError> {
        text.parse()
    }
}

impl From<CallKey> for String {
    fn from(key: CallKey) -> String {
        key.0
    }
}

impl fmt::Display for CallKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Tokens as the provider counts them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tokens {
    /// Tokens of the prompt, cached ones included.
    pub input: u64,
    /// Those of the prompt that came from the provider's cache.
    #[serde(default)]
    pub cached: u64,
    /// Tokens of the reply, thinking included.
    pub output: u64,
}

impl AddAssign for Tokens {
    fn add_assign(&mut self, other: Self) {
        self.input += other.input;
        self.cached += other.cached;
        self.output += other.output;
    }
}

/// One call of a model, answered or not, all tries together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Call {
    /// Who asked.
    pub key: CallKey,
    /// How often the same was asked before without an answer.
    #[serde(default)]
    pub round: u32,
    /// As what.
    pub role: Role,
    /// Which model was asked.
    pub model: ModelName,
    /// What it read and wrote.
    pub tokens: Tokens,
    /// What it cost in US dollars; absent where the price is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usd: Option<f64>,
    /// Milliseconds from the question to the end of the answer, waits between tries included.
    pub latency_ms: u64,
    /// Why there is no answer; absent where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// What calls cost together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Spent {
    /// How many calls.
    pub calls: u64,
    /// Tokens read and written.
    pub tokens: Tokens,
    /// US dollars, as far as prices are known.
    pub usd: f64,
    /// Calls whose price is not known.
    pub unpriced: u64,
}

impl AddAssign<&Call> for Spent {
    fn add_assign(&mut self, call: &Call) {
        self.calls += 1;
        self.tokens += call.tokens;
        match call.usd {
            Some(usd) => self.usd += usd,
            None => self.unpriced += 1,
        }
    }
}

impl<'a> Sum<&'a Call> for Spent {
    fn sum<I: Iterator<Item = &'a Call>>(calls: I) -> Self {
        let mut spent = Self::default();
        calls.for_each(|call| spent += call);
        spent
    }
}

/// What came of something that models may have been asked for, and the calls that were made for it.
#[derive(Debug, Clone, PartialEq)]
pub struct Answered<T> {
    /// What came of it.
    pub result: T,
    /// The calls, in the order in which they were made.
    pub calls: Vec<Call>,
}

impl<T> Answered<T> {
    /// What no model was asked for.
    pub fn free(result: T) -> Self {
        Self { result, calls: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_has_a_provider_and_a_name() {
        let model: ModelName = "openrouter/deepseek/deepseek-r1".parse().unwrap();
        assert_eq!((model.provider(), model.name()), ("openrouter", "deepseek/deepseek-r1"));
        for text in ["gpt-5", "/gpt-5", "openai/", "openai/gpt 5", ""] {
            assert!(text.parse::<ModelName>().is_err(), "{text:?} was accepted");
        }
    }

    #[test]
    fn a_key_is_a_plain_file_name() {
        assert!("i7.r0.c2.v1".parse::<CallKey>().is_ok());
        for text in ["", "a/b", "..", ".a", "a.", "A", "a b"] {
            assert!(text.parse::<CallKey>().is_err(), "{text:?} was accepted");
        }
    }
}
