use autores_templates::settings::Api::Anthropic;
use serde_json::json;

use super::*;
use crate::llm::provider::Limits;
use crate::llm::request::Finish;

#[test]
fn a_question_carries_all_that_was_asked_for() {
    let (path, body) = asker(Anthropic).post();
    assert_eq!(path, "v1/messages");
    assert_eq!(
        body,
        json!({
            "model": "m",
            "max_tokens": 500,
            "stream": true,
            "system": [{"type": "text", "text": "You propose.", "cache_control": {"type": "ephemeral"}}],
            "messages": [
                {"role": "user", "content": "One?"},
                {"role": "assistant", "content": "Two."},
                {"role": "user", "content": "Three?"}
            ],
            "temperature": 0.5,
            "output_config": {"format": {"type": "json_schema", "schema": {"type": "object"}}}
        })
    );
}

#[test]
fn a_model_that_thinks_keeps_its_own_temperature() {
    let body = Asker { effort: Some("high"), capable: false, ..asker(Anthropic) }.body();
    assert_eq!(body["thinking"], json!({"type": "adaptive"}));
    assert_eq!(body["output_config"], json!({"effort": "high"}));
    assert!(body.get("temperature").is_none());
}

#[test]
fn the_key_has_a_header_of_its_own() {
    let anthropic = protocol(Anthropic);
    assert_eq!(anthropic.key_header("k"), ("x-api-key", "k".to_owned()));
    assert_eq!(anthropic.headers(), [("anthropic-version", "2023-06-01")]);
}

#[test]
fn an_answer_is_read_and_the_cache_is_counted_as_read() {
    let body = json!({
        "id": "msg_013Zva2CMHLNnXjNJJKqJ2EF", "type": "message", "role": "assistant",
        "model": "claude-sonnet-4-5-20250929",
        "content": [
            {"type": "thinking", "thinking": "Noise.", "signature": "EqQB"},
            {"type": "text", "text": "Warm "},
            {"type": "text", "text": "up."}
        ],
        "stop_reason": "end_turn", "stop_sequence": null,
        "usage": {"input_tokens": 21, "cache_creation_input_tokens": 188, "cache_read_input_tokens": 2000, "output_tokens": 30}
    });
    let reply = whole(Anthropic, &body).unwrap();
    assert_eq!((reply.text.as_str(), reply.thinking.as_deref()), ("Warm up.", Some("Noise.")));
    assert_eq!(reply.tokens, tokens(2209, 2000, 30));
}

#[test]
fn a_stream_is_read() {
    let events = [
        json!({"type": "message_start", "message": {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-opus-4-6", "content": [], "stop_reason": null,
            "usage": {"input_tokens": 25, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 100, "output_tokens": 1}}}),
        json!({"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": "", "signature": ""}}),
        json!({"type": "ping"}),
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "Noise."}}),
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "signature_delta", "signature": "EqQB"}}),
        json!({"type": "content_block_stop", "index": 0}),
        json!({"type": "content_block_start", "index": 1, "content_block": {"type": "text", "text": ""}}),
        json!({"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": "Warm up."}}),
        json!({"type": "content_block_stop", "index": 1}),
        json!({"type": "message_delta", "delta": {"stop_reason": "max_tokens", "stop_sequence": null}, "usage": {"output_tokens": 15}}),
        json!({"type": "message_stop"}),
    ];
    let (reply, ended) = streamed(Anthropic, &events).unwrap();
    assert!(ended);
    assert_eq!((reply.text.as_str(), reply.thinking.as_deref()), ("Warm up.", Some("Noise.")));
    assert_eq!((reply.tokens, reply.finish), (tokens(125, 100, 15), Finish::Length));
    let (_, ended) = streamed(Anthropic, &events[..9]).unwrap();
    assert!(!ended, "a stream without its end was taken for whole");
}

#[test]
fn a_model_may_decline_or_call_a_tool() {
    let said = |content: Value, reason: &str| {
        unusable(
            Anthropic,
            &json!({"type": "message", "content": content, "stop_reason": reason, "usage": {"input_tokens": 1, "output_tokens": 1}}),
        )
    };
    assert_eq!(
        said(json!([{"type": "text", "text": "I"}]), "refusal"),
        ("the provider withheld it (refusal)".to_owned(), false)
    );
    assert!(said(json!([{"type": "tool_use", "id": "t", "name": "f", "input": {}}]), "tool_use").1);
    assert_eq!(said(json!([]), "end_turn").0, "it is empty");
}

#[test]
fn errors_come_as_events_too() {
    let error = |kind: &str| {
        streamed(
            Anthropic,
            &[json!({"type": "error", "error": {"type": kind, "message": "Overloaded"}})],
        )
    };
    assert!(matches!(error("overloaded_error"), Err(Trouble::Unavailable { .. })));
    assert!(matches!(error("authentication_error"), Err(Trouble::Refused { .. })));
}

#[test]
fn the_limits_of_a_model_are_read() {
    let body = json!({"type": "model", "id": "m", "display_name": "M", "max_input_tokens": 200_000, "max_tokens": 64_000});
    assert_eq!(
        protocol(Anthropic).limits("m", &body),
        Limits { context: Some(200_000), max_output: Some(64_000) }
    );
}
