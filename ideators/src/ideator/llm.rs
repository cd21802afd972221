//! Ideas in a model's words: chooses a model, asks, reads the reply, and asks again where it is of no use.
//! Never writes code.

mod choose;
mod read;
mod recorded;

use std::sync::Arc;

use async_trait::async_trait;
use autores_domain::{
    Answered, Brief, Call, Ideator, ModelName, Population, Proposal, Refusal, Role, Vocabulary,
};
use autores_templates::prompts::{
    self, Ask, Baseline, Format, Knobs, PromptError, Room, Text, Tried,
};

use super::breed::members;
use crate::conversation::{self, Exchange, Form, Question};
use crate::knowledge::{self, Knowledge, Yardstick};
use crate::llm::{Client, Schema};
use crate::reply::ideas::{self, Draft};
use read::Read;

/// How often a model is asked again after a reply of no use.
const AGAIN: u32 = 2;

/// Proposes ideas that language models have.
pub struct LlmIdeator {
    client: Client,
    knowledge: Arc<Knowledge>,
    at_once: usize,
}

/// What all tries of one brief have in common.
struct Facts {
    parents: Vec<Tried>,
    shown: Vec<Tried>,
    baseline: Baseline,
}

/// The ideas of a reply that are proposed.
struct Taken {
    version: u32,
    drafts: Vec<Draft>,
    /// Their places among the drafts.
    places: Vec<usize>,
}

impl LlmIdeator {
    /// Briefs that are answered at a time where nobody says otherwise.
    pub const AT_ONCE: usize = 8;

    /// An ideator that answers so many briefs at a time.
    pub fn new(client: Client, knowledge: Arc<Knowledge>, at_once: usize) -> Self {
        Self { client, knowledge, at_once: at_once.max(1) }
    }

    async fn answer(
        &self,
        number: u32,
        brief: &Brief,
        population: &Population,
        calls: &mut Vec<Call>,
    ) -> Result<Vec<Proposal>, Refusal<String>> {
        if self.client.is_repeating() {
            return self.repeat(number, brief, population, calls).await;
        }
        let model = match self.asked_before(number).await {
            Some(model) => model,
            None => choose::model(&self.knowledge, number, brief, population)?,
        };
        let facts = self.facts(brief, population).map_err(Refusal::Failed)?;
        let mut earlier: Option<Exchange> = None;
        // Twins are better than nothing: whoever implements them says of what they are.
        let mut taken: Option<Taken> = None;
        let mut reason = String::new();
        for version in 0..=AGAIN {
            let question = self.question(number, version, brief, &model);
            let write = |room: Room| self.text(brief, population, &facts, &model, room);
            let asked =
                conversation::ask(&self.client, &question, earlier.as_ref(), &write, calls).await;
            let reply = match asked {
                Ok(reply) => reply,
                Err(error) => match error.refusal() {
                    Refusal::Failed(_) if taken.is_some() => break,
                    Refusal::Failed(words) if error.is_chance() => {
                        reason = words;
                        continue;
                    }
                    // What may be answered later leaves the brief open.
                    refusal => return Err(refusal),
                },
            };
            let drafts = match read::drafts(&reply.text, &self.knowledge) {
                Ok(drafts) => drafts,
                Err(report) => {
                    earlier =
                        Some(Exchange::new(&reply.text, &format!("{report}\n\nAnswer again.")));
                    reason = report;
                    continue;
                }
            };
            match read::judge(&drafts, brief, population) {
                Read::New(places) => {
                    taken = Some(Taken { version, drafts, places });
                    break;
                }
                Read::Known { taken: places, report } => {
                    let is_second = taken.is_some();
                    taken = Some(Taken { version, drafts, places });
                    if is_second {
                        break;
                    }
                    earlier = Some(Exchange::new(&reply.text, &report));
                }
            }
        }
        let Some(Taken { version, drafts, places }) = taken else {
            return Err(Refusal::Failed(useless(&model, &reason)));
        };
        let noted = self.note(number, version, &drafts, &places, brief, &model).await;
        noted.map_err(|error| error.refusal())?;
        Ok(read::proposals(&drafts, &places, &model, brief))
    }

