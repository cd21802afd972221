//! Asks for all candidates at a time, and again for those that were refused. A round ends before the next begins, so
//! that which calls are made does not depend on who answers first.

use std::sync::Arc;
use std::time::Duration;

use autores_domain::{Call, Gate, Selection};
use futures_util::future::join_all;
use tokio::sync::oneshot::Receiver;
use tokio::time::{Instant, timeout_at};

use super::candidate::Candidate;
use super::errands::{Brought, Errands};
use super::job::Job;
use crate::conversation::Unanswered;
use crate::llm::Reply;

/// How long answers are waited for, at the least, that are not needed any more.
const PATIENCE: Duration = Duration::from_secs(2);

type Answer = Receiver<Brought<Result<Reply, Unanswered>>>;

/// The candidates after all rounds. Where the first is taken that passes, the others may be left open.
pub(super) async fn run(
    job: &Arc<Job>,
    mut candidates: Vec<Candidate>,
    gate: &dyn Gate,
    errands: &Errands,
    calls: &mut Vec<Call>,
) -> Vec<Candidate> {
    let llm = job.knowledge.llm();
    let started = Instant::now();
    for version in 0..=llm.revisions {
        let open = candidates.iter_mut().filter(|candidate| candidate.may_be_asked());
        let asked: Vec<(&mut Candidate, Answer)> = open
            .map(|candidate| {
                let work = job.clone().ask(
                    candidate.number,
                    version,
                    candidate.model.clone(),
                    candidate.is_one_of_many,
                    candidate.refused(),
                );
                (candidate, errands.send(work))
            })
            .collect();
        match llm.select {
            Selection::First => in_turn(asked, job, gate, started, calls).await,
            Selection::Surprisal | Selection::Smallest | Selection::Judge => {
                let judged = asked.into_iter().map(|(candidate, answer)| async {
                    let (paid, reply) = brought(answer.await.ok());
                    candidate.judge(reply, job, gate).await;
                    paid
                });
                calls.extend(join_all(judged).await.into_iter().flatten());
            }
        }
        let is_decided =
            llm.select == Selection::First && candidates.iter().any(Candidate::has_passed);
        if is_decided || !candidates.iter().any(Candidate::may_be_asked) {
            break;
        }
    }
    candidates
}

/// Judges one after the other until one passes: the gate costs more than an answer that is there.
async fn in_turn(
    asked: Vec<(&mut Candidate, Answer)>,
    job: &Job,
    gate: &dyn Gate,
    started: Instant,
    calls: &mut Vec<Call>,
) {
    let mut asked = asked.into_iter();
    for (candidate, answer) in asked.by_ref() {
        let (paid, reply) = brought(answer.await.ok());
        calls.extend(paid);
        candidate.judge(reply, job, gate).await;
        if candidate.has_passed() {
            break;
        }
    }
    // They were asked at the same time, so most are there. A provider that hangs holds no patch up.
    let patience = Instant::now() + started.elapsed().max(PATIENCE);
    for (_, mut answer) in asked {
        let there = match timeout_at(patience, &mut answer).await {
            Ok(there) => there.ok(),
            Err(_) => {
                answer.close();
                answer.try_recv().ok()
            }
        };
        calls.extend(there.into_iter().flat_map(|(paid, _)| paid));
    }
}

fn brought(
    answer: Option<Brought<Result<Reply, Unanswered>>>,
) -> Brought<Result<Reply, Unanswered>> {
    answer.unwrap_or_else(|| (Vec::new(), Err(Unanswered::GivenUp)))
}
