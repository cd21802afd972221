//! Which model a brief goes to. Never asks it.

use autores_domain::{Brief, Choice, ModelName, Population, Refusal, Role, WeightedModel};

use crate::knowledge::Knowledge;
use crate::llm::choose::{self, Arm, EXPLORATION};

pub(super) fn model(
    knowledge: &Knowledge,
    number: u32,
    brief: &Brief,
    population: &Population,
) -> Result<ModelName, Refusal<String>> {
    let models = knowledge.models(Role::Ideator);
    match knowledge.llm().choice {
        Choice::Weights => {
            knowledge.draw(Role::Ideator, brief.seed).map_err(|error| nobody(error.to_string()))
        }
        Choice::Bandit => bandit(models, number, population).ok_or_else(|| {
            nobody("there is no model to ask for ideas; name at least one".to_owned())
        }),
    }
}

fn nobody(reason: String) -> Refusal<String> {
    Refusal::Unavailable { reason, is_lasting: true }
}

fn bandit(models: &[WeightedModel], number: u32, population: &Population) -> Option<ModelName> {
    let arms: Vec<Arm> = models.iter().map(|one| arm(&one.model, population)).collect();
    // Briefs that are answered at the same time see the same results, so new models are shared out by number.
    let new: Vec<usize> = (0..arms.len()).filter(|at| arms[*at].plays == 0).collect();
    let chosen = match new.len() {
        0 => choose::bandit(&arms, EXPLORATION)?,
        count => new[number as usize % count],
    };
    Some(models[chosen].model.clone())
}

/// What the model's ideas gained over the baseline, and what they cost.
fn arm(model: &ModelName, population: &Population) -> Arm {
    let mut arm = Arm::priced();
    let name = model.to_string();
    for member in population.members.iter().filter(|member| member.idea.origin == name) {
        let gain = member.reward().zip(population.reference).map(|(reward, at)| reward - at);
        arm.record(gain, Some(0.0), 0);
    }
    if let Some(spent) = population.ideator_spent.get(model) {
        // Calls without an idea were asked too.
        arm.plays = arm.plays.max(spent.calls);
        arm.dollars = (spent.unpriced == 0).then_some(spent.usd);
        arm.tokens = spent.tokens.input + spent.tokens.output;
    }
    arm
}
