//! `autores logs`

use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, anyhow};
use autores_domain::{AttemptId, ExperimentId, ExperimentState};

use crate::arguments::LogsOptions;
use crate::command::{load, reader};
use crate::exit::{Exit, Failure, OrExit, Outcome};
use crate::home::Home;

pub(crate) async fn run(home: &Home, options: LogsOptions) -> Outcome {
    let id: ExperimentId = options.experiment.parse().or_usage()?;
    let run = load(home, &id.run).await?;
    let record = run
        .experiment(&id)
        .ok_or_else(|| {
            anyhow!("run {} has experiments e1 to e{}, so no {id}", run.id, run.experiments.len())
        })
        .or_usage()?;
    let number = match &record.state {
        ExperimentState::Queued { attempts, .. } => *attempts,
        ExperimentState::Running { attempt, .. }
        | ExperimentState::Measured { attempt, .. }
        | ExperimentState::Failed { attempt, .. } => attempt.number,
        ExperimentState::Cancelled { .. } => 0,
    };
    if number == 0 {
        return Err(anyhow!("{id} has not been started: it is {}", record.state.name())).or_usage();
    }
    let attempt = AttemptId { experiment: id, number };
    let folder = home.attempts(&run.id).join(attempt.local_name());
    if options.json {
        let points = reader(home).await?.metrics(&attempt).await?;
        if points.is_empty() {
            // A running attempt's metrics are not in the store yet.
            let text = std::fs::read_to_string(folder.join("metrics.jsonl")).unwrap_or_default();
            print!("{text}");
        }
        for point in points {
            println!("{}", serde_json::to_string(&point)?);
        }
        return Ok(Exit::Done);
    }
    show(&folder, options.follow).await
}

/// Prints the output; while the attempt runs and that is wanted, what is added to it too.
async fn show(folder: &Path, follow: bool) -> Outcome {
    let path = folder.join("output.log");
    let mut offset = 0;
    loop {
        // Looked at before the file, so that nothing written before the end is missed.
        let ended = folder.join("exit.json").exists();
        offset = print_from(&path, offset)?;
        if !follow || ended {
            return Ok(Exit::Done);
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
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
