//! Who asks, and what: read from the request, by the name of its schema or by what its prompt says of the task.

use serde_json::Value;

use super::changes::{self, Scripted};
use super::course::{Ask, crash_in};

/// What a request is about.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Question {
    /// So many ideas.
    Ideas { count: usize, tags: bool },
    /// The patch of an idea.
    Patch { idea: Box<Scripted>, ask: Ask },
    /// The best of so many candidates.
    Choice { candidates: usize },
    /// What was learnt from these ideas.
    Lessons { ideas: Vec<String> },
    /// One token, to see whether anybody is there.
    Ping,
}

/// Ideas by this number or above are not looked for.
const MOST_IDEAS: usize = 200;

pub(crate) fn read(body: &Value) -> Question {
    let messages = body["messages"].as_array().unwrap();
    let said = |role: &'static str| {
        messages.iter().filter(move |message| message["role"] == role).filter_map(text)
    };
    // What was said first is the task; what comes after it is about a refused answer.
    let task = said("user").next().unwrap_or_default();
    let is_again = said("assistant").next().is_some();
    let schema = &body["response_format"]["json_schema"];
    let is_about = |name: &str, phrase: &str| schema["name"] == name || task.contains(phrase);
    if is_about("ideas", "# Task\n\nPropose ") {
        let count = schema["schema"]["properties"]["ideas"]["minItems"].as_u64().unwrap_or(1);
        return Question::Ideas { count: count as usize, tags: task.contains("[Experiment]") };
    }
    if is_about("choice", "Choose the one to run") {
        return Question::Choice { candidates: task.matches("\n## Candidate ").count() };
    }
    if is_about("lessons", "Write the lessons that help") {
        return Question::Lessons { ideas: ids(task) };
    }
    let ask = if task.contains("was written and run, and the run failed") {
        Some(Ask::Repair(crash_in(task).unwrap_or_default()))
    } else if task.contains("Your edits for the idea below were refused") || is_again {
        Some(Ask::Revision)
    } else if task.contains("Write the code of the idea") {
        Some(Ask::First)
    } else {
        None
    };
    match (ask, idea(task)) {
        (Some(ask), Some(idea)) => Question::Patch { idea: Box::new(idea), ask },
        (None, _) if task.len() < 200 => Question::Ping,
        (ask, idea) => panic!("nobody knows what this asks ({ask:?}, {idea:?}):\n{task}"),
    }
}

fn text(message: &Value) -> Option<&str> {
    message["content"].as_str()
}

/// The scripted idea whose title is under the heading. A title may hold another's, so the longest counts.
fn idea(task: &str) -> Option<Scripted> {
    let (_, under) = task.rsplit_once("\n# Idea\n\n## ")?;
    let heading = under.lines().next()?;
    let all = (0..MOST_IDEAS).map(changes::idea);
    all.filter(|idea| heading.contains(&idea.title)).max_by_key(|idea| idea.title.len())
}

/// The ids of the ideas that have a heading: `run/i7`.
fn ids(task: &str) -> Vec<String> {
    let headings = task.lines().filter_map(|line| line.strip_prefix("## ")?.split_once(": "));
    headings.map(|(id, _)| id.to_owned()).filter(|id| id.contains("/i")).collect()
}
