//! The JSON schema that providers get, so that even a small model answers with ideas.
//!
//! Only keywords that all of OpenAI, Anthropic, Gemini, vLLM and llama.cpp take: types, enumerations,
//! one list of alternatives, every property required, no others allowed.

use std::collections::BTreeSet;

use autores_templates::catalogue::Technique;
use serde_json::{Map, Value, json};

/// What ideas may be made of.
#[derive(Debug, Clone)]
pub enum Vocabulary<'a> {
    /// Words: the implementer writes the code.
    Words,
    /// These techniques and the values of their knobs, for models that are too weak for code.
    Techniques(Vec<&'a Technique>),
}

/// The schema of a reply with this many ideas, each technique with its own knobs and values only.
///
/// For grammars that are compiled where the model runs (llama.cpp, vLLM) and for OpenAI, which
/// count and take many alternatives. The order of the properties is the order in which they are
/// written, so the reason comes before the plan.
pub fn schema(vocabulary: &Vocabulary<'_>, count: u32) -> Value {
    let techniques = match vocabulary {
        Vocabulary::Words => None,
        Vocabulary::Techniques(techniques) => {
            Some(json!({ "anyOf": techniques.iter().copied().map(exact).collect::<Vec<_>>() }))
        }
    };
    let mut ideas = list(idea(techniques.map(|item| {
        let mut list = list(item);
        list["maxItems"] = json!(MOST_TECHNIQUES);
        list
    })));
    ideas["minItems"] = json!(count.max(1));
    ideas["maxItems"] = json!(count.max(1));
    object([("ideas", ideas)])
}

/// The schema without alternatives and counts, for Anthropic and Gemini, whose compilers refuse many
/// of the one and the other. It allows a knob of another technique; [`super::resolve`] does not.
pub fn plain_schema(vocabulary: &Vocabulary<'_>) -> Value {
    let techniques = match vocabulary {
        Vocabulary::Words => None,
        Vocabulary::Techniques(techniques) => Some(list(any(techniques))),
    };
    object([("ideas", list(idea(techniques)))])
}

/// More techniques in one idea seldom fit together. The prompt names the same number.
const MOST_TECHNIQUES: u32 = 3;

fn idea(techniques: Option<Value>) -> Value {
    let text = || json!({ "type": "string" });
    let mut properties = vec![("title", text()), ("hypothesis", text())];
    match techniques {
        Some(mut techniques) => {
            techniques["minItems"] = json!(1);
            properties.push(("techniques", techniques));
        }
        None => properties.push(("sources", list(text()))),
    }
    properties.push(("plan", text()));
    object(properties)
}

/// One technique with its own knobs. Those that have none have no such property, since some
/// providers refuse an object without properties.
fn exact(technique: &Technique) -> Value {
    let mut properties = vec![("technique", one_of([technique.name.as_str()]))];
    if !technique.knobs.is_empty() {
        let knobs = technique
            .knobs
            .iter()
            .map(|knob| (knob.name.as_str(), one_of(knob.values.iter().map(String::as_str))));
        properties.push(("knobs", object(knobs)));
    }
    object(properties)
}

/// Any technique with a list of any knobs.
fn any(techniques: &[&Technique]) -> Value {
    let knobs = || techniques.iter().flat_map(|technique| &technique.knobs);
    let names: BTreeSet<&str> = knobs().map(|knob| knob.name.as_str()).collect();
    let values: BTreeSet<&str> =
        knobs().flat_map(|knob| knob.values.iter().map(String::as_str)).collect();
    let technique = one_of(techniques.iter().map(|technique| technique.name.as_str()));
    if names.is_empty() {
        return object([("technique", technique)]);
    }
    let knob = object([("knob", one_of(names)), ("value", one_of(values))]);
    object([("technique", technique), ("knobs", list(knob))])
}

fn one_of<'a>(values: impl IntoIterator<Item = &'a str>) -> Value {
    json!({ "type": "string", "enum": values.into_iter().collect::<Vec<_>>() })
}

fn list(items: Value) -> Value {
    json!({ "type": "array", "items": items })
}

fn object<'a>(properties: impl IntoIterator<Item = (&'a str, Value)>) -> Value {
    let properties: Map<String, Value> =
        properties.into_iter().map(|(name, schema)| (name.to_owned(), schema)).collect();
    let required: Vec<&String> = properties.keys().collect();
    json!({
        "type": "object",
        "required": required,
        "additionalProperties": false,
        "properties": properties,
    })
}
