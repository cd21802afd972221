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
    without: &'static [&'static str],
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
        without: &[],
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
        let without: BTreeSet<String> =
            self.without.iter().map(|name| (*name).to_owned()).collect();
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
