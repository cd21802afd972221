//! What can be asked of a run.

use std::collections::BTreeMap;

use super::{ExperimentRecord, IdeaRecord, Run};
use crate::{
    Evidence, Experiment, ExperimentId, ExperimentState, Fault, FaultClass, IdeaId, IdeaState,
    Member, ModelName, Outcome, Population, Purpose, Revision, Role, Scale, Spent, Usage, stats,
};

/// How many of the last times tell how long things take now.
const RECENT: usize = 8;

impl Run {
    /// The scale at which ideas are measured.
    pub fn scale(&self) -> Option<&Scale> {
        self.problem.scales.get(&self.config.scale)
    }

    /// The commit that an experiment runs, if there is such a one.
    pub fn revision_of(&self, experiment: &Experiment) -> Option<&Revision> {
        let record = self.ideas.get(experiment.idea.number as usize)?;
        record.revisions.get(experiment.revision as usize)
    }

    /// The newest commit of an idea, if it has one.
    pub fn revision(&self, idea: &IdeaId) -> Option<&Revision> {
        self.ideas.get(idea.number as usize)?.state.revision()
    }

    /// An experiment of this run.
    pub fn experiment(&self, id: &ExperimentId) -> Option<&ExperimentRecord> {
        self.experiments.get((id.number as usize).checked_sub(1)?)
    }

    /// Experiments that hold a slot, with it.
    pub fn running(&self) -> impl Iterator<Item = (&ExperimentRecord, &crate::Slot)> {
        self.experiments.iter().filter_map(|record| match &record.state {
            ExperimentState::Running { slot, .. } => Some((record, slot)),
            ExperimentState::Queued { .. }
            | ExperimentState::Measured { .. }
            | ExperimentState::Failed { .. }
            | ExperimentState::Cancelled { .. } => None,
        })
    }

    /// Experiments of one idea, in order.
    pub fn experiments_of(&self, idea: &IdeaId) -> impl Iterator<Item = &ExperimentRecord> {
        self.experiments.iter().filter(move |record| record.experiment.idea == *idea)
    }

    /// Experiments for one purpose, in order.
    pub fn experiments_for(&self, purpose: Purpose) -> impl Iterator<Item = &ExperimentRecord> {
        self.experiments.iter().filter(move |record| record.experiment.purpose == purpose)
    }

    /// Experiments that say something of one idea: its own, and the one whose result it reuses.
    fn evidence_for(&self, idea: &IdeaId) -> impl Iterator<Item = &ExperimentRecord> {
        let reused = self.ideas.get(idea.number as usize).and_then(|record| record.reused.as_ref());
        self.experiments_of(idea).chain(reused.and_then(|experiment| self.experiment(experiment)))
    }

    /// The newest screening of an idea, or the one whose result it reuses.
    pub fn screening(&self, idea: &IdeaId) -> Option<&ExperimentRecord> {
        let reused = self.ideas.get(idea.number as usize)?.reused.as_ref();
        if let Some(experiment) = reused {
            return self.experiment(experiment);
        }
        let screens = self.experiments_of(idea).filter(|e| e.experiment.purpose == Purpose::Screen);
        screens.last()
    }

    /// Rewards of one idea for one purpose, in order of the experiments.
    pub fn rewards(&self, idea: &IdeaId, purpose: Purpose) -> Vec<f64> {
        self.evidence_for(idea)
            // What is reused is a screening, even where it was the other's baseline.
            .filter(|record| {
                record.experiment.purpose == purpose
                    || (purpose == Purpose::Screen && record.experiment.idea != *idea)
            })
            .filter_map(|record| record.state.measurement())
            .map(|measurement| measurement.reward)
            .collect()
    }

    /// Reward of one idea with one seed, whatever it was measured for.
    pub fn reward_with_seed(&self, idea: &IdeaId, seed: u64) -> Option<f64> {
        self.experiments_of(idea)
            .filter(|record| record.experiment.seed == seed)
            .find_map(|record| record.state.measurement())
            .map(|measurement| measurement.reward)
    }

    /// The baseline's id.
    pub fn baseline(&self) -> IdeaId {
        IdeaId { run: self.id.clone(), number: 0 }
    }

    /// CPU seconds of the slowest measured baseline.
    pub fn baseline_cpu_s(&self) -> Option<f64> {
        self.experiments_for(Purpose::Baseline)
            .filter_map(|record| record.state.measurement())
            .map(|measurement| measurement.usage.cpu_s)
            .reduce(f64::max)
    }

