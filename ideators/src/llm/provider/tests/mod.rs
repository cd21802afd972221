//! Questions as they are sent, and answers as providers give them.

mod anthropic;
mod chat;
mod gemini;
mod responses;

use std::collections::BTreeSet;

use autores_domain::Tokens;
use autores_templates::settings::{Api, Provider};
use serde_json::{Value, json};

use super::{Gathered, Question, protocol};
use crate::llm::request::{Reply, Request, Schema, Turn, Who};
use crate::llm::trouble::Trouble;

/// A question with everything in it.
fn full() -> Request {
    let turn = |who, text: &str| Turn { who, text: text.to_owned() };
    Request {
        system: "You propose.".to_owned(),
        turns: vec![turn(Who::User, "One?"), turn(Who::Model, "Two."), turn(Who::User, "Three?")],
        schema: Some(Schema { name: "ideas".to_owned(), json: json!({"type": "object"}) }),
        max_output: None,
        temperature: None,
        seed: Some(u64::MAX),
        logprobs: true,
    }
}

struct Asker {
    api: Api,
    base_url: &'static str,
    request: Request,
    temperature: Option<f64>,
    effort: Option<&'static str>,
    stream: bool,
    capable: bool,
    without: Vec<&'static str>,
}

fn asker(api: Api) -> Asker {
    Asker {
        api,
        base_url: "http://localhost:8000/v1",
        request: full(),
        temperature: Some(0.5),
        effort: None,
        stream: true,
        capable: true,
        without: Vec::new(),
    }
}

impl Asker {
    /// Path and body of the question.
    fn post(&self) -> (String, Value) {
        let provider = Provider {
            api: self.api,
            base_url: self.base_url.to_owned(),
            base_url_variable: None,
            key_variable: None,
            key_file: None,
            needs_key: false,
            concurrency: 1,
            requests_per_minute: None,
            tokens_per_minute: None,
            timeout_s: 1,
            stall_s: 1,
            tries: 1,
            stream: self.stream,
            json_schema: self.capable,
            logprobs: self.capable,
            default_model: None,
        };
        let without: BTreeSet<&'static str> = self.without.iter().copied().collect();
        let post = protocol(self.api).post(&Question {
            provider: &provider,
            base_url: self.base_url,
            model: "m",
            request: &self.request,
            max_output: 500,
            temperature: self.temperature,
            effort: self.effort,
            stream: self.stream,
            without: &without,
        });
        (post.path, post.body)
    }

    fn body(&self) -> Value {
        self.post().1
    }
}

/// What a whole answer says.
fn whole(api: Api, body: &Value) -> Result<Reply, Trouble> {
    let mut gathered = Gathered::default();
    protocol(api).whole(body, &mut gathered)?;
    let tokens = gathered.usage.unwrap_or_default();
    gathered.reply(tokens)
}

/// What events say together, and whether they bring the answer to an end.
fn streamed(api: Api, events: &[Value]) -> Result<(Reply, bool), Trouble> {
    let mut gathered = Gathered::default();
    for event in events {
        protocol(api).event(event, &mut gathered)?;
    }
    let tokens = gathered.usage.unwrap_or_default();
    let ended = gathered.complete || gathered.end.is_some();
    Ok((gathered.reply(tokens)?, ended))
}

fn tokens(input: u64, cached: u64, output: u64) -> Tokens {
    Tokens { input, cached, output }
}

fn unusable(api: Api, body: &Value) -> (String, bool) {
    match whole(api, body) {
        Err(Trouble::Unusable { words, again }) => (words, again),
        other => panic!("{other:?}"),
    }
}

/// The names of a question's fields, with those of one of them.
fn fields(body: &Value, inner: &str) -> Vec<String> {
    let names = |value: &Value| -> Vec<String> {
        value.as_object().map(|object| object.keys().cloned().collect()).unwrap_or_default()
    };
    let mut all = names(body);
    all.extend(names(&body[inner]));
    all.sort();
    all
}

#[test]
fn each_optional_part_can_be_left_out_alone() {
    for api in [Api::OpenaiChat, Api::OpenaiResponses, Api::Anthropic, Api::Gemini] {
        for &part in protocol(api).optional() {
            // A model of Anthropic's that thinks has no temperature, so that one is looked at without.
            let effort = Some("low").filter(|_| part != "temperature");
            let whole = Asker { effort, ..asker(api) }.body();
            let less = Asker { effort, without: vec![part], ..asker(api) }.body();
            assert_ne!(whole, less, "{api:?} sends {part} all the same");
        }
    }
}

#[test]
fn without_its_optional_parts_a_question_is_what_no_server_refuses() {
    for (api, inner, expected) in [
        (Api::OpenaiChat, "", "max_completion_tokens messages model stream"),
        (Api::OpenaiResponses, "", "input instructions max_output_tokens model store stream"),
        (Api::Anthropic, "", "max_tokens messages model stream system"),
        (
            Api::Gemini,
            "generationConfig",
            "contents generationConfig maxOutputTokens responseJsonSchema responseMimeType systemInstruction",
        ),
    ] {
        let without = protocol(api).optional().to_vec();
        let body = Asker { effort: Some("low"), without, ..asker(api) }.body();
        assert_eq!(fields(&body, inner).join(" "), expected, "{api:?}");
    }
}

#[test]
fn a_field_that_a_provider_adds_or_leaves_out_breaks_nothing() {
    for api in [Api::OpenaiChat, Api::OpenaiResponses, Api::Anthropic, Api::Gemini] {
        for body in
            [json!({}), json!([]), json!(null), json!({"choices": 3, "content": {}, "output": "x"})]
        {
            assert!(whole(api, &body).is_err(), "{api:?} took {body} for an answer");
            let mut gathered = Gathered::default();
            let _ = protocol(api).event(&body, &mut gathered);
            assert!(gathered.text.is_empty());
        }
    }
}
