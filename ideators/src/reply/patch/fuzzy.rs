//! Places for hunks whose old lines are misremembered. Never removes a line that does not look like the one
//! to remove, and never writes a line that is only there for orientation.
//!
//! The old lines are aligned with the file's: lines may be missing on either side, and similar ones count in
//! part. A place is taken when nearly all of the lines are there and no other place comes close.

use std::collections::{BTreeSet, HashMap};

use super::changes;
use super::file::Splice;
use super::indent;
use super::intent::{Hunk, Kind, Op};
use super::place::{Effort, Match, Placed, Unplaced};
use super::scope;

/// The share of the old lines, by weight, that must be there.
const THRESHOLD: f64 = 0.7;
/// How much better the place must be than any other one.
const MARGIN: f64 = 0.15;
/// The least similarity of two lines that count as one.
const SIMILAR: f64 = 0.6;
/// The same where the line is to be removed.
const SIMILAR_CUT: f64 = 0.75;
/// Lines that must be there letter by letter but for whitespace.
const LEAST_EQUAL: usize = 2;
const LONGEST_HUNK: usize = 400;
const MOST_CELLS: usize = 2_000_000;
const LONGEST_LINE: usize = 300;
/// What a line of the file costs that the hunk does not show.
const UNSHOWN: f64 = 0.1;

struct Alignment {
    score: f64,
    /// Per old line, its line of the file.
    places: Vec<Option<usize>>,
}

pub(super) fn place(
    hunk: &Hunk,
    lines: &[&str],
    stated: Option<usize>,
    effort: &mut Effort,
) -> Result<Placed, Unplaced> {
    let old: Vec<&Op> = hunk.ops.iter().filter(|op| op.kind != Kind::Add).collect();
    if old.len() > LONGEST_HUNK {
        return Err(Unplaced::NotFound);
    }
    let windows = windows(&old, lines);
    let none = BTreeSet::new();
    let best = best(&old, lines, &windows, &none, effort)?.ok_or(Unplaced::NotFound)?;
    let weight: f64 = old.iter().map(|op| weight(op)).sum();
    let similarity = best.score / weight;
    let start = best.places.iter().flatten().next().copied().unwrap_or_default();
    let equal = old.iter().zip(&best.places).filter(|(op, place)| {
        place.is_some_and(|place| !op.text.trim().is_empty() && equal(&op.text, lines[place]))
    });
    if similarity < THRESHOLD || equal.count() < LEAST_EQUAL {
        return Err(Unplaced::NotFound);
    }
    // Without the lines that this place changes, no other place may be nearly as good.
    let used = decisive(&old, hunk, &best);
    if let Some(other) = self::best(&old, lines, &windows, &used, effort)?
        && other.score / weight > similarity - MARGIN
    {
        let other = other.places.iter().flatten().next().copied().unwrap_or_default();
        if stated != Some(start) {
            return Err(Unplaced::Ambiguous(vec![start.min(other), start.max(other)]));
        }
    }
    if stands_elsewhere(&old, &best, lines) || is_out_of_place(&old, &best) {
        return Err(Unplaced::NotFound);
    }
    if let Some(heading) = scope::contradiction(hunk, lines, start) {
        return Err(Unplaced::Contradicts(heading, start));
    }
    let splices = splices(hunk, &old, &best, lines).ok_or(Unplaced::NotFound)?;
    let at_end = best.places.last().copied().flatten().is_some_and(|last| last + 1 == lines.len());
    Ok(Placed { start, found: Match::Fuzzy(similarity), splices, at_end })
}

fn equal(a: &str, b: &str) -> bool {
    a.trim() == b.trim()
}

/// Blank lines and brackets stand everywhere, so they say little of the place.
fn weight(op: &Op) -> f64 {
    match op.text.trim().chars().filter(|c| c.is_alphanumeric()).count() {
        0 => 0.1,
        1..=2 => 0.5,
        _ => 1.0,
    }
}

