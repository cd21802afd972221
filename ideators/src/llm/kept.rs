//! Calls and their transcripts: what was answered once is given again, and what is new is kept before it is given.

use std::sync::{Arc, PoisonError};

use autores_domain::{CallKey, ModelName, Role, TranscriptError, Transcripts};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::Mutex as Queue;

use super::call::{Form, Made};
use super::caller::{Caller, caller};
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
        let (_waiting, caller) = caller();
        let work = tokio::spawn(async move {
            client.call_on(&key, role, &model, &request, &form, &caller).await
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
        key: &CallKey,
        role: Role,
        model: &ModelName,
        request: &Request,
        form: &Form<A>,
        caller: &Caller,
    ) -> Asked<A>
    where
        A: Clone + Serialize + DeserializeOwned,
    {
        let gate = self.inner.gate(key);
        let one = gate.lock().await;
        let asked = match &self.inner.recorded {
            Some(recorded) => self.repeat(recorded, key, role, model).await,
            None => self.call_once(key, role, model, request, form, caller).await,
        };
        drop(one);
        self.inner.close(key, &gate);
        asked
    }

    /// The recorded answer or error.
    async fn repeat<A>(
        &self,
        recorded: &Arc<dyn Transcripts>,
        key: &CallKey,
        role: Role,
        model: &ModelName,
    ) -> Asked<A>
    where
        A: Clone + Serialize + DeserializeOwned,
    {
        let found = transcript::find::<Request, A>(recorded, key).await;
        let found = match found {
            Ok(Some(found)) if found.call.role == role && found.call.model == *model => found,
            Ok(_) => {
                let error = CallError::NotRecorded { key: key.clone() };
                return Made::nothing(key, role, model, error).asked();
            }
            Err(error) => return Made::nothing(key, role, model, error).asked(),
        };
        let result = match (&found.reply, &found.error) {
            (Some(reply), _) => Ok(reply.clone()),
            (None, Some(error)) => Err(error.clone()),
            (None, None) => Err(CallError::NotRecorded { key: key.clone() }),
        };
        let known = transcript::find::<Request, A>(&self.inner.transcripts, key).await;
        if !matches!(known, Ok(Some(_))) {
            if let Err(error) = transcript::keep(&self.inner.transcripts, &found).await {
                return Made::nothing(key, role, model, error).asked();
            }
            found.paid().for_each(|call| self.inner.meter.record(call));
        }
        Asked { call: found.call, result }
    }

    /// The kept answer, else a new one.
    async fn call_once<A>(
        &self,
        key: &CallKey,
        role: Role,
        model: &ModelName,
        request: &Request,
        form: &Form<A>,
        caller: &Caller,
    ) -> Asked<A>
    where
        A: Clone + Serialize + DeserializeOwned,
    {
        let earlier = match transcript::find::<Request, A>(&self.inner.transcripts, key).await {
            Ok(Some(Transcript { call, reply: Some(reply), .. }))
                if call.role == role && call.model == *model =>
            {
                return Asked { call, result: Ok(reply) };
            }
            Ok(Some(other)) => other.paid().cloned().collect(),
            Ok(None) => Vec::new(),
            Err(error) => return Made::nothing(key, role, model, error).asked(),
        };
        let mut made = self.inner.make(key, role, model, request, form, caller).await;
        if made.tries.is_empty() && caller.is_gone() {
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
    let failed = |error: TranscriptError| SetupError::Transcripts(error.to_string());
    for key in transcripts.keys().map_err(failed)? {
        let Some(bytes) = transcripts.find(&key).map_err(failed)? else { continue };
        let Ok(bill) = serde_json::from_slice::<Bill>(&bytes) else {
            tracing::warn!(%key, "a transcript cannot be read, so its cost is not counted");
            continue;
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
