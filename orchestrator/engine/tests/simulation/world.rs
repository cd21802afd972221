//! A world for the engine: a log in memory, an ideator with endless ideas, machines with latencies and faults
//! drawn from a seed. It survives the engine's death, as real machines do.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use autores_domain::*;
use autores_engine::{DriveError, Observer, Parts, Request, drive};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tokio::sync::mpsc;
use tokio::time::Instant;

pub(crate) fn run_id() -> RunId {
    "sim".parse().unwrap()
}

pub(crate) fn config(epochs: u32, batch: u32, seed: u64) -> RunConfig {
    RunConfig {
        problem: "sim".into(),
        scale: "cpu".into(),
        backend: "sim".into(),
        ideator: "scripted".into(),
        strategy: "evolutionary".into(),
        epochs,
        batch,
        slots: None,
        seed,
        barrier: false,
        look_ahead: 1,
        baseline_seeds: 3,
        verify_seeds: 3,
        finalists: 2,
        repairs: 0,
        budget: Budget::default(),
        llm: None,
    }
}

/// The same with models that are paid for.
pub(crate) fn with_models(config: RunConfig) -> RunConfig {
    let llm = LlmConfig {
        roles: BTreeMap::new(),
        choice: Choice::Weights,
        vocabulary: Vocabulary::Free,
        candidates: 1,
        revisions: 0,
        select: Selection::First,
        embedding: None,
        keeps_transcripts: true,
        replay: None,
    };
    RunConfig { repairs: 2, llm: Some(llm), ..config }
}

fn problem() -> Problem {
    let limits = Limits {
        wall_s: 100,
        cpu_s: 100,
        cpu_times_baseline: Some(2.0),
        memory_mb: 100,
        output_mb: 1,
        file_mb: 1,
        disk_mb: 1,
        stall_s: 10,
        grace_s: 1,
    };
    let scale = Scale {
        description: String::new(),
        gpus: 0,
        threads: 1,
        launcher: vec![],
        network: Network::None,
        batch: 4,
        epochs: 2,
        limits,
    };
    Problem {
        name: "sim".into(),
        title: String::new(),
        description: String::new(),
        editable: vec![],
        frozen: vec![],
        requirements: None,
        prepare: None,
        stages: vec![],
        smoke: None,
        metric: Metric { name: "loss".into(), unit: "nats".into(), curve: None },
        reward: RewardRule::Reciprocal,
        env: vec![],
        scales: [("cpu".to_owned(), scale)].into(),
        default_scale: "cpu".into(),
    }
}

/// What can go wrong on the machines.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Faults {
    /// Share of attempts that vanish.
    pub(crate) lost: f64,
    /// Share of ideas that crash.
    pub(crate) crash: f64,
    /// Share of ideas whose patch does not apply.
    pub(crate) patch: f64,
    /// Share of tries to start an attempt that the machine cannot.
    pub(crate) unavailable: f64,
    /// The unchanged codebase crashes.
    pub(crate) broken_baseline: bool,
    /// Share of ideas whose code is that of another.
    pub(crate) twins: f64,
    /// Seconds that an idea takes at least.
    pub(crate) slow_s: f64,
    /// Share of questions to which no model answers.
    pub(crate) silent: f64,
}

#[derive(Default)]
struct Machines {
    /// When each attempt began.
    started: HashMap<AttemptId, Instant>,
    /// How often a process was started for each attempt.
    processes: BTreeMap<AttemptId, u32>,
    stopped: BTreeSet<AttemptId>,
    /// Tries to start each attempt.
    tries: BTreeMap<AttemptId, u32>,
    /// Time in which a slot was used.
    busy: Duration,
}

/// Everything outside the engine.
#[derive(Clone)]
pub(crate) struct World {
    seed: u64,
    slots: u32,
    faults: Faults,
    events: Arc<Mutex<Vec<Recorded>>>,
    metrics: Arc<Mutex<BTreeMap<AttemptId, usize>>>,
    machines: Arc<Mutex<Machines>>,
    /// The store fails when it is asked to hold more events than this.
    pub(crate) room: Arc<Mutex<usize>>,
    codebase: Codebase,
    epoch: Instant,
    /// What models were paid, by call.
    paid: Arc<Mutex<BTreeMap<CallKey, f64>>>,
    /// The most they may be paid.
    pub(crate) cap_usd: Arc<Mutex<f64>>,
    /// Whether no model answers now.
    pub(crate) down: Arc<Mutex<bool>>,
    /// Questions that models were asked, answered or not.
    questions: Arc<Mutex<u32>>,
    /// Briefs answered in the run that is repeated, and its answers' order.
    pub(crate) repeats: Option<Arc<Run>>,
    pub(crate) answered: Vec<u32>,
}

