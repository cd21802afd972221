//! The Python environment of a problem: made once per requirements and interpreter, shared by all experiments.
//!
//! Blocking. Never changes the user's Python: `uv` and packages live below the home folder of autores.

mod error;
mod python;
mod uv;

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

pub use error::EnvironmentError;

use crate::marker;
use python::Python;

/// A Python with the packages of a problem.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Environment {
    /// Its interpreter.
    pub python: PathBuf,
    /// Folders and files that the interpreter must be able to read.
    pub reads: Vec<PathBuf>,
}

/// The environment for these pinned requirements (the text of a lock file with hashes; `None` for the
/// standard library alone). Made when it is not there yet, which `progress` is told of line by line.
///
/// # Errors
/// If there is no suitable Python, `uv` cannot be had, or the packages cannot be installed.
pub fn ensure(
    home: &Path,
    requirements: Option<&str>,
    progress: &dyn Fn(&str),
) -> Result<Environment, EnvironmentError> {
    let folder = home.join("environments");
    fs::create_dir_all(&folder).map_err(EnvironmentError::io(&folder))?;
    let python = python::find(&folder)?;
    let name = name(requirements, &python);
    let environment = folder.join(&name);
    let complete = environment.join("complete.json");
    if let Some(made) = marker::read(&complete) {
        return Ok(made);
    }
    let lock = marker::lock(&folder.join(format!("{name}.lock")), progress)
        .map_err(EnvironmentError::io(&folder))?;
    // Another process may have made it in the meantime.
    if let Some(made) = marker::read(&complete) {
        return Ok(made);
    }
    if environment.exists() {
        fs::remove_dir_all(&environment).map_err(EnvironmentError::io(&environment))?;
    }
    let uv = uv::ensure(home, &python, &lock, progress)?;
    progress(&format!("making a Python {} environment", python.version));
    uv.venv(&python, &environment)?;
    let interpreter = environment.join("bin/python");
    // `uv` takes a file without requirements for a mistake.
    if let Some(requirements) = requirements.filter(|text| names_packages(text)) {
        let file = environment.join("requirements.lock");
        fs::write(&file, requirements).map_err(EnvironmentError::io(&file))?;
        uv.sync(&interpreter, &file)?;
    }
    let mut reads = vec![environment.clone()];
    reads.extend(python.reads.iter().cloned());
    let made = Environment { python: interpreter, reads };
    marker::complete(&environment, &complete, &made).map_err(EnvironmentError::io(&complete))?;
    Ok(made)
}

/// What an environment would be made with on this machine.
#[derive(Debug)]
pub struct Found {
    /// The interpreter and its version, or why there is none.
    pub python: Result<(PathBuf, String), EnvironmentError>,
    /// The installer; `None` where the first use installs it below the home folder.
    pub uv: Option<PathBuf>,
}

/// Looks for the interpreter and the installer. Makes nothing but a note of what it found.
pub fn look(home: &Path) -> Found {
    let python = python::find(&home.join("environments"));
    Found { python: python.map(|python| (python.executable, python.version)), uv: uv::find(home) }
}

fn names_packages(requirements: &str) -> bool {
    requirements.lines().map(str::trim).any(|line| !line.is_empty() && !line.starts_with('#'))
}

fn name(requirements: Option<&str>, python: &Python) -> String {
    let mut hash = Sha256::new();
    let mut add = |part: &[u8]| {
        hash.update(part);
        hash.update([0]);
    };
    add(requirements.unwrap_or("").as_bytes());
    add(python.version.as_bytes());
    add(python.executable.as_os_str().as_encoded_bytes());
    for path in &python.reads {
        add(path.as_os_str().as_encoded_bytes());
    }
    marker::short_hex(&hash.finalize())
}
