//! The parts of a run that think: ideator, implementer and distiller, with or without language models.

use std::path::Path;
use std::sync::Arc;

use anyhow::anyhow;
use autores_domain::{
    Budget, CallKey, Codebase, Distiller, Ideator, Implementer, LlmConfig, ModelName, Problem,
    Replay, Run, RunConfig, RunId, Spent, TranscriptError, Transcripts, Workspace,
};
use autores_executor::guard::Rules;
use autores_ideators::distiller::LlmDistiller;
use autores_ideators::ideator::{CatalogueIdeator, LlmIdeator};
use autores_ideators::implementer::{CatalogueImplementer, LlmImplementer};
use autores_ideators::knowledge::Knowledge;
use autores_ideators::llm::{Client, ClientSetup};
use autores_results::TranscriptFolder;
use autores_templates::problems::ProblemSource;
use autores_templates::settings::Settings;

use super::{Ready, gate, now_ms};
use crate::exit::{Failure, OrExit};
use crate::home::Home;
use crate::models;

/// Ideator, implementer and distiller.
pub(crate) struct Thinking {
    pub(crate) ideator: Arc<dyn Ideator>,
    pub(crate) implementer: Arc<dyn Implementer>,
    pub(crate) distiller: Option<Arc<dyn Distiller>>,
}

/// The parts that think, as the run's configuration wants them.
pub(crate) fn thinking(
    home: &Home,
    run: &RunId,
    config: &RunConfig,
    found: &ProblemSource,
    ready: &Ready,
    client: Option<Client>,
) -> Result<Thinking, Failure> {
    let catalogue = Arc::new(found.catalogue.clone());
    let Some((llm, client)) = config.llm.as_ref().zip(client) else {
        return Ok(Thinking {
            ideator: Arc::new(CatalogueIdeator::new(catalogue.clone())),
            implementer: Arc::new(CatalogueImplementer::new(catalogue)),
            distiller: None,
        });
    };
    let knowledge = Arc::new(knowledge(config, llm, found, ready)?);
    let gate = Arc::new(gate(home, ready, home.runs(), run, &config.scale)?);
    Ok(Thinking {
        ideator: Arc::new(LlmIdeator::new(client.clone(), knowledge.clone(), LlmIdeator::AT_ONCE)),
        implementer: Arc::new(LlmImplementer::new(client.clone(), knowledge.clone(), gate)),
        distiller: Some(Arc::new(LlmDistiller::new(client, knowledge))),
    })
}

/// What models are told of the problem.
pub(crate) fn knowledge(
    config: &RunConfig,
    llm: &LlmConfig,
    found: &ProblemSource,
    ready: &Ready,
) -> Result<Knowledge, Failure> {
    let rules = Rules::new(&ready.problem.editable, &ready.problem.frozen).or_usage()?;
    let code: Codebase = ready.workspace.codebase().clone();
    Knowledge::new(
        ready.problem.clone(),
        &config.scale,
        code,
        Box::new(move |path| rules.check(path).is_ok()),
        Arc::new(found.catalogue.clone()),
        llm.clone(),
        config.seed,
    )
    .or_usage()
}

/// What asks the run's models; `None` in a run without.
pub(crate) fn client(
    home: &Home,
    run: &RunId,
    config: &RunConfig,
    problem: &Problem,
    settings: Option<&Path>,
    already_spent: Spent,
) -> Result<Option<Client>, Failure> {
    let Some(llm) = &config.llm else { return Ok(None) };
    let recorded = llm.replay.as_ref().map(|replay| TranscriptFolder::of(home.path(), &replay.run));
    let settings = models::settings(settings)?;
    refuse_keys(problem, &settings)?;
    let client = Client::new(ClientSetup {
        settings,
        budget: config.budget,
        already_spent,
        transcripts: Arc::new(TranscriptFolder::of(home.path(), run)),
        recorded: recorded.map(|folder| Arc::new(folder) as _),
        environment: Arc::new(models::environment),
        now_ms,
        seed: config.seed,
    })
    .or_environment()?;
    let asked: Vec<&ModelName> = llm
        .roles
        .values()
        .flatten()
        .map(|weighted| &weighted.model)
        .chain(&llm.embedding)
        .collect();
    client.check(asked.iter().copied()).or_environment()?;
    client.check_prices(asked.iter().copied()).or_usage()?;
    Ok(Some(client))
}

/// An experiment runs code that a model wrote, so it must not see what a model is asked with.
fn refuse_keys(problem: &Problem, settings: &Settings) -> Result<(), Failure> {
    let keys = settings.providers.values().filter_map(|provider| provider.key_variable.as_ref());
    match keys.into_iter().find(|key| problem.env.contains(key)) {
        Some(key) => Err(anyhow!(
            "problem {} hands {key} to its experiments, and that variable holds a key; take it out of its env",
            problem.name
        ))
        .or_usage(),
        None => Ok(()),
    }
}

/// A client that belongs to no run: it keeps nothing and has no budget.
pub(crate) fn passing_client(settings: Option<&Path>) -> Result<Client, Failure> {
    struct Nowhere;
    impl Transcripts for Nowhere {
        fn find(&self, _: &CallKey) -> Result<Option<Vec<u8>>, TranscriptError> {
            Ok(None)
        }
        fn keep(&self, _: &CallKey, _: &[u8]) -> Result<(), TranscriptError> {
            Ok(())
        }
        fn keys(&self) -> Result<Vec<CallKey>, TranscriptError> {
            Ok(Vec::new())
        }
    }
    Client::new(ClientSetup {
        settings: models::settings(settings)?,
        budget: Budget::default(),
        already_spent: Spent::default(),
        transcripts: Arc::new(Nowhere),
        recorded: None,
        environment: Arc::new(models::environment),
        now_ms,
        seed: 0,
    })
    .or_environment()
}

/// The configuration with which another run is repeated.
pub(crate) fn repeated(home: &Home, other: &Run) -> Result<RunConfig, Failure> {
    let mut config = other.config.clone();
    let Some(llm) = &mut config.llm else {
        return Err(anyhow!(
            "{} asked no model, so it has no replies to repeat; a run with the same settings, --seed {} and \
             --barrier has the same ideas",
            other.id,
            config.seed
        ))
        .or_usage();
    };
    let recorded = TranscriptFolder::of(home.path(), &other.id);
    if recorded.keys()?.is_empty() {
        return Err(anyhow!(
            "the transcripts of {} are not there, so it cannot be repeated: they are in {} unless they were left out",
            other.id,
            recorded.path().display()
        ))
        .or_usage();
    }
    let briefs = other.briefs.len() as u32;
    llm.replay = Some(Replay { run: other.id.clone(), briefs });
    // What is not paid for needs no limit.
    config.budget.usd = None;
    config.budget.tokens = None;
    config.budget.accelerator_hours = None;
    Ok(config)
}