    /// What became of an idea, judged by the screening of its newest revision.
    pub fn outcome(&self, record: &IdeaRecord) -> Outcome {
        match &record.state {
            IdeaState::Rejected { fault } => return Outcome::Failed(fault.clone()),
            // What failed before is being mended.
            IdeaState::Proposed | IdeaState::Patched { .. } | IdeaState::Broken { .. } => {
                return Outcome::Pending;
            }
            IdeaState::Ready { .. } => {}
        }
        let Some(screen) = self.screening(&record.idea.id) else { return Outcome::Pending };
        let is_newest =
            record.reused.is_some() || Some(screen.experiment.revision) == record.revision_number();
        if !is_newest {
            return Outcome::Pending;
        }
        match &screen.state {
            ExperimentState::Measured { measurement, .. } => {
                Outcome::Measured { reward: measurement.reward }
            }
            ExperimentState::Failed { fault, .. } => Outcome::Failed(fault.clone()),
            ExperimentState::Cancelled { reason } => {
                Outcome::Failed(Fault::new(FaultClass::Preempted, reason.clone()))
            }
            ExperimentState::Queued { .. } | ExperimentState::Running { .. } => Outcome::Pending,
        }
    }

    /// An idea with all that is known of it.
    pub fn member(&self, record: &IdeaRecord) -> Member {
        let screen = self.screening(&record.idea.id);
        Member {
            idea: record.idea.clone(),
            outcome: self.outcome(record),
            revision: record.state.revision().cloned(),
            evidence: screen.and_then(|screen| Evidence::of(&screen.state)),
        }
    }

    /// The read view of all that was measured.
    pub fn population(&self) -> Population {
        let baseline_metrics = self
            .experiments_for(Purpose::Baseline)
            .filter_map(|record| record.state.measurement())
            .map(|measurement| measurement.metric);
        Population {
            baseline: self.rewards(&self.baseline(), Purpose::Baseline),
            reference: self.reward_with_seed(&self.baseline(), self.config.seed),
            baseline_metrics: baseline_metrics.collect(),
            members: self.ideas[1..].iter().map(|record| self.member(record)).collect(),
            lessons: self.lessons.clone(),
            ideator_spent: self
                .spent
                .iter()
                .filter(|((role, _), _)| *role == Role::Ideator)
                .map(|((_, model), spent)| (model.clone(), *spent))
                .collect::<BTreeMap<ModelName, Spent>>(),
        }
    }

    /// What models were paid together.
    pub fn spent(&self) -> Spent {
        let mut total = Spent::default();
        for spent in self.spent.values() {
            total.calls += spent.calls;
            total.tokens += spent.tokens;
            total.usd += spent.usd;
            total.unpriced += spent.unpriced;
        }
        total
    }

    /// How many experiments a slot ends while one idea is thought of, written and tried out: the mean of the last few.
    /// Nothing before the first idea has its commit.
    pub fn experiments_per_lead(&self) -> f64 {
        let recent = |times: &[i64]| {
            let last = &times[times.len().saturating_sub(RECENT)..];
            let values: Vec<f64> = last.iter().map(|ms| *ms as f64).collect();
            stats::mean(&values)
        };
        match (recent(&self.leads_ms), recent(&self.durations_ms)) {
            (Some(lead), Some(duration)) if duration > 0.0 => lead.max(0.0) / duration,
            _ => 0.0,
        }
    }

    /// Hours for which accelerators were held until the last event, times their number. A slot without a GPU counts
    /// as one.
    pub fn accelerator_hours(&self) -> f64 {
        let running = self.started_ms.values().map(|(started, accelerators)| {
            (self.active_ms - started).max(0) * i64::from(*accelerators)
        });
        (self.held_ms + running.sum::<i64>()) as f64 / 3_600_000.0
    }

    /// What all recorded attempts used together.
    pub fn usage(&self) -> Usage {
        let mut total = Usage::default();
        for record in &self.experiments {
            let usage = match &record.state {
                ExperimentState::Measured { measurement, .. } => &measurement.usage,
                ExperimentState::Failed { usage: Some(usage), .. } => usage,
                ExperimentState::Queued { .. }
                | ExperimentState::Running { .. }
                | ExperimentState::Failed { usage: None, .. }
                | ExperimentState::Cancelled { .. } => continue,
            };
            total.wall_s += usage.wall_s;
            total.cpu_s += usage.cpu_s;
            total.peak_memory_mb = total.peak_memory_mb.max(usage.peak_memory_mb);
            total.peak_gpu_memory_mb = match (total.peak_gpu_memory_mb, usage.peak_gpu_memory_mb) {
                (Some(a), Some(b)) => Some(a.max(b)),
                (a, b) => a.or(b),
            };
        }
        total
    }
}
