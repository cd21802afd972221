//! Where a hunk goes in a file. Never chooses between places that fit equally well.

use super::elide;
use super::file::{File, Splice};
use super::fuzzy;
use super::indent::{self, Shift};
use super::intent::{Hunk, Kind, Op};
use super::scope;

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
enum Level {
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

fn candidates(
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
fn at(
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

/// How new lines are to be indented, from old lines that differ from the file's in their indentation.
fn shift_of<'a>(
    hunk: &'a Hunk,
    window: impl Iterator<Item = &'a str> + Clone,
    start: usize,
) -> Result<Shift, Unplaced> {
    let unclear = Unplaced::Indentation(start);
    let old = hunk.ops.iter().filter(|op| op.kind != Kind::Add);
    let pairs = old
        .zip(window)
        .filter(|(op, _)| !op.text.trim().is_empty())
        .map(|(op, line)| (indent::of(&op.text), indent::of(line)));
    let shift = indent::shift(pairs).ok_or(unclear.clone())?;
    if already_shifted(hunk, &shift) { Err(unclear) } else { Ok(shift) }
}

/// Whether the new lines look as if they stood where they belong, unlike the old ones.
pub(super) fn already_shifted(hunk: &Hunk, shift: &Shift) -> bool {
    let Shift::In(before) = shift else { return false };
    let text = |op: &&Op| !op.text.trim().is_empty();
    let starts = |op: &Op| op.text.starts_with(before.as_str());
    let mut new = hunk.ops.iter().filter(|op| op.kind == Kind::Add).filter(text).peekable();
    let mut old = hunk.ops.iter().filter(|op| op.kind != Kind::Add).filter(text);
    let opens = hunk.ops.windows(2).any(|two| {
        two[1].kind == Kind::Add && two[0].text.trim_end().ends_with([':', '(', '[', '{', ','])
    });
    !before.is_empty() && new.peek().is_some() && !opens && new.all(starts) && !old.any(starts)
}

/// The changes of a hunk whose old lines stand at `places`; nothing where the place of a new line is open.
pub(super) fn splices(
    hunk: &Hunk,
    places: &[Option<usize>],
    lines: &[&str],
    shift: &Shift,
) -> Option<Vec<Splice>> {
    let mut splices: Vec<Splice> = Vec::new();
    let old: Vec<Option<usize>> = hunk
        .ops
        .iter()
        .zip(places)
        .filter_map(|(op, place)| (op.kind != Kind::Add).then_some(*place))
        .collect();
    let (mut index, mut shown) = (0, 0);
    while index < hunk.ops.len() {
        if hunk.ops[index].kind == Kind::Keep {
            index += 1;
            shown += 1;
            continue;
        }
        let run = hunk.ops[index..].iter().take_while(|op| op.kind != Kind::Keep).count();
        let (from, to) = (index, index + run);
        index = to;
        let removed = hunk.ops[from..to].iter().filter(|op| op.kind == Kind::Cut).count();
        let (above, below) = (&old[..shown], &old[shown + removed..]);
        let cuts: Vec<usize> =
            old[shown..shown + removed].iter().copied().collect::<Option<Vec<usize>>>()?;
        if cuts.windows(2).any(|two| two[0] + 1 != two[1]) {
            return None;
        }
        let at = match (cuts.first(), cuts.last()) {
            (Some(first), Some(last)) => {
                // New lines beside removed ones stay there only where nothing else stands between.
                let leads = hunk.ops[from].kind == Kind::Add;
                let trails = hunk.ops[to - 1].kind == Kind::Add;
                if leads && insertion(above, &old[shown..], lines) != Some(*first)
                    || trails && !follows(*last, below, lines)
                {
                    return None;
                }
                *first
            }
            _ => insertion(above, below, lines)?,
        };
        shown += removed;
        let new = hunk.ops[from..to].iter().filter(|op| op.kind == Kind::Add);
        let add = new.map(|op| shifted(&op.text, shift)).collect::<Option<Vec<String>>>()?;
        splices.push(Splice { at, cut: cuts.len(), add });
    }
    Some(splices)
}

fn shifted(line: &str, shift: &Shift) -> Option<String> {
    match shift {
        Shift::In(before) if before.is_empty() => Some(line.to_owned()),
        _ => indent::apply(line, shift),
    }
}

/// Between two old lines there is one place for new ones, if what else stands between them is as many lines
/// as the hunk shows there and could not be found.
fn insertion(above: &[Option<usize>], below: &[Option<usize>], lines: &[&str]) -> Option<usize> {
    let unfound = |place: &&Option<usize>| place.is_none();
    let before = above.iter().rev().take_while(unfound).count();
    let after = below.iter().take_while(unfound).count();
    let last = above.iter().rev().flatten().next().map(|last| last + 1);
    match (last, below.iter().flatten().next()) {
        (Some(last), Some(next)) => (last + before + after == *next).then_some(last + before),
        (Some(last), None) => {
            (before == 0 && (below.is_empty() || last == lines.len())).then_some(last)
        }
        (None, Some(next)) => (after == 0 && (above.is_empty() || *next == 0)).then_some(*next),
        (None, None) => None,
    }
}

/// Whether the old lines go on behind the last removed one, but for blank lines.
fn follows(last: usize, below: &[Option<usize>], lines: &[&str]) -> bool {
    let unfound = below.iter().take_while(|place| place.is_none()).count();
    let Some(next) = below.get(unfound).copied().flatten() else {
        return below.is_empty() || last + 1 + unfound >= lines.len();
    };
    let mut between = lines[last + 1..next].iter();
    between.all(|line| line.trim().is_empty()) || last + 1 + unfound == next
}

/// A part of one line, where a block gives just that and no line consists of it.
fn inline(hunk: &Hunk, old: &[&Op], lines: &[&str]) -> Option<Result<Placed, Unplaced>> {
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
fn around_gaps(hunk: &Hunk, lines: &[&str], effort: &mut Effort) -> Result<Placed, Unplaced> {
    let is_gap = |op: &Op| op.kind == Kind::Keep && elide::is_elision(&op.text);
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
