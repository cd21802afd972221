//! The made-up life of a run: from small numbers, events that can follow on what has happened so far.

use std::collections::BTreeMap;

use autores_domain::{
    AttemptId, Brief, BriefState, Budget, Call, Edit, Event, Experiment, ExperimentId,
    ExperimentState, Fault, FaultClass, Idea, IdeaId, IdeaState, Lesson, LessonsState, Limits,
    Measurement, Metric, Network, Operator, Patch, Problem, Purpose, Revision, RewardRule, Role,
    Run, RunConfig, RunId, Scale, Slot, Stage, StopReason, Tokens, Usage,
};

pub(crate) const SLOTS: u32 = 3;

/// Which kind of event, about which of the things there are, and with which details.
pub(crate) type Choice = (u8, u8, u8);

pub(crate) fn created() -> Event {
    Event::RunCreated {
        config: Box::new(RunConfig {
            problem: "pretrain".into(),
            scale: "cpu".into(),
            backend: "local".into(),
            ideator: "catalogue".into(),
            strategy: "evolutionary".into(),
            epochs: 2,
            batch: 4,
            slots: Some(SLOTS),
            seed: u64::MAX,
            barrier: false,
            look_ahead: 2,
            baseline_seeds: 3,
            verify_seeds: 3,
            finalists: 2,
            repairs: 2,
            budget: Budget::default(),
            llm: None,
        }),
        problem: Box::new(problem()),
        base: revision(0),
        version: "0.1.0".into(),
        inputs: Default::default(),
        lessons: Vec::new(),
    }
}

fn problem() -> Problem {
    let scale = Scale {
        description: "minutes on two cores".into(),
        gpus: 0,
        threads: 1,
        launcher: vec!["python3".into()],
        network: Network::None,
        batch: 4,
        epochs: 2,
        limits: limits(),
    };
    Problem {
        name: "pretrain".into(),
        title: "a small language model".into(),
        description: "lower the validation loss".into(),
        editable: vec!["*.py".into()],
        frozen: vec!["evaluate.py".into()],
        requirements: Some("requirements.txt".into()),
        prepare: None,
        stages: vec![Stage {
            name: "evaluate".into(),
            command: vec!["{python}".into(), "evaluate.py".into()],
            reads: vec!["validation".into()],
            trusted: true,
            on_failure: FaultClass::Infra,
            result: Some("result.json".into()),
        }],
        smoke: None,
        metric: Metric { name: "loss".into(), unit: "nats".into(), curve: None },
        reward: RewardRule::Reciprocal,
        env: vec!["HOME".into()],
        scales: BTreeMap::from([("cpu".into(), scale)]),
        default_scale: "cpu".into(),
    }
}

pub(crate) fn limits() -> Limits {
    Limits {
        wall_s: 120,
        cpu_s: 60,
        cpu_times_baseline: Some(2.0),
        memory_mb: 2048,
        output_mb: 8,
        file_mb: 64,
        disk_mb: 64,
        stall_s: 30,
        grace_s: 5,
    }
}

pub(crate) fn revision(number: u8) -> Revision {
    Revision {
        commit: format!("{number:040x}"),
        tree: format!("{number:039x}f"),
        lines: (number.into(), 1),
    }
}

pub(crate) fn idea(id: IdeaId, detail: u8) -> Idea {
    Idea {
        title: format!("idea {detail}"),
        operator: Some(Operator::Explore),
        parents: vec![IdeaId { run: id.run.clone(), number: 0 }],
        ..Idea::baseline(id)
    }
}

pub(crate) fn patch(detail: u8) -> Patch {
    Patch {
        edits: vec![Edit::Write {
            path: "train.py".parse().expect("a path"),
            content: format!("rate = {detail}\n"),
        }],
    }
}

/// With fractions that have no short decimal form.
pub(crate) fn measurement(detail: u8) -> Measurement {
    let metric = 2.0 + f64::from(detail) / 7.0;
    Measurement {
        metric,
        reward: 1.0 / metric,
        values: BTreeMap::from([("loss".into(), metric), ("tokens".into(), 1e6 / 3.0)]),
        usage: usage(detail),
        curve: vec![3.0, metric],
    }
}

pub(crate) fn usage(detail: u8) -> Usage {
    Usage {
        wall_s: f64::from(detail) / 3.0,
        cpu_s: f64::from(detail) / 11.0,
        peak_memory_mb: 100.1,
        peak_gpu_memory_mb: detail.is_multiple_of(2).then_some(7.7),
    }
}

pub(crate) fn fault(class: FaultClass, detail: u8) -> Fault {
    Fault::new(class, format!("reason {detail}")).with_tail(vec!["the last line".into()])
}

