//! Patches in a model's words: several candidates for an idea, each revised after a refusal, and one of those that pass
//! the gate. Never commits anything.

mod candidate;
mod errands;
mod job;
mod rounds;
mod select;
mod turns;
mod twin;
mod verdict;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use autores_domain::{Answered, Call, Fault, Gate, Implementer, ModelName, Patch, Refusal, Task};

use super::CatalogueImplementer;
use crate::conversation::Unanswered;
use crate::knowledge::Knowledge;
use crate::llm::Client;
use crate::llm::choose::WeightError;
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
    is_stopping: Arc<AtomicBool>,
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
            is_stopping: Arc::default(),
        }
    }

    async fn write(&self, task: &Task, calls: &mut Vec<Call>) -> Result<Patch, Refusal<Fault>> {
        let job = Arc::new(Job::new(
            self.client.clone(),
            self.knowledge.clone(),
            task.clone(),
            self.is_stopping.clone(),
        ));
        // What is mended was found to be new before it was written.
        if task.broken.is_none()
            && let Some(fault) = twin::find(&job, &self.vectors, calls).await
        {
            return Err(Refusal::Failed(fault));
        }
        let candidates = self.candidates(&job).map_err(|error| Refusal::Unavailable {
            reason: error.to_string(),
            is_lasting: true,
        })?;
        let candidates = rounds::run(&job, candidates, self.gate.as_ref(), &self.errands, calls)
            .await
            .map_err(|error| verdict::refusal(&error))?;
        // What is chosen from all must not be chosen from those that were judged before the end.
        if job.chooses_from_all() && candidates.iter().any(Candidate::is_stopped) {
            return Err(verdict::refusal(&Unanswered::Stopping));
        }
        let (passed, others) = select::distinct(candidates);
        match passed.is_empty() {
            true => Err(verdict::none_passed(&others)),
            false => {
                select::one(passed, &job, calls).await.map_err(|error| verdict::refusal(&error))
            }
        }
    }

    fn candidates(&self, job: &Job) -> Result<Vec<Candidate>, WeightError> {
        let count = self.knowledge.llm().candidates.max(1);
        let draw = |number: u32| self.knowledge.draw(job.role(), job.seed(number, 0));
        let drawn: Vec<ModelName> = (0..count).map(draw).collect::<Result<_, _>>()?;
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

    fn stop(&self) {
        self.is_stopping.store(true, Ordering::SeqCst);
        self.client.stop_asking();
    }

    async fn settle(&self) -> Vec<Call> {
        let mut calls = self.errands.settle().await;
        calls.sort_by(|a, b| a.key.cmp(&b.key));
        calls
    }
}
