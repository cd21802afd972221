//! Every way in which a server can fail, and what the client makes of it.

use std::time::{Duration, Instant};

use autores_domain::{Role, Tokens};
use autores_ideators::llm::{CallError, Finish, Request, Schema};
use autores_templates::settings::Api;
use futures_util::future::join_all;
use serde_json::json;

use crate::misbehaving::*;
use crate::support::*;

/// The second try succeeds.
async fn recovers(bad: Act, streams: bool) -> Setup {
    let good = if streams { stream(&["fi", "ne"]) } else { reply("fine") };
    let server = Server::start([bad.clone(), good]).await;
    let setup = Setup::at(&server.url()).with(|setup| setup.provider.stream = streams);
    let asked = ask(&setup.client(), "b1").await;
    assert_eq!(
        asked.result.unwrap_or_else(|error| panic!("{bad:?}: {error}")).text,
        "fine",
        "{bad:?}"
    );
    assert_eq!(server.count(), 2, "{bad:?}");
    setup
}

/// Every try fails.
async fn fails(bad: Act, streams: bool) -> (CallError, usize) {
    let server = Server::start([bad.clone()]).await;
    let setup = Setup::at(&server.url()).with(|setup| setup.provider.stream = streams);
    let asked = ask(&setup.client(), "b1").await;
    let error = asked.result.err().unwrap_or_else(|| panic!("{bad:?} was taken for an answer"));
    assert_eq!(asked.call.error.as_deref(), Some(error.to_string().as_str()));
    (error, server.count())
}

#[tokio::test]
async fn an_answer_is_given_with_what_it_took() {
    for streams in [false, true] {
        let act = if streams {
            stream(&["Try ", "more ", "warm-up."])
        } else {
            reply("Try more warm-up.")
        };
        let server = Server::start([act]).await;
        let setup = Setup::at(&server.url()).with(|setup| setup.provider.stream = streams);
        let asked = ask(&setup.client(), "b1").await;
        let reply = asked.result.unwrap();
        assert_eq!((reply.text.as_str(), reply.finish), ("Try more warm-up.", Finish::Stop));
        assert_eq!(reply.tokens, Tokens { input: 100, cached: 0, output: 20 });
        assert_eq!(reply.model_reported.as_deref(), Some("m-2026"));
        assert_eq!(asked.call.tokens, reply.tokens);
        assert!((asked.call.usd.unwrap() - 300e-6).abs() < 1e-12);
        assert_eq!(server.heard()[0].path, "/v1/chat/completions");
        assert!(server.heard()[0].head.contains(&format!("authorization: bearer {KEY}")));
    }
}

#[tokio::test]
async fn what_passes_is_tried_again() {
    let passing = [
        too_many(None),
        failure(500, "oops"),
        failure(529, "Overloaded"),
        web_page(),
        no_choice(),
        tool_call(),
        invalid_json(),
        invalid_utf8(),
    ];
    let tests = passing.map(|act| recovers(act, false));
    join_all(tests).await;
}

#[tokio::test]
async fn a_stream_that_breaks_is_asked_for_again() {
    let breaking = [
        cut_stream(&["ha", "lf"]),
        short_stream(&["ha", "lf"]),
        silent_stream(&["ha", "lf"]),
        silent_stream(&[]),
        invalid_utf8_stream(),
        failing_stream(),
    ];
    let tests = breaking.map(|act| recovers(act, true));
    join_all(tests).await;
}

#[tokio::test]
async fn text_that_came_before_a_break_is_paid_for() {
    let setup = recovers(cut_stream(&[&"word ".repeat(2000)]), true).await;
    let tries = &setup.transcripts.json("b1")["tries"];
    assert_eq!(tries[0]["tokens"]["output"], 3000, "10000 bytes");
    assert_eq!(tries[0]["estimated"], true);
    assert!(tries[0]["tokens"]["input"].as_u64().unwrap() > 0);
    let call = &setup.transcripts.json("b1")["call"];
    assert_eq!(call["tokens"]["output"], 3020);
}

