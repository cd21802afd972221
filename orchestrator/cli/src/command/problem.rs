//! `autores problem list|check|new`

use std::path::PathBuf;

use anyhow::{Context, anyhow};
use autores_domain::{
    AttemptId, Backend, ExperimentId, Fault, FaultClass, Job, Limits, Problem, RunId, stats,
};
use autores_executor::workspace;
use autores_templates::problems;
use serde_json::json;

use crate::arguments::{CheckOptions, JsonOption, NewOptions, ProblemAction};
use crate::exit::{Exit, Failure, OrExit, Outcome};
use crate::home::Home;
use crate::out::outln;
use crate::progress::Progress;
use crate::{table, wiring};

/// Two seeds, each twice: equal pairs reproduce, and the pairs' difference is noise.
const SEEDS: [u64; 4] = [1, 1, 2, 2];

pub(crate) async fn run(home: &Home, action: ProblemAction) -> Outcome {
    match action {
        ProblemAction::List(options) => list(&options),
        ProblemAction::Check(options) => check(home, options).await,
        ProblemAction::New(options) => new(&options),
    }
}

fn list(options: &JsonOption) -> Outcome {
    let known: Vec<Problem> = problems::list()
        .into_iter()
        .map(|name| problems::find(name).map(|found| found.problem))
        .collect::<Result<_, _>>()?;
    if options.json {
        outln!("{}", serde_json::to_string_pretty(&known)?);
        return Ok(Exit::Done);
    }
    let mut rows = table::table(&["problem", "scale", "what"]);
    for problem in &known {
        rows.add_row([problem.name.as_str(), "", problem.title.as_str()]);
        for (name, scale) in &problem.scales {
            rows.add_row(["", name.as_str(), scale.description.as_str()]);
        }
    }
    table::print(&rows);
    Ok(Exit::Done)
}

fn new(options: &NewOptions) -> Outcome {
    let folder = PathBuf::from(&options.name);
    let name = folder
        .file_name()
        .and_then(|name| name.to_str())
        .ok_or_else(|| anyhow!("{:?} is no name for a folder", options.name))
        .or_usage()?;
    problems::skeleton(name, &folder).or_usage()?;
    let committed = workspace::init_commit(&folder)?;
    outln!("{name} is in {}", folder.display());
    if committed.is_none() {
        // What goes into a repository that is there already is its owner's choice.
        outln!("  git add {0} && git commit -m 'Problem {name}' {0}", folder.display());
    }
    outln!("  autores problem check {}", options.name);
    outln!("  autores run --problem {}", options.name);
    Ok(Exit::Done)
}

async fn check(home: &Home, options: CheckOptions) -> Outcome {
    let found = wiring::problem(&options.problem)?;
    home.create()?;
    let scale = options.scale.unwrap_or_else(|| found.problem.default_scale.clone());
    let progress = Progress::new(options.json);
    let ready =
        wiring::prepare(home, &found, &found.problem, &scale, None, None, &progress).await?;
    let limits = ready
        .problem
        .scales
        .get(&scale)
        .map(|scale| scale.limits.clone())
        .ok_or_else(|| wiring::unknown_scale(&ready.problem, &scale))
        .or_usage()?;
    let results = measure(home, &ready, &scale, limits, &progress).await?;
    progress.close();
    let rewards: Vec<f64> = results
        .iter()
        .map(|metric| {
            ready.problem.reward.reward(*metric).ok_or_else(|| {
                anyhow!("{} = {metric} gives no finite reward", ready.problem.metric.name)
            })
        })
        .collect::<Result<_, _>>()?;
    let reproduces = results[0] == results[1] && results[2] == results[3];
    let largest = (results[0] - results[1]).abs().max((results[2] - results[3]).abs());
    let noise = stats::standard_deviation(&[rewards[0], rewards[2]]).unwrap_or(0.0);
    let mean = stats::mean(&rewards).unwrap_or(0.0);
    if options.json {
        let shown = json!({
            "problem": ready.problem.name, "scale": scale, "metric": ready.problem.metric.name,
            "seeds": SEEDS, "values": results, "reproduces": reproduces,
            "largest_difference": largest, "reward_mean": mean, "reward_deviation": noise,
        });
        outln!("{}", serde_json::to_string_pretty(&shown)?);
    } else {
        let name = &ready.problem.metric.name;
        outln!("{} at scale {scale}", ready.problem.name);
        for (seed, metric) in SEEDS.iter().zip(&results) {
            outln!("  seed {seed}  {name} {metric}");
        }
        if reproduces {
            outln!("reproduces: the same seed gives the same {name} to the last digit");
        } else {
            outln!("does NOT reproduce: the same seed gives values up to {largest:.3e} apart");
        }
        outln!(
            "noise: the two seeds' rewards have a standard deviation of {noise:.5} ({:.2}% of the mean)",
            100.0 * noise / mean.abs()
        );
    }
    Ok(if reproduces { Exit::Done } else { Exit::Failed })
}

