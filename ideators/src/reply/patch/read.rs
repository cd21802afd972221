//! Walks over a reply once and collects what it asks for. Never looks at the code beyond the names of
//! its files and which lines occur in it.

use std::collections::{BTreeSet, HashSet};

use autores_domain::{CodePath, Codebase};

use super::intent::{Action, Intent, Source, Turn};
use super::refused::Refused;
use super::{begin, path, search, unified};
use crate::reply::text::{self, Fence};

const MAX_INTENTS: usize = 1_000;

/// Words by which a writer goes back to what stands above.
const RETURNS: [&str; 8] =
    ["wait,", "wait.", "wait -", "wait —", "correction", "corrected", "a mistake", "revised"];

/// Words by which a writer takes back what stands above, or offers a choice.
const CHOICES: [&str; 10] = [
    "scratch that",
    "ignore the above",
    "ignore the previous",
    "disregard",
    "on second thought",
    "alternatively",
    "alternative:",
    "option b",
    "option 2",
    "instead of the above",
];

/// A block of code that is open.
pub(super) struct Block<'a> {
    fence: Fence<'a>,
    at: usize,
    pub(super) label: Option<(String, Source)>,
    pub(super) body: Vec<&'a str>,
    /// Whether edits were read from it, so that its text is no file.
    used: bool,
}

pub(super) struct Reader<'a> {
    pub(super) lines: Vec<&'a str>,
    pub(super) at: usize,
    pub(super) known: BTreeSet<CodePath>,
    /// Every line of the code, trimmed.
    pub(super) code: HashSet<&'a str>,
    pub(super) block: Option<Block<'a>>,
    /// The last lines of prose, none of them blank, since the last block.
    prose: Vec<&'a str>,
    section: Option<String>,
    pub(super) last_path: Option<String>,
    turn: Turn,
    intents: Vec<Intent>,
    /// Whether a block was ended by the start of another one.
    unpaired: bool,
}

/// What the reply asks for, in its order.
pub(super) fn intents<'a>(text: &'a str, base: &'a Codebase) -> Result<Vec<Intent>, Refused> {
    let mut reader = Reader {
        lines: text.split('\n').collect(),
        at: 0,
        known: base.keys().cloned().collect(),
        code: base.values().flat_map(|text| text.lines()).map(str::trim).collect(),
        block: None,
        prose: Vec::new(),
        section: None,
        last_path: None,
        turn: Turn::On,
        intents: Vec::new(),
        unpaired: false,
    };
    // What follows the last line end is no line.
    if reader.lines.last() == Some(&"") {
        reader.lines.pop();
    }
    while reader.at < reader.lines.len() {
        reader.step()?;
    }
    reader.refuse_stray_fence()?;
    reader.finish_block(false)?;
    Ok(reader.intents)
}

impl<'a> Reader<'a> {
    fn step(&mut self) -> Result<(), Refused> {
        let line = self.lines[self.at];
        if line.is_empty() && self.block.is_none() {
            self.at += 1;
            return Ok(());
        }
        if self.closes(line) {
            self.at += 1;
            return self.finish_block(true);
        }
        if let Some(found) = text::fence(line).filter(|found| self.opens(found)) {
            self.unpaired |= self.block.is_some();
            self.finish_block(false)?;
            self.open(found);
            self.at += 1;
            return Ok(());
        }
        if !self.is_literal() {
            let before = self.at;
            if search::starts(line) {
                search::read(self)?;
            } else if begin::starts(line) {
                begin::read(self)?;
            } else if unified::starts(self) {
                unified::read(self)?;
            }
            if self.at > before {
                return Ok(());
            }
        }
        match &mut self.block {
            Some(block) => block.body.push(line),
            None => self.read_prose(line),
        }
        self.at += 1;
        Ok(())
    }

    /// Whether a line ends the open block.
    pub(super) fn closes(&self, line: &str) -> bool {
        let Some(block) = &self.block else { return false };
        text::fence(line)
            .is_some_and(|found| found.closes(&block.fence) && found.indent <= block.fence.indent)
    }

    /// Within a block only a fence with a language opens another one: the end of the first was forgotten.
    fn opens(&self, found: &Fence<'_>) -> bool {
        let Some(block) = &self.block else { return true };
        !found.info.is_empty()
            && found.mark == block.fence.mark
            && found.length >= block.fence.length
            && found.indent <= block.fence.indent
            && !self.is_literal()
    }

    /// Whether the open block is a document, in which blocks and diffs are text.
    fn is_literal(&self) -> bool {
        self.block.as_ref().is_some_and(|block| {
            let path = block.label.as_ref().map(|(path, _)| path.as_str());
            path.is_some_and(|path| path.ends_with(".md") || path.ends_with(".rst"))
                && !matches!(self.info(), "diff" | "patch" | "udiff")
        })
    }

    fn open(&mut self, fence: Fence<'a>) {
        let label = path::in_info(fence.info, &self.known)
            .map(|path| (path, Source::Label))
            .or_else(|| self.label_above());
        self.block = Some(Block { fence, at: self.at + 1, label, body: Vec::new(), used: false });
        self.prose.clear();
    }

