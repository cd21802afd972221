//! Unified diffs as models write them: numbers, counts, headers and markers may be wrong or missing.
//! Never says where a hunk goes.

use super::intent::{Action, Hunk, Kind, Op};
use super::path::{self, Resolved};
use super::read::Reader;
use super::refused::Refused;
use super::search;

/// What the headers of one file say.
#[derive(Default)]
struct Section {
    at: usize,
    old: Option<String>,
    new: Option<String>,
    git: Option<(String, String)>,
    from: Option<String>,
    to: Option<String>,
    created: bool,
    deleted: bool,
    hunks: Vec<Hunk>,
}

/// What a hunk's header states.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Stated {
    pub(super) old: Option<usize>,
    counts: Option<(usize, usize)>,
}

/// Whether a diff starts where the reader stands.
pub(super) fn starts(reader: &Reader<'_>) -> bool {
    let line = reader.line(reader.at);
    let next = reader.lines.get(reader.at + 1).map_or("", |_| reader.line(reader.at + 1));
    if line.starts_with("diff --git ") || is_numbered(line) {
        return true;
    }
    if line.starts_with("--- ") && (next.starts_with("+++ ") || is_numbered(next)) {
        return true;
    }
    let Some(block) = &reader.block else { return false };
    let bare = block
        .body
        .iter()
        .all(|line| line.trim().is_empty() || path::in_comment(line, &reader.known).is_some());
    let is_diff = matches!(reader.info(), "diff" | "patch" | "udiff");
    let is_comment = path::in_comment(line, &reader.known).is_some();
    line.starts_with("+++ ") && next.starts_with("@@")
        || line.starts_with("@@") && bare
        || is_diff && bare && !line.trim().is_empty() && !is_comment
        || bare && is_marked(reader)
}

/// Whether all lines of the block have a diff's markers, though nothing says that it is one.
fn is_marked(reader: &Reader<'_>) -> bool {
    let lines = reader.lines[reader.at..].iter().take_while(|line| !reader.closes(line));
    let mut changes = false;
    for line in lines.filter(|line| !line.trim().is_empty()) {
        if !line.starts_with(['+', '-', ' ', '\\']) {
            return false;
        }
        changes |= line.starts_with(['+', '-']);
    }
    changes
}

fn is_numbered(line: &str) -> bool {
    line.strip_prefix("@@ -").is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
}

/// Reads the files of a diff up to the end of the block or, in prose, of the diff.
pub(super) fn read(reader: &mut Reader<'_>) -> Result<(), Refused> {
    let mut section = Section { at: reader.at + 1, ..Section::default() };
    while reader.at < reader.lines.len() && !reader.closes(reader.lines[reader.at]) {
        let line = reader.line(reader.at);
        let at = reader.at;
        if let Some(paths) = line.strip_prefix("diff --git ") {
            flush(reader, &mut section)?;
            section.git = git_paths(paths);
        } else if header_pair(reader, at) {
            if section.old.is_some() || !section.hunks.is_empty() {
                flush(reader, &mut section)?;
            }
            section.old = line.strip_prefix("--- ").map(path::header);
        } else if let Some(new) = line.strip_prefix("+++ ").filter(|_| section.hunks.is_empty()) {
            section.new = Some(path::header(new));
        } else if let Some(header) = line.strip_prefix("@@") {
            let (stated, heading) = hunk_header(header);
            reader.at += 1;
            hunk(reader, &mut section, stated, heading)?;
            continue;
        } else if extended(&mut section, line)? || line.trim().is_empty() {
            // Nothing else to take from it.
        } else if search::starts(line) {
            break;
        } else if named(&section, reader)
            && (line.starts_with(['+', '-', ' ', '\t']) || reader.code.contains(line.trim()))
        {
            hunk(reader, &mut section, Stated::default(), None)?;
            if reader.at == at && reader.block.is_none() {
                break;
            }
            reader.at += usize::from(reader.at == at);
            continue;
        } else if reader.block.is_none() {
            break;
        }
        reader.at += 1;
    }
    flush(reader, &mut section)
}

fn named(section: &Section, reader: &Reader<'_>) -> bool {
    section.old.is_some() || section.new.is_some() || reader.block.is_some()
}

/// Whether a `---` line is a header and not a removed line that starts with two hyphens.
fn header_pair(reader: &Reader<'_>, at: usize) -> bool {
    let line = |at: usize| reader.lines.get(at).map_or("", |_| reader.line(at));
    line(at).starts_with("--- ") && (line(at + 1).starts_with("+++ ") || is_numbered(line(at + 1)))
}

