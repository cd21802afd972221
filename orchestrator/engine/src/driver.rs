//! The one owner of a run's state: decides, logs, performs, waits, again.
//!
//! Every event goes through [`Driver::record`], so what is in memory is always what the log says. An effect that was
//! cut off by a crash is found again because its step is still open, and is repeated; every effect bears that.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use autores_domain::{
    AttemptId, Backend, BackendError, Brief, BriefState, Ended, Event, EventLog, ExperimentState,
    ExperimentStep, Fault, FaultClass, IdeaId, IdeaStep, Ideator, Illegal, Implementer, Job,
    LogError, MAX_LOSSES, Measurement, Patch, Proposal, Recorded, Revision, Run, RunId,
    SearchStrategy, Slot, Status, StopReason, Workspace,
};
use tokio::sync::mpsc;
use tokio::task::{JoinError, JoinSet};
use tracing::{info, warn};

use crate::decide::{Mode, decide, hopeless};

/// The parts that a run is made of.
#[derive(Clone)]
pub struct Parts {
    /// Remembers.
    pub log: Arc<dyn EventLog>,
    /// Chooses.
    pub strategy: Arc<dyn SearchStrategy>,
    /// Proposes.
    pub ideator: Arc<dyn Ideator>,
    /// Writes patches.
    pub implementer: Arc<dyn Implementer>,
    /// Commits them.
    pub workspace: Arc<dyn Workspace>,
    /// Runs them.
    pub backend: Arc<dyn Backend>,
}

/// What a person asks of a run that goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request {
    /// Start nothing more, let running jobs end, and let go of the run.
    Stop(StopReason),
    /// End running jobs too; their experiments are queued again.
    StopNow(StopReason),
    /// Start nothing more until further notice.
    Pause,
    /// Go on.
    Unpause,
}

/// Sees every event once it is recorded, with the run as it is then.
pub trait Observer: Send {
    /// An event was recorded.
    fn observe(&mut self, recorded: &Recorded, run: &Run);
}

/// Why a run could not go on; it can be resumed.
#[derive(Debug, thiserror::Error)]
pub enum DriveError {
    /// The store.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The log and the program disagree.
    #[error("the event log is inconsistent: {0}")]
    Illegal(#[from] Illegal),
    /// The machine cannot start jobs.
    #[error("cannot start {attempt}: {fault}")]
    Backend {
        /// The attempt that could not be started.
        attempt: AttemptId,
        /// Why.
        fault: Fault,
    },
    /// The repository cannot be written.
    #[error("cannot commit {idea}: {fault}")]
    Workspace {
        /// The idea that could not be committed.
        idea: IdeaId,
        /// Why.
        fault: Fault,
    },
    /// Nothing is owed, yet the run has not ended.
    #[error("nothing is left to do, yet the run has not ended")]
    NothingOwed,
    /// A task of the program died.
    #[error("a task of the orchestrator failed: {0}")]
    Task(#[from] JoinError),
}

/// Writes a run's first event.
///
/// # Errors
/// If the store fails, or has such a run.
pub async fn create(
    id: &RunId,
    log: &dyn EventLog,
    created: Event,
    observer: &mut dyn Observer,
) -> Result<Run, DriveError> {
    let recorded = log.append(id, 0, &[created]).await?;
    let run = Run::replay(id, &recorded)?;
    for recorded in &recorded {
        observer.observe(recorded, &run);
    }
    Ok(run)
}

/// Drives the run until it is finished, has failed or was asked to stop.
///
/// # Errors
/// If the store fails or the program is at fault. Jobs that run then go on running, and are adopted on resume.
pub async fn drive(
    run: Run,
    parts: Parts,
    requests: mpsc::Receiver<Request>,
    observer: &mut dyn Observer,
    opened: Event,
) -> Result<Run, DriveError> {
    let mode = if run.status == Status::Paused { Mode::Holding } else { Mode::Working };
    let was_paused = run.status == Status::Paused;
    let mut driver = Driver {
        run,
        parts,
        observer,
        mode,
        stopping: None,
        ending: Arc::default(),
        in_flight: HashSet::new(),
        effects: JoinSet::new(),
    };
    let mut opening = vec![opened];
    if was_paused {
        opening.push(Event::RunPaused);
    }
    driver.record(opening).await?;
    driver.work(requests).await?;
    Ok(driver.run)
}

/// Something that is being done outside, at most once at a time.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Effect {
    Answer(u32),
    Implement(IdeaId),
    Commit(IdeaId),
    Execute(AttemptId),
}

/// What came of an effect.
enum Done {
    Answered(u32, Result<Vec<Proposal>, String>),
    Implemented(IdeaId, Result<Patch, Fault>),
    Committed(IdeaId, Result<Revision, Fault>),
    Executed(AttemptId, Executed),
}

enum Executed {
    Ended(Ended),
    Lost(Fault),
    Rejected(Fault),
    /// It could not be started, and that is not its fault.
    Unavailable(Fault),
}

struct Driver<'a> {
    run: Run,
    parts: Parts,
    observer: &'a mut dyn Observer,
    mode: Mode,
    stopping: Option<StopReason>,
    /// Whether running jobs are to end; read by those that are just being started.
    ending: Arc<AtomicBool>,
    in_flight: HashSet<Effect>,
    effects: JoinSet<(Effect, Done)>,
}

