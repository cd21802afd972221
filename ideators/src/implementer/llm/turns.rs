//! Takes the first candidate that passes, by number: the gate costs more than an answer that is there, so one is judged
//! after the other. A provider that hangs holds up the answers of others for a while only.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use autores_domain::{Call, Gate};
use tokio::sync::oneshot::Receiver;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::candidate::Candidate;
use super::errands::Brought;
use super::job::Job;
use crate::conversation::Unanswered;
use crate::llm::Reply;

/// How long an answer waits for others, at the least.
const PATIENCE: Duration = Duration::from_secs(2);

pub(super) type Answer = Brought<Result<Reply, Unanswered>>;

/// A candidate whose model was asked.
pub(super) struct Asked<'a> {
    candidate: &'a mut Candidate,
    on_its_way: Receiver<Answer>,
    there: Option<Answer>,
}

impl<'a> Asked<'a> {
    pub(super) fn new(candidate: &'a mut Candidate, on_its_way: Receiver<Answer>) -> Self {
        Self { candidate, on_its_way, there: None }
    }
}

/// How the candidates of a round were judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// In their order, until one passed if one did.
    InOrder,
    /// This one passed before others of lower numbers had answered.
    OutOfOrder(u32),
}

/// Judges one after the other until one passes, the one that was chosen before first. An answer waits for those of lower
/// numbers as long as it took itself.
pub(super) async fn take(
    mut asked: Vec<Asked<'_>>,
    chosen: Option<u32>,
    job: &Job,
    gate: &dyn Gate,
    calls: &mut Vec<Call>,
) -> Turn {
    let started = Instant::now();
    let is_chosen = |one: &Asked<'_>| Some(one.candidate.number) == chosen;
    if let Some(at) = asked.iter().position(is_chosen) {
        asked[..=at].rotate_right(1);
    }
    while let Some((candidate, answer)) = next(&mut asked, started).await {
        let patience = due(&answer, started);
        calls.extend(answer.calls);
        candidate.judge(answer.answer, job, gate).await;
        if candidate.has_passed() {
            let number = candidate.number;
            let is_out_of_order = asked.iter().any(|other| other.candidate.number < number);
            // They were asked at the same time, so most are there.
            calls.extend(rest(asked, patience).await);
            return if is_out_of_order { Turn::OutOfOrder(number) } else { Turn::InOrder };
        }
    }
    Turn::InOrder
}

/// The next one to be judged: the first, or another that has waited for it long enough.
async fn next<'a>(
    asked: &mut Vec<Asked<'a>>,
    started: Instant,
) -> Option<(&'a mut Candidate, Answer)> {
    loop {
        let first = asked.first()?;
        let waited_for = asked.iter().enumerate().filter_map(|(at, one)| {
            let there = one.there.as_ref()?;
            Some((due(there, started), at))
        });
        let soonest = waited_for.min();
        let at = match (&first.there, soonest) {
            (Some(_), _) => Some(0),
            (None, Some((due, at))) => {
                tokio::select! {
                    biased;
                    () = arrival(asked) => None,
                    () = sleep_until(due) => Some(at),
                }
            }
            (None, None) => {
                arrival(asked).await;
                None
            }
        };
        if let Some(at) = at {
            let Asked { candidate, there, .. } = asked.remove(at);
            return there.map(|answer| (candidate, answer));
        }
    }
}

/// Until when an answer waits for others.
fn due(answer: &Answer, started: Instant) -> Instant {
    answer.at + answer.at.saturating_duration_since(started).max(PATIENCE)
}

/// Ends when one more answer is there; one is on its way.
async fn arrival(asked: &mut [Asked<'_>]) {
    poll_fn(|context| {
        for one in asked.iter_mut().filter(|one| one.there.is_none()) {
            if let Poll::Ready(answer) = Pin::new(&mut one.on_its_way).poll(context) {
                one.there = Some(answer.unwrap_or_else(|_| given_up()));
                return Poll::Ready(());
            }
        }
        Poll::Pending
    })
    .await;
}

/// The calls of the others, as far as they are answered in time.
async fn rest(asked: Vec<Asked<'_>>, patience: Instant) -> Vec<Call> {
    let mut calls = Vec::new();
    for Asked { mut on_its_way, there, .. } in asked {
        let answer = match there {
            Some(answer) => Some(answer),
            None => match timeout_at(patience, &mut on_its_way).await {
                Ok(answer) => answer.ok(),
                Err(_) => {
                    on_its_way.close();
                    on_its_way.try_recv().ok()
                }
            },
        };
        calls.extend(answer.into_iter().flat_map(|answer| answer.calls));
    }
    calls
}

/// What stands for an answer that will not come.
pub(super) fn given_up() -> Answer {
    Brought { calls: Vec::new(), answer: Err(Unanswered::GivenUp), at: Instant::now() }
}
