//! What is known of a call before its first try, and what its failures mean for the caller.

use std::collections::BTreeSet;

use autores_domain::{ModelName, Tokens};
use autores_templates::settings::Model;

use super::CallError;
use super::client::{Inner, USUAL_REPLY};
use super::exchange::{Came, fetch};
use super::lane::Lane;
use super::meter::{Cost, Forecast};
use super::provider::{Limits, Protocol, Question, embeds};
use super::request::Request;
use super::transcript::Try;
use super::trouble::Trouble;

/// Tokens of a reply that are likely where nothing like it was asked before.
const LIKELY_OUTPUT: u64 = 1024;

/// Tokens of a reply for a byte of text that came without a count.
const OUTPUT_PER_BYTE: f64 = 0.3;

/// What every try of a call has in common.
pub(super) struct Plan<'a> {
    pub(super) lane: &'a Lane,
    pub(super) protocol: &'static dyn Protocol,
    pub(super) model: &'a ModelName,
    pub(super) request: &'a Request,
    pub(super) known: Model,
    max_output: u64,
    /// Tokens of the prompt, as far as can be told before.
    input: u64,
}

impl Inner {
    /// Everything that is known before the first try.
    pub(super) async fn plan<'a>(
        &'a self,
        model: &'a ModelName,
        request: &'a Request,
        protocol: Option<&'static dyn Protocol>,
    ) -> Result<Plan<'a>, CallError> {
        let refused = |words: String, remedy: String| CallError::Refused {
            model: model.clone(),
            status: None,
            words,
            remedy,
        };
        let Some(lane) = self.lanes.get(model.provider()) else {
            let words = format!("there is no provider {:?}", model.provider());
            return Err(refused(words, format!("known are {}", self.known())));
        };
        lane.check().map_err(|error| refused(error.to_string(), String::new()))?;
        if protocol.is_some() && !embeds(lane.settings.api) {
            return Err(refused(
                format!("provider {} gives no embeddings by its protocol", lane.name),
                "take an OpenAI-compatible provider for embeddings".to_owned(),
            ));
        }
        if self.meter.caps_dollars() && self.price(model).is_none() {
            let words = "it has no price, so the budget in dollars cannot be kept".to_owned();
            return Err(refused(words, format!("give models: {model}: a price in the settings")));
        }
        self.look_up(model).await;
        let known = self.known_model(model);
        let bytes = request.bytes();
        let input = self.measure.tokens(model, bytes);
        if let Some(limit) = known.context {
            // Before anything is measured, only what is too long in any language is refused here.
            let per_byte = if self.measure.is_measured(model) {
                self.measure.tokens_per_byte(model) * 0.9
            } else {
                0.15
            };
            let least = (bytes as f64 * per_byte) as u64;
            if least > limit {
                let words = format!("about {least} tokens, and it takes {limit}");
                return Err(CallError::Window {
                    model: model.clone(),
                    needs: Some(least),
                    limit: Some(limit),
                    words,
                });
            }
        }
        let max_output = max_output(request, &known, input);
        let protocol = protocol.unwrap_or_else(|| lane.protocol());
        Ok(Plan { lane, protocol, model, request, known, max_output, input })
    }

    /// Asks the provider for the limits of the model, once, where the settings do not say them.
    pub(crate) async fn look_up(&self, model: &ModelName) {
        let Some(lane) = self.lanes.get(model.provider()) else { return };
        let said = self.settings.models.get(model).is_some_and(|known| known.context.is_some());
        if said || lane.check().is_err() {
            return;
        }
        let _one = lane.looking_up.lock().await;
        if lane.learnt(model).asked {
            return;
        }
        let limits = match lane.protocol().limits_path(model.name()) {
            Some(path) => match fetch(lane, &path).await {
                Ok(body) => lane.protocol().limits(model.name(), &body),
                Err(error) => {
                    tracing::debug!(%model, error, "the provider does not say what the model takes");
                    Limits::default()
                }
            },
            None => Limits::default(),
        };
        lane.learn(model, |learnt| {
            learnt.asked = true;
            learnt.limits = limits;
        });
    }
}