/// Stretches of the file in which the hunk may belong: those where lines of it stand in the right distance.
fn windows(old: &[&Op], lines: &[&str]) -> Vec<(usize, usize)> {
    const COMMON: usize = 8;
    const MOST: usize = 12;
    let mut index: HashMap<&str, Vec<usize>> = HashMap::new();
    for (at, line) in lines.iter().enumerate() {
        index.entry(line.trim()).or_default().push(at);
    }
    let slack = old.len() / 2 + 6;
    let mut votes: HashMap<usize, usize> = HashMap::new();
    for (position, op) in old.iter().enumerate() {
        let Some(places) = index.get(op.text.trim()) else { continue };
        if op.text.trim().is_empty() || places.len() > COMMON {
            continue;
        }
        for place in places {
            *votes.entry(place.saturating_sub(position)).or_default() += 1;
        }
    }
    let mut starts: Vec<(usize, usize)> =
        votes.into_iter().map(|(at, votes)| (votes, at)).collect();
    starts.sort_unstable_by(|a, b| b.cmp(a));
    starts.truncate(4 * MOST);
    let mut ranges: Vec<(usize, usize)> = starts
        .iter()
        .map(|(_, at)| (at.saturating_sub(slack), (at + old.len() + slack).min(lines.len())))
        .collect();
    ranges.sort_unstable();
    let mut merged: Vec<(usize, usize)> = Vec::new();
    for (from, to) in ranges {
        match merged.last_mut() {
            Some(last) if from <= last.1 => last.1 = last.1.max(to),
            _ => merged.push((from, to)),
        }
    }
    merged
}

fn best(
    old: &[&Op],
    lines: &[&str],
    windows: &[(usize, usize)],
    without: &BTreeSet<usize>,
    effort: &mut Effort,
) -> Result<Option<Alignment>, Unplaced> {
    let mut best: Option<Alignment> = None;
    for window in windows {
        let found = align(old, lines, *window, without, effort)?;
        if let Some(found) = found
            && best.as_ref().is_none_or(|best| found.score > best.score)
        {
            best = Some(found);
        }
    }
    Ok(best)
}

/// How similar a line of the file is to an old one; nothing where they cannot be one.
fn similarity(op: &Op, line: &str, effort: &mut Effort) -> Result<Option<f64>, Unplaced> {
    let (a, b) = (op.text.trim(), line.trim());
    if a == b {
        return Ok(Some(1.0));
    }
    let (short, long) = (a.len().min(b.len()), a.len().max(b.len()));
    let least = if op.kind == Kind::Cut { SIMILAR_CUT } else { SIMILAR };
    if long > LONGEST_LINE || (short as f64) < least * long as f64 / 2.0 {
        return Ok(None);
    }
    effort.spend(1 + a.len() * b.len() / 16)?;
    let found = strsim::normalized_levenshtein(a, b);
    Ok((found >= least).then_some(found))
}

#[derive(Clone, Copy, PartialEq)]
enum Step {
    Start,
    Both,
    SkipOld,
    SkipLine,
}

/// The best alignment of all old lines with a part of the window.
fn align(
    old: &[&Op],
    lines: &[&str],
    (from, to): (usize, usize),
    without: &BTreeSet<usize>,
    effort: &mut Effort,
) -> Result<Option<Alignment>, Unplaced> {
    let width = to - from;
    if width * old.len() > MOST_CELLS {
        return Ok(None);
    }
    let mut scores = vec![vec![0.0_f64; width + 1]; old.len() + 1];
    let mut steps = vec![vec![Step::Start; width + 1]; old.len() + 1];
    for (row, op) in old.iter().enumerate() {
        for column in 0..=width {
            // A line to remove must be there; one for orientation may be missing.
            let (mut score, mut step) = match op.kind {
                Kind::Cut => (f64::NEG_INFINITY, Step::SkipOld),
                Kind::Keep | Kind::Add => (scores[row][column], Step::SkipOld),
            };
            if column > 0 {
                let at = from + column - 1;
                let cost = if lines[at].trim().is_empty() { 0.0 } else { UNSHOWN };
                let skipped = scores[row + 1][column - 1] - cost;
                if skipped > score {
                    (score, step) = (skipped, Step::SkipLine);
                }
                effort.spend(1)?;
                if !without.contains(&at)
                    && let Some(similarity) = similarity(op, lines[at], effort)?
                {
                    let both = scores[row][column - 1] + weight(op) * similarity;
                    if both >= score {
                        (score, step) = (both, Step::Both);
                    }
                }
            }
            scores[row + 1][column] = score;
            steps[row + 1][column] = step;
        }
    }
    let last = &scores[old.len()];
    let end = (0..=width).max_by(|a, b| last[*a].total_cmp(&last[*b]).then(b.cmp(a)));
    let Some(end) = end.filter(|end| last[*end] > 0.0) else { return Ok(None) };
    let mut places = vec![None; old.len()];
    let (mut row, mut column) = (old.len(), end);
    while row > 0 {
        match steps[row][column] {
            Step::Both => {
                row -= 1;
                column -= 1;
                places[row] = Some(from + column);
            }
            Step::SkipOld => row -= 1,
            Step::SkipLine => column -= 1,
            Step::Start => break,
        }
    }
    Ok(Some(Alignment { score: last[end], places }))
}