/// Runs the baseline with every seed, as many at a time as there are slots, in a folder of its own.
async fn measure(
    home: &Home,
    ready: &wiring::Ready,
    scale: &str,
    limits: Limits,
    progress: &Progress,
) -> Result<Vec<f64>, Failure> {
    let folder = home.path().join(format!("check-{}-{}", wiring::now_ms(), std::process::id()));
    let id: RunId = "check".parse().or_usage()?;
    let backend = wiring::backend(home, ready, folder.clone())?;
    let measured = tokio::select! {
        measured = measure_all(&backend, ready, &id, scale, &limits, progress) => measured,
        _ = tokio::signal::ctrl_c() => {
            backend.sweep(&id, &[]).await;
            std::fs::remove_dir_all(&folder)?;
            return Err(anyhow!("interrupted; what was running has ended").into());
        }
    };
    let values = measured.map_err(|fault| failed(&fault, &folder))?;
    std::fs::remove_dir_all(&folder)
        .with_context(|| format!("cannot remove {}", folder.display()))?;
    Ok(values)
}

async fn measure_all(
    backend: &dyn Backend,
    ready: &wiring::Ready,
    id: &RunId,
    scale: &str,
    limits: &Limits,
    progress: &Progress,
) -> Result<Vec<f64>, Fault> {
    let slots = backend.slots();
    let mut values = Vec::new();
    let numbered: Vec<(u32, u64)> = (1..).zip(SEEDS).collect();
    for together in numbered.chunks(slots.len()) {
        let measured = together.iter().zip(&slots).map(|(&(number, seed), slot)| {
            let job = Job {
                attempt: AttemptId {
                    experiment: ExperimentId { run: id.clone(), number },
                    number: 1,
                },
                commit: ready.source.base.commit.clone(),
                scale: scale.to_owned(),
                seed,
                slot: slot.clone(),
                limits: limits.clone(),
            };
            progress.doing(&format!("measuring the baseline with seed {seed}"));
            one(backend, job, &ready.problem.metric.name)
        });
        for value in futures_util::future::join_all(measured).await {
            values.push(value?);
        }
    }
    Ok(values)
}

async fn one(backend: &dyn Backend, job: Job, metric: &str) -> Result<f64, Fault> {
    backend.ensure(&job).await.map_err(|error| Fault::new(FaultClass::Infra, error.to_string()))?;
    let ended = backend.watch(&job.attempt).await.map_err(|lost| lost.0)?;
    ended.outcome?.get(metric).copied().ok_or_else(|| {
        Fault::new(FaultClass::Crash, format!("the evaluation's result has no {metric}"))
    })
}

fn failed(fault: &Fault, attempts: &std::path::Path) -> Failure {
    let tail: String = fault.tail.iter().map(|line| format!("\n  | {line}")).collect();
    anyhow!("the baseline failed: {fault}{tail}\n  its files are in {}", attempts.display()).into()
}
