use autores_templates::settings::Api::Gemini;
use serde_json::json;

use super::*;
use crate::llm::provider::Limits;
use crate::llm::request::Finish;

#[test]
fn a_question_carries_all_that_was_asked_for() {
    let (path, body) = Asker { effort: Some("low"), ..asker(Gemini) }.post();
    assert_eq!(path, "models/m:streamGenerateContent?alt=sse");
    assert_eq!(
        body,
        json!({
            "systemInstruction": {"parts": [{"text": "You propose."}]},
            "contents": [
                {"role": "user", "parts": [{"text": "One?"}]},
                {"role": "model", "parts": [{"text": "Two."}]},
                {"role": "user", "parts": [{"text": "Three?"}]}
            ],
            "generationConfig": {
                "maxOutputTokens": 500,
                "temperature": 0.5,
                "seed": 0x7fff_ffff,
                "responseLogprobs": true,
                "responseMimeType": "application/json",
                "responseJsonSchema": {"type": "object"},
                "thinkingConfig": {"thinkingLevel": "low", "includeThoughts": true}
            }
        })
    );
    assert_eq!(Asker { stream: false, ..asker(Gemini) }.post().0, "models/m:generateContent");
    assert_eq!(protocol(Gemini).key_header("k"), ("x-goog-api-key", "k".to_owned()));
}

fn usage() -> Value {
    json!({"promptTokenCount": 120, "cachedContentTokenCount": 64, "candidatesTokenCount": 7, "thoughtsTokenCount": 20, "totalTokenCount": 147})
}

#[test]
fn an_answer_is_read() {
    let body = json!({
        "candidates": [{
            "content": {"role": "model", "parts": [{"text": "Noise.", "thought": true}, {"text": "Warm up."}]},
            "finishReason": "STOP", "avgLogprobs": -0.42, "index": 0
        }],
        "usageMetadata": usage(), "modelVersion": "gemini-2.5-pro", "responseId": "Il0taoSY"
    });
    let reply = whole(Gemini, &body).unwrap();
    assert_eq!((reply.text.as_str(), reply.thinking.as_deref()), ("Warm up.", Some("Noise.")));
    assert_eq!(reply.tokens, tokens(120, 64, 27));
    assert_eq!(reply.mean_logprob, Some(-0.42));
    assert_eq!(reply.model_reported.as_deref(), Some("gemini-2.5-pro"));
}

#[test]
fn a_stream_is_read() {
    let part = |text: &str, logprob: f64| {
        json!({"candidates": [{"content": {"role": "model", "parts": [{"text": text}]}, "index": 0,
            "logprobsResult": {"chosenCandidates": [{"token": text, "logProbability": logprob}]}}],
            "usageMetadata": {"promptTokenCount": 120, "totalTokenCount": 120}})
    };
    let mut last = part("up.", -0.3);
    last["candidates"][0]["finishReason"] = json!("MAX_TOKENS");
    last["usageMetadata"] = usage();
    let (reply, ended) = streamed(Gemini, &[part("Warm ", -0.1), last]).unwrap();
    assert!(ended);
    assert_eq!((reply.text.as_str(), reply.finish), ("Warm up.", Finish::Length));
    assert_eq!(reply.tokens, tokens(120, 64, 27));
    assert!((reply.mean_logprob.unwrap() + 0.2).abs() < 1e-12);
    assert!(!streamed(Gemini, &[part("Warm ", -0.1)]).unwrap().1);
}

#[test]
fn what_is_no_answer_is_told_apart() {
    let blocked = json!({"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, "usageMetadata": {"promptTokenCount": 9}});
    assert_eq!(
        unusable(Gemini, &blocked),
        ("the provider withheld it (PROHIBITED_CONTENT)".to_owned(), false)
    );
    let safety = json!({"candidates": [{"finishReason": "SAFETY"}]});
    assert_eq!(unusable(Gemini, &safety).0, "the provider withheld it (SAFETY)");
    let tool = json!({"candidates": [{"content": {"parts": [{"functionCall": {"name": "f", "args": {}}}]}, "finishReason": "STOP"}]});
    assert_eq!(unusable(Gemini, &tool), ("a call of tool \"f\" in place of text".to_owned(), true));
    let broken = json!({"candidates": [{"finishReason": "MALFORMED_FUNCTION_CALL"}]});
    assert!(unusable(Gemini, &broken).1);
}

#[test]
fn an_error_in_a_stream_is_an_error() {
    let error = json!({"error": {"code": 503, "message": "The model is overloaded.", "status": "UNAVAILABLE"}});
    assert!(matches!(streamed(Gemini, &[error]), Err(Trouble::Unavailable { .. })));
}

#[test]
fn the_limits_of_a_model_are_read() {
    let body =
        json!({"name": "models/m", "inputTokenLimit": 1_048_576, "outputTokenLimit": 65_536});
    assert_eq!(
        protocol(Gemini).limits("m", &body),
        Limits { context: Some(1_048_576), max_output: Some(65_536) }
    );
}
