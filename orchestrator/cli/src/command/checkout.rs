//! `autores checkout`

use std::path::PathBuf;

use autores_executor::workspace;

use crate::arguments::CheckoutOptions;
use crate::command::committed;
use crate::exit::{Exit, Outcome};
use crate::home::Home;
use crate::out::outln;
use crate::wiring;

pub(crate) async fn run(home: &Home, options: CheckoutOptions) -> Outcome {
    let (run, id, revision) = committed(home, &options.idea).await?;
    let folder =
        options.directory.unwrap_or_else(|| PathBuf::from(format!("{}-i{}", id.run, id.number)));
    let (repository, prefix) = wiring::located(home, &run)?;
    workspace::export(&repository, &prefix, &revision.commit, &folder)?;
    outln!("{id} is in {}", folder.display());
    Ok(Exit::Done)
}
