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

use crate::conversation::{self, Exchange, Form, Question, Unanswered};
use crate::knowledge::{self, Knowledge, Yardstick};
use crate::llm::{CallError, Client, Finish};

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
        if self.client.is_repeating() {
            return self.repeat(number, population, calls).await;
        }
        let news = news(population);
        let Some(baseline) = knowledge::baseline(population).filter(|_| !news.is_empty()) else {
            return Ok(population.lessons.clone());
        };
        let model = self.model(number)?;
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
            match read::read(&reply.text, &known, None) {
                Ok(lessons) => return Ok(merged(lessons, reply.finish, population)),
                Err(report) => {
                    let words = format!("{report}\n\nAnswer again.");
                    earlier = Some(Exchange::new(&reply.text, &words));
                    reason = report;
                }
            }
        }
        Err(Refusal::Failed(useless(&model, &reason)))
    }

    /// The lessons of the last recorded reply. Which results were new was judged when it was recorded.
    async fn repeat(
        &self,
        number: u32,
        population: &Population,
        calls: &mut Vec<Call>,
    ) -> Result<Vec<Lesson>, Refusal<String>> {
        let model = self.model(number)?;
        let own = population.members.first().map(|member| &member.idea.id.run);
        let renamed = self.knowledge.replayed().zip(own);
        let known = evidence(population);
        let mut learnt = None;
        let mut refusal = None;
        for version in 0..=AGAIN {
            let question = self.question(number, version, &model);
            match conversation::recall(&self.client, &question, calls).await {
                Ok(reply) => match read::read(&reply.text, &known, renamed) {
                    Ok(lessons) => learnt = Some(merged(lessons, reply.finish, population)),
                    Err(report) => refusal = Some(Refusal::Failed(useless(&model, &report))),
                },
                // There was nothing new to learn from, or the version before it was the last.
                Err(Unanswered::Call(CallError::NotRecorded { .. })) => {}
                Err(error) if error.is_chance() => {
                    refusal = Some(Refusal::Failed(useless(&model, &error.to_string())));
                }
                Err(error) => refusal = Some(error.refusal()),
            }
        }
        match (learnt, refusal) {
            (Some(lessons), _) => Ok(lessons),
            (None, Some(refusal)) => Err(refusal),
            (None, None) => Ok(population.lessons.clone()),
        }
    }

    fn model(&self, number: u32) -> Result<ModelName, Refusal<String>> {
        let drawn = self.knowledge.draw(Role::Judge, self.knowledge.seed(u64::from(number)));
        drawn.map_err(|error| Refusal::Unavailable { reason: error.to_string(), is_lasting: true })
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
            seed: self.knowledge.seed(u64::from(number) * 100 + u64::from(version)),
            logprobs: false,
        }
    }
}

fn merged(lessons: Vec<Lesson>, finish: Finish, population: &Population) -> Vec<Lesson> {
    let is_whole = finish == Finish::Stop && !lessons.is_empty();
    // What a reply did not come to say is not forgotten.
    let old = if is_whole { &[][..] } else { &population.lessons[..] };
    merge::merge(lessons, old)
}

fn useless(model: &ModelName, reason: &str) -> String {
    format!("{model} gave no lesson in {} replies: {reason}", AGAIN + 1)
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
    fn stop(&self) {
        self.client.stop_asking();
    }
}
