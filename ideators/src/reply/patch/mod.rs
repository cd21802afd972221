//! From a reply to a patch of the code it was asked about: unified diffs, SEARCH/REPLACE blocks, the
//! `*** Begin Patch` format and whole files, in any mixture and as carelessly as models write them.
//!
//! A hunk goes where its old lines are, and nowhere when they are in several places. What is kept for
//! orientation is never written: the file's own lines stay. Which files may change is not decided here.

mod apply;
mod begin;
mod changes;
mod edits;
mod elide;
mod file;
mod fuzzy;
mod hunk;
mod indent;
mod intent;
mod nearest;
mod path;
mod place;
mod read;
mod refused;
mod scope;
mod search;
mod sparse;
mod unified;
mod whole;

use autores_domain::{CodePath, Codebase, Patch};
use serde::{Deserialize, Serialize};

pub use refused::{Nearest, Refused};

use super::text;

/// The longest reply that is read, in bytes.
pub const MAX_BYTES: usize = 1 << 20;

/// A patch and how its parts were placed.
#[derive(Debug, Clone, PartialEq)]
pub struct Parsed {
    /// Edits that apply to the base.
    pub patch: Patch,
    /// One per hunk or block that changes a part of a file; whole files, new and removed ones need no place.
    pub placements: Vec<Placement>,
}

/// Where a hunk went.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Placement {
    /// The file.
    pub path: CodePath,
    /// Which hunk of the file, from 1.
    pub hunk: usize,
    /// The first line that it describes, from 1, in the file as the hunks before it left it.
    pub line: usize,
    /// How it was found there.
    #[serde(flatten)]
    pub how: How,
}

/// How the place of a hunk was found.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "how", rename_all = "snake_case")]
pub enum How {
    /// Its lines are there as given, at the line it states if it states one.
    Exact,
    /// Its lines are there as given, so many lines below the one it states, or above if negative.
    Moved {
        /// By how many lines.
        #[serde(rename = "moved_by")]
        by: i64,
    },
    /// Its lines are there but for spaces at their ends or one shift of their indentation.
    Whitespace,
    /// Some of its lines are missing or different there.
    Fuzzy {
        /// The share of its lines that are there, up to 1.
        similarity: f64,
    },
}

/// Reads the patch in a reply.
///
/// # Errors
/// Why there is none, in words for the model that wrote the reply.
pub fn parse(reply: &str, base: &Codebase) -> Result<Parsed, Refused> {
    if reply.len() > MAX_BYTES {
        return Err(Refused::TooLong { bytes: reply.len(), limit: MAX_BYTES });
    }
    let text = text::clean(reply);
    if text.trim().is_empty() && !reply.trim().is_empty() {
        return Err(Refused::Truncated { line: 1 });
    }
    let intents = read::intents(&text, base)?;
    if intents.is_empty() {
        return Err(Refused::NoPatch);
    }
    let outcome = apply::apply(&intents, base)?;
    let nul = outcome
        .files
        .iter()
        .find(|(_, text)| text.as_ref().is_some_and(|text| text.contains('\0')));
    if let Some((path, _)) = nul {
        return Err(Refused::Binary { path: path.to_string() });
    }
    let mut wanted = outcome.files;
    wanted.retain(|path, text| base.get(path) != text.as_ref());
    if wanted.is_empty() {
        return Err(Refused::Nothing);
    }
    let mut patch = edits::patch(base, &wanted);
    // An edit by its lines is a shorter way to say the same; should it not be, the files are written.
    if patch.apply(base).ok().as_ref() != Some(&wanted) {
        patch = edits::written(&wanted);
    }
    Ok(Parsed { patch, placements: outcome.placements })
}
