//! What a model is asked and what it answers, the same for all providers.

use autores_domain::{Call, Tokens};
use serde::{Deserialize, Serialize};

use super::CallError;

/// A question. The parts that stay the same from call to call come first, so that a provider's cache can serve them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// Who the model is and by which rules it answers; the stable part.
    pub system: String,
    /// The conversation, which ends with the user.
    pub turns: Vec<Turn>,
    /// The form of the reply; left out where the provider cannot hold a reply to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<Schema>,
    /// Tokens that the reply may have, thinking included; absent takes the model's own limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_output: Option<u64>,
    /// Sampling temperature; absent takes the one of the settings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// Seed of the sampling, where the provider takes one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// Whether the log-probabilities of the reply are wanted, where the provider gives them.
    #[serde(default)]
    pub logprobs: bool,
}

impl Request {
    /// A question of one turn.
    pub fn new(system: impl Into<String>, question: impl Into<String>) -> Self {
        Self {
            system: system.into(),
            turns: vec![Turn { who: Who::User, text: question.into() }],
            ..Self::default()
        }
    }

    /// Bytes that the model reads. A schema does not count: many servers hold a reply to it without showing it to the
    /// model, and where it is shown, each byte of the words counts for somewhat more.
    pub fn bytes(&self) -> u64 {
        let turns: usize = self.turns.iter().map(|turn| turn.text.len()).sum();
        (self.system.len() + turns) as u64
    }
}

/// One side's words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Turn {
    /// Whose.
    pub who: Who,
    /// The words.
    pub text: String,
}

/// A side of the conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Who {
    /// We.
    User,
    /// The model, in an earlier reply.
    Model,
}

/// The form that a reply is held to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schema {
    /// Its name: letters, digits, `_` and `-`.
    pub name: String,
    /// A JSON schema.
    pub json: serde_json::Value,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reply {
    /// The words, never empty; JSON where a schema was kept.
    pub text: String,
    /// What the model thought before it answered, as far as the provider shows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thinking: Option<String>,
    /// Why it ended.
    pub finish: Finish,
    /// Mean natural log-probability of the reply's tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mean_logprob: Option<f64>,
    /// What this answer took, without tries that failed.
    pub tokens: Tokens,
    /// The model that answered, as the provider names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model_reported: Option<String>,
}

/// Why a reply ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Finish {
    /// The model was done.
    Stop,
    /// It had used up the tokens it was given: the reply is cut off.
    Length,
}

/// What came of a call. The call is there in any case, for the books.
#[derive(Debug, Clone, PartialEq)]
pub struct Asked<T = Reply> {
    /// What it cost.
    pub call: Call,
    /// The answer.
    pub result: Result<T, CallError>,
}

/// What one token from a model took.
#[derive(Debug, Clone, PartialEq)]
pub struct Ping {
    /// Milliseconds until it was there.
    pub latency_ms: u64,
    /// Tokens of question and answer.
    pub tokens: Tokens,
    /// The model's price, where it is known.
    pub price: Option<autores_templates::settings::Price>,
}
