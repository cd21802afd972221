//! `autores logs`

use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, anyhow};
use autores_domain::{AttemptId, ExperimentId, ExperimentState};
use autores_executor::attempt::AttemptFolder;

use crate::arguments::LogsOptions;
use crate::command::{load, reader};
use crate::exit::{Exit, Failure, OrExit, Outcome};
use crate::home::Home;
use crate::out::{out, outln};

pub(crate) async fn run(home: &Home, options: LogsOptions) -> Outcome {
    let id: ExperimentId = options.experiment.parse().or_usage()?;
    let (attempt, state) = current(home, &id).await?;
    let Some(attempt) = attempt else {
        return Err(anyhow!("{id} has not been started: it is {state}")).or_usage();
    };
    if options.json {
        return metrics(home, &attempt).await;
    }
    let folder =
        |attempt: &AttemptId| AttemptFolder::at(home.attempts(&id.run).join(attempt.local_name()));
    let (mut attempt, mut offset) = (attempt, 0);
    loop {
        // Looked at before the file, so that nothing written before the end is missed.
        let goes_on = options.follow && folder(&attempt).is_supervised();
        offset = print_from(&folder(&attempt).output(), offset)?;
        if !goes_on {
            let (latest, _) = current(home, &id).await?;
            match latest.filter(|latest| *latest != attempt && options.follow) {
                Some(latest) => {
                    outln!("=== attempt {latest}");
                    (attempt, offset) = (latest, 0);
                }
                None => break,
            }
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    if offset == 0 {
        eprintln!("{attempt} printed nothing; `autores show {id}` says how it ended");
    }
    Ok(Exit::Done)
}

/// The experiment's last attempt, if there is one, and the word for its state.
async fn current(
    home: &Home,
    id: &ExperimentId,
) -> Result<(Option<AttemptId>, &'static str), Failure> {
    let run = load(home, &id.run).await?;
    let record = run
        .experiment(id)
        .ok_or_else(|| {
            anyhow!("run {} has experiments e1 to e{}, so no {id}", run.id, run.experiments.len())
        })
        .or_usage()?;
    let attempt = match &record.state {
        ExperimentState::Queued { attempts: 0, .. } | ExperimentState::Cancelled { .. } => None,
        ExperimentState::Queued { attempts, .. } => {
            Some(AttemptId { experiment: id.clone(), number: *attempts })
        }
        ExperimentState::Running { attempt, .. }
        | ExperimentState::Measured { attempt, .. }
        | ExperimentState::Failed { attempt, .. } => Some(attempt.clone()),
    };
    Ok((attempt, record.state.name()))
}

async fn metrics(home: &Home, attempt: &AttemptId) -> Outcome {
    let points = reader(home).await?.metrics(attempt).await?;
    if points.is_empty() {
        // A running attempt's metrics are not in the store yet.
        let run = home.attempts(&attempt.experiment.run);
        let folder = AttemptFolder::at(run.join(attempt.local_name()));
        out!("{}", std::fs::read_to_string(folder.metrics()).unwrap_or_default());
    }
    for point in points {
        outln!("{}", serde_json::to_string(&point)?);
    }
    Ok(Exit::Done)
}

fn print_from(path: &Path, offset: u64) -> Result<u64, Failure> {
    let mut file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(offset),
        Err(error) => {
            return Err(error)
                .with_context(|| format!("cannot read {}", path.display()))
                .or_environment();
        }
    };
    // The file is rewritten shorter where its middle is left out.
    let offset = offset.min(file.metadata()?.len());
    file.seek(SeekFrom::Start(offset))?;
    let mut text = Vec::new();
    let read = file.read_to_end(&mut text)?;
    let mut out = std::io::stdout();
    let _ = out.write_all(&text).and_then(|()| out.flush());
    Ok(offset + read as u64)
}
