//! Reads lessons out of a reply. One without evidence is left out, however true it sounds.

use std::collections::BTreeSet;

use autores_domain::{Advice, IdeaId, Lesson, RunId};
use serde_json::{Map, Value, json};

use crate::answer;
use crate::llm::Schema;

const LONGEST_TOPIC: usize = 80;
const LONGEST_TEXT: usize = 400;
const MOST_EVIDENCE: usize = 24;

/// The name that a run had in a reply, and the one that it has here.
pub(super) type Renamed<'a> = (&'a RunId, &'a RunId);

/// The lessons of a reply, in their order; none where it says that there are none.
///
/// # Errors
/// What is wrong, for its writer.
pub(super) fn read(
    reply: &str,
    known: &BTreeSet<IdeaId>,
    renamed: Option<Renamed<'_>>,
) -> Result<Vec<Lesson>, String> {
    let found = answer::objects(reply);
    let lists: Vec<&Vec<Value>> =
        found.iter().filter_map(|object| object.get("lessons")?.as_array()).collect();
    // Without the object around them, as after a reply that was cut off, they stand alone.
    let alone = found.iter().filter(|object| object.contains_key("evidence"));
    let items: Vec<&Map<String, Value>> = lists
        .iter()
        .flat_map(|list| list.iter())
        .filter_map(Value::as_object)
        .chain(alone)
        .collect();
    if items.is_empty() {
        return match lists.is_empty() {
            true => {
                Err("no lessons were found in the reply; give {\"lessons\": [...]} as JSON"
                    .to_owned())
            }
            false => Ok(Vec::new()),
        };
    }
    let mut mistake = None;
    let mut lessons = Vec::new();
    for item in items {
        match lesson(item, known, renamed) {
            Ok(lesson) => lessons.push(lesson),
            Err(wrong) => {
                mistake.get_or_insert(wrong);
            }
        }
    }
    match mistake {
        Some(mistake) if lessons.is_empty() => Err(mistake),
        Some(_) | None => Ok(lessons),
    }
}

fn lesson(
    item: &Map<String, Value>,
    known: &BTreeSet<IdeaId>,
    renamed: Option<Renamed<'_>>,
) -> Result<Lesson, String> {
    let words = |field: &str| item.get(field).and_then(Value::as_str).unwrap_or_default();
    let text = line(words("text"), LONGEST_TEXT);
    if !text.chars().any(char::is_alphanumeric) {
        return Err("a lesson has no \"text\"; say in it what to do or to avoid".to_owned());
    }
    let advice = match words("advice").trim().to_lowercase().as_str() {
        "do" => Advice::Do,
        "avoid" | "don't" | "do not" => Advice::Avoid,
        other => {
            return Err(format!("{other:?} is no advice; \"advice\" is \"do\" or \"avoid\""));
        }
    };
    let named: Vec<&Value> = match item.get("evidence") {
        Some(Value::Array(list)) => list.iter().collect(),
        Some(one) => vec![one],
        None => Vec::new(),
    };
    let mut evidence: Vec<IdeaId> = Vec::new();
    for id in named.iter().filter_map(|value| idea(value, known, renamed)) {
        if !evidence.contains(&id) && evidence.len() < MOST_EVIDENCE {
            evidence.push(id);
        }
    }
    if evidence.is_empty() {
        let named: Vec<String> = named.iter().map(ToString::to_string).collect();
        return Err(format!(
            "the lesson {text:?} has no evidence among the experiments shown, but {}; name their ids as they are \
             written above",
            if named.is_empty() { "nothing".to_owned() } else { named.join(", ") }
        ));
    }
    let topic = match line(words("topic"), LONGEST_TOPIC) {
        empty if empty.is_empty() => line(&text, 40),
        topic => topic,
    };
    Ok(Lesson { advice, topic, text, evidence })
}

/// The idea that is meant: `run/i7`, or `i7` where only one run has such a one.
fn idea(value: &Value, known: &BTreeSet<IdeaId>, renamed: Option<Renamed<'_>>) -> Option<IdeaId> {
    let text = match value {
        Value::String(text) => text.trim().trim_matches(['[', ']', '`', '#']).to_owned(),
        Value::Number(number) => number.to_string(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => return None,
    };
    if let Ok(id) = text.parse::<IdeaId>() {
        let id = match renamed {
            Some((before, now)) if id.run == *before => IdeaId { run: now.clone(), ..id },
            Some(_) | None => id,
        };
        return known.get(&id).cloned();
    }
    let number: u32 = text.trim_start_matches(['i', 'I']).parse().ok()?;
    let mut meant = known.iter().filter(|id| id.number == number);
    match (meant.next(), meant.next()) {
        (Some(id), None) => Some(id.clone()),
        (_, _) => None,
    }
}

/// One line of at most so many bytes, without characters that a terminal would obey.
fn line(text: &str, most: usize) -> String {
    let visible: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let joined = visible.split_whitespace().collect::<Vec<_>>().join(" ");
    match joined.len() > most {
        true => format!("{}…", joined[..joined.floor_char_boundary(most)].trim_end()),
        false => joined,
    }
}

pub(super) fn schema() -> Schema {
    let text = || json!({"type": "string"});
    let lesson = json!({
        "type": "object",
        "required": ["advice", "topic", "text", "evidence"],
        "additionalProperties": false,
        "properties": {
            "advice": {"type": "string", "enum": ["do", "avoid"]},
            "topic": text(),
            "text": text(),
            "evidence": {"type": "array", "items": text()},
        },
    });
    let json = json!({
        "type": "object",
        "required": ["lessons"],
        "additionalProperties": false,
        "properties": {"lessons": {"type": "array", "items": lesson}},
    });
    Schema { name: "lessons".to_owned(), json }
}
