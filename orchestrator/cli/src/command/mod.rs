//! One file a subcommand.

pub(crate) mod checkout;
pub(crate) mod diff;
pub(crate) mod doctor;
pub(crate) mod lessons;
pub(crate) mod list;
pub(crate) mod logs;
pub(crate) mod patch;
pub(crate) mod problem;
pub(crate) mod resume;
pub(crate) mod run;
pub(crate) mod show;
pub(crate) mod stop;
pub(crate) mod transcripts;

use anyhow::anyhow;
use autores_domain::{IdeaId, IdeaRecord, Revision, Run, RunId, Status};
use autores_results::{Reader, lock};

use crate::exit::{Failure, OrExit};
use crate::home::Home;

/// The store, to be read.
pub(crate) async fn reader(home: &Home) -> Result<Reader, Failure> {
    if !home.database().exists() {
        return Err(anyhow!(
            "there are no runs in {}; start one with `autores run --problem pretrain`",
            home.path().display()
        ))
        .or_usage();
    }
    Reader::open(&home.database()).await.or_environment()
}

/// A run as its log tells it.
pub(crate) async fn load(home: &Home, run: &RunId) -> Result<Run, Failure> {
    let log = reader(home).await?.load(run).await?;
    if log.is_empty() {
        return Err(unknown_run(home, run).await);
    }
    Ok(Run::replay(run, &log)?)
}

async fn unknown_run(home: &Home, run: &RunId) -> Failure {
    let known = match reader(home).await {
        Ok(reader) => reader.runs().await.unwrap_or_default(),
        Err(failure) => return failure,
    };
    let names: Vec<String> = known.iter().take(5).map(|row| row.id.to_string()).collect();
    let error = match names.is_empty() {
        true => anyhow!("there is no run {run} in {}", home.path().display()),
        false => anyhow!(
            "there is no run {run} in {}; the latest are {}",
            home.path().display(),
            names.join(", ")
        ),
    };
    Failure { exit: crate::exit::Exit::Usage, error }
}

/// Whether a run that has not ended was left by its process without a word, as after `kill -9`.
pub(crate) fn is_interrupted(home: &Home, run: &Run) -> bool {
    match run.status {
        Status::Running | Status::Paused => is_free(home, &run.id),
        Status::Stopped(_) | Status::Finished(_) | Status::Failed(_) => false,
    }
}

/// Whether no process works on a run.
pub(crate) fn is_free(home: &Home, run: &RunId) -> bool {
    // A lock that cannot be looked at is not free.
    lock::acquire(home.path(), run, &run::owner()).is_ok()
}

/// An idea that came to a commit, by the text of its id, with its run.
pub(crate) async fn committed(home: &Home, text: &str) -> Result<(Run, IdeaId, Revision), Failure> {
    let id: IdeaId = text.parse().or_usage()?;
    let run = load(home, &id.run).await?;
    let record = idea(&run, &id)?;
    let revision = record
        .state
        .revision()
        .cloned()
        .ok_or_else(|| anyhow!("{id} has no commit: it is {}", record.state.name()))
        .or_usage()?;
    Ok((run, id, revision))
}

/// An idea of a run.
pub(crate) fn idea<'a>(run: &'a Run, id: &IdeaId) -> Result<&'a IdeaRecord, Failure> {
    run.ideas
        .get(id.number as usize)
        .ok_or_else(|| {
            anyhow!("run {} has ideas i0 to i{}, so no {id}", run.id, run.ideas.len() - 1)
        })
        .or_usage()
}
