//! Lines for lessons and techniques, ideas as blocks, and files with their numbers.

use autores_domain::{Advice, CodePath, Idea, Lesson};
use serde::Serialize;

use super::plain::{Block, line, numbered};
use crate::catalogue::Technique;

/// Lessons that a prompt shows at most.
pub(super) const LESSONS: usize = 24;

const PLAN: usize = 8_000;

#[derive(Debug, Serialize)]
pub(super) struct IdeaView {
    title: String,
    hypothesis: String,
    plan: Block,
}

pub(super) fn idea(idea: &Idea) -> IdeaView {
    IdeaView {
        title: line(&idea.title, 200),
        hypothesis: line(&idea.hypothesis, 2_000),
        plan: Block::words(&idea.plan, PLAN),
    }
}

#[derive(Debug, Serialize)]
pub(super) struct FileView {
    path: String,
    block: Block,
}

pub(super) fn file(path: &CodePath, text: &str) -> FileView {
    FileView { path: path.to_string(), block: Block::exact(&numbered(text)) }
}

pub(super) fn lessons(lessons: &[Lesson], count: usize) -> Vec<String> {
    let one = |lesson: &Lesson| {
        let advice = match lesson.advice {
            Advice::Do => "Do",
            Advice::Avoid => "Avoid",
        };
        let ids: Vec<String> = lesson.evidence.iter().take(8).map(ToString::to_string).collect();
        format!(
            "{advice} ({}): {} [{}]",
            line(&lesson.topic, 80),
            line(&lesson.text, 400),
            ids.join(", ")
        )
    };
    lessons.iter().take(count).map(one).collect()
}

/// `name: title. knob: a, b, c; knob: d, e`
pub(super) fn technique(technique: &Technique) -> String {
    let knobs: Vec<String> = technique
        .knobs
        .iter()
        .map(|knob| format!("{} = {}", knob.name, knob.values.join(" | ")))
        .collect();
    let knobs = if knobs.is_empty() { "no knobs".to_owned() } else { knobs.join("; ") };
    line(&format!("`{}`: {}; {knobs}", technique.name, technique.title), 400)
}
