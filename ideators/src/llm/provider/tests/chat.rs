use autores_templates::settings::Api::OpenaiChat;
use serde_json::json;

use super::*;
use crate::llm::provider::Limits;
use crate::llm::request::Finish;

#[test]
fn a_question_carries_all_that_was_asked_for() {
    let (path, body) = asker(OpenaiChat).post();
    assert_eq!(path, "chat/completions");
    assert_eq!(
        body,
        json!({
            "model": "m",
            "messages": [
                {"role": "system", "content": "You propose."},
                {"role": "user", "content": "One?"},
                {"role": "assistant", "content": "Two."},
                {"role": "user", "content": "Three?"}
            ],
            "stream": true,
            "stream_options": {"include_usage": true},
            "max_tokens": 500,
            "temperature": 0.5,
            "seed": 0x7fff_ffff,
            "logprobs": true,
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "ideas", "schema": {"type": "object"}, "strict": true}
            }
        })
    );
}

#[test]
fn what_a_provider_cannot_do_is_not_asked_of_it() {
    let body =
        Asker { capable: false, stream: false, temperature: None, ..asker(OpenaiChat) }.body();
    for field in ["response_format", "logprobs", "stream_options", "temperature"] {
        assert!(body.get(field).is_none(), "{field}");
    }
}

#[test]
fn openai_itself_knows_the_limit_under_another_name() {
    let body = Asker { base_url: "https://api.openai.com/v1", ..asker(OpenaiChat) }.body();
    assert_eq!((&body["max_completion_tokens"], body.get("max_tokens")), (&json!(500), None));
    let body = Asker { without: vec!["max_tokens", "temperature"], ..asker(OpenaiChat) }.body();
    assert_eq!((&body["max_completion_tokens"], body.get("temperature")), (&json!(500), None));
}

#[test]
fn an_answer_of_openai_is_read() {
    let body = json!({
        "id": "chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT",
        "object": "chat.completion",
        "created": 1741569952,
        "model": "gpt-4.1-2025-04-14",
        "choices": [{
            "index": 0,
            "message": {"role": "assistant", "content": "Warm up.", "refusal": null, "annotations": []},
            "logprobs": {"content": [
                {"token": "Warm", "logprob": -0.25, "bytes": [87], "top_logprobs": []},
                {"token": " up.", "logprob": -0.75, "bytes": [32], "top_logprobs": []}
            ], "refusal": null},
            "finish_reason": "stop"
        }],
        "usage": {
            "prompt_tokens": 1019, "completion_tokens": 10, "total_tokens": 1029,
            "prompt_tokens_details": {"cached_tokens": 1000, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 4}
        },
        "service_tier": "default"
    });
    let reply = whole(OpenaiChat, &body).unwrap();
    assert_eq!(reply.text, "Warm up.");
    assert_eq!(reply.mean_logprob, Some(-0.5));
    assert_eq!(reply.tokens, tokens(1019, 1000, 10));
    assert_eq!(reply.model_reported.as_deref(), Some("gpt-4.1-2025-04-14"));
}

#[test]
fn deepseek_thinks_first_and_counts_its_cache_in_its_own_way() {
    let body = json!({
        "id": "930c60df", "model": "deepseek-reasoner", "object": "chat.completion",
        "choices": [{"index": 0, "finish_reason": "length", "message": {
            "role": "assistant", "content": "Lower the", "reasoning_content": "The loss is noisy."
        }}],
        "usage": {"prompt_tokens": 50, "completion_tokens": 30, "prompt_cache_hit_tokens": 20, "prompt_cache_miss_tokens": 30}
    });
    let reply = whole(OpenaiChat, &body).unwrap();
    assert_eq!(reply.thinking.as_deref(), Some("The loss is noisy."));
    assert_eq!(reply.tokens, tokens(50, 20, 30));
    assert_eq!(reply.finish, Finish::Length);
}

