//! Parsed edits and their application to text. Never touches a disk: files come in and go out as a map.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Why a text is not a path inside the codebase.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a path inside the codebase: {reason}")]
pub struct PathError {
    text: String,
    reason: &'static str,
}

/// A path relative to the root of the codebase, with `/` between its parts: no `..`, no `.git`,
/// nothing absolute. Only this type reaches a file system.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CodePath(String);

impl CodePath {
    /// The path as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for CodePath {
    type Err = PathError;

    fn from_str(text: &str) -> Result<Self, PathError> {
        let refuse = |reason| Err(PathError { text: text.to_owned(), reason });
        if text.is_empty() || text.len() > 4096 {
            return refuse("it is empty or longer than 4,096 bytes");
        }
        if text.contains(['\\', '\0']) || text.chars().any(char::is_control) {
            return refuse("it contains a backslash or a control character");
        }
        for part in text.split('/') {
            match part {
                "" => return refuse("it is absolute or has an empty part"),
                "." | ".." => return refuse("'.' and '..' are not allowed"),
                // File systems that ignore case would make `.GIT` the repository's own folder.
                _ if part.eq_ignore_ascii_case(".git") => {
                    return refuse("'.git' is not part of the code");
                }
                _ => {}
            }
        }
        Ok(Self(text.to_owned()))
    }
}

impl TryFrom<String> for CodePath {
    type Error = PathError;
    fn try_from(text: String) -> Result<Self, PathError> {
        text.parse()
    }
}

impl From<CodePath> for String {
    fn from(path: CodePath) -> String {
        path.0
    }
}

impl fmt::Display for CodePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The text files of a codebase at one commit.
pub type Codebase = BTreeMap<CodePath, String>;

/// One change to one file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "edit", rename_all = "snake_case")]
pub enum Edit {
    /// Replace the only occurrence of `find`.
    Replace {
        /// The file.
        path: CodePath,
        /// Text that occurs exactly once in the file as the edits before this one left it.
        find: String,
        /// What stands there afterwards.
        replace: String,
    },
    /// Write a whole file, new or not.
    Write {
        /// The file.
        path: CodePath,
        /// Its whole text.
        content: String,
    },
    /// Remove a file.
    Delete {
        /// The file.
        path: CodePath,
    },
}

impl Edit {
    /// The file it changes.
    pub fn path(&self) -> &CodePath {
        match self {
            Self::Replace { path, .. } | Self::Write { path, .. } | Self::Delete { path } => path,
        }
    }
}

/// Why edits cannot be applied.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatchError {
    /// The file to change is not there.
    #[error("{path} does not exist")]
    NoFile {
        /// The file.
        path: CodePath,
    },
    /// The text to replace is not there, most often because another edit changed it.
    #[error("{path} has no text {find:?} to replace")]
    NotFound {
        /// The file.
        path: CodePath,
        /// The first line looked for.
        find: String,
    },
    /// The text to replace is there more than once, so its place is not known.
    #[error("{path} has {count} places with the text {find:?}, so which to replace is not known")]
    Ambiguous {
        /// The file.
        path: CodePath,
        /// The first line looked for.
        find: String,
        /// How often it occurs.
        count: usize,
    },
    /// The edits leave everything as it was.
    #[error("the edits change nothing")]
    Nothing,
}

/// Edits in the order in which they are applied.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Patch {
    /// The edits.
    pub edits: Vec<Edit>,
}

impl Patch {
    /// The files that differ after the edits: their new text, or `None` where one was removed.
    ///
    /// # Errors
    /// The first edit that cannot be applied, or [`PatchError::Nothing`].
    pub fn apply(&self, base: &Codebase) -> Result<BTreeMap<CodePath, Option<String>>, PatchError> {
        let mut changed: BTreeMap<CodePath, Option<String>> = BTreeMap::new();
        for edit in &self.edits {
            let path = edit.path();
            let current = match changed.get(path) {
                Some(text) => text.as_ref(),
                None => base.get(path),
            };
            let next = match edit {
                Edit::Replace { find, replace, .. } => {
                    let text = current.ok_or_else(|| PatchError::NoFile { path: path.clone() })?;
                    Some(replace_once(text, find, replace, path)?)
                }
                Edit::Write { content, .. } => Some(content.clone()),
                Edit::Delete { .. } => {
                    current.ok_or_else(|| PatchError::NoFile { path: path.clone() })?;
                    None
                }
            };
            changed.insert(path.clone(), next);
        }
        changed.retain(|path, text| base.get(path) != text.as_ref());
        if changed.is_empty() { Err(PatchError::Nothing) } else { Ok(changed) }
    }
}

fn replace_once(
    text: &str,
    find: &str,
    replace: &str,
    path: &CodePath,
) -> Result<String, PatchError> {
    let first_line =
        || find.lines().find(|line| !line.trim().is_empty()).unwrap_or("").trim().to_owned();
    // An empty text would be found everywhere.
    let count = if find.is_empty() { 0 } else { text.matches(find).count() };
    match count {
        0 => Err(PatchError::NotFound { path: path.clone(), find: first_line() }),
        1 => Ok(text.replacen(find, replace, 1)),
        count => Err(PatchError::Ambiguous { path: path.clone(), find: first_line(), count }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn path(text: &str) -> CodePath {
        text.parse().unwrap()
    }

    fn base() -> Codebase {
        [(path("train.py"), "lr = 1\nsteps = 2\n".to_owned())].into()
    }

    fn replace(find: &str, with: &str) -> Edit {
        Edit::Replace { path: path("train.py"), find: find.into(), replace: with.into() }
    }

    #[test]
    fn a_later_edit_sees_what_an_earlier_one_wrote() {
        let patch = Patch { edits: vec![replace("lr = 1", "lr = 3"), replace("lr = 3", "lr = 4")] };
        let changed = patch.apply(&base()).unwrap();
        assert_eq!(changed[&path("train.py")].as_deref(), Some("lr = 4\nsteps = 2\n"));
    }

    #[test]
    fn two_edits_of_the_same_text_conflict() {
        let patch = Patch { edits: vec![replace("lr = 1", "lr = 3"), replace("lr = 1", "lr = 4")] };
        assert!(matches!(patch.apply(&base()), Err(PatchError::NotFound { .. })));
    }

    #[test]
    fn an_unclear_place_is_refused() {
        let patch = Patch { edits: vec![replace(" = ", " : ")] };
        assert!(matches!(patch.apply(&base()), Err(PatchError::Ambiguous { count: 2, .. })));
    }

    #[test]
    fn edits_that_cancel_out_change_nothing() {
        let patch = Patch { edits: vec![replace("lr = 1", "lr = 3"), replace("lr = 3", "lr = 1")] };
        assert_eq!(patch.apply(&base()), Err(PatchError::Nothing));
    }

    #[test]
    fn paths_that_leave_the_codebase_are_refused() {
        for text in [
            "",
            "/etc/passwd",
            "../x",
            "a/../b",
            "a//b",
            "a/",
            "./a",
            ".git/config",
            "a/.GIT/x",
            "a\\b",
            "a\nb",
        ] {
            assert!(text.parse::<CodePath>().is_err(), "{text:?} was accepted");
        }
    }

    proptest! {
        #[test]
        fn accepted_paths_stay_inside(text in "[a-z./\\\\\\n]{0,12}") {
            if let Ok(path) = text.parse::<CodePath>() {
                prop_assert!(std::path::Path::new(path.as_str()).components().all(
                    |part| matches!(part, std::path::Component::Normal(_))));
            }
        }
    }
}
