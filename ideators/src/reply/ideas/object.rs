//! Finds ideas in the JSON of a reply, under whatever names the model gave to the fields.

use super::clean;
use super::lenient::{self, Json};
use super::{Draft, Found, uses};

const IDEAS: [&str; 9] = [
    "ideas",
    "experiments",
    "proposals",
    "hypotheses",
    "suggestions",
    "candidates",
    "researchideas",
    "newideas",
    "idea",
];
const TITLE: [&str; 8] =
    ["title", "name", "ideatitle", "ideaname", "experimentname", "headline", "heading", "label"];
/// Keys that say what is to be done, and nothing else.
const PLAN: [&str; 16] = [
    "plan",
    "codechanges",
    "codechange",
    "changes",
    "change",
    "proposedchange",
    "proposedchanges",
    "modification",
    "modifications",
    "implementation",
    "implementationplan",
    "implementationdetails",
    "method",
    "approach",
    "steps",
    "how",
];
/// Keys that hold the plan where there is no better one.
const SAYING: [&str; 9] = [
    "description",
    "details",
    "proposal",
    "summary",
    "idea",
    "experiment",
    "text",
    "content",
    "abstract",
];
const HYPOTHESIS: [&str; 14] = [
    "hypothesis",
    "motivation",
    "rationale",
    "why",
    "reasoning",
    "reason",
    "justification",
    "insight",
    "expectedeffect",
    "expectedimpact",
    "expectedimprovement",
    "expectedresult",
    "intuition",
    "background",
];
const TECHNIQUES: [&str; 4] = ["techniques", "technique", "techniqueuses", "catalogue"];
const SOURCES: [&str; 6] = ["sources", "source", "references", "reference", "citations", "papers"];
const MOST_SOURCES: usize = 16;
/// What may be spent on a reply, in characters read per character of it.
const READS: usize = 4;

/// All ideas in the JSON values of a text.
pub(super) fn find(text: &str) -> Found {
    let mut found = Found::default();
    let mut work = text.len() * READS + 10_000;
    let mut at = 0;
    while let Some(next) = text[at..].find(['{', '[']) {
        let start = at + next;
        let before = found.drafts.len();
        at = start + 1;
        match lenient::read(text, start, &mut work) {
            Ok(read) => {
                let end = matches!(&read.value, Json::Object(_, true) | Json::List(_, true));
                found.gather(&read.value, false);
                found.cut |= !end && looks_begun(&text[start..]);
                if end || found.drafts.len() > before {
                    at = read.end.max(at);
                }
            }
            Err(broken) if work > 0 => {
                if looks_begun(&text[start..]) && found.broken.is_none() {
                    found.broken = Some(around(text, broken.at));
                }
            }
            Err(_) => break,
        }
        if found.drafts.len() > before && found.first.is_none() {
            found.first = Some(start);
        }
    }
    found
}

/// Whether the text begins as JSON does, and not as prose with a bracket.
fn looks_begun(text: &str) -> bool {
    let inner = text[1..].trim_start();
    inner.is_empty() || inner.starts_with(['"', '{', '\'', '“'])
}

fn around(text: &str, at: usize) -> String {
    let from = text[..at].char_indices().rev().take(30).last().map_or(at, |(from, _)| from);
    let to = text[at..].char_indices().nth(20).map_or(text.len(), |(to, _)| at + to);
    clean::source(&text[from..to])
}

impl Found {
    /// The ideas in a value; what is `listed` as an idea need not look like one.
    fn gather(&mut self, value: &Json, listed: bool) {
        match value {
            Json::List(items, _) => {
                self.empty |= items.is_empty();
                for item in items {
                    self.gather(item, listed);
                }
            }
            Json::Object(entries, whole) => self.gather_object(entries, *whole, listed),
            // The arguments of a tool call are JSON within a text.
            Json::Text(text) if text.trim_start().starts_with(['{', '[']) => {
                let mut work = text.len() * 2 + 100;
                let start = text.len() - text.trim_start().len();
                if let Ok(read) = lenient::read(text, start, &mut work)
                    && !matches!(read.value, Json::Text(_))
                {
                    self.gather(&without_texts(read.value), listed);
                }
            }
            Json::Null | Json::Bool(_) | Json::Number(_) | Json::Text(_) => {}
        }
    }

