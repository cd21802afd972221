//! Holds calls of one provider to its limits: calls at a time, calls and tokens a minute, and pauses it asked for.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Mutex as Queue, OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep_until};

const MINUTE: Duration = Duration::from_secs(60);

/// The limits of one provider and what was used of them.
#[derive(Debug)]
pub(crate) struct Pace {
    at_once: Arc<Semaphore>,
    // Held by the call that is next, so that calls go in the order in which they came.
    queue: Queue<()>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    calls: Minute,
    tokens: Minute,
    held_until: Option<Instant>,
}

/// What was used in the last minute. Exact, unlike a bucket that refills: never more than the limit in any minute.
#[derive(Debug)]
struct Minute {
    limit: Option<u64>,
    used: VecDeque<(Instant, u64)>,
    sum: u64,
}

/// The right to send one try.
#[derive(Debug)]
pub(crate) struct Admitted {
    _place: OwnedSemaphorePermit,
    at: Instant,
    tokens: u64,
}

impl Pace {
    pub(crate) fn new(at_once: u32, calls: Option<u32>, tokens: Option<u64>) -> Self {
        Self {
            at_once: Arc::new(Semaphore::new(at_once.max(1) as usize)),
            queue: Queue::new(()),
            state: Mutex::new(State {
                calls: Minute::new(calls.map(u64::from)),
                tokens: Minute::new(tokens),
                held_until: None,
            }),
        }
    }

    /// Waits until a try of about so many tokens may be sent.
    pub(crate) async fn admit(&self, tokens: u64) -> Admitted {
        let place = match self.at_once.clone().acquire_owned().await {
            Ok(place) => place,
            Err(_) => unreachable!("the semaphore is never closed"),
        };
        let _turn = self.queue.lock().await;
        loop {
            let now = Instant::now();
            let earliest = self.state().earliest(now, tokens);
            match earliest {
                None => return Admitted { _place: place, at: now, tokens },
                Some(until) => sleep_until(until).await,
            }
        }
    }

    /// The try took this many tokens, not what was thought before.
    pub(crate) fn correct(&self, admitted: Admitted, tokens: u64) {
        self.state().tokens.correct(admitted.at, admitted.tokens, tokens);
    }

    /// The provider takes no call for so long.
    pub(crate) fn hold(&self, pause: Duration) {
        let until = Instant::now() + pause;
        let mut state = self.state();
        state.held_until = Some(state.held_until.map_or(until, |held| held.max(until)));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Takes the limits now and gives `None`, or tells when to look again.
    fn earliest(&mut self, now: Instant, tokens: u64) -> Option<Instant> {
        let held = self.held_until.filter(|until| *until > now);
        let later = [held, self.calls.free_at(now, 1), self.tokens.free_at(now, tokens)];
        let later = later.into_iter().flatten().max();
        if later.is_none() {
            self.calls.take(now, 1);
            self.tokens.take(now, tokens);
        }
        later
    }
}

impl Minute {
    fn new(limit: Option<u64>) -> Self {
        Self { limit: limit.map(|limit| limit.max(1)), used: VecDeque::new(), sum: 0 }
    }

    /// When so much more fits; `None` is now. What is larger than the limit goes when nothing else was used.
    fn free_at(&mut self, now: Instant, amount: u64) -> Option<Instant> {
        let limit = self.limit?;
        while let Some(&(at, used)) = self.used.front()
            && at + MINUTE <= now
        {
            self.sum -= used;
            self.used.pop_front();
        }
        let mut left = self.sum;
        let mut free_at = None;
        for &(at, used) in &self.used {
            if left == 0 || left + amount <= limit {
                break;
            }
            left -= used;
            free_at = Some(at + MINUTE);
        }
        free_at
    }

    fn take(&mut self, now: Instant, amount: u64) {
        if self.limit.is_some() {
            self.used.push_back((now, amount));
            self.sum += amount;
        }
    }

    fn correct(&mut self, at: Instant, from: u64, to: u64) {
        if let Some(entry) = self.used.iter_mut().find(|entry| **entry == (at, from)) {
            entry.1 = to;
            self.sum = self.sum - from + to;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn seconds(pace: &Pace, calls: usize, tokens: u64) -> Vec<u64> {
        let start = Instant::now();
        let mut at = Vec::new();
        for _ in 0..calls {
            pace.admit(tokens).await;
            at.push(start.elapsed().as_secs());
        }
        at
    }

    #[tokio::test(start_paused = true)]
    async fn no_minute_has_more_calls_than_the_limit() {
        let pace = Pace::new(8, Some(3), None);
        assert_eq!(seconds(&pace, 8, 1).await, [0, 0, 0, 60, 60, 60, 120, 120]);
    }

    #[tokio::test(start_paused = true)]
    async fn no_minute_has_more_tokens_than_the_limit() {
        let pace = Pace::new(8, None, Some(1000));
        assert_eq!(seconds(&pace, 5, 400).await, [0, 0, 60, 60, 120]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_beyond_the_limit_goes_alone() {
        let pace = Pace::new(8, None, Some(1000));
        assert_eq!(seconds(&pace, 2, 5000).await, [0, 60]);
    }

    #[tokio::test(start_paused = true)]
    async fn tokens_are_counted_as_they_were_used() {
        let pace = Pace::new(8, None, Some(1000));
        let first = pace.admit(900).await;
        pace.correct(first, 100);
        assert_eq!(seconds(&pace, 2, 450).await, [0, 0]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_holds_every_call() {
        let pace = Pace::new(8, None, None);
        pace.hold(Duration::from_secs(7));
        pace.hold(Duration::from_secs(3));
        assert_eq!(seconds(&pace, 2, 1).await, [7, 7]);
    }

    #[tokio::test(start_paused = true)]
    async fn only_so_many_calls_are_made_at_a_time() {
        let pace = Pace::new(1, None, None);
        let first = pace.admit(1).await;
        assert!(tokio::time::timeout(Duration::from_secs(1), pace.admit(1)).await.is_err());
        drop(first);
        pace.admit(1).await;
    }
}
