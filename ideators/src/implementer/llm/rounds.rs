//! Asks for all candidates at a time, and again for those that were refused. A round ends before the next begins, so
//! that which calls are made does not depend on who answers first.

use std::sync::Arc;

use autores_domain::{Call, CallKey, Gate};
use futures_util::future::join_all;
use serde::{Deserialize, Serialize};

use super::candidate::Candidate;
use super::errands::Errands;
use super::job::Job;
use super::turns::{self, Asked, Turn, given_up};
use crate::conversation::Unanswered;

/// A candidate that was taken though others before it had not answered. Whoever writes the idea again, after a crash or
/// to repeat the run, has their answers and takes the same one all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Choice {
    candidate: u32,
    version: u32,
}

/// The candidates after all rounds. Where the first is taken that passes, the others may be left open.
///
/// # Errors
/// If what was chosen cannot be kept.
pub(super) async fn run(
    job: &Arc<Job>,
    mut candidates: Vec<Candidate>,
    gate: &dyn Gate,
    errands: &Errands,
    calls: &mut Vec<Call>,
) -> Result<Vec<Candidate>, Unanswered> {
    let key: CallKey = format!("{}.choice", job.key()).parse()?;
    let choice: Option<Choice> = match job.chooses_from_all() {
        true => None,
        false => job.client.noted(&key).await,
    };
    for version in 0..=job.knowledge.llm().revisions {
        let open = candidates.iter_mut().filter(|candidate| candidate.may_be_asked());
        let asked = open.map(|candidate| {
            let work = job.clone().ask(
                candidate.number,
                version,
                candidate.model.clone(),
                candidate.is_one_of_many,
                candidate.refused(),
            );
            let on_its_way = errands.send(work);
            (candidate, on_its_way)
        });
        // All are asked before the first is judged.
        let asked: Vec<_> = asked.collect();
        if job.chooses_from_all() {
            let judged = asked.into_iter().map(|(candidate, on_its_way)| async {
                let answer = on_its_way.await.unwrap_or_else(|_| given_up());
                candidate.judge(answer.answer, job, gate).await;
                answer.calls
            });
            calls.extend(join_all(judged).await.into_iter().flatten());
        } else {
            let asked = asked.into_iter().map(|(candidate, way)| Asked::new(candidate, way));
            let chosen = choice.filter(|choice| choice.version == version);
            let chosen = chosen.map(|choice| choice.candidate);
            let turn = turns::take(asked.collect(), chosen, job, gate, calls).await;
            if let Turn::OutOfOrder(candidate) = turn {
                let model = &candidates[candidate as usize].model;
                job.client.note(&key, job.role(), model, Choice { candidate, version }).await?;
            }
        }
        let is_decided = !job.chooses_from_all() && candidates.iter().any(Candidate::has_passed);
        if is_decided || !candidates.iter().any(Candidate::may_be_asked) {
            break;
        }
    }
    Ok(candidates)
}
