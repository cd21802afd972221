//! Calls and their transcripts: what was answered once is given again, and what is new is kept before it is given.

use std::sync::{Arc, PoisonError};

use autores_domain::{CallKey, ModelName, Role, Transcripts};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::Mutex as Queue;

use super::call::{Ask, Form, Made};
use super::caller::Caller;
use super::client::{Client, Inner};
use super::measure::Measure;
use super::meter::Meter;
use super::request::{Asked, Request};
use super::transcript::{self, Bill, Transcript};
use super::{CallError, SetupError};

impl Client {
    /// The answer under the key: the recorded one, the kept one or a new one.
    pub(super) async fn call<A>(
        &self,
        key: &CallKey,
        role: Role,
        model: &ModelName,
        request: &Request,
        form: Form<A>,
    ) -> Asked<A>
    where
        A: Clone + Send + Sync + Serialize + DeserializeOwned + 'static,
    {
        let client = self.clone();
        let (key, model, request) = (key.clone(), model.clone(), request.clone());
        let (_waiting, caller) = self.inner.stop.caller();
        let work = tokio::spawn(async move {
            let ask = Ask { key: &key, round: 0, role, model: &model };
            client.call_on(ask, &request, &form, &caller).await
        });
        match work.await {
            Ok(asked) => asked,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // The runtime is shutting down, and with it whoever waits here.
                Err(_) => std::future::pending().await,
            },
        }
    }

    async fn call_on<A>(
        &self,
        ask: Ask<'_>,
        request: &Request,
        form: &Form<A>,
        caller: &Caller,
    ) -> Asked<A>
    where
        A: Clone + Serialize + DeserializeOwned,
    {
        let gate = self.inner.gate(ask.key);
        let one = gate.lock().await;
        let asked = match &self.inner.recorded {
            Some(recorded) => self.repeat(recorded, ask).await,
            None => self.call_once(ask, request, form, caller).await,
        };
        drop(one);
        self.inner.close(ask.key, &gate);
        asked
    }

    /// The recorded answer or error.
    async fn repeat<A>(&self, recorded: &Arc<dyn Transcripts>, ask: Ask<'_>) -> Asked<A>
    where
        A: Clone + Serialize + DeserializeOwned,
    {
        let key = ask.key;
        let found = transcript::find::<Request, A>(recorded, key).await;
        let found = match found {
            Ok(Some(found)) if ask.is_for(&found.call) => found,
            Ok(_) => {
                let error = CallError::NotRecorded { key: key.clone() };
                return Made::nothing(ask, error).asked();
            }
            Err(error) => return Made::nothing(ask, error).asked(),
        };
        let result = match (&found.reply, &found.error) {
            (Some(reply), _) => Ok(reply.clone()),
            (None, Some(error)) => Err(error.clone()),
            (None, None) => Err(CallError::NotRecorded { key: key.clone() }),
        };
        let known = transcript::find::<Request, A>(&self.inner.transcripts, key).await;
        if !matches!(known, Ok(Some(_))) {
            if let Err(error) = transcript::keep(&self.inner.transcripts, &found).await {
                return Made::nothing(ask, error).asked();
            }
            found.paid().for_each(|call| self.inner.meter.record(call));
        }
        Asked { call: found.call, result }
    }

    /// The kept answer, else a new one.
    async fn call_once<A>(
        &self,
        ask: Ask<'_>,
        request: &Request,
        form: &Form<A>,
        caller: &Caller,
    ) -> Asked<A>
    where
        A: Clone + Serialize + DeserializeOwned,
    {
        let known = transcript::find::<Request, A>(&self.inner.transcripts, ask.key).await;
        let (round, earlier) = match known {
            Ok(Some(Transcript { call, reply: Some(reply), .. })) if ask.is_for(&call) => {
                return Asked { call, result: Ok(reply) };
            }
            Ok(Some(other)) => (other.call.round + 1, other.paid().cloned().collect()),
            Ok(None) => (0, Vec::new()),
            Err(error) => return Made::nothing(ask, error).asked(),
        };
        let ask = Ask { round, ..ask };
        let mut made = self.inner.make(ask, request, form, caller).await;
        if made.tries.is_empty() && caller.is_over() {
            return made.asked();
        }
        let transcript = Transcript {
            call: made.call.clone(),
            at_ms: (self.inner.now_ms)(),
            request: request.clone(),
            reply: made.result.as_ref().ok().cloned(),
            error: made.result.as_ref().err().cloned(),
            tries: made.tries.clone(),
            earlier,
        };
        if let Err(error) = transcript::keep(&self.inner.transcripts, &transcript).await {
            made.call.error = Some(error.to_string());
            made.result = Err(error);
        }
        made.asked()
    }
}

impl Inner {
    fn gate(&self, key: &CallKey) -> Arc<Queue<()>> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.entry(key.clone()).or_default().clone()
    }

    fn close(&self, key: &CallKey, gate: &Arc<Queue<()>>) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        // One is ours and one the map's: nobody waits.
        if Arc::strong_count(gate) <= 2 {
            open.remove(key);
        }
    }
}

/// Counts the calls that were made before.
pub(super) fn read_books(
    transcripts: &dyn Transcripts,
    meter: &Meter,
    measure: &Measure,
) -> Result<(), SetupError> {
    let keys = transcripts.keys().map_err(|error| SetupError::Transcripts(error.to_string()))?;
    for key in keys {
        let bill = match transcripts.find(&key) {
            Ok(Some(bytes)) => serde_json::from_slice(&bytes).map_err(|error| error.to_string()),
            Ok(None) => continue,
            Err(error) => Err(error.to_string()),
        };
        let bill: Bill = match bill {
            Ok(bill) => bill,
            Err(error) => {
                tracing::warn!(%key, error, "a transcript cannot be read; its cost is not counted");
                continue;
            }
        };
        bill.paid().for_each(|call| meter.record(call));
        if let (Some(one), Ok(request)) =
            (bill.tries.last(), serde_json::from_value::<Request>(bill.request.clone()))
            && !one.estimated
        {
            measure.record(&bill.call.model, request.bytes(), one.tokens.input);
        }
    }
    Ok(())
}