impl Driver<'_> {
    async fn work(&mut self, mut requests: mpsc::Receiver<Request>) -> Result<(), DriveError> {
        self.parts.backend.sweep(&self.run.id, &self.running()).await;
        let slots = self.slots();
        let mut listening = true;
        let mut given_up = false;
        loop {
            loop {
                let due = decide(&self.run, &*self.parts.strategy, &slots, self.mode);
                if due.is_empty() {
                    break;
                }
                self.record(due).await?;
            }
            if self.run.status.is_terminal() {
                return Ok(());
            }
            if !given_up && hopeless(&self.run).is_some() {
                given_up = true;
                self.stop_running().await;
            }
            if let Some(reason) = self.stopping
                && self.run.running().next().is_none()
            {
                self.effects.shutdown().await;
                self.record(vec![Event::RunStopped { reason }]).await?;
                return Ok(());
            }
            self.perform_open_steps();
            tokio::select! {
                // Results first: what was measured is recorded before anything else is begun.
                biased;
                Some(joined) = self.effects.join_next() => {
                    let (effect, done) = joined?;
                    self.in_flight.remove(&effect);
                    self.take_in(done).await?;
                }
                request = requests.recv(), if listening => match request {
                    Some(request) => self.obey(request).await?,
                    None => listening = false,
                },
                else => return Err(DriveError::NothingOwed),
            }
        }
    }

    fn running(&self) -> Vec<AttemptId> {
        self.run.running().filter_map(|(record, _)| attempt_of(&record.state)).collect()
    }

    async fn stop_running(&self) {
        self.ending.store(true, Ordering::SeqCst);
        for attempt in self.running() {
            self.parts.backend.stop(&attempt).await;
        }
    }

    fn slots(&self) -> Vec<Slot> {
        let mut slots = self.parts.backend.slots();
        if let Some(wanted) = self.run.config.slots {
            slots.truncate(wanted as usize);
        }
        slots
    }

    /// Makes events durable, then true.
    async fn record(&mut self, events: Vec<Event>) -> Result<(), DriveError> {
        for event in &events {
            crash_point!("engine.before", event.name());
        }
        let recorded = self.parts.log.append(&self.run.id, self.run.sequence, &events).await?;
        for recorded in &recorded {
            crash_point!("engine.after", recorded.event.name());
            self.run.apply(recorded)?;
            self.observer.observe(recorded, &self.run);
        }
        Ok(())
    }

    fn perform_open_steps(&mut self) {
        let mut open: Vec<Effect> = Vec::new();
        if self.mode == Mode::Working {
            let briefs = self.run.briefs.iter().enumerate();
            let unanswered = briefs.filter(|(_, (_, state))| *state == BriefState::Open);
            open.extend(
                unanswered
                    .take(self.parts.ideator.at_once())
                    .map(|(number, _)| Effect::Answer(number as u32)),
            );
            for record in &self.run.ideas {
                match record.state.step() {
                    Some(IdeaStep::Implement) => {
                        open.push(Effect::Implement(record.idea.id.clone()))
                    }
                    Some(IdeaStep::Commit(_)) => open.push(Effect::Commit(record.idea.id.clone())),
                    None => {}
                }
            }
        }
        for record in &self.run.experiments {
            match record.state.step() {
                Some(ExperimentStep::Watch { attempt, .. }) => open.push(Effect::Execute(attempt)),
                // A slot is given by `decide`.
                Some(ExperimentStep::Start { .. }) | None => {}
            }
        }
        for effect in open {
            if self.in_flight.insert(effect.clone()) {
                self.perform(effect);
            }
        }
    }

    fn perform(&mut self, effect: Effect) {
        let parts = self.parts.clone();
        match effect.clone() {
            Effect::Answer(number) => {
                let brief: Brief = self.run.briefs[number as usize].0.clone();
                let population = self.run.population();
                self.effects.spawn(async move {
                    let answer = parts.ideator.propose(&brief, &population).await;
                    (effect, Done::Answered(number, answer))
                });
            }
            Effect::Implement(id) => {
                let idea = self.run.ideas[id.number as usize].idea.clone();
                self.effects.spawn(async move {
                    let codebase = parts.workspace.codebase();
                    let patch = parts.implementer.implement(&idea, codebase).await;
                    (effect, Done::Implemented(id, patch))
                });
            }
            Effect::Commit(id) => {
                let record = &self.run.ideas[id.number as usize];
                let idea = record.idea.clone();
                let patch = match record.state.step() {
                    Some(IdeaStep::Commit(patch)) => patch,
                    Some(IdeaStep::Implement) | None => return,
                };
                self.effects.spawn(async move {
                    let revision = parts.workspace.commit(&idea, &patch).await;
                    (effect, Done::Committed(id, revision))
                });
            }
            Effect::Execute(attempt) => {
                let Some(job) = self.job(&attempt) else { return };
                let ending = Arc::clone(&self.ending);
                self.effects.spawn(async move {
                    let executed = execute(&*parts.backend, &job, &ending).await;
                    (effect, Done::Executed(attempt, executed))
                });
            }
        }
    }

    fn job(&self, attempt: &AttemptId) -> Option<Job> {
        let record = self.run.experiment(&attempt.experiment)?;
        let ExperimentState::Running { slot, limits, .. } = &record.state else { return None };
        let experiment = &record.experiment;
        Some(Job {
            attempt: attempt.clone(),
            commit: self.run.revision(&experiment.idea)?.commit.clone(),
            scale: experiment.scale.clone(),
            seed: experiment.seed,
            slot: slot.clone(),
            limits: limits.clone(),
        })
    }

    async fn take_in(&mut self, done: Done) -> Result<(), DriveError> {
        let event = match done {
            Done::Answered(number, Ok(proposals)) => {
                let first = self.run.ideas.len() as u32;
                let ideas = proposals
                    .into_iter()
                    .zip(first..)
                    .map(|(proposal, number)| {
                        proposal.numbered(IdeaId { run: self.run.id.clone(), number })
                    })
                    .collect();
                Event::BriefAnswered { number, ideas }
            }
            Done::Answered(number, Err(reason)) => Event::BriefFailed { number, reason },
            Done::Implemented(idea, Ok(patch)) => Event::IdeaPatched { idea, patch },
            Done::Committed(idea, Ok(revision)) => Event::IdeaCommitted { idea, revision },
            // The idea is not to blame, and it still has its patch.
            Done::Committed(idea, Err(fault)) if fault.class.is_retried() => {
                return Err(DriveError::Workspace { idea, fault });
            }
            Done::Implemented(idea, Err(fault)) | Done::Committed(idea, Err(fault)) => {
                Event::IdeaRejected { idea, fault }
            }
            Done::Executed(attempt, executed) => self.conclude(attempt, executed).await?,
        };
        self.record(vec![event]).await
    }

    /// What the end of an attempt means for its experiment.
    async fn conclude(
        &mut self,
        attempt: AttemptId,
        executed: Executed,
    ) -> Result<Event, DriveError> {
        let ended = match executed {
            Executed::Ended(ended) => ended,
            Executed::Rejected(fault) => {
                return Ok(Event::AttemptFailed { attempt, fault, usage: None });
            }
            Executed::Unavailable(fault) => return Err(DriveError::Backend { attempt, fault }),
            Executed::Lost(fault) => {
                let losses = match self.run.experiment(&attempt.experiment).map(|e| &e.state) {
                    Some(ExperimentState::Running { losses, .. }) => *losses,
                    Some(_) | None => 0,
                };
                let final_loss = fault.class == FaultClass::Infra && losses + 1 >= MAX_LOSSES;
                warn!(%attempt, %fault, "attempt lost");
                return Ok(if final_loss {
                    Event::AttemptFailed { attempt, fault, usage: None }
                } else {
                    Event::AttemptLost { attempt, fault }
                });
            }
        };
        // Metrics come before the event that closes the attempt, so that a crash between the two loses neither.
        self.parts.log.record_metrics(&attempt, &ended.metrics).await?;
        crash_point!("engine.after", "record_metrics");
        Ok(match ended.outcome.and_then(|values| self.measure(values)) {
            Ok((metric, reward, values)) => Event::AttemptMeasured {
                attempt,
                measurement: Measurement { metric, reward, values, usage: ended.usage },
            },
            Err(fault) => Event::AttemptFailed { attempt, fault, usage: Some(ended.usage) },
        })
    }

    fn measure(
        &self,
        values: BTreeMap<String, f64>,
    ) -> Result<(f64, f64, BTreeMap<String, f64>), Fault> {
        let name = &self.run.problem.metric.name;
        let metric = *values.get(name).ok_or_else(|| {
            Fault::new(FaultClass::Crash, format!("the evaluation's result has no {name}"))
        })?;
        let reward = self.run.problem.reward.reward(metric).ok_or_else(|| {
            Fault::new(FaultClass::Diverged, format!("{name} = {metric} gives no finite reward"))
        })?;
        Ok((metric, reward, values))
    }

    async fn obey(&mut self, request: Request) -> Result<(), DriveError> {
        info!(?request, "request");
        match request {
            Request::Stop(reason) => {
                self.mode = Mode::Holding;
                self.stopping = Some(reason);
            }
            Request::StopNow(reason) => {
                self.mode = Mode::Holding;
                self.stopping = Some(reason);
                self.stop_running().await;
            }
            Request::Pause if self.stopping.is_none() => {
                self.mode = Mode::Holding;
                self.record(vec![Event::RunPaused]).await?;
            }
            Request::Unpause if self.stopping.is_none() => {
                self.mode = Mode::Working;
                self.record(vec![Event::RunUnpaused]).await?;
            }
            Request::Pause | Request::Unpause => {}
        }
        Ok(())
    }
}

