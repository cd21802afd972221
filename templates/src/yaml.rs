//! Reads YAML with errors for people: the file, the line, what was expected, the nearest known word.

use std::fmt;

use serde::de::DeserializeOwned;
use serde_saphyr::{MessageFormatter, UserMessageFormatter};

use crate::nearest::hint;

/// A line and column of a file, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The line.
    pub line: u64,
    /// The column.
    pub column: u64,
}

impl From<serde_saphyr::Location> for Place {
    fn from(location: serde_saphyr::Location) -> Self {
        Self { line: location.line(), column: location.column() }
    }
}

/// What is wrong with a file, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct YamlError {
    /// The file as the user knows it.
    pub file: String,
    /// Where in it, if that is known.
    pub place: Option<Place>,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for YamlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place {
            Some(Place { line, column }) => {
                write!(f, "{}:{line}:{column}: {}", self.file, self.message)
            }
            None => write!(f, "{}: {}", self.file, self.message),
        }
    }
}

impl std::error::Error for YamlError {}

impl YamlError {
    pub(crate) fn at(file: &str, place: impl Into<Place>, message: impl Into<String>) -> Self {
        Self { file: file.to_owned(), place: Some(place.into()), message: message.into() }
    }
}

/// Reads a file's text.
pub(crate) fn parse<T: DeserializeOwned>(file: &str, text: &str) -> Result<T, YamlError> {
    serde_saphyr::from_str(text).map_err(|error| {
        let error = error.without_snippet();
        YamlError {
            file: file.to_owned(),
            place: error.location().filter(|at| at.line() > 0).map(Place::from),
            message: message(error),
        }
    })
}

fn message(error: &serde_saphyr::Error) -> String {
    use serde_saphyr::Error;
    // An enum of another crate, of which only some variants deserve words of our own.
    match error {
        Error::SerdeUnknownField { field, expected, .. } => format!(
            "unknown key {field:?}; expected one of {}{}",
            expected.join(", "),
            hint(field, expected.iter().copied())
        ),
        Error::SerdeUnknownVariant { variant, expected, .. } => format!(
            "{variant:?} is not known here; expected one of {}{}",
            expected.join(", "),
            hint(variant, expected.iter().copied())
        ),
        Error::SerdeMissingField { field, .. } => format!("key {field:?} is missing"),
        Error::SerdeInvalidType { unexpected, expected, .. }
        | Error::SerdeInvalidValue { unexpected, expected, .. } => {
            format!("expected {expected}, found {unexpected}")
        }
        Error::InvalidScalar { ty, .. } => format!("expected {}", type_in_words(ty)),
        other => UserMessageFormatter.format_message(other).into_owned(),
    }
}

fn type_in_words(name: &str) -> &str {
    match name {
        "u8" | "u16" | "u32" | "u64" => "a whole number of at least 0",
        "i8" | "i16" | "i32" | "i64" => "a whole number",
        "f32" | "f64" | "floating point" => "a number",
        other => other,
    }
}
