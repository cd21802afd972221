//! The client: one for a run, shared by all that ask.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};

use autores_domain::{Budget, CallKey, ModelName, Role, Spent, Transcripts};
use autores_templates::settings::{Model, Settings};
use tokio::sync::Mutex as Queue;

use super::call::Form;
use super::caller::Stop;
use super::kept::read_books;
use super::lane::{Connections, Lane};
use super::measure::Measure;
use super::meter::Meter;
use super::provider::Embeddings;
use super::request::{Asked, Ping, Reply, Request, Turn, Who};
use super::transcript;
use super::{CallError, SetupError};

/// Tokens of prompt and reply where nobody says how many a model takes.
pub(crate) const USUAL_CONTEXT: u64 = 32_768;

/// Tokens of a reply where nobody says how many a model gives.
pub(crate) const USUAL_REPLY: u64 = 8_192;

/// The value of an environment variable.
pub type Environment = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// What a client needs to know.
#[derive(Clone)]
pub struct ClientSetup {
    /// Providers and models.
    pub settings: Settings,
    /// What calls may cost.
    pub budget: Budget,
    /// What the run's log tells of calls before. Whichever is more counts as spent: this, or what the transcripts tell.
    pub already_spent: Spent,
    /// Where the words of calls are kept.
    pub transcripts: Arc<dyn Transcripts>,
    /// The transcripts of a run that is repeated: every answer comes from there, and nothing is sent.
    pub recorded: Option<Arc<dyn Transcripts>>,
    /// Values of environment variables by name.
    pub environment: Environment,
    /// Milliseconds since 1970 (UTC).
    pub now_ms: fn() -> i64,
    /// Seed of the waits between tries.
    pub seed: u64,
}

/// Asks models. Cheap to clone; clones share budget, limits and connections.
#[derive(Clone)]
pub struct Client {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) settings: Settings,
    pub(crate) lanes: BTreeMap<String, Lane>,
    pub(crate) meter: Arc<Meter>,
    pub(crate) measure: Measure,
    pub(crate) now_ms: fn() -> i64,
    pub(crate) seed: u64,
    pub(crate) transcripts: Arc<dyn Transcripts>,
    pub(crate) recorded: Option<Arc<dyn Transcripts>>,
    pub(crate) stop: Stop,
    // The same key is the same call, even when it is asked twice at a time.
    pub(crate) open: Mutex<BTreeMap<CallKey, Arc<Queue<()>>>>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("spent", &self.spent()).finish_non_exhaustive()
    }
}

impl Client {
    /// Reads the calls made so far, which count as spent. Blocking: it reads the transcripts.
    ///
    /// # Errors
    /// If an address is none, or the transcripts cannot be listed. Missing keys are no error here: see
    /// [`Client::check`]; nor is a transcript that is damaged, which is not counted.
    pub fn new(setup: ClientSetup) -> Result<Self, SetupError> {
        let mut connections = Connections::default();
        let mut lanes = BTreeMap::new();
        for (name, provider) in &setup.settings.providers {
            let lane = Lane::new(name, provider, setup.environment.as_ref(), &mut connections)?;
            lanes.insert(name.clone(), lane);
        }
        let meter = Meter::new(setup.budget);
        let measure = Measure::default();
        read_books(setup.transcripts.as_ref(), &meter, &measure)?;
        meter.raise(setup.already_spent);
        Ok(Self {
            inner: Arc::new(Inner {
                settings: setup.settings,
                lanes,
                meter: Arc::new(meter),
                measure,
                now_ms: setup.now_ms,
                seed: setup.seed,
                transcripts: setup.transcripts,
                recorded: setup.recorded,
                stop: Stop::default(),
                open: Mutex::default(),
            }),
        })
    }

