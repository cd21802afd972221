//! Patches in a model's words: several candidates for an idea, each revised after a refusal, and one of those that pass
//! the gate. Never commits anything.

mod candidate;
mod errands;
mod job;
mod rounds;
mod select;
mod twin;
mod verdict;

use std::sync::Arc;

use async_trait::async_trait;
use autores_domain::{
    Answered, Call, Fault, FaultClass, Gate, Implementer, ModelName, Patch, Refusal, Role, Task,
};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::CatalogueImplementer;
use crate::knowledge::Knowledge;
use crate::llm::Client;
use crate::llm::choose::{WeightError, Weighted};
use candidate::Candidate;
use errands::Errands;
use job::Job;
use twin::Vectors;

/// Implements ideas with language models. Those that consist of the catalogue's techniques cost no call.
pub struct LlmImplementer {
    client: Client,
    knowledge: Arc<Knowledge>,
    gate: Arc<dyn Gate>,
    catalogue: CatalogueImplementer,
    vectors: Vectors,
    errands: Errands,
}

impl LlmImplementer {
    /// An implementer whose patches have to pass the gate.
    pub fn new(client: Client, knowledge: Arc<Knowledge>, gate: Arc<dyn Gate>) -> Self {
        let catalogue = CatalogueImplementer::new(knowledge.catalogue().clone());
        Self {
            client,
            knowledge,
            gate,
            catalogue,
            vectors: Vectors::default(),
            errands: Errands::default(),
        }
    }

    async fn write(&self, task: &Task, calls: &mut Vec<Call>) -> Result<Patch, Refusal<Fault>> {
        // What is mended was found to be new before it was written.
        if task.broken.is_none() {
            let twin = twin::find(task, &self.client, &self.knowledge, &self.vectors, calls).await;
            if let Some(fault) = twin {
                return Err(Refusal::Failed(fault));
            }
        }
        let job = Arc::new(Job::new(self.client.clone(), self.knowledge.clone(), task.clone()));
        let candidates = self
            .candidates(&job)
            .map_err(|error| Refusal::Failed(Fault::new(FaultClass::Infra, error.to_string())))?;
        let candidates =
            rounds::run(&job, candidates, self.gate.as_ref(), &self.errands, calls).await;
        let (passed, others) = select::distinct(candidates);
        match passed.is_empty() {
            true => Err(verdict::none_passed(&others)),
            false => Ok(select::one(passed, &job, calls).await),
        }
    }

    fn candidates(&self, job: &Job) -> Result<Vec<Candidate>, WeightError> {
        let models = self.knowledge.models(job.role());
        let weights = models.iter().map(|one| (one.model.clone(), one.weight)).collect();
        let weighted: Weighted<ModelName> = Weighted::new(weights)?;
        let draw = |number: u32| {
            let mut rng = ChaCha8Rng::seed_from_u64(job.seed(number, 0));
            weighted.draw(&mut rng).clone()
        };
        let drawn: Vec<ModelName> = (0..self.knowledge.llm().candidates.max(1)).map(draw).collect();
        Ok((0..)
            .zip(&drawn)
            .map(|(number, model)| {
                let same = drawn.iter().filter(|other| *other == model).count();
                Candidate::new(number, model.clone(), same > 1)
            })
            .collect())
    }
}

#[async_trait]
impl Implementer for LlmImplementer {
    async fn implement(&self, task: &Task) -> Answered<Result<Patch, Refusal<Fault>>> {
        if !task.idea.techniques.is_empty() {
            return self.catalogue.implement(task).await;
        }
        let mut calls = self.errands.late();
        let result = self.write(task, &mut calls).await;
        calls.sort_by(|a, b| a.key.cmp(&b.key));
        Answered { result, calls }
    }
}

/// The model that judges, for this idea.
fn judge(knowledge: &Knowledge, seed: u64) -> Option<ModelName> {
    let models = knowledge.models(Role::Judge);
    let weights = models.iter().map(|one| (one.model.clone(), one.weight)).collect();
    let weighted: Weighted<ModelName> = Weighted::new(weights).ok()?;
    Some(weighted.draw(&mut ChaCha8Rng::seed_from_u64(seed)).clone())
}
