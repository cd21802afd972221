//! `autores resume`

use anyhow::anyhow;
use autores_domain::{Event, RunId, Status};
use autores_results::lock;

use crate::arguments::ResumeOptions;
use crate::command::load;
use crate::command::run::{owner, tell, work};
use crate::exit::{OrExit, Outcome};
use crate::home::Home;
use crate::progress::Progress;
use crate::{models, wiring};

pub(crate) async fn run(home: &Home, options: ResumeOptions) -> Outcome {
    let id: RunId = options.run.parse().or_usage()?;
    // Before the store is opened for writing, which would make one where there is none.
    load(home, &id).await?;
    let _lock = lock::acquire(home.path(), &id, &owner()).or_environment()?;
    let store = wiring::store(home).await?;
    let run = wiring::replay(&id, &store.reader().load(&id).await?)?;
    if run.status.is_terminal() {
        return tell(home, &run, options.json);
    }
    // Requests to a process that is gone are not for this one.
    if let Some(last) = store.reader().pending_requests(&id).await?.last() {
        store.take_requests(&id, last.id).await?;
    }
    let progress = Progress::new(options.json);
    progress.say(&format!(
        "going on with {id}: {} running, {} experiments so far",
        run.running().count(),
        run.experiments.len()
    ));
    let found = wiring::problem(&run.config.problem)?;
    let ready = wiring::prepare(
        home,
        &found,
        &run.problem,
        &run.config.scale,
        run.config.slots,
        Some(&run.base),
        &progress,
    )
    .await?;
    let inputs = wiring::inputs(&ready);
    for (what, before) in &run.inputs {
        let now = inputs.get(what).map_or("nothing", String::as_str);
        if now != before {
            return Err(anyhow!(
                "the {what} of {id} was {before} and is now {now}: its results would not be comparable; \
                 bring back what changed (requirements, Python, variables or data), or start a new run"
            ))
            .or_usage();
        }
    }
    if run.status == Status::Paused {
        progress.say(&format!("{id} is paused; `autores unpause {id}` lets it start jobs"));
    }
    let mut config = run.config.clone();
    config.budget = models::budget(config.budget, &options.budget);
    let settings = options.settings.or_else(|| models::settings_of(home, &id));
    let client =
        wiring::client(home, &id, &config, &run.problem, settings.as_deref(), run.spent())?;
    let parts = wiring::parts(home, &id, &config, &found, &ready, store.clone(), client).await?;
    let changed = (config.budget != run.config.budget)
        .then_some(Event::BudgetChanged { budget: config.budget });
    work(home, run, parts, store, progress, changed, options.json).await
}
