//! Which ideas of which reply were proposed, so that a run is repeated with the same ones: whether they are new was judged
//! among the results of that time. Never asks a model.

use autores_domain::{Brief, Call, CallKey, ModelName, Population, Proposal, Refusal, Role};
use serde::{Deserialize, Serialize};

use super::{AGAIN, LlmIdeator, choose, key, read};
use crate::conversation::{self, Unanswered};
use crate::llm::CallError;
use crate::reply::ideas::Draft;

/// The ideas that were taken, where it does not go without saying.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Taken {
    version: u32,
    /// Their places among those of the reply.
    places: Vec<usize>,
}

impl LlmIdeator {
    /// Keeps which ideas are taken of a reply, unless they are the first of the last one.
    pub(super) async fn note(
        &self,
        number: u32,
        version: u32,
        drafts: &[Draft],
        places: &[usize],
        brief: &Brief,
        model: &ModelName,
    ) -> Result<(), Unanswered> {
        if places == read::usual(drafts, brief) && self.is_last(number, version).await {
            return Ok(());
        }
        let taken = Taken { version, places: places.to_vec() };
        Ok(self.client.note(&choice(number)?, Role::Ideator, model, taken).await?)
    }

    /// The ideas that were taken of the recorded replies.
    pub(super) async fn repeat(
        &self,
        number: u32,
        brief: &Brief,
        population: &Population,
        calls: &mut Vec<Call>,
    ) -> Result<Vec<Proposal>, Refusal<String>> {
        let model = match self.asked_before(number).await {
            Some(model) => model,
            None => choose::model(&self.knowledge, number, brief, population)?,
        };
        let key = choice(number).map_err(|error| error.refusal())?;
        let noted: Option<Taken> = self.client.noted(&key).await;
        let mut found: Option<(u32, Vec<Draft>)> = None;
        let mut refusal = None;
        for version in 0..=AGAIN {
            let question = self.question(number, version, brief, &model);
            match conversation::recall(&self.client, &question, calls).await {
                Ok(reply) => match read::drafts(&reply.text, &self.knowledge) {
                    Ok(drafts) => {
                        let is_later = noted.as_ref().is_some_and(|taken| version > taken.version);
                        if !is_later {
                            found = Some((version, drafts));
                        }
                    }
                    Err(report) => {
                        refusal = Some(Refusal::Failed(super::useless(&model, &report)));
                    }
                },
                // The version before it was the last.
                Err(Unanswered::Call(CallError::NotRecorded { .. })) if version > 0 => {}
                Err(error) if error.is_chance() => {
                    refusal = Some(Refusal::Failed(super::useless(&model, &error.to_string())));
                }
                Err(error) => refusal = Some(error.refusal()),
            }
        }
        let Some((version, drafts)) = found else {
            return Err(refusal.unwrap_or_else(|| {
                Refusal::Failed(format!("nothing is recorded of brief {number}"))
            }));
        };
        let places = match noted {
            Some(taken) => {
                let copied = self.client.note(&key, Role::Ideator, &model, taken.clone()).await;
                copied.map_err(|error| Unanswered::from(error).refusal())?;
                taken.places
            }
            None => read::usual(&drafts, brief),
        };
        tracing::debug!(number, version, "the recorded ideas are proposed");
        Ok(read::proposals(&drafts, &places, &model, brief))
    }

    /// Whether there is no answer to a later version.
    async fn is_last(&self, number: u32, version: u32) -> bool {
        for later in version + 1..=AGAIN {
            let Ok(key) = key(number, later).parse() else { continue };
            if self.client.answered_by(&key, Role::Ideator).await.is_some() {
                return false;
            }
        }
        true
    }
}

fn choice(number: u32) -> Result<CallKey, Unanswered> {
    Ok(format!("b{number}.choice").parse()?)
}
