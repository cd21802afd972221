//! Why a reply is no patch, in words that help its writer to a better one.

use std::fmt;

use autores_domain::CodePath;
use serde::{Deserialize, Serialize};

/// Why a reply gives no patch. The message is meant for the model that wrote the reply.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Refused {
    /// Nothing in the reply is an edit.
    #[error(
        "the reply has no patch: give a unified diff, SEARCH/REPLACE blocks with the file's path \
         above each, or whole files with their path above the code block"
    )]
    NoPatch,
    /// The reply is longer than what is looked at.
    #[error("the reply has {bytes} bytes; at most {limit} are read")]
    TooLong {
        /// Its length.
        bytes: usize,
        /// The most that is read.
        limit: usize,
    },
    /// The reply asks for more than is looked at.
    #[error("the reply has more than {limit} {what}; make a smaller change")]
    TooMuch {
        /// What there is too much of.
        what: String,
        /// The most that is taken.
        limit: usize,
    },
    /// The reply ends in the middle of an edit.
    #[error(
        "the reply was cut off in the edit that starts at its line {line}; repeat it shorter, up to its end"
    )]
    Truncated {
        /// The line of the reply where the edit starts.
        line: usize,
    },
    /// Markers or headers that contradict each other.
    #[error("line {line} of the reply cannot be read as a patch: {why}")]
    Malformed {
        /// The line of the reply.
        line: usize,
        /// What is wrong.
        why: String,
    },
    /// An edit without a file.
    #[error("the edit at line {line} of the reply names no file; put the file's path above it")]
    NoPath {
        /// The line of the reply.
        line: usize,
    },
    /// A path that leaves the codebase.
    #[error("{path:?} is no path inside the codebase; use a path relative to its root")]
    UnsafePath {
        /// What the reply says.
        path: String,
    },
    /// A path that may mean several files, or an edit that names two.
    #[error("{path:?} does not say which file is meant: {}", .candidates.join(" or "))]
    UnclearPath {
        /// What the reply says.
        path: String,
        /// The files it may mean.
        candidates: Vec<String>,
    },
    /// A symbolic link, a submodule or a change of the permissions.
    #[error("{path} would become {what}; only the text of regular files may change")]
    Mode {
        /// What the reply says.
        path: String,
        /// What it would become.
        what: String,
    },
    /// A change of a file that is no text.
    #[error("{path} would be changed as binary data; only text may change")]
    Binary {
        /// What the reply says.
        path: String,
    },
    /// The file to change is not there.
    #[error("{path} does not exist{}", nearest_file(.nearest.as_ref()))]
    NoFile {
        /// What the reply says.
        path: String,
        /// The file that has the most similar name.
        nearest: Option<CodePath>,
    },
    /// The file to create is there already.
    #[error("{path} exists already, so it cannot be created; change it instead")]
    Exists {
        /// The file.
        path: CodePath,
    },
    /// A path under a file, or a file where a folder is.
    #[error("{path} cannot be written, because {with} exists")]
    Clash {
        /// The file to write.
        path: CodePath,
        /// What is in its way.
        with: CodePath,
    },
    /// The old lines of an edit are nowhere in the file.
    #[error("edit {hunk} of {path}: the file has no lines\n{wanted}{}", nearest_text(.nearest.as_ref()))]
    NotFound {
        /// The file.
        path: CodePath,
        /// Which edit of the file, from 1.
        hunk: usize,
        /// The lines looked for.
        wanted: String,
        /// The most similar lines that are there.
        nearest: Option<Nearest>,
    },
    /// The old lines of an edit are in more than one place.
    #[error(
        "edit {hunk} of {path} fits equally well at lines {}; give more of the surrounding lines, \
         exactly as they are in the file", places(.lines)
    )]
    Ambiguous {
        /// The file.
        path: CodePath,
        /// Which edit of the file, from 1.
        hunk: usize,
        /// Where it fits.
        lines: Vec<usize>,
    },
    /// An edit that says nothing of its place.
    #[error(
        "edit {hunk} of {path} only adds lines and shows none of the file's, so its place is not known"
    )]
    NoContext {
        /// The file.
        path: CodePath,
        /// Which edit of the file, from 1.
        hunk: usize,
    },
    /// The lines are elsewhere than the edit says.
    #[error(
        "edit {hunk} of {path} names {heading:?}, but its lines are at line {line}, which is elsewhere"
    )]
    Contradicts {
        /// The file.
        path: CodePath,
        /// Which edit of the file, from 1.
        hunk: usize,
        /// The heading that the edit gives.
        heading: String,
        /// Where its lines are.
        line: usize,
    },
    /// The indentation of the new lines cannot be told.
    #[error(
        "edit {hunk} of {path} is indented unlike line {line} of the file, and no one shift of its lines fits"
    )]
    Indentation {
        /// The file.
        path: CodePath,
        /// Which edit of the file, from 1.
        hunk: usize,
        /// Where its lines are.
        line: usize,
    },
    /// Code is left out where all of it is needed.
    #[error("{path} is given with code left out ({text:?}); write every line, or give a diff")]
    Elided {
        /// The file.
        path: CodePath,
        /// The line that stands for others.
        text: String,
    },
    /// A part of a file where all of it is needed.
    #[error(
        "the code given for {path} is only a part of the file: {why}; write the whole file, or give a diff"
    )]
    Partial {
        /// The file.
        path: CodePath,
        /// What shows it.
        why: String,
    },
    /// Two versions of one change.
    #[error(
        "the reply changes {path} in more than one way and does not say which counts; give the final patch only"
    )]
    Conflicting {
        /// The file.
        path: CodePath,
    },
    /// Every edit leaves its file as it was.
    #[error("the edits change nothing")]
    Nothing,
}

/// The lines of a file that look most like those of an edit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Nearest {
    /// The number of the first one.
    pub line: usize,
    /// The lines as they are in the file.
    pub text: String,
}

fn nearest_file(nearest: Option<&CodePath>) -> String {
    nearest.map_or_else(String::new, |path| format!("; did you mean {path}?"))
}

fn nearest_text(nearest: Option<&Nearest>) -> String {
    struct Numbered<'a>(&'a Nearest);
    impl fmt::Display for Numbered<'_> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("\nmost similar there are")?;
            for (number, line) in (self.0.line..).zip(self.0.text.lines()) {
                write!(f, "\n{number:>5} | {line}")?;
            }
            Ok(())
        }
    }
    nearest.map_or_else(String::new, |nearest| Numbered(nearest).to_string())
}

fn places(lines: &[usize]) -> String {
    const SHOWN: usize = 8;
    let shown: Vec<String> = lines.iter().take(SHOWN).map(usize::to_string).collect();
    let more = if lines.len() > SHOWN { ", …" } else { "" };
    format!("{}{more}", shown.join(", "))
}
