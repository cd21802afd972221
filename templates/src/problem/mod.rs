//! Reads `problem.yaml` into [`autores_domain::Problem`] and checks that it makes sense.

mod check;
mod file;
mod words;

use autores_domain::Problem;

pub use check::{GlobsError, check_globs};

use crate::YamlError;

/// Reads the text of a `problem.yaml`; `file` is its name in errors.
///
/// # Errors
/// The first thing that is wrong, with its place.
pub fn parse(file: &str, text: &str) -> Result<Problem, YamlError> {
    let parsed: file::ProblemFile = crate::yaml::parse(file, text)?;
    check::check(file, &parsed)?;
    Ok(parsed.into())
}
