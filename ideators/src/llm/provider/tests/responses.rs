use autores_templates::settings::Api::OpenaiResponses;
use serde_json::json;

use super::*;
use crate::llm::request::Finish;

fn response(output: Value) -> Value {
    json!({
        "id": "resp_67ccd2bed1ec8190", "object": "response", "status": "completed", "error": null,
        "incomplete_details": null, "model": "gpt-5-2025-08-07", "output": output,
        "usage": {
            "input_tokens": 328, "input_tokens_details": {"cached_tokens": 256},
            "output_tokens": 52, "output_tokens_details": {"reasoning_tokens": 32}, "total_tokens": 380
        }
    })
}

fn message(text: &str) -> Value {
    json!({"type": "message", "id": "msg_1", "status": "completed", "role": "assistant", "content": [
        {"type": "output_text", "text": text, "annotations": [], "logprobs": [{"token": "W", "logprob": -0.5}]}
    ]})
}

#[test]
fn a_question_carries_all_that_was_asked_for() {
    let (path, body) =
        Asker { effort: Some("low"), temperature: None, ..asker(OpenaiResponses) }.post();
    assert_eq!(path, "responses");
    assert_eq!(
        body,
        json!({
            "model": "m",
            "instructions": "You propose.",
            "input": [
                {"role": "user", "content": "One?"},
                {"role": "assistant", "content": "Two."},
                {"role": "user", "content": "Three?"}
            ],
            "stream": true,
            "store": false,
            "max_output_tokens": 500,
            "reasoning": {"effort": "low", "summary": "auto"},
            "include": ["message.output_text.logprobs"],
            "text": {"format": {"type": "json_schema", "name": "ideas", "schema": {"type": "object"}, "strict": true}}
        })
    );
}

#[test]
fn an_answer_is_read() {
    let thought = json!({"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "Noise."}]});
    let reply = whole(OpenaiResponses, &response(json!([thought, message("Warm up.")]))).unwrap();
    assert_eq!((reply.text.as_str(), reply.thinking.as_deref()), ("Warm up.", Some("Noise.")));
    assert_eq!(reply.tokens, tokens(328, 256, 52));
    assert_eq!(reply.mean_logprob, Some(-0.5));
    assert_eq!(reply.finish, Finish::Stop);
}

#[test]
fn a_stream_is_read() {
    let (reply, ended) = streamed(
        OpenaiResponses,
        &[
            json!({"type": "response.created", "sequence_number": 0, "response": {"id": "resp_1", "model": "gpt-5", "output": [], "usage": null}}),
            json!({"type": "response.output_item.added", "output_index": 0, "item": {"type": "reasoning", "summary": []}}),
            json!({"type": "response.reasoning_summary_text.delta", "delta": "Noise."}),
            json!({"type": "response.output_text.delta", "delta": "Warm ", "logprobs": [{"token": "Warm ", "logprob": -0.2}]}),
            json!({"type": "response.output_text.delta", "delta": "up.", "logprobs": [{"token": "up.", "logprob": -0.4}]}),
            json!({"type": "response.output_text.done", "text": "Warm up.", "logprobs": [{"token": "Warm ", "logprob": -0.2}]}),
            json!({"type": "response.completed", "response": response(json!([message("Warm up.")]))}),
        ],
    )
    .unwrap();
    assert!(ended);
    assert_eq!((reply.text.as_str(), reply.thinking.as_deref()), ("Warm up.", Some("Noise.")));
    assert_eq!(reply.tokens, tokens(328, 256, 52));
    assert!((reply.mean_logprob.unwrap() + 0.3).abs() < 1e-12, "each token counts once");
}

#[test]
fn an_answer_may_be_cut_withheld_declined_or_a_call_of_a_tool() {
    let mut cut = response(json!([message("Warm")]));
    cut["incomplete_details"] = json!({"reason": "max_output_tokens"});
    assert_eq!(whole(OpenaiResponses, &cut).unwrap().finish, Finish::Length);
    cut["incomplete_details"] = json!({"reason": "content_filter"});
    assert_eq!(
        unusable(OpenaiResponses, &cut),
        ("the provider withheld it (content_filter)".to_owned(), false)
    );
    let declined =
        json!([{"type": "message", "content": [{"type": "refusal", "refusal": "I can't."}]}]);
    assert_eq!(unusable(OpenaiResponses, &response(declined)).0, "the model declined: I can't.");
    let tool = json!([{"type": "function_call", "name": "f", "arguments": "{}", "call_id": "c"}]);
    assert_eq!(
        unusable(OpenaiResponses, &response(tool)).0,
        "a call of tool \"f\" in place of text"
    );
}

#[test]
fn failures_come_as_events() {
    let mut failed = response(json!([]));
    failed["error"] = json!({"code": "server_error", "message": "The model failed"});
    let events = [json!({"type": "response.failed", "response": failed})];
    assert!(
        matches!(streamed(OpenaiResponses, &events), Err(Trouble::Unavailable { words, .. }) if words == "The model failed")
    );
    let events =
        [json!({"type": "error", "code": "invalid_prompt", "message": "no", "param": null})];
    assert!(
        matches!(streamed(OpenaiResponses, &events), Err(Trouble::Rejected { words }) if words == "no")
    );
}
