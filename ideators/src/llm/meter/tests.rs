use autores_domain::{Budget, Call, Role, Tokens};
use proptest::prelude::*;

use super::ledger::{Cost, Entry, Forecast, Kind, Ledger};

fn kind() -> Kind {
    (Role::Ideator, "p/m".parse().unwrap())
}

fn cost(tokens: u64) -> Cost {
    Cost { tokens, usd: tokens as f64 / 1000.0 }
}

fn forecast(likely: u64, worst: u64) -> Forecast {
    Forecast { likely: cost(likely), worst: cost(worst) }
}

fn call(tokens: u64) -> Call {
    Call {
        key: "b0".parse().unwrap(),
        role: Role::Ideator,
        model: "p/m".parse().unwrap(),
        tokens: Tokens { input: tokens, cached: 0, output: 0 },
        usd: Some(cost(tokens).usd),
        latency_ms: 1,
        error: None,
    }
}

fn capped(tokens: u64) -> Ledger {
    Ledger::new(Budget { tokens: Some(tokens), ..Budget::default() })
}

fn go(ledger: &mut Ledger, forecast: Forecast) -> u64 {
    match ledger.enter(&kind(), forecast) {
        Entry::Go(number) => number,
        other => panic!("the call may not go: {other:?}"),
    }
}

#[test]
fn without_a_cap_every_call_goes() {
    let mut ledger = Ledger::new(Budget::default());
    for _ in 0..100 {
        go(&mut ledger, forecast(1_000_000, 1_000_000_000));
    }
}

#[test]
fn a_call_waits_for_those_that_may_use_up_the_rest() {
    let mut ledger = capped(1000);
    let first = go(&mut ledger, forecast(100, 950));
    assert_eq!(ledger.enter(&kind(), forecast(100, 950)), Entry::Wait);
    ledger.settle(first, &call(120));
    go(&mut ledger, forecast(100, 950));
}

#[test]
fn with_nothing_under_way_the_cap_is_final() {
    let mut ledger = capped(1000);
    let first = go(&mut ledger, forecast(100, 950));
    ledger.settle(first, &call(900));
    let Entry::Over(words) = ledger.enter(&kind(), forecast(50, 950)) else { panic!() };
    assert_eq!(words, "900 of 1000 tokens are used, and the next call may take 900");
}

#[test]
fn a_raised_budget_lets_calls_go_again() {
    let mut ledger = Ledger::new(Budget { usd: Some(1.0), ..Budget::default() });
    let first = go(&mut ledger, forecast(900, 1000));
    ledger.settle(first, &call(950));
    assert!(matches!(ledger.enter(&kind(), forecast(100, 1000)), Entry::Over(_)));
    ledger.set_budget(Budget { usd: Some(5.0), ..Budget::default() });
    go(&mut ledger, forecast(100, 1000));
}

#[test]
fn what_a_call_paid_or_sent_before_it_was_given_up_is_spent() {
    let mut ledger = capped(1000);
    let first = go(&mut ledger, forecast(100, 500));
    ledger.send(first, cost(90));
    ledger.pay(first, cost(300));
    ledger.send(first, cost(100));
    ledger.abandon(first);
    assert_eq!(ledger.spent().tokens.input, 400);
    assert_eq!(ledger.spent().calls, 0);
}

#[test]
fn tries_that_reach_the_cap_are_the_last() {
    let mut ledger = capped(1000);
    let first = go(&mut ledger, forecast(100, 500));
    ledger.pay(first, cost(999));
    assert!(!ledger.is_used_up());
    ledger.pay(first, cost(1));
    assert!(ledger.is_used_up());
}

proptest! {
    /// Calls come and end in any order, and cost anything up to their worst.
    #[test]
    fn spending_ends_within_one_call_of_the_cap(
        cap in 1u64..5000,
        steps in prop::collection::vec((any::<bool>(), 1u64..1000, 0.0f64..=1.0, 0.0f64..=1.0, any::<prop::sample::Index>()), 1..200),
    ) {
        let mut ledger = Ledger::new(Budget {
            tokens: Some(cap),
            usd: Some(cost(cap).usd),
            ..Budget::default()
        });
        let mut open: Vec<(u64, u64)> = Vec::new();
        let mut dearest = 0;
        let mut settle = |ledger: &mut Ledger, (number, actual): (u64, u64)| {
            dearest = dearest.max(actual);
            ledger.settle(number, &call(actual));
        };
        for (start, worst, likely, actual, index) in steps {
            if start || open.is_empty() {
                let part = |share: f64| (worst as f64 * share) as u64;
                match ledger.enter(&kind(), forecast(part(likely), worst)) {
                    Entry::Go(number) => open.push((number, part(actual))),
                    Entry::Wait => prop_assert!(!open.is_empty(), "it waits for nobody"),
                    Entry::Over(_) => prop_assert!(open.is_empty()),
                }
            } else {
                let one = open.swap_remove(index.index(open.len()));
                settle(&mut ledger, one);
            }
        }
        for one in open {
            settle(&mut ledger, one);
        }
        let spent = ledger.spent();
        prop_assert!(spent.tokens.input <= cap + dearest, "{} > {cap} + {dearest}", spent.tokens.input);
        prop_assert!(spent.usd <= cost(cap + dearest).usd + 1e-6);
    }
}
