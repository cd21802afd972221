//! Anthropic's messages.

use autores_domain::Tokens;
use serde_json::{Value, json};

use super::{End, Gathered, Limits, Post, Protocol, Question, count, set, text};
use crate::llm::request::Who;
use crate::llm::trouble::{self, Trouble};

#[derive(Debug)]
pub(crate) struct Anthropic;

impl Protocol for Anthropic {
    fn key_header(&self, key: &str) -> (&'static str, String) {
        ("x-api-key", key.to_owned())
    }

    fn headers(&self) -> &'static [(&'static str, &'static str)] {
        &[("anthropic-version", "2023-06-01")]
    }

    fn optional(&self) -> &'static [&'static str] {
        &["cache_control", "thinking", "output_config", "temperature"]
    }

    fn post(&self, question: &Question<'_>) -> Post {
        let request = question.request;
        let messages: Vec<Value> = request
            .turns
            .iter()
            .map(|turn| {
                let role = match turn.who {
                    Who::User => "user",
                    Who::Model => "assistant",
                };
                json!({"role": role, "content": turn.text})
            })
            .collect();
        let mut body = json!({
            "model": question.model,
            "max_tokens": question.max_output,
            "messages": messages,
            "stream": question.stream,
        });
        if !request.system.is_empty() {
            let mut system = json!({"type": "text", "text": request.system});
            if question.takes("cache_control") {
                // The system text stays the same from call to call, so it is read from the cache.
                set(&mut system, "cache_control", json!({"type": "ephemeral"}));
            }
            set(&mut body, "system", json!([system]));
        }
        let effort = question.effort.filter(|_| question.takes("thinking"));
        let mut output = json!({});
        if let Some(effort) = effort {
            set(&mut body, "thinking", json!({"type": "adaptive"}));
            set(&mut output, "effort", if effort == "minimal" { "low" } else { effort });
        }
        if let Some(schema) = question.schema() {
            set(&mut output, "format", json!({"type": "json_schema", "schema": schema.json}));
        }
        if output != json!({}) && question.takes("output_config") {
            set(&mut body, "output_config", output);
        }
        // A model that thinks takes no other temperature than its own.
        if let Some(temperature) = question.temperature
            && effort.is_none()
            && question.takes("temperature")
        {
            set(&mut body, "temperature", temperature.clamp(0.0, 1.0));
        }
        Post { path: "v1/messages".to_owned(), body }
    }

    fn whole(&self, body: &Value, into: &mut Gathered) -> Result<(), Trouble> {
        if text(body, "/type") == Some("error") {
            return Err(trouble::of_error(body));
        }
        into.identify(text(body, "/id"), text(body, "/model"));
        for block in body.get("content").and_then(Value::as_array).into_iter().flatten() {
            begin(block, into);
        }
        usage(body, into);
        into.end = text(body, "/stop_reason").map(end);
        into.complete = true;
        Ok(())
    }

    fn event(&self, event: &Value, into: &mut Gathered) -> Result<(), Trouble> {
        match text(event, "/type").unwrap_or("") {
            "message_start" => {
                into.identify(text(event, "/message/id"), text(event, "/message/model"));
                usage(event.get("message").unwrap_or(&Value::Null), into);
            }
            "content_block_start" => {
                begin(event.get("content_block").unwrap_or(&Value::Null), into)
            }
            "content_block_delta" => {
                into.text.push_str(text(event, "/delta/text").unwrap_or(""));
                into.thinking.push_str(text(event, "/delta/thinking").unwrap_or(""));
            }
            "message_delta" => {
                usage(event, into);
                if let Some(reason) = text(event, "/delta/stop_reason") {
                    into.end = Some(end(reason));
                }
            }
            "message_stop" => into.complete = true,
            "error" => return Err(trouble::of_error(event)),
            _ => {}
        }
        Ok(())
    }

    fn limits_path(&self, model: &str) -> Option<String> {
        Some(format!("v1/models/{model}"))
    }

    fn limits(&self, _model: &str, body: &Value) -> Limits {
        Limits { context: count(body, "/max_input_tokens"), max_output: count(body, "/max_tokens") }
    }
}

/// A block of an answer, or its beginning.
fn begin(block: &Value, into: &mut Gathered) {
    match text(block, "/type") {
        Some("text") => into.text.push_str(text(block, "/text").unwrap_or("")),
        Some("thinking") => into.thinking.push_str(text(block, "/thinking").unwrap_or("")),
        Some("tool_use") if into.tool.is_none() => {
            into.tool = text(block, "/name").map(str::to_owned);
        }
        Some(_) | None => {}
    }
}

fn end(reason: &str) -> End {
    match reason {
        "max_tokens" | "model_context_window_exceeded" => End::Length,
        "refusal" => End::Withheld(reason.to_owned()),
        _ => End::Stop,
    }
}

/// Counts as they are given: the last of each is the one that holds. What is written to the cache is read as well.
fn usage(body: &Value, into: &mut Gathered) {
    let of = |name: &str| count(body, &format!("/usage/{name}"));
    let mut tokens = into.usage.unwrap_or_default();
    if let Some(fresh) = of("input_tokens") {
        let cached = of("cache_read_input_tokens").unwrap_or(0);
        tokens.cached = cached;
        tokens.input = fresh + cached + of("cache_creation_input_tokens").unwrap_or(0);
    }
    if let Some(output) = of("output_tokens") {
        tokens.output = output;
    }
    if tokens != Tokens::default() {
        into.usage = Some(tokens);
    }
}