#[test]
fn a_stream_of_vllm_is_read() {
    let chunk = |delta: Value, finish: Value, logprob: f64| {
        json!({
            "id": "chatcmpl-7", "object": "chat.completion.chunk", "model": "Qwen3-8B",
            "choices": [{"index": 0, "delta": delta, "finish_reason": finish,
                "logprobs": {"content": [{"token": "x", "logprob": logprob}]}}]
        })
    };
    let (reply, ended) = streamed(
        OpenaiChat,
        &[
            json!({"id": "chatcmpl-7", "model": "Qwen3-8B", "choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}]}),
            chunk(json!({"reasoning_content": "Hm."}), Value::Null, -9999.0),
            chunk(json!({"reasoning": " Yes."}), Value::Null, -0.1),
            chunk(json!({"content": "Wider "}), Value::Null, -0.2),
            chunk(json!({"content": "layers."}), json!("stop"), -0.3),
            json!({"id": "chatcmpl-7", "choices": [], "usage": {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}}),
        ],
    )
    .unwrap();
    assert!(ended);
    assert_eq!(reply.text, "Wider layers.");
    assert_eq!(reply.thinking.as_deref(), Some("Hm. Yes."));
    assert_eq!(reply.tokens, tokens(11, 0, 7));
    assert!((reply.mean_logprob.unwrap() + 0.2).abs() < 1e-12, "impossible tokens are left out");
}

#[test]
fn what_is_no_answer_is_told_apart() {
    let choice = |message: Value, finish: &str| json!({"choices": [{"message": message, "finish_reason": finish}], "usage": {"prompt_tokens": 1, "completion_tokens": 500}});
    let said = |message: Value, finish: &str| unusable(OpenaiChat, &choice(message, finish));
    assert_eq!(said(json!({"content": ""}), "stop"), ("it is empty".to_owned(), true));
    assert!(
        said(json!({"content": null, "reasoning_content": "so long"}), "length")
            .0
            .starts_with("all of its 500 tokens went into thinking")
    );
    assert!(!said(json!({"content": "half", "refusal": null}), "content_filter").1);
    assert_eq!(
        said(json!({"content": null, "function_call": {"name": "f"}}), "function_call").0,
        "a call of tool \"f\" in place of text"
    );
    assert!(
        whole(
            OpenaiChat,
            &choice(
                json!({"content": "text", "tool_calls": [{"function": {"name": "f"}}]}),
                "stop"
            )
        )
        .is_ok()
    );
}

#[test]
fn an_error_in_a_stream_is_an_error() {
    let error = json!({"error": {"message": "Provider returned error", "code": 502}});
    assert!(matches!(streamed(OpenaiChat, &[error]), Err(Trouble::Unavailable { .. })));
    let error = json!({"error": {"message": "no such model", "type": "invalid_request_error"}});
    assert!(matches!(streamed(OpenaiChat, &[error]), Err(Trouble::Refused { .. })));
}

#[test]
fn servers_say_what_a_model_takes_each_in_its_own_words() {
    let limits = |entry: Value| {
        let mut entry = entry;
        entry["id"] = json!("m");
        protocol(OpenaiChat).limits("m", &json!({"data": [{"id": "other"}, entry]}))
    };
    let context = |n| Limits { context: Some(n), max_output: None };
    assert_eq!(limits(json!({"max_model_len": 4096})), context(4096));
    assert_eq!(limits(json!({"meta": {"n_ctx": 2048, "n_ctx_train": 8192}})), context(2048));
    assert_eq!(limits(json!({"meta": {"n_ctx_train": 8192}})), context(8192));
    assert_eq!(
        limits(
            json!({"context_length": 200_000, "top_provider": {"max_completion_tokens": 64_000}})
        ),
        Limits { context: Some(200_000), max_output: Some(64_000) }
    );
    assert_eq!(
        protocol(OpenaiChat)
            .limits("any", &json!({"data": [{"id": "x.gguf", "max_model_len": 512}]})),
        context(512)
    );
    assert_eq!(protocol(OpenaiChat).limits("m", &json!({"data": "none"})), Limits::default());
}
