//! What calls may cost, with many at a time.

use std::time::Duration;

use autores_domain::{Budget, Transcripts};
use autores_ideators::llm::CallError;
use futures_util::future::join_all;

use crate::misbehaving::*;
use crate::support::*;

/// Eight callers ask until the budget is used up.
async fn spend(setup: &Setup) -> Vec<CallError> {
    let client = setup.client();
    let caller = |number: usize| {
        let client = client.clone();
        async move {
            for turn in 0.. {
                if let Err(error) = ask(&client, &format!("b{number}.c{turn}")).await.result {
                    return error;
                }
            }
            unreachable!()
        }
    };
    let callers = (0..8).map(|number| tokio::spawn(caller(number)));
    join_all(callers).await.into_iter().map(Result::unwrap).collect()
}

#[tokio::test]
async fn eight_callers_stop_within_one_call_of_the_cap_in_tokens() {
    // The replies grow far beyond what is thought of them at first.
    let acts = (0..100).map(|n| {
        let reply = reply_of(100, 100 + (n % 7) * 120);
        Act::Late(Duration::from_millis(10), Box::new(reply))
    });
    let server = Server::start(acts).await;
    let setup = Setup::at(&server.url())
        .with(|setup| setup.budget = Budget { tokens: Some(20_000), ..Budget::default() });
    for error in spend(&setup).await {
        assert!(matches!(error, CallError::Budget(_)), "{error}");
    }
    let spent = setup.client().spent();
    let total = spent.tokens.input + spent.tokens.output;
    let largest = 100 + 100 + 6 * 120;
    assert!(total <= 20_000 + largest, "{total}");
    assert!(total >= 20_000 - largest, "{total}: the budget was not made use of");
    assert!(server.most_at_once() > 4, "callers waited for each other without need");
}

#[tokio::test]
async fn eight_callers_stop_within_one_call_of_the_cap_in_dollars() {
    let server = Server::start((0..500).map(|n| reply_of(100, 50 + (n % 5) * 200))).await;
    let cap = 0.2;
    let setup = Setup::at(&server.url())
        .with(|setup| setup.budget = Budget { usd: Some(cap), ..Budget::default() });
    spend(&setup).await;
    let dearest = (100.0 + 850.0 * 10.0) / 1e6;
    let spent = setup.client().spent().usd;
    assert!((cap - dearest..=cap + dearest).contains(&spent), "{spent}");
}

#[tokio::test]
async fn a_call_that_the_budget_forbids_is_not_sent() {
    let server = Server::start([reply("fine")]).await;
    let setup = Setup::at(&server.url())
        .with(|setup| setup.budget = Budget { tokens: Some(10), ..Budget::default() });
    let client = setup.client();
    let asked = ask(&client, "b1").await;
    assert_eq!(
        asked.result.unwrap_err().to_string(),
        "the budget is used up: 0 of 10 tokens are used, and the next call may take 1012"
    );
    assert_eq!((server.count(), client.spent().calls), (0, 0));
    client.set_budget(Budget::default());
    assert!(ask(&client, "b1").await.result.is_ok(), "a raised budget lets it go");
}

#[tokio::test]
async fn tries_that_failed_are_paid_for() {
    let server = Server::start([tool_call(), reply("fine")]).await;
    let setup = Setup::at(&server.url());
    let client = setup.client();
    let asked = ask(&client, "b1").await;
    assert_eq!((asked.call.tokens.input, asked.call.tokens.output), (200, 40));
    assert_eq!(asked.result.unwrap().tokens.output, 20, "the answer itself took less");
    assert_eq!(client.spent().tokens.output, 40);
}

#[tokio::test]
async fn a_model_without_a_price_breaks_no_budget_in_dollars() {
    let server = Server::start([reply("fine")]).await;
    let setup = Setup::at(&server.url()).with(|setup| {
        setup.model.price = None;
        setup.budget.usd = Some(1.0);
    });
    let client = setup.client();
    let error = client.check_prices([&model()]).unwrap_err().to_string();
    assert!(error.starts_with("model test/m has no price"), "{error}");
    assert!(matches!(ask(&client, "b1").await.result, Err(CallError::Refused { .. })));
    assert_eq!(server.count(), 0);
    client.set_budget(Budget::default());
    assert!(client.check_prices([&model()]).is_ok());
    assert!(ask(&client, "b2").await.result.is_ok());
    assert_eq!(client.spent().unpriced, 1);
}

#[tokio::test]
async fn an_answer_that_nobody_waits_for_any_more_is_kept_and_paid() {
    let late = Act::Late(Duration::from_millis(500), Box::new(reply("late")));
    let server = Server::start([late]).await;
    let client = Setup::at(&server.url()).client();
    let waited = tokio::time::timeout(Duration::from_millis(200), ask(&client, "b1")).await;
    assert!(waited.is_err());
    assert_eq!(ask(&client, "b1").await.result.unwrap().text, "late");
    assert_eq!((server.count(), client.spent().calls), (1, 1));
}

#[tokio::test]
async fn nothing_more_is_sent_for_somebody_who_is_gone() {
    let server =
        Server::start([Act::Late(Duration::from_millis(300), Box::new(failure(500, "oops")))])
            .await;
    let setup = Setup::at(&server.url()).with(|setup| setup.provider.concurrency = 1);
    let client = setup.client();
    let begun = async {
        while server.count() == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::select! {
        _ = ask(&client, "b1") => unreachable!("it is answered late"),
        _ = ask(&client, "b2") => unreachable!("it is answered late"),
        () = begun => {}
    }
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert_eq!(server.count(), 1, "one was tried again, or the other was begun");
    assert!(setup.transcripts.text().contains("oops"), "what was sent is kept");
    assert_eq!(setup.transcripts.keys().unwrap().len(), 1);
}
