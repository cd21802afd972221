//! What is known of providers and models: how they are reached, what they take and what they cost. Never holds a key.

mod file;
mod load;
mod merge;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use autores_domain::{ModelName, Role, WeightedModel};

pub use load::SettingsError;

/// The built-in providers, those first whose default model is preferred.
const ORDER: [&str; 10] = [
    "anthropic",
    "openai",
    "openai-responses",
    "gemini",
    "openrouter",
    "together",
    "deepseek",
    "vllm",
    "llamacpp",
    "ollama",
];

/// Settings for language models, resolved from the built-in file and the user's.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Settings {
    /// Providers by name.
    pub providers: BTreeMap<String, Provider>,
    /// Those to which the user's file gives an address or a default model.
    pub given: BTreeSet<String>,
    /// What is known of models.
    pub models: BTreeMap<ModelName, Model>,
    /// The models of each role; a role that is not named takes the ideator's.
    pub roles: BTreeMap<Role, Vec<WeightedModel>>,
    /// A model that gives embeddings.
    pub embedding: Option<ModelName>,
}

/// The protocol that a provider speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Api {
    /// `POST {base}/chat/completions`, which most servers speak.
    OpenaiChat,
    /// `POST {base}/responses`.
    OpenaiResponses,
    /// `POST {base}/v1/messages`.
    Anthropic,
    /// `POST {base}/models/{model}:streamGenerateContent`.
    Gemini,
}

/// How a provider is reached and what it bears.
#[derive(Debug, Clone, PartialEq)]
pub struct Provider {
    /// Its protocol.
    pub api: Api,
    /// Where it is, without a slash at the end.
    pub base_url: String,
    /// The environment variable that takes the place of `base_url` where it is set.
    pub base_url_variable: Option<String>,
    /// The environment variable with the key.
    pub key_variable: Option<String>,
    /// A file with the key, of mode 0600; the variable comes before it.
    pub key_file: Option<PathBuf>,
    /// Whether it refuses calls without a key.
    pub needs_key: bool,
    /// Calls at a time.
    pub concurrency: u32,
    /// Calls a minute.
    pub requests_per_minute: Option<u32>,
    /// Tokens a minute, read and written.
    pub tokens_per_minute: Option<u64>,
    /// Seconds that one try may take as a whole.
    pub timeout_s: u64,
    /// Seconds without a byte after which a try is given up.
    pub stall_s: u64,
    /// Tries of one call.
    pub tries: u32,
    /// Whether replies are streamed.
    pub stream: bool,
    /// Whether it can hold a reply to a JSON schema.
    pub json_schema: bool,
    /// Whether it gives the log-probabilities of the reply's tokens.
    pub logprobs: bool,
    /// The model, as the provider names it, that is used where no role names one.
    pub default_model: Option<String>,
}

/// What is known of a model. Absent is not known.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Model {
    /// Tokens of prompt and reply together.
    pub context: Option<u64>,
    /// Tokens of a reply.
    pub max_output: Option<u64>,
    /// What it costs.
    pub price: Option<Price>,
    /// Sampling temperature; absent takes the provider's own.
    pub temperature: Option<f64>,
    /// `minimal`, `low`, `medium` or `high`, for models that think before they answer.
    pub effort: Option<String>,
}

/// US dollars per million tokens.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Price {
    /// Tokens of the prompt.
    pub input: f64,
    /// Tokens of the prompt that came from the cache.
    pub cached_input: f64,
    /// Tokens of the reply, thinking included.
    pub output: f64,
}

impl Price {
    /// US dollars for tokens.
    pub fn of(&self, tokens: autores_domain::Tokens) -> f64 {
        let fresh = tokens.input.saturating_sub(tokens.cached) as f64;
        (fresh * self.input
            + tokens.cached as f64 * self.cached_input
            + tokens.output as f64 * self.output)
            / 1e6
    }
}