/// What one call of a model costs.
pub(crate) const CALL_USD: f64 = 0.125;

impl World {
    pub(crate) fn new(seed: u64, slots: u32, faults: Faults) -> Self {
        Self {
            seed,
            slots,
            faults,
            events: Arc::default(),
            metrics: Arc::default(),
            machines: Arc::default(),
            room: Arc::new(Mutex::new(usize::MAX)),
            codebase: Codebase::new(),
            epoch: Instant::now(),
            paid: Arc::default(),
            cap_usd: Arc::new(Mutex::new(f64::INFINITY)),
            down: Arc::default(),
            questions: Arc::default(),
            repeats: None,
            answered: Vec::new(),
        }
    }

    pub(crate) fn events(&self) -> Vec<Recorded> {
        self.events.lock().unwrap().clone()
    }

    pub(crate) fn replay(&self) -> Run {
        Run::replay(&run_id(), &self.events()).unwrap()
    }

    /// How often a process was started for each attempt.
    pub(crate) fn processes(&self) -> BTreeMap<AttemptId, u32> {
        self.machines.lock().unwrap().processes.clone()
    }

    pub(crate) fn attempts_with_metrics(&self) -> BTreeSet<AttemptId> {
        self.metrics.lock().unwrap().keys().cloned().collect()
    }

    /// Share of the slots' time that was used until now.
    pub(crate) fn occupancy(&self) -> f64 {
        let total = self.epoch.elapsed().as_secs_f64() * f64::from(self.slots);
        self.machines.lock().unwrap().busy.as_secs_f64() / total
    }

    fn is_stopped(&self, attempt: &AttemptId) -> bool {
        self.machines.lock().unwrap().stopped.contains(attempt)
    }

    /// What models were paid.
    pub(crate) fn paid(&self) -> f64 {
        self.paid.lock().unwrap().values().sum()
    }

    /// Asks a model: a call that was answered before costs nothing.
    fn call(&self, key: &str, role: Role) -> Result<Vec<Call>, Refusal<String>> {
        let mut questions = self.questions.lock().unwrap();
        *questions += 1;
        let is_down = *self.down.lock().unwrap();
        if is_down || self.rng(&format!("question {questions}")).random_bool(self.faults.silent) {
            let reason = "no model answers".to_owned();
            return Err(Refusal::Unavailable { reason, is_lasting: false });
        }
        let key: CallKey = key.parse().unwrap();
        let mut paid = self.paid.lock().unwrap();
        let spent: f64 = paid.values().sum();
        if !paid.contains_key(&key) && spent + CALL_USD > *self.cap_usd.lock().unwrap() {
            return Err(Refusal::Budget("the cap is reached".into()));
        }
        paid.insert(key.clone(), CALL_USD);
        let tokens = Tokens { input: 10, cached: 0, output: 1 };
        let model = "sim/model".parse().unwrap();
        let usd = Some(CALL_USD);
        Ok(vec![Call { key, round: 0, role, model, tokens, usd, latency_ms: 20, error: None }])
    }

    fn rng(&self, what: &str) -> ChaCha8Rng {
        use std::hash::{DefaultHasher, Hash, Hasher};
        let mut hasher = DefaultHasher::new();
        (self.seed, what).hash(&mut hasher);
        ChaCha8Rng::seed_from_u64(hasher.finish())
    }

    pub(crate) async fn create(&self, config: RunConfig) {
        let created = Event::RunCreated {
            config: Box::new(config),
            problem: Box::new(problem()),
            base: Revision { commit: "base".into(), tree: "base".into(), lines: (0, 0) },
            version: "0".into(),
            inputs: BTreeMap::new(),
            lessons: Vec::new(),
        };
        self.append(&run_id(), 0, &[created]).await.unwrap();
    }