/// The lines that make this place this one: those to remove or, where there are none, those around the new
/// lines.
fn decisive(old: &[&Op], hunk: &Hunk, found: &Alignment) -> BTreeSet<usize> {
    let cuts = old.iter().zip(&found.places).filter(|(op, _)| op.kind == Kind::Cut);
    let cut: BTreeSet<usize> = cuts.filter_map(|(_, place)| *place).collect();
    if !cut.is_empty() {
        return cut;
    }
    let mut near = BTreeSet::new();
    let mut index = 0;
    for op in &hunk.ops {
        if op.kind != Kind::Add {
            index += 1;
            continue;
        }
        let above = found.places[..index].iter().rev().flatten().next();
        let below = found.places[index..].iter().flatten().next();
        near.extend(above.into_iter().chain(below).copied());
    }
    near
}

/// Whether a line to remove is in the file as it was given, but not where the hunk would go.
fn stands_elsewhere(old: &[&Op], found: &Alignment, lines: &[&str]) -> bool {
    old.iter().zip(&found.places).any(|(op, place)| {
        let differs = place.is_some_and(|place| !equal(&op.text, lines[place]));
        op.kind == Kind::Cut && differs && lines.iter().any(|line| equal(&op.text, line))
    })
}

/// Whether a misremembered line to remove has no line beside it that is there letter by letter or nearly so.
fn is_out_of_place(old: &[&Op], found: &Alignment) -> bool {
    old.iter().enumerate().any(|(index, op)| {
        let Some(place) = found.places[index].filter(|_| op.kind == Kind::Cut) else {
            return op.kind == Kind::Cut;
        };
        let above = index.checked_sub(1).and_then(|above| found.places[above]);
        let below = found.places.get(index + 1).copied().flatten();
        above.is_none_or(|above| above + 1 != place) && below.is_none_or(|below| place + 1 != below)
    })
}

fn splices(hunk: &Hunk, old: &[&Op], found: &Alignment, lines: &[&str]) -> Option<Vec<Splice>> {
    let pairs: Vec<(&str, &str)> = old
        .iter()
        .zip(&found.places)
        .filter_map(|(op, place)| Some((op, lines[(*place)?])))
        // A misremembered line may be misremembered in its indentation too.
        .filter(|(op, line)| !op.text.trim().is_empty() && equal(&op.text, line))
        .map(|(op, line)| {
            let own = op.raw.as_deref().filter(|raw| indent::of(raw) == indent::of(line));
            (indent::of(own.unwrap_or(&op.text)), indent::of(line))
        })
        .collect();
    let shift = indent::shift(pairs.iter().copied())?;
    if changes::already_shifted(hunk, &shift) {
        return None;
    }
    let mut of_old = found.places.iter();
    let places: Vec<Option<usize>> = (hunk.ops.iter())
        .map(|op| if op.kind == Kind::Add { None } else { of_old.next().copied().flatten() })
        .collect();
    changes::splices(hunk, &places, lines, &shift)
}