    /// The model that answered the brief before a restart. By now, another might be chosen.
    async fn asked_before(&self, number: u32) -> Option<ModelName> {
        for version in 0..=AGAIN {
            let key = key(number, version).parse().ok()?;
            let model = self.client.answered_by(&key, Role::Ideator).await;
            if model.is_some() {
                return model;
            }
        }
        None
    }

    fn facts(&self, brief: &Brief, population: &Population) -> Result<Facts, String> {
        let yardstick = Yardstick::of(population);
        let tell = |ids| -> Vec<Tried> {
            members(population, ids)
                .into_iter()
                .map(|member| self.knowledge.tried(member, yardstick.as_ref()))
                .collect()
        };
        let baseline =
            knowledge::baseline(population).ok_or("the baseline is not measured yet".to_owned())?;
        Ok(Facts { parents: tell(&brief.parents), shown: tell(&brief.shown), baseline })
    }

    fn question<'a>(
        &self,
        number: u32,
        version: u32,
        brief: &Brief,
        model: &'a ModelName,
    ) -> Question<'a> {
        Question {
            key: key(number, version),
            role: Role::Ideator,
            model,
            schema: self.schema(brief, model),
            is_one_of_many: false,
            seed: brief.seed.wrapping_add(u64::from(version)),
            logprobs: false,
        }
    }

    fn schema(&self, brief: &Brief, model: &ModelName) -> Option<Schema> {
        let vocabulary = match self.knowledge.llm().vocabulary {
            Vocabulary::Free => ideas::Vocabulary::Words,
            Vocabulary::Catalogue => {
                ideas::Vocabulary::Techniques(self.knowledge.catalogue().iter().collect())
            }
        };
        let json = match conversation::form(&self.client, model) {
            Form::Full => ideas::schema(&vocabulary, brief.count),
            Form::Plain => ideas::plain_schema(&vocabulary),
            Form::Words => return None,
        };
        Some(Schema { name: "ideas".to_owned(), json })
    }

    fn text(
        &self,
        brief: &Brief,
        population: &Population,
        facts: &Facts,
        model: &ModelName,
        room: Room,
    ) -> Result<Text, PromptError> {
        let catalogue = self.knowledge.catalogue();
        let form = conversation::form(&self.client, model);
        let format = match (self.knowledge.llm().vocabulary, form) {
            (Vocabulary::Catalogue, Form::Full | Form::Words) => {
                Format::Catalogue(catalogue, Knobs::Object)
            }
            (Vocabulary::Catalogue, Form::Plain) => Format::Catalogue(catalogue, Knobs::Pairs),
            (Vocabulary::Free, Form::Full | Form::Plain) => Format::Json,
            (Vocabulary::Free, Form::Words) => Format::Tags,
        };
        let ask = Ask {
            operator: brief.operator,
            count: brief.count,
            parents: &facts.parents,
            shown: &facts.shown,
            baseline: &facts.baseline,
            format,
            seed: brief.seed,
        };
        prompts::ideas(&self.knowledge.setting(&population.lessons), &ask, room)
    }
}

fn useless(model: &ModelName, reason: &str) -> String {
    format!("{model} gave no idea in {} replies: {reason}", AGAIN + 1)
}

fn key(number: u32, version: u32) -> String {
    match version {
        0 => format!("b{number}"),
        version => format!("b{number}.v{version}"),
    }
}

#[async_trait]
impl Ideator for LlmIdeator {
    fn at_once(&self) -> usize {
        self.at_once
    }

    async fn propose(
        &self,
        number: u32,
        brief: &Brief,
        population: &Population,
    ) -> Answered<Result<Vec<Proposal>, Refusal<String>>> {
        let mut calls = Vec::new();
        let result = self.answer(number, brief, population, &mut calls).await;
        Answered { result, calls }
    }
    fn stop(&self) {
        self.client.stop_asking();
    }
}
