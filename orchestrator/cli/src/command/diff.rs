//! `autores diff`

use std::io::Write;

use autores_executor::workspace;
use serde_json::json;

use crate::arguments::IdeaOptions;
use crate::command::committed;
use crate::exit::{Exit, Outcome};
use crate::home::Home;
use crate::out::outln;
use crate::wiring;

pub(crate) async fn run(home: &Home, options: IdeaOptions) -> Outcome {
    let (run, id, revision) = committed(home, &options.idea).await?;
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
