//! What a run will ask of models and what that will cost, before any is asked. Never asks one.

use std::collections::BTreeMap;

use autores_domain::{
    Idea, IdeaId, ModelName, Operator, Role, Selection, Tokens, Vocabulary, WeightedModel,
};
use autores_templates::prompts::{
    self, Ask, Baseline, Format, Knobs, PromptError, Room, Task, Text,
};

use crate::knowledge::Knowledge;
use crate::llm::Client;

/// Tokens that a model writes in a call, thinking left out, where no earlier run tells.
const WRITTEN: [(Role, f64); 4] = [
    (Role::Ideator, 350.0),
    (Role::Implementer, 500.0),
    (Role::Judge, 400.0),
    (Role::Repairer, 500.0),
];

/// Asks for one idea, where no earlier run tells: a few replies are of no use.
const ASKS: f64 = 1.05;
/// Calls for one candidate: some are revised.
const VERSIONS: f64 = 1.25;
/// Share of the ideas that are mended.
const MENDED: f64 = 0.15;
/// Tokens of a byte of code and English, as most models count them.
const TOKENS_PER_BYTE: f64 = 0.3;
/// Bytes of an idea's title.
const TITLE: usize = 60;
/// Bytes of an idea's plan.
const PLAN: usize = 500;
/// Bytes of other ideas and lessons in a prompt, once there are some.
const TOLD: u64 = 3_000;

/// How a model was asked in earlier runs.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Habit {
    /// Its calls.
    pub calls: u64,
    /// What it read and wrote.
    pub tokens: Tokens,
}

impl Habit {
    fn add(&mut self, other: &Self) {
        self.calls += other.calls;
        self.tokens += other.tokens;
    }

    /// Tokens of a call: read, read from the provider's cache, and written.
    fn each(&self) -> [f64; 3] {
        let Tokens { input, cached, output } = self.tokens;
        [input, cached, output].map(|tokens| tokens as f64 / self.calls as f64)
    }
}

/// How models were asked in earlier runs of the same problem with the same settings.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct History {
    /// The ideas of all these runs.
    pub ideas: u64,
    /// How each model was asked as what.
    pub habits: BTreeMap<(Role, ModelName), Habit>,
}

impl History {
    fn of(&self, role: Role, model: &ModelName) -> Option<&Habit> {
        self.habits.get(&(role, model.clone())).filter(|habit| habit.calls > 0 && self.ideas > 0)
    }

    /// The habits of all models of a role together; the one that gives embeddings is none.
    fn of_role(&self, role: Role, embedding: Option<&ModelName>) -> Option<Habit> {
        let mut all = Habit::default();
        let models = self.habits.iter().filter(|((of, model), _)| {
            *of == role && !(role == Role::Ideator && Some(model) == embedding)
        });
        models.for_each(|(_, habit)| all.add(habit));
        (all.calls > 0 && self.ideas > 0).then_some(all)
    }

    /// What a habit comes to with so many ideas.
    fn calls(&self, habit: &Habit, plan: &Plan) -> f64 {
        f64::from(plan.ideas) * habit.calls as f64 / self.ideas as f64
    }
}

/// What is to be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The run's baseline: any of its ideas has as long a name.
    pub baseline: IdeaId,
    /// Ideas of the whole run.
    pub ideas: u32,
    /// Epochs, after each of which lessons are drawn.
    pub epochs: u32,
    /// How often an idea is mended at most.
    pub repairs: u32,
}

/// What one model is going to be asked in one role.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// As what.
    pub role: Role,
    /// The model.
    pub model: ModelName,
    /// How many calls.
    pub calls: f64,
    /// Tokens read and written.
    pub tokens: f64,
    /// US dollars; absent where the price is not known.
    pub usd: Option<f64>,
    /// Whether earlier runs tell, and not only the length of the prompts.
    pub is_known: bool,
}

