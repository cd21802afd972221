//! Refuses an idea that was tried before in other words, before anything is spent on its code.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use autores_domain::{Call, CallKey, Fault, FaultClass, Idea, IdeaId, ModelName};
use tokio::sync::OnceCell;

use super::job::Job;
use crate::conversation;
use crate::knowledge::was_tried;
use crate::llm::Client;
use crate::novelty::{self, Candidate, Fingerprint, SAME_MEANING, Twin};

/// The embeddings of the run's ideas, each asked for once.
#[derive(Debug, Default)]
pub(super) struct Vectors {
    cells: Mutex<BTreeMap<IdeaId, Arc<OnceCell<Vec<f32>>>>>,
}

/// The fault of an idea that says what another said before. Where a run is repeated, an idea for which code was asked was
/// found to be new, among the results of that time; one for which none was asked repeats another, whatever became of that.
pub(super) async fn find(job: &Job, vectors: &Vectors, calls: &mut Vec<Call>) -> Option<Fault> {
    let tried: Vec<&Idea> = job
        .task
        .earlier()
        .filter(|member| was_tried(&member.outcome))
        .map(|member| &member.idea)
        .collect();
    if !job.client.is_repeating() {
        return among(&tried, job, vectors, calls).await;
    }
    if job.client.has_recorded(&format!("{}.", job.key())).await {
        return None;
    }
    let all: Vec<&Idea> = job.task.earlier().map(|member| &member.idea).collect();
    match among(&tried, job, vectors, calls).await {
        Some(fault) => Some(fault),
        None => among(&all, job, vectors, calls).await,
    }
}

async fn among(
    earlier: &[&Idea],
    job: &Job,
    vectors: &Vectors,
    calls: &mut Vec<Call>,
) -> Option<Fault> {
    let idea = &job.task.idea;
    let mut twin = novelty::twin(&Candidate::from(idea), earlier.iter().copied());
    if let (None, Some(model)) = (&twin, &job.knowledge.llm().embedding) {
        twin = by_meaning(idea, earlier, &job.client, model, vectors, calls).await;
    }
    let twin = twin?;
    let title = earlier.iter().find(|idea| idea.id == twin.idea).map(|idea| idea.title.as_str());
    let reason = format!(
        "it repeats {} ({:?}), {:.0}% alike",
        twin.idea,
        title.unwrap_or_default(),
        twin.similarity * 100.0
    );
    Some(Fault::new(FaultClass::Duplicate, reason))
}

async fn by_meaning(
    idea: &Idea,
    earlier: &[&Idea],
    client: &Client,
    model: &ModelName,
    vectors: &Vectors,
    calls: &mut Vec<Call>,
) -> Option<Twin> {
    let own = vectors.of(idea, client, model, calls).await?;
    let print = Fingerprint::of(&Candidate::from(idea));
    let mut known = Vec::new();
    // Techniques are compared by name. An embedding hardly sees a number.
    let comparable = earlier.iter().filter(|other| {
        other.techniques.is_empty()
            && !print.contradicts(&Fingerprint::of(&Candidate::from(**other)))
    });
    for other in comparable {
        if let Some(vector) = vectors.of(other, client, model, calls).await {
            known.push((other.id.clone(), vector));
        }
    }
    novelty::twin_by_embedding(&own, &known, SAME_MEANING)
}

impl Vectors {
    /// The embedding of an idea; `None` where there is none to be had, which holds nothing up.
    async fn of(
        &self,
        idea: &Idea,
        client: &Client,
        model: &ModelName,
        calls: &mut Vec<Call>,
    ) -> Option<Vec<f32>> {
        let cell = {
            let mut cells = self.cells.lock().unwrap_or_else(PoisonError::into_inner);
            cells.entry(idea.id.clone()).or_default().clone()
        };
        let vector = cell.get_or_try_init(|| async {
            let key: CallKey = format!("i{}.embed", idea.id.number).parse().map_err(drop)?;
            let text = format!("{}\n\n{}", idea.title, idea.plan);
            let asked = client.embed(&key, model, &[text]).await;
            conversation::pay(calls, asked.call);
            match asked.result {
                Ok(vectors) => vectors.into_iter().next().ok_or(()),
                Err(error) => {
                    tracing::warn!(idea = %idea.id, %error, "no embedding, so the idea is compared by its words only");
                    Err(())
                }
            }
        });
        vector.await.ok().cloned()
    }
}
