//! A language model whose words are known before: a server of OpenAI's chat completions that plays every part in a run
//! of `pretrain`. It counts what it served.

mod changes;
mod course;
mod form;
mod question;
mod run;
mod tests;
pub(crate) mod wire;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use autores_domain::{Codebase, Tokens};
use autores_templates::problems::{self, Code};
use serde_json::{Value, json};
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate};

use form::FORMS;
use question::Question;
use wire::Answer;

/// What the model calls itself.
pub(crate) const NAME: &str = "scripted";

/// Bytes of a token.
const BYTES: u64 = 4;

/// What a call was for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Part {
    Ideas,
    Patch,
    Revision,
    Repair,
    Choice,
    Lessons,
    Ping,
}

/// One call, as the server saw it.
#[derive(Debug, Clone)]
pub(crate) struct Served {
    pub(crate) part: Part,
    pub(crate) tokens: Tokens,
    began: Instant,
    ended: Instant,
}

/// The server. It ends with this value.
pub(crate) struct ScriptedLlm {
    server: MockServer,
    state: Arc<Mutex<State>>,
    // What the server was started on.
    _runtime: tokio::runtime::Runtime,
}

#[derive(Debug, Default)]
struct State {
    served: Vec<Served>,
    ideas: usize,
    /// How many candidates of an idea began.
    candidates: BTreeMap<usize, usize>,
    /// System messages that were sent before.
    known: BTreeSet<String>,
}

impl ScriptedLlm {
    /// A server that takes this long for each answer.
    pub(crate) fn start(latency: Duration) -> Self {
        let Code::Embedded(code) = problems::find("pretrain").unwrap().code else { unreachable!() };
        let state = Arc::new(Mutex::new(State::default()));
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let server = runtime.block_on(async {
            let server = MockServer::start().await;
            let model = Model { code, latency, state: state.clone() };
            let asked = Mock::given(method("POST")).and(path("/v1/chat/completions"));
            asked.respond_with(model).mount(&server).await;
            let list = json!({"object": "list", "data": [{"id": NAME, "max_model_len": 200_000}]});
            let listed = ResponseTemplate::new(200).set_body_json(list);
            let asked = Mock::given(method("GET")).and(path("/v1/models"));
            asked.respond_with(listed).mount(&server).await;
            server
        });
        Self { server, state, _runtime: runtime }
    }

    /// Where it answers, for `OPENAI_BASE_URL` and its like.
    pub(crate) fn base_url(&self) -> String {
        format!("{}/v1", self.server.uri())
    }

    /// All calls so far.
    pub(crate) fn served(&self) -> Vec<Served> {
        self.state.lock().unwrap().served.clone()
    }

    /// How many calls there were for this.
    pub(crate) fn count(&self, part: Part) -> usize {
        self.served().iter().filter(|call| call.part == part).count()
    }

    /// All tokens.
    pub(crate) fn tokens(&self) -> Tokens {
        let mut all = Tokens::default();
        self.served().iter().for_each(|call| all += call.tokens);
        all
    }

    /// How long at least one call was on its way.
    pub(crate) fn busy(&self) -> Duration {
        let mut calls = self.served();
        calls.sort_by_key(|call| call.began);
        let mut busy = Duration::ZERO;
        let mut until: Option<Instant> = None;
        for call in calls {
            let from = until.map_or(call.began, |until| until.max(call.began));
            busy += call.ended.saturating_duration_since(from);
            until = Some(until.map_or(call.ended, |until| until.max(call.ended)));
        }
        busy
    }

    /// The most calls that were on their way at one time.
    pub(crate) fn most_at_a_time(&self) -> usize {
        let calls = self.served();
        let at = |moment: Instant| {
            calls.iter().filter(|call| call.began <= moment && moment < call.ended).count()
        };
        calls.iter().map(|call| at(call.began)).max().unwrap_or(0)
    }
}

struct Model {
    code: Codebase,
    latency: Duration,
    state: Arc<Mutex<State>>,
}

impl Respond for Model {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let body: Value = request.body_json().unwrap();
        let question = question::read(&body);
        let mut state = self.state.lock().unwrap();
        let (part, text, candidate) = self.answer(&question, &mut state);
        let tokens = state.count(&body, &text);
        let began = Instant::now();
        state.served.push(Served { part, tokens, began, ended: began + self.latency });
        // Later candidates are less sure of themselves.
        let logprob = -0.1 * (candidate + 1) as f64;
        wire::response(&body, &Answer { text, tokens, logprob }).set_delay(self.latency)
    }
}

impl Model {
    /// What it was asked for, what it answers, and as which candidate.
    fn answer(&self, question: &Question, state: &mut State) -> (Part, String, usize) {
        match question {
            Question::Ideas { count, tags } => {
                let first = state.ideas;
                state.ideas += count;
                (Part::Ideas, ideas(first, *count, *tags), 0)
            }
            Question::Patch { idea, ask } => {
                let candidates = state.candidates.entry(idea.number).or_default();
                let (part, candidate) = match ask {
                    course::Ask::First => {
                        *candidates += 1;
                        (Part::Patch, *candidates - 1)
                    }
                    course::Ask::Revision => (Part::Revision, *candidates),
                    course::Ask::Repair(_) => (Part::Repair, 0),
                };
                let form = FORMS[(idea.number + candidate) % FORMS.len()];
                (part, course::reply(idea, *ask, form, &self.code), candidate)
            }
            Question::Choice { candidates } => {
                let one = |number| json!({"candidate": number, "carries_out": true, "kind": "hyper-parameter"});
                let all: Vec<Value> = (1..=*candidates).map(one).collect();
                let choice =
                    json!({"candidates": all, "choice": candidates, "reason": "it is plain"});
                (Part::Choice, choice.to_string(), 0)
            }
            Question::Lessons { ideas } => {
                let text = "Change one thing at a time, so that its effect can be seen.";
                let evidence: Vec<&String> = ideas.iter().take(2).collect();
                let lesson = json!({"advice": "do", "topic": "size of changes", "text": text, "evidence": evidence});
                (Part::Lessons, json!({"lessons": [lesson]}).to_string(), 0)
            }
            Question::Ping => (Part::Ping, "yes".to_owned(), 0),
        }
    }
}

impl State {
    /// Tokens of a question and its answer. A system message that was sent before comes from the cache.
    fn count(&mut self, body: &Value, answer: &str) -> Tokens {
        let messages = body["messages"].as_array().unwrap();
        let words = |message: &Value| message["content"].as_str().unwrap_or_default().to_owned();
        let read: usize = messages.iter().map(|message| words(message).len()).sum();
        let system = messages.iter().filter(|message| message["role"] == "system").map(words);
        let cached: usize =
            system.filter(|text| !self.known.insert(text.clone())).map(|text| text.len()).sum();
        let tokens = |bytes: usize| bytes as u64 / BYTES;
        Tokens {
            input: tokens(read).max(1),
            cached: tokens(cached),
            output: tokens(answer.len()).max(1),
        }
    }
}

/// Ideas from this number on, as JSON or between tags.
fn ideas(first: usize, count: usize, tags: bool) -> String {
    let ideas = (first..first + count).map(changes::idea);
    if tags {
        return ideas
            .map(|idea| {
                format!("[Experiment] {}\n[Code Changes] {}\n[End]\n\n", idea.title, idea.plan)
            })
            .collect();
    }
    let one = |idea: changes::Scripted| json!({"title": idea.title, "hypothesis": idea.hypothesis, "sources": [], "plan": idea.plan});
    json!({"ideas": ideas.map(one).collect::<Vec<_>>()}).to_string()
}
