//! The lines of one hunk: where they end, and which of them are layout or prose. Never reads headers of files.

use super::intent::{Hunk, Kind, Op};
use super::read::Reader;
use super::refused::Refused;
use super::search;

/// What a hunk's header states.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Stated {
    pub(super) old: Option<usize>,
    counts: Option<(usize, usize)>,
}

/// The numbers and the heading of a hunk's header, without its first `@@`.
pub(super) fn header(text: &str) -> (Stated, Option<String>) {
    let (inner, after) = text.split_once("@@").unwrap_or((text, ""));
    let mut words = inner.split_whitespace();
    let range = |word: Option<&str>, mark: char| -> Option<(usize, usize)> {
        let numbers = word?.strip_prefix(mark)?;
        let (start, count) = numbers.split_once(',').unwrap_or((numbers, "1"));
        // What no file is long enough for is no line number.
        let number = |text: &str| text.parse::<u32>().ok().map(|number| number as usize);
        Some((number(start)?, number(count)?))
    };
    let old = range(words.next(), '-');
    let new = range(words.next(), '+');
    let stated = Stated {
        // Line 0 stands for a file that is not there, and lines count from 1.
        old: old.map(|(start, _)| start).filter(|line| *line > 0),
        counts: old.zip(new).map(|((_, old), (_, new))| (old, new)),
    };
    let heading = if old.is_some() || !after.trim().is_empty() { after } else { inner };
    let heading = heading.trim();
    let says = heading.chars().any(char::is_alphanumeric);
    (stated, (says && heading != "@@").then(|| heading.to_owned()))
}

/// Reads the lines of one hunk.
pub(super) fn read(
    reader: &mut Reader<'_>,
    stated: Stated,
    heading: Option<String>,
) -> Result<Hunk, Refused> {
    let mut hunk = Hunk {
        at: reader.at + 1,
        stated: stated.old,
        headings: heading.into_iter().collect(),
        ..Hunk::default()
    };
    let (mut old, mut new) = (0, 0);
    while reader.at < reader.lines.len() && !ends(reader, stated, (old, new)) {
        let line = reader.line(reader.at);
        reader.at += 1;
        if line.starts_with('\\') {
            match hunk.ops.last().map(|op| op.kind) {
                Some(Kind::Keep) => (hunk.unended.old, hunk.unended.new) = (true, true),
                Some(Kind::Cut) => hunk.unended.old = true,
                Some(Kind::Add) => hunk.unended.new = true,
                None => {}
            }
            continue;
        }
        let op = op(line);
        old += usize::from(op.kind != Kind::Add);
        new += usize::from(op.kind != Kind::Cut);
        hunk.ops.push(op);
    }
    if reader.at == reader.lines.len() && was_cut_off(reader, stated, (old, new), &hunk) {
        return Err(Refused::Truncated { line: hunk.at });
    }
    if let Some(line) = interrupted(reader, stated, (old, new), hunk.changes()) {
        let why = "this line interrupts a hunk; put the diff in a code block".to_owned();
        return Err(Refused::Malformed { line, why });
    }
    // Empty lines behind what the header announces belong to the reply's layout.
    let announced = stated.counts.map_or(usize::MAX, |(old, _)| old);
    while old > announced && hunk.ops.last().is_some_and(is_layout) {
        hunk.ops.pop();
        old -= 1;
    }
    Ok(hunk)
}

/// The line of prose that follows a hunk at once though the hunk goes on behind it or is not complete: a line of
/// the file that is misremembered, and not prose.
fn interrupted(
    reader: &Reader<'_>,
    stated: Stated,
    read: (usize, usize),
    changes: bool,
) -> Option<usize> {
    const LOOKED_AT: usize = 12;
    let rest = &reader.lines[reader.at..];
    let line = rest.first().filter(|_| reader.block.is_none())?;
    let frames = ["@@", "diff ", "--- ", "*** ", "<<<<", "-- ", "--", "```", "~~~", "Index:"];
    let frame = |line: &&str| frames.iter().any(|frame| line.starts_with(frame));
    if frame(line) {
        return None;
    }
    let complete = stated.counts.is_some_and(|(old, new)| read.0 >= old && read.1 >= new);
    let below = rest.iter().take(LOOKED_AT).take_while(|line| !frame(line));
    let goes_on = !complete && below.into_iter().any(|line| is_marked_code(line));
    if line.trim().is_empty() {
        return goes_on.then_some(reader.at + 1);
    }
    let beside = rest.iter().take_while(|line| !line.trim().is_empty());
    let marked = beside.into_iter().any(|line| line.starts_with(['+', '-']));
    (!complete || !changes || marked).then_some(reader.at + 1)
}