fn git_paths(text: &str) -> Option<(String, String)> {
    let middle = text.find(" b/").or_else(|| text.find(" \"b/")).or_else(|| text.find(' '))?;
    Some((path::header(&text[..middle]), path::header(&text[middle + 1..])))
}

/// Takes what git says between the name of a file and its hunks; refuses what is no change of text.
fn extended(section: &mut Section, line: &str) -> Result<bool, Refused> {
    let path = || section.name();
    let mode = |mode: &str| {
        let what = match mode {
            "100644" | "100664" | "" => return Ok(()),
            "120000" => "a symbolic link",
            "160000" => "a submodule",
            _ => "a file with other permissions",
        };
        Err(Refused::Mode { path: path(), what: what.to_owned() })
    };
    if line.starts_with("old mode ") || line.starts_with("new mode ") {
        return Err(Refused::Mode {
            path: path(),
            what: "a file with other permissions".to_owned(),
        });
    }
    if line.starts_with("GIT binary patch") || line.starts_with("Binary files ") {
        return Err(Refused::Binary { path: path() });
    }
    if let Some(found) = line.strip_prefix("new file mode ") {
        mode(found.trim())?;
        section.created = true;
    } else if let Some(found) = line.strip_prefix("deleted file mode ") {
        mode(found.trim())?;
        section.deleted = true;
    } else if let Some(rest) = line.strip_prefix("index ").filter(|rest| rest.contains("..")) {
        if let Some((_, found @ ("120000" | "160000"))) = rest.trim().split_once(' ') {
            mode(found)?;
        }
    } else if let Some(from) = line.strip_prefix("rename from ") {
        section.from = Some(path::header(from));
    } else if let Some(to) = line.strip_prefix("rename to ") {
        section.to = Some(path::header(to));
    } else {
        return Ok(
            line.starts_with("similarity index ") || line.starts_with("dissimilarity index ")
        );
    }
    Ok(true)
}

impl Section {
    fn name(&self) -> String {
        let git = self.git.as_ref().map(|(_, new)| new.clone());
        let path = git.or_else(|| self.new.clone()).or_else(|| self.old.clone());
        let path = path.unwrap_or_else(|| "a file".to_owned());
        path.strip_prefix("b/").map_or(path.clone(), str::to_owned)
    }

    fn is_empty(&self) -> bool {
        self.hunks.is_empty()
            && self.old.is_none()
            && self.new.is_none()
            && self.git.is_none()
            && self.from.is_none()
    }
}

/// Turns what was read of one file into an intent.
fn flush(reader: &mut Reader<'_>, section: &mut Section) -> Result<(), Refused> {
    let section = std::mem::replace(section, Section { at: reader.at + 1, ..Section::default() });
    if section.is_empty() {
        return Ok(());
    }
    let at = section.at;
    let strip = |raw: &str| {
        let known = |path: &str| path.parse().is_ok_and(|path| reader.known.contains(&path));
        let bare = ["a/", "b/"].iter().find_map(|prefix| raw.strip_prefix(prefix));
        bare.filter(|_| !known(raw)).unwrap_or(raw).to_owned()
    };
    let (git_old, git_new) = section.git.unzip();
    let old = section.old.or(git_old.filter(|_| section.new.is_none()));
    let new = section.new.or(git_new);
    let is_null = |path: &Option<String>| path.as_deref() == Some("/dev/null");
    if section.created || (is_null(&old) && !is_null(&new)) {
        let path = strip(&new.or(old).ok_or(Refused::NoPath { line: at })?);
        let action = created(&section.hunks)?;
        return reader.push(at, path, action);
    }
    if section.deleted || is_null(&new) {
        let path = old.filter(|path| path != "/dev/null").ok_or(Refused::NoPath { line: at })?;
        let path = strip(&path);
        return reader.push(at, path, Action::Delete);
    }
    if let (Some(from), Some(to)) = (&section.from, section.to) {
        let action = Action::Change { hunks: section.hunks, to: Some(strip(&to)) };
        let path = strip(from);
        return reader.push(at, path, action);
    }
    let path = match (old, new) {
        (Some(old), Some(new)) => one_of(&strip(&old), strip(&new), reader)?,
        (Some(path), None) | (None, Some(path)) => strip(&path),
        (None, None) => reader.label_of_diff().ok_or(Refused::NoPath { line: at })?,
    };
    if section.hunks.is_empty() {
        let why = "its headers are followed by no changed lines".to_owned();
        return Err(if reader.at == reader.lines.len() {
            Refused::Truncated { line: at }
        } else {
            Refused::Malformed { line: at, why }
        });
    }
    reader.push(at, path, Action::Change { hunks: section.hunks, to: None })
}

