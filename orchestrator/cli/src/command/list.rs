//! `autores list`

use crate::arguments::ListOptions;
use crate::command::{is_free, reader};
use crate::exit::{Exit, Outcome};
use crate::home::Home;
use crate::out::outln;
use crate::table;

pub(crate) async fn run(home: &Home, options: ListOptions) -> Outcome {
    let mut runs = match home.database().exists() {
        true => reader(home).await?.runs().await?,
        false => Vec::new(),
    };
    for run in &mut runs {
        let has_owner = ["running", "paused"].contains(&run.status.as_str());
        if has_owner && is_free(home, &run.id) {
            run.status = "interrupted".into();
        }
    }
    if options.json {
        outln!("{}", serde_json::to_string_pretty(&runs)?);
        return Ok(Exit::Done);
    }
    if runs.is_empty() {
        outln!(
            "no runs in {}; start one with `autores run --problem pretrain`",
            home.path().display()
        );
        return Ok(Exit::Done);
    }
    let mut rows = table::table(&[
        "run",
        "problem",
        "scale",
        "status",
        "ideas",
        "measured",
        "failed",
        "best reward",
        "started (UTC)",
    ]);
    for run in runs {
        rows.add_row([
            run.id.to_string(),
            run.problem,
            run.scale,
            run.status,
            run.ideas.to_string(),
            run.measured.to_string(),
            run.failed.to_string(),
            run.best_reward.map_or(String::new(), |reward| format!("{reward:.5}")),
            table::time(run.created_ms),
        ]);
    }
    table::print(&rows);
    Ok(Exit::Done)
}
