//! What a run has used: money, and time on the clock that stands still while no process works on it.

use super::Run;
use crate::{AttemptId, Event, Usage};

impl Run {
    /// Counts what an event tells of, once it is applied.
    pub(super) fn account(&mut self, event: &Event) {
        for call in event.calls() {
            if self.paid.insert((call.key.clone(), call.round)) {
                *self.spent.entry((call.role, call.model.clone())).or_default() += call;
            }
        }
        let now_ms = self.active_ms;
        if let Event::BriefIssued { number, .. } = event {
            self.issued_ms.insert(*number, now_ms);
        }
        if let Event::BriefAnswered { number, ideas, .. } = event
            && let Some(issued_ms) = self.issued_ms.remove(number)
        {
            self.asked_ms.extend(ideas.iter().map(|idea| (idea.id.number, issued_ms)));
        }
        if let Event::IdeaCommitted { idea, .. } = event
            && let Some(asked_ms) = self.asked_ms.remove(&idea.number)
        {
            self.leads_ms.push(now_ms - asked_ms);
        }
        if let Event::AttemptStarted { attempt, slot, .. } = event {
            // A slot without a GPU is one of the machine's cores.
            let accelerators = (slot.gpus.len() as u32).max(1);
            self.started_ms.insert(attempt.clone(), (now_ms, accelerators));
        }
        if let Event::AttemptMeasured { attempt, measurement } = event {
            self.end(attempt, Some(&measurement.usage));
        }
        if let Event::AttemptFailed { attempt, usage, .. } = event {
            self.end(attempt, usage.as_ref());
        }
        if let Event::AttemptLost { attempt, .. } = event {
            self.end(attempt, None);
        }
    }

    /// A job goes on while no process works on the run, so what it measured of itself counts before the clock.
    fn end(&mut self, attempt: &AttemptId, usage: Option<&Usage>) {
        let Some((started_ms, accelerators)) = self.started_ms.remove(attempt) else { return };
        let clock_ms = self.active_ms - started_ms;
        let held_ms = usage.map_or(clock_ms, |usage| (usage.wall_s * 1000.0) as i64);
        self.held_ms += held_ms * i64::from(accelerators);
        self.durations_ms.push(held_ms);
    }
}
