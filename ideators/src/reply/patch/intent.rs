//! What a reply asks for, before it is held against the code. Never says where a change goes.

/// One thing that a reply asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Intent {
    /// The line of the reply where it starts, from 1.
    pub(super) at: usize,
    /// The file, as the reply names it.
    pub(super) path: String,
    /// What is to happen to it.
    pub(super) action: Action,
    /// What the prose before it makes of what stands above.
    pub(super) turn: Turn,
}

/// How the prose before an edit relates it to those above.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Turn {
    /// It adds to them.
    #[default]
    On,
    /// It corrects something.
    Back,
    /// It stands in place of them, or may.
    Choice,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Action {
    /// Change lines, and perhaps the name.
    Change { hunks: Vec<Hunk>, to: Option<String> },
    /// Make a file that is not there.
    Create { lines: Vec<String>, newline: bool },
    /// Give all of a file that may or may not be there.
    Whole { lines: Vec<String>, source: Source },
    /// Remove the file.
    Delete,
}

/// How a block of code got its path: what is said near it is weaker than what is said on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Source {
    /// A sentence that mentions the path.
    Sentence,
    /// A heading further up.
    Section,
    /// A line that consists of the path, the block's info string or its first comment.
    Label,
}

/// Lines to find and what to make of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Hunk {
    /// The line of the reply where it starts, from 1.
    pub(super) at: usize,
    /// The line of the file where it starts, as stated, from 1.
    pub(super) stated: Option<usize>,
    /// Lines of the file said to stand above it.
    pub(super) headings: Vec<String>,
    /// Whether the headings are part of the address and not decoration.
    pub(super) strict: bool,
    /// Whether its last old line is the file's last.
    pub(super) at_end: bool,
    /// Whether its lines are all of the text to find, so that a part of one line may be meant.
    pub(super) inline: bool,
    /// Its lines.
    pub(super) ops: Vec<Op>,
    /// Whether the old and the new last line are said to have no line end.
    pub(super) unended: Unended,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Unended {
    pub(super) old: bool,
    pub(super) new: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Keep,
    Cut,
    Add,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Op {
    pub(super) kind: Kind,
    /// The line without its marker.
    pub(super) text: String,
    /// The line with it, where the marker may be the line's own first space.
    pub(super) raw: Option<String>,
}

impl Op {
    pub(super) fn keep(text: &str) -> Self {
        Self { kind: Kind::Keep, text: text.to_owned(), raw: None }
    }

    pub(super) fn cut(text: &str) -> Self {
        Self { kind: Kind::Cut, text: text.to_owned(), raw: None }
    }

    pub(super) fn add(text: &str) -> Self {
        Self { kind: Kind::Add, text: text.to_owned(), raw: None }
    }
}

impl Hunk {
    pub(super) fn changes(&self) -> bool {
        self.ops.iter().any(|op| op.kind != Kind::Keep)
    }
}
