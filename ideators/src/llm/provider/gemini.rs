//! Gemini's content generation.

use autores_domain::Tokens;
use serde_json::{Value, json};

use super::{End, Gathered, Limits, Post, Protocol, Question, count, set, text};
use crate::llm::request::Who;
use crate::llm::trouble::{self, Trouble};

#[derive(Debug)]
pub(crate) struct Gemini;

impl Protocol for Gemini {
    fn key_header(&self, key: &str) -> (&'static str, String) {
        ("x-goog-api-key", key.to_owned())
    }

    fn optional(&self) -> &'static [&'static str] {
        &["temperature", "seed", "logprobs", "thinking"]
    }

    fn post(&self, question: &Question<'_>) -> Post {
        let request = question.request;
        let contents: Vec<Value> = request
            .turns
            .iter()
            .map(|turn| {
                let role = match turn.who {
                    Who::User => "user",
                    Who::Model => "model",
                };
                json!({"role": role, "parts": [{"text": turn.text}]})
            })
            .collect();
        let mut how = json!({"maxOutputTokens": question.max_output});
        if let Some(temperature) = question.temperature.filter(|_| question.takes("temperature")) {
            set(&mut how, "temperature", temperature);
        }
        if let Some(seed) = request.seed.filter(|_| question.takes("seed")) {
            set(&mut how, "seed", seed & 0x7fff_ffff);
        }
        if question.logprobs() && question.takes("logprobs") {
            set(&mut how, "responseLogprobs", true);
        }
        if let Some(effort) = question.effort.filter(|_| question.takes("thinking")) {
            set(
                &mut how,
                "thinkingConfig",
                json!({"thinkingLevel": effort, "includeThoughts": true}),
            );
        }
        if let Some(schema) = question.schema() {
            set(&mut how, "responseMimeType", "application/json");
            set(&mut how, "responseJsonSchema", schema.json.clone());
        }
        let mut body = json!({"contents": contents, "generationConfig": how});
        if !request.system.is_empty() {
            set(&mut body, "systemInstruction", json!({"parts": [{"text": request.system}]}));
        }
        let method =
            if question.stream { "streamGenerateContent?alt=sse" } else { "generateContent" };
        Post { path: format!("models/{}:{method}", question.model), body }
    }

    fn whole(&self, body: &Value, into: &mut Gathered) -> Result<(), Trouble> {
        self.event(body, into)?;
        into.complete = true;
        Ok(())
    }

    fn event(&self, event: &Value, into: &mut Gathered) -> Result<(), Trouble> {
        if event.get("error").is_some_and(|error| !error.is_null()) {
            return Err(trouble::of_error(event));
        }
        into.identify(text(event, "/responseId"), text(event, "/modelVersion"));
        if let Some(input) = count(event, "/usageMetadata/promptTokenCount") {
            let of = |name: &str| count(event, &format!("/usageMetadata/{name}")).unwrap_or(0);
            let output = of("candidatesTokenCount") + of("thoughtsTokenCount");
            into.usage =
                Some(Tokens { input, cached: of("cachedContentTokenCount").min(input), output });
        }
        if let Some(reason) = text(event, "/promptFeedback/blockReason") {
            into.end = Some(End::Withheld(reason.to_owned()));
        }
        let Some(candidate) = event.pointer("/candidates/0") else { return Ok(()) };
        for part in
            candidate.pointer("/content/parts").and_then(Value::as_array).into_iter().flatten()
        {
            let words = text(part, "/text").unwrap_or("");
            if part.get("thought") == Some(&Value::Bool(true)) {
                into.thinking.push_str(words);
            } else {
                into.text.push_str(words);
            }
            if into.tool.is_none() {
                into.tool = text(part, "/functionCall/name").map(str::to_owned);
            }
        }
        logprobs(candidate, into);
        if let Some(reason) = text(candidate, "/finishReason") {
            into.end = Some(match reason {
                "STOP" | "FINISH_REASON_UNSPECIFIED" => End::Stop,
                "MAX_TOKENS" => End::Length,
                "MALFORMED_FUNCTION_CALL" | "UNEXPECTED_TOOL_CALL" => {
                    into.tool.get_or_insert_with(|| reason.to_owned());
                    End::Stop
                }
                _ => End::Withheld(reason.to_owned()),
            });
        }
        Ok(())
    }

    fn limits_path(&self, model: &str) -> Option<String> {
        Some(format!("models/{model}"))
    }

    fn limits(&self, _model: &str, body: &Value) -> Limits {
        Limits {
            context: count(body, "/inputTokenLimit"),
            max_output: count(body, "/outputTokenLimit"),
        }
    }
}

/// Those of single tokens, else their mean.
fn logprobs(candidate: &Value, into: &mut Gathered) {
    let chosen = candidate.pointer("/logprobsResult/chosenCandidates").and_then(Value::as_array);
    let mut single = chosen
        .into_iter()
        .flatten()
        .filter_map(|one| one.get("logProbability")?.as_f64())
        .peekable();
    if single.peek().is_some() {
        single.for_each(|value| into.logprobs.add(value));
    } else if let Some(mean) = candidate.get("avgLogprobs").and_then(Value::as_f64) {
        into.logprobs.add(mean);
    }
}
