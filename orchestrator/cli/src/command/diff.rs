//! `autores diff`

use std::io::Write;

use anyhow::anyhow;
use autores_domain::IdeaId;
use autores_executor::workspace;
use serde_json::json;

use crate::arguments::IdeaOptions;
use crate::command::{idea, load};
use crate::exit::{Exit, OrExit, Outcome};
use crate::home::Home;
use crate::out::outln;
use crate::wiring;

pub(crate) async fn run(home: &Home, options: IdeaOptions) -> Outcome {
    let id: IdeaId = options.idea.parse().or_usage()?;
    let run = load(home, &id.run).await?;
    let record = idea(&run, &id)?;
    let revision = record
        .state
        .revision()
        .ok_or_else(|| anyhow!("{id} has no commit: it is {}", record.state.name()))
        .or_usage()?;
    let repository = wiring::repository(home, &run)?;
    let diff = workspace::diff(&repository, &run.base.commit, &revision.commit)?;
    if options.json {
        let shown =
            json!({ "idea": id, "base": run.base.commit, "commit": revision.commit, "diff": diff });
        outln!("{}", serde_json::to_string_pretty(&shown)?);
    } else {
        // `autores diff … | head` closes the pipe early; that is no failure.
        let _ = std::io::stdout().write_all(diff.as_bytes());
    }
    Ok(Exit::Done)
}
