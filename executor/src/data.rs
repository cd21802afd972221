//! Prepares a problem's data once per code, scale and environment. Runs only the code of the base commit.
//!
//! Blocking.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

use autores_domain::Problem;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::environment::Environment;
use crate::workspace::{self, Source, WorkspaceError};
use crate::{command, marker};

/// Where the preparation lists what experiments must not see, one absolute path a line.
const HIDDEN: &str = "hidden.txt";

/// Data that is ready to be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prepared {
    /// The folder that `{data}` stands for.
    pub folder: PathBuf,
    /// Files and folders that untrusted stages must not be able to read.
    pub hidden: Vec<PathBuf>,
}

/// Why there is no data.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// The problem has no such scale.
    #[error("problem {problem} has no scale {scale}; it has {}", known.join(", "))]
    NoScale {
        /// The problem.
        problem: String,
        /// The scale.
        scale: String,
        /// The scales it has.
        known: Vec<String>,
    },
    /// The preparation ended with an error.
    #[error(
        "preparing the data of {problem} for scale {scale} failed with {status}{}",
        lines(tail)
    )]
    Failed {
        /// The problem.
        problem: String,
        /// The scale.
        scale: String,
        /// How it ended.
        status: ExitStatus,
        /// The last lines of output.
        tail: Vec<String>,
    },
    /// The command names something that a preparation does not have.
    #[error(
        "the prepare command of {problem} uses {{{placeholder}}}, which a preparation does not have"
    )]
    Placeholder {
        /// The problem.
        problem: String,
        /// The placeholder's name.
        placeholder: String,
    },
    /// The code could not be read from git.
    #[error(transparent)]
    Workspace(#[from] WorkspaceError),
    /// A file could not be read or written, or the command not be started.
    #[error("cannot use {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
}

/// The data of a problem at a scale. Prepared when it is not there yet, which `progress` is told of line by line.
///
/// # Errors
/// If the code cannot be read, or the preparation fails.
pub fn ensure(
    home: &Path,
    problem: &Problem,
    scale: &str,
    source: &Source,
    environment: &Environment,
    progress: &dyn Fn(&str),
) -> Result<Prepared, DataError> {
    if !problem.scales.contains_key(scale) {
        let known = problem.scales.keys().cloned().collect();
        return Err(DataError::NoScale {
            problem: problem.name.clone(),
            scale: scale.to_owned(),
            known,
        });
    }
    let all = home.join("problems").join(&problem.name).join("data");
    fs::create_dir_all(&all).map_err(io(&all))?;
    let name = name(problem, scale, source, environment);
    let folder = all.join(&name);
    let complete = all.join(format!("{name}.json"));
    if let Some(prepared) = marker::read(&complete) {
        return Ok(prepared);
    }
    let lock_path = all.join(format!("{name}.lock"));
    let lock = marker::lock(&lock_path, progress).map_err(io(&lock_path))?;
    if let Some(prepared) = marker::read(&complete) {
        return Ok(prepared);
    }
    let code = all.join(format!("{name}.code"));
    for leftover in [&folder, &code] {
        if leftover.exists() {
            fs::remove_dir_all(leftover).map_err(io(leftover))?;
        }
    }
    fs::create_dir_all(&folder).map_err(io(&folder))?;
    if let Some(command) = &problem.prepare {
        progress(&format!("preparing the data of {} for scale {scale}", problem.name));
        workspace::export(&source.repository, &source.prefix, &source.base.commit, &code)?;
        let arguments = fill(problem, command, scale, &folder, environment)?;
        let (status, tail) = run(&arguments, &code, &lock, progress)?;
        if !status.success() {
            return Err(DataError::Failed {
                problem: problem.name.clone(),
                scale: scale.to_owned(),
                status,
                tail,
            });
        }
        fs::remove_dir_all(&code).map_err(io(&code))?;
    }
    let hidden = hidden(&folder)?;
    let prepared = Prepared { folder, hidden };
    marker::complete(&prepared.folder, &complete, &prepared).map_err(io(&complete))?;
    Ok(prepared)
}

/// Everything that the data may depend on.
fn name(problem: &Problem, scale: &str, source: &Source, environment: &Environment) -> String {
    let mut hash = Sha256::new();
    let mut add = |part: &[u8]| {
        hash.update(part);
        hash.update([0]);
    };
    add(source.base.tree.as_bytes());
    add(scale.as_bytes());
    add(environment.python.as_os_str().as_encoded_bytes());
    for part in problem.prepare.iter().flatten() {
        add(part.as_bytes());
    }
    for variable in &problem.env {
        add(variable.as_bytes());
        add(std::env::var_os(variable).unwrap_or_default().as_encoded_bytes());
    }
    marker::short_hex(&hash.finalize())
}

fn fill(
    problem: &Problem,
    command: &[String],
    scale: &str,
    folder: &Path,
    environment: &Environment,
) -> Result<Vec<String>, DataError> {
    let python = environment.python.display().to_string();
    let folder = folder.display().to_string();
    let fill_one = |part: &String| {
        let filled =
            part.replace("{python}", &python).replace("{scale}", scale).replace("{data}", &folder);
        let left = autores_domain::Stage::PLACEHOLDERS
            .into_iter()
            .find(|name| part.contains(&format!("{{{name}}}")) && !GIVEN.contains(name));
        match left {
            None => Ok(filled),
            Some(placeholder) => Err(DataError::Placeholder {
                problem: problem.name.clone(),
                placeholder: placeholder.to_owned(),
            }),
        }
    };
    command.iter().map(fill_one).collect()
}

/// The placeholders of a preparation.
const GIVEN: [&str; 3] = ["python", "scale", "data"];

fn run(
    arguments: &[String],
    code: &Path,
    lock: &fs::File,
    progress: &dyn Fn(&str),
) -> Result<(ExitStatus, Vec<String>), DataError> {
    let (program, rest) = arguments
        .split_first()
        .map_or(("", [].as_slice()), |(program, rest)| (program.as_str(), rest));
    let mut command = Command::new(program);
    command.args(rest).current_dir(code);
    for name in ["VIRTUAL_ENV", "CONDA_PREFIX", "PYTHONPATH", "PYTHONHOME"] {
        command.env_remove(name);
    }
    command.env("PYTHONDONTWRITEBYTECODE", "1").env("PYTHONUNBUFFERED", "1");
    command::run(&mut command, lock, progress).map_err(io(Path::new(program)))
}

fn hidden(folder: &Path) -> Result<Vec<PathBuf>, DataError> {
    let file = folder.join(HIDDEN);
    match fs::read_to_string(&file) {
        Ok(text) => {
            Ok(text.lines().filter(|line| !line.is_empty()).map(|l| folder.join(l)).collect())
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(io(&file)(error)),
    }
}

fn io(path: &Path) -> impl FnOnce(std::io::Error) -> DataError {
    let path = path.to_owned();
    move |source| DataError::Io { path, source }
}

fn lines(tail: &[String]) -> String {
    tail.iter().map(|line| format!("\n  {line}")).collect()
}