/// Whether a line has a diff's marker and is no item of a list, in which one space follows.
fn is_marked_code(line: &str) -> bool {
    let code = line.strip_prefix(['+', '-']);
    code.is_some_and(|code| !code.starts_with(' ') || code.starts_with("  "))
}

/// At the end of a reply, missing lines were cut off rather than miscounted.
fn was_cut_off(reader: &Reader<'_>, stated: Stated, read: (usize, usize), hunk: &Hunk) -> bool {
    let Some((old, new)) = stated.counts else { return reader.block.is_some() };
    let ends_in_addition = hunk.ops.last().is_none_or(|op| op.kind == Kind::Add);
    read.1 < new && (read.0 < old || ends_in_addition)
}

/// Whether the hunk has ended before the line on which the reader stands.
fn ends(reader: &Reader<'_>, stated: Stated, read: (usize, usize)) -> bool {
    let line = reader.line(reader.at);
    if reader.closes(reader.lines[reader.at])
        || line.starts_with("@@")
        || line.starts_with("diff --git ")
        || header_pair(reader, reader.at)
        || search::starts(line)
        || line.starts_with("*** ")
        || is_signature(reader)
    {
        return true;
    }
    if line.starts_with('\\') {
        return false;
    }
    let complete = stated.counts.is_some_and(|(old, new)| read.0 >= old && read.1 >= new);
    if reader.block.is_some() {
        return complete
            && !line.is_empty()
            && !line.starts_with(['+', '-', ' ', '\t'])
            && !reader.code.contains(line.trim());
    }
    !continues(reader, complete)
}

/// The line with two hyphens under which a mail carries a version.
fn is_signature(reader: &Reader<'_>) -> bool {
    let next = reader.lines.get(reader.at + 1).map_or("", |line| line.trim());
    matches!(reader.lines[reader.at], "-- " | "--")
        && next.starts_with(|c: char| c.is_ascii_digit())
        && next.contains('.')
}

/// Whether prose has not begun again: a line of the code, or one that is added, is no prose.
fn continues(reader: &Reader<'_>, complete: bool) -> bool {
    let rest = &reader.lines[reader.at..];
    let blank = rest.iter().take_while(|line| line.is_empty()).take(20).count();
    let Some(line) = rest.get(blank) else { return false };
    if blank > 0 && complete {
        return false;
    }
    let known = |text: &str| reader.code.contains(text.trim());
    match line.chars().next() {
        Some('+') => !complete || is_marked_code(line),
        Some('-') => !complete || known(&line[1..]),
        Some(' ') => !complete || blank == 0 || known(line),
        Some('@' | '\\') => true,
        Some(_) => known(line),
        None => false,
    }
}

/// A line of a hunk by its first character; without a known one it is a line of the file.
pub(super) fn op(line: &str) -> Op {
    match line.chars().next() {
        Some('+') => Op::add(&line[1..]),
        Some('-') => Op::cut(&line[1..]),
        Some(' ') => Op { raw: Some(line.to_owned()), ..Op::keep(&line[1..]) },
        _ => Op::keep(line),
    }
}

/// An empty line of the file that lost its space, or one of the reply's layout.
pub(super) fn is_layout(op: &Op) -> bool {
    op.kind == Kind::Keep && op.text.is_empty() && op.raw.is_none()
}

/// Whether a `---` line is a header and not a removed line that starts with two hyphens.
pub(super) fn header_pair(reader: &Reader<'_>, at: usize) -> bool {
    let line = |at: usize| reader.lines.get(at).map_or("", |_| reader.line(at));
    line(at).starts_with("--- ") && (line(at + 1).starts_with("+++ ") || is_numbered(line(at + 1)))
}

pub(super) fn is_numbered(line: &str) -> bool {
    line.strip_prefix("@@ -").is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_that_is_no_line_of_a_file_is_not_stated() {
        let stated = |text| header(text).0.old;
        assert_eq!(stated(" -7,2 +7,3 @@"), Some(7));
        assert_eq!(stated(" -0,0 +1,2 @@"), None);
        assert_eq!(stated(" -9223372036854775808,1 +1 @@"), None);
    }
}
