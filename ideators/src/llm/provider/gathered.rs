//! What has come of an answer so far, whole or in pieces.

use autores_domain::Tokens;

use crate::llm::request::{Finish, Reply};
use crate::llm::trouble::{Trouble, shortened};

/// Why a model ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum End {
    Stop,
    Length,
    /// The provider held the answer back; its word for why.
    Withheld(String),
}

/// An answer in the making.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Gathered {
    pub(crate) text: String,
    pub(crate) thinking: String,
    /// The words with which the model declined.
    pub(crate) refusal: String,
    /// The tool it called in place of an answer.
    pub(crate) tool: Option<String>,
    pub(crate) end: Option<End>,
    /// Nothing more comes.
    pub(crate) complete: bool,
    pub(crate) logprobs: Mean,
    pub(crate) usage: Option<Tokens>,
    pub(crate) model: Option<String>,
    /// The provider's own name for the answer.
    pub(crate) id: Option<String>,
    pub(crate) vectors: Vec<Vec<f32>>,
}

/// A mean in the making.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Mean {
    sum: f64,
    count: u64,
}

impl Mean {
    pub(crate) fn add(&mut self, value: f64) {
        // Servers write minus infinity as a number of thousands.
        if value > -1000.0 && value <= 0.0 {
            self.sum += value;
            self.count += 1;
        }
    }

    pub(crate) fn value(self) -> Option<f64> {
        (self.count > 0).then(|| self.sum / self.count as f64)
    }
}

impl Gathered {
    /// Bytes of words so far, thinking included.
    pub(crate) fn bytes(&self) -> u64 {
        (self.text.len() + self.thinking.len() + self.refusal.len()) as u64
    }

    /// Remembers who answered.
    pub(crate) fn identify(&mut self, id: Option<&str>, model: Option<&str>) {
        let keep = |field: &mut Option<String>, value: Option<&str>| {
            if field.is_none() {
                *field = value.filter(|value| !value.is_empty()).map(str::to_owned);
            }
        };
        keep(&mut self.id, id);
        keep(&mut self.model, model);
    }

    /// The answer, if it is one.
    pub(crate) fn reply(self, tokens: Tokens) -> Result<Reply, Trouble> {
        let unusable = |words: String, again: bool| Err(Trouble::Unusable { words, again });
        if let Some(End::Withheld(why)) = &self.end {
            return unusable(format!("the provider withheld it ({why})"), false);
        }
        if self.text.trim().is_empty() {
            return if !self.refusal.trim().is_empty() {
                unusable(format!("the model declined: {}", shortened(&self.refusal)), false)
            } else if let Some(tool) = self.tool {
                unusable(format!("a call of tool {tool:?} in place of text"), true)
            } else if self.end == Some(End::Length) {
                unusable(
                    format!(
                        "all of its {} tokens went into thinking; give the model a larger max_output",
                        tokens.output
                    ),
                    false,
                )
            } else {
                unusable("it is empty".to_owned(), true)
            };
        }
        let finish = match self.end {
            Some(End::Length) => Finish::Length,
            Some(End::Stop | End::Withheld(_)) | None => Finish::Stop,
        };
        Ok(Reply {
            text: self.text,
            thinking: Some(self.thinking).filter(|thinking| !thinking.trim().is_empty()),
            finish,
            mean_logprob: self.logprobs.value(),
            tokens,
            model_reported: self.model,
        })
    }

    /// The vectors, if there are as many as texts.
    pub(crate) fn vectors(self, texts: usize) -> Result<Vec<Vec<f32>>, Trouble> {
        let width = self.vectors.first().map_or(0, Vec::len);
        if self.vectors.len() == texts && width > 0 && self.vectors.iter().all(|v| v.len() == width)
        {
            Ok(self.vectors)
        } else {
            Err(Trouble::garbled(format!(
                "{} embeddings for {texts} texts, or of unlike width",
                self.vectors.len()
            )))
        }
    }
}
