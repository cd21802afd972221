//! Draws lessons from what was measured, with a model's help. Nothing is learnt from ideas that nobody tried.

mod merge;
mod read;

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use autores_domain::{
    Answered, Call, Distiller, IdeaId, Lesson, Member, ModelName, Outcome, Population, Refusal,
    Role,
};
use autores_templates::prompts::{self, Room, Tried};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::conversation::{self, Exchange, Form, Question};
use crate::knowledge::{self, Knowledge, Yardstick};
use crate::llm::choose::Weighted;
use crate::llm::{Client, Finish};

/// How often a model is asked again after a reply of no use.
const AGAIN: u32 = 1;
/// Experiments that a model is told of at most, the newest.
const NEWEST: usize = 120;

/// Distils lessons with language models.
pub struct LlmDistiller {
    client: Client,
    knowledge: Arc<Knowledge>,
}

impl LlmDistiller {
    /// A distiller that asks the models of the judge.
    pub fn new(client: Client, knowledge: Arc<Knowledge>) -> Self {
        Self { client, knowledge }
    }

    async fn learn(
        &self,
        number: u32,
        population: &Population,
        calls: &mut Vec<Call>,
    ) -> Result<Vec<Lesson>, Refusal<String>> {
        let news = news(population);
        let Some(baseline) = knowledge::baseline(population).filter(|_| !news.is_empty()) else {
            return Ok(population.lessons.clone());
        };
        let model = self.model(number).map_err(Refusal::Failed)?;
        let yardstick = Yardstick::of(population);
        let experiments: Vec<Tried> = news
            .into_iter()
            .map(|member| self.knowledge.tried(member, yardstick.as_ref()))
            .collect();
        let write = |room: Room| {
            let setting = self.knowledge.setting(&population.lessons);
            prompts::lessons(&setting, &baseline, &experiments, room)
        };
        let known = evidence(population);
        let mut earlier: Option<Exchange> = None;
        let mut reason = String::new();
        for version in 0..=AGAIN {
            let question = self.question(number, version, &model);
            let asked =
                conversation::ask(&self.client, &question, earlier.as_ref(), &write, calls).await;
            let reply = match asked {
                Ok(reply) => reply,
                Err(error) if error.is_chance() => {
                    reason = error.to_string();
                    continue;
                }
                Err(error) => return Err(error.refusal()),
            };
            match read::read(&reply.text, &known) {
                Ok(lessons) => {
                    let is_whole = reply.finish == Finish::Stop && !lessons.is_empty();
                    // What a reply did not come to say is not forgotten.
                    let old = if is_whole { &[][..] } else { &population.lessons[..] };
                    return Ok(merge::merge(lessons, old));
                }
                Err(report) => {
                    let words = format!("{report}\n\nAnswer again.");
                    earlier = Some(Exchange::new(&reply.text, &words));
                    reason = report;
                }
            }
        }
        Err(Refusal::Failed(format!("{model} gave no lesson in {} replies: {reason}", AGAIN + 1)))
    }

    fn model(&self, number: u32) -> Result<ModelName, String> {
        let models = self.knowledge.models(Role::Judge);
        let weights = models.iter().map(|one| (one.model.clone(), one.weight)).collect();
        let weighted: Weighted<ModelName> =
            Weighted::new(weights).map_err(|error| error.to_string())?;
        Ok(weighted.draw(&mut ChaCha8Rng::seed_from_u64(u64::from(number))).clone())
    }

    fn question<'a>(&self, number: u32, version: u32, model: &'a ModelName) -> Question<'a> {
        Question {
            key: match version {
                0 => format!("l{number}"),
                version => format!("l{number}.v{version}"),
            },
            role: Role::Judge,
            model,
            schema: match conversation::form(&self.client, model) {
                Form::Full | Form::Plain => Some(read::schema()),
                Form::Words => None,
            },
            is_one_of_many: false,
            seed: u64::from(number) * 100 + u64::from(version),
            logprobs: false,
        }
    }
}

/// The newest experiments that are not behind a lesson yet.
fn news(population: &Population) -> Vec<&Member> {
    let told: BTreeSet<&IdeaId> =
        population.lessons.iter().flat_map(|lesson| &lesson.evidence).collect();
    let is_over = |outcome: &Outcome| match outcome {
        Outcome::Measured { .. } => true,
        // What was not executed taught nothing of the code.
        Outcome::Failed(fault) => !fault.class.is_retried(),
        Outcome::Pending => false,
    };
    let mut news: Vec<&Member> = population
        .members
        .iter()
        .filter(|member| is_over(&member.outcome) && !told.contains(&member.idea.id))
        .collect();
    news.drain(..news.len().saturating_sub(NEWEST));
    news
}

/// What lessons may be drawn from: this run's ideas, and what earlier lessons were drawn from.
fn evidence(population: &Population) -> BTreeSet<IdeaId> {
    let own = population.members.iter().map(|member| member.idea.id.clone());
    own.chain(population.lessons.iter().flat_map(|lesson| lesson.evidence.clone())).collect()
}

#[async_trait]
impl Distiller for LlmDistiller {
    async fn distil(
        &self,
        number: u32,
        population: &Population,
    ) -> Answered<Result<Vec<Lesson>, Refusal<String>>> {
        let mut calls = Vec::new();
        let result = self.learn(number, population, &mut calls).await;
        Answered { result, calls }
    }
}