#[tokio::test]
async fn one_word_at_a_time_does_not_hold_a_call_for_ever() {
    let server = Server::start([slow_loris()]).await;
    let setup = Setup::at(&server.url()).with(|setup| {
        setup.provider.stream = true;
        setup.provider.timeout_s = 1;
        setup.provider.tries = 1;
    });
    let since = Instant::now();
    let asked = ask(&setup.client(), "b1").await;
    assert!(since.elapsed() < Duration::from_secs(4));
    let error = asked.result.unwrap_err();
    assert_eq!(error.to_string(), "test/m did not answer in 1 try: not done after 1 s");
    assert!(asked.call.tokens.output > 0, "what came is counted");
}

#[tokio::test]
async fn a_server_that_takes_the_question_and_says_nothing_is_given_up() {
    let act = Act::Late(Duration::from_secs(60), Box::new(reply("late")));
    let server = Server::start([act]).await;
    let setup = Setup::at(&server.url()).with(|setup| {
        setup.provider.stream = true;
        setup.provider.tries = 1;
    });
    let error = ask(&setup.client(), "b1").await.result.unwrap_err();
    assert_eq!(error.to_string(), "test/m did not answer in 1 try: nothing came for 1 s");
}

#[tokio::test]
async fn a_pause_that_the_provider_asks_for_is_kept() {
    let server = Server::start([too_many(Some("2")), reply("fine")]).await;
    let since = Instant::now();
    assert!(ask(&Setup::at(&server.url()).client(), "b1").await.result.is_ok());
    assert!(since.elapsed() >= Duration::from_secs(2));
}

#[tokio::test]
async fn tries_end() {
    let (error, count) = fails(failure(503, "no engine is free"), false).await;
    assert_eq!(
        error.to_string(),
        "test/m did not answer in 2 tries: status 503: no engine is free"
    );
    assert_eq!(count, 2);
    for act in [web_page(), no_choice(), tool_call(), invalid_json(), invalid_utf8()] {
        let (error, count) = fails(act, false).await;
        assert!(matches!(error, CallError::Unusable { .. }), "{error}");
        assert_eq!(count, 2);
    }
}

#[tokio::test]
async fn what_would_be_refused_again_is_asked_once() {
    for status in [401, 402, 403, 404] {
        let (error, count) = fails(failure(status, "no"), false).await;
        assert!(
            matches!(error, CallError::Refused { status: Some(s), .. } if s == status),
            "{error}"
        );
        assert_eq!(count, 1, "{status}");
    }
    for status in [400, 415, 422] {
        let (error, count) = fails(failure(status, "no"), false).await;
        assert_eq!(
            error.to_string(),
            format!("the answer of test/m is of no use: it rejects the question ({status}): no")
        );
        assert_eq!(count, 1, "{status}");
    }
    for act in [refusal(), filtered()] {
        let (error, count) = fails(act, false).await;
        assert!(matches!(error, CallError::Unusable { .. }), "{error}");
        assert_eq!(count, 1);
    }
}

#[tokio::test]
async fn a_refusal_says_what_to_do() {
    let (error, _) = fails(failure(404, "The model `m` does not exist"), false).await;
    let text = error.to_string();
    assert!(text.starts_with("test/m refused the call (404): The model `m` does not exist; check the model's name and the address http://127.0.0.1:"), "{text}");
    let (error, _) = fails(refusal(), false).await;
    assert_eq!(
        error.to_string(),
        "the answer of test/m is of no use: the model declined: I can't help with that."
    );
    let (error, _) = fails(tool_call(), false).await;
    assert_eq!(
        error.to_string(),
        "the answer of test/m is of no use: a call of tool \"run_shell\" in place of text"
    );
}

