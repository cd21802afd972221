//! `autores checkout`

use std::path::PathBuf;

use anyhow::anyhow;
use autores_domain::IdeaId;
use autores_executor::workspace;

use crate::arguments::CheckoutOptions;
use crate::command::{idea, load};
use crate::exit::{Exit, OrExit, Outcome};
use crate::home::Home;
use crate::wiring;

pub(crate) async fn run(home: &Home, options: CheckoutOptions) -> Outcome {
    let id: IdeaId = options.idea.parse().or_usage()?;
    let run = load(home, &id.run).await?;
    let record = idea(&run, &id)?;
    let revision = record
        .state
        .revision()
        .ok_or_else(|| anyhow!("{id} has no commit: it is {}", record.state.name()))
        .or_usage()?;
    let folder =
        options.directory.unwrap_or_else(|| PathBuf::from(format!("{}-i{}", id.run, id.number)));
    let (repository, prefix) = wiring::located(home, &run)?;
    workspace::export(&repository, &prefix, &revision.commit, &folder)?;
    println!("{id} is in {}", folder.display());
    Ok(Exit::Done)
}
