//! How the indentation of an edit relates to the file's. Never changes how lines stand to each other.

use std::collections::BTreeMap;

/// What to do to the indentation of new lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Shift {
    /// Put this before each.
    In(String),
    /// Take this away from each.
    Out(String),
    /// So many spaces of the edit are one tab of the file.
    Tabs(usize),
    /// One tab of the edit is so many spaces of the file.
    Spaces(usize),
    /// Each indentation of the edit that occurs in old lines has its counterpart.
    Table(BTreeMap<String, String>),
}

pub(super) fn of(line: &str) -> &str {
    &line[..line.len() - line.trim_start_matches([' ', '\t']).len()]
}

/// The one shift that makes each first indentation the second.
pub(super) fn shift<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)> + Clone) -> Option<Shift> {
    let (edit, file) = pairs.clone().next()?;
    let fits = |shift: &Shift| {
        pairs.clone().all(|(edit, file)| moved(edit, shift).as_deref() == Some(file))
    };
    let both = [
        file.strip_suffix(edit).map(|before| Shift::In(before.to_owned())),
        edit.strip_suffix(file).map(|before| Shift::Out(before.to_owned())),
    ];
    if let Some(found) = both.into_iter().flatten().find(fits) {
        return Some(found);
    }
    let scales =
        [2, 3, 4, 8].into_iter().flat_map(|width| [Shift::Tabs(width), Shift::Spaces(width)]);
    if let Some(found) = scales.into_iter().find(fits) {
        return Some(found);
    }
    let mut table = BTreeMap::new();
    for (edit, file) in pairs {
        if table.insert(edit.to_owned(), file.to_owned()).is_some_and(|other| other != file) {
            return None;
        }
    }
    // Deeper must stay deeper.
    let mut order: Vec<(&String, &String)> = table.iter().collect();
    order.sort_by_key(|(edit, _)| edit.len());
    let rises = order
        .windows(2)
        .all(|two| two[0].0.len() < two[1].0.len() && two[1].1.len() > two[0].1.len());
    rises.then_some(Shift::Table(table))
}

fn moved(indent: &str, shift: &Shift) -> Option<String> {
    match shift {
        Shift::In(before) => Some(format!("{before}{indent}")),
        Shift::Out(before) => indent.strip_prefix(before.as_str()).map(str::to_owned),
        Shift::Tabs(width) => {
            let spaces =
                indent.bytes().all(|byte| byte == b' ') && indent.len().is_multiple_of(*width);
            spaces.then(|| "\t".repeat(indent.len() / width))
        }
        Shift::Spaces(width) => {
            let tabs = indent.bytes().all(|byte| byte == b'\t');
            tabs.then(|| " ".repeat(indent.len() * width))
        }
        Shift::Table(table) => table.get(indent).cloned(),
    }
}

/// A new line, moved with the old ones; nothing if the shift says nothing of its indentation.
pub(super) fn apply(line: &str, shift: &Shift) -> Option<String> {
    let text = line.trim_start_matches([' ', '\t']);
    if text.is_empty() {
        return Some(String::new());
    }
    moved(of(line), shift).map(|indent| indent + text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pairs: &[(&str, &str)], line: &str, moved: Option<&str>) {
        let found = shift(pairs.iter().copied()).and_then(|shift| apply(line, &shift));
        assert_eq!(found.as_deref(), moved);
    }

    #[test]
    fn new_lines_move_as_the_old_ones_did() {
        check(&[("", "    "), ("  ", "      ")], "  x", Some("      x"));
        check(&[("    ", ""), ("      ", "  ")], "    x", Some("x"));
        check(&[("    ", "\t"), ("        ", "\t\t")], "            x", Some("\t\t\tx"));
        check(&[("\t", "    ")], "\t\tx", Some("        x"));
    }

    #[test]
    fn what_the_old_lines_do_not_show_is_not_guessed() {
        check(&[("", ""), ("  ", "    ")], "  x", Some("    x"));
        check(&[("", " "), ("  ", "    ")], "    x", None);
        check(&[("  ", "    "), ("  ", "      ")], "  x", None);
        check(&[("    ", "")], "  x", None);
    }
}