/// What a run is going to cost.
///
/// `Σ calls · (input · price_in + cached · price_cached + output · price_out)` over roles and models, with the means of
/// earlier runs where there are any, else with the length of the run's own prompts and usual lengths of replies.
///
/// # Errors
/// If a prompt cannot be written at all.
pub async fn forecast(
    client: &Client,
    knowledge: &Knowledge,
    plan: &Plan,
    history: &History,
) -> Result<Vec<Line>, PromptError> {
    let mut lines = Vec::new();
    for role in Role::ALL {
        let models = knowledge.models(role);
        let all: f64 = models.iter().map(|weighted| weighted.weight).sum();
        let habit = history.of_role(role, knowledge.llm().embedding.as_ref());
        for WeightedModel { model, weight } in models {
            let (calls, each) = match &habit {
                // Whoever is asked now writes as it did, or else as the others did.
                Some(habit) => {
                    let own = history.of(role, model).unwrap_or(habit);
                    (history.calls(habit, plan), own.each())
                }
                // With the same settings nobody was needed for it.
                None if history.ideas > 0 => (0.0, [0.0; 3]),
                None => {
                    let bytes = prompt_bytes(knowledge, plan.baseline.clone(), role)?;
                    let input = bytes as f64 * TOKENS_PER_BYTE;
                    let written = WRITTEN.iter().find(|(known, _)| *known == role);
                    (calls(knowledge, plan, role), [input, 0.0, written.map_or(0.0, |(_, n)| *n)])
                }
            };
            let calls = calls * weight / all;
            lines.push(line(client, role, model, calls, each, habit.is_some()).await);
        }
    }
    lines.extend(embeddings(client, knowledge, plan, history).await);
    lines.retain(|line| line.calls > 0.0);
    Ok(lines)
}

/// Each idea in words is embedded once.
async fn embeddings(
    client: &Client,
    knowledge: &Knowledge,
    plan: &Plan,
    history: &History,
) -> Option<Line> {
    let llm = knowledge.llm();
    let model = llm.embedding.as_ref().filter(|_| llm.vocabulary == Vocabulary::Free)?;
    let habit = history.of(Role::Ideator, model);
    let (calls, each) = match habit {
        Some(habit) => (history.calls(habit, plan), habit.each()),
        None => {
            let input = (TITLE + PLAN) as f64 * client.tokens_per_byte(model);
            (f64::from(plan.ideas), [input, 0.0, 0.0])
        }
    };
    Some(line(client, Role::Ideator, model, calls, each, habit.is_some()).await)
}

/// So many calls with these tokens each.
async fn line(
    client: &Client,
    role: Role,
    model: &ModelName,
    calls: f64,
    [input, cached, output]: [f64; 3],
    is_known: bool,
) -> Line {
    let price = client.model(model).await.price;
    let usd = price.map(|price| {
        let fresh = (input - cached) * price.input;
        calls * (fresh + cached * price.cached_input + output * price.output) / 1e6
    });
    let tokens = calls * (input + output);
    Line { role, model: model.clone(), calls, tokens, usd, is_known }
}

/// Calls of a role in the whole run.
fn calls(knowledge: &Knowledge, plan: &Plan, role: Role) -> f64 {
    let llm = knowledge.llm();
    let (ideas, candidates) = (f64::from(plan.ideas), f64::from(llm.candidates));
    let writes_code = llm.vocabulary == Vocabulary::Free;
    let versions = if llm.revisions > 0 { VERSIONS } else { 1.0 };
    match role {
        Role::Ideator => ideas * ASKS,
        Role::Implementer if writes_code => ideas * candidates * versions,
        Role::Repairer if plan.repairs > 0 && writes_code => ideas * MENDED * candidates * versions,
        Role::Implementer | Role::Repairer => 0.0,
        Role::Judge => {
            let choices = if llm.select == Selection::Judge && writes_code { ideas } else { 0.0 };
            choices + f64::from(plan.epochs)
        }
    }
}

/// Bytes of a usual prompt.
fn prompt_bytes(knowledge: &Knowledge, id: IdeaId, role: Role) -> Result<u64, PromptError> {
    // As much as there is.
    let room = Room { tokens: u64::MAX >> 8, tokens_per_byte: 1.0 };
    let setting = knowledge.setting(&[]);
    let text = match role {
        Role::Ideator | Role::Judge => {
            let baseline =
                Baseline { metric: 1.0, metric_sd: None, reward: 1.0, reward_sd: None, seeds: 3 };
            let format = match knowledge.llm().vocabulary {
                Vocabulary::Catalogue => Format::Catalogue(knowledge.catalogue(), Knobs::Object),
                Vocabulary::Free => Format::Json,
            };
            let ask = Ask {
                operator: Operator::Fresh,
                count: 1,
                parents: &[],
                shown: &[],
                baseline: &baseline,
                format,
                seed: 0,
            };
            prompts::ideas(&setting, &ask, room)?
        }
        Role::Implementer | Role::Repairer => {
            let idea = Idea {
                title: "x".repeat(TITLE),
                hypothesis: "x".repeat(300),
                plan: "x".repeat(PLAN),
                ..Idea::baseline(id)
            };
            prompts::implement(&setting, &Task { idea: &idea, parents: &[] }, room)?
        }
    };
    Ok(bytes(&text) + if role == Role::Implementer { TOLD / 3 } else { TOLD })
}

fn bytes(text: &Text) -> u64 {
    (text.system.len() + text.user.len()) as u64
}
