use autores_domain::{Budget, Call, Role, Spent, Tokens};
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
        round: 0,
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
fn a_call_is_tried_again_while_another_try_fits_under_the_cap() {
    let mut ledger = capped(1000);
    let first = go(&mut ledger, forecast(100, 500));
    ledger.pay(first, cost(900));
    assert_eq!(ledger.again(first), Entry::Go(first));
    ledger.pay(first, cost(1));
    let Entry::Over(words) = ledger.again(first) else { panic!() };
    assert_eq!(words, "901 of 1000 tokens are used, and the next call may take 100");
}

#[test]
fn calls_that_failed_together_do_not_all_try_again_beyond_the_cap() {
    let mut ledger = capped(1000);
    let calls: Vec<u64> = (0..8).map(|_| go(&mut ledger, forecast(100, 120))).collect();
    calls.iter().for_each(|call| ledger.pay(*call, cost(110)));
    let tried = calls.iter().filter(|call| ledger.again(**call) == Entry::Go(**call));
    assert_eq!(tried.count(), 1, "880 are paid, and 120 are left");
}

#[test]
fn a_try_that_cost_nothing_is_made_again_as_the_first_was_let_go() {
    let mut ledger = capped(1000);
    let first = go(&mut ledger, forecast(100, 950));
    ledger.settle(first, &call(50));
    // What is known of such calls is less than what is thought of one at first.
    let second = go(&mut ledger, forecast(960, 960));
    ledger.pay(second, cost(0));
    assert_eq!(ledger.again(second), Entry::Go(second));
}

#[test]
fn a_try_waits_for_what_is_under_way_and_for_nothing_else() {
    let mut ledger = capped(1000);
    let (first, second) =
        (go(&mut ledger, forecast(100, 400)), go(&mut ledger, forecast(100, 500)));
    ledger.pay(first, cost(450));
    assert_eq!(ledger.again(first), Entry::Wait);
    ledger.pay(second, cost(460));
    assert!(matches!(ledger.again(first), Entry::Over(_)));
    let third = go(&mut ledger, forecast(90, 90));
    ledger.pay(third, cost(0));
    assert_eq!(ledger.again(third), Entry::Go(third));
}

#[test]
fn of_two_accounts_of_what_was_spent_the_larger_counts() {
    let mut ledger = capped(1000);
    ledger.record(&call(300));
    let known = |calls, input, usd| Spent {
        calls,
        tokens: Tokens { input, cached: 0, output: 0 },
        usd,
        unpriced: 0,
    };
    ledger.raise(known(5, 200, 0.1));
    assert_eq!(ledger.spent(), known(5, 300, 0.3));
    ledger.raise(known(2, 950, 0.2));
    assert_eq!(ledger.spent(), known(5, 950, 0.3));
    assert!(matches!(ledger.enter(&kind(), forecast(100, 100)), Entry::Over(_)));
}

/// A call of the property: its number, what it has paid, and whether a try is under way.
struct Running {
    number: u64,
    paid: u64,
    tries: bool,
}

proptest! {
    /// Calls come, fail, are tried again and end in any order, and each try costs anything up to its worst.
    #[test]
    fn spending_ends_within_one_call_of_the_cap(
        cap in 1u64..5000,
        worst in 1u64..1000,
        steps in prop::collection::vec((0u8..3, 0.0f64..=1.0, 0.0f64..=1.0, any::<prop::sample::Index>()), 1..200),
    ) {
        let mut ledger = Ledger::new(Budget {
            tokens: Some(cap),
            usd: Some(cost(cap).usd),
            ..Budget::default()
        });
        let mut open: Vec<Running> = Vec::new();
        let mut dearest = 0;
        for (step, likely, actual, index) in steps {
            let part = |share: f64| (worst as f64 * share) as u64;
            if step == 0 || open.is_empty() {
                match ledger.enter(&kind(), forecast(part(likely), worst)) {
                    Entry::Go(number) => open.push(Running { number, paid: 0, tries: true }),
                    Entry::Wait => prop_assert!(!open.is_empty(), "it waits for nobody"),
                    Entry::Over(_) => prop_assert!(open.is_empty()),
                }
                continue;
            }
            let at = index.index(open.len());
            if !open[at].tries {
                match ledger.again(open[at].number) {
                    Entry::Go(_) => open[at].tries = true,
                    Entry::Wait => prop_assert!(open.iter().any(|one| one.tries), "it waits for nobody"),
                    Entry::Over(_) => prop_assert!(open.iter().all(|one| !one.tries)),
                }
                continue;
            }
            open[at].paid += part(actual);
            dearest = dearest.max(open[at].paid);
            if step == 1 {
                ledger.pay(open[at].number, cost(part(actual)));
                open[at].tries = false;
            } else {
                let ended = open.swap_remove(at);
                ledger.settle(ended.number, &call(ended.paid));
            }
        }
        for one in open {
            let last = if one.tries { worst } else { 0 };
            dearest = dearest.max(one.paid + last);
            ledger.settle(one.number, &call(one.paid + last));
        }
        let spent = ledger.spent();
        prop_assert!(spent.tokens.input <= cap + dearest, "{} > {cap} + {dearest}", spent.tokens.input);
        prop_assert!(spent.usd <= cost(cap + dearest).usd + 1e-6);
    }
}
