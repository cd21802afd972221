//! A problem in a folder of the user's.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use autores_domain::CodePath;

use super::{Code, ProblemError, ProblemSource, io};
use crate::catalogue::Catalogue;
use crate::problem;

pub(super) const FILE: &str = "problem.yaml";

pub(super) fn read(folder: &Path) -> Result<ProblemSource, ProblemError> {
    let missing = |missing| ProblemError::NotAProblem { path: folder.to_owned(), missing };
    let file = folder.join(FILE);
    if !file.is_file() {
        return Err(missing(FILE));
    }
    if !folder.join("code").is_dir() {
        return Err(missing("code/"));
    }
    let name = file.display().to_string();
    let problem = problem::parse(&name, &fs::read_to_string(&file).map_err(io(&file))?)?;
    let requirements = match &problem.requirements {
        None => None,
        Some(path) => {
            let lock = folder.join(path);
            if !lock.is_file() {
                return Err(ProblemError::NoRequirements {
                    file: name,
                    requirements: path.clone(),
                });
            }
            Some(fs::read_to_string(&lock).map_err(io(&lock))?)
        }
    };
    Ok(ProblemSource {
        problem,
        code: Code::Folder(folder.to_owned()),
        catalogue: catalogue(&folder.join("catalogue"))?,
        requirements,
    })
}

fn catalogue(folder: &Path) -> Result<Catalogue, ProblemError> {
    let mut files: BTreeMap<CodePath, String> = BTreeMap::new();
    if folder.is_dir() {
        for entry in fs::read_dir(folder).map_err(io(folder))? {
            let path = entry.map_err(io(folder))?.path();
            let name = path.file_name().and_then(|name| name.to_str()).map(str::parse);
            if let (Some(Ok(name)), true) = (name, path.extension().is_some_and(|e| e == "yaml")) {
                files.insert(name, fs::read_to_string(&path).map_err(io(&path))?);
            }
        }
    }
    Ok(Catalogue::load(files.iter().map(|(path, text)| (path, text.as_str())))?)
}
