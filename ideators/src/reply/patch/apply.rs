//! Carries out what a reply asks for, one after the other, on a copy of the code. Never writes a file.

use std::collections::{BTreeMap, BTreeSet};

use autores_domain::{CodePath, Codebase};

use super::file::File;
use super::intent::{Action, Hunk, Intent, Kind, Source, Turn};
use super::path::{self, Resolved};
use super::place::{self, Effort, Match, Placed, Unplaced};
use super::refused::Refused;
use super::{How, Placement, nearest, whole};

/// Comparisons of lines for one reply: a fraction of a second.
const EFFORT: u64 = 60_000_000;

/// The files as they stand, `None` where one was removed, and how the hunks were placed.
pub(super) struct Outcome {
    pub(super) files: BTreeMap<CodePath, Option<String>>,
    pub(super) placements: Vec<Placement>,
}

struct Work<'a> {
    base: &'a Codebase,
    files: BTreeMap<CodePath, Option<File>>,
    /// The files there are now.
    known: BTreeSet<CodePath>,
    /// How many hunks each file has had.
    hunks: BTreeMap<CodePath, usize>,
    placements: Vec<Placement>,
    effort: Effort,
}

pub(super) fn apply(intents: &[Intent], base: &Codebase) -> Result<Outcome, Refused> {
    let mut work = Work {
        base,
        files: BTreeMap::new(),
        known: base.keys().cloned().collect(),
        hunks: BTreeMap::new(),
        placements: Vec::new(),
        effort: Effort(EFFORT),
    };
    let mut done: Vec<&Intent> = Vec::new();
    for intent in intents {
        let seen = done.iter().any(|other| repeats(intent, other));
        if !seen {
            work.intent(intent, &done, intents)?;
            done.push(intent);
        }
    }
    let files =
        work.files.into_iter().map(|(path, file)| (path, file.map(|file| file.text()))).collect();
    Ok(Outcome { files, placements: work.placements })
}

/// Whether a model gives the same edit twice, as many do at the end of a reply.
fn repeats(intent: &Intent, other: &Intent) -> bool {
    let same =
        |a: &Hunk, b: &Hunk| a.ops == b.ops && a.stated == b.stated && a.headings == b.headings;
    intent.path == other.path
        && match (&intent.action, &other.action) {
            (Action::Change { hunks: a, to: c }, Action::Change { hunks: b, to: d }) => {
                c == d && a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
            }
            (a, b) => a == b,
        }
}

