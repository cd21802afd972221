//! `autores stop`, `pause` and `unpause`: requests that the process which owns the run takes up.

use std::time::{Duration, Instant};

use anyhow::anyhow;
use autores_domain::RunId;
use autores_results::lock::{self, LockError};
use autores_results::{Request, Store};

use crate::arguments::{RunName, StopOptions};
use crate::command::load;
use crate::command::run::owner;
use crate::exit::{Exit, OrExit, Outcome};
use crate::home::Home;
use crate::out::outln;
use crate::wiring;

/// How long the process that owns a run is given to take up a request.
const PATIENCE: Duration = Duration::from_secs(5);

pub(crate) async fn stop(home: &Home, options: StopOptions) -> Outcome {
    let what =
        if options.now { "is ending its jobs" } else { "stops once its running jobs have ended" };
    request(home, &options.run, Request::Stop { now: options.now }, what).await
}

pub(crate) async fn pause(home: &Home, options: RunName) -> Outcome {
    request(home, &options.run, Request::Pause, "starts no more jobs").await
}

pub(crate) async fn unpause(home: &Home, options: RunName) -> Outcome {
    request(home, &options.run, Request::Unpause, "starts jobs again").await
}

async fn request(home: &Home, run: &str, request: Request, what: &str) -> Outcome {
    let id: RunId = run.parse().or_usage()?;
    let run = load(home, &id).await?;
    if run.status.is_terminal() {
        outln!("{id} has {} already", run.status.name());
        return Ok(Exit::Done);
    }
    let owner = match lock::acquire(home.path(), &id, &owner()) {
        Err(LockError::Held { owner, .. }) => owner,
        Ok(_) => {
            return Err(anyhow!("no process works on {id}; `autores resume {id}` goes on with it"))
                .or_usage();
        }
        Err(error) => return Err(error).or_environment(),
    };
    let store = Store::open(&home.database(), wiring::now_ms).await.or_environment()?;
    let number = store.request(&id, request).await?;
    let since = Instant::now();
    let mut taken = false;
    while !taken && since.elapsed() < PATIENCE {
        tokio::time::sleep(Duration::from_millis(100)).await;
        taken = store.reader().is_taken(number).await?;
    }
    store.close().await?;
    let who = format!("{id} (process {} on {})", owner.pid, owner.host);
    match taken {
        true => outln!("{who} {what}"),
        false => outln!("{who} was asked, and has not answered yet; it may be preparing"),
    }
    Ok(Exit::Done)
}
