//! OpenAI's chat completions, which most servers speak: vLLM, llama.cpp, Ollama, DeepSeek, OpenRouter, Together.

use autores_domain::Tokens;
use serde_json::{Value, json};

use super::{End, Gathered, Limits, Post, Protocol, Question, count, set, text};
use crate::llm::request::Who;
use crate::llm::trouble::{self, Trouble};

#[derive(Debug)]
pub(crate) struct Chat;

impl Protocol for Chat {
    fn optional(&self) -> &'static [&'static str] {
        &[
            "max_tokens",
            "temperature",
            "seed",
            "logprobs",
            "stream_options",
            "response_format",
            "reasoning_effort",
        ]
    }

    fn post(&self, question: &Question<'_>) -> Post {
        let request = question.request;
        let mut messages = Vec::new();
        if !request.system.is_empty() {
            messages.push(json!({"role": "system", "content": request.system}));
        }
        messages.extend(request.turns.iter().map(|turn| {
            let role = match turn.who {
                Who::User => "user",
                Who::Model => "assistant",
            };
            json!({"role": role, "content": turn.text})
        }));
        let mut body =
            json!({"model": question.model, "messages": messages, "stream": question.stream});
        let limit = if own_servers(question.base_url) || !question.takes("max_tokens") {
            "max_completion_tokens"
        } else {
            "max_tokens"
        };
        set(&mut body, limit, question.max_output);
        if question.stream && question.takes("stream_options") {
            set(&mut body, "stream_options", json!({"include_usage": true}));
        }
        if let Some(temperature) = question.temperature.filter(|_| question.takes("temperature")) {
            set(&mut body, "temperature", temperature);
        }
        if let Some(effort) = question.effort.filter(|_| question.takes("reasoning_effort")) {
            set(&mut body, "reasoning_effort", effort);
        }
        if let Some(seed) = request.seed.filter(|_| question.takes("seed")) {
            // Servers read it as a signed number, some of 32 bits.
            set(&mut body, "seed", seed & 0x7fff_ffff);
        }
        if question.logprobs() && question.takes("logprobs") {
            set(&mut body, "logprobs", true);
        }
        if let Some(schema) = question.schema().filter(|_| question.takes("response_format")) {
            let held = json!({"name": schema.name, "schema": schema.json, "strict": true});
            set(&mut body, "response_format", json!({"type": "json_schema", "json_schema": held}));
        }
        Post { path: "chat/completions".to_owned(), body }
    }

    fn whole(&self, body: &Value, into: &mut Gathered) -> Result<(), Trouble> {
        read(body, "message", into)?;
        into.complete = true;
        Ok(())
    }

    fn event(&self, event: &Value, into: &mut Gathered) -> Result<(), Trouble> {
        read(event, "delta", into)
    }

    fn limits_path(&self, _model: &str) -> Option<String> {
        Some("models".to_owned())
    }

    fn limits(&self, model: &str, body: &Value) -> Limits {
        let all = body.get("data").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        // A server of one model often takes any name for it.
        let one = all.iter().find(|entry| text(entry, "/id") == Some(model)).or(match all {
            [only] => Some(only),
            _ => None,
        });
        let Some(one) = one else { return Limits::default() };
        let places = [
            "/max_model_len",
            "/meta/n_ctx",
            "/context_length",
            "/context_window",
            "/meta/n_ctx_train",
        ];
        Limits {
            context: places.iter().find_map(|place| count(one, place)),
            max_output: count(one, "/top_provider/max_completion_tokens"),
        }
    }
}

/// Servers that take the new name of the limit only.
fn own_servers(base_url: &str) -> bool {
    let host = base_url.split("://").nth(1).unwrap_or("").split(['/', ':']).next().unwrap_or("");
    host == "api.openai.com" || host.ends_with(".openai.azure.com")
}

fn read(body: &Value, part: &str, into: &mut Gathered) -> Result<(), Trouble> {
    if body.get("error").is_some_and(|error| !error.is_null()) {
        return Err(trouble::of_error(body));
    }
    into.identify(text(body, "/id"), text(body, "/model"));
    if let Some(tokens) = usage(body) {
        into.usage = Some(tokens);
    }
    let Some(choice) = body.pointer("/choices/0") else { return Ok(()) };
    let words = choice.get(part).unwrap_or(&Value::Null);
    into.text.push_str(text(words, "/content").unwrap_or(""));
    let thought = text(words, "/reasoning_content").or_else(|| text(words, "/reasoning"));
    into.thinking.push_str(thought.unwrap_or(""));
    into.refusal.push_str(text(words, "/refusal").unwrap_or(""));
    if into.tool.is_none() {
        let called = text(words, "/tool_calls/0/function/name");
        into.tool = called.or_else(|| text(words, "/function_call/name")).map(str::to_owned);
    }
    let tokens = choice.pointer("/logprobs/content").and_then(Value::as_array);
    for token in tokens.into_iter().flatten() {
        if let Some(value) = token.get("logprob").and_then(Value::as_f64) {
            into.logprobs.add(value);
        }
    }
    if let Some(reason) = text(choice, "/finish_reason") {
        into.end = Some(match reason {
            "length" => End::Length,
            "content_filter" => End::Withheld(reason.to_owned()),
            _ => End::Stop,
        });
    }
    Ok(())
}

fn usage(body: &Value) -> Option<Tokens> {
    let input = count(body, "/usage/prompt_tokens")?;
    let cached = count(body, "/usage/prompt_tokens_details/cached_tokens")
        .or_else(|| count(body, "/usage/prompt_cache_hit_tokens"))
        .unwrap_or(0);
    let output = count(body, "/usage/completion_tokens").unwrap_or(0);
    Some(Tokens { input, cached: cached.min(input), output })
}