    /// Whether these models can be asked: their providers are known and have what they need.
    ///
    /// # Errors
    /// For the first that cannot.
    pub fn check<'a>(
        &self,
        models: impl IntoIterator<Item = &'a ModelName>,
    ) -> Result<(), SetupError> {
        if self.inner.recorded.is_some() {
            return Ok(());
        }
        for model in models {
            let Some(lane) = self.inner.lanes.get(model.provider()) else {
                return Err(SetupError::Provider {
                    model: model.clone(),
                    known: self.inner.known(),
                });
            };
            lane.check()?;
        }
        Ok(())
    }

    /// Whether a budget in dollars can be kept with these models; without such a budget it can.
    ///
    /// # Errors
    /// For the first that has no price.
    pub fn check_prices<'a>(
        &self,
        models: impl IntoIterator<Item = &'a ModelName>,
    ) -> Result<(), SetupError> {
        let capped = self.inner.meter.caps_dollars() && self.inner.recorded.is_none();
        match models.into_iter().find(|model| self.inner.price(model).is_none()) {
            Some(model) if capped => Err(SetupError::Price { model: model.clone() }),
            Some(_) | None => Ok(()),
        }
    }

    /// Asks, with as many tries as the provider is given. An answer that was kept under the key is given again.
    ///
    /// What was sent is paid for: where nobody waits any more, the answer is kept all the same, and nothing else is sent.
    pub async fn ask(
        &self,
        key: &CallKey,
        role: Role,
        model: &ModelName,
        request: &Request,
    ) -> Asked<Reply> {
        let form = Form { protocol: None, answer: |gathered, tokens, _| gathered.reply(tokens) };
        self.call(key, role, model, request, form).await
    }

    /// Embeds texts, in their order. The call counts as the ideator's.
    pub async fn embed(
        &self,
        key: &CallKey,
        model: &ModelName,
        texts: &[String],
    ) -> Asked<Vec<Vec<f32>>> {
        let turns = texts.iter().map(|text| Turn { who: Who::User, text: text.clone() }).collect();
        let request = Request { turns, ..Request::default() };
        let form = Form {
            protocol: Some(&Embeddings),
            answer: |gathered, _, request| gathered.vectors(request.turns.len()),
        };
        self.call(key, Role::Ideator, model, &request, form).await
    }

    /// Asks for one token, once. Keeps no transcript and counts for no budget.
    ///
    /// # Errors
    /// If the model does not answer.
    pub async fn ping(&self, model: &ModelName) -> Result<Ping, CallError> {
        self.inner.ping(model).await
    }

    /// Ends the asking, for all clones and for good. What was sent is waited for and kept. No other call, try or wait
    /// is begun: [`CallError::Stopping`] is the answer.
    pub fn stop_asking(&self) {
        self.inner.stop.stop();
    }

    /// What all calls of the run have cost, those before a restart included.
    pub fn spent(&self) -> Spent {
        self.inner.meter.spent()
    }

    /// The model that answered under the key, if one did: to ask it again costs nothing.
    pub async fn answered_by(&self, key: &CallKey, role: Role) -> Option<ModelName> {
        let from = self.inner.recorded.as_ref().unwrap_or(&self.inner.transcripts);
        let found = transcript::find::<Request, serde_json::Value>(from, key).await.ok()??;
        let call = found.call;
        (call.role == role && found.reply.is_some()).then_some(call.model)
    }

    /// Whether all answers come from the transcripts of another run.
    pub fn is_repeating(&self) -> bool {
        self.inner.recorded.is_some()
    }

    /// Sets what calls may cost from now on.
    pub fn set_budget(&self, budget: Budget) {
        self.inner.meter.set_budget(budget);
    }

    /// What is known of the model, with `context` and `max_output` always there: from the settings, else from its
    /// provider, else cautious.
    pub async fn model(&self, model: &ModelName) -> Model {
        if self.inner.recorded.is_none() {
            self.inner.look_up(model).await;
        }
        let known = self.inner.known_model(model);
        let context = known.context.unwrap_or(USUAL_CONTEXT);
        let max_output = known.max_output.unwrap_or(USUAL_REPLY.min(context / 2));
        Model { context: Some(context), max_output: Some(max_output), ..known }
    }

    /// Tokens that the model makes of a byte, measured on its calls so far; before that, more than is usual.
    pub fn tokens_per_byte(&self, model: &ModelName) -> f64 {
        self.inner.measure.tokens_per_byte(model)
    }

    /// Whether replies of the model can be held to a schema.
    pub fn takes_schema(&self, model: &ModelName) -> bool {
        self.inner.lanes.get(model.provider()).is_some_and(|lane| lane.settings.json_schema)
    }

    /// Whether the model's provider gives log-probabilities.
    pub fn gives_logprobs(&self, model: &ModelName) -> bool {
        self.inner.lanes.get(model.provider()).is_some_and(|lane| lane.settings.logprobs)
    }
}

impl Inner {
    /// The names of the providers.
    pub(crate) fn known(&self) -> String {
        self.lanes.keys().map(String::as_str).collect::<Vec<_>>().join(", ")
    }

    /// What the settings say of the model, completed by what its provider said.
    pub(crate) fn known_model(&self, model: &ModelName) -> Model {
        let known = self.settings.models.get(model).cloned().unwrap_or_default();
        let learnt =
            self.lanes.get(model.provider()).map(|lane| lane.learnt(model)).unwrap_or_default();
        Model {
            // What a server said when it refused a prompt is nearer to the truth than the settings.
            context: match (known.context, learnt.limits.context) {
                (Some(said), Some(learnt)) => Some(said.min(learnt)),
                (said, learnt) => said.or(learnt),
            },
            max_output: known.max_output.or(learnt.limits.max_output),
            ..known
        }
    }
}
