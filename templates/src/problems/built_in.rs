//! The problems that are part of the program: a folder, and a few lines here.

use autores_domain::{CodePath, Codebase};
use include_dir::{Dir, include_dir};

use super::{Code, ProblemError, ProblemSource};
use crate::catalogue::Catalogue;
use crate::problem;

pub(super) const NAMES: [&str; 1] = ["pretrain"];

struct BuiltIn {
    file: &'static str,
    yaml: &'static str,
    code: &'static Dir<'static>,
    catalogue: &'static Dir<'static>,
    requirements: Option<&'static str>,
}

static PRETRAIN_CODE: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/problems/pretrain/code");
static PRETRAIN_CATALOGUE: Dir<'_> =
    include_dir!("$CARGO_MANIFEST_DIR/problems/pretrain/catalogue");

static PRETRAIN: BuiltIn = BuiltIn {
    file: "pretrain/problem.yaml",
    yaml: include_str!("../../problems/pretrain/problem.yaml"),
    code: &PRETRAIN_CODE,
    catalogue: &PRETRAIN_CATALOGUE,
    requirements: Some(include_str!("../../problems/pretrain/requirements.lock")),
};

fn built_in(name: &str) -> Option<&'static BuiltIn> {
    (name == "pretrain").then_some(&PRETRAIN)
}

pub(super) fn read(name: &str) -> Result<ProblemSource, ProblemError> {
    let found = built_in(name)
        .ok_or_else(|| ProblemError::Unknown { name: name.to_owned(), known: super::list() })?;
    let techniques = texts(found.catalogue);
    Ok(ProblemSource {
        problem: problem::parse(found.file, found.yaml)?,
        code: Code::Embedded(texts(found.code)),
        catalogue: Catalogue::load(techniques.iter().map(|(path, text)| (path, text.as_str())))?,
        requirements: found.requirements.map(str::to_owned),
    })
}

/// The text files of an embedded folder. What a developer's tools left among them is no part of it.
pub(super) fn texts(folder: &Dir<'static>) -> Codebase {
    let mut found = Codebase::new();
    for file in folder.files() {
        let path = file.path().to_str().and_then(|path| path.parse::<CodePath>().ok());
        if let (Some(path), Some(text)) = (path, file.contents_utf8()) {
            found.insert(path, text.to_owned());
        }
    }
    for inner in folder.dirs() {
        let is_cache = inner.path().file_name().is_some_and(|name| {
            name.to_str().is_some_and(|name| name.starts_with('.') || name == "__pycache__")
        });
        if !is_cache {
            found.extend(texts(inner));
        }
    }
    found
}