#[tokio::test]
async fn a_key_that_a_server_repeats_is_shown_to_nobody() {
    let server = Server::start([failure(401, &format!("Incorrect API key provided: {KEY}"))]).await;
    let setup = Setup::at(&server.url());
    let asked = ask(&setup.client(), "b1").await;
    let error = asked.result.unwrap_err();
    assert_eq!(
        error.to_string(),
        "test/m refused the call (401): Incorrect API key provided: [key]; set TEST_KEY"
    );
    let seen =
        format!("{error:?} {:?} {} {:?}", asked.call, setup.transcripts.text(), setup.client());
    assert!(!seen.contains(KEY), "{seen}");
}

#[tokio::test]
async fn half_a_key_is_shown_to_nobody_either() {
    let words = format!("{} {KEY}", "x".repeat(300 - KEY.len() / 2));
    let in_stream = format!("data: {{\"error\": {{\"message\": \"{words}\"}}}}\n\n");
    let streamed = Act::Pieces {
        content_type: "text/event-stream",
        wait: Duration::ZERO,
        pieces: vec![in_stream.into_bytes()],
        then: Then::End,
    };
    for act in [failure(400, &words), streamed] {
        let server = Server::start([act]).await;
        let setup = Setup::at(&server.url()).with(|setup| setup.provider.stream = true);
        let error = ask(&setup.client(), "b1").await.result.unwrap_err().to_string();
        assert!(error.contains("[key") && !error.contains(&KEY[..8]), "{error}");
    }
}

#[tokio::test]
async fn a_prompt_beyond_the_window_is_told_apart() {
    let words =
        "This model's maximum context length is 4096 tokens. However, you requested 9000 tokens.";
    let server = Server::start([failure(400, words)]).await;
    let setup = Setup::at(&server.url());
    let client = setup.client();
    let error = ask(&client, "b1").await.result.unwrap_err();
    let CallError::Window { needs, limit, .. } = error else { panic!("{error}") };
    assert_eq!((needs, limit), (Some(9000), Some(4096)));
    assert_eq!(client.model(&model()).await.context, Some(4096), "it is remembered");
}

#[tokio::test]
async fn a_prompt_that_cannot_fit_is_not_sent() {
    let server = Server::start([reply("fine")]).await;
    let setup = Setup::at(&server.url()).with(|setup| setup.model.context = Some(1000));
    let request = autores_ideators::llm::Request::new("", "word ".repeat(10_000));
    let asked =
        setup.client().ask(&key("b1"), autores_domain::Role::Ideator, &model(), &request).await;
    assert!(matches!(asked.result, Err(CallError::Window { limit: Some(1000), .. })));
    assert_eq!((server.count(), asked.call.tokens), (0, Tokens::default()));
}

/// The model does not take this part of a question.
fn unsupported(part: &str) -> Act {
    let body = json!({"error": {
        "message": format!("Unsupported parameter: '{part}' is not supported with this model."),
        "type": "invalid_request_error", "param": part, "code": "unsupported_parameter"
    }});
    let headers = vec![("content-type", "application/json".to_owned())];
    Act::Answer { status: 400, headers, body: body.to_string().into_bytes() }
}

#[tokio::test]
async fn questions_that_are_under_way_learn_together_what_a_model_does_not_take() {
    let late = |act| Act::Late(Duration::from_millis(100), Box::new(act));
    let acts = (0..4).map(|_| late(unsupported("temperature")));
    let server = Server::start(acts.chain([reply("fine")])).await;
    let setup = Setup::at(&server.url()).with(|setup| {
        setup.provider.tries = 1;
        setup.model.temperature = Some(0.5);
    });
    let client = setup.client();
    let asked = (0..4).map(|number| {
        let client = client.clone();
        async move { ask(&client, &format!("i1.c{number}")).await.result }
    });
    for result in join_all(asked).await {
        assert_eq!(result.unwrap().text, "fine");
    }
    let heard = server.heard();
    let sent = heard.iter().map(|heard| heard.body.get("temperature").is_some());
    assert_eq!(sent.collect::<Vec<_>>(), [true, true, true, true, false, false, false, false]);
}

