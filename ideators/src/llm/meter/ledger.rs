//! What calls have cost and may still cost. Pure: it says whether a call may go, and never waits.
//!
//! A call is let go when what is spent, plus the worst that the calls under way can come to, plus what this call is
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
        Self { tokens: tokens.input + tokens.output, usd: usd.unwrap_or(0.0) }
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

/// Whether a call may go.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Entry {
    /// It may; its number.
    Go(u64),
    /// Not before a call under way has ended.
    Wait,
    /// It may not. The cap that it would break, in words.
    Over(String),
}

/// A call under way.
#[derive(Debug, Clone, Copy)]
struct Open {
    worst: Cost,
    /// What its failed tries did cost.
    paid: Cost,
    /// What the try under way is likely to cost.
    sent: Cost,
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
        let under_way = self.open.values().fold(Cost::default(), |sum, open| sum.plus(open.worst));
        match self.broken_by(under_way.plus(expected)) {
            None => {
                self.next += 1;
                self.open.insert(
                    self.next,
                    Open { worst: forecast.worst, paid: Cost::default(), sent: Cost::default() },
                );
                Entry::Go(self.next)
            }
            Some(_) if !self.open.is_empty() => Entry::Wait,
            Some(words) => Entry::Over(words),
        }
    }

    /// A try of the call is sent.
    pub(crate) fn send(&mut self, number: u64, likely: Cost) {
        if let Some(open) = self.open.get_mut(&number) {
            open.sent = likely;
        }
    }

    /// A try of the call was paid, and the call goes on.
    pub(crate) fn pay(&mut self, number: u64, cost: Cost) {
        if let Some(open) = self.open.get_mut(&number) {
            open.paid = open.paid.plus(cost);
            open.sent = Cost::default();
            // The next try can come to as much as the first.
            open.worst = open.worst.plus(cost);
        }
    }

    /// Whether what is spent already, tries of calls under way included, has reached a cap.
    pub(crate) fn is_used_up(&self) -> bool {
        let paid = self.open.values().fold(Cost::default(), |sum, open| sum.plus(open.paid));
        self.budget.usd.is_some_and(|cap| self.spent.usd + paid.usd >= cap)
            || self.budget.tokens.is_some_and(|cap| self.total_tokens() + paid.tokens >= cap)
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

    fn total_tokens(&self) -> u64 {
        self.spent.tokens.input + self.spent.tokens.output
    }

    fn broken_by(&self, more: Cost) -> Option<String> {
        if let Some(cap) = self.budget.usd
            && self.spent.usd + more.usd > cap + 1e-9
        {
            return Some(format!(
                "${:.4} of ${cap:.4} are spent, and the next call may cost ${:.4}",
                self.spent.usd, more.usd
            ));
        }
        let tokens = self.total_tokens();
        if let Some(cap) = self.budget.tokens
            && tokens + more.tokens > cap
        {
            return Some(format!(
                "{tokens} of {cap} tokens are used, and the next call may take {}",
                more.tokens
            ));
        }
        None
    }
}
