//! Keeps the spending of concurrent calls within the budget.

mod ledger;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use autores_domain::{Budget, Call, Spent};
use tokio::sync::Notify;

pub(crate) use ledger::{Cost, Forecast, Kind};
use ledger::{Entry, Ledger};

/// The books, and who waits for them.
#[derive(Debug)]
pub(crate) struct Meter {
    ledger: Mutex<Ledger>,
    changed: Notify,
}

impl Meter {
    pub(crate) fn new(budget: Budget) -> Self {
        Self { ledger: Mutex::new(Ledger::new(budget)), changed: Notify::new() }
    }

    pub(crate) fn spent(&self) -> Spent {
        self.books().spent()
    }

    pub(crate) fn set_budget(&self, budget: Budget) {
        self.books().set_budget(budget);
        self.changed.notify_waiters();
    }

    pub(crate) fn caps_dollars(&self) -> bool {
        self.books().caps_dollars()
    }

    /// Counts a call that was made elsewhere or before.
    pub(crate) fn record(&self, call: &Call) {
        self.books().record(call);
    }

    /// Counts what is known to be spent, as far as it is more than was counted.
    pub(crate) fn raise(&self, known: Spent) {
        self.books().raise(known);
    }

    /// Waits until the call may go, or says which cap forbids it.
    pub(crate) async fn enter(
        self: &Arc<Self>,
        kind: &Kind,
        forecast: Forecast,
    ) -> Result<Reservation, String> {
        let number = self.go(|books| books.enter(kind, forecast)).await?;
        Ok(Reservation { meter: self.clone(), number })
    }

    async fn go(&self, mut ask: impl FnMut(&mut Ledger) -> Entry) -> Result<u64, String> {
        loop {
            // Made before the look, so that a call that ends in between is not missed.
            let changed = self.changed.notified();
            let entry = ask(&mut self.books());
            match entry {
                Entry::Go(number) => return Ok(number),
                Entry::Over(words) => return Err(words),
                Entry::Wait => changed.await,
            }
        }
    }

    fn books(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The right to make one call. Dropped, it gives back what was neither paid nor sent.
#[derive(Debug)]
pub(crate) struct Reservation {
    meter: Arc<Meter>,
    number: u64,
}

impl Reservation {
    /// A try is sent.
    pub(crate) fn send(&self, likely: Cost) {
        self.meter.books().send(self.number, likely);
    }

    /// A try was paid, and the call may go on.
    pub(crate) fn pay(&self, cost: Cost) {
        self.meter.books().pay(self.number, cost);
        self.meter.changed.notify_waiters();
    }

    /// Waits until another try may go, or says which cap forbids it.
    pub(crate) async fn again(&self) -> Result<(), String> {
        self.meter.go(|books| books.again(self.number)).await.map(|_| ())
    }

    /// The call is over.
    pub(crate) fn settle(self, call: &Call) {
        self.meter.books().settle(self.number, call);
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.meter.books().abandon(self.number);
        self.meter.changed.notify_waiters();
    }
}
