//! SEARCH/REPLACE blocks, by whatever names a model gives the two halves. Never says where they go.

use similar::{Algorithm, DiffOp, capture_diff_slices};

use super::intent::{Action, Hunk, Op};
use super::path;
use super::read::Reader;
use super::refused::Refused;

/// Whether a line opens such a block.
pub(super) fn starts(line: &str) -> bool {
    opening(line).is_some()
}

/// How many characters the opening line has, and what stands behind them.
fn opening(line: &str) -> Option<(usize, &str)> {
    let bare = line.trim();
    let (length, rest) = run(bare, '<');
    let word = rest.split_whitespace().next().unwrap_or_default().trim_end_matches(':');
    let known = ["SEARCH", "ORIGINAL", "OLD", "HEAD", "BEFORE", "FIND", "CURRENT"]
        .iter()
        .any(|known| word.eq_ignore_ascii_case(known));
    if (4..=12).contains(&length) && (known || rest.is_empty() || length == 7) {
        return Some((length, rest));
    }
    let (length, rest) = run(bare, '-');
    let is_search = rest.split_whitespace().next() == Some("SEARCH");
    ((5..=12).contains(&length) && is_search).then_some((length, rest))
}

fn closes(line: &str) -> bool {
    let bare = line.trim();
    let (length, rest) = run(bare, '>');
    let word = rest.split_whitespace().next().unwrap_or_default();
    if (4..=12).contains(&length) && word.chars().all(|c| c.is_alphanumeric() || c == ':') {
        return true;
    }
    let (length, rest) = run(bare, '+');
    (5..=12).contains(&length) && rest.trim() == "REPLACE"
}

fn run(text: &str, mark: char) -> (usize, &str) {
    let rest = text.trim_start_matches(mark);
    (text.len() - rest.len(), rest.trim())
}

fn is_divider(line: &str) -> Option<usize> {
    let bare = line.trim_end();
    let (length, rest) = run(bare, '=');
    ((4..=12).contains(&length) && rest.is_empty()).then_some(length)
}

/// Reads one block; the reader stands on its opening line.
pub(super) fn read(reader: &mut Reader<'_>) -> Result<(), Refused> {
    let start = reader.at;
    let at = start + 1;
    let Some((length, rest)) = opening(reader.line(start)) else { return Ok(()) };
    let malformed = |why: &str| Err(Refused::Malformed { line: at, why: why.to_owned() });
    let mut end = start + 1;
    let mut dividers: Vec<(usize, usize)> = Vec::new();
    loop {
        if end == reader.lines.len() {
            return Err(Refused::Truncated { line: at });
        }
        let line = reader.line(end);
        if closes(line) {
            break;
        }
        if starts(line) {
            return malformed("another block starts before this one ends");
        }
        dividers.extend(is_divider(line).map(|length| (end, length)));
        end += 1;
    }
    if dividers.len() > 1 {
        dividers.retain(|(_, found)| *found == length);
    }
    let divider = match dividers.as_slice() {
        [(at, _)] => *at,
        [] => return malformed("the block has no ======= line between old and new text"),
        _ => return malformed("the block has more than one ======= line"),
    };
    let path = path::in_info(rest, &reader.known)
        .or_else(|| path_above(reader))
        .or_else(|| reader.last_path.clone())
        .ok_or(Refused::NoPath { line: at })?;
    let lines =
        |from: usize, to: usize| -> Vec<&str> { (from..to).map(|at| reader.line(at)).collect() };
    let hunk = hunk(at, &lines(start + 1, divider), &lines(divider + 1, end));
    reader.at = end + 1;
    reader.push(at, path, Action::Change { hunks: vec![hunk], to: None })
}

/// The path on the line above, in the block's info string or in the prose.
fn path_above(reader: &Reader<'_>) -> Option<String> {
    let Some(block) = &reader.block else {
        return reader.label_above().map(|(path, _)| path);
    };
    let above = block.body.iter().rev().find(|line| !line.trim().is_empty());
    above
        .and_then(|line| path::in_comment(line, &reader.known))
        .or_else(|| {
            above.and_then(|line| path::in_prose(line, &reader.known)).map(|(path, _)| path)
        })
        .or_else(|| block.label.as_ref().map(|(path, _)| path.clone()))
}

/// The lines that both halves share are kept, so that the file's own stay as they are.
fn hunk(at: usize, old: &[&str], new: &[&str]) -> Hunk {
    /// Beyond this many lines a diff of the halves takes too long, and none shares much.
    const MOST_LINES: usize = 2_000;
    let mut ops = Vec::with_capacity(old.len() + new.len());
    if old.len() + new.len() > MOST_LINES {
        ops.extend(old.iter().map(|line| Op::cut(line)));
        ops.extend(new.iter().map(|line| Op::add(line)));
        return Hunk { at, ops, ..Hunk::default() };
    }
    for op in capture_diff_slices(Algorithm::Myers, old, new) {
        let (_, from, to) = op.as_tag_tuple();
        if matches!(op, DiffOp::Equal { .. }) {
            ops.extend(old[from].iter().map(|line| Op::keep(line)));
        } else {
            ops.extend(old[from].iter().map(|line| Op::cut(line)));
            ops.extend(new[to].iter().map(|line| Op::add(line)));
        }
    }
    Hunk { at, ops, inline: old.len() == 1 && new.len() == 1, ..Hunk::default() }
}
