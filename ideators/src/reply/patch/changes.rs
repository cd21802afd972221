//! From the places of a hunk's old lines to what to put where. Never puts a new line where its place is open.

use super::file::Splice;
use super::indent::{self, Shift};
use super::intent::{Hunk, Kind, Op};
use super::place::Unplaced;

/// How new lines are to be indented, from old lines that differ from the file's in their indentation.
pub(super) fn shift_of<'a>(
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
