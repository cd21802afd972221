//! The state of a run: the fold of its events.

use std::collections::BTreeMap;

use crate::{
    Brief, Event, Experiment, ExperimentId, ExperimentState, Fault, FaultClass, Idea, IdeaId,
    IdeaState, Member, Outcome, Population, Problem, Purpose, Recorded, Revision, RunConfig, RunId,
    Scale, StopReason, Usage, Verdict, stats,
};

/// Why an event cannot have happened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("event {event} cannot follow on {state}")]
pub struct Illegal {
    state: String,
    event: String,
}

impl Illegal {
    pub(crate) fn new(state: impl Into<String>, event: &Event) -> Self {
        Self { state: state.into(), event: event.name().into() }
    }
}

/// How a run as a whole stands.
#[derive(Debug, Clone, PartialEq)]
pub enum Status {
    /// A process works on it, or did when it died.
    Running,
    /// A process works on it, but starts nothing new.
    Paused,
    /// No process works on it; it can be resumed.
    Stopped(StopReason),
    /// Nothing more is owed.
    Finished(Verdict),
    /// It cannot go on.
    Failed(String),
}

impl Status {
    /// The word used in tables and JSON.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Stopped(_) => "stopped",
            Self::Finished(_) => "finished",
            Self::Failed(_) => "failed",
        }
    }

    /// Whether nothing more can happen.
    pub fn is_terminal(&self) -> bool {
        match self {
            Self::Finished(_) | Self::Failed(_) => true,
            Self::Running | Self::Paused | Self::Stopped(_) => false,
        }
    }
}

/// What became of a brief.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BriefState {
    /// An answer is owed.
    Open,
    /// It was answered with so many ideas.
    Answered(u32),
    /// There is no answer.
    Failed(String),
}

/// An idea with its state.
#[derive(Debug, Clone, PartialEq)]
pub struct IdeaRecord {
    /// The idea.
    pub idea: Idea,
    /// How far it has come.
    pub state: IdeaState,
}

/// An experiment with its state.
#[derive(Debug, Clone, PartialEq)]
pub struct ExperimentRecord {
    /// The experiment.
    pub experiment: Experiment,
    /// How far it has come.
    pub state: ExperimentState,
}

/// One search over one problem.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// Its name.
    pub id: RunId,
    /// What it was asked to do.
    pub config: RunConfig,
    /// The problem as it was when the run was created.
    pub problem: Problem,
    /// The commit that every idea starts from.
    pub base: Revision,
    /// What the measurements depend on besides the code.
    pub inputs: BTreeMap<String, String>,
    /// How it stands.
    pub status: Status,
    /// The briefs, by number.
    pub briefs: Vec<(Brief, BriefState)>,
    /// The ideas, by number; the first is the baseline.
    pub ideas: Vec<IdeaRecord>,
    /// The experiments, by number less 1.
    pub experiments: Vec<ExperimentRecord>,
    /// Number of the last event.
    pub sequence: u64,
    /// When the run was created, in milliseconds since 1970 (UTC).
    pub created_ms: i64,
    /// When the last event was written.
    pub updated_ms: i64,
    /// Milliseconds in which a process worked on it.
    pub active_ms: i64,
}

impl Run {
    /// The run that a log tells of.
    ///
    /// # Errors
    /// [`Illegal`] if the log does not begin with the run's creation or an event cannot follow on those before it.
    pub fn replay(id: &RunId, log: &[Recorded]) -> Result<Self, Illegal> {
        let Some((first, rest)) = log.split_first() else {
            return Err(Illegal { state: "an empty log".into(), event: "nothing".into() });
        };
        let mut run = Self::created(id, first)?;
        for recorded in rest {
            run.apply(recorded)?;
        }
        Ok(run)
    }

    /// The run as it is after its first event.
    ///
    /// # Errors
    /// [`Illegal`] if that event is not the run's creation.
    pub fn created(id: &RunId, first: &Recorded) -> Result<Self, Illegal> {
        let Event::RunCreated { config, problem, base, inputs, .. } = &first.event else {
            return Err(Illegal::new("an empty log", &first.event));
        };
        let baseline = IdeaRecord {
            idea: Idea::baseline(IdeaId { run: id.clone(), number: 0 }),
            state: IdeaState::Ready { revision: base.clone() },
        };
        Ok(Self {
            id: id.clone(),
            config: config.clone(),
            problem: (**problem).clone(),
            base: base.clone(),
            inputs: inputs.clone(),
            status: Status::Running,
            briefs: Vec::new(),
            ideas: vec![baseline],
            experiments: Vec::new(),
            sequence: first.sequence,
            created_ms: first.at_ms,
            updated_ms: first.at_ms,
            active_ms: 0,
        })
    }

    /// Takes in the next event.
    ///
    /// # Errors
    /// [`Illegal`] if it cannot have happened; the run is then unchanged.
    pub fn apply(&mut self, recorded: &Recorded) -> Result<(), Illegal> {
        if recorded.sequence != self.sequence + 1 {
            return Err(Illegal::new(format!("event number {}", self.sequence), &recorded.event));
        }
        self.apply_event(&recorded.event)?;
        self.sequence = recorded.sequence;
        // Between one process's last event and the next one's first, nobody worked.
        if !matches!(recorded.event, Event::RunOpened { .. }) {
            self.active_ms += recorded.at_ms - self.updated_ms;
        }
        self.updated_ms = recorded.at_ms;
        Ok(())
    }

