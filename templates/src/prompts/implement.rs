//! Asks for the patch of an idea, and for a better one after a patch was refused.

use autores_domain::Idea;
use serde::Serialize;

use super::fit::{Detail, Kept, Step, fit};
use super::format::{self, IdeaView, LESSONS};
use super::input::Tried;
use super::plain::Block;
use super::render::render;
use super::system::{Knows, system};
use super::tried::{self, Shown};
use super::{PromptError, Room, Setting, Text};

/// An idea to be written.
#[derive(Debug, Clone, Copy)]
pub struct Task<'a> {
    /// The idea.
    pub idea: &'a Idea,
    /// The ideas it builds on, with their diffs, best first.
    pub parents: &'a [Tried],
}

#[derive(Serialize)]
struct Implement {
    lessons: Vec<String>,
    parents: Vec<Shown>,
    idea: IdeaView,
    earlier: Option<Block>,
    report: Option<Block>,
}

const EARLIER: usize = 24_000;
const SHORTEST_EARLIER: usize = 1_000;
const REPORT: usize = 6_000;

/// The prompt for the idea's patch.
///
/// # Errors
/// [`PromptError::TooLarge`] if the rules, the editable files and the idea do not fit.
pub fn implement(setting: &Setting<'_>, task: &Task<'_>, room: Room) -> Result<Text, PromptError> {
    write(setting, task, None, room)
}

/// The prompt for another patch after `earlier`, a whole reply, was refused; `report` says why. The new edits are
/// against the base commit, as the refused ones were.
///
/// # Errors
/// [`PromptError::TooLarge`] if the rules, the editable files, the idea and the report do not fit.
pub fn repair_patch(
    setting: &Setting<'_>,
    task: &Task<'_>,
    earlier: &str,
    report: &str,
    room: Room,
) -> Result<Text, PromptError> {
    write(setting, task, Some((earlier, report)), room)
}

fn write(
    setting: &Setting<'_>,
    task: &Task<'_>,
    refused: Option<(&str, &str)>,
    room: Room,
) -> Result<Text, PromptError> {
    let system = system(setting, &Knows::Code)?;
    let lessons = setting.lessons.len().min(LESSONS);
    let kept = Kept {
        tried: vec![Detail::Full; task.parents.len()],
        lessons,
        techniques: 0,
        blocks: vec![EARLIER],
    };
    let mut steps = tried::steps(task.parents, Detail::Full, task.parents.len(), false);
    if refused.is_some_and(|(earlier, _)| earlier.len() > SHORTEST_EARLIER + 200) {
        steps.push(Step::Block(0, EARLIER / 4));
    }
    steps.extend((0..lessons).rev().map(Step::Lessons));
    if refused.is_some_and(|(earlier, _)| earlier.len() > SHORTEST_EARLIER + 200) {
        steps.push(Step::Block(0, SHORTEST_EARLIER));
    }
    let metric = &setting.problem.metric.name;
    let template = if refused.is_some() { "repair_patch" } else { "implement" };
    fit(room, &kept, &steps, |kept| {
        let parents = task.parents.iter().zip(&kept.tried);
        let values = Implement {
            lessons: format::lessons(setting.lessons, kept.lessons),
            parents: parents.filter_map(|(one, how)| tried::shown(one, *how, metric)).collect(),
            idea: format::idea(task.idea),
            earlier: refused.map(|(earlier, _)| Block::words(earlier, kept.blocks[0])),
            report: refused.map(|(_, report)| Block::words(report, REPORT)),
        };
        Ok(Text { system: system.clone(), user: render(template, &values)? })
    })
}
