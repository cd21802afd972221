//! When lessons are drawn: whenever another epoch's worth of ideas has an outcome, and once more at the end.

use autores_domain::{Event, LessonsState, Outcome, Run};

use super::ideas::{Running, pending};

/// The request for lessons that is due, if one is.
pub(super) fn next(run: &Run) -> Vec<Event> {
    if run.config.llm.is_none() || run.distillations.contains(&LessonsState::Open) {
        return Vec::new();
    }
    let known = run.ideas[1..].iter().filter(|record| run.outcome(record) != Outcome::Pending);
    let (known, asked) = (known.count() as u32, run.distillations.len() as u32);
    let covered = asked * run.config.batch;
    let is_last = super::is_all_asked(run) && pending(run, Running::Counts) == 0;
    if known >= covered + run.config.batch || (is_last && known > covered) {
        vec![Event::LessonsIssued { number: asked }]
    } else {
        Vec::new()
    }
}
