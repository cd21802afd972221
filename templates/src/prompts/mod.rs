//! What models are told: typed facts in, the words of a system and a user message out. Never calls a model.
//!
//! The system message depends only on the problem, the scale and the code, so that it is the same for all calls of
//! a run and providers can keep it in their caches. All that varies stands in the user message.

mod choose;
mod fit;
mod format;
mod ideas;
mod implement;
mod input;
mod lessons;
mod plain;
mod render;
mod repair;
mod system;
mod tried;

use autores_domain::{CodePath, Codebase, Lesson, Problem, Scale};

pub use choose::{Candidate, classify, judge};
pub use ideas::{Ask, Format, Knobs, ideas};
pub use implement::{Task, implement, repair_patch};
pub use input::{Baseline, Outcome, Tried};
pub use lessons::lessons;
pub use repair::{Failure, repair_run};

/// The two messages of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    /// The system message.
    pub system: String,
    /// The user message.
    pub user: String,
}

/// What all prompts of a run are about.
#[derive(Clone, Copy)]
pub struct Setting<'a> {
    /// The problem.
    pub problem: &'a Problem,
    /// The name of the scale at which ideas are measured.
    pub scale_name: &'a str,
    /// That scale.
    pub scale: &'a Scale,
    /// The base commit's text files.
    pub codebase: &'a Codebase,
    /// Whether an idea may change the file.
    pub is_editable: &'a dyn Fn(&CodePath) -> bool,
    /// What the run has learnt so far, the most important first.
    pub lessons: &'a [Lesson],
}

/// How much of a model's window a prompt may take: the window less the reply, and less a few tokens for the marks that a
/// server sets between messages.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Room {
    /// Tokens for the system and the user message together.
    pub tokens: u64,
    /// Tokens to a byte of text, as measured with the model.
    pub tokens_per_byte: f64,
}

impl Room {
    /// The tokens that the text takes.
    pub fn tokens_of(&self, text: &Text) -> u64 {
        ((text.system.len() + text.user.len()) as f64 * self.tokens_per_byte).ceil() as u64
    }
}

/// Why there is no prompt.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PromptError {
    /// What cannot be left out is already too much.
    #[error(
        "the prompt needs {needed_tokens} tokens without anything optional, but the model has room for {room_tokens}; \
         take a model with a larger window, or have ideas made of the catalogue"
    )]
    TooLarge {
        /// Tokens of the shortest form.
        needed_tokens: u64,
        /// Tokens there are.
        room_tokens: u64,
    },
    /// A template and its values do not fit each other, which is an error of this program.
    #[error("prompt {template} cannot be written: {reason}")]
    Template {
        /// The template.
        template: String,
        /// What handlebars says.
        reason: String,
    },
}