#[tokio::test]
async fn a_part_that_is_refused_though_it_was_left_out_is_not_asked_for_ever() {
    let server = Server::start([unsupported("temperature")]).await;
    let setup = Setup::at(&server.url()).with(|setup| setup.model.temperature = Some(0.5));
    let error = ask(&setup.client(), "b1").await.result.unwrap_err();
    assert!(matches!(error, CallError::Unusable { .. }), "{error}");
    assert_eq!(server.count(), 2);
}

#[tokio::test]
async fn each_protocol_leaves_out_its_own_parts() {
    for (api, refused, field) in [
        (Api::OpenaiResponses, "text.format", "text"),
        (Api::OpenaiResponses, "reasoning.effort", "reasoning"),
        (Api::OpenaiResponses, "include[0]", "include"),
        (Api::Anthropic, "output_config.format", "output_config"),
    ] {
        let server = Server::start([unsupported(refused), failure(500, "oops")]).await;
        let setup = Setup::at(&server.url()).with(|setup| {
            setup.provider.api = api;
            setup.model.effort = Some("low".to_owned());
        });
        let schema = Schema { name: "ideas".to_owned(), json: json!({"type": "object"}) };
        let question = Request { schema: Some(schema), logprobs: true, ..question() };
        setup
            .client()
            .ask(&key("b1"), Role::Ideator, &model(), &question)
            .await
            .result
            .unwrap_err();
        let sent = server.heard().into_iter().map(|heard| heard.body.get(field).is_some());
        assert_eq!(sent.collect::<Vec<_>>(), [true, false, false], "{refused}");
    }
}

#[tokio::test]
async fn a_part_that_a_model_does_not_take_is_left_out_from_then_on() {
    let server = Server::start([unsupported("max_tokens"), reply("fine")]).await;
    let setup = Setup::at(&server.url()).with(|setup| setup.provider.tries = 1);
    let client = setup.client();
    assert!(ask(&client, "b1").await.result.is_ok());
    assert!(ask(&client, "b2").await.result.is_ok());
    let limits: Vec<_> =
        server.heard().iter().map(|heard| heard.body["max_completion_tokens"].clone()).collect();
    assert_eq!(limits, [serde_json::Value::Null, 1000.into(), 1000.into()]);
}

#[tokio::test]
async fn a_megabyte_of_text_is_an_answer_and_ten_are_not() {
    let megabyte = "0123456789abcdef".repeat(1 << 16);
    for streams in [false, true] {
        let act = |text: &str| if streams { stream(&[text]) } else { reply(text) };
        let server = Server::start([act(&megabyte), act(&megabyte.repeat(10))]).await;
        let setup = Setup::at(&server.url()).with(|setup| setup.provider.stream = streams);
        let client = setup.client();
        assert_eq!(ask(&client, "b1").await.result.unwrap().text.len(), megabyte.len());
        let error = ask(&client, "b2").await.result.unwrap_err();
        assert_eq!(error.to_string(), "the answer of test/m is of no use: it is larger than 8 MB");
    }
}

#[tokio::test]
async fn a_call_is_not_sent_on_to_another_host() {
    let other = Server::start([reply("stolen")]).await;
    let headers = vec![("location", other.url())];
    let server = Server::start([Act::Answer { status: 307, headers, body: Vec::new() }]).await;
    let error = ask(&Setup::at(&server.url()).client(), "b1").await.result.unwrap_err();
    assert!(matches!(error, CallError::Refused { status: Some(307), .. }), "{error}");
    assert_eq!(other.count(), 0);
}

#[tokio::test]
async fn nobody_at_the_address_is_no_answer() {
    let setup = Setup::at("http://127.0.0.1:9/v1").with(|setup| setup.provider.tries = 1);
    let error = ask(&setup.client(), "b1").await.result.unwrap_err();
    assert!(
        matches!(&error, CallError::Unavailable { words, .. } if words.contains("refused")),
        "{error}"
    );
}
