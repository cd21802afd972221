//! Which files an idea may change, checked on git trees. Never looks at what the text means.

use std::collections::{BTreeMap, BTreeSet};

use autores_domain::CodePath;
use git2::{FileMode, Oid, Repository, Tree};
use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

/// Files beyond this size are no code that a person or a model would edit.
pub(crate) const MAX_FILE_BYTES: usize = 1 << 20;

/// A glob that cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{glob:?} is not a glob: {reason}")]
pub struct GlobError {
    glob: String,
    reason: String,
}

/// A change that the problem's rules do not allow.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// The file is named as frozen.
    #[error("{path} is frozen by {glob:?}: it measures, so no idea may change it")]
    Frozen {
        /// The file.
        path: String,
        /// The glob that freezes it.
        glob: String,
    },
    /// No editable glob matches.
    #[error("{path} matches no editable glob ({globs})")]
    NotEditable {
        /// The file.
        path: String,
        /// The editable globs.
        globs: String,
    },
    /// The file is outside the codebase, in another part of the repository.
    #[error("{path} is outside the codebase")]
    Outside {
        /// The file.
        path: String,
    },
    /// The entry is or was no regular file.
    #[error("{path} is {kind}; only regular files may change")]
    NotRegular {
        /// The entry.
        path: String,
        /// What it is.
        kind: &'static str,
    },
    /// The permissions differ.
    #[error("{path} changes its mode; an idea changes text only")]
    Mode {
        /// The file.
        path: String,
    },
    /// The file is or was no text.
    #[error("{path} is no UTF-8 text of at most 1 MiB; only such files may change")]
    NotText {
        /// The file.
        path: String,
    },
}

/// The editable and frozen globs of a problem, relative to its codebase.
#[derive(Debug, Clone)]
pub struct Rules {
    editable: Globs,
    frozen: Globs,
}

#[derive(Debug, Clone)]
struct Globs {
    texts: Vec<String>,
    set: GlobSet,
}

impl Rules {
    /// Rules from globs in which `*` stays within a folder and `**` does not.
    ///
    /// # Errors
    /// The first text that is no glob.
    pub fn new(editable: &[String], frozen: &[String]) -> Result<Self, GlobError> {
        Ok(Self { editable: Globs::new(editable)?, frozen: Globs::new(frozen)? })
    }

    /// Whether an idea may change this file.
    ///
    /// # Errors
    /// The rule that forbids it.
    pub fn check(&self, path: &CodePath) -> Result<(), Broken> {
        if let Some(glob) = self.frozen.matching(path.as_str()) {
            return Err(Broken::Frozen { path: path.to_string(), glob });
        }
        if self.editable.matching(path.as_str()).is_none() {
            let globs = self.editable.texts.join(", ");
            return Err(Broken::NotEditable { path: path.to_string(), globs });
        }
        Ok(())
    }
}

impl Globs {
    fn new(texts: &[String]) -> Result<Self, GlobError> {
        let mut set = GlobSetBuilder::new();
        let error = |glob: &str, source: globset::Error| GlobError {
            glob: glob.to_owned(),
            reason: source.kind().to_string(),
        };
        for text in texts {
            let glob = GlobBuilder::new(text).literal_separator(true).build();
            set.add(glob.map_err(|source| error(text, source))?);
        }
        let set = set.build().map_err(|source| error(&texts.join(", "), source))?;
        Ok(Self { texts: texts.to_vec(), set })
    }

    fn matching(&self, path: &str) -> Option<String> {
        let first = self.set.matches(path).first().copied()?;
        self.texts.get(first).cloned()
    }
}

/// A path whose entry differs between two trees: mode and object before and after.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Change {
    path: String,
    before: Option<(i32, Oid)>,
    after: Option<(i32, Oid)>,
}

/// What a check of two trees came to.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Checked {
    #[error(transparent)]
    Broken(#[from] Broken),
    #[error("cannot read the git repository: {}", .0.message())]
    Git(#[from] git2::Error),
}

/// Checks that two trees of a whole repository differ in editable regular text files below `prefix` only.
///
/// The trees are compared entry by entry, so no setting of the repository, such as its attributes, has a say.
pub(crate) fn verify(
    repository: &Repository,
    before: &Tree<'_>,
    after: &Tree<'_>,
    prefix: &str,
    rules: &Rules,
) -> Result<(), Checked> {
    let mut changes = Vec::new();
    compare(repository, Some(before), Some(after), "", &mut changes)?;
    for change in &changes {
        verify_change(repository, change, prefix, rules)?;
    }
    Ok(())
}

fn verify_change(
    repository: &Repository,
    change: &Change,
    prefix: &str,
    rules: &Rules,
) -> Result<(), Checked> {
    let inside = match prefix {
        "" => Some(change.path.as_str()),
        folder => change.path.strip_prefix(folder).and_then(|rest| rest.strip_prefix('/')),
    };
    let path: CodePath = inside
        .and_then(|inside| inside.parse().ok())
        .ok_or_else(|| Broken::Outside { path: change.path.clone() })?;
    rules.check(&path)?;
    for (mode, blob) in change.before.iter().chain(&change.after) {
        regular(*mode).map_err(|kind| Broken::NotRegular { path: path.to_string(), kind })?;
        if text(repository.find_blob(*blob)?.content()).is_none() {
            return Err(Broken::NotText { path: path.to_string() }.into());
        }
    }
    let mode_before = change.before.map_or(i32::from(FileMode::Blob), |(mode, _)| mode);
    match change.after {
        Some((mode, _)) if mode != mode_before => {
            Err(Broken::Mode { path: path.to_string() }.into())
        }
        Some(_) | None => Ok(()),
    }
}

/// Collects the leaves that differ; only folders that differ are entered.
fn compare(
    repository: &Repository,
    before: Option<&Tree<'_>>,
    after: Option<&Tree<'_>>,
    folder: &str,
    changes: &mut Vec<Change>,
) -> Result<(), git2::Error> {
    let entries = |tree: Option<&Tree<'_>>| -> BTreeMap<Vec<u8>, (i32, Oid)> {
        tree.iter()
            .flat_map(|tree| tree.iter())
            .map(|entry| (entry.name_bytes().to_vec(), (entry.filemode_raw(), entry.id())))
            .collect()
    };
    let (before, after) = (entries(before), entries(after));
    let names: BTreeSet<&Vec<u8>> = before.keys().chain(after.keys()).collect();
    for name in names {
        let (old, new) = (before.get(name).copied(), after.get(name).copied());
        if old == new {
            continue;
        }
        let path = format!("{folder}{}", String::from_utf8_lossy(name));
        let subtree = |entry: Option<(i32, Oid)>| match entry {
            Some((mode, id)) if is_folder(mode) => repository.find_tree(id).map(Some),
            Some(_) | None => Ok(None),
        };
        let leaf = |entry: Option<(i32, Oid)>| entry.filter(|(mode, _)| !is_folder(*mode));
        let (old_tree, new_tree) = (subtree(old)?, subtree(new)?);
        if old_tree.is_some() || new_tree.is_some() {
            let inner = format!("{path}/");
            compare(repository, old_tree.as_ref(), new_tree.as_ref(), &inner, changes)?;
        }
        let (before, after) = (leaf(old), leaf(new));
        if before.is_some() || after.is_some() {
            changes.push(Change { path, before, after });
        }
    }
    Ok(())
}