/// Two names without a rename mean one file when only one of them can.
fn one_of(old: &str, new: String, reader: &Reader<'_>) -> Result<String, Refused> {
    if old == new {
        return Ok(new);
    }
    match (path::resolve(old, &reader.known), path::resolve(&new, &reader.known)) {
        (Ok(Resolved::Known(a)), Ok(Resolved::Known(b))) if a == b => Ok(new),
        (Ok(Resolved::New(_)), Ok(Resolved::Known(_))) => Ok(new),
        (_, Err(refused)) | (Err(refused), _) => Err(refused),
        _ => Err(Refused::UnclearPath {
            path: path::shortened(&format!("{old} -> {new}")),
            candidates: vec![path::shortened(old), path::shortened(&new)],
        }),
    }
}

fn ends_in_layout(hunks: &[Hunk]) -> bool {
    hunks.last().and_then(|hunk| hunk.ops.last()).is_some_and(is_layout)
}

/// A new file consists of added lines; blank ones may have lost their plus.
fn created(hunks: &[Hunk]) -> Result<Action, Refused> {
    let mut lines = Vec::new();
    for hunk in hunks {
        for op in &hunk.ops {
            if op.kind == Kind::Cut || (op.kind == Kind::Keep && !op.text.trim().is_empty()) {
                let why = "a new file has lines that are not added".to_owned();
                return Err(Refused::Malformed { line: hunk.at, why });
            }
            lines.push(op.text.clone());
        }
    }
    while lines.last().is_some_and(|line: &String| line.is_empty()) && ends_in_layout(hunks) {
        lines.pop();
    }
    let unended = hunks.last().is_some_and(|hunk| hunk.unended.new);
    Ok(Action::Create { lines, newline: !unended })
}

/// The numbers and the heading of a hunk's header, without its first `@@`.
pub(super) fn hunk_header(text: &str) -> (Stated, Option<String>) {
    let (inner, after) = text.split_once("@@").unwrap_or((text, ""));
    let mut words = inner.split_whitespace();
    let range = |word: Option<&str>, mark: char| -> Option<(usize, usize)> {
        let numbers = word?.strip_prefix(mark)?;
        let (start, count) = numbers.split_once(',').unwrap_or((numbers, "1"));
        Some((start.parse().ok()?, count.parse().ok()?))
    };
    let old = range(words.next(), '-');
    let new = range(words.next(), '+');
    let stated = Stated {
        old: old.map(|(start, _)| start),
        counts: old.zip(new).map(|((_, old), (_, new))| (old, new)),
    };
    let heading = if old.is_some() || !after.trim().is_empty() { after } else { inner };
    let heading = heading.trim();
    let says = heading.chars().any(char::is_alphanumeric);
    (stated, (says && heading != "@@").then(|| heading.to_owned()))
}

/// Reads the lines of one hunk.
fn hunk(
    reader: &mut Reader<'_>,
    section: &mut Section,
    stated: Stated,
    heading: Option<String>,
) -> Result<(), Refused> {
    const MAX_HUNKS: usize = 1_000;
    if section.hunks.len() == MAX_HUNKS {
        return Err(Refused::TooMuch { what: "hunks for one file".to_owned(), limit: MAX_HUNKS });
    }
    let mut hunk = Hunk {
        at: reader.at + 1,
        stated: stated.old.filter(|line| *line > 0),
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
    section.hunks.push(hunk);
    Ok(())
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
    let line = rest.first().filter(|line| reader.block.is_none() && !line.trim().is_empty())?;
    let frames = ["@@", "diff ", "--- ", "*** ", "<<<<", "-- ", "--", "```", "~~~", "Index:"];
    let frame = |line: &&str| frames.iter().any(|frame| line.starts_with(frame));
    if frame(line) {
        return None;
    }
    let short = stated.counts.is_some_and(|(old, new)| read.0 < old && read.1 < new);
    let beside = rest.iter().take_while(|line| !line.trim().is_empty());
    let below = rest.iter().take(LOOKED_AT).take_while(|line| !frame(line));
    let goes_on = beside.into_iter().any(|line| line.starts_with(['+', '-']))
        || below.into_iter().any(|line| is_marked_code(line));
    (short || !changes || goes_on).then_some(reader.at + 1)
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
        Some('+') => !(complete && line.starts_with("+ ")),
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
fn is_layout(op: &Op) -> bool {
    op.kind == Kind::Keep && op.text.is_empty() && op.raw.is_none()
}
