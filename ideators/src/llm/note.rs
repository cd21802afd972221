//! What was decided over answers, kept beside them, so that a restart and a repetition decide the same. A note is no call:
//! nothing is sent for it, and it costs nothing.

use autores_domain::{Call, CallKey, ModelName, Role, Tokens};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::CallError;
use super::client::Client;
use super::transcript::{self, Transcript};

impl Client {
    /// Keeps a decision, of which the model's answers were the reason. It is durable when this returns.
    pub(crate) async fn note<T: Serialize>(
        &self,
        key: &CallKey,
        role: Role,
        model: &ModelName,
        decision: T,
    ) -> Result<(), CallError> {
        let call = Call {
            key: key.clone(),
            round: 0,
            role,
            model: model.clone(),
            tokens: Tokens::default(),
            usd: None,
            latency_ms: 0,
            error: None,
        };
        let note = Transcript {
            call,
            at_ms: (self.inner.now_ms)(),
            request: Value::Null,
            reply: Some(decision),
            error: None,
            tries: Vec::new(),
            earlier: Vec::new(),
        };
        transcript::keep(&self.inner.transcripts, &note).await
    }

    /// The decision under the key, where one was kept: in the run that is repeated, if one is, else in this one.
    pub(crate) async fn noted<T: DeserializeOwned>(&self, key: &CallKey) -> Option<T> {
        let from = self.inner.recorded.as_ref().unwrap_or(&self.inner.transcripts);
        transcript::find::<Value, T>(from, key).await.ok()??.reply
    }

    /// Whether the run that is repeated has anything under keys that begin like this.
    pub(crate) async fn has_recorded(&self, start: &str) -> bool {
        let Some(recorded) = self.inner.recorded.clone() else { return false };
        let start = start.to_owned();
        let listed = tokio::task::spawn_blocking(move || {
            let keys = recorded.keys().unwrap_or_default();
            keys.iter().any(|key| key.as_str().starts_with(&start))
        });
        listed.await.unwrap_or(false)
    }
}