impl Work<'_> {
    fn intent(&mut self, intent: &Intent, done: &[&Intent], all: &[Intent]) -> Result<(), Refused> {
        let resolved = path::resolve(&intent.path, &self.known)?;
        let (Resolved::Known(path) | Resolved::New(path)) = &resolved;
        let meant = |other: &&Intent| {
            matches!(path::resolve(&other.path, &self.known),
                Ok(Resolved::Known(found) | Resolved::New(found)) if found == *path)
        };
        let replaces = matches!(intent.action, Action::Whole { .. });
        let conflicts = match intent.turn {
            Turn::On => false,
            Turn::Back => !replaces && done.iter().copied().any(|other| meant(&other)),
            Turn::Choice => !done.is_empty(),
        };
        if conflicts {
            return Err(Refused::Conflicting { path: path.clone() });
        }
        match &intent.action {
            Action::Change { hunks, to } => self.change(&resolved, intent, hunks, to.as_deref()),
            Action::Create { lines, newline } => match resolved {
                Resolved::Known(path) if self.known.contains(&path) => {
                    // A name with folders of its own may only look like a known one.
                    let own = intent.path.parse().ok().filter(|own| *own != path);
                    match own {
                        Some(own) => self.create(own, lines, *newline),
                        None => Err(Refused::Exists { path }),
                    }
                }
                Resolved::Known(path) | Resolved::New(path) => self.create(path, lines, *newline),
            },
            Action::Delete => match resolved {
                Resolved::Known(path) => {
                    self.known.remove(&path);
                    self.files.insert(path, None);
                    Ok(())
                }
                Resolved::New(_) => Err(self.no_file(&intent.path)),
            },
            Action::Whole { lines, source } => {
                let changed_too = all
                    .iter()
                    .any(|other| matches!(other.action, Action::Change { .. }) && meant(&other));
                self.whole(&resolved, intent, lines, *source, changed_too)
            }
        }
    }

    fn no_file(&self, raw: &str) -> Refused {
        let nearest = path::nearest(raw, &self.known);
        Refused::NoFile { path: path::shortened(raw), nearest }
    }

    /// The file as it stands.
    fn current(&self, path: &CodePath) -> Option<File> {
        match self.files.get(path) {
            Some(file) => file.clone(),
            None => self.base.get(path).map(|text| File::new(text)),
        }
    }

    fn create(&mut self, path: CodePath, lines: &[String], newline: bool) -> Result<(), Refused> {
        whole::check(&path, lines, None, self.base)?;
        let mut text = lines.join("\n");
        if newline && !lines.is_empty() {
            text.push('\n');
        }
        self.write(path, File::new(&text))
    }

    fn write(&mut self, path: CodePath, file: File) -> Result<(), Refused> {
        let parts = path.as_str().match_indices('/').map(|(end, _)| &path.as_str()[..end]);
        let above = parts.filter_map(|above| above.parse::<CodePath>().ok());
        let folder = format!("{path}/");
        let below = self.known.iter().find(|known| known.as_str().starts_with(&folder)).cloned();
        let with = above.into_iter().find(|above| self.known.contains(above)).or(below);
        if let Some(with) = with {
            return Err(Refused::Clash { path, with });
        }
        self.known.insert(path.clone());
        self.files.insert(path, Some(file));
        Ok(())
    }

    fn whole(
        &mut self,
        resolved: &Resolved,
        intent: &Intent,
        lines: &[String],
        source: Source,
        changed_too: bool,
    ) -> Result<(), Refused> {
        if whole::is_quotation(lines, self.base) {
            return Ok(());
        }
        match resolved {
            Resolved::Known(path) => {
                // A longer path that only ends like a file's may be meant as another file.
                let raw = intent.path.strip_prefix("./").unwrap_or(&intent.path);
                if raw.len() > path.as_str().len() {
                    return Err(Refused::UnclearPath {
                        path: path::shortened(raw),
                        candidates: vec![path.to_string(), path::shortened(raw)],
                    });
                }
                let Some(file) = self.current(path) else {
                    return Err(self.no_file(&intent.path));
                };
                match whole::check(path, lines, Some(&file.text()), self.base) {
                    // Beside a diff of the file, a part of it shows what the diff does.
                    Err(_) if changed_too && source != Source::Label => Ok(()),
                    Err(refused) => Err(refused),
                    Ok(()) => {
                        self.files.insert(path.clone(), Some(file.rewritten(lines)));
                        Ok(())
                    }
                }
            }
            Resolved::New(path) => {
                let name = |path: &str| path.rsplit('/').next().map(str::to_owned);
                let twin =
                    self.known.iter().any(|known| name(known.as_str()) == name(path.as_str()));
                if source == Source::Sentence || twin {
                    return Err(self.no_file(&intent.path));
                }
                self.create(path.clone(), lines, true)
            }
        }
    }

    fn change(
        &mut self,
        resolved: &Resolved,
        intent: &Intent,
        hunks: &[Hunk],
        to: Option<&str>,
    ) -> Result<(), Refused> {
        let path = match resolved {
            Resolved::Known(path) => path,
            Resolved::New(path) if creates(hunks, to) => {
                let added = hunks.iter().flat_map(|hunk| &hunk.ops).map(|op| op.text.clone());
                return self.create(path.clone(), &added.collect::<Vec<_>>(), true);
            }
            Resolved::New(_) => return Err(self.no_file(&intent.path)),
        };
        let Some(mut file) = self.current(path) else { return Err(self.no_file(&intent.path)) };
        let mut moved: Vec<(usize, isize)> = Vec::new();
        for hunk in hunks {
            let number = self.hunks.entry(path.clone()).or_default();
            *number += 1;
            let number = *number;
            // Line numbers count in the file as it was, above which earlier hunks have added and removed.
            let stated = hunk.stated.map(|line| {
                let line = line - 1;
                let by: isize = moved.iter().filter(|(at, _)| *at <= line).map(|(_, by)| by).sum();
                line.saturating_add_signed(by)
            });
            if !hunk.changes() {
                continue;
            }
            let placed = place::place(hunk, &file, stated, &mut self.effort)
                .map_err(|unplaced| refuse(unplaced, path, number, hunk, &file))?;
            if let Some(line) = hunk.stated {
                let by =
                    |splice: &super::file::Splice| splice.add.len() as isize - splice.cut as isize;
                moved.push((line - 1, placed.splices.iter().map(by).sum()));
            }
            self.placements.push(placement(path, number, stated, &placed));
            file.splice(&placed.splices);
            if placed.at_end && hunk.unended.new {
                file.set_ended(false);
            } else if placed.at_end && hunk.unended.old {
                file.set_ended(true);
            }
        }
        match to {
            Some(to) => self.rename(path.clone(), to, file),
            None => {
                self.files.insert(path.clone(), Some(file));
                Ok(())
            }
        }
    }

    fn rename(&mut self, path: CodePath, to: &str, file: File) -> Result<(), Refused> {
        let to: CodePath =
            to.parse().map_err(|_| Refused::UnsafePath { path: path::shortened(to) })?;
        if self.known.contains(&to) {
            return Err(Refused::Exists { path: to });
        }
        self.known.remove(&path);
        self.files.insert(path, None);
        self.write(to, file)
    }
}

