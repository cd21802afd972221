//! What differs between two states of a codebase, as prompts show it. Never applied to anything.

use std::collections::{BTreeMap, BTreeSet};

use autores_domain::{CodePath, Codebase};
use similar::TextDiff;

/// Lines around a change that are shown with it.
const CONTEXT: usize = 3;

/// The unified diff that leads from one state to the other, files in the order of their names; empty where they are equal.
pub fn diff(before: &Codebase, after: &Codebase) -> String {
    let paths: BTreeSet<&CodePath> = before.keys().chain(after.keys()).collect();
    let mut text = String::new();
    for path in paths {
        let (old, new) = (before.get(path), after.get(path));
        if old == new {
            continue;
        }
        let side = |letter: char, file: Option<&String>| match file {
            Some(_) => format!("{letter}/{path}"),
            None => "/dev/null".to_owned(),
        };
        let (from, to) = (side('a', old), side('b', new));
        let body =
            TextDiff::from_lines(old.map_or("", String::as_str), new.map_or("", String::as_str))
                .unified_diff()
                .context_radius(CONTEXT)
                .header(&from, &to)
                .to_string();
        // An empty file that comes or goes has no lines to show.
        text += &if body.is_empty() { format!("--- {from}\n+++ {to}\n") } else { body };
        if !text.ends_with('\n') {
            text.push('\n');
        }
    }
    text
}

/// The files that differ, with their new text, or `None` where one is gone.
pub(crate) fn changed(before: &Codebase, after: &Codebase) -> BTreeMap<CodePath, Option<String>> {
    let gone = before.keys().filter(|path| !after.contains_key(*path));
    after
        .iter()
        .filter(|(path, text)| before.get(*path) != Some(text))
        .map(|(path, text)| (path.clone(), Some(text.clone())))
        .chain(gone.map(|path| (path.clone(), None)))
        .collect()
}

/// The codebase after these changes.
pub(crate) fn with(before: &Codebase, changes: BTreeMap<CodePath, Option<String>>) -> Codebase {
    let mut after = before.clone();
    for (path, text) in changes {
        match text {
            Some(text) => after.insert(path, text),
            None => after.remove(&path),
        };
    }
    after
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(files: &[(&str, &str)]) -> Codebase {
        files.iter().map(|(path, text)| (path.parse().unwrap(), (*text).to_owned())).collect()
    }

    #[test]
    fn changed_new_and_removed_files_are_shown() {
        let before = code(&[("a.py", "x = 1\ny = 2\n"), ("b.py", "old\n"), ("same.py", "z\n")]);
        let after = code(&[("a.py", "x = 3\ny = 2\n"), ("c.py", "new\n"), ("same.py", "z\n")]);
        assert_eq!(
            diff(&before, &after),
            "--- a/a.py\n+++ b/a.py\n@@ -1,2 +1,2 @@\n-x = 1\n+x = 3\n y = 2\n\
             --- a/b.py\n+++ /dev/null\n@@ -1 +0,0 @@\n-old\n\
             --- /dev/null\n+++ b/c.py\n@@ -0,0 +1 @@\n+new\n"
        );
        assert_eq!(diff(&after, &after), "");
    }

    #[test]
    fn a_missing_line_end_is_told() {
        let text = diff(&code(&[("a.py", "x = 1")]), &code(&[("a.py", "x = 2\n")]));
        assert!(text.contains("-x = 1\n\\ No newline at end of file\n+x = 2\n"), "{text}");
    }

    #[test]
    fn what_changed_leads_from_one_state_to_the_other() {
        let before = code(&[("a.py", "1\n"), ("b.py", "2\n")]);
        let after = code(&[("a.py", "9\n"), ("c.py", "")]);
        assert_eq!(with(&before, changed(&before, &after)), after);
        assert!(diff(&before, &after).contains("+++ b/c.py"));
    }
}
