//! The state of a run: the fold of its events.

mod account;
mod view;

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    AttemptId, Brief, CallKey, Event, Experiment, ExperimentId, ExperimentState, Idea, IdeaId,
    IdeaState, Lesson, ModelName, Problem, Recorded, Revision, Role, RunConfig, RunId, Spent,
    StopReason, Verdict,
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
    /// Its commits, oldest first.
    pub revisions: Vec<Revision>,
    /// Its failed experiments that were to be mended, oldest first.
    pub repairs: Vec<ExperimentId>,
    /// Another idea's experiment that measured the very same code.
    pub reused: Option<ExperimentId>,
}

impl IdeaRecord {
    fn proposed(idea: Idea) -> Self {
        let (revisions, repairs) = (Vec::new(), Vec::new());
        Self { idea, state: IdeaState::Proposed, revisions, repairs, reused: None }
    }

    /// The number of the newest revision, from 0; `None` without one.
    pub fn revision_number(&self) -> Option<u32> {
        (self.revisions.len() as u32).checked_sub(1)
    }
}

/// What became of a request for lessons.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LessonsState {
    /// An answer is owed.
    Open,
    /// It was answered.
    Learnt,
    /// There is no answer.
    Failed(String),
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
    /// Why it last stopped, in a sentence, where there was more to say.
    pub stopped_because: Option<String>,
    /// The briefs, by number.
    pub briefs: Vec<(Brief, BriefState)>,
    /// The ideas, by number; the first is the baseline.
    pub ideas: Vec<IdeaRecord>,
    /// The experiments, by number less 1.
    pub experiments: Vec<ExperimentRecord>,
    /// Lessons of earlier runs that it began with.
    pub known_before: Vec<Lesson>,
    /// GPUs, or slots without a GPU, that the last process to open it may use; 0 where that was not recorded.
    pub accelerators: u32,
    /// What it has taught so far, with what was known before.
    pub lessons: Vec<Lesson>,
    /// The requests for lessons, by number.
    pub distillations: Vec<LessonsState>,
    /// What models were paid, by role.
    pub spent: BTreeMap<(Role, ModelName), Spent>,
    /// The calls that are part of it, with their rounds: what was paid for something left open is told again when it is
    /// done.
    paid: BTreeSet<(CallKey, u32)>,
    /// Milliseconds for which accelerators were held by attempts that have ended, times their number.
    held_ms: i64,
    /// When each idea, by number, was asked for, on the same clock.
    asked_ms: BTreeMap<u32, i64>,
    /// When each open brief was issued.
    issued_ms: BTreeMap<u32, i64>,
    /// How long it took from asking for an idea to its commit, for each that came to one.
    leads_ms: Vec<i64>,
    /// How long each attempt held its slot.
    durations_ms: Vec<i64>,
    /// When each running attempt began, on the clock of `active_ms`, and how many accelerators it holds.
    started_ms: BTreeMap<AttemptId, (i64, u32)>,
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
        let Event::RunCreated { config, problem, base, inputs, lessons, .. } = &first.event else {
            return Err(Illegal::new("an empty log", &first.event));
        };
        let baseline = IdeaRecord {
            idea: Idea::baseline(IdeaId { run: id.clone(), number: 0 }),
            state: IdeaState::Ready { revision: base.clone() },
            revisions: vec![base.clone()],
            repairs: Vec::new(),
            reused: None,
        };
        Ok(Self {
            id: id.clone(),
            config: (**config).clone(),
            problem: (**problem).clone(),
            base: base.clone(),
            inputs: inputs.clone(),
            status: Status::Running,
            stopped_because: None,
            briefs: Vec::new(),
            ideas: vec![baseline],
            experiments: Vec::new(),
            known_before: lessons.clone(),
            accelerators: 0,
            lessons: lessons.clone(),
            distillations: Vec::new(),
            spent: BTreeMap::new(),
            paid: BTreeSet::new(),
            held_ms: 0,
            asked_ms: BTreeMap::new(),
            issued_ms: BTreeMap::new(),
            leads_ms: Vec::new(),
            durations_ms: Vec::new(),
            started_ms: BTreeMap::new(),
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
        self.account(&recorded.event);
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
            Event::CallsMade { .. } => {}
            Event::RunCreated { .. } => return Err(Illegal::new("an existing run", event)),
            Event::RunOpened { accelerators, .. } => {
                self.accelerators = *accelerators;
                self.status = Status::Running;
            }
            Event::RunUnpaused => self.status = Status::Running,
            Event::RunPaused => self.status = Status::Paused,
            Event::BudgetChanged { budget } => self.config.budget = *budget,
            Event::RunStopped { reason, detail } => {
                self.status = Status::Stopped(*reason);
                self.stopped_because.clone_from(detail);
            }
            Event::RunFinished { verdict } => self.status = Status::Finished(verdict.clone()),
            Event::RunFailed { reason } => self.status = Status::Failed(reason.clone()),
            Event::BriefIssued { number, brief } => {
                if *number as usize != self.briefs.len() {
                    return Err(Illegal::new(format!("{} briefs", self.briefs.len()), event));
                }
                self.briefs.push((brief.clone(), BriefState::Open));
            }
            Event::BriefAnswered { number, ideas, .. } => {
                let first = self.ideas.len();
                let in_order =
                    ideas.iter().enumerate().all(|(i, idea)| idea.id.number as usize == first + i);
                if !in_order {
                    return Err(Illegal::new(format!("{first} ideas"), event));
                }
                let answered = BriefState::Answered(ideas.len() as u32);
                *self.open_brief(*number, event)? = answered;
                self.ideas.extend(ideas.iter().cloned().map(IdeaRecord::proposed));
            }
            Event::BriefFailed { number, reason, .. } => {
                *self.open_brief(*number, event)? = BriefState::Failed(reason.clone());
            }
            Event::IdeaPatched { idea, .. }
            | Event::IdeaRejected { idea, .. }
            | Event::RepairFailed { idea, .. } => {
                self.advance_idea(idea, event)?;
            }
            Event::IdeaCommitted { idea, revision } => {
                let record = self.advance_idea(idea, event)?;
                record.revisions.push(revision.clone());
            }
            Event::RepairIssued { idea, experiment } => {
                let failed = self.experiment(experiment).is_some_and(|record| {
                    record.experiment.idea == *idea
                        && matches!(record.state, ExperimentState::Failed { .. })
                });
                if !failed {
                    return Err(Illegal::new("an experiment that did not fail", event));
                }
                self.advance_idea(idea, event)?.repairs.push(experiment.clone());
            }
            Event::ResultReused { idea, experiment } => {
                let newest = self.ideas.get(idea.number as usize).and_then(|r| r.revision_number());
                if self.experiments_of(idea).any(|e| Some(e.experiment.revision) == newest)
                    || !self.experiment(experiment).is_some_and(|e| e.state.is_terminal())
                {
                    return Err(Illegal::new("an idea that is measured by itself", event));
                }
                match self.ideas.get_mut(idea.number as usize) {
                    Some(record) if record.revision_number().is_some() => {
                        record.reused = Some(experiment.clone());
                    }
                    Some(_) | None => return Err(Illegal::new("an idea without a commit", event)),
                }
            }
            Event::LessonsIssued { number } => {
                if *number as usize != self.distillations.len() {
                    let state = format!("{} requests for lessons", self.distillations.len());
                    return Err(Illegal::new(state, event));
                }
                self.distillations.push(LessonsState::Open);
            }
            Event::LessonsLearnt { number, lessons, .. } => {
                *self.open_distillation(*number, event)? = LessonsState::Learnt;
                self.lessons.clone_from(lessons);
            }
            Event::LessonsFailed { number, reason, .. } => {
                *self.open_distillation(*number, event)? = LessonsState::Failed(reason.clone());
            }
            Event::ExperimentQueued { experiment } => {
                if experiment.id.number as usize != self.experiments.len() + 1 {
                    return Err(Illegal::new(
                        format!("{} experiments", self.experiments.len()),
                        event,
                    ));
                }
                if self.revision_of(experiment).is_none() {
                    return Err(Illegal::new("an idea without this commit", event));
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

    fn open_distillation(
        &mut self,
        number: u32,
        event: &Event,
    ) -> Result<&mut LessonsState, Illegal> {
        match self.distillations.get_mut(number as usize) {
            Some(state @ LessonsState::Open) => Ok(state),
            Some(_) => Err(Illegal::new("lessons that were drawn", event)),
            None => Err(Illegal::new("an unknown request for lessons", event)),
        }
    }

    fn advance_idea(&mut self, id: &IdeaId, event: &Event) -> Result<&mut IdeaRecord, Illegal> {
        let record = self
            .ideas
            .get_mut(id.number as usize)
            .ok_or_else(|| Illegal::new("an unknown idea", event))?;
        record.state = record.state.next(event)?;
        Ok(record)
    }

    fn advance_experiment(&mut self, id: &ExperimentId, event: &Event) -> Result<(), Illegal> {
        let record = (id.number as usize)
            .checked_sub(1)
            .and_then(|index| self.experiments.get_mut(index))
            .ok_or_else(|| Illegal::new("an unknown experiment", event))?;
        record.state = record.state.next(event)?;
        Ok(())
    }
}
