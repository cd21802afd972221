//! Where a hunk goes in a file. Never chooses between places that fit equally well.

use super::changes::{shift_of, splices};
use super::elide;
use super::file::{File, Splice};
use super::fuzzy;
use super::indent::Shift;
use super::intent::{Hunk, Kind, Op};
use super::scope;
use super::sparse::{around_gaps, inline};

/// How a hunk was placed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Match {
    Exact,
    Whitespace,
    Fuzzy(f64),
}

/// What becomes of a hunk.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Placed {
    /// The first line that it describes, from 0.
    pub(super) start: usize,
    pub(super) found: Match,
    pub(super) splices: Vec<Splice>,
    /// Whether its last old line is the file's last.
    pub(super) at_end: bool,
}

/// Why a hunk has no place. Lines count from 0.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Unplaced {
    NotFound,
    NoContext,
    Ambiguous(Vec<usize>),
    Contradicts(String, usize),
    Indentation(usize),
    Elided(String),
    TooMuch,
}

/// Comparisons that may still be made for the whole reply.
pub(super) struct Effort(pub(super) u64);

impl Effort {
    pub(super) fn spend(&mut self, comparisons: usize) -> Result<(), Unplaced> {
        self.0 = self.0.checked_sub(comparisons as u64).ok_or(Unplaced::TooMuch)?;
        Ok(())
    }
}

/// How much two lines may differ to be the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Level {
    Exact,
    TrailingSpace,
    Indentation,
}

/// Finds the place; `stated` is the line that the hunk gives, from 0, in the file as it is now.
pub(super) fn place(
    hunk: &Hunk,
    file: &File,
    stated: Option<usize>,
    effort: &mut Effort,
) -> Result<Placed, Unplaced> {
    let lines: Vec<&str> = file.lines.iter().map(|line| line.text.as_str()).collect();
    let old: Vec<&Op> = hunk.ops.iter().filter(|op| op.kind != Kind::Add).collect();
    let shows = old.iter().any(|op| !op.text.trim().is_empty());
    let is_line = |text: &str| {
        let trimmed = text.trim();
        lines.iter().any(|line| line.trim() == trimmed)
    };
    let added = hunk.ops.iter().filter(|op| op.kind != Kind::Cut).map(|op| op.text.as_str());
    let says = hunk.ops.iter().filter(|op| op.kind == Kind::Keep).map(|op| op.text.trim());
    let kept: Vec<&str> = says.collect();
    let known = |text: &str| kept.contains(&text.trim()) || is_line(text);
    if let Some(text) = elide::first(added, known) {
        return Err(Unplaced::Elided(text.trim().to_owned()));
    }
    if !shows {
        return without_context(hunk, &old, lines.len());
    }
    if let Some(placed) = literally(hunk, &lines, stated, effort)? {
        return Ok(placed);
    }
    if let Some(bare) = without_layout(hunk)
        && let Some(placed) = literally(&bare, &lines, stated, effort)?
        && (placed.at_end || bare.ops.last().is_some_and(|op| op.kind != Kind::Add))
    {
        return Ok(placed);
    }
    if let Some(placed) = inline(hunk, &old, &lines) {
        return placed;
    }
    if hunk.ops.iter().any(|op| op.kind == Kind::Keep && elide::is_elision(&op.text)) {
        return around_gaps(hunk, &lines, effort);
    }
    fuzzy::place(hunk, &lines, stated, effort)
}

/// The one place where all old lines are, if there is any.
fn literally(
    hunk: &Hunk,
    lines: &[&str],
    stated: Option<usize>,
    effort: &mut Effort,
) -> Result<Option<Placed>, Unplaced> {
    let old: Vec<&Op> = hunk.ops.iter().filter(|op| op.kind != Kind::Add).collect();
    for level in [Level::Exact, Level::TrailingSpace, Level::Indentation] {
        let found = candidates(&old, lines, level, effort)?;
        if !found.is_empty() {
            let start = choose(&found, hunk, lines, stated)?;
            return at(hunk, &old, lines, start, level).map(Some);
        }
    }
    Ok(None)
}

/// The hunk without the empty lines at its ends that may belong to the reply's layout. Those before it go
/// only where other lines of the file follow at once: they may be all that is shown above new lines.
fn without_layout(hunk: &Hunk) -> Option<Hunk> {
    let is_layout = |op: &&Op| op.kind == Kind::Keep && op.text.is_empty() && op.raw.is_none();
    let last = hunk.ops.len() - hunk.ops.iter().rev().take_while(is_layout).count();
    let leading = hunk.ops.iter().take_while(is_layout).count().min(last);
    let shown = hunk.ops.get(leading).is_some_and(|op| op.kind != Kind::Add);
    let first = if shown { leading } else { 0 };
    let bare = Hunk { ops: hunk.ops[first..last].to_vec(), ..hunk.clone() };
    let shows = bare.ops.iter().any(|op| op.kind != Kind::Add && !op.text.trim().is_empty());
    (shows && bare.ops.len() < hunk.ops.len()).then_some(bare)
}

