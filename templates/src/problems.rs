//! Finds problems: built-in ones by name, a user's own by folder. Never writes, except for a new skeleton.

mod built_in;
mod folder;
mod skeleton;

use std::path::{Path, PathBuf};

use autores_domain::{Codebase, Problem};

pub use skeleton::skeleton;

use crate::YamlError;
use crate::catalogue::Catalogue;
use crate::nearest::hint;

/// A problem and where its code is.
#[derive(Debug, Clone, PartialEq)]
pub struct ProblemSource {
    /// The problem.
    pub problem: Problem,
    /// Its code.
    pub code: Code,
    /// The techniques that are known for it; may be empty.
    pub catalogue: Catalogue,
    /// The text of its pinned requirements.
    pub requirements: Option<String>,
}

/// Where the code of a problem is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Code {
    /// In the program itself, by path inside the code's folder.
    Embedded(Codebase),
    /// In the subfolder `code` of this folder, which must be under git.
    Folder(PathBuf),
}

/// Why there is no such problem.
#[derive(Debug, thiserror::Error)]
pub enum ProblemError {
    /// Nothing of that name.
    #[error(
        "there is no problem {name:?}{}; built in are {}; a problem of your own is named by its \
         folder, which holds a problem.yaml (autores problem new NAME makes one)",
        hint(name, known.iter().copied()), known.join(", "),
    )]
    Unknown {
        /// The name asked for.
        name: String,
        /// The built-in ones.
        known: Vec<&'static str>,
    },
    /// The folder is no problem's.
    #[error("{} has no {missing}; a problem is a folder with problem.yaml and code/", path.display())]
    NotAProblem {
        /// The folder.
        path: PathBuf,
        /// What it lacks.
        missing: &'static str,
    },
    /// A file is wrong.
    #[error(transparent)]
    Yaml(#[from] YamlError),
    /// The file that the problem names is not there.
    #[error(
        "{file} names requirements {requirements}, which is not there; write it with: uv pip compile --generate-hashes requirements.in -o {requirements}"
    )]
    NoRequirements {
        /// The problem's file.
        file: String,
        /// The missing file.
        requirements: String,
    },
    /// The folder for a new problem is in use.
    #[error("{} already exists and is not empty; choose another name or folder", path.display())]
    NotEmpty {
        /// The folder.
        path: PathBuf,
    },
    /// A file could not be read or written.
    #[error("cannot use {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
}

/// The names of the built-in problems.
pub fn list() -> Vec<&'static str> {
    built_in::NAMES.to_vec()
}

/// The built-in problem of this name, or the one in this folder.
///
/// # Errors
/// If there is none, or if it is not well formed.
pub fn find(name_or_path: &str) -> Result<ProblemSource, ProblemError> {
    if built_in::NAMES.contains(&name_or_path) {
        return built_in::read(name_or_path);
    }
    let path = Path::new(name_or_path);
    if path.is_dir() {
        return folder::read(path);
    }
    if path.file_name().is_some_and(|name| name == folder::FILE) && path.is_file() {
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        return folder::read(parent.unwrap_or(Path::new(".")));
    }
    Err(ProblemError::Unknown { name: name_or_path.to_owned(), known: list() })
}

fn io(path: &Path) -> impl FnOnce(std::io::Error) -> ProblemError {
    let path = path.to_owned();
    move |source| ProblemError::Io { path, source }
}