    fn gather_object(&mut self, entries: &[(String, Json)], whole: bool, listed: bool) {
        // The schema itself, given back.
        if entry(entries, &["properties"]).is_some() && entry(entries, &["type"]).is_some() {
            self.echo = true;
            return;
        }
        let has_plan = entry(entries, &PLAN).is_some();
        if let Some((key, ideas)) = entry(entries, &IDEAS)
            && holds_ideas(ideas)
            && !has_plan
        {
            self.gather_ideas(key, ideas);
            return;
        }
        match draft(entries, listed) {
            Look::Draft(_) if !whole => self.cut = true,
            // What is left of an idea that cannot be read is none.
            Look::Draft(draft) if draft.plan.is_empty() && !listed && self.broken.is_some() => {}
            Look::Draft(draft) => self.push(draft),
            Look::StandIn => self.echo = true,
            Look::NoPlan(title) => {
                let before = self.drafts.len();
                self.gather_values(entries);
                if self.drafts.len() == before {
                    if whole {
                        self.bare.get_or_insert(title);
                    } else {
                        self.cut = true;
                    }
                }
            }
            Look::Other => self.gather_values(entries),
        }
    }

    fn gather_values(&mut self, entries: &[(String, Json)]) {
        for (_, value) in entries {
            self.gather(value, false);
        }
    }

    /// What stands under a key that announces ideas.
    fn gather_ideas(&mut self, key: &str, ideas: &Json) {
        match ideas {
            Json::List(items, _) => {
                self.empty |= items.is_empty();
                for item in items {
                    match item {
                        Json::Text(text) if squeezed(key) == "ideas" => self.push_words(text),
                        item => self.gather(item, true),
                    }
                }
            }
            ideas => self.gather(ideas, true),
        }
    }

    fn push_words(&mut self, text: &str) {
        if clean::is_placeholder(text) {
            self.echo = true;
        } else if !clean::says_something(text) {
            self.bare.get_or_insert(clean::title(text));
        } else {
            self.push(Draft {
                title: clean::headline(text),
                plan: clean::body(text),
                ..Draft::default()
            });
        }
    }
}

fn holds_ideas(value: &Json) -> bool {
    match value {
        Json::List(items, _) => {
            items.is_empty()
                || items.iter().any(|item| matches!(item, Json::Object(..) | Json::Text(_)))
        }
        Json::Object(..) => true,
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::Text(_) => false,
    }
}

/// What an object is, seen as an idea.
enum Look {
    Draft(Draft),
    /// The format's example, given back.
    StandIn,
    /// It has a title and says nothing of what to do.
    NoPlan(String),
    Other,
}

fn draft(entries: &[(String, Json)], listed: bool) -> Look {
    let title = pick(entries, &TITLE, None).filter(|(_, title)| clean::has_words(title));
    let used = |taken: &Option<(&str, String)>| taken.as_ref().map(|(key, _)| (*key).to_owned());
    let title_key = used(&title);
    let plan = pick(entries, &PLAN, None).or_else(|| pick(entries, &SAYING, title_key.as_deref()));
    let plan_key = used(&plan);
    let hypothesis =
        pick(entries, &HYPOTHESIS, None).or_else(|| pick(entries, &SAYING, plan_key.as_deref()));
    let techniques =
        entry(entries, &TECHNIQUES).map(|(_, named)| uses::of(named, entries)).unwrap_or_default();
    if let Some((_, text)) =
        [&title, &plan].into_iter().flatten().find(|(_, text)| clean::is_placeholder(text))
    {
        return if text.is_empty() { Look::Other } else { Look::StandIn };
    }
    let meant = listed || hypothesis.is_some();
    match (&title, &plan) {
        // Whatever else has a name, such as an optimizer's configuration.
        (Some((key, _)), plan)
            if techniques.is_empty()
                && !meant
                && squeezed(key) == "name"
                && !plan.as_ref().is_some_and(|(_, plan)| clean::says_something(plan)) =>
        {
            return Look::Other;
        }
        (Some((_, title)), None) if techniques.is_empty() => {
            return Look::NoPlan(clean::title(title));
        }
        (None, None) if techniques.is_empty() => return Look::Other,
        (None, Some((key, text))) if !listed && !announces_plan(key, text) => return Look::Other,
        (Some((_, title)), Some((_, plan)))
            if techniques.is_empty() && !clean::says_something(plan) =>
        {
            return Look::NoPlan(clean::title(title));
        }
        (_, _) => {}
    }
    let text = |picked: Option<(&str, String)>| picked.map(|(_, text)| text).unwrap_or_default();
    let plan = clean::body(&text(plan));
    let title = match title {
        Some((_, title)) => clean::title(&title),
        None if plan.is_empty() => {
            clean::title(&techniques.iter().map(super::label).collect::<Vec<_>>().join(" + "))
        }
        None => clean::headline(&plan),
    };
    let sources = entry(entries, &SOURCES).map(|(_, value)| sources(value)).unwrap_or_default();
    let hypothesis = clean::body(&text(hypothesis));
    Look::Draft(Draft { title, hypothesis, plan, techniques, sources })
}