/// Added lines alone have a place only where there is no choice.
fn without_context(hunk: &Hunk, old: &[&Op], length: usize) -> Result<Placed, Unplaced> {
    let cuts = old.iter().any(|op| op.kind == Kind::Cut);
    if cuts || !(length == 0 || hunk.at_end) {
        return Err(Unplaced::NoContext);
    }
    let add = hunk.ops.iter().filter(|op| op.kind == Kind::Add).map(|op| op.text.clone()).collect();
    let splices = vec![Splice { at: length, cut: 0, add }];
    Ok(Placed { start: length, found: Match::Exact, splices, at_end: true })
}

pub(super) fn candidates(
    old: &[&Op],
    lines: &[&str],
    level: Level,
    effort: &mut Effort,
) -> Result<Vec<usize>, Unplaced> {
    let mut found = Vec::new();
    let last = lines.len().checked_sub(old.len());
    for start in last.map_or(0..0, |last| 0..last + 1) {
        let window = &lines[start..start + old.len()];
        let equal = window.iter().zip(old).take_while(|(line, op)| same(line, op, level)).count();
        effort.spend(equal + 1)?;
        if equal == old.len() {
            found.push(start);
        }
    }
    Ok(found)
}

fn same(line: &str, op: &Op, level: Level) -> bool {
    let is = |text: &str| match level {
        Level::Exact => line == text,
        Level::TrailingSpace => line.trim_end() == text.trim_end(),
        Level::Indentation => line.trim() == text.trim(),
    };
    is(&op.text) || op.raw.as_deref().is_some_and(is)
}

/// One of the places at which all old lines are.
fn choose(
    found: &[usize],
    hunk: &Hunk,
    lines: &[&str],
    stated: Option<usize>,
) -> Result<usize, Unplaced> {
    /// A line number this close to one place, with all others this far away, is meant to be that place.
    const CLOSE: usize = 5;
    const FAR: usize = 20;
    const MANY: usize = 50;
    let old: Vec<&Op> = hunk.ops.iter().filter(|op| op.kind != Kind::Add).collect();
    let ends = |start: &usize| start + old.len() == lines.len();
    let mut open: Vec<usize> = found.to_vec();
    if hunk.at_end && open.iter().any(ends) {
        open.retain(ends);
    }
    if let [only] = open.as_slice() {
        return match scope::contradiction(hunk, lines, *only) {
            Some(heading) if stated != Some(*only) => Err(Unplaced::Contradicts(heading, *only)),
            _ => Ok(*only),
        };
    }
    if let Some(stated) = stated.filter(|stated| open.contains(stated)) {
        return Ok(stated);
    }
    if open.len() > MANY {
        return Err(Unplaced::Ambiguous(open));
    }
    let within: Vec<usize> =
        open.iter().copied().filter(|start| scope::encloses(hunk, lines, *start)).collect();
    if let [only] = within.as_slice() {
        return Ok(*only);
    }
    if !within.is_empty() {
        open = within;
    }
    if let Some(stated) = stated {
        let mut near: Vec<(usize, usize)> =
            open.iter().map(|start| (start.abs_diff(stated), *start)).collect();
        near.sort_unstable();
        if let [(first, start), (second, _), ..] = near.as_slice()
            && *first <= CLOSE
            && *second >= FAR
        {
            return Ok(*start);
        }
    }
    Err(Unplaced::Ambiguous(open))
}

/// The changes of a hunk whose old lines stand one after the other from `start`.
pub(super) fn at(
    hunk: &Hunk,
    old: &[&Op],
    lines: &[&str],
    start: usize,
    level: Level,
) -> Result<Placed, Unplaced> {
    let window = &lines[start..start + old.len()];
    let shift = match level {
        Level::Exact | Level::TrailingSpace => Shift::In(String::new()),
        Level::Indentation => shift_of(hunk, window.iter().copied(), start)?,
    };
    let mut next = start;
    let places: Vec<Option<usize>> = (hunk.ops.iter())
        .map(|op| {
            let place = (op.kind != Kind::Add).then_some(next);
            next += usize::from(place.is_some());
            place
        })
        .collect();
    let splices = splices(hunk, &places, lines, &shift).ok_or(Unplaced::Indentation(start))?;
    let found = if level == Level::Exact { Match::Exact } else { Match::Whitespace };
    Ok(Placed { start, found, splices, at_end: start + old.len() == lines.len() })
}
