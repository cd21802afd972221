//! The protocols of providers: how a question is put and how an answer is read. Pure; a file for each.
//! Nowhere else does the program know which provider it speaks to.

mod anthropic;
mod chat;
mod embeddings;
mod gathered;
mod gemini;
mod responses;

use std::collections::BTreeSet;

use autores_templates::settings::{Api, Provider};
use serde_json::Value;

use super::request::Request;
use super::trouble::Trouble;
pub(crate) use embeddings::Embeddings;
pub(crate) use gathered::{End, Gathered};

/// A question with what the settings say about how to put it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Question<'a> {
    pub(crate) provider: &'a Provider,
    pub(crate) base_url: &'a str,
    pub(crate) model: &'a str,
    pub(crate) request: &'a Request,
    pub(crate) max_output: u64,
    pub(crate) temperature: Option<f64>,
    pub(crate) effort: Option<&'a str>,
    pub(crate) stream: bool,
    /// Parts that this model refused before.
    pub(crate) without: &'a BTreeSet<&'static str>,
}

impl Question<'_> {
    fn takes(&self, part: &str) -> bool {
        !self.without.contains(part)
    }

    fn schema(&self) -> Option<&super::request::Schema> {
        self.request.schema.as_ref().filter(|_| self.provider.json_schema)
    }

    fn logprobs(&self) -> bool {
        self.request.logprobs && self.provider.logprobs
    }
}

/// What is sent: a path below the base URL, and JSON.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Post {
    pub(crate) path: String,
    pub(crate) body: Value,
}

/// Tokens that a model takes, as its provider says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Limits {
    pub(crate) context: Option<u64>,
    pub(crate) max_output: Option<u64>,
}

/// How a provider is spoken to.
pub(crate) trait Protocol: Sync {
    /// The header that carries the key, and its value.
    fn key_header(&self, key: &str) -> (&'static str, String) {
        ("authorization", format!("Bearer {key}"))
    }

    /// Other headers.
    fn headers(&self) -> &'static [(&'static str, &'static str)] {
        &[]
    }

    /// The parts of a question that are left out where the model does not take them.
    fn optional(&self) -> &'static [&'static str];

    /// The question.
    fn post(&self, question: &Question<'_>) -> Post;

    /// Reads a whole answer.
    fn whole(&self, body: &Value, into: &mut Gathered) -> Result<(), Trouble>;

    /// Reads one event of a streamed answer.
    fn event(&self, event: &Value, into: &mut Gathered) -> Result<(), Trouble>;

    /// Where the limits of a model can be asked for.
    fn limits_path(&self, model: &str) -> Option<String>;

    /// The limits of a model, in what that gave.
    fn limits(&self, model: &str, body: &Value) -> Limits;
}

/// The protocol of a provider.
pub(crate) fn protocol(api: Api) -> &'static dyn Protocol {
    match api {
        Api::OpenaiChat => &chat::Chat,
        Api::OpenaiResponses => &responses::Responses,
        Api::Anthropic => &anthropic::Anthropic,
        Api::Gemini => &gemini::Gemini,
    }
}

/// Whether embeddings can be had by this protocol.
pub(crate) fn embeds(api: Api) -> bool {
    match api {
        Api::OpenaiChat | Api::OpenaiResponses => true,
        Api::Anthropic | Api::Gemini => false,
    }
}

fn text<'a>(json: &'a Value, place: &str) -> Option<&'a str> {
    json.pointer(place)?.as_str()
}

fn count(json: &Value, place: &str) -> Option<u64> {
    json.pointer(place)?.as_u64()
}

/// Sets a field of a JSON object.
fn set(body: &mut Value, field: &str, value: impl Into<Value>) {
    body[field] = value.into();
}

#[cfg(test)]
mod tests;
