//! Asks how to mend code that failed when it ran.

use std::collections::BTreeMap;

use autores_domain::{CodePath, Fault, FaultClass, Idea, Scale};
use serde::Serialize;

use super::fit::{Kept, Step, fit};
use super::format::{self, FileView, IdeaView, LESSONS};
use super::plain::{Block, line};
use super::render::render;
use super::system::{Knows, system};
use super::{PromptError, Room, Setting, Text};

/// A revision that failed.
#[derive(Debug, Clone, Copy)]
pub struct Failure<'a> {
    /// The idea it was to carry out.
    pub idea: &'a Idea,
    /// Why it failed, with the last lines of output.
    pub fault: &'a Fault,
    /// The files that differ from the base commit, as the revision has them; `None` for those it removed.
    pub changed: &'a BTreeMap<CodePath, Option<String>>,
    /// The learning curve in a line, as far as it came.
    pub curve: Option<&'a str>,
    /// Largest memory in MiB, of the GPU where there is one.
    pub peak_memory_mb: Option<f64>,
    /// Seconds until it failed.
    pub wall_s: Option<f64>,
}

#[derive(Serialize)]
struct Repair {
    advice: &'static str,
    lessons: Vec<String>,
    idea: IdeaView,
    files: Vec<FileView>,
    removed: Vec<String>,
    class: &'static str,
    reason: String,
    facts: Option<String>,
    tail: Option<Block>,
}

const TAIL: usize = 8_000;
const SHORTEST_TAIL: usize = 1_500;

/// The prompt for edits that mend the revision. They are against the revision's files, not the base commit's.
///
/// # Errors
/// [`PromptError::TooLarge`] if the rules, the editable files, the changed files and the failure do not fit.
pub fn repair_run(
    setting: &Setting<'_>,
    failure: &Failure<'_>,
    room: Room,
) -> Result<Text, PromptError> {
    let system = system(setting, &Knows::Code)?;
    let lessons = setting.lessons.len().min(LESSONS);
    let kept = Kept { tried: Vec::new(), lessons, techniques: 0, blocks: vec![TAIL] };
    let tail = failure.fault.tail.join("\n");
    let mut steps: Vec<Step> = Vec::new();
    if tail.len() > SHORTEST_TAIL + 200 {
        steps.push(Step::Block(0, TAIL / 2));
        steps.push(Step::Block(0, SHORTEST_TAIL));
    }
    steps.extend((0..lessons).rev().map(Step::Lessons));
    fit(room, &kept, &steps, |kept| {
        let values = Repair {
            advice: advice(failure.fault.class),
            lessons: format::lessons(setting.lessons, kept.lessons),
            idea: format::idea(failure.idea),
            files: failure
                .changed
                .iter()
                .filter_map(|(path, text)| Some(format::file(path, text.as_ref()?)))
                .collect(),
            removed: failure
                .changed
                .iter()
                .filter(|(_, text)| text.is_none())
                .map(|(path, _)| path.to_string())
                .collect(),
            class: failure.fault.class.as_str(),
            reason: line(&failure.fault.reason, 600),
            facts: facts(failure, setting.scale),
            tail: (!tail.is_empty()).then(|| Block::words(&tail, kept.blocks[0])),
        };
        Ok(Text { system: system.clone(), user: render("repair_run", &values)? })
    })
}

fn facts(failure: &Failure<'_>, scale: &Scale) -> Option<String> {
    let mut facts = Vec::new();
    if let Some(seconds) = failure.wall_s {
        facts.push(format!("It failed after {seconds:.0} s."));
    }
    if let Some(mb) = failure.peak_memory_mb {
        // With a GPU it is the GPU's memory, to which the limit does not apply.
        let limit = match scale.gpus {
            0 => format!("; the limit is {} MiB", scale.limits.memory_mb),
            _ => String::new(),
        };
        facts.push(format!("Peak memory: {mb:.0} MiB{limit}."));
    }
    if let Some(curve) = failure.curve {
        facts.push(format!("Learning curve: {}.", line(curve, 600)));
    }
    (!facts.is_empty()).then(|| facts.join(" "))
}

fn advice(class: FaultClass) -> &'static str {
    match class {
        FaultClass::Oom => {
            "Memory ran out: find what the idea holds that it does not need, or compute it in parts."
        }
        FaultClass::Diverged => {
            "A value became infinite or not a number: find where the idea can divide by zero, overflow or take too large a step."
        }
        FaultClass::Build => "The code does not compile or import: mend that.",
        FaultClass::Patch
        | FaultClass::Duplicate
        | FaultClass::Crash
        | FaultClass::Timeout
        | FaultClass::Stalled
        | FaultClass::Policy
        | FaultClass::Infra
        | FaultClass::Preempted => "Read the last lines of its output from the end.",
    }
}