pub(crate) fn calls(detail: u8) -> Vec<Call> {
    let call = |number: u8| Call {
        key: format!("b{detail}.v{number}").parse().expect("a key"),
        round: 0,
        role: if number == 0 { Role::Ideator } else { Role::Judge },
        model: "openai/gpt-5".parse().expect("a model"),
        tokens: Tokens { input: 100, cached: detail.into(), output: 10 },
        usd: (number == 0).then(|| f64::from(detail) / 3.0),
        latency_ms: 7,
        error: None,
    };
    (0..detail % 3).map(call).collect()
}

pub(crate) fn lessons(detail: u8) -> Vec<Lesson> {
    let evidence = vec![IdeaId { run: "r".parse().expect("a run"), number: detail.into() }];
    let (topic, text) = (format!("topic {detail}"), "it helps".to_owned());
    vec![Lesson { advice: autores_domain::Advice::Do, topic, text, evidence }]
}

pub(crate) fn brief(count: u8) -> Brief {
    Brief {
        operator: Operator::Fresh,
        parents: Vec::new(),
        shown: Vec::new(),
        count: count.into(),
        seed: u64::MAX - u64::from(count),
    }
}

/// An event that can follow; `None` where there is nothing of which the chosen kind could tell.
pub(crate) fn possible(run: &Run, (kind, which, detail): Choice) -> Option<Event> {
    match kind % 23 {
        0 => Some(Event::BriefIssued { number: run.briefs.len() as u32, brief: brief(detail) }),
        1 | 2 => {
            let first = run.ideas.len() as u32;
            let ideas = (first..=first + u32::from(detail % 3))
                .map(|number| idea(IdeaId { run: run.id.clone(), number }, detail))
                .collect();
            Some(Event::BriefAnswered {
                number: open_brief(run, which)?,
                ideas,
                calls: calls(detail),
            })
        }
        3 => Some(Event::BriefFailed {
            number: open_brief(run, which)?,
            reason: "no more ideas".into(),
            calls: calls(detail),
        }),
        4 => Some(Event::IdeaPatched {
            idea: idea_in(run, which, |state| {
                matches!(state, IdeaState::Proposed | IdeaState::Broken { .. })
            })?,
            patch: patch(detail),
            calls: calls(detail),
        }),
        5 => Some(Event::IdeaCommitted {
            idea: idea_in(run, which, |state| matches!(state, IdeaState::Patched { .. }))?,
            revision: revision(detail),
        }),
        6 => Some(Event::IdeaRejected {
            idea: idea_in(run, which, |state| {
                matches!(state, IdeaState::Proposed | IdeaState::Patched { onto: None, .. })
            })?,
            fault: fault(FaultClass::Patch, detail),
            calls: calls(detail),
        }),
        7 | 8 => {
            let idea = idea_in(run, which, |state| state.revision().is_some())?;
            let revision = run.ideas[idea.number as usize].revision_number()?;
            let purpose = if idea.number == 0 { Purpose::Baseline } else { Purpose::Screen };
            let number = run.experiments.len() as u32 + 1;
            let id = ExperimentId { run: run.id.clone(), number };
            let (scale, seed) = ("cpu".into(), u64::MAX - u64::from(detail));
            Some(Event::ExperimentQueued {
                experiment: Experiment { id, idea, purpose, scale, seed, revision },
            })
        }
        9 => Some(Event::ExperimentCancelled {
            experiment: queued(run, which)?.0,
            reason: "not needed".into(),
        }),
        10 | 11 => {
            let (experiment, attempts) = queued(run, which)?;
            let taken: Vec<u32> = run.running().map(|(_, slot)| slot.index).collect();
            let index = (0..SLOTS).find(|index| !taken.contains(index))?;
            Some(Event::AttemptStarted {
                attempt: AttemptId { experiment, number: attempts + 1 },
                slot: Slot { index, gpus: vec![index] },
                limits: limits(),
            })
        }
        12 => Some(Event::AttemptMeasured {
            attempt: running(run, which)?,
            measurement: measurement(detail),
        }),
        13 => {
            let attempt = running(run, which)?;
            Some(if detail.is_multiple_of(2) {
                Event::AttemptLost { attempt, fault: fault(FaultClass::Infra, detail) }
            } else {
                let fault = fault(FaultClass::Crash, detail);
                let curve = vec![4.0];
                Event::AttemptFailed { attempt, fault, usage: Some(usage(detail)), curve }
            })
        }
        14 => {
            let failed = run.experiments.iter().filter(|record| {
                matches!(record.state, ExperimentState::Failed { .. })
                    && matches!(
                        run.ideas[record.experiment.idea.number as usize].state,
                        IdeaState::Ready { .. }
                    )
            });
            let failed = pick(failed, which)?;
            Some(Event::RepairIssued {
                idea: failed.experiment.idea.clone(),
                experiment: failed.experiment.id.clone(),
            })
        }
        15 => Some(Event::RepairFailed {
            idea: idea_in(run, which, |state| {
                matches!(state, IdeaState::Broken { .. } | IdeaState::Patched { onto: Some(_), .. })
            })?,
            fault: fault(FaultClass::Patch, detail),
            calls: calls(detail),
        }),
        16 => {
            let ended = run.experiments.iter().filter(|record| record.state.is_terminal());
            let experiment = pick(ended, which)?.experiment.id.clone();
            let unmeasured = run.ideas.iter().filter(|record| {
                record.state.revision().is_some()
                    && run.experiments_of(&record.idea.id).next().is_none()
            });
            let idea = pick(unmeasured.map(|record| record.idea.id.clone()), detail)?;
            Some(Event::ResultReused { idea, experiment })
        }
        17 => Some(Event::LessonsIssued { number: run.distillations.len() as u32 }),
        18 => Some(Event::LessonsLearnt {
            number: open_lessons(run, which)?,
            lessons: lessons(detail),
            calls: calls(detail),
        }),
        19 => Some(Event::LessonsFailed {
            number: open_lessons(run, which)?,
            reason: "nothing to learn".into(),
            calls: calls(detail),
        }),
        20 => Some(Event::BudgetChanged {
            budget: Budget { usd: Some(f64::from(detail)), ..Budget::default() },
        }),
        21 => Some(Event::CallsMade { calls: calls(detail) }),
        _ => Some(match detail % 4 {
            0 => Event::RunPaused,
            1 => Event::RunUnpaused,
            2 => Event::RunOpened { pid: which.into(), host: "host".into(), accelerators: 2 },
            _ => Event::RunStopped { reason: StopReason::Request, detail: None },
        }),
    }
}

