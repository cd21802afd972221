//! Finds techniques and their knobs in the shapes in which models write them. Knows no catalogue.

use std::collections::BTreeMap;

use autores_domain::TechniqueUse;

use super::clean;
use super::lenient::Json;
use super::object::{entry, scalar, squeezed};

const TECHNIQUE: [&str; 4] = ["technique", "name", "techniquename", "id"];
const KNOBS: [&str; 11] = [
    "knobs",
    "knob",
    "settings",
    "params",
    "parameters",
    "values",
    "config",
    "hyperparameters",
    "options",
    "knobvalues",
    "args",
];
const KNOB: [&str; 5] = ["knob", "name", "key", "parameter", "setting"];
const VALUE: [&str; 3] = ["value", "setting", "to"];
/// What is said about a technique beside its knobs.
const REMARKS: [&str; 9] = [
    "reason",
    "why",
    "rationale",
    "hypothesis",
    "description",
    "category",
    "kind",
    "source",
    "title",
];
const MOST_USES: usize = 32;
const MOST_KNOBS: usize = 64;

/// The techniques that an idea's object names; `named` is what stands under its techniques' key.
pub(super) fn of(named: &Json, idea: &[(String, Json)]) -> Vec<TechniqueUse> {
    let mut uses = Vec::new();
    match named {
        Json::List(items, _) => uses.extend(items.iter().filter_map(one)),
        Json::Object(entries, _) if entry(entries, &TECHNIQUE).is_none() => {
            uses.extend(entries.iter().filter_map(|(name, knobs)| named_use(name, Some(knobs))));
        }
        Json::Object(..) => uses.extend(one(named)),
        Json::Text(text) => match entry(idea, &KNOBS) {
            Some((_, knobs)) => uses.extend(named_use(text, Some(knobs))),
            None => uses.extend(one(named)),
        },
        Json::Null | Json::Bool(_) | Json::Number(_) => {}
    }
    uses.truncate(MOST_USES);
    uses
}

fn one(value: &Json) -> Option<TechniqueUse> {
    match value {
        Json::Text(text) => spelled(text),
        Json::Object(entries, _) => {
            let Some((key, name)) = entry(entries, &TECHNIQUE) else {
                // `{"muon": {"rate": 0.02}}`
                let [(name, knobs)] = entries.as_slice() else { return None };
                return named_use(name, Some(knobs));
            };
            let mut used =
                named_use(&scalar(name)?, entry(entries, &KNOBS).map(|(_, knobs)| knobs))?;
            if entry(entries, &KNOBS).is_none() {
                let beside = entries.iter().filter(|(other, _)| {
                    other != key && !REMARKS.contains(&squeezed(other).as_str())
                });
                used.knobs.extend(beside.filter_map(setting).take(MOST_KNOBS));
            }
            Some(used)
        }
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::List(..) => None,
    }
}

/// `muon(rate=0.02, steps=5)`, or the name alone.
fn spelled(text: &str) -> Option<TechniqueUse> {
    match text.trim().strip_suffix(')').and_then(|text| text.split_once('(')) {
        Some((name, settings)) => {
            let mut used = named_use(name, None)?;
            used.knobs.extend(settings.split(',').filter_map(pair).take(MOST_KNOBS));
            Some(used)
        }
        None => named_use(text, None),
    }
}

fn named_use(name: &str, settings: Option<&Json>) -> Option<TechniqueUse> {
    let technique = clean::name(name);
    let knobs = settings.map(knobs).unwrap_or_default();
    clean::has_words(&technique).then_some(TechniqueUse { technique, knobs })
}

fn knobs(value: &Json) -> BTreeMap<String, String> {
    match value {
        Json::Object(entries, _) => match (entry(entries, &KNOB), entry(entries, &VALUE)) {
            (Some((_, knob)), Some((_, value))) => single(knob, value).into_iter().collect(),
            _ => entries.iter().filter_map(setting).take(MOST_KNOBS).collect(),
        },
        Json::List(items, _) => items.iter().flat_map(knobs).take(MOST_KNOBS).collect(),
        Json::Text(text) => text.split(',').filter_map(pair).take(MOST_KNOBS).collect(),
        Json::Null | Json::Bool(_) | Json::Number(_) => BTreeMap::new(),
    }
}

fn single(knob: &Json, value: &Json) -> Option<(String, String)> {
    Some((clean::name(&scalar(knob)?), clean::name(&scalar(value)?)))
}

fn setting((knob, value): &(String, Json)) -> Option<(String, String)> {
    Some((clean::name(knob), clean::name(&scalar(value)?)))
}

/// `rate=0.02` or `rate: 0.02`.
fn pair(text: &str) -> Option<(String, String)> {
    let (knob, value) = text.split_once('=').or_else(|| text.split_once(':'))?;
    let unquoted = |text: &str| clean::name(text.trim().trim_matches(['"', '\'', '`']));
    Some((unquoted(knob), unquoted(value)))
}
