//! `autores run`

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, anyhow};
use autores_domain::{
    Budget, Event, Lesson, LlmConfig, Problem, Run, RunConfig, RunId, Spent, Status, StopReason,
    Transcripts,
};
use autores_engine::{Parts, create, drive};
use autores_results::lock::{self, LockError};
use autores_results::{Store, TranscriptFolder};
use autores_templates::problems::{self, ProblemSource};

use crate::arguments::RunOptions;
use crate::command::{lessons, load};
use crate::exit::{Exit, Failure, OrExit, Outcome};
use crate::forecast;
use crate::home::Home;
use crate::interrupt;
use crate::out::{out, outln, plain};
use crate::progress::Progress;
use crate::report::Report;
use crate::{models, wiring};

/// Seeds with which the baseline is measured before the search: enough for a spread.
const BASELINE_SEEDS: u32 = 3;

/// Ideas kept ready per slot, beside those that are on the way because models take their time: each idea is the better
/// the more was measured before it.
const LOOK_AHEAD: u32 = 1;

pub(crate) async fn run(home: &Home, options: RunOptions) -> Outcome {
    let file = models::settings_file(home, options.models.settings.as_deref());
    let wanted = wanted(home, &options, file.as_deref()).await?;
    let (found, config) = (wanted.found, wanted.config);
    let store = wiring::store(home).await?;
    let (name, _lock) = claim(home, &store, &options, &found.problem.name).await?;
    let client =
        wiring::client(home, &name, &config, &found.problem, file.as_deref(), Spent::default())?;
    models::keep_settings(home, &name, file.as_deref().filter(|_| config.llm.is_some()))?;
    let mut progress = Progress::new(options.json);
    progress.say(&format!("run {name}: {} at scale {}", found.problem.name, config.scale));
    let ready =
        wiring::prepare(home, &found, &found.problem, &config.scale, config.slots, None, &progress)
            .await?;
    if let Some((llm, client)) = config.llm.as_ref().zip(client.as_ref()) {
        let knowledge = wiring::knowledge(&config, llm, &found, &ready)?;
        forecast::tell(&store, &name, &config, client, &knowledge, &progress).await?;
    }
    let parts = wiring::parts(home, &name, &config, &found, &ready, store.clone(), client).await?;
    let created = Event::RunCreated {
        config: Box::new(config),
        problem: Box::new(ready.problem.clone()),
        base: ready.source.base.clone(),
        version: env!("CARGO_PKG_VERSION").into(),
        inputs: wiring::inputs(&ready),
        lessons: wanted.lessons,
    };
    let run = create(&name, &*store, created, &mut progress).await?;
    work(home, run, parts, store, progress, None, options.json).await
}

/// What is to be run, with which settings.
struct Wanted {
    found: ProblemSource,
    config: RunConfig,
    lessons: Vec<Lesson>,
}

async fn wanted(
    home: &Home,
    options: &RunOptions,
    settings: Option<&Path>,
) -> Result<Wanted, Failure> {
    if let Some(other) = &options.replay {
        let other = load(home, &other.parse().or_usage()?).await?;
        let mut config = wiring::repeated(home, &other)?;
        config.slots = options.slots.or(config.slots);
        let found = wiring::problem(&config.problem)?;
        return Ok(Wanted { found, config, lessons: other.known_before });
    }
    // clap lets nobody leave out both.
    let problem = options.problem.as_deref().unwrap_or_default();
    let found = wiring::problem(problem)?;
    let settings = models::settings(settings)?;
    let llm =
        models::choose(options.ideator, &options.models, &settings, !found.catalogue.is_empty())?;
    if llm.is_none() && found.catalogue.is_empty() {
        return Err(anyhow!(
            "problem {} has no catalogue of techniques, so there is nothing to propose without a language model",
            found.problem.name
        ))
        .or_usage();
    }
    let lessons = match &options.lessons {
        Some(from) => lessons::import(home, from).await?,
        None => Vec::new(),
    };
    let config = configure(options, &found.problem, reference(problem)?, llm)?;
    Ok(Wanted { found, config, lessons })
}

/// Drives a run to its end, and tells of it. `changed` is what else is new since it was left.
pub(crate) async fn work(
    home: &Home,
    run: Run,
    parts: Parts,
    store: Arc<Store>,
    mut progress: Progress,
    changed: Option<Event>,
    json: bool,
) -> Outcome {
    let id = run.id.clone();
    let (requests, _listeners) = interrupt::listen(&store, &id, &progress)?;
    let slots = parts.backend.slots();
    let count = run.config.slots.map_or(slots.len(), |wanted| slots.len().min(wanted as usize));
    let accelerators =
        slots.iter().take(count).map(|slot| slot.gpus.len().max(1) as u32).sum::<u32>();
    let opened = Event::RunOpened { pid: std::process::id(), host: host(), accelerators };
    let opening = std::iter::once(opened).chain(changed).collect();
    let driven = drive(run, parts, requests, &mut progress, opening).await;
    progress.close();
    let run = driven.map_err(|error| {
        anyhow!(error).context(format!(
            "run {id} was interrupted; nothing that was measured is lost, and `autores resume {id}` goes on with it"
        ))
    })?;
    let is_left_out = run.config.llm.as_ref().is_some_and(|llm| !llm.keeps_transcripts);
    if is_left_out && run.status.is_terminal() {
        leave_out_transcripts(home, &id)?;
    }
    tell(home, &run, json)
}

/// What models were paid stays known; what they said does not.
fn leave_out_transcripts(home: &Home, run: &RunId) -> Result<(), Failure> {
    let folder = TranscriptFolder::of(home.path(), run);
    if folder.keys()?.is_empty() {
        return Ok(());
    }
    std::fs::remove_dir_all(folder.path())
        .with_context(|| format!("cannot remove {}", folder.path().display()))?;
    Ok(())
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
        Status::Stopped(StopReason::Budget) => {
            let larger = larger(&run.config.budget);
            eprintln!(
                "\nstopped by its budget; go on with a larger one, such as: autores resume {} {larger}",
                run.id
            );
            Exit::Stopped
        }
        Status::Stopped(StopReason::Models) => {
            let why = run.stopped_because.as_deref().unwrap_or("no model answers");
            eprintln!("\nstopped: {}; go on with: autores resume {}", plain(why), run.id);
            Exit::Stopped
        }
        Status::Stopped(StopReason::Signal | StopReason::Request)
        | Status::Running
        | Status::Paused => {
            eprintln!("\nstopped; go on with: autores resume {}", run.id);
            Exit::Stopped
        }
    })
}

/// The options that double a budget.
fn larger(budget: &Budget) -> String {
    let options = [
        budget.usd.map(|usd| format!("--budget-usd {}", 2.0 * usd)),
        budget.tokens.map(|tokens| format!("--budget-tokens {}", 2 * tokens)),
        budget.accelerator_hours.map(|hours| format!("--budget-gpu-hours {}", 2.0 * hours)),
    ];
    options.into_iter().flatten().collect::<Vec<_>>().join(" ")
}

fn configure(
    options: &RunOptions,
    problem: &Problem,
    reference: String,
    llm: Option<LlmConfig>,
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
    wiring::strategy(&options.strategy)?;
    Ok(RunConfig {
        problem: reference,
        scale: scale_name,
        backend: options.backend.clone(),
        ideator: if llm.is_some() { "llm" } else { "catalogue" }.into(),
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
        repairs: if llm.is_some() { options.models.repairs } else { 0 },
        budget: models::budget(Budget::default(), &options.budget),
        llm,
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
