//! OpenAI's responses.

use autores_domain::Tokens;
use serde_json::{Value, json};

use super::{End, Gathered, Limits, Post, Protocol, Question, count, set, text};
use crate::llm::request::Who;
use crate::llm::trouble::{self, Trouble};

/// Fewer tokens are refused.
const LEAST_OUTPUT: u64 = 16;

#[derive(Debug)]
pub(crate) struct Responses;

impl Protocol for Responses {
    fn optional(&self) -> &'static [&'static str] {
        &["temperature", "reasoning", "include", "logprobs", "text"]
    }

    fn post(&self, question: &Question<'_>) -> Post {
        let request = question.request;
        let input: Vec<Value> = request
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
            "input": input,
            "stream": question.stream,
            "max_output_tokens": question.max_output.max(LEAST_OUTPUT),
            // What was said is kept by us; nobody else has to.
            "store": false,
        });
        if !request.system.is_empty() {
            set(&mut body, "instructions", request.system.as_str());
        }
        if let Some(temperature) = question.temperature.filter(|_| question.takes("temperature")) {
            set(&mut body, "temperature", temperature);
        }
        if let Some(effort) = question.effort.filter(|_| question.takes("reasoning")) {
            set(&mut body, "reasoning", json!({"effort": effort, "summary": "auto"}));
        }
        if question.logprobs() && question.takes("include") && question.takes("logprobs") {
            set(&mut body, "include", json!(["message.output_text.logprobs"]));
        }
        if let Some(schema) = question.schema().filter(|_| question.takes("text")) {
            let format = json!({
                "type": "json_schema", "name": schema.name, "schema": schema.json, "strict": true
            });
            set(&mut body, "text", json!({"format": format}));
        }
        Post { path: "responses".to_owned(), body }
    }

    fn whole(&self, body: &Value, into: &mut Gathered) -> Result<(), Trouble> {
        for item in list(body, "/output") {
            match text(item, "/type") {
                Some("message") => message(item, into),
                Some("reasoning") => {
                    for part in list(item, "/summary") {
                        into.thinking.push_str(text(part, "/text").unwrap_or(""));
                    }
                }
                Some("function_call" | "custom_tool_call") if into.tool.is_none() => {
                    into.tool = text(item, "/name").map(str::to_owned);
                }
                Some(_) | None => {}
            }
        }
        finish(body, into)
    }

    fn event(&self, event: &Value, into: &mut Gathered) -> Result<(), Trouble> {
        match text(event, "/type").unwrap_or("") {
            "response.output_text.delta" => {
                into.text.push_str(text(event, "/delta").unwrap_or(""));
                logprobs(event, into);
                Ok(())
            }
            "response.reasoning_summary_text.delta" | "response.reasoning_text.delta" => {
                into.thinking.push_str(text(event, "/delta").unwrap_or(""));
                Ok(())
            }
            "response.refusal.delta" => {
                into.refusal.push_str(text(event, "/delta").unwrap_or(""));
                Ok(())
            }
            "response.output_item.added" => {
                if text(event, "/item/type") == Some("function_call") && into.tool.is_none() {
                    into.tool = text(event, "/item/name").map(str::to_owned);
                }
                Ok(())
            }
            "response.created" => {
                into.identify(text(event, "/response/id"), text(event, "/response/model"));
                Ok(())
            }
            "response.completed" | "response.incomplete" | "response.failed" => {
                finish(event.get("response").unwrap_or(&Value::Null), into)
            }
            // An error stands alone here, not under a field of its own.
            "error" => {
                Err(trouble::of_error(&json!({"error": event.get("error").unwrap_or(event)})))
            }
            _ => Ok(()),
        }
    }

    fn limits_path(&self, _model: &str) -> Option<String> {
        None
    }

    fn limits(&self, _model: &str, _body: &Value) -> Limits {
        Limits::default()
    }
}

fn list<'a>(json: &'a Value, place: &str) -> &'a [Value] {
    json.pointer(place).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn message(item: &Value, into: &mut Gathered) {
    for part in list(item, "/content") {
        into.text.push_str(text(part, "/text").unwrap_or(""));
        into.refusal.push_str(text(part, "/refusal").unwrap_or(""));
        logprobs(part, into);
    }
}

fn logprobs(part: &Value, into: &mut Gathered) {
    for token in list(part, "/logprobs") {
        if let Some(value) = token.get("logprob").and_then(Value::as_f64) {
            into.logprobs.add(value);
        }
    }
}

/// Reads how the answer ended and what it took.
fn finish(response: &Value, into: &mut Gathered) -> Result<(), Trouble> {
    into.identify(text(response, "/id"), text(response, "/model"));
    if let Some(input) = count(response, "/usage/input_tokens") {
        let cached = count(response, "/usage/input_tokens_details/cached_tokens").unwrap_or(0);
        let output = count(response, "/usage/output_tokens").unwrap_or(0);
        into.usage = Some(Tokens { input, cached: cached.min(input), output });
    }
    if response.get("error").is_some_and(|error| !error.is_null()) {
        return Err(trouble::of_error(response));
    }
    into.end = Some(match text(response, "/incomplete_details/reason") {
        Some("max_output_tokens") => End::Length,
        Some(reason) => End::Withheld(reason.to_owned()),
        None => End::Stop,
    });
    into.complete = true;
    Ok(())
}
