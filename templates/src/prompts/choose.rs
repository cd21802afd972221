//! Asks which of several patches to run, and of what kind a change is.

use autores_domain::Idea;
use serde::Serialize;

use super::fit::{Kept, Step, fit};
use super::format::{self, IdeaView};
use super::plain::Block;
use super::render::render;
use super::system::{Knows, system};
use super::{PromptError, Room, Setting, Text};

/// A patch among several for one idea. Candidates are numbered from 1 in the order in which they are given.
#[derive(Debug, Clone, Copy)]
pub struct Candidate<'a> {
    /// The change as a unified diff.
    pub diff: &'a str,
    /// Lines added and removed.
    pub lines: (u32, u32),
}

#[derive(Serialize)]
struct Judge {
    idea: IdeaView,
    candidates: Vec<CandidateView>,
    count: usize,
}

#[derive(Serialize)]
struct CandidateView {
    number: usize,
    note: String,
    diff: Block,
}

#[derive(Serialize)]
struct Classify {
    idea: IdeaView,
    diff: Option<Block>,
}

const SIZES: [usize; 5] = [24_000, 12_000, 6_000, 3_000, 1_500];

/// The prompt for the choice among patches.
///
/// # Errors
/// [`PromptError::TooLarge`] if the rules, the editable files and the start and end of each patch do not fit.
pub fn judge(
    setting: &Setting<'_>,
    idea: &Idea,
    candidates: &[Candidate<'_>],
    room: Room,
) -> Result<Text, PromptError> {
    let system = system(setting, &Knows::Code)?;
    // All are shortened together: a candidate that is shown in part is judged worse than the others.
    let steps: Vec<Step> = SIZES[1..].iter().map(|bytes| Step::Block(0, *bytes)).collect();
    fit(room, &blocks(), &steps, |kept| {
        let view = |(at, one): (usize, &Candidate<'_>)| CandidateView {
            number: at + 1,
            note: format!("+{} -{} lines", one.lines.0, one.lines.1),
            diff: Block::words(one.diff, kept.blocks[0]),
        };
        let values = Judge {
            idea: format::idea(idea),
            candidates: candidates.iter().enumerate().map(view).collect(),
            count: candidates.len(),
        };
        Ok(Text { system: system.clone(), user: render("judge", &values)? })
    })
}

/// The prompt for the kind of a change: `algorithmic` or `hyper-parameter`.
///
/// # Errors
/// [`PromptError::TooLarge`] if the rules, the idea and the start and end of the patch do not fit.
pub fn classify(
    setting: &Setting<'_>,
    idea: &Idea,
    diff: Option<&str>,
    room: Room,
) -> Result<Text, PromptError> {
    let system = system(setting, &Knows::Rules)?;
    let steps: Vec<Step> = match diff {
        Some(_) => SIZES[1..].iter().map(|bytes| Step::Block(0, *bytes)).collect(),
        None => Vec::new(),
    };
    fit(room, &blocks(), &steps, |kept| {
        let diff = diff.map(|diff| Block::words(diff, kept.blocks[0]));
        let values = Classify { idea: format::idea(idea), diff };
        Ok(Text { system: system.clone(), user: render("classify", &values)? })
    })
}

fn blocks() -> Kept {
    Kept { tried: Vec::new(), lessons: 0, techniques: 0, blocks: vec![SIZES[0]] }
}
