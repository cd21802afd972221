//! `autores run`

use std::path::Path;
use std::sync::Arc;

use anyhow::anyhow;
use autores_domain::{Event, Problem, Run, RunConfig, RunId, Status, StopReason};
use autores_engine::{Parts, create, drive};
use autores_results::Store;
use autores_results::lock::{self, LockError};
use autores_templates::problems;

use crate::arguments::RunOptions;
use crate::exit::{Exit, Failure, OrExit, Outcome};
use crate::home::Home;
use crate::interrupt;
use crate::out::{out, outln};
use crate::progress::Progress;
use crate::report::Report;
use crate::wiring;

/// Seeds with which the baseline is measured before the search: enough for a spread.
const BASELINE_SEEDS: u32 = 3;

/// Ideas kept ready per slot. The catalogue answers in milliseconds, and each idea is the better the more was measured before it.
const LOOK_AHEAD: u32 = 1;

pub(crate) async fn run(home: &Home, options: RunOptions) -> Outcome {
    let found = wiring::problem(&options.problem)?;
    let config = configure(&options, &found.problem, reference(&options.problem)?)?;
    if found.catalogue.is_empty() {
        return Err(anyhow!(
            "problem {} has no catalogue of techniques, so there is nothing to propose",
            found.problem.name
        ))
        .or_usage();
    }
    let store = wiring::store(home).await?;
    let (name, _lock) = claim(home, &store, &options, &found.problem.name).await?;
    let mut progress = Progress::new(options.json);
    progress.say(&format!("run {name}: {} at scale {}", found.problem.name, config.scale));
    let ready =
        wiring::prepare(home, &found, &found.problem, &config.scale, config.slots, None, &progress)
            .await?;
    let parts = wiring::parts(home, &config, &found, &ready, store.clone())?;
    let created = Event::RunCreated {
        config,
        problem: Box::new(ready.problem.clone()),
        base: ready.source.base.clone(),
        version: env!("CARGO_PKG_VERSION").into(),
        inputs: wiring::inputs(&ready),
    };
    let run = create(&name, &*store, created, &mut progress).await?;
    work(home, run, parts, store, progress, options.json).await
}

/// Drives a run to its end, and tells of it.
pub(crate) async fn work(
    home: &Home,
    run: Run,
    parts: Parts,
    store: Arc<Store>,
    mut progress: Progress,
    json: bool,
) -> Outcome {
    let id = run.id.clone();
    let (requests, _listeners) = interrupt::listen(&store, &id, &progress)?;
    let opened = Event::RunOpened { pid: std::process::id(), host: host() };
    let driven = drive(run, parts, requests, &mut progress, opened).await;
    progress.close();
    let run = driven.map_err(|error| {
        anyhow!(error).context(format!(
            "run {id} was interrupted; nothing that was measured is lost, and `autores resume {id}` goes on with it"
        ))
    })?;
    tell(home, &run, json)
}

/// Prints what a run came to.
pub(crate) fn tell(home: &Home, run: &Run, json: bool) -> Outcome {
    let report = Report::of(run);
    if json {
        outln!("{}", serde_json::json!({ "report": report }));
    } else {
        outln!();
        out!("{}", report.text(wiring::repository(home, run).ok().as_deref()));
    }
    Ok(match &run.status {
        Status::Finished(_) => Exit::Done,
        Status::Failed(_) => Exit::Failed,
        Status::Stopped(StopReason::Signal | StopReason::Request)
        | Status::Running
        | Status::Paused => {
            eprintln!("\nstopped; go on with: autores resume {}", run.id);
            Exit::Stopped
        }
    })
}

fn configure(
    options: &RunOptions,
    problem: &Problem,
    reference: String,
) -> Result<RunConfig, Failure> {
    let scale_name = options.scale.clone().unwrap_or_else(|| problem.default_scale.clone());
    let scale = problem
        .scales
        .get(&scale_name)
        .ok_or_else(|| wiring::unknown_scale(problem, &scale_name))
        .or_usage()?;
    if options.backend != "local" {
        return Err(anyhow!("there is no backend {:?}; there is local", options.backend))
            .or_usage();
    }
    if !["auto", "catalogue"].contains(&options.ideator.as_str()) {
        return Err(anyhow!("there is no ideator {:?}; there is catalogue", options.ideator))
            .or_usage();
    }
    wiring::strategy(&options.strategy)?;
    Ok(RunConfig {
        problem: reference,
        scale: scale_name,
        backend: options.backend.clone(),
        ideator: "catalogue".into(),
        strategy: options.strategy.clone(),
        epochs: options.epochs.unwrap_or(scale.epochs),
        batch: options.batch.unwrap_or(scale.batch),
        slots: options.slots,
        seed: options.seed,
        barrier: options.barrier,
        look_ahead: LOOK_AHEAD,
        baseline_seeds: BASELINE_SEEDS,
        verify_seeds: options.verify_seeds,
        finalists: options.finalists,
    })
}

/// A name that no run has, and the run's lock: the name that was given, else `PROBLEM-N` with the smallest free number.
async fn claim(
    home: &Home,
    store: &Store,
    options: &RunOptions,
    problem: &str,
) -> Result<(RunId, lock::RunLock), Failure> {
    if let Some(name) = &options.name {
        let name: RunId = name.parse().or_usage()?;
        let lock = lock::acquire(home.path(), &name, &owner()).or_environment()?;
        if store.reader().run(&name).await?.is_some() {
            return Err(anyhow!(
                "there is a run {name} already; `autores resume {name}` goes on with it"
            ))
            .or_usage();
        }
        return Ok((name, lock));
    }
    // A problem's name may be longer than a run's, and have an underscore.
    let stem: String = problem.replace('_', "-").chars().take(40).collect();
    let stem = stem.trim_end_matches('-');
    for number in 1.. {
        let name: RunId = format!("{stem}-{number}").parse().or_usage()?;
        match lock::acquire(home.path(), &name, &owner()) {
            Ok(lock) if store.reader().run(&name).await?.is_none() => return Ok((name, lock)),
            // Another process is just about to create it.
            Ok(_) | Err(LockError::Held { .. } | LockError::HeldByUnknown { .. }) => {}
            Err(error @ LockError::Unavailable { .. }) => return Err(error).or_environment(),
        }
    }
    unreachable!("the numbers do not end")
}

/// How the run remembers its problem: a built-in one by name, a user's by the absolute path of its folder.
fn reference(given: &str) -> Result<String, Failure> {
    if problems::list().contains(&given) {
        return Ok(given.to_owned());
    }
    let given = Path::new(given);
    let folder = if given.is_file() { given.parent().unwrap_or(given) } else { given };
    let folder = std::path::absolute(folder)?;
    folder
        .to_str()
        .map(str::to_owned)
        .ok_or_else(|| anyhow!("the path {} is not valid Unicode", folder.display()))
        .or_usage()
}

/// This process, as the owner of a run.
pub(crate) fn owner() -> lock::Owner {
    lock::Owner { pid: std::process::id(), host: host() }
}

fn host() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname")
        .map_or_else(|_| "this host".into(), |name| name.trim().to_owned())
}
