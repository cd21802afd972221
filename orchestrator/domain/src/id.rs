//! Ids with kinds. Each is written as text where a person or another program sees it:
//! `brisk-otter` (run), `brisk-otter/i7` (idea), `brisk-otter/e12` (experiment),
//! `brisk-otter/e12.a1` (attempt).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Why a text is not an id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not {expected}")]
pub struct IdError {
    text: String,
    expected: &'static str,
}

impl IdError {
    pub(crate) fn new(text: &str, expected: &'static str) -> Self {
        Self { text: text.to_owned(), expected }
    }
}

/// A run's name: 1 to 48 of `a-z`, `0-9` and `-`, beginning with a letter.
///
/// It names a folder, a part of git branches and of cluster objects, hence the small alphabet.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RunId(String);

impl RunId {
    /// The name itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for RunId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let starts_well = text.starts_with(|c: char| c.is_ascii_lowercase());
        let all_allowed =
            text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
        if starts_well && all_allowed && text.len() <= 48 && !text.ends_with('-') {
            Ok(Self(text.to_owned()))
        } else {
            Err(IdError {
                text: text.to_owned(),
                expected: "a run name (a lowercase letter, then lowercase letters, digits or '-', at most 48)",
            })
        }
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One idea of a run; number 0 is the unchanged codebase, the baseline.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct IdeaId {
    /// The run it belongs to.
    pub run: RunId,
    /// Its number within the run, from 0.
    pub number: u32,
}

impl IdeaId {
    /// The git branch that holds the idea's revisions, without `refs/heads/`.
    pub fn branch(&self) -> String {
        format!("autores/{}/i{}", self.run, self.number)
    }
}

impl FromStr for IdeaId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        numbered(text, "i")
            .map(|(run, number)| Self { run, number })
            .ok_or_else(|| IdError { text: text.to_owned(), expected: "an idea (RUN/iNUMBER)" })
    }
}

impl fmt::Display for IdeaId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/i{}", self.run, self.number)
    }
}

/// One revision at one scale with one seed, for one purpose.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ExperimentId {
    /// The run it belongs to.
    pub run: RunId,
    /// Its number within the run, from 1.
    pub number: u32,
}

impl FromStr for ExperimentId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        numbered(text, "e").map(|(run, number)| Self { run, number }).ok_or_else(|| IdError {
            text: text.to_owned(),
            expected: "an experiment (RUN/eNUMBER)",
        })
    }
}

impl fmt::Display for ExperimentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/e{}", self.run, self.number)
    }
}

/// One try at executing an experiment. The number grows with each try and is the fence: a report
/// that carries an older number than the experiment's current attempt is refused.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AttemptId {
    /// The experiment that is tried.
    pub experiment: ExperimentId,
    /// The try, from 1.
    pub number: u32,
}

impl AttemptId {
    /// A name for folders and processes, unique within the run: `e12.a1`.
    pub fn local_name(&self) -> String {
        format!("e{}.a{}", self.experiment.number, self.number)
    }
}

impl FromStr for AttemptId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let expected = "an attempt (RUN/eNUMBER.aNUMBER)";
        let error = || IdError { text: text.to_owned(), expected };
        let (experiment, attempt) = text.rsplit_once(".a").ok_or_else(error)?;
        Ok(Self {
            experiment: experiment.parse().map_err(|_| error())?,
            number: plain_number(attempt).ok_or_else(error)?,
        })
    }
}

impl fmt::Display for AttemptId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.a{}", self.experiment, self.number)
    }
}

fn numbered(text: &str, kind: &str) -> Option<(RunId, u32)> {
    let (run, rest) = text.split_once('/')?;
    let number = plain_number(rest.strip_prefix(kind)?)?;
    Some((run.parse().ok()?, number))
}

/// Only the canonical spelling, so that each thing has one name: no sign, no leading zero.
fn plain_number(text: &str) -> Option<u32> {
    let number: u32 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

macro_rules! text_form {
    ($($id:ty),*) => {$(
        impl TryFrom<String> for $id {
            type Error = IdError;
            fn try_from(text: String) -> Result<Self, IdError> {
                text.parse()
            }
        }
        impl From<$id> for String {
            fn from(id: $id) -> String {
                id.to_string()
            }
        }
    )*};
}
text_form!(RunId, IdeaId, ExperimentId, AttemptId);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_that_would_leave_a_folder_are_refused() {
        for text in ["", "..", "a/b", "A", "1a", "a-", "a b", &"a".repeat(49)] {
            assert!(text.parse::<RunId>().is_err(), "{text:?} was accepted");
        }
    }

    #[test]
    fn each_thing_has_one_spelling() {
        for text in ["r/i01", "r/i+1", "r/i", "r/e1", "r/i1/", "/i1"] {
            assert!(text.parse::<IdeaId>().is_err(), "{text:?} was accepted");
        }
    }

    proptest! {
        #[test]
        fn ids_read_back_as_written(run in "[a-z][a-z0-9]{0,20}", experiment: u32, attempt: u32) {
            let id = AttemptId {
                experiment: ExperimentId { run: run.parse().unwrap(), number: experiment },
                number: attempt,
            };
            prop_assert_eq!(id.to_string().parse::<AttemptId>().unwrap(), id);
        }

        #[test]
        fn no_text_makes_the_parsers_panic(text in "\\PC{0,40}") {
            let _ = text.parse::<RunId>();
            let _ = text.parse::<IdeaId>();
            let _ = text.parse::<ExperimentId>();
            let _ = text.parse::<AttemptId>();
        }
    }
}