fn is_folder(mode: i32) -> bool {
    mode == i32::from(FileMode::Tree)
}

/// Whether a file of this mode is executable, or what else it is.
pub(crate) fn regular(mode: i32) -> Result<bool, &'static str> {
    if mode == i32::from(FileMode::Blob) || mode == i32::from(FileMode::BlobGroupWritable) {
        Ok(false)
    } else if mode == i32::from(FileMode::BlobExecutable) {
        Ok(true)
    } else if mode == i32::from(FileMode::Link) {
        Err("a symbolic link")
    } else if mode == i32::from(FileMode::Commit) {
        Err("a submodule")
    } else {
        Err("neither a file nor a folder")
    }
}

/// The text of a file that counts as code.
pub(crate) fn text(content: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(content).ok()?;
    (content.len() <= MAX_FILE_BYTES && !text.contains('\0')).then_some(text)
}

#[cfg(test)]
mod tests {
    use git2::build::TreeUpdateBuilder;

    use super::*;

    /// What the guard says of one entry put into a repository with `code/a.py` editable and `code/b.sh` executable.
    fn check(path: &str, mode: FileMode, content: &[u8]) -> String {
        let folder = tempfile::tempdir().unwrap();
        let repository = Repository::init_bare(folder.path()).unwrap();
        let tree = |id| repository.find_tree(id).unwrap();
        let blob = |content: &[u8]| repository.blob(content).unwrap();
        let empty = tree(repository.treebuilder(None).unwrap().write().unwrap());
        let mut update = TreeUpdateBuilder::new();
        update.upsert("code/a.py", blob(b"a"), FileMode::Blob);
        update.upsert("code/b.sh", blob(b"b"), FileMode::BlobExecutable);
        update.upsert("beside.py", blob(b"c"), FileMode::Blob);
        let before = tree(update.create_updated(&repository, &empty).unwrap());
        let mut update = TreeUpdateBuilder::new();
        update.upsert(path, blob(content), mode);
        let after = tree(update.create_updated(&repository, &before).unwrap());
        let rules = Rules::new(&["*.py".into(), "*.sh".into()], &["frozen.py".into()]).unwrap();
        match verify(&repository, &before, &after, "code", &rules) {
            Ok(()) => "allowed".to_owned(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn text_in_editable_files_may_change() {
        assert_eq!(check("code/a.py", FileMode::Blob, b"x"), "allowed");
        assert_eq!(check("code/new.py", FileMode::Blob, b"x"), "allowed");
        assert_eq!(check("code/b.sh", FileMode::BlobExecutable, b"x"), "allowed");
    }

    #[test]
    fn what_is_no_regular_file_is_refused_wherever_it_stands() {
        let refused = "is a symbolic link; only regular files may change";
        assert_eq!(check("code/a.py", FileMode::Link, b"/etc"), format!("a.py {refused}"));
        assert_eq!(check("code/n.py", FileMode::Link, b"/etc"), format!("n.py {refused}"));
        assert!(check("code/n.py", FileMode::Commit, b"x").contains("a submodule"));
    }

    #[test]
    fn modes_do_not_change() {
        let mode = "changes its mode; an idea changes text only";
        assert_eq!(check("code/a.py", FileMode::BlobExecutable, b"a"), format!("a.py {mode}"));
        assert_eq!(check("code/n.py", FileMode::BlobExecutable, b"a"), format!("n.py {mode}"));
        assert_eq!(check("code/b.sh", FileMode::Blob, b"b"), format!("b.sh {mode}"));
    }

    #[test]
    fn the_rest_of_the_repository_does_not_change() {
        assert_eq!(check("beside.py", FileMode::Blob, b"x"), "beside.py is outside the codebase");
        assert_eq!(check("code2/a.py", FileMode::Blob, b"x"), "code2/a.py is outside the codebase");
        assert!(check("code/frozen.py", FileMode::Blob, b"x").contains("is frozen by"));
        assert!(check("code/deep/a.py", FileMode::Blob, b"x").contains("no editable glob"));
        assert!(check("code/a.py", FileMode::Blob, b"\xff").contains("no UTF-8 text"));
    }
}
