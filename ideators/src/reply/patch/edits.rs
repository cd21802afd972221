//! From the files as they are and as they should be to the smallest edits that say so.

use autores_domain::{CodePath, Codebase, Edit, Patch};
use similar::{Algorithm, DiffOp, capture_diff_slices};
use std::collections::BTreeMap;

/// Beyond this many changed lines a diff costs more than it tells.
const MOST_LINES: usize = 3_000;

/// Edits that turn the base into these files.
pub(super) fn patch(base: &Codebase, files: &BTreeMap<CodePath, Option<String>>) -> Patch {
    let mut edits = Vec::new();
    for (path, text) in files {
        match (base.get(path), text) {
            (Some(before), Some(after)) if before == after => {}
            (Some(before), Some(after)) => {
                let replaced = replaced(path, before, after);
                let write = || vec![Edit::Write { path: path.clone(), content: after.clone() }];
                edits.extend(replaced.unwrap_or_else(write));
            }
            (None, Some(after)) => {
                edits.push(Edit::Write { path: path.clone(), content: after.clone() });
            }
            (Some(_), None) => edits.push(Edit::Delete { path: path.clone() }),
            (None, None) => {}
        }
    }
    Patch { edits }
}

/// Each change with as many of the lines around it as make it unique, where that is simple.
fn replaced(path: &CodePath, before: &str, after: &str) -> Option<Vec<Edit>> {
    const MOST_EDITS: usize = 20;
    const MOST_CONTEXT: usize = 8;
    let old: Vec<&str> = before.split_inclusive('\n').collect();
    let new: Vec<&str> = after.split_inclusive('\n').collect();
    let same = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
    let rest = old[same..].iter().rev().zip(new[same..].iter().rev());
    let tail = rest.take_while(|(a, b)| a == b).count();
    let (old_middle, new_middle) = (&old[same..old.len() - tail], &new[same..new.len() - tail]);
    if old_middle.len().max(new_middle.len()) > MOST_LINES {
        return None;
    }
    let diff = capture_diff_slices(Algorithm::Myers, old_middle, new_middle);
    let changes: Vec<_> = diff
        .iter()
        .filter(|op| !matches!(op, DiffOp::Equal { .. }))
        .map(|op| (op.old_range(), op.new_range()))
        .collect();
    if changes.len() > MOST_EDITS {
        return None;
    }
    let mut edits = Vec::new();
    let mut lines: Vec<&str> = old.clone();
    // From the last to the first, so that the numbers of the lines above stay true.
    for (from, to) in changes.into_iter().rev() {
        let (start, end) = (same + from.start, same + from.end);
        let with = &new_middle[to];
        let text = lines.concat();
        let (above, below) = (0..=MOST_CONTEXT)
            .map(|context| (start.saturating_sub(context), (end + context).min(lines.len())))
            .find(|(above, below)| {
                let find = lines[*above..*below].concat();
                !find.is_empty() && text.matches(find.as_str()).count() == 1
            })?;
        let find = lines[above..below].concat();
        let replace = [&lines[above..start], with, &lines[end..below]].concat().concat();
        edits.push(Edit::Replace { path: path.clone(), find, replace });
        lines.splice(start..end, with.iter().copied());
    }
    Some(edits)
}

/// The same by whole files only.
pub(super) fn written(files: &BTreeMap<CodePath, Option<String>>) -> Patch {
    let edit = |(path, text): (&CodePath, &Option<String>)| match text {
        Some(text) => Edit::Write { path: path.clone(), content: text.clone() },
        None => Edit::Delete { path: path.clone() },
    };
    Patch { edits: files.iter().map(edit).collect() }
}
