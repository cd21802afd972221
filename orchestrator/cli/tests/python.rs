//! The Python of the built-in problems is part of the product: formatted, linted, typed and tested with the real PyTorch.
//! That of the tests is held to the same, but for tests of its own.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

use std::path::{Path, PathBuf};
use std::process::Command;

use autores_executor::environment;

fn problem() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../templates/problems/pretrain")
}

/// The interpreter of an environment with the problem's packages and the tools that check it.
fn python() -> PathBuf {
    let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join("python");
    let requirements = std::fs::read_to_string(problem().join("requirements-dev.lock")).unwrap();
    environment::ensure(&home, Some(&requirements), &|line| eprintln!("{line}")).unwrap().python
}

/// Runs a tool of the environment in a folder.
fn tool(python: &Path, folder: &Path, arguments: &[&str]) {
    let output = Command::new(python)
        .arg("-m")
        .args(arguments)
        .current_dir(folder)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("RUFF_NO_CACHE", "true")
        .env("OMP_NUM_THREADS", "1")
        .output()
        .unwrap();
    let said =
        [output.stdout, output.stderr].map(|s| String::from_utf8_lossy(&s).into_owned()).concat();
    assert!(output.status.success(), "{arguments:?}:\n{said}");
}

#[test]
fn the_problems_python_is_formatted_linted_typed_and_tested() {
    let (python, problem) = (python(), problem());
    let interpreter = python.to_str().unwrap();
    tool(&python, &problem, &["ruff", "format", "--check", "."]);
    tool(&python, &problem, &["ruff", "check", "."]);
    tool(&python, &problem, &["basedpyright", "--level", "error", "--pythonpath", interpreter]);
    tool(&python, &problem, &["pytest", "-q", "-p", "no:cacheprovider"]);
}

#[test]
fn the_python_of_the_tests_is_formatted_linted_and_typed() {
    let (python, settings) = (python(), problem().join("pyproject.toml"));
    let (interpreter, settings) = (python.to_str().unwrap(), settings.to_str().unwrap());
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/llm");
    tool(&python, &folder, &["ruff", "format", "--check", "--config", settings, "."]);
    tool(&python, &folder, &["ruff", "check", "--config", settings, "."]);
    tool(&python, &folder, &["basedpyright", "--level", "error", "--pythonpath", interpreter, "."]);
}
