//! In a run that repeats another, answers are taken in the order of the other's. Else as they come.

use std::collections::{BTreeMap, VecDeque};

use autores_domain::{BriefState, Run};

use super::effect::Proposed;

/// Answers that came before their turn.
#[derive(Default)]
pub(super) struct Answers {
    /// Briefs whose turn is still to come, the next one first.
    order: VecDeque<u32>,
    early: BTreeMap<u32, Proposed>,
}

impl Answers {
    /// Takes answers in this order, as far as the run has not had them yet.
    pub(super) fn in_order(order: &[u32], run: &Run) -> Self {
        let is_due = |number: &u32| {
            run.briefs.get(*number as usize).is_none_or(|(_, state)| *state == BriefState::Open)
        };
        Self { order: order.iter().copied().filter(is_due).collect(), early: BTreeMap::new() }
    }

    /// Whether the answer is there, but not its turn.
    pub(super) fn holds(&self, number: u32) -> bool {
        self.early.contains_key(&number)
    }

    /// The answers whose turn has come now that this one is there.
    pub(super) fn take(&mut self, number: u32, answer: Proposed) -> Vec<(u32, Proposed)> {
        // What the other run never had an answer to has no turn.
        if !self.order.contains(&number) {
            return vec![(number, answer)];
        }
        self.early.insert(number, answer);
        let mut due = Vec::new();
        while let Some(next) = self.order.front().copied()
            && let Some(answer) = self.early.remove(&next)
        {
            self.order.pop_front();
            due.push((next, answer));
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use autores_domain::Answered;

    use super::*;

    #[test]
    fn answers_wait_for_their_turn() {
        let mut answers = Answers { order: [2, 0, 1].into(), early: BTreeMap::new() };
        let mut take = |number| -> Vec<u32> {
            let due = answers.take(number, Answered::free(Ok(Vec::new())));
            due.into_iter().map(|(number, _)| number).collect()
        };
        assert_eq!(take(0), [0; 0]);
        assert_eq!(take(7), [7], "a brief that the other run did not answer has no turn");
        assert_eq!(take(2), [2, 0]);
        assert_eq!(take(1), [1]);
    }
}
