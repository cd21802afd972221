//! The shape of a technique's file, and what it may not say.

use std::collections::BTreeMap;

use autores_domain::CodePath;
use serde::Deserialize;
use serde_saphyr::Spanned;

use super::technique::{EditTemplate, Knob, RenderError, Technique, render};
use crate::YamlError;
use crate::nearest::hint;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TechniqueFile {
    name: Spanned<String>,
    title: String,
    category: String,
    #[serde(default)]
    kind: String,
    hypothesis: String,
    source: String,
    #[serde(default)]
    knobs: Vec<KnobFile>,
    edits: Spanned<Vec<Spanned<EditFile>>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct KnobFile {
    name: Spanned<String>,
    default: Spanned<String>,
    values: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct EditFile {
    path: Spanned<String>,
    find: Option<Spanned<String>>,
    replace: Option<String>,
    write: Option<String>,
}

pub(super) fn parse(file: &str, stem: &str, text: &str) -> Result<Technique, YamlError> {
    let parsed: TechniqueFile = crate::yaml::parse(file, text)?;
    if parsed.name.value != stem {
        let why = format!(
            "technique {:?} must be in a file of its name, not in {stem}.yaml",
            parsed.name.value
        );
        return Err(wrong(file, &parsed.name, why));
    }
    let knobs = knobs(file, &parsed.knobs)?;
    if parsed.edits.value.is_empty() {
        return Err(wrong(
            file,
            &parsed.edits,
            "edits is empty, so the technique would change nothing",
        ));
    }
    let mut edits = Vec::new();
    for edit in &parsed.edits.value {
        let template = template(file, edit)?;
        let declared = knobs.iter().map(|knob| (knob.name.as_str(), knob.default.as_str()));
        template.render(&declared.collect()).map_err(|error| {
            let near = match &error {
                RenderError::Undeclared { name } => {
                    hint(name, knobs.iter().map(|k| k.name.as_str()))
                }
                RenderError::UnknownKnob { .. }
                | RenderError::UnknownValue { .. }
                | RenderError::Template(_) => String::new(),
            };
            wrong(file, edit, format!("edit of {}: {error}{near}", edit.value.path.value))
        })?;
        edits.push(template);
    }
    for (knob, at) in knobs.iter().zip(&parsed.knobs) {
        if !edits.iter().any(|edit| uses(edit, &knob.name, &knobs)) {
            let why = format!("knob {} is used by no edit", knob.name);
            return Err(wrong(file, &at.name, why));
        }
    }
    Ok(Technique {
        name: parsed.name.value,
        title: parsed.title,
        category: parsed.category,
        kind: parsed.kind,
        hypothesis: parsed.hypothesis,
        source: parsed.source,
        knobs,
        edits,
    })
}

fn knobs(file: &str, parsed: &[KnobFile]) -> Result<Vec<Knob>, YamlError> {
    let mut knobs: Vec<Knob> = Vec::new();
    for knob in parsed {
        let name = &knob.name.value;
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if name.is_empty() || !name.chars().all(is_name) {
            let why = format!("{name:?} is no knob's name; expected letters, digits and '_'");
            return Err(wrong(file, &knob.name, why));
        }
        if knobs.iter().any(|other| other.name == *name) {
            return Err(wrong(file, &knob.name, format!("a second knob is named {name}")));
        }
        if !knob.values.contains(&knob.default.value) {
            let why = format!(
                "default {} of knob {name} is not among its values ({})",
                knob.default.value,
                knob.values.join(", ")
            );
            return Err(wrong(file, &knob.default, why));
        }
        knobs.push(Knob {
            name: name.clone(),
            default: knob.default.value.clone(),
            values: knob.values.clone(),
        });
    }
    Ok(knobs)
}

fn template(file: &str, edit: &Spanned<EditFile>) -> Result<EditTemplate, YamlError> {
    let EditFile { path, find, replace, write } = &edit.value;
    let path: CodePath =
        path.value.parse().map_err(|error| wrong(file, path, format!("{error}")))?;
    match (find, replace, write) {
        (Some(find), Some(_), None) if find.value.is_empty() => {
            Err(wrong(file, find, format!("find in the edit of {path} is empty")))
        }
        (Some(find), Some(replace), None) => {
            Ok(EditTemplate::Replace { path, find: find.value.clone(), replace: replace.clone() })
        }
        (None, None, Some(write)) => Ok(EditTemplate::Write { path, write: write.clone() }),
        (_, _, _) => {
            let why = format!("the edit of {path} needs either find and replace, or write");
            Err(wrong(file, edit, why))
        }
    }
}

/// Whether another value of the knob would give another text.
fn uses(edit: &EditTemplate, knob: &str, knobs: &[Knob]) -> bool {
    let mut values: BTreeMap<&str, &str> =
        knobs.iter().map(|knob| (knob.name.as_str(), knob.default.as_str())).collect();
    let before = render(edit.text(), &values);
    values.insert(knob, "\u{1}");
    before != render(edit.text(), &values)
}

fn wrong<T>(file: &str, at: &Spanned<T>, message: impl Into<String>) -> YamlError {
    YamlError::at(file, at.referenced, message)
}