    /// A process takes up the run and works until its end or its death.
    pub(crate) async fn drive(&self, requests: mpsc::Receiver<Request>) -> Result<Run, DriveError> {
        struct Blind;
        impl Observer for Blind {
            fn observe(&mut self, _: &Recorded, _: &Run) {}
        }
        let run = self.replay();
        let by_name = autores_engine::search::by_name(&run.config.strategy).unwrap();
        let strategy: Box<dyn SearchStrategy> = match &self.repeats {
            Some(other) => {
                let briefs = other.briefs.iter().map(|(brief, _)| brief.clone()).collect();
                Box::new(autores_engine::search::Recorded::new(briefs, &run.id, by_name))
            }
            None => by_name,
        };
        let parts = Parts {
            log: Arc::new(self.clone()),
            strategy: strategy.into(),
            ideator: Arc::new(self.clone()),
            implementer: Arc::new(self.clone()),
            workspace: Arc::new(self.clone()),
            backend: Arc::new(self.clone()),
            distiller: Some(Arc::new(self.clone())),
            answered: self.answered.clone(),
        };
        let opened = Event::RunOpened { pid: 1, host: "sim".into(), accelerators: self.slots };
        drive(run, parts, requests, &mut Blind, vec![opened]).await
    }

    pub(crate) async fn drive_to_the_end(&self) -> Run {
        let (_sender, requests) = mpsc::channel(1);
        self.drive(requests).await.unwrap()
    }
}

#[async_trait]
impl EventLog for World {
    async fn append(
        &self,
        _run: &RunId,
        after: u64,
        events: &[Event],
    ) -> Result<Vec<Recorded>, LogError> {
        tokio::time::sleep(Duration::from_millis(1)).await;
        let mut log = self.events.lock().unwrap();
        if log.len() as u64 != after {
            return Err(LogError::Unavailable("somebody else writes".into()));
        }
        if log.len() + events.len() > *self.room.lock().unwrap() {
            return Err(LogError::Unavailable("disk full".into()));
        }
        let at_ms = self.epoch.elapsed().as_millis() as i64;
        let recorded: Vec<Recorded> = events
            .iter()
            .zip(after + 1..)
            .map(|(event, sequence)| Recorded { sequence, at_ms, event: event.clone() })
            .collect();
        log.extend(recorded.clone());
        Ok(recorded)
    }

    async fn record_metrics(
        &self,
        attempt: &AttemptId,
        metrics: &[MetricPoint],
    ) -> Result<(), LogError> {
        self.metrics.lock().unwrap().insert(attempt.clone(), metrics.len());
        Ok(())
    }
}

#[async_trait]
impl Ideator for World {
    fn at_once(&self) -> usize {
        8
    }

    async fn propose(
        &self,
        number: u32,
        brief: &Brief,
        _: &Population,
    ) -> Answered<Result<Vec<Proposal>, Refusal<String>>> {
        // Some models think longer, so that answers do not come in the order of the briefs.
        let mut rng = self.rng(&format!("thinks {} {number}", self.seed));
        let takes = rng.random_range(10..500) + (self.faults.slow_s * 1000.0) as u64;
        tokio::time::sleep(Duration::from_millis(takes)).await;
        let calls = match self.call(&format!("b{number}"), Role::Ideator) {
            Ok(calls) => calls,
            Err(refusal) => return Answered::free(Err(refusal)),
        };
        let proposal = Proposal {
            operator: brief.operator,
            title: format!("idea {:x}", brief.seed),
            hypothesis: String::new(),
            plan: String::new(),
            parents: brief.parents.clone(),
            origin: "scripted".into(),
            sources: vec![],
            techniques: vec![],
        };
        Answered { result: Ok(vec![proposal; brief.count as usize]), calls }
    }
}

#[async_trait]
impl Implementer for World {
    async fn implement(&self, task: &Task) -> Answered<Result<Patch, Refusal<Fault>>> {
        tokio::time::sleep(Duration::from_millis(20)).await;
        let repairs = task.broken.as_ref().map_or(0, |broken| broken.repairs + 1);
        let key = format!("i{}.r{repairs}", task.idea.id.number);
        let calls = match self.call(&key, Role::Implementer) {
            Ok(calls) => calls,
            Err(refusal) => {
                let fault = |reason| Fault::new(FaultClass::Patch, reason);
                return Answered::free(Err(refusal.map(fault)));
            }
        };
        let about = format!("patch {} {repairs}", task.idea.title);
        if self.rng(&about).random_bool(self.faults.patch) {
            let fault = Fault::new(FaultClass::Patch, "does not apply");
            return Answered { result: Err(Refusal::Failed(fault)), calls };
        }
        Answered { result: Ok(Patch::default()), calls }
    }
}

#[async_trait]
impl Distiller for World {
    async fn distil(
        &self,
        number: u32,
        population: &Population,
    ) -> Answered<Result<Vec<Lesson>, Refusal<String>>> {
        tokio::time::sleep(Duration::from_millis(50)).await;
        let calls = match self.call(&format!("l{number}"), Role::Judge) {
            Ok(calls) => calls,
            Err(refusal) => return Answered::free(Err(refusal)),
        };
        let evidence = population.members.iter().map(|member| member.idea.id.clone()).collect();
        let (topic, text) = ("everything".to_owned(), format!("lesson {number}"));
        let lesson = Lesson { advice: Advice::Do, topic, text, evidence };
        Answered { result: Ok(vec![lesson]), calls }
    }
}

