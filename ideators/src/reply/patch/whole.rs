//! Whether code that is given for a file is all of the file. Never takes a part for the whole.

use std::collections::{BTreeMap, BTreeSet};

use autores_domain::{CodePath, Codebase};

use super::elide;
use super::refused::Refused;

/// Refuses code with parts left out.
pub(super) fn check(
    path: &CodePath,
    lines: &[String],
    current: Option<&str>,
    base: &Codebase,
) -> Result<(), Refused> {
    let known: BTreeSet<&str> = current.unwrap_or_default().lines().map(str::trim).collect();
    let elided = elide::first(lines.iter().map(String::as_str), |line| known.contains(line.trim()));
    if let Some(text) = elided {
        return Err(Refused::Elided { path: path.clone(), text: text.trim().to_owned() });
    }
    let partial = |why: String| Err(Refused::Partial { path: path.clone(), why });
    let python = path.as_str().ends_with(".py");
    let first = lines.iter().find(|line| !line.trim().is_empty());
    if python && first.is_some_and(|line| line.starts_with([' ', '\t'])) {
        return partial("its first line is indented".to_owned());
    }
    let quotes: usize = lines.iter().map(|line| line.matches("\"\"\"").count()).sum();
    if python && quotes % 2 == 1 {
        return partial("a string in it has no end".to_owned());
    }
    let Some(current) = current else { return Ok(()) };
    let text = lines.join("\n");
    let why = if python { missing(path, current, &text, base) } else { shorter(current, lines) };
    why.map_or(Ok(()), partial)
}

/// Without names to compare, a part is known by its length.
fn shorter(current: &str, lines: &[String]) -> Option<String> {
    let filled = |text: &&str| !text.trim().is_empty();
    let before = current.lines().filter(filled).count();
    let after = lines.iter().map(String::as_str).filter(filled).count();
    (after * 2 < before)
        .then(|| format!("it has {after} lines of text where the file has {before}"))
}

/// What the file defines or imports, and the code needs, but does not have.
fn missing(path: &CodePath, current: &str, text: &str, base: &Codebase) -> Option<String> {
    let imports = |text: &str| text.lines().any(is_import);
    if imports(current) && !imports(text) {
        return Some("the file's imports are not in it".to_owned());
    }
    let (before, after) = (names(current), names(text));
    let lost: Vec<&str> = before.difference(&after).copied().collect();
    if lost.len() * 2 > before.len() {
        return Some(format!("{} of the file are not in it", lost.join(", ")));
    }
    let used = words(text);
    let needed = lost.iter().find(|name| used.contains_key(**name));
    if let Some(name) = needed {
        return Some(format!("it uses {name}, which the file defines and it does not"));
    }
    let module = path.as_str().strip_suffix(".py")?.replace('/', ".");
    let import = format!("from {module} import ");
    let elsewhere = base
        .iter()
        .filter(|(other, _)| *other != path)
        .flat_map(|(_, code)| code.lines())
        .filter_map(|line| line.trim().strip_prefix(import.as_str()));
    let wanted: BTreeSet<&str> =
        elsewhere.flat_map(|names| names.split(',')).map(str::trim).collect();
    lost.into_iter()
        .find(|name| wanted.contains(name))
        .map(|name| format!("other files import {name}, which is not in it"))
}

fn is_import(line: &str) -> bool {
    line.starts_with("import ") || line.starts_with("from ")
}

/// The functions, classes and names that a Python file defines at its outmost level.
fn names(text: &str) -> BTreeSet<&str> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    text.lines()
        .filter_map(|line| {
            let defined =
                ["def ", "class ", "async def "].iter().find_map(|w| line.strip_prefix(w));
            let rest = defined.unwrap_or(line);
            let end = rest.find(|c| !is_word(c))?;
            let assigned = rest[end..].trim_start().starts_with('=')
                && !rest[end..].trim_start().starts_with("==");
            (end > 0 && (defined.is_some() || assigned)).then(|| &rest[..end])
        })
        .collect()
}

fn words(text: &str) -> BTreeMap<&str, usize> {
    let mut words = BTreeMap::new();
    for word in text.split(|c: char| !(c.is_alphanumeric() || c == '_')) {
        *words.entry(word).or_default() += 1;
    }
    words
}

/// Whether the code is a quotation of a file, so that nothing is to be done with it.
pub(super) fn is_quotation(lines: &[String], base: &Codebase) -> bool {
    let filled = |text: &&str| !text.is_empty();
    let quoted: Vec<&str> = lines.iter().map(|line| line.trim()).filter(filled).collect();
    let Some(first) = quoted.first() else { return false };
    base.values().any(|text| {
        let code: Vec<&str> = text.lines().map(str::trim).filter(filled).collect();
        let last = code.len().checked_sub(quoted.len());
        // Few lines are equal to the first one, so this stays close to one pass.
        last.is_some_and(|last| {
            (0..=last).any(|at| code[at] == *first && code[at..at + quoted.len()] == quoted[..])
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const CODE: &str =
        "import math\n\nLIMIT = 3\n\n\ndef a():\n    return LIMIT\n\n\ndef b():\n    return a()\n";

    fn check(text: &str) -> String {
        let path: CodePath = "m.py".parse().unwrap();
        let other = ("other.py".parse().unwrap(), "from m import b\n".to_owned());
        let base = Codebase::from([(path.clone(), CODE.to_owned()), other]);
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        match super::check(&path, &lines, Some(CODE), &base) {
            Ok(()) => "whole".to_owned(),
            Err(refused) => refused.to_string(),
        }
    }

    #[test]
    fn all_of_a_file_is_taken() {
        assert_eq!(check(&CODE.replace('3', "4")), "whole");
        assert_eq!(check("import math\nLIMIT = 4\ndef b():\n    return LIMIT\n"), "whole");
    }

    #[test]
    fn a_part_is_refused_and_says_what_is_missing() {
        assert!(check("def b():\n    return 1\n").contains("imports are not in it"));
        assert!(check("import math\ndef b():\n    return 1\n").contains("LIMIT, a of the file"));
        assert!(check("import math\nLIMIT = 3\ndef b():\n    return a()\n").contains("it uses a"));
        assert!(check("import math\nLIMIT = 3\ndef a():\n    return 1\n").contains("import b"));
        assert!(check("    return 1\n").contains("indented"));
        assert!(check("import math\n# ... rest of the file ...\n").contains("left out"));
    }
}
