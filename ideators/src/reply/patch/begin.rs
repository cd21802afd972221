//! The `*** Begin Patch` format: files by name, changes by their surrounding lines. Never says where they go.

use super::intent::{Action, Hunk, Kind};
use super::read::Reader;
use super::refused::Refused;

const UPDATE: &str = "*** Update File:";
const ADD: &str = "*** Add File:";
const DELETE: &str = "*** Delete File:";
const MOVE: &str = "*** Move to:";
const END: &str = "*** End Patch";
const END_OF_FILE: &str = "*** End of File";

/// Whether a line belongs to this format's frame.
pub(super) fn starts(line: &str) -> bool {
    let bare = line.trim();
    bare == "*** Begin Patch" || [UPDATE, ADD, DELETE].iter().any(|word| bare.starts_with(word))
}

/// Reads up to the end of the patch or of the block around it.
pub(super) fn read(reader: &mut Reader<'_>) -> Result<(), Refused> {
    let start = reader.at + 1;
    let announced = reader.line(reader.at).trim() == "*** Begin Patch";
    loop {
        let Some(line) = reader.lines.get(reader.at).copied() else {
            // The frame ends with its last line or, where that is forgotten, with the block.
            return Err(Refused::Truncated { line: start });
        };
        let bare = line.trim();
        let at = reader.at + 1;
        if bare == END {
            reader.at += 1;
            return Ok(());
        }
        if reader.closes(line) {
            return Ok(());
        }
        if let Some(path) = bare.strip_prefix(DELETE) {
            reader.at += 1;
            reader.push(at, path.trim().to_owned(), Action::Delete)?;
        } else if let Some(path) = bare.strip_prefix(ADD) {
            reader.at += 1;
            let action = added(reader);
            reader.push(at, path.trim().to_owned(), action)?;
        } else if let Some(path) = bare.strip_prefix(UPDATE) {
            reader.at += 1;
            let to = moved(reader);
            let hunks = hunks(reader);
            reader.push(at, path.trim().to_owned(), Action::Change { hunks, to })?;
        } else if bare.is_empty() || bare == "*** Begin Patch" || bare == END_OF_FILE {
            reader.at += 1;
        } else if announced {
            let why = format!("{:?} is no part of a *** Begin Patch", super::path::shortened(bare));
            return Err(Refused::Malformed { line: at, why });
        } else {
            return Ok(());
        }
    }
}

fn ends(reader: &Reader<'_>, line: &str) -> bool {
    let bare = line.trim_end();
    bare.starts_with("*** ") && bare != END_OF_FILE && !bare.starts_with(MOVE)
        || reader.closes(line)
}

fn moved(reader: &mut Reader<'_>) -> Option<String> {
    let line = reader.lines.get(reader.at)?;
    let to = line.trim().strip_prefix(MOVE)?.trim().to_owned();
    reader.at += 1;
    Some(to)
}

/// A new file; its lines start with a plus, unless the writer left all of them out.
fn added(reader: &mut Reader<'_>) -> Action {
    let mut lines: Vec<&str> = Vec::new();
    while reader.at < reader.lines.len() && !ends(reader, reader.lines[reader.at]) {
        lines.push(reader.line(reader.at));
        reader.at += 1;
    }
    let marked = lines.iter().all(|line| line.starts_with('+') || line.trim().is_empty());
    if marked || lines.iter().all(|line| !line.starts_with('+')) {
        while lines.last().is_some_and(|line| line.is_empty()) {
            lines.pop();
        }
    }
    let text =
        |line: &&str| (*line).strip_prefix('+').filter(|_| marked).unwrap_or(line).to_owned();
    Action::Create { lines: lines.iter().map(text).collect(), newline: true }
}

fn hunks(reader: &mut Reader<'_>) -> Vec<Hunk> {
    let mut hunks: Vec<Hunk> = Vec::new();
    let mut hunk = Hunk { at: reader.at + 1, strict: true, ..Hunk::default() };
    while reader.at < reader.lines.len() && !ends(reader, reader.lines[reader.at]) {
        let line = reader.line(reader.at);
        reader.at += 1;
        if let Some(heading) = line.strip_prefix("@@") {
            if !hunk.ops.is_empty() {
                let next = Hunk { at: reader.at, strict: true, ..Hunk::default() };
                hunks.push(std::mem::replace(&mut hunk, next));
            }
            let (stated, heading) = super::hunk::header(heading);
            hunk.stated = hunk.stated.or(stated.old);
            hunk.headings.extend(heading);
        } else if line.trim_end() == END_OF_FILE {
            hunk.at_end = true;
        } else {
            hunk.ops.push(super::hunk::op(line));
        }
    }
    hunks.push(hunk);
    hunks.retain(|hunk| hunk.ops.iter().any(|op| op.kind != Kind::Keep));
    hunks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_frame_is_known_by_its_first_line() {
        assert!(starts("*** Begin Patch"));
        assert!(starts("*** Update File: train.py"));
        assert!(!starts("*** train.py"));
    }
}