fn attempt_of(state: &ExperimentState) -> Option<AttemptId> {
    match state.step() {
        Some(ExperimentStep::Watch { attempt, .. }) => Some(attempt),
        Some(ExperimentStep::Start { .. }) | None => None,
    }
}

/// Waits between tries to start a job on a machine that cannot just now.
const PATIENCE: [Duration; 4] = [
    Duration::from_millis(500),
    Duration::from_secs(2),
    Duration::from_secs(5),
    Duration::from_secs(10),
];

async fn execute(backend: &dyn Backend, job: &Job, ending: &AtomicBool) -> Executed {
    let mut patience = PATIENCE.into_iter();
    loop {
        match backend.ensure(job).await {
            Ok(()) => break,
            Err(BackendError::Rejected(fault)) => return Executed::Rejected(fault),
            Err(BackendError::Unavailable(fault)) => match patience.next() {
                Some(wait) => tokio::time::sleep(wait).await,
                None => return Executed::Unavailable(fault),
            },
        }
    }
    // A request to end it may have come before there was anything to end.
    if ending.load(Ordering::SeqCst) {
        backend.stop(&job.attempt).await;
    }
    match backend.watch(&job.attempt).await {
        Ok(ended) => Executed::Ended(ended),
        Err(lost) => Executed::Lost(lost.0),
    }
}