/// Whether a plan without a title is one, and not the setting of some configuration.
fn announces_plan(key: &str, text: &str) -> bool {
    let key = squeezed(key);
    let key = key.as_str();
    clean::says_something(text)
        && (PLAN.contains(&key) || ["idea", "proposal", "experiment"].contains(&key))
}

fn sources(value: &Json) -> Vec<String> {
    let each: Vec<String> = match value {
        Json::List(items, _) => items.iter().map(words).collect(),
        other => vec![words(other)],
    };
    let cleaned = each.iter().map(|source| clean::source(source));
    cleaned.filter(|source| !clean::is_placeholder(source)).take(MOST_SOURCES).collect()
}

/// The first key of these, in their order, whose value says something.
fn pick<'a>(
    entries: &'a [(String, Json)],
    keys: &[&str],
    except: Option<&str>,
) -> Option<(&'a str, String)> {
    keys.iter()
        .filter_map(|key| entries.iter().find(|(name, _)| squeezed(name) == *key))
        .filter(|(name, _)| Some(name.as_str()) != except)
        .map(|(name, value)| (name.as_str(), words(value)))
        .find(|(_, text)| !text.trim().is_empty())
}

/// The first key of these, in their order.
pub(super) fn entry<'a>(
    entries: &'a [(String, Json)],
    keys: &[&str],
) -> Option<&'a (String, Json)> {
    keys.iter().find_map(|key| entries.iter().find(|(name, _)| squeezed(name) == *key))
}

/// `Code_Changes` is `codechanges`.
pub(super) fn squeezed(key: &str) -> String {
    key.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).take(40).collect()
}

/// A value that is one word or text.
pub(super) fn scalar(value: &Json) -> Option<String> {
    match value {
        Json::Text(text) | Json::Number(text) => Some(text.clone()),
        Json::Bool(yes) => Some(if *yes { "True" } else { "False" }.to_owned()),
        Json::Null | Json::List(..) | Json::Object(..) => None,
    }
}

/// A value as text: lists as lines with dashes, objects as lines with their keys.
fn words(value: &Json) -> String {
    match value {
        Json::Null => String::new(),
        Json::Bool(_) | Json::Number(_) | Json::Text(_) => scalar(value).unwrap_or_default(),
        Json::List(items, _) => {
            items.iter().map(|item| format!("- {}", words(item))).collect::<Vec<_>>().join("\n")
        }
        Json::Object(entries, _) => entries
            .iter()
            .map(|(key, value)| format!("{key}: {}", words(value)))
            .collect::<Vec<_>>()
            .join("\n"),
    }
}

/// The value without texts that could be JSON again: one tool call holds no other.
fn without_texts(value: Json) -> Json {
    match value {
        Json::List(items, whole) => {
            Json::List(items.into_iter().map(without_texts).collect(), whole)
        }
        Json::Object(entries, whole) => Json::Object(
            entries.into_iter().map(|(key, value)| (key, without_texts(value))).collect(),
            whole,
        ),
        Json::Text(text) if text.trim_start().starts_with(['{', '[']) => Json::Null,
        other => other,
    }
}
