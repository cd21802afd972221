//! What a try costs whose answer never came.

use std::time::Duration;

use autores_domain::{Budget, Tokens};
use autores_ideators::llm::CallError;
use futures_util::future::join_all;

use crate::misbehaving::*;
use crate::support::*;

/// One try, and what it is booked at.
async fn cost(act: Act, streams: bool) -> (Tokens, serde_json::Value) {
    let server = Server::start([act]).await;
    let setup = Setup::at(&server.url()).with(|setup| {
        setup.provider.stream = streams;
        setup.provider.tries = 1;
        setup.provider.timeout_s = 2;
    });
    let client = setup.client();
    let asked = ask(&client, "b1").await;
    assert!(asked.result.is_err());
    assert_eq!(client.spent().tokens, asked.call.tokens);
    (asked.call.tokens, setup.transcripts.json("b1")["tries"][0].clone())
}

#[tokio::test]
async fn an_answer_that_was_lost_on_the_way_is_paid_for() {
    let never = || Act::Late(Duration::from_secs(60), Box::new(reply("late")));
    let lost = [
        ("a stall before the answer", never(), true),
        ("a timeout", never(), false),
        ("a closed connection", Act::Close, false),
        ("a stall after nothing", silent_stream(&[]), true),
        ("a stall after a word", silent_stream(&["and "]), true),
        ("a cut", cut_stream(&[]), true),
        ("an error in the stream", failing_stream(), true),
        ("half an answer", invalid_json(), false),
        ("a page", web_page(), false),
    ];
    let costs = lost.map(|(name, act, streams)| async move { (name, cost(act, streams).await) });
    for (name, (tokens, first)) in join_all(costs).await {
        assert!(tokens.input > 5, "{name}: {tokens:?}");
        assert_eq!(tokens.output, 1000, "{name}: as much as the model may say");
        assert_eq!(first["estimated"], true, "{name}");
    }
}

#[tokio::test]
async fn what_was_not_taken_costs_nothing() {
    let turned_away = [too_many(None), failure(500, "oops"), failure(529, "x"), failure(400, "no")];
    for act in turned_away {
        assert_eq!(cost(act, false).await.0, Tokens::default());
    }
    let setup = Setup::at("http://127.0.0.1:9/v1").with(|setup| setup.provider.tries = 2);
    let asked = ask(&setup.client(), "b1").await;
    assert!(matches!(asked.result, Err(CallError::Unavailable { tries: 2, .. })));
    assert_eq!(asked.call.tokens, Tokens::default());
}

#[tokio::test]
async fn a_prompt_that_is_too_long_for_a_server_that_streams_costs_nothing() {
    let words = r#"{"error":{"message":"prompt is too long: 9000 tokens > 4096 maximum"}}"#;
    let act = Act::Pieces {
        content_type: "text/event-stream",
        wait: Duration::ZERO,
        pieces: vec![format!("data: {words}\n\n").into_bytes()],
        then: Then::End,
    };
    assert_eq!(cost(act, true).await.0, Tokens::default());
}

#[tokio::test]
async fn calls_that_fail_together_do_not_all_try_again_beyond_the_cap() {
    // Each try is booked at about 1010 tokens, and 6000 are left for all eight.
    let late = Act::Late(Duration::from_millis(200), Box::new(web_page()));
    let server = Server::start([late]).await;
    let setup = Setup::at(&server.url()).with(|setup| {
        setup.provider.tries = 5;
        setup.budget = Budget { tokens: Some(16_000), ..Budget::default() };
    });
    let client = setup.client();
    let asked = (0..8).map(|number| {
        let client = client.clone();
        async move { ask(&client, &format!("b{number}")).await.result.unwrap_err() }
    });
    for error in join_all(asked).await {
        assert!(matches!(error, CallError::Budget(_)), "{error}");
    }
    let spent = client.spent().tokens;
    let total = spent.input + spent.output;
    assert!((14_000..=16_000).contains(&total), "{total}, in {} tries", server.count());
}
