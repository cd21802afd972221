//! The one owner of a run's state: decides, logs, performs, waits, again.
//!
//! Every event goes through [`Driver::record`], so what is in memory is always what the log says. An effect that was
//! cut off by a crash is found again because its step is still open, and is repeated; every effect bears that.

mod answers;
mod effect;
mod perform;
mod take_in;

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use autores_domain::{
    AttemptId, Backend, BriefState, Distiller, Event, EventLog, ExperimentState, ExperimentStep,
    Fault, IdeaId, IdeaStep, Ideator, Illegal, Implementer, LessonsState, LogError, Recorded, Run,
    RunId, SearchStrategy, Slot, Status, StopReason, Workspace,
};
use tokio::sync::mpsc;
use tokio::task::{JoinError, JoinSet};
use tracing::info;

use self::answers::Answers;
use self::effect::{Done, Effect};
use crate::decide::{Mode, decide, hopeless, out_of_accelerator_hours};

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
    /// Draws lessons, in runs with models.
    pub distiller: Option<Arc<dyn Distiller>>,
    /// Numbers of the briefs in the order in which they were answered in the run that this one repeats: ideas are
    /// numbered as answers come, so the same order gives the same numbers.
    pub answered: Vec<u32>,
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
    /// A patch cannot be tried out, or the repository not be written.
    #[error("cannot write or commit the patch of {idea}: {fault}")]
    Workspace {
        /// The idea without a commit.
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

/// Drives the run until it is finished, has failed or was asked to stop. `opening` tells who takes it up, and what
/// is changed by that.
///
/// # Errors
/// If the store fails or the program is at fault. Jobs that run then go on running, and are adopted on resume.
pub async fn drive(
    run: Run,
    parts: Parts,
    requests: mpsc::Receiver<Request>,
    observer: &mut dyn Observer,
    opening: Vec<Event>,
) -> Result<Run, DriveError> {
    let mode = if run.status == Status::Paused { Mode::Holding } else { Mode::Working };
    let was_paused = run.status == Status::Paused;
    let answers = Answers::in_order(&parts.answered, &run);
    let mut driver = Driver {
        run,
        parts,
        observer,
        mode,
        stopping: None,
        ending: Arc::default(),
        at_once: false,
        in_flight: HashSet::new(),
        effects: JoinSet::new(),
        waiting: 0,
        silences: 0,
        trouble: None,
        answers,
    };
    let mut opening = opening;
    if was_paused {
        opening.push(Event::RunPaused);
    }
    driver.record(opening).await?;
    driver.work(requests).await?;
    Ok(driver.run)
}

struct Driver<'a> {
    run: Run,
    parts: Parts,
    observer: &'a mut dyn Observer,
    mode: Mode,
    stopping: Option<StopReason>,
    /// Whether running jobs are to end; read by those that are just being started.
    ending: Arc<AtomicBool>,
    /// Whether what models are asked may be dropped, so that the process can let go.
    at_once: bool,
    in_flight: HashSet<Effect>,
    effects: JoinSet<(Effect, Done)>,
    /// Effects in flight that only wait for models to answer again.
    waiting: usize,
    /// How often no model answered since one last did.
    silences: usize,
    /// Why the run stops, in a sentence.
    trouble: Option<String>,
    answers: Answers,
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
                if due.iter().any(Event::ends_the_run) {
                    self.settle().await?;
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
            if let Some(reason) = out_of_accelerator_hours(&self.run) {
                self.stop(StopReason::Budget);
                self.trouble.get_or_insert(reason);
            }
            // What a model was asked is paid for, so its answer is awaited.
            if let Some(reason) = self.stopping
                && self.run.running().next().is_none()
                && (self.at_once || self.effects.len() == self.waiting)
            {
                self.effects.shutdown().await;
                if !self.at_once {
                    self.settle().await?;
                }
                let detail = self.trouble.take();
                self.record(vec![Event::RunStopped { reason, detail }]).await?;
                return Ok(());
            }
            self.perform_open_steps();
            tokio::select! {
                // Results first: what was measured is recorded before anything else is begun.
                biased;
                Some(joined) = self.effects.join_next() => {
                    let (effect, done) = joined?;
                    self.in_flight.remove(&effect);
                    self.take_in(effect, done).await?;
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

    /// Starts what is owed and not being done yet.
    fn perform_open_steps(&mut self) {
        for effect in self.open_steps() {
            if self.in_flight.insert(effect.clone()) {
                self.perform(effect);
            }
        }
    }

    fn open_steps(&self) -> Vec<Effect> {
        let run = &self.run;
        let watches = run.experiments.iter().filter_map(|record| attempt_of(&record.state));
        let mut open: Vec<Effect> = watches.map(Effect::Execute).collect();
        if self.mode == Mode::Holding {
            return open;
        }
        let briefs = run.briefs.iter().enumerate();
        let unanswered = briefs
            .filter(|(number, (_, state))| {
                *state == BriefState::Open && !self.answers.holds(*number as u32)
            })
            .take(self.parts.ideator.at_once());
        open.extend(unanswered.map(|(number, _)| Effect::Answer(number as u32)));
        for record in &run.ideas {
            let id = record.idea.id.clone();
            match record.state.step() {
                Some(IdeaStep::Implement | IdeaStep::Repair(..)) => {
                    open.push(Effect::Implement(id));
                }
                Some(IdeaStep::Commit(..)) => open.push(Effect::Commit(id)),
                None => {}
            }
        }
        let requests = run.distillations.iter().enumerate();
        let unlearnt = requests.filter(|(_, state)| **state == LessonsState::Open);
        open.extend(unlearnt.map(|(number, _)| Effect::Distil(number as u32)));
        open
    }

    /// Starts nothing more. The first reason stays.
    fn stop(&mut self, reason: StopReason) {
        self.mode = Mode::Holding;
        if self.stopping.is_none() {
            info!(?reason, "stopping");
            self.stopping = Some(reason);
        }
        self.parts.ideator.stop();
        self.parts.implementer.stop();
        if let Some(distiller) = &self.parts.distiller {
            distiller.stop();
        }
    }

    /// Tells of calls whose answers nobody waited for.
    async fn settle(&mut self) -> Result<(), DriveError> {
        let calls = self.parts.implementer.settle().await;
        if calls.is_empty() { Ok(()) } else { self.record(vec![Event::CallsMade { calls }]).await }
    }

    async fn obey(&mut self, request: Request) -> Result<(), DriveError> {
        info!(?request, "request");
        match request {
            Request::Stop(reason) => self.stop(reason),
            Request::StopNow(reason) => {
                self.stop(reason);
                self.at_once = true;
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