    /// The path named nearest above: on the line before, on a line of its own a bit further up, or in the
    /// heading of the section.
    pub(super) fn label_above(&self) -> Option<(String, Source)> {
        let mut above = self.prose.iter().rev().map(|line| path::in_prose(line, &self.known));
        if let Some(Some(found)) = above.next() {
            return Some(found);
        }
        let label = above.flatten().find(|(_, source)| *source == Source::Label);
        let section = || self.section.clone();
        label.map(|(path, _)| path).or_else(section).map(|path| (path, Source::Section))
    }

    /// The path of a diff without headers: what stands on it, in it or above it.
    pub(super) fn label_of_diff(&self) -> Option<String> {
        let Some(block) = &self.block else { return self.label_above().map(|(path, _)| path) };
        let comment = block.body.iter().find_map(|line| path::in_comment(line, &self.known));
        comment.or_else(|| block.label.as_ref().map(|(path, _)| path.clone()))
    }

    fn read_prose(&mut self, line: &'a str) {
        const REMEMBERED: usize = 4;
        if line.trim().is_empty() {
            return;
        }
        if line.starts_with('#') || line.starts_with("**") {
            self.section = path::in_prose(line, &self.known).map(|(path, _)| path);
        }
        let lower = line.to_lowercase();
        let says = |words: &[&str]| words.iter().any(|words| lower.contains(words));
        let turn = if says(&CHOICES) {
            Turn::Choice
        } else if says(&RETURNS) {
            Turn::Back
        } else {
            Turn::On
        };
        self.turn = self.turn.max(turn);
        if self.prose.len() == REMEMBERED {
            self.prose.remove(0);
        }
        self.prose.push(line);
    }

    /// The language of the open block.
    pub(super) fn info(&self) -> &'a str {
        let info = self.block.as_ref().map_or("", |block| block.fence.info);
        info.split(|c: char| c.is_whitespace() || c == ':').next().unwrap_or_default()
    }

    pub(super) fn push(&mut self, at: usize, path: String, action: Action) -> Result<(), Refused> {
        if let Some(block) = &mut self.block {
            block.used = true;
            block.body.clear();
        }
        if self.intents.len() == MAX_INTENTS {
            return Err(Refused::TooMuch { what: "edits".to_owned(), limit: MAX_INTENTS });
        }
        if path.contains('\0') {
            return Err(Refused::UnsafePath { path: path::shortened(&path) });
        }
        self.last_path = Some(path.clone());
        let turn = std::mem::take(&mut self.turn);
        self.intents.push(Intent { at, path, action, turn });
        self.prose.clear();
        Ok(())
    }

    /// A last fence that opens nothing was meant to close a block: one that ended too early, at a fence in its
    /// own text.
    fn refuse_stray_fence(&self) -> Result<(), Refused> {
        let Some(block) = &self.block else { return Ok(()) };
        if self.intents.is_empty() || self.unpaired || block.used || !block.fence.info.is_empty() {
            return Ok(());
        }
        let why = "the code blocks do not pair up; use a longer fence around text that has one"
            .to_owned();
        Err(Refused::Malformed { line: block.at, why })
    }

    /// The open block, if edits were not read from it, is a file when a path says so.
    fn finish_block(&mut self, closed: bool) -> Result<(), Refused> {
        let Some(block) = self.block.take() else { return Ok(()) };
        self.prose.clear();
        let blank = block.body.iter().all(|line| line.trim().is_empty());
        if block.used || (blank && !closed) {
            return Ok(());
        }
        let language = block.fence.info.split_whitespace().next().unwrap_or_default();
        if matches!(language, "diff" | "patch" | "udiff") {
            let why = "the diff has no changed lines".to_owned();
            return Err(Refused::Malformed { line: block.at, why });
        }
        let indent = block.fence.indent;
        let mut lines: Vec<String> =
            block.body.iter().map(|line| outdented(line, indent).to_owned()).collect();
        let first = lines.iter().position(|line| !line.trim().is_empty());
        let comment = first.and_then(|first| path::in_comment(&lines[first], &self.known));
        let is_command = matches!(
            language,
            "bash"
                | "sh"
                | "shell"
                | "console"
                | "zsh"
                | "text"
                | "txt"
                | "log"
                | "output"
                | "plaintext"
                | "traceback"
        );
        let (path, source) = match (block.label, comment) {
            (Some((path, Source::Label)), Some(other)) if path != other => {
                return Err(Refused::UnclearPath {
                    path: path::shortened(&path),
                    candidates: vec![path, other],
                });
            }
            (Some((path, Source::Label)), _) => (path, Source::Label),
            (_, Some(comment)) => (comment, Source::Label),
            (Some((path, source)), None) if !is_command => (path, source),
            (Some(_) | None, None) => return Ok(()),
        };
        if !closed {
            return Err(Refused::Truncated { line: block.at });
        }
        // The comment is the block's label, unless the file has the line itself.
        if let Some(first) = first
            && path::in_comment(&lines[first], &self.known).as_deref() == Some(path.as_str())
            && !self.code.contains(lines[first].trim())
        {
            lines.drain(..=first);
        }
        self.push(block.at, path, Action::Whole { lines, source })
    }

    /// A line of the open block without the block's own indentation.
    pub(super) fn line(&self, at: usize) -> &'a str {
        let indent = self.block.as_ref().map_or(0, |block| block.fence.indent);
        outdented(self.lines[at], indent)
    }
}

fn outdented(line: &str, indent: usize) -> &str {
    let spaces = line.bytes().take(indent).take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    &line[spaces..]
}
