//! Leaves out what is worth least until a prompt fits its room.

use super::{PromptError, Room, Text};

/// How much is told of an experiment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Detail {
    /// Everything.
    Full,
    /// With the start and the end of its diff.
    ShortDiff,
    /// Without its diff.
    NoDiff,
    /// Its name and result.
    Line,
    /// Nothing.
    Gone,
}

/// What of the optional parts is still told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Kept {
    /// Each experiment.
    pub(super) tried: Vec<Detail>,
    /// How many lessons, from the first.
    pub(super) lessons: usize,
    /// How many techniques, from the first.
    pub(super) techniques: usize,
    /// The largest size of each long text.
    pub(super) blocks: Vec<usize>,
}

/// One thing that is told no more, or in less words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Tried(usize, Detail),
    Lessons(usize),
    Techniques(usize),
    Block(usize, usize),
}

impl Kept {
    fn after(&self, steps: &[Step]) -> Self {
        let mut kept = self.clone();
        for step in steps {
            match *step {
                Step::Tried(index, detail) => kept.tried[index] = detail,
                Step::Lessons(count) => kept.lessons = count,
                Step::Techniques(count) => kept.techniques = count,
                Step::Block(index, bytes) => kept.blocks[index] = bytes,
            }
        }
        kept
    }
}

/// The text after as few steps as make it fit. Steps come in the order in which they are taken, and each must make
/// the text shorter, which lets half of them be tried at once.
pub(super) fn fit(
    room: Room,
    all: &Kept,
    steps: &[Step],
    write: impl Fn(&Kept) -> Result<Text, PromptError>,
) -> Result<Text, PromptError> {
    let fits = |text: &Text| room.tokens_of(text) <= room.tokens;
    let whole = write(all)?;
    if fits(&whole) {
        return Ok(whole);
    }
    let mut best = write(&all.after(steps))?;
    if !fits(&best) {
        let (needed_tokens, room_tokens) = (room.tokens_of(&best), room.tokens);
        return Err(PromptError::TooLarge { needed_tokens, room_tokens });
    }
    // Zero steps are too few, `enough` are enough.
    let (mut too_few, mut enough) = (0, steps.len());
    while enough - too_few > 1 {
        let middle = too_few.midpoint(enough);
        let text = write(&all.after(&steps[..middle]))?;
        if fits(&text) {
            (enough, best) = (middle, text);
        } else {
            too_few = middle;
        }
    }
    Ok(best)
}
