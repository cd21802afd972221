//! All protocols over real connections: paths, headers, answers whole and in pieces, embeddings.

use autores_ideators::llm::{CallError, Client};
use autores_templates::settings::Api;
use serde_json::{Value, json};
use wiremock::matchers::{body_partial_json, header, method, path, query_param};
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::support::*;

fn client(server: &MockServer, api: Api, streams: bool) -> Client {
    let base = match api {
        Api::OpenaiChat | Api::OpenaiResponses => "/v1",
        Api::Anthropic => "",
        Api::Gemini => "/v1beta",
    };
    let setup = Setup::at(&format!("{}{base}", server.uri())).with(|setup| {
        setup.provider.api = api;
        setup.provider.stream = streams;
    });
    setup.client()
}

fn events(events: &[Value]) -> ResponseTemplate {
    let text: String =
        events.iter().map(|event| format!("event: e\r\ndata: {event}\r\n\r\n")).collect();
    ResponseTemplate::new(200).set_body_raw(text, "text/event-stream; charset=utf-8")
}

async fn answers(client: &Client) {
    let reply = ask(client, "b1").await.result.unwrap();
    assert_eq!((reply.text.as_str(), reply.tokens.input, reply.tokens.output), ("Warm up.", 12, 3));
}

#[tokio::test]
async fn responses_are_spoken() {
    let server = MockServer::start().await;
    let whole = json!({"id": "resp_1", "model": "m-1", "error": null,
        "output": [{"type": "message", "content": [{"type": "output_text", "text": "Warm up."}]}],
        "usage": {"input_tokens": 12, "output_tokens": 3}});
    let route = || {
        Mock::given(method("POST"))
            .and(path("/v1/responses"))
            .and(header("authorization", format!("Bearer {KEY}")))
    };
    route()
        .and(body_partial_json(json!({"stream": false})))
        .respond_with(ResponseTemplate::new(200).set_body_json(&whole))
        .mount(&server)
        .await;
    let pieces = [
        json!({"type": "response.output_text.delta", "delta": "Warm up."}),
        json!({"type": "response.completed", "response": whole}),
    ];
    route()
        .and(body_partial_json(json!({"stream": true})))
        .respond_with(events(&pieces))
        .mount(&server)
        .await;
    answers(&client(&server, Api::OpenaiResponses, false)).await;
    answers(&client(&server, Api::OpenaiResponses, true)).await;
}

#[tokio::test]
async fn anthropic_is_spoken() {
    let server = MockServer::start().await;
    let route = || {
        Mock::given(method("POST"))
            .and(path("/v1/messages"))
            .and(header("x-api-key", KEY))
            .and(header("anthropic-version", "2023-06-01"))
    };
    let whole = json!({"id": "msg_1", "type": "message", "content": [{"type": "text", "text": "Warm up."}],
        "stop_reason": "end_turn", "usage": {"input_tokens": 12, "output_tokens": 3}});
    route()
        .and(body_partial_json(json!({"stream": false})))
        .respond_with(ResponseTemplate::new(200).set_body_json(whole))
        .mount(&server)
        .await;
    let pieces = [
        json!({"type": "message_start", "message": {"id": "msg_1", "usage": {"input_tokens": 12, "output_tokens": 1}}}),
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Warm up."}}),
        json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 3}}),
        json!({"type": "message_stop"}),
    ];
    route()
        .and(body_partial_json(json!({"stream": true})))
        .respond_with(events(&pieces))
        .mount(&server)
        .await;
    answers(&client(&server, Api::Anthropic, false)).await;
    answers(&client(&server, Api::Anthropic, true)).await;
}

#[tokio::test]
async fn gemini_is_spoken() {
    let server = MockServer::start().await;
    let whole = json!({"candidates": [{"content": {"parts": [{"text": "Warm up."}]}, "finishReason": "STOP"}],
        "usageMetadata": {"promptTokenCount": 12, "candidatesTokenCount": 3}});
    let at = |place: &str| {
        Mock::given(method("POST")).and(path(place.to_owned())).and(header("x-goog-api-key", KEY))
    };
    at("/v1beta/models/m:generateContent")
        .respond_with(ResponseTemplate::new(200).set_body_json(&whole))
        .mount(&server)
        .await;
    at("/v1beta/models/m:streamGenerateContent")
        .and(query_param("alt", "sse"))
        .respond_with(events(&[whole]))
        .mount(&server)
        .await;
    answers(&client(&server, Api::Gemini, false)).await;
    answers(&client(&server, Api::Gemini, true)).await;
}

#[tokio::test]
async fn a_server_that_does_not_stream_is_understood_all_the_same() {
    let server = MockServer::start().await;
    let whole = json!({"choices": [{"message": {"content": "Warm up."}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 12, "completion_tokens": 3}});
    Mock::given(path("/v1/chat/completions"))
        .respond_with(ResponseTemplate::new(200).set_body_json(whole))
        .mount(&server)
        .await;
    answers(&client(&server, Api::OpenaiChat, true)).await;
}

#[tokio::test]
async fn texts_are_embedded_once_and_counted() {
    let server = MockServer::start().await;
    let body = json!({"data": [{"index": 1, "embedding": [0.0, 1.0]}, {"index": 0, "embedding": [1.0, 0.0]}], "usage": {"prompt_tokens": 8}});
    Mock::given(path("/v1/embeddings"))
        .and(body_partial_json(json!({"model": "m", "input": ["one", "two"]})))
        .respond_with(ResponseTemplate::new(200).set_body_json(body))
        .expect(1)
        .mount(&server)
        .await;
    let client = client(&server, Api::OpenaiChat, true);
    let texts = ["one".to_owned(), "two".to_owned()];
    let first = client.embed(&key("i1.twin"), &model(), &texts).await;
    assert_eq!(first.result.as_ref().unwrap(), &[[1.0, 0.0], [0.0, 1.0]]);
    assert_eq!((first.call.tokens.input, first.call.tokens.output), (8, 0));
    assert_eq!(client.embed(&key("i1.twin"), &model(), &texts).await, first);
    assert_eq!(client.spent().tokens.input, 8);
}

#[tokio::test]
async fn a_protocol_without_embeddings_says_so() {
    let server = MockServer::start().await;
    let client = client(&server, Api::Anthropic, true);
    let error =
        client.embed(&key("i1.twin"), &model(), &["one".to_owned()]).await.result.unwrap_err();
    assert!(matches!(error, CallError::Refused { status: None, .. }), "{error}");
}
