//! Finds an interpreter that is new enough. What a candidate said of itself is remembered, so that a
//! second use starts no process.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::{Deserialize, Serialize};

use super::EnvironmentError;
use crate::marker;

const NAMES: [&str; 5] = ["python3", "python3.14", "python3.13", "python3.12", "python3.11"];

const OLDEST: (u32, u32) = (3, 11);

/// An interpreter of the machine, outside any virtual environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Python {
    pub(super) executable: PathBuf,
    /// `3.11.7`
    pub(super) version: String,
    /// What it reads of itself: prefixes, and by name its standard library, although a prefix holds it, because a
    /// prefix such as `/usr` holds those of other interpreters too.
    pub(super) reads: Vec<PathBuf>,
}

/// What was learnt of a candidate, and the state of the files it was learnt from.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Remembered {
    candidate: Stamp,
    executable: Stamp,
    python: Python,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Stamp {
    seconds: i64,
    nanoseconds: i64,
    size: u64,
}

/// The first interpreter on PATH that is new enough. `folder` holds what is remembered.
pub(super) fn find(folder: &Path) -> Result<Python, EnvironmentError> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    find_on(std::env::split_paths(&path).collect(), &folder.join("interpreters.json"))
}

fn find_on(folders: Vec<PathBuf>, memory: &Path) -> Result<Python, EnvironmentError> {
    let mut remembered: BTreeMap<PathBuf, Remembered> = marker::read(memory).unwrap_or_default();
    let mut found = Vec::new();
    for name in NAMES {
        for candidate in folders.iter().map(|folder| folder.join(name)) {
            let Some(stamp) = stamp(&candidate) else { continue };
            if let Some(python) = recall(&remembered, &candidate, &stamp) {
                return Ok(python);
            }
            let Some(python) = ask(&candidate) else {
                found.push(format!("{} does not start", candidate.display()));
                continue;
            };
            if !is_new_enough(&python.version) {
                found.push(format!("{} is {}", candidate.display(), python.version));
                continue;
            }
            if let Some(executable) = self::stamp(&python.executable) {
                let learnt = Remembered { candidate: stamp, executable, python: python.clone() };
                remembered.insert(candidate, learnt);
                // Only speed is lost without it.
                if let Err(error) = marker::write(memory, &remembered) {
                    tracing::debug!(%error, "cannot remember the interpreter");
                }
            }
            return Ok(python);
        }
    }
    let found = if found.is_empty() { "nothing of that name".to_owned() } else { found.join(", ") };
    Err(EnvironmentError::NoPython { found })
}

fn recall(
    remembered: &BTreeMap<PathBuf, Remembered>,
    candidate: &Path,
    stamp: &Stamp,
) -> Option<Python> {
    let known = remembered.get(candidate)?;
    // The candidate may be a script that starts another file, so both must be as they were.
    let same = known.candidate == *stamp
        && self::stamp(&known.python.executable).as_ref() == Some(&known.executable);
    same.then(|| known.python.clone())
}

fn stamp(path: &Path) -> Option<Stamp> {
    let file = fs::metadata(path).ok().filter(|file| file.is_file())?;
    Some(Stamp { seconds: file.mtime(), nanoseconds: file.mtime_nsec(), size: file.size() })
}

/// A virtual environment that happens to be active is seen through: the base interpreter is what lasts.
const QUESTION: &str = r#"
import json, os, sys, sysconfig
real = os.path.realpath(getattr(sys, "_base_executable", None) or sys.executable)
paths = sysconfig.get_paths(vars={"base": sys.base_prefix, "installed_base": sys.base_prefix})
# Debian, for one, keeps a module of the standard library in /etc.
linked = [entry.path for entry in os.scandir(paths["stdlib"]) if entry.is_symlink()]
print(json.dumps({
    "executable": real,
    "version": ".".join(map(str, sys.version_info[:3])),
    "reads": sorted({os.path.realpath(path) for path in (
        sys.base_prefix, sys.base_exec_prefix, paths["stdlib"], paths["platstdlib"], real, *linked)}),
}))
"#;

fn ask(candidate: &Path) -> Option<Python> {
    let asked = Command::new(candidate).args(["-I", "-S", "-c", QUESTION]).output().ok()?;
    serde_json::from_slice(&asked.stdout).ok()
}

fn is_new_enough(version: &str) -> bool {
    let mut numbers = version.split('.').map(|number| number.parse::<u32>().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) >= OLDEST
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn fake(folder: &Path, name: &str, version: &str) {
        let said = format!(
            r#"{{"executable":"{0}/{name}","version":"{version}","reads":["/usr","/usr/lib"]}}"#,
            folder.display()
        );
        let script =
            format!("#!/bin/sh\necho asked >> {}/asked\necho '{said}'\n", folder.display());
        fs::write(folder.join(name), script).unwrap();
        fs::set_permissions(folder.join(name), fs::Permissions::from_mode(0o755)).unwrap();
    }

    #[test]
    fn an_old_python_is_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        fake(folder.path(), "python3", "3.9.2");
        fake(folder.path(), "python3.12", "3.12.1");
        let python = find_on(vec![folder.path().into()], &folder.path().join("memory")).unwrap();
        assert_eq!(
            (python.version.as_str(), python.reads),
            ("3.12.1", vec!["/usr".into(), "/usr/lib".into()])
        );
    }

    #[test]
    fn an_interpreter_is_asked_once_until_it_changes() {
        let folder = tempfile::tempdir().unwrap();
        let memory = folder.path().join("memory");
        let asked = || fs::read_to_string(folder.path().join("asked")).unwrap().lines().count();
        fake(folder.path(), "python3", "3.11.1");
        for _ in 0..3 {
            find_on(vec![folder.path().into()], &memory).unwrap();
        }
        assert_eq!(asked(), 1);
        fake(folder.path(), "python3", "3.13.0-rc");
        assert_eq!(find_on(vec![folder.path().into()], &memory).unwrap().version, "3.13.0-rc");
    }

    #[test]
    fn the_systems_own_library_is_not_a_foreign_one() {
        if !Path::new("/usr/bin/python3").exists() {
            assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "no /usr/bin/python3");
            eprintln!("did not run: the system's Python, since there is none");
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let python = find_on(vec!["/usr/bin".into()], &folder.path().join("memory")).unwrap();
        let foreign = crate::sandbox::system::foreign_pythons(&python.reads);
        let ask = "import os; print(os.path.realpath(os.path.dirname(os.__file__)))";
        let said = Command::new(&python.executable).args(["-I", "-c", ask]).output().unwrap();
        let library = PathBuf::from(String::from_utf8(said.stdout).unwrap().trim());
        assert!(python.reads.contains(&library), "{:?}", python.reads);
        assert!(!foreign.contains(&library), "{foreign:?}");
    }

    #[test]
    fn without_a_python_the_error_names_what_was_found() {
        let folder = tempfile::tempdir().unwrap();
        let find = || find_on(vec![folder.path().into()], &folder.path().join("memory"));
        assert!(find().unwrap_err().to_string().contains("(nothing of that name)"));
        fake(folder.path(), "python3", "3.8.10");
        let error = find().unwrap_err().to_string();
        assert!(error.contains("python3 is 3.8.10") && error.contains("3.11"), "{error}");
    }
}
