//! Unified diffs as models write them: numbers, counts, headers and markers may be wrong or missing.
//! Never says where a hunk goes.

use super::hunk::{self, Stated, header_pair, is_layout, is_numbered};
use super::intent::{Action, Hunk, Kind};
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
    let Some(block) = &reader.block else {
        return line.starts_with("@@ ") && line[3..].contains("@@");
    };
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
            let (stated, heading) = hunk::header(header);
            reader.at += 1;
            section.add(hunk::read(reader, stated, heading)?)?;
            continue;
        } else if extended(&mut section, line)? || line.trim().is_empty() {
            // Nothing else to take from it.
        } else if search::starts(line) {
            break;
        } else if named(&section, reader)
            && (line.starts_with(['+', '-', ' ', '\t']) || reader.code.contains(line.trim()))
        {
            section.add(hunk::read(reader, Stated::default(), None)?)?;
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
    fn add(&mut self, hunk: Hunk) -> Result<(), Refused> {
        const MOST: usize = 1_000;
        if self.hunks.len() == MOST {
            return Err(Refused::TooMuch { what: "hunks for one file".to_owned(), limit: MOST });
        }
        self.hunks.push(hunk);
        Ok(())
    }

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
