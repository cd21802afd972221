//! `autores show`

use anyhow::anyhow;
use autores_domain::{ExperimentId, ExperimentState, IdeaId, IdeaState, Run, RunId};
use serde_json::json;

use crate::arguments::ShowOptions;
use crate::command::{idea, is_interrupted, load};
use crate::exit::{Exit, OrExit, Outcome};
use crate::home::Home;
use crate::out::{out, outln};
use crate::report::{self, Report};
use crate::{table, wiring};

pub(crate) async fn run(home: &Home, options: ShowOptions) -> Outcome {
    let what = options.what.trim_end_matches('/');
    if let Ok(id) = what.parse::<RunId>() {
        let run = load(home, &id).await?;
        return show_run(home, &run, options.json);
    }
    if let Ok(id) = what.parse::<IdeaId>() {
        let run = load(home, &id.run).await?;
        return show_idea(&run, &id, options.json);
    }
    if let Ok(id) = what.parse::<ExperimentId>() {
        let run = load(home, &id.run).await?;
        return show_experiment(home, &run, &id, options.json);
    }
    Err(anyhow!("{what:?} is no RUN, RUN/iNUMBER or RUN/eNUMBER; `autores list` names the runs"))
        .or_usage()
}

fn show_run(home: &Home, run: &Run, json: bool) -> Outcome {
    let report = Report::of(run);
    if json {
        let experiments: Vec<_> = run
            .experiments
            .iter()
            .map(|record| json!({ "experiment": record.experiment, "state": record.state }))
            .collect();
        let mut shown = serde_json::to_value(&report)?;
        shown["experiment_list"] = json!(experiments);
        outln!("{}", serde_json::to_string_pretty(&shown)?);
        return Ok(Exit::Done);
    }
    out!("{}", report.text(wiring::repository(home, run).ok().as_deref()));
    if is_interrupted(home, run) {
        outln!("\nNo process works on it; go on with: autores resume {}", run.id);
    }
    outln!("\nBase commit {}", run.base.commit);
    outln!("\nExperiments");
    table::print(&report::experiments(run, None));
    Ok(Exit::Done)
}

fn show_idea(run: &Run, id: &IdeaId, json: bool) -> Outcome {
    let record = idea(run, id)?;
    if json {
        let experiments: Vec<_> = run
            .experiments_of(id)
            .map(|record| json!({ "experiment": record.experiment, "state": record.state }))
            .collect();
        let shown = json!({
            "idea": record.idea, "state": record.state, "revisions": record.revisions,
            "reused": record.reused, "experiments": experiments,
        });
        outln!("{}", serde_json::to_string_pretty(&shown)?);
        return Ok(Exit::Done);
    }
    let shown = &record.idea;
    outln!("{}  {}", shown.id, shown.title);
    outln!("\nHypothesis  {}", shown.hypothesis.trim());
    outln!("Plan        {}", shown.plan.trim());
    for source in &shown.sources {
        outln!("Source      {source}");
    }
    let operator = shown.operator.map_or("", autores_domain::Operator::as_str);
    outln!("Origin      {} {operator}", shown.origin);
    if !shown.parents.is_empty() {
        let parents: Vec<String> = shown.parents.iter().map(IdeaId::to_string).collect();
        outln!("Parents     {}", parents.join(", "));
    }
    match &record.state {
        IdeaState::Proposed | IdeaState::Patched { .. } | IdeaState::Broken { .. } => {
            outln!("State       {}", record.state.name())
        }
        IdeaState::Ready { .. } => outln!("Branch      {}", shown.id.branch()),
        IdeaState::Rejected { fault } => {
            outln!("Rejected    {fault}");
            for line in &fault.tail {
                outln!("            | {line}");
            }
        }
    }
    for (number, revision) in record.revisions.iter().enumerate() {
        let what = if number == 0 { "Commit     " } else { "Mended     " };
        let (added, removed) = revision.lines;
        outln!("{what} {} (+{added} −{removed} lines)", revision.commit);
    }
    if let Some(experiment) = &record.reused {
        outln!("Same code   as in {experiment}, whose result is this idea's too");
    }
    outln!();
    table::print(&report::experiments(run, Some(id)));
    Ok(Exit::Done)
}

fn show_experiment(home: &Home, run: &Run, id: &ExperimentId, json: bool) -> Outcome {
    let record = run
        .experiment(id)
        .ok_or_else(|| {
            anyhow!("run {} has experiments e1 to e{}, so no {id}", run.id, run.experiments.len())
        })
        .or_usage()?;
    if json {
        let shown = json!({ "experiment": record.experiment, "state": record.state });
        outln!("{}", serde_json::to_string_pretty(&shown)?);
        return Ok(Exit::Done);
    }
    let experiment = &record.experiment;
    outln!(
        "{}  {} of {} at scale {} with seed {}: {}",
        experiment.id,
        experiment.purpose.as_str(),
        experiment.idea,
        experiment.scale,
        experiment.seed,
        record.state.name()
    );
    let (attempt, usage) = match &record.state {
        ExperimentState::Measured { attempt, measurement } => {
            for (name, value) in &measurement.values {
                outln!("  {name:<24} {value}");
            }
            outln!("  {:<24} {}", "reward", measurement.reward);
            (Some(attempt), Some(&measurement.usage))
        }
        ExperimentState::Failed { attempt, fault, usage, .. } => {
            outln!("  {fault}");
            for line in &fault.tail {
                outln!("  | {line}");
            }
            (Some(attempt), usage.as_ref())
        }
        ExperimentState::Running { attempt, .. } => (Some(attempt), None),
        ExperimentState::Queued { .. } => (None, None),
        ExperimentState::Cancelled { reason } => {
            outln!("  {reason}");
            (None, None)
        }
    };
    if let Some(usage) = usage {
        outln!(
            "  {:.1} s wall, {:.1} s CPU, {:.0} MiB memory at most",
            usage.wall_s,
            usage.cpu_s,
            usage.peak_memory_mb
        );
    }
    if let Some(attempt) = attempt {
        outln!("  files in {}", home.attempts(&run.id).join(attempt.local_name()).display());
    }
    Ok(Exit::Done)
}
