//! The client of language models, for tests that ask a server themselves.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use autores_domain::{Budget, CallKey, ModelName, Role, TranscriptError, Transcripts};
use autores_ideators::llm::{CallError, Client, ClientSetup, Reply, Request};
use autores_templates::settings::Settings;

/// Keeps transcripts as long as the test runs.
#[derive(Default)]
struct Kept(Mutex<BTreeMap<CallKey, Vec<u8>>>);

impl Transcripts for Kept {
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

/// A client, one model that it asks, and what it runs on.
pub(crate) struct Asker {
    pub(crate) client: Client,
    pub(crate) model: ModelName,
    pub(crate) runtime: tokio::runtime::Runtime,
}

impl Asker {
    /// Asks the model of a provider, whose address the variable says.
    pub(crate) fn new(provider: &str, model: &str, variable: &'static str, base_url: &str) -> Self {
        let base_url = base_url.to_owned();
        let setup = ClientSetup {
            settings: Settings::built_in().unwrap(),
            already_spent: autores_domain::Spent::default(),
            budget: Budget::default(),
            transcripts: Arc::new(Kept::default()),
            recorded: None,
            environment: Arc::new(move |name| (name == variable).then(|| base_url.clone())),
            now_ms: || 0,
            seed: 7,
        };
        Self {
            client: Client::new(setup).unwrap(),
            model: format!("{provider}/{model}").parse().unwrap(),
            runtime: tokio::runtime::Runtime::new().unwrap(),
        }
    }

    pub(crate) fn ask(&self, key: &str, request: &Request) -> Result<Reply, CallError> {
        let key = key.parse().unwrap();
        let asked = self.client.ask(&key, Role::Ideator, &self.model, request);
        self.runtime.block_on(asked).result
    }

    pub(crate) fn embed(&self, key: &str, texts: &[&str]) -> Vec<Vec<f32>> {
        let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
        let key = key.parse().unwrap();
        let asked = self.client.embed(&key, &self.model, &texts);
        self.runtime.block_on(asked).result.unwrap()
    }
}
