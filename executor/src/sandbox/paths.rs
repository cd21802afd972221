//! From "all of this but not that" to a list of paths, since Landlock only knows how to allow.

use std::fs;
use std::path::{Path, PathBuf};

/// How much of a path is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Grant {
    /// The file, or the folder with all below.
    Whole,
    /// Only the names in the folder and below.
    Names,
}

/// Hidden paths as the kernel sees them, with the compiled form of Python sources.
pub(super) fn resolve_hidden(hidden: &[PathBuf]) -> Vec<PathBuf> {
    let mut resolved: Vec<PathBuf> =
        hidden.iter().filter_map(|path| fs::canonicalize(path).ok()).collect();
    let compiled: Vec<PathBuf> = resolved.iter().flat_map(|path| compiled_forms(path)).collect();
    resolved.extend(compiled);
    resolved
}

fn compiled_forms(source: &Path) -> Vec<PathBuf> {
    let is_python = source.extension().is_some_and(|extension| extension == "py");
    let (Some(folder), Some(stem), true) = (source.parent(), source.file_stem(), is_python) else {
        return Vec::new();
    };
    let prefix = format!("{}.", stem.to_string_lossy());
    let Ok(entries) = fs::read_dir(folder.join("__pycache__")) else { return Vec::new() };
    entries
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(&prefix))
        .map(|entry| entry.path())
        .collect()
}

/// What to open so that all of `root` can be read except what is hidden. Both must be resolved.
pub(super) fn allow_except(root: &Path, hidden: &[PathBuf]) -> Vec<(PathBuf, Grant)> {
    if hidden.iter().any(|closed| root.starts_with(closed)) {
        return Vec::new();
    }
    if !hidden.iter().any(|closed| closed.starts_with(root)) {
        return vec![(root.to_owned(), Grant::Whole)];
    }
    let mut grants = vec![(root.to_owned(), Grant::Names)];
    let Ok(entries) = fs::read_dir(root) else { return grants };
    for entry in entries.flatten() {
        // What a link points to is open if it lies in an open folder by its own name.
        let is_link = entry.file_type().is_ok_and(|kind| kind.is_symlink());
        if !is_link {
            grants.extend(allow_except(&entry.path(), hidden));
        }
    }
    grants
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(files: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        folder
    }

    fn check(files: &[&str], hidden: &[&str], expected: &[(&str, Grant)]) {
        let folder = tree(files);
        let root = fs::canonicalize(folder.path()).unwrap();
        let hidden: Vec<PathBuf> = hidden.iter().map(|path| root.join(path)).collect();
        let mut grants = allow_except(&root, &resolve_hidden(&hidden));
        grants.sort_by(|a, b| a.0.cmp(&b.0));
        let expected: Vec<_> =
            expected.iter().map(|(path, grant)| (root.join(path), *grant)).collect();
        let shown: Vec<_> = grants
            .into_iter()
            .map(|(path, grant)| (path.components().collect::<PathBuf>(), grant))
            .collect();
        let expected: Vec<_> = expected
            .into_iter()
            .map(|(path, grant)| (path.components().collect::<PathBuf>(), grant))
            .collect();
        assert_eq!(shown, expected);
    }

    #[test]
    fn nothing_hidden_opens_the_folder_whole() {
        check(&["a", "b/c"], &[], &[("", Grant::Whole)]);
    }

    #[test]
    fn a_hidden_file_opens_its_siblings_and_names() {
        check(
            &["a", "b/c", "b/d", "e/f"],
            &["b/c"],
            &[
                ("", Grant::Names),
                ("a", Grant::Whole),
                ("b", Grant::Names),
                ("b/d", Grant::Whole),
                ("e", Grant::Whole),
            ],
        );
    }

    #[test]
    fn a_hidden_root_opens_nothing() {
        check(&["a"], &[""], &[]);
    }

    #[test]
    fn hiding_a_source_hides_its_compiled_form() {
        check(
            &["m.py", "__pycache__/m.cpython-312.pyc", "__pycache__/mm.cpython-312.pyc"],
            &["m.py"],
            &[
                ("", Grant::Names),
                ("__pycache__", Grant::Names),
                ("__pycache__/mm.cpython-312.pyc", Grant::Whole),
            ],
        );
    }
}
