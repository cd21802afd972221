//! Holds the techniques of a draft against the catalogue. Never guesses: what is not known is
//! refused with the nearest name that is.

use std::collections::BTreeMap;

use autores_domain::TechniqueUse;
use autores_templates::catalogue::{Catalogue, Knob, Technique};
use serde::{Deserialize, Serialize};

use super::{Draft, clean, label};

/// Why a draft's techniques are not the catalogue's. The text tells the model what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Unresolved {
    /// No technique has this name.
    #[error("the catalogue has no technique {technique:?}{}; use only its names", hint(nearest))]
    UnknownTechnique {
        /// The name.
        technique: String,
        /// The most similar name.
        nearest: Option<String>,
    },
    /// The technique has no such knob.
    #[error("technique {technique} has no knob {knob:?}{}; it has {known}", hint(nearest))]
    UnknownKnob {
        /// The technique.
        technique: String,
        /// The knob.
        knob: String,
        /// The most similar knob.
        nearest: Option<String>,
        /// The knobs it has.
        known: String,
    },
    /// The knob has no such value.
    #[error(
        "{value:?} is not a value of knob {knob} of {technique}{}; it has {known}",
        hint(nearest)
    )]
    UnknownValue {
        /// The technique.
        technique: String,
        /// The knob.
        knob: String,
        /// The value.
        value: String,
        /// The nearest value.
        nearest: Option<String>,
        /// The values it has.
        known: String,
    },
}

fn hint(nearest: &Option<String>) -> String {
    nearest.as_ref().map_or_else(String::new, |near| format!(" (did you mean {near}?)"))
}

/// The draft with the catalogue's own spelling of techniques, knobs and values, in the order of the
/// names so that equal sets give equal patches. Knobs that are not named have their defaults. The
/// title is made of the techniques, since models that need a catalogue echo the instruction there; where
/// the draft says nothing itself, hypothesis, plan and sources are the techniques' too.
///
/// Of a technique that is used twice the first use counts, unless it says nothing but the defaults: to
/// ask again for that would cost more than it helps.
///
/// # Errors
/// The first name or value that is not known.
pub fn resolve(draft: Draft, catalogue: &Catalogue) -> Result<Draft, Unresolved> {
    let mut known: BTreeMap<&str, (&Technique, TechniqueUse)> = BTreeMap::new();
    for used in &draft.techniques {
        let technique = technique(&used.technique, catalogue)?;
        let resolved = with_values(technique, &used.knobs)?;
        let first = known.entry(&technique.name).or_insert_with(|| (technique, resolved.clone()));
        if first.1.knobs == defaults(technique) {
            first.1 = resolved;
        }
    }
    let each = |text: &dyn Fn(&Technique, &TechniqueUse) -> String| -> Vec<String> {
        known.values().map(|(technique, used)| text(technique, used)).collect()
    };
    let or = |own: String, other: String| if clean::has_words(&own) { own } else { other };
    let hypothesis = each(&|technique, _| technique.hypothesis.trim().to_owned()).join(" ");
    let plan = each(&|technique, used| format!("{} [{}]", technique.title, label(used))).join("; ");
    let sources = each(&|technique, _| technique.source.trim().to_owned());
    let title = each(&|_, used| label(used)).join(" + ");
    let nothing = known.is_empty();
    Ok(Draft {
        title: if nothing { draft.title } else { clean::title(&title) },
        hypothesis: or(draft.hypothesis, clean::body(&hypothesis)),
        plan: if nothing {
            draft.plan
        } else {
            or(draft.plan, clean::body(&format!("Apply to the base code: {plan}.")))
        },
        sources: if draft.sources.is_empty() { sources } else { draft.sources },
        techniques: known.into_values().map(|(_, used)| used).collect(),
    })
}

fn technique<'a>(name: &str, catalogue: &'a Catalogue) -> Result<&'a Technique, Unresolved> {
    let same = |technique: &&Technique| {
        squeezed(&technique.name) == squeezed(name) || squeezed(&technique.title) == squeezed(name)
    };
    catalogue.get(name).or_else(|| catalogue.iter().find(same)).ok_or_else(|| {
        let names = catalogue.iter().map(|technique| technique.name.as_str());
        Unresolved::UnknownTechnique { technique: name.to_owned(), nearest: nearest(name, names) }
    })
}

fn defaults(technique: &Technique) -> BTreeMap<String, String> {
    technique.knobs.iter().map(|knob| (knob.name.clone(), knob.default.clone())).collect()
}

fn with_values(
    technique: &Technique,
    named: &BTreeMap<String, String>,
) -> Result<TechniqueUse, Unresolved> {
    let mut knobs = defaults(technique);
    for (name, value) in named {
        let names = || technique.knobs.iter().map(|knob| knob.name.as_str());
        let exact = technique.knobs.iter().find(|knob| knob.name == *name);
        let knob = exact
            .or_else(|| technique.knobs.iter().find(|knob| squeezed(&knob.name) == squeezed(name)))
            .ok_or_else(|| Unresolved::UnknownKnob {
                technique: technique.name.clone(),
                knob: name.clone(),
                nearest: nearest(name, names()),
                known: listed(names()),
            })?;
        let value = value_of(knob, value).ok_or_else(|| Unresolved::UnknownValue {
            technique: technique.name.clone(),
            knob: knob.name.clone(),
            value: value.clone(),
            nearest: nearest_value(value, knob),
            known: listed(knob.values.iter().map(String::as_str)),
        })?;
        knobs.insert(knob.name.clone(), value.to_owned());
    }
    Ok(TechniqueUse { technique: technique.name.clone(), knobs })
}

/// The value as the catalogue writes it: `1e-3` for `0.001`, `True` for `true`.
fn value_of<'a>(knob: &'a Knob, value: &str) -> Option<&'a str> {
    let same_number = |known: &str| matches!((known.parse::<f64>(), value.parse::<f64>()), (Ok(one), Ok(other)) if one == other);
    let same = |known: &&String| {
        *known == value || known.eq_ignore_ascii_case(value) || same_number(known)
    };
    let exact = knob.values.iter().find(|known| *known == value);
    exact.or_else(|| knob.values.iter().find(same)).map(String::as_str)
}

fn nearest_value(value: &str, knob: &Knob) -> Option<String> {
    let Ok(number) = value.parse::<f64>() else {
        return nearest(value, knob.values.iter().map(String::as_str));
    };
    let numbers = knob.values.iter().filter_map(|known| Some((known.parse::<f64>().ok()?, known)));
    numbers
        .min_by(|(one, _), (other, _)| (one - number).abs().total_cmp(&(other - number).abs()))
        .map(|(_, known)| known.clone())
}

fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<String> {
    known
        .map(|known| (strsim::jaro_winkler(&squeezed(name), &squeezed(known)), known))
        .filter(|(likeness, _)| *likeness > 0.75)
        .max_by(|(one, _), (other, _)| one.total_cmp(other))
        .map(|(_, known)| known.to_owned())
}

fn listed<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

fn squeezed(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}