    fn apply_event(&mut self, event: &Event) -> Result<(), Illegal> {
        if self.status.is_terminal() {
            return Err(Illegal::new(format!("a {} run", self.status.name()), event));
        }
        if event.run().is_some_and(|run| *run != self.id) {
            return Err(Illegal::new(format!("run {}", self.id), event));
        }
        match event {
            Event::RunCreated { .. } => return Err(Illegal::new("an existing run", event)),
            Event::RunOpened { .. } | Event::RunUnpaused => self.status = Status::Running,
            Event::RunPaused => self.status = Status::Paused,
            Event::RunStopped { reason } => self.status = Status::Stopped(*reason),
            Event::RunFinished { verdict } => self.status = Status::Finished(verdict.clone()),
            Event::RunFailed { reason } => self.status = Status::Failed(reason.clone()),
            Event::BriefIssued { number, brief } => {
                if *number as usize != self.briefs.len() {
                    return Err(Illegal::new(format!("{} briefs", self.briefs.len()), event));
                }
                self.briefs.push((brief.clone(), BriefState::Open));
            }
            Event::BriefAnswered { number, ideas } => {
                let first = self.ideas.len();
                let in_order =
                    ideas.iter().enumerate().all(|(i, idea)| idea.id.number as usize == first + i);
                if !in_order {
                    return Err(Illegal::new(format!("{first} ideas"), event));
                }
                let answered = BriefState::Answered(ideas.len() as u32);
                *self.open_brief(*number, event)? = answered;
                self.ideas.extend(
                    ideas
                        .iter()
                        .map(|idea| IdeaRecord { idea: idea.clone(), state: IdeaState::Proposed }),
                );
            }
            Event::BriefFailed { number, reason } => {
                *self.open_brief(*number, event)? = BriefState::Failed(reason.clone());
            }
            Event::IdeaPatched { idea, .. }
            | Event::IdeaCommitted { idea, .. }
            | Event::IdeaRejected { idea, .. } => {
                let record = self
                    .ideas
                    .get_mut(idea.number as usize)
                    .ok_or_else(|| Illegal::new("an unknown idea", event))?;
                record.state = record.state.next(event)?;
            }
            Event::ExperimentQueued { experiment } => {
                if experiment.id.number as usize != self.experiments.len() + 1 {
                    return Err(Illegal::new(
                        format!("{} experiments", self.experiments.len()),
                        event,
                    ));
                }
                if self.revision(&experiment.idea).is_none() {
                    return Err(Illegal::new("an idea without a commit", event));
                }
                self.experiments.push(ExperimentRecord {
                    experiment: experiment.clone(),
                    state: ExperimentState::NEW,
                });
            }
            Event::ExperimentCancelled { experiment, .. } => {
                self.advance_experiment(experiment, event)?;
            }
            Event::AttemptStarted { attempt, slot, .. } => {
                if self.running().any(|(_, held)| held.index == slot.index) {
                    return Err(Illegal::new(format!("slot {} in use", slot.index), event));
                }
                self.advance_experiment(&attempt.experiment, event)?;
            }
            Event::AttemptMeasured { attempt, .. }
            | Event::AttemptFailed { attempt, .. }
            | Event::AttemptLost { attempt, .. } => {
                self.advance_experiment(&attempt.experiment, event)?;
            }
        }
        Ok(())
    }

    fn open_brief(&mut self, number: u32, event: &Event) -> Result<&mut BriefState, Illegal> {
        match self.briefs.get_mut(number as usize) {
            Some((_, state @ BriefState::Open)) => Ok(state),
            Some(_) => Err(Illegal::new("an answered brief", event)),
            None => Err(Illegal::new("an unknown brief", event)),
        }
    }

    fn advance_experiment(&mut self, id: &ExperimentId, event: &Event) -> Result<(), Illegal> {
        let record = (id.number as usize)
            .checked_sub(1)
            .and_then(|index| self.experiments.get_mut(index))
            .ok_or_else(|| Illegal::new("an unknown experiment", event))?;
        record.state = record.state.next(event)?;
        Ok(())
    }

    /// The scale at which ideas are measured.
    pub fn scale(&self) -> Option<&Scale> {
        self.problem.scales.get(&self.config.scale)
    }

    /// The commit of an idea, if it has one.
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

    /// Rewards of one idea for one purpose, in order of the experiments.
    pub fn rewards(&self, idea: &IdeaId, purpose: Purpose) -> Vec<f64> {
        self.experiments_of(idea)
            .filter(|record| record.experiment.purpose == purpose)
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

    /// What became of an idea, judged by its screening.
    pub fn outcome(&self, record: &IdeaRecord) -> Outcome {
        if let IdeaState::Rejected { fault } = &record.state {
            return Outcome::Failed(fault.clone());
        }
        if let Some(reward) = stats::mean(&self.rewards(&record.idea.id, Purpose::Screen)) {
            return Outcome::Measured { reward };
        }
        let screens = self.experiments_of(&record.idea.id);
        let failed = screens.filter(|e| e.experiment.purpose == Purpose::Screen).find_map(|e| {
            match &e.state {
                ExperimentState::Failed { fault, .. } => Some(fault.clone()),
                ExperimentState::Cancelled { reason } => {
                    Some(Fault::new(FaultClass::Preempted, reason.clone()))
                }
                ExperimentState::Queued { .. }
                | ExperimentState::Running { .. }
                | ExperimentState::Measured { .. } => None,
            }
        });
        failed.map_or(Outcome::Pending, Outcome::Failed)
    }

    /// The read view of all that was measured.
    pub fn population(&self) -> Population {
        Population {
            baseline: self.rewards(&self.baseline(), Purpose::Baseline),
            reference: self.reward_with_seed(&self.baseline(), self.config.seed),
            members: self.ideas[1..]
                .iter()
                .map(|record| Member { idea: record.idea.clone(), outcome: self.outcome(record) })
                .collect(),
        }
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