impl Plan<'_> {
    pub(super) fn question<'a>(&'a self, without: &'a BTreeSet<&'static str>) -> Question<'a> {
        Question {
            provider: &self.lane.settings,
            base_url: &self.lane.base_url,
            model: self.model.name(),
            request: self.request,
            max_output: self.max_output,
            temperature: self.request.temperature.or(self.known.temperature),
            effort: self.known.effort.as_deref(),
            stream: self.lane.settings.stream,
            without,
        }
    }

    pub(super) fn forecast(&self) -> Forecast {
        let cost = |input, output| {
            let tokens = Tokens { input, cached: 0, output };
            Cost::of(tokens, self.known.price.map(|price| price.of(tokens)))
        };
        Forecast {
            likely: cost(self.input, self.likely_output()),
            worst: cost(self.input + self.input / 2 + 256, self.max_output),
        }
    }

    fn likely_output(&self) -> u64 {
        self.max_output.min(LIKELY_OUTPUT)
    }

    /// Tokens that a try took, and whether that is estimated: what was taken and not refused is paid for, whether or
    /// not an answer came through.
    pub(super) fn count(&self, came: &Came, result: &Result<(), Trouble>) -> (Tokens, bool) {
        let gathered = &came.gathered;
        let received = (gathered.bytes() as f64 * OUTPUT_PER_BYTE).ceil() as u64;
        let estimate = |output| Tokens { input: self.input, cached: 0, output };
        let least = match result {
            Ok(()) => {
                return gathered.usage.map_or((estimate(received), true), |usage| (usage, false));
            }
            // Nobody knows what the model had written when its answer was lost.
            Err(Trouble::Unavailable { .. } | Trouble::Unusable { .. }) if came.taken => {
                received.max(self.likely_output())
            }
            Err(_) => received,
        };
        match gathered.usage {
            Some(usage) => {
                let output = usage.output.max(least);
                (Tokens { output, ..usage }, output > usage.output)
            }
            None if least > 0 => (estimate(least), true),
            None => (Tokens::default(), false),
        }
    }

    /// Leaves a part out of all later questions to the model.
    pub(super) fn leave_out(&self, name: &'static str) {
        let mut is_new = false;
        self.lane.learn(self.model, |learnt| is_new = learnt.without.insert(name));
        if is_new {
            tracing::info!(model = %self.model, part = name, "the model does not take this part of a question; it is left out");
        }
    }

    pub(super) fn error(&self, trouble: Trouble, tries: &[Try]) -> CallError {
        let model = self.model.clone();
        let status = tries.last().and_then(|last| last.status);
        match trouble {
            Trouble::Window { needs, limit, words } => {
                if limit.is_some() {
                    self.lane.learn(self.model, |learnt| learnt.limits.context = limit);
                }
                CallError::Window {
                    model,
                    needs: needs.or(Some(self.input)),
                    limit: limit.or(self.known.context),
                    words,
                }
            }
            Trouble::Refused { words } => {
                CallError::Refused { model, status, words, remedy: self.lane.remedy(status) }
            }
            Trouble::Rejected { words } | Trouble::Parameter { words, .. } => {
                let status = status.map(|status| format!(" ({status})")).unwrap_or_default();
                CallError::Unusable {
                    model,
                    words: format!("it rejects the question{status}: {words}"),
                }
            }
            Trouble::Unavailable { words, .. } => {
                CallError::Unavailable { model, tries: tries.len() as u32, words }
            }
            Trouble::Unusable { words, .. } => CallError::Unusable { model, words },
            Trouble::Over(over) => over.error(&model, tries.len()),
        }
    }
}

/// Tokens that the reply may have, so that it fits into the window behind the prompt.
fn max_output(request: &Request, known: &Model, input: u64) -> u64 {
    let model = known.max_output.unwrap_or(USUAL_REPLY);
    let wanted = request.max_output.map_or(model, |wanted| match known.max_output {
        Some(most) => wanted.min(most),
        None => wanted,
    });
    match known.context {
        // The words around the prompt take some tokens too.
        Some(context) => wanted.min(context.saturating_sub(input + input / 10 + 64).max(256)),
        None => wanted,
    }
}
