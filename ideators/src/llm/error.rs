//! Why there is no answer, by what the caller does next.

use autores_domain::{CallKey, ModelName};
use serde::{Deserialize, Serialize};

/// Why a call has no answer.
#[derive(Debug, Clone, PartialEq, thiserror::Error, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallError {
    /// The run's budget is used up. Nothing was sent, or nothing more after a try that failed.
    #[error("the budget is used up: {0}")]
    Budget(String),
    /// The prompt has to be made shorter.
    #[error("the prompt is too long for {model}: {words}")]
    Window {
        /// The model.
        model: ModelName,
        /// Tokens of the prompt, where that is known.
        needs: Option<u64>,
        /// Tokens that the model takes, where that is known.
        limit: Option<u64>,
        /// What was said about it.
        words: String,
    },
    /// Whatever is asked would be refused: somebody has to change the settings.
    #[error("{model} refused the call{}: {words}{}", status_text(*.status), remedy_text(.remedy))]
    Refused {
        /// The model.
        model: ModelName,
        /// The HTTP status, where a server answered.
        status: Option<u16>,
        /// The provider's words, shortened.
        words: String,
        /// What to do about it.
        remedy: String,
    },
    /// The provider did not answer, however often it was asked. It may later.
    #[error("{model} did not answer in {tries} {}: {words}", if *.tries == 1 { "try" } else { "tries" })]
    Unavailable {
        /// The model.
        model: ModelName,
        /// How often it was asked.
        tries: u32,
        /// How the last try failed.
        words: String,
    },
    /// The run stops. Nothing was sent, or nothing more after a try that failed. Asked later, it may be answered.
    #[error("the run stops, so {model} is not asked any more")]
    Stopping {
        /// The model.
        model: ModelName,
    },
    /// The model answered, and the answer has nothing to go on with; or it rejects this question. Another may fare
    /// better.
    #[error("the answer of {model} is of no use: {words}")]
    Unusable {
        /// The model.
        model: ModelName,
        /// What it was.
        words: String,
    },
    /// The run that is repeated has no answer to this call.
    #[error(
        "no reply is recorded under {key}; repeat the run with the settings it was recorded with"
    )]
    NotRecorded {
        /// Who asked.
        key: CallKey,
    },
    /// What was asked and answered could not be kept or read.
    #[error("the transcript of {key} cannot be kept or read: {words}")]
    Transcript {
        /// Who asked.
        key: CallKey,
        /// Why.
        words: String,
    },
}

/// Why no model can be asked at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SetupError {
    /// A model names a provider that there is not.
    #[error("model {model} is of no known provider; known are {known}")]
    Provider {
        /// The model.
        model: ModelName,
        /// The providers of the settings.
        known: String,
    },
    /// The address of a provider is none.
    #[error(
        "provider {provider} has the address {address:?}, which is no http or https URL; correct {place}"
    )]
    Address {
        /// The provider.
        provider: String,
        /// What was found.
        address: String,
        /// Where it was found.
        place: String,
    },
    /// The address of a provider holds what may be a key.
    #[error(
        "provider {provider} has the address {address:?}, and an address is shown in errors, so nothing may stand \
         before its host or behind its path; {remedy}, and correct {place}"
    )]
    Secret {
        /// The provider.
        provider: String,
        /// What was found, without the secret.
        address: String,
        /// Where it was found.
        place: String,
        /// Where a key belongs.
        remedy: String,
    },
    /// There is no key, or it cannot be used.
    #[error("{0}")]
    Key(String),
    /// Costs could not be counted.
    #[error(
        "model {model} has no price, so a budget in dollars cannot be kept; give it one in the settings \
         (models: {model}: price: {{input: …, output: …}}, in dollars per million tokens; 0 where it costs nothing)"
    )]
    Price {
        /// The model.
        model: ModelName,
    },
    /// No encrypted connection can be made.
    #[error(
        "encrypted connections are not possible: {0}; install the system's CA certificates (package ca-certificates)"
    )]
    Tls(String),
    /// The calls made so far are not known.
    #[error("the transcripts cannot be read: {0}")]
    Transcripts(String),
}

fn status_text(status: Option<u16>) -> String {
    status.map(|status| format!(" ({status})")).unwrap_or_default()
}

fn remedy_text(remedy: &str) -> String {
    if remedy.is_empty() { String::new() } else { format!("; {remedy}") }
}
