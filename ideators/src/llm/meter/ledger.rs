//! What calls have cost and may still cost. Pure: it says whether a call may go, and never waits.
//!
//! A try is let go when what is spent, plus the worst that the calls under way can come to, plus what this try is
//! expected to cost, is within the budget. So whatever calls at a time: spending ends within one call of the cap.

use std::collections::BTreeMap;

use autores_domain::{Budget, Call, ModelName, Role, Spent, Tokens};

/// Tokens and dollars of one call.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Cost {
    pub(crate) tokens: u64,
    pub(crate) usd: f64,
}

impl Cost {
    pub(crate) fn of(tokens: Tokens, usd: Option<f64>) -> Self {
        Self { tokens: total(tokens), usd: usd.unwrap_or(0.0) }
    }

    fn plus(self, other: Self) -> Self {
        Self { tokens: self.tokens + other.tokens, usd: self.usd + other.usd }
    }

    fn max(self, other: Self) -> Self {
        Self { tokens: self.tokens.max(other.tokens), usd: self.usd.max(other.usd) }
    }

    fn min(self, other: Self) -> Self {
        Self { tokens: self.tokens.min(other.tokens), usd: self.usd.min(other.usd) }
    }
}

/// Who calls: calls of one role and model are much alike.
pub(crate) type Kind = (Role, ModelName);

/// What a call may cost.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Forecast {
    /// What is likely, where nothing like it was asked before.
    pub(crate) likely: Cost,
    /// What it cannot go beyond.
    pub(crate) worst: Cost,
}

/// Whether a try may go.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Entry {
    /// It may; the number of its call.
    Go(u64),
    /// Not before a try under way has ended.
    Wait,
    /// It may not. The cap that it would break, in words.
    Over(String),
}

/// A call under way.
#[derive(Debug, Clone, Copy)]
struct Open {
    /// What each try is expected to cost, and what it cannot go beyond.
    forecast: Forecast,
    /// What its failed tries did cost.
    paid: Cost,
    /// Whether a try is under way.
    tries: bool,
    /// What that try is likely to cost, once it is sent.
    sent: Cost,
}

impl Open {
    fn worst(&self) -> Cost {
        if self.tries { self.paid.plus(self.forecast.worst) } else { self.paid }
    }
}

/// The books of a run.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    budget: Budget,
    spent: Spent,
    open: BTreeMap<u64, Open>,
    largest: BTreeMap<Kind, Cost>,
    next: u64,
}

impl Ledger {
    pub(crate) fn new(budget: Budget) -> Self {
        Self { budget, ..Self::default() }
    }

    pub(crate) fn spent(&self) -> Spent {
        self.spent
    }

    pub(crate) fn set_budget(&mut self, budget: Budget) {
        self.budget = budget;
    }

    pub(crate) fn caps_dollars(&self) -> bool {
        self.budget.usd.is_some()
    }

    /// Asks to make a call.
    pub(crate) fn enter(&mut self, kind: &Kind, forecast: Forecast) -> Entry {
        let expected = match self.largest.get(kind) {
            Some(largest) => largest.min(forecast.worst),
            None => forecast.likely.min(forecast.worst),
        };
        match self.broken_by(expected) {
            None => {
                self.next += 1;
                let forecast = Forecast { likely: expected, ..forecast };
                let (paid, sent) = (Cost::default(), Cost::default());
                self.open.insert(self.next, Open { forecast, paid, tries: true, sent });
                Entry::Go(self.next)
            }
            Some(_) if !self.open.is_empty() => Entry::Wait,
            Some(words) => Entry::Over(words),
        }
    }

    /// Asks to try a call again whose last try is paid.
    pub(crate) fn again(&mut self, number: u64) -> Entry {
        let expected = self.open.get(&number).map(|open| open.forecast.likely);
        match self.broken_by(expected.unwrap_or_default()) {
            None => {
                if let Some(open) = self.open.get_mut(&number) {
                    open.tries = true;
                }
                Entry::Go(number)
            }
            // Calls between two tries wait for none of each other: only what is under way can end cheaper.
            Some(_) if self.open.values().any(|open| open.tries) => Entry::Wait,
            Some(words) => Entry::Over(words),
        }
    }

    /// A try of the call is sent.
    pub(crate) fn send(&mut self, number: u64, likely: Cost) {
        if let Some(open) = self.open.get_mut(&number) {
            open.sent = likely;
        }
    }

    /// A try of the call was paid, and the call may go on.
    pub(crate) fn pay(&mut self, number: u64, cost: Cost) {
        if let Some(open) = self.open.get_mut(&number) {
            open.paid = open.paid.plus(cost);
            open.sent = Cost::default();
            open.tries = false;
        }
    }

    /// The call is over.
    pub(crate) fn settle(&mut self, number: u64, call: &Call) {
        self.open.remove(&number);
        self.record(call);
    }

    /// The call was given up half-way: what it has paid is spent, and so is what was sent, whoever reads the answer.
    pub(crate) fn abandon(&mut self, number: u64) {
        if let Some(open) = self.open.remove(&number) {
            let lost = open.paid.plus(open.sent);
            self.spent.usd += lost.usd;
            self.spent.tokens.input += lost.tokens;
        }
    }

    /// Counts a call that is over.
    pub(crate) fn record(&mut self, call: &Call) {
        self.spent += call;
        let cost = Cost::of(call.tokens, call.usd);
        let largest = self.largest.entry((call.role, call.model.clone())).or_default();
        *largest = largest.max(cost);
    }

    /// Takes over what others know to be spent: of each quantity, the larger.
    pub(crate) fn raise(&mut self, known: Spent) {
        self.spent.calls = self.spent.calls.max(known.calls);
        self.spent.unpriced = self.spent.unpriced.max(known.unpriced);
        self.spent.usd = self.spent.usd.max(known.usd);
        if total(known.tokens) > total(self.spent.tokens) {
            self.spent.tokens = known.tokens;
        }
    }

    /// The cap that a try would break which costs so much, with the worst that the calls under way can come to.
    fn broken_by(&self, next: Cost) -> Option<String> {
        let spent = Cost::of(self.spent.tokens, Some(self.spent.usd));
        let sum = |of: fn(&Open) -> Cost| self.open.values().map(of).fold(spent, Cost::plus);
        let (used, most) = (sum(|open| open.paid), sum(Open::worst).plus(next));
        if let Some(cap) = self.budget.usd
            && most.usd > cap + 1e-9
        {
            return Some(format!(
                "${:.4} of ${cap:.4} are spent, and the next call may cost ${:.4}",
                used.usd, next.usd
            ));
        }
        if let Some(cap) = self.budget.tokens
            && most.tokens > cap
        {
            return Some(format!(
                "{} of {cap} tokens are used, and the next call may take {}",
                used.tokens, next.tokens
            ));
        }
        None
    }
}

fn total(tokens: Tokens) -> u64 {
    tokens.input + tokens.output
}
