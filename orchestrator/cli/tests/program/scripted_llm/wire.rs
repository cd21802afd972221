//! Replies in the protocol of OpenAI's chat completions, whole or as a stream.

use autores_domain::Tokens;
use serde_json::{Value, json};
use wiremock::ResponseTemplate;

/// A reply that is to be sent.
pub(crate) struct Answer {
    pub(crate) text: String,
    pub(crate) tokens: Tokens,
    /// Log-probability of each of its tokens.
    pub(crate) logprob: f64,
}

pub(crate) fn response(body: &Value, answer: &Answer) -> ResponseTemplate {
    let with_logprobs = body["logprobs"] == true;
    if body["stream"] == true {
        let with_usage = body["stream_options"]["include_usage"] == true;
        return ResponseTemplate::new(200)
            .set_body_raw(stream(answer, with_logprobs, with_usage), "text/event-stream");
    }
    let words: Vec<&str> = pieces(&answer.text);
    let choice = json!({
        "index": 0,
        "finish_reason": "stop",
        "message": {"role": "assistant", "content": answer.text},
        "logprobs": with_logprobs.then(|| logprobs(&words, answer.logprob)),
    });
    ResponseTemplate::new(200).set_body_json(json!({
        "id": "chatcmpl-scripted",
        "object": "chat.completion",
        "model": super::NAME,
        "choices": [choice],
        "usage": usage(answer.tokens),
    }))
}

fn stream(answer: &Answer, with_logprobs: bool, with_usage: bool) -> String {
    let chunk = |choices: Value, usage: Option<Value>| {
        let chunk = json!({
            "id": "chatcmpl-scripted",
            "object": "chat.completion.chunk",
            "model": super::NAME,
            "choices": choices,
            "usage": usage,
        });
        format!("data: {chunk}\n\n")
    };
    let mut text = String::new();
    for piece in pieces(&answer.text) {
        let logprobs = with_logprobs.then(|| logprobs(&[piece], answer.logprob));
        let choice = json!([{"index": 0, "delta": {"content": piece}, "logprobs": logprobs}]);
        text += &chunk(choice, None);
    }
    text += &chunk(json!([{"index": 0, "delta": {}, "finish_reason": "stop"}]), None);
    if with_usage {
        text += &chunk(json!([]), Some(usage(answer.tokens)));
    }
    text + "data: [DONE]\n\n"
}

fn usage(tokens: Tokens) -> Value {
    json!({
        "prompt_tokens": tokens.input,
        "completion_tokens": tokens.output,
        "total_tokens": tokens.input + tokens.output,
        "prompt_tokens_details": {"cached_tokens": tokens.cached},
    })
}

fn logprobs(tokens: &[&str], logprob: f64) -> Value {
    let one = |token: &&str| json!({"token": token, "logprob": logprob});
    json!({"content": tokens.iter().map(one).collect::<Vec<_>>()})
}

/// The text in small parts, together all of it.
fn pieces(text: &str) -> Vec<&str> {
    text.split_inclusive([' ', '\n']).collect()
}