#[async_trait]
impl Workspace for World {
    fn codebase(&self) -> &Codebase {
        &self.codebase
    }

    async fn code(&self, _: &Revision) -> Result<Codebase, Fault> {
        Ok(self.codebase.clone())
    }

    async fn draft(
        &self,
        idea: &Idea,
        onto: Option<&Revision>,
        _: &Patch,
    ) -> Result<Revision, Fault> {
        let commit = match onto {
            Some(revision) => format!("{}+", revision.commit),
            None => idea.title.clone(),
        };
        let is_twin = self.rng(&format!("twin {commit}")).random_bool(self.faults.twins);
        let tree = if is_twin { "what all do".to_owned() } else { commit.clone() };
        Ok(Revision { tree, commit, lines: (1, 0) })
    }

    async fn commit(
        &self,
        idea: &Idea,
        onto: Option<&Revision>,
        patch: &Patch,
    ) -> Result<Revision, Fault> {
        self.draft(idea, onto, patch).await
    }
}

#[async_trait]
impl Backend for World {
    fn slots(&self) -> Vec<Slot> {
        (0..self.slots).map(|index| Slot { index, gpus: vec![] }).collect()
    }

    async fn ensure(&self, job: &Job) -> Result<(), BackendError> {
        tokio::time::sleep(Duration::from_millis(300)).await;
        let mut machines = self.machines.lock().unwrap();
        let tries = machines.tries.entry(job.attempt.clone()).or_default();
        *tries += 1;
        if self.rng(&format!("try {} {tries}", job.attempt)).random_bool(self.faults.unavailable) {
            let fault = Fault::new(FaultClass::Infra, "no process can be started");
            return Err(BackendError::Unavailable(fault));
        }
        if !machines.started.contains_key(&job.attempt) {
            machines.started.insert(job.attempt.clone(), Instant::now());
            *machines.processes.entry(job.attempt.clone()).or_default() += 1;
        }
        Ok(())
    }

    async fn watch(&self, attempt: &AttemptId) -> Result<Ended, ReportError> {
        let mut rng = self.rng(&attempt.to_string());
        let takes = Duration::from_millis(rng.random_range(8_000..20_000));
        let begun = self.machines.lock().unwrap().started[attempt];
        while begun.elapsed() < takes && !self.is_stopped(attempt) {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let takes = begun.elapsed();
        let mut machines = self.machines.lock().unwrap();
        machines.busy += takes;
        if machines.stopped.contains(attempt) {
            return Err(ReportError(Fault::new(FaultClass::Preempted, "stopped")));
        }
        drop(machines);
        if rng.random_bool(self.faults.lost) {
            return Err(ReportError(Fault::new(FaultClass::Infra, "machine lost")));
        }
        let run = self.replay();
        let experiment = &run.experiment(&attempt.experiment).unwrap().experiment;
        let is_baseline = experiment.idea.number == 0;
        let tree = &run.revision_of(experiment).unwrap().tree;
        let mut of_idea = self.rng(&format!("worth {tree}"));
        let crashes = if is_baseline {
            self.faults.broken_baseline
        } else {
            of_idea.random_bool(self.faults.crash)
        };
        let worth = if is_baseline { 0.0 } else { of_idea.random_range(-0.2..0.2) };
        let noise = self.rng(&format!("noise {tree} {}", experiment.seed));
        let loss = 2.0 - worth + noise.clone().random_range(-0.01..0.01);
        let outcome = if crashes {
            Err(Fault::new(FaultClass::Crash, "exited with status 1"))
        } else {
            Ok([("loss".to_owned(), loss)].into())
        };
        let usage = Usage {
            wall_s: takes.as_secs_f64(),
            cpu_s: 1.0,
            peak_memory_mb: 1.0,
            peak_gpu_memory_mb: None,
        };
        Ok(Ended { outcome, usage, metrics: vec![] })
    }

    /// Only what was started can be stopped.
    async fn stop(&self, attempt: &AttemptId) {
        let mut machines = self.machines.lock().unwrap();
        if machines.started.contains_key(attempt) {
            machines.stopped.insert(attempt.clone());
        }
    }

    async fn sweep(&self, _: &RunId, _: &[AttemptId]) {}
}
