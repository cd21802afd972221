//! Says before the start what a run is going to cost, as far as that can be known.

use autores_domain::{IdeaId, Run, RunConfig, RunId, Status};
use autores_ideators::forecast::{History, Line, Plan, forecast};
use autores_ideators::knowledge::Knowledge;
use autores_ideators::llm::Client;
use autores_results::Store;
use serde_json::json;

use crate::exit::Failure;
use crate::out::outln;
use crate::progress::Progress;

/// Earlier runs that are looked at, the newest ones.
const LOOKED_AT: usize = 10;

/// Prints the forecast.
pub(crate) async fn tell(
    store: &Store,
    run: &RunId,
    config: &RunConfig,
    client: &Client,
    knowledge: &Knowledge,
    progress: &Progress,
) -> Result<(), Failure> {
    if config.llm.as_ref().is_some_and(|llm| llm.replay.is_some()) {
        progress.say("forecast: nothing, since recorded replies are used");
        return Ok(());
    }
    let earlier = earlier(store, config).await?;
    let plan = Plan {
        baseline: IdeaId { run: run.clone(), number: 0 },
        ideas: config.ideas(),
        epochs: config.epochs,
        repairs: config.repairs,
    };
    let lines = forecast(client, knowledge, &plan, &history(&earlier)).await?;
    let hours = accelerator_hours(&earlier, config);
    if let Progress::Json = progress {
        outln!("{}", json!({ "forecast": figures(&lines, hours) }));
        return Ok(());
    }
    progress.say(&words(&lines, hours, config));
    Ok(())
}

fn figures(lines: &[Line], hours: Option<f64>) -> serde_json::Value {
    let by_role: Vec<_> = lines
        .iter()
        .map(|line| {
            json!({
                "role": line.role, "model": line.model, "calls": line.calls,
                "tokens": line.tokens, "usd": line.usd, "from_earlier_runs": line.is_known,
            })
        })
        .collect();
    json!({
        "usd": usd(lines), "tokens": tokens(lines), "accelerator_hours": hours, "by_role": by_role,
    })
}

fn words(lines: &[Line], hours: Option<f64>, config: &RunConfig) -> String {
    let calls: f64 = lines.iter().map(|line| line.calls).sum();
    let cost = match usd(lines) {
        Some(usd) => format!("about ${usd:.2}"),
        None => "no price is known for every model".to_owned(),
    };
    let hours = hours.map_or(String::new(), |hours| format!(", {hours:.2} accelerator-hours"));
    let known = match lines.iter().all(|line| line.is_known) {
        true => "as in earlier runs",
        false => "from the length of the prompts and usual replies; thinking costs more",
    };
    let mut text = format!(
        "forecast: {calls:.0} calls, {:.0} thousand tokens, {cost}{hours} ({known})",
        tokens(lines) / 1000.0
    );
    let budget = &config.budget;
    let short = [
        budget.usd.zip(usd(lines)).filter(|(cap, usd)| usd > cap).map(|_| "dollars"),
        budget.tokens.filter(|cap| tokens(lines) > *cap as f64).map(|_| "tokens"),
    ];
    for what in short.into_iter().flatten() {
        text.push_str(&format!("\nwarning: the budget in {what} is likely to end the run early"));
    }
    text
}

fn usd(lines: &[Line]) -> Option<f64> {
    lines.iter().map(|line| line.usd).sum()
}

fn tokens(lines: &[Line]) -> f64 {
    lines.iter().map(|line| line.tokens).sum()
}

/// Runs of the same problem, the newest first.
async fn earlier(store: &Store, config: &RunConfig) -> Result<Vec<Run>, Failure> {
    let mut rows = store.reader().runs().await?;
    rows.sort_by_key(|row| std::cmp::Reverse(row.created_ms));
    let mut runs = Vec::new();
    for row in rows.into_iter().filter(|row| row.scale == config.scale) {
        let log = store.reader().load(&row.id).await?;
        // One that this version cannot read tells nothing.
        let Ok(run) = Run::replay(&row.id, &log) else { continue };
        // One that was left early paid for ideas that it does not have yet.
        let is_whole = matches!(run.status, Status::Finished(_)) && run.ideas.len() > 1;
        if run.config.problem == config.problem && is_whole {
            runs.push(run);
        }
        if runs.len() == LOOKED_AT {
            break;
        }
    }
    runs.retain(|run| is_alike(&run.config, config));
    Ok(runs)
}

/// Whether models were asked in the same way.
fn is_alike(one: &RunConfig, other: &RunConfig) -> bool {
    match (&one.llm, &other.llm) {
        (Some(one), Some(other)) => {
            one.replay.is_none()
                && (one.candidates, one.revisions, one.select, one.vocabulary)
                    == (other.candidates, other.revisions, other.select, other.vocabulary)
        }
        _ => false,
    }
}

fn history(runs: &[Run]) -> History {
    let mut history = History::default();
    for run in runs {
        history.ideas += run.ideas.len() as u64 - 1;
        for (asked, spent) in &run.spent {
            let habit = history.habits.entry(asked.clone()).or_default();
            habit.calls += spent.calls;
            habit.tokens += spent.tokens;
        }
    }
    history
}

/// Accelerator-hours of an experiment in earlier runs, times the experiments of this one.
fn accelerator_hours(runs: &[Run], config: &RunConfig) -> Option<f64> {
    let hours: f64 = runs.iter().map(Run::accelerator_hours).sum();
    let ended: usize = runs
        .iter()
        .map(|run| run.experiments.iter().filter(|e| e.state.is_terminal()).count())
        .sum();
    let verified = config.verify_seeds * (config.finalists + 1);
    let wanted = config.baseline_seeds + config.ideas() + verified;
    (ended > 0).then(|| hours / ended as f64 * f64::from(wanted))
}
