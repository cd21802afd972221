//! A technique and its edits with the knobs filled in.

use std::collections::BTreeMap;

use autores_domain::{CodePath, Edit};
use handlebars::{Handlebars, RenderErrorReason, no_escape};

/// A known technique of the field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Technique {
    /// Its name, also its file's.
    pub name: String,
    /// A short name for people.
    pub title: String,
    /// The part of the system that it changes, such as `optimizer`.
    pub category: String,
    /// What sort of change it is, such as `setting` or `code`; empty if nobody said.
    pub kind: String,
    /// Why it should help.
    pub hypothesis: String,
    /// The paper or project it comes from.
    pub source: String,
    /// What can be set.
    pub knobs: Vec<Knob>,
    pub(super) edits: Vec<EditTemplate>,
}

/// A setting of a technique. Values are kept as they are written: `0.02` stays `0.02`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Knob {
    /// Its name.
    pub name: String,
    /// The value that the source recommends.
    pub default: String,
    /// The values to choose from, in their order.
    pub values: Vec<String>,
}

/// An edit whose new text may hold placeholders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum EditTemplate {
    Replace { path: CodePath, find: String, replace: String },
    Write { path: CodePath, write: String },
}

/// Why a technique gives no edits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    /// The knob is not the technique's.
    #[error("there is no knob {knob:?}; it has {known}")]
    UnknownKnob {
        /// The knob.
        knob: String,
        /// The knobs it has.
        known: String,
    },
    /// The value is none of the knob's.
    #[error("{value:?} is not a value of knob {knob}; expected one of {known}")]
    UnknownValue {
        /// The knob.
        knob: String,
        /// The value.
        value: String,
        /// The values it has.
        known: String,
    },
    /// The text uses a placeholder that is no knob.
    #[error("{{{{{name}}}}} is not a declared knob")]
    Undeclared {
        /// The placeholder.
        name: String,
    },
    /// The text is no template.
    #[error("{0}")]
    Template(String),
}

impl Technique {
    /// Its edits with these values of its knobs; a knob that is not named has its default.
    ///
    /// # Errors
    /// If a knob or a value is not known.
    pub fn edits(&self, knobs: &BTreeMap<String, String>) -> Result<Vec<Edit>, RenderError> {
        let mut values: BTreeMap<&str, &str> =
            self.knobs.iter().map(|knob| (knob.name.as_str(), knob.default.as_str())).collect();
        for (name, value) in knobs {
            let knob = self.knobs.iter().find(|knob| knob.name == *name).ok_or_else(|| {
                RenderError::UnknownKnob { knob: name.clone(), known: self.knob_names() }
            })?;
            if !knob.values.contains(value) {
                return Err(RenderError::UnknownValue {
                    knob: name.clone(),
                    value: value.clone(),
                    known: knob.values.join(", "),
                });
            }
            values.insert(name, value);
        }
        self.edits.iter().map(|edit| edit.render(&values)).collect()
    }

    fn knob_names(&self) -> String {
        if self.knobs.is_empty() {
            return "none".to_owned();
        }
        self.knobs.iter().map(|knob| knob.name.as_str()).collect::<Vec<_>>().join(", ")
    }
}

impl EditTemplate {
    pub(super) fn render(&self, values: &BTreeMap<&str, &str>) -> Result<Edit, RenderError> {
        match self {
            Self::Replace { path, find, replace } => Ok(Edit::Replace {
                path: path.clone(),
                find: find.clone(),
                replace: render(replace, values)?,
            }),
            Self::Write { path, write } => {
                Ok(Edit::Write { path: path.clone(), content: render(write, values)? })
            }
        }
    }

    /// The text that may hold placeholders.
    pub(super) fn text(&self) -> &str {
        match self {
            Self::Replace { replace, .. } => replace,
            Self::Write { write, .. } => write,
        }
    }
}

/// Fills in `{{name}}`. The result is source code, so nothing is escaped.
pub(super) fn render(text: &str, values: &BTreeMap<&str, &str>) -> Result<String, RenderError> {
    let mut handlebars = Handlebars::new();
    handlebars.set_strict_mode(true);
    handlebars.register_escape_fn(no_escape);
    handlebars.render_template(text, values).map_err(|error| match error.reason() {
        RenderErrorReason::MissingVariable(Some(name)) => {
            RenderError::Undeclared { name: name.clone() }
        }
        RenderErrorReason::TemplateError(error) => {
            RenderError::Template(error.reason().to_string())
        }
        reason => RenderError::Template(reason.to_string()),
    })
}