/// Whether hunks for a file that is not there give a new one.
fn creates(hunks: &[Hunk], to: Option<&str>) -> bool {
    let mut ops = hunks.iter().flat_map(|hunk| &hunk.ops);
    let all_added =
        ops.all(|op| op.kind == Kind::Add || (op.kind == Kind::Keep && op.text.is_empty()));
    to.is_none() && all_added && hunks.iter().any(Hunk::changes)
}

fn placement(path: &CodePath, hunk: usize, stated: Option<usize>, placed: &Placed) -> Placement {
    let by = stated.map(|stated| placed.start as i64 - stated as i64).filter(|by| *by != 0);
    let how = match (placed.found, by) {
        (Match::Exact, None) => How::Exact,
        (Match::Exact, Some(by)) => How::Moved { by },
        (Match::Whitespace, _) => How::Whitespace,
        (Match::Fuzzy(similarity), _) => How::Fuzzy { similarity },
    };
    Placement { path: path.clone(), hunk, line: placed.start + 1, how }
}

fn refuse(unplaced: Unplaced, path: &CodePath, number: usize, hunk: &Hunk, file: &File) -> Refused {
    let path = path.clone();
    let hunk_number = number;
    match unplaced {
        Unplaced::NotFound => Refused::NotFound {
            path,
            hunk: hunk_number,
            wanted: nearest::wanted(hunk),
            nearest: nearest::find(hunk, file),
        },
        Unplaced::NoContext => Refused::NoContext { path, hunk: hunk_number },
        Unplaced::Ambiguous(lines) => Refused::Ambiguous {
            path,
            hunk: hunk_number,
            lines: lines.iter().take(100).map(|line| line + 1).collect(),
        },
        Unplaced::Contradicts(heading, line) => {
            Refused::Contradicts { path, hunk: hunk_number, heading, line: line + 1 }
        }
        Unplaced::Indentation(line) => {
            Refused::Indentation { path, hunk: hunk_number, line: line + 1 }
        }
        Unplaced::Elided(text) => Refused::Elided { path, text },
        Unplaced::TooMuch => {
            Refused::TooMuch { what: "comparisons of lines".to_owned(), limit: EFFORT as usize }
        }
    }
}
