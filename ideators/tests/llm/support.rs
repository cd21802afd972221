//! What the tests of the client share.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use autores_domain::{Budget, CallKey, ModelName, Role, Spent, TranscriptError, Transcripts};
use autores_ideators::llm::{Asked, Client, ClientSetup, Reply, Request};
use autores_templates::settings::{Api, Model, Price, Provider, Settings};

pub(crate) const KEY: &str = "sk-test-0123456789abcdef";

/// Transcripts in memory.
#[derive(Debug, Default)]
pub(crate) struct Memory(Mutex<BTreeMap<CallKey, Vec<u8>>>);

impl Memory {
    /// All that was kept, as text.
    pub(crate) fn text(&self) -> String {
        let kept = self.0.lock().unwrap();
        kept.values().map(|bytes| String::from_utf8(bytes.clone()).unwrap()).collect()
    }

    pub(crate) fn json(&self, at: &str) -> serde_json::Value {
        serde_json::from_slice(&self.find(&key(at)).unwrap().unwrap()).unwrap()
    }
}

impl Transcripts for Memory {
    fn find(&self, key: &CallKey) -> Result<Option<Vec<u8>>, TranscriptError> {
        Ok(self.0.lock().unwrap().get(key).cloned())
    }

    fn keep(&self, key: &CallKey, transcript: &[u8]) -> Result<(), TranscriptError> {
        self.0.lock().unwrap().insert(key.clone(), transcript.to_vec());
        Ok(())
    }

    fn keys(&self) -> Result<Vec<CallKey>, TranscriptError> {
        Ok(self.0.lock().unwrap().keys().cloned().collect())
    }
}

pub(crate) fn key(text: &str) -> CallKey {
    text.parse().unwrap()
}

pub(crate) fn model() -> ModelName {
    "test/m".parse().unwrap()
}

pub(crate) fn provider(base_url: &str) -> Provider {
    Provider {
        api: Api::OpenaiChat,
        default_model: None,
        base_url: base_url.to_owned(),
        base_url_variable: None,
        key_variable: Some("TEST_KEY".to_owned()),
        key_file: None,
        needs_key: true,
        concurrency: 16,
        requests_per_minute: None,
        tokens_per_minute: None,
        timeout_s: 5,
        stall_s: 1,
        tries: 2,
        stream: false,
        json_schema: true,
        logprobs: true,
    }
}

/// What a test changes of a client.
pub(crate) struct Setup {
    pub(crate) provider: Provider,
    pub(crate) model: Model,
    pub(crate) budget: Budget,
    pub(crate) already_spent: Spent,
    pub(crate) transcripts: Arc<Memory>,
    pub(crate) recorded: Option<Arc<Memory>>,
    pub(crate) environment: BTreeMap<String, String>,
}

impl Setup {
    pub(crate) fn at(base_url: &str) -> Self {
        Self {
            provider: provider(base_url),
            model: Model {
                context: Some(100_000),
                max_output: Some(1000),
                price: Some(Price { input: 1.0, cached_input: 0.1, output: 10.0 }),
                ..Model::default()
            },
            budget: Budget::default(),
            already_spent: Spent::default(),
            transcripts: Arc::default(),
            recorded: None,
            environment: [("TEST_KEY".to_owned(), KEY.to_owned())].into(),
        }
    }

    pub(crate) fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    pub(crate) fn client_setup(&self) -> ClientSetup {
        let environment = self.environment.clone();
        ClientSetup {
            settings: Settings {
                providers: [("test".to_owned(), self.provider.clone())].into(),
                models: [(model(), self.model.clone())].into(),
                ..Settings::default()
            },
            budget: self.budget,
            already_spent: self.already_spent,
            transcripts: self.transcripts.clone(),
            recorded: self.recorded.clone().map(|recorded| recorded as Arc<dyn Transcripts>),
            environment: Arc::new(move |name| environment.get(name).cloned()),
            now_ms: || 1_000,
            seed: 1,
        }
    }

    pub(crate) fn client(&self) -> Client {
        Client::new(self.client_setup()).unwrap()
    }
}

pub(crate) fn question() -> Request {
    Request::new("You answer.", "What is tried next?")
}

pub(crate) async fn ask(client: &Client, at: &str) -> Asked<Reply> {
    client.ask(&key(at), Role::Ideator, &model(), &question()).await
}
