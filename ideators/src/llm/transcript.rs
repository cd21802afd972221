//! What was said in a call, as it is kept: the question, the answer or the error, and every try. Never a key.

use std::sync::Arc;

use autores_domain::{Call, CallKey, Tokens, TranscriptError, Transcripts};
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::CallError;

/// A call with its words.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Transcript<Q, A> {
    pub(crate) call: Call,
    /// When it was over, in milliseconds since 1970 (UTC).
    pub(crate) at_ms: i64,
    pub(crate) request: Q,
    #[serde(default = "none", skip_serializing_if = "Option::is_none")]
    pub(crate) reply: Option<A>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<CallError>,
    pub(crate) tries: Vec<Try>,
    /// Calls under the same key that had no answer. They were paid too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) earlier: Vec<Call>,
}

fn none<A>() -> Option<A> {
    None
}

/// One time that the question was sent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Try {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) status: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<String>,
    pub(crate) latency_ms: u64,
    pub(crate) tokens: Tokens,
    /// Whether the provider did not say how many tokens it took, so that they are estimated.
    #[serde(default)]
    pub(crate) estimated: bool,
    /// The provider's own name for the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) id: Option<String>,
}

/// A transcript as the books read it, whatever was asked and answered.
pub(crate) type Bill = Transcript<Value, IgnoredAny>;

impl<Q, A> Transcript<Q, A> {
    /// The calls that were made under the key: this one and those before, as far as anything was sent.
    pub(crate) fn paid(&self) -> impl Iterator<Item = &Call> {
        self.earlier.iter().chain((!self.tries.is_empty()).then_some(&self.call))
    }
}

/// The transcript under the key, if there is one that can be read.
pub(crate) async fn find<Q, A>(
    store: &Arc<dyn Transcripts>,
    key: &CallKey,
) -> Result<Option<Transcript<Q, A>>, CallError>
where
    Q: DeserializeOwned,
    A: DeserializeOwned,
{
    let (store, sought) = (store.clone(), key.clone());
    let bytes = blocking(key, move || store.find(&sought)).await?;
    let Some(bytes) = bytes else { return Ok(None) };
    match serde_json::from_slice(&bytes) {
        Ok(transcript) => Ok(Some(transcript)),
        Err(error) => {
            tracing::warn!(%key, %error, "a transcript cannot be read; the call is made again");
            Ok(None)
        }
    }
}

/// Keeps the transcript. It is durable when this returns.
pub(crate) async fn keep<Q, A>(
    store: &Arc<dyn Transcripts>,
    transcript: &Transcript<Q, A>,
) -> Result<(), CallError>
where
    Q: Serialize,
    A: Serialize,
{
    let key = transcript.call.key.clone();
    let bytes = serde_json::to_vec(transcript)
        .map_err(|error| CallError::Transcript { key: key.clone(), words: error.to_string() })?;
    let store = store.clone();
    let kept = key.clone();
    blocking(&key, move || store.keep(&kept, &bytes)).await
}

async fn blocking<T: Send + 'static>(
    key: &CallKey,
    work: impl FnOnce() -> Result<T, TranscriptError> + Send + 'static,
) -> Result<T, CallError> {
    let failed = |words: String| CallError::Transcript { key: key.clone(), words };
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result.map_err(|error| failed(error.to_string())),
        Err(error) => Err(failed(error.to_string())),
    }
}
