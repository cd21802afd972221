//! Hunks that show less than whole lines one after the other: a part of one line, or lines with some left out
//! between them. Never fills in what was left out.

use super::elide;
use super::file::Splice;
use super::intent::{Hunk, Kind, Op};
use super::place::{Effort, Level, Match, Placed, Unplaced, at, candidates};

/// A part of one line, where a block gives just that and no line consists of it.
pub(super) fn inline(hunk: &Hunk, old: &[&Op], lines: &[&str]) -> Option<Result<Placed, Unplaced>> {
    const SHORTEST: usize = 6;
    let ([old], Some(new)) = (old, hunk.ops.iter().find(|op| op.kind == Kind::Add)) else {
        return None;
    };
    let (old, new) = (old.text.trim(), new.text.trim());
    if !hunk.inline || old.len() < SHORTEST {
        return None;
    }
    let in_word = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '.');
    let places: Vec<(usize, usize)> = lines
        .iter()
        .enumerate()
        .flat_map(|(line, text)| text.match_indices(old).map(move |(at, _)| (line, at)))
        .collect();
    let [(line, column)] = places.as_slice() else {
        let found: Vec<usize> = places.iter().map(|(line, _)| *line).collect();
        return (!found.is_empty()).then_some(Err(Unplaced::Ambiguous(found)));
    };
    let text = lines[*line];
    let (before, after) = (&text[..*column], &text[column + old.len()..]);
    let word = |c: char| c.is_alphanumeric() || c == '_';
    let cuts_word = in_word(before.chars().next_back()) && old.starts_with(word)
        || in_word(after.chars().next()) && old.ends_with(word);
    if cuts_word {
        return None;
    }
    let splices = vec![Splice { at: *line, cut: 1, add: vec![format!("{before}{new}{after}")] }];
    let at_end = line + 1 == lines.len();
    Some(Ok(Placed { start: *line, found: Match::Exact, splices, at_end }))
}

/// Old lines with some left out between them: each part must have its one place, in the order given.
pub(super) fn around_gaps(
    hunk: &Hunk,
    lines: &[&str],
    effort: &mut Effort,
) -> Result<Placed, Unplaced> {
    // Where the file has such a line, it may be meant: `...` is Python too.
    let is_code = |text: &str| lines.iter().any(|line| line.trim() == text.trim());
    let is_gap =
        |op: &Op| op.kind == Kind::Keep && elide::is_elision(&op.text) && !is_code(&op.text);
    let parts: Vec<Hunk> = hunk
        .ops
        .split(is_gap)
        .filter(|ops| !ops.is_empty())
        .map(|ops| Hunk { ops: ops.to_vec(), ..Hunk::default() })
        .collect();
    let mut found: Vec<(Level, usize, Vec<usize>)> = Vec::new();
    for part in &parts {
        let old: Vec<&Op> = part.ops.iter().filter(|op| op.kind != Kind::Add).collect();
        if old.iter().all(|op| op.text.trim().is_empty()) {
            return Err(Unplaced::NoContext);
        }
        let mut here = (Level::Exact, old.len(), Vec::new());
        for level in [Level::Exact, Level::TrailingSpace, Level::Indentation] {
            here = (level, old.len(), candidates(&old, lines, level, effort)?);
            if !here.2.is_empty() {
                break;
            }
        }
        found.push(here);
    }
    let mut end = 0;
    for (_, length, starts) in &mut found {
        starts.retain(|start| *start >= end);
        end = starts.first().ok_or(Unplaced::NotFound)? + *length;
    }
    let mut limit = lines.len();
    for (_, length, starts) in found.iter_mut().rev() {
        starts.retain(|start| start + *length <= limit);
        limit = *starts.last().ok_or(Unplaced::NotFound)?;
    }
    let mut placed =
        Placed { start: lines.len(), found: Match::Exact, splices: Vec::new(), at_end: false };
    for (part, (level, _, starts)) in parts.iter().zip(&found) {
        if !part.changes() {
            continue;
        }
        let [start] = starts.as_slice() else { return Err(Unplaced::Ambiguous(starts.clone())) };
        let old: Vec<&Op> = part.ops.iter().filter(|op| op.kind != Kind::Add).collect();
        let this = at(part, &old, lines, *start, *level)?;
        placed.start = placed.start.min(this.start);
        if this.found != Match::Exact {
            placed.found = this.found;
        }
        placed.splices.extend(this.splices);
    }
    let ordered = placed.splices.windows(2).all(|two| two[0].at + two[0].cut <= two[1].at);
    if ordered && !placed.splices.is_empty() { Ok(placed) } else { Err(Unplaced::NotFound) }
}