/// One of some things, the same one for the same number.
fn pick<T>(things: impl Iterator<Item = T>, which: u8) -> Option<T> {
    let mut things: Vec<T> = things.collect();
    (!things.is_empty()).then(|| things.swap_remove(usize::from(which) % things.len()))
}

fn open_brief(run: &Run, which: u8) -> Option<u32> {
    let open = run.briefs.iter().enumerate().filter(|(_, (_, state))| *state == BriefState::Open);
    pick(open.map(|(number, _)| number as u32), which)
}

fn open_lessons(run: &Run, which: u8) -> Option<u32> {
    let requests = run.distillations.iter().enumerate();
    let open = requests.filter(|(_, state)| **state == LessonsState::Open);
    pick(open.map(|(number, _)| number as u32), which)
}

fn idea_in(run: &Run, which: u8, wanted: impl Fn(&IdeaState) -> bool) -> Option<IdeaId> {
    let ideas = run.ideas.iter().filter(|record| wanted(&record.state));
    pick(ideas.map(|record| record.idea.id.clone()), which)
}

fn queued(run: &Run, which: u8) -> Option<(ExperimentId, u32)> {
    let queued = run.experiments.iter().filter_map(|record| match record.state {
        ExperimentState::Queued { attempts, .. } => Some((record.experiment.id.clone(), attempts)),
        ExperimentState::Running { .. }
        | ExperimentState::Measured { .. }
        | ExperimentState::Failed { .. }
        | ExperimentState::Cancelled { .. } => None,
    });
    pick(queued, which)
}

fn running(run: &Run, which: u8) -> Option<AttemptId> {
    let running = run.experiments.iter().filter_map(|record| match &record.state {
        ExperimentState::Running { attempt, .. } => Some(attempt.clone()),
        ExperimentState::Queued { .. }
        | ExperimentState::Measured { .. }
        | ExperimentState::Failed { .. }
        | ExperimentState::Cancelled { .. } => None,
    });
    pick(running, which)
}

/// The life that some choices come to, beginning with the run's creation.
pub(crate) fn live(id: &RunId, choices: &[Choice]) -> (Run, Vec<autores_domain::Recorded>) {
    let first = autores_domain::Recorded { sequence: 1, at_ms: 1, event: created() };
    let mut run = Run::created(id, &first).expect("a run");
    let mut log = vec![first];
    for choice in choices {
        let Some(event) = possible(&run, *choice) else { continue };
        let sequence = run.sequence + 1;
        let recorded = autores_domain::Recorded { sequence, at_ms: sequence as i64, event };
        run.apply(&recorded).expect("a possible event");
        log.push(recorded);
    }
    (run, log)
}
