//! Reads ideas out of a model's reply: JSON in the shapes that models give it, or the tags
//! `[Experiment] … [Code Changes] … [End]`. Never asks whether an idea is any good.

mod clean;
mod lenient;
mod object;
mod resolve;
mod schema;
mod tags;
mod uses;

use autores_domain::TechniqueUse;
use serde::{Deserialize, Serialize};

pub use resolve::{Unresolved, resolve};
pub use schema::{Vocabulary, plain_schema, schema};

use super::text;

/// Longer replies are not read, in bytes.
pub const LONGEST_REPLY: usize = 2_000_000;
/// More ideas in one reply are left out.
pub const MOST_IDEAS: usize = 256;

/// An idea as a model worded it, cleaned and bounded.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Draft {
    /// A short name of one line, at most 120 characters.
    pub title: String,
    /// Why it should help; may be empty. At most 4,000 characters.
    pub hypothesis: String,
    /// What is to be changed; empty only where techniques say it. At most 4,000 characters.
    pub plan: String,
    /// The techniques it names, as they were named; see [`resolve`]. Empty for ideas in words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub techniques: Vec<TechniqueUse>,
    /// Papers and projects it refers to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<String>,
}

/// Why a reply gives no idea. The text tells the model what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Refused {
    /// There is no text.
    #[error("the reply is empty; answer with the ideas in the requested format")]
    Empty,
    /// There is more than is read.
    #[error(
        "the reply has {bytes} bytes, more than the {LONGEST_REPLY} that are read; answer with the ideas only"
    )]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// All of it is thinking.
    #[error(
        "the reply ends before its answer, all of it is thinking; think shorter and give the ideas"
    )]
    OnlyThinking,
    /// It ends within its first idea.
    #[error(
        "the reply ends within its first idea; give fewer or shorter ideas and close the last one"
    )]
    Truncated,
    /// It is meant as JSON and cannot be read as such.
    #[error(
        "the reply's JSON cannot be read near {near:?}; give valid JSON, with quotes and line breaks in texts escaped"
    )]
    Broken {
        /// The text around the place.
        near: String,
    },
    /// It repeats the format.
    #[error(
        "the reply repeats the format without filling it in; replace each placeholder with your own idea"
    )]
    Echo,
    /// Its ideas say nothing of what to do.
    #[error("idea {title:?} has no plan; say in \"plan\" what is to be changed in the code")]
    NoPlan {
        /// The first such idea.
        title: String,
    },
    /// Its list of ideas is empty.
    #[error("the reply's list of ideas is empty; propose at least one idea")]
    NoIdeas,
    /// The model does not want to or cannot answer.
    #[error(
        "the model declined: {words:?}; the task is to propose changes to the training code shown"
    )]
    Declined {
        /// How it begins.
        words: String,
    },
    /// There is text, and no idea in a known form.
    #[error(
        "no idea was found in the reply; give {{\"ideas\": [{{\"title\", \"hypothesis\", \"plan\"}}]}} as JSON, or [Experiment] … [Code Changes] … [End] for each"
    )]
    Nothing,
}

/// The ideas of a reply, in their order; those that are cut off or say nothing are left out.
///
/// # Errors
/// Why there is none.
pub fn parse(reply: &str) -> Result<Vec<Draft>, Refused> {
    if reply.len() > LONGEST_REPLY {
        return Err(Refused::TooLong { bytes: reply.len() });
    }
    if reply.trim().is_empty() {
        return Err(Refused::Empty);
    }
    let answer = text::clean(reply);
    if answer.trim().is_empty() {
        return Err(Refused::OnlyThinking);
    }
    let json = object::find(&answer);
    let tags = tags::find(&answer);
    // The form that begins first holds the other: code in a tag may be JSON, a text of JSON may hold tags.
    let json_first = match (json.first, tags.first) {
        (Some(json), Some(tags)) => json < tags,
        (json, _) => json.is_some(),
    };
    let (best, other) = if json_first { (json, tags) } else { (tags, json) };
    if best.drafts.is_empty() { Err(best.refusal(&other, &answer)) } else { Ok(best.drafts) }
}

/// What a form of reply was seen to hold.
#[derive(Debug, Default)]
struct Found {
    drafts: Vec<Draft>,
    /// Where the first idea begins.
    first: Option<usize>,
    /// An idea ends with the text.
    cut: bool,
    /// Something meant as JSON cannot be read near this text.
    broken: Option<String>,
    /// The format was given back.
    echo: bool,
    /// The title of an idea without a plan.
    bare: Option<String>,
    /// A list of ideas is empty.
    empty: bool,
}

impl Found {
    fn push(&mut self, draft: Draft) {
        if self.drafts.len() < MOST_IDEAS && !self.drafts.contains(&draft) {
            self.drafts.push(draft);
        }
    }

    fn refusal(self, other: &Self, answer: &str) -> Refused {
        if let Some(words) = declined(answer) {
            Refused::Declined { words }
        } else if self.cut || other.cut {
            Refused::Truncated
        } else if let Some(near) = self.broken.or_else(|| other.broken.clone()) {
            Refused::Broken { near }
        } else if let Some(title) = self.bare.or_else(|| other.bare.clone()) {
            Refused::NoPlan { title }
        } else if self.echo || other.echo {
            Refused::Echo
        } else if self.empty || other.empty {
            Refused::NoIdeas
        } else {
            Refused::Nothing
        }
    }
}

/// The beginning of a reply that refuses the task.
fn declined(answer: &str) -> Option<String> {
    const SIGNS: [&str; 14] = [
        "i'm sorry",
        "i am sorry",
        "i can't",
        "i cannot",
        "i can not",
        "i won't",
        "i will not",
        "i'm unable",
        "i am unable",
        "i'm not able",
        "i am not able",
        "as an ai",
        "i apologize",
        "i must decline",
    ];
    let beginning: String = answer.trim().chars().take(240).collect();
    let plain = beginning.to_lowercase().replace('’', "'");
    SIGNS.iter().any(|sign| plain.contains(sign)).then(|| clean::headline(&beginning))
}

/// `muon(rate=0.02)`, or the name alone where there are no knobs.
fn label(used: &TechniqueUse) -> String {
    let knobs: Vec<String> =
        used.knobs.iter().map(|(knob, value)| format!("{knob}={value}")).collect();
    if knobs.is_empty() {
        used.technique.clone()
    } else {
        format!("{}({})", used.technique, knobs.join(", "))
    }
}
