//! A server that says what the test wants, transcripts in memory, a gate with rules of the test's own, and a problem.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use autores_domain::*;
use autores_ideators::diff::diff;
use autores_ideators::distiller::LlmDistiller;
use autores_ideators::ideator::LlmIdeator;
use autores_ideators::implementer::LlmImplementer;
use autores_ideators::knowledge::Knowledge;
use autores_ideators::llm::{Client, ClientSetup};
use autores_templates::catalogue::Catalogue;
use autores_templates::settings::{Api, Model, Price, Provider, Settings};
use serde_json::{Value, json};
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate};

pub(crate) const TRAIN: &str = "rate = 1\ndepth = 2\nnorm = none\nsteps = 10\n";

/// What is asked and answered, in memory.
#[derive(Debug, Default)]
pub(crate) struct Memory(Mutex<BTreeMap<CallKey, Vec<u8>>>);

impl Transcripts for Memory {
    fn find(&self, key: &CallKey) -> Result<Option<Vec<u8>>, TranscriptError> {
        Ok(self.0.lock().unwrap().get(key).cloned())
    }

    fn keep(&self, key: &CallKey, transcript: &[u8]) -> Result<(), TranscriptError> {
        self.0.lock().unwrap().insert(key.clone(), transcript.to_vec());
        Ok(())
    }

    fn keys(&self) -> Result<Vec<CallKey>, TranscriptError> {
        Ok(self.0.lock().unwrap().keys().cloned().collect())
    }
}

/// What a gate has against the training file.
type Verdict = dyn Fn(&str) -> Option<Fault> + Send + Sync;

/// Lets through what applies and what the test's rule has nothing against.
pub(crate) struct Rule {
    code: Codebase,
    verdict: Box<Verdict>,
    pub(crate) seen: Mutex<Vec<String>>,
}

#[async_trait]
impl Gate for Rule {
    async fn pass(
        &self,
        _idea: &Idea,
        onto: Option<&Revision>,
        patch: &Patch,
    ) -> Result<Revision, Fault> {
        // A revision of these tests is its own text.
        let base = match onto {
            Some(revision) => code(&revision.tree),
            None => self.code.clone(),
        };
        let changes =
            patch.apply(&base).map_err(|e| Fault::new(FaultClass::Patch, e.to_string()))?;
        let text = changes.get(&train()).cloned().flatten().unwrap_or_default();
        self.seen.lock().unwrap().push(text.clone());
        if let Some(fault) = (self.verdict)(&text) {
            return Err(fault);
        }
        let shown = diff(&base, &code(&text));
        let count =
            |mark: char| shown.lines().skip(2).filter(|line| line.starts_with(mark)).count() as u32;
        let lines = (count('+'), count('-'));
        Ok(Revision { commit: format!("commit of {text}"), tree: text, lines })
    }
}

struct Script<F>(F);

impl<F: Fn(&Value) -> ResponseTemplate + Send + Sync> Respond for Script<F> {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        (self.0)(&request.body_json().unwrap())
    }
}

/// Everything that the ones who think need.
pub(crate) struct World {
    pub(crate) server: MockServer,
    pub(crate) transcripts: Arc<Memory>,
    pub(crate) recorded: Option<Arc<Memory>>,
    pub(crate) gate: Arc<Rule>,
    /// The training file of the base commit.
    pub(crate) train: String,
    pub(crate) llm: LlmConfig,
    pub(crate) provider: Provider,
    pub(crate) model: Model,
    pub(crate) budget: Budget,
    /// The run's.
    pub(crate) seed: u64,
}

impl World {
    /// A server that answers each question as this says.
    pub(crate) async fn where_models_say(
        answer: impl Fn(&Value) -> ResponseTemplate + Send + Sync + 'static,
    ) -> Self {
        let server = MockServer::start().await;
        let chat = Mock::given(method("POST")).and(path("/v1/chat/completions"));
        chat.respond_with(Script(answer)).mount(&server).await;
        let base_url = format!("{}/v1", server.uri());
        Self {
            server,
            transcripts: Arc::default(),
            recorded: None,
            gate: rule(|_| None),
            train: TRAIN.to_owned(),
            llm: LlmConfig {
                roles: [(Role::Ideator, vec![weighted("test/m", 1.0)])].into(),
                choice: Choice::Weights,
                vocabulary: Vocabulary::Free,
                candidates: 1,
                revisions: 2,
                select: Selection::First,
                embedding: None,
                replay: None,
                keeps_transcripts: true,
            },
            provider: Provider {
                api: Api::OpenaiChat,
                default_model: None,
                base_url,
                base_url_variable: None,
                key_variable: None,
                key_file: None,
                needs_key: false,
                concurrency: 16,
                requests_per_minute: None,
                tokens_per_minute: None,
                timeout_s: 20,
                stall_s: 20,
                tries: 1,
                stream: false,
                json_schema: true,
                logprobs: true,
            },
            model: Model {
                context: Some(100_000),
                max_output: Some(2_000),
                price: Some(Price { input: 1.0, cached_input: 0.1, output: 10.0 }),
                ..Model::default()
            },
            budget: Budget::default(),
            seed: 0,
        }
    }

    /// The same answer to every question.
    pub(crate) async fn where_models_always_say(text: &str) -> Self {
        let text = text.to_owned();
        Self::where_models_say(move |_| say(&text)).await
    }

    /// The same run again, from its transcripts alone.
    pub(crate) async fn again(&self) -> Self {
        let mut again = Self::where_models_say(|_| panic!("a recorded run asks nobody")).await;
        again.llm = self.llm.clone();
        again.llm.replay = Some(Replay { run: "r".parse().unwrap(), briefs: 1 });
        again.recorded = Some(self.transcripts.clone());
        (again.gate, again.seed) = (self.gate.clone(), self.seed);
        again
    }

    pub(crate) fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    pub(crate) fn client(&self) -> Client {
        let named = self.llm.roles.values().flatten().map(|one| one.model.clone());
        let models = named.map(|name| (name, self.model.clone())).collect();
        Client::new(ClientSetup {
            settings: Settings {
                providers: [("test".to_owned(), self.provider.clone())].into(),
                models,
                ..Settings::default()
            },
            already_spent: autores_domain::Spent::default(),
            budget: self.budget,
            transcripts: self.transcripts.clone(),
            recorded: self.recorded.clone().map(|recorded| recorded as Arc<dyn Transcripts>),
            environment: Arc::new(|_| None),
            now_ms: || 1_000,
            seed: 1,
        })
        .unwrap()
    }

    pub(crate) fn knowledge(&self) -> Arc<Knowledge> {
        let editable = Box::new(|path: &CodePath| *path != "eval.py".parse().unwrap());
        let knowledge = Knowledge::new(
            problem(),
            "cpu",
            code(&self.train),
            editable,
            catalogue(),
            self.llm.clone(),
            self.seed,
        );
        Arc::new(knowledge.unwrap())
    }

    pub(crate) fn ideator(&self) -> LlmIdeator {
        LlmIdeator::new(self.client(), self.knowledge(), LlmIdeator::AT_ONCE)
    }

    pub(crate) fn implementer(&self) -> LlmImplementer {
        LlmImplementer::new(self.client(), self.knowledge(), self.gate.clone())
    }

    pub(crate) fn distiller(&self) -> LlmDistiller {
        LlmDistiller::new(self.client(), self.knowledge())
    }

    /// The questions that came to the server, in the order in which they came.
    pub(crate) async fn heard(&self) -> Vec<Value> {
        let requests = self.server.received_requests().await.unwrap();
        // Servers are asked for their models, too.
        let questions = requests.iter().filter(|request| request.method.as_str() == "POST");
        questions.map(|request| request.body_json().unwrap()).collect()
    }
}

pub(crate) fn rule(verdict: impl Fn(&str) -> Option<Fault> + Send + Sync + 'static) -> Arc<Rule> {
    Arc::new(Rule { code: code(TRAIN), verdict: Box::new(verdict), seen: Mutex::default() })
}

pub(crate) fn say(text: &str) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(completion(text, None))
}

/// An answer of whose tokens the model was this sure.
pub(crate) fn say_with(logprob: f64, text: &str) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(completion(text, Some(logprob)))
}

pub(crate) fn fail(status: u16) -> ResponseTemplate {
    ResponseTemplate::new(status).set_body_json(json!({"error": {"message": "no"}}))
}

pub(crate) fn late(answer: ResponseTemplate, wait: Duration) -> ResponseTemplate {
    answer.set_delay(wait)
}

fn completion(text: &str, logprob: Option<f64>) -> Value {
    let logprobs = logprob.map(|value| json!({"content": [{"token": "a", "logprob": value}]}));
    json!({
        "id": "chatcmpl-1",
        "model": "m",
        "choices": [{
            "index": 0,
            "message": {"role": "assistant", "content": text},
            "finish_reason": "stop",
            "logprobs": logprobs,
        }],
        "usage": {"prompt_tokens": 1000, "completion_tokens": 100},
    })
}

/// Edits of the training file.
pub(crate) fn edit(find: &str, replace: &str) -> String {
    format!("train.py\n<<<<<<< SEARCH\n{find}\n=======\n{replace}\n>>>>>>> REPLACE\n")
}

/// Which candidate is asked for, and which of its versions.
pub(crate) fn asked_for(question: &Value) -> (u64, u64) {
    let seed = question["seed"].as_u64().unwrap();
    (seed / 100 % 100, seed % 100)
}

/// All that the model is shown.
pub(crate) fn shown(question: &Value) -> String {
    let messages = question["messages"].as_array().unwrap();
    messages
        .iter()
        .map(|message| message["content"].as_str().unwrap())
        .collect::<Vec<_>>()
        .join("\n")
}

/// What the model is shown besides the rules and the code.
pub(crate) fn told(question: &Value) -> String {
    let messages = question["messages"].as_array().unwrap();
    messages[1..]
        .iter()
        .map(|message| message["content"].as_str().unwrap())
        .collect::<Vec<_>>()
        .join("\n")
}

pub(crate) fn weighted(model: &str, weight: f64) -> WeightedModel {
    WeightedModel { model: model.parse().unwrap(), weight }
}

pub(crate) fn train() -> CodePath {
    "train.py".parse().unwrap()
}

pub(crate) fn code(text: &str) -> Codebase {
    [(train(), text.to_owned()), ("eval.py".parse().unwrap(), "frozen = 1\n".to_owned())].into()
}

pub(crate) fn id(number: u32) -> IdeaId {
    format!("r/i{number}").parse().unwrap()
}

pub(crate) fn idea(number: u32, title: &str, plan: &str) -> Idea {
    Idea {
        title: title.into(),
        hypothesis: "it helps".into(),
        plan: plan.into(),
        operator: Some(Operator::Fresh),
        origin: "test/m".into(),
        ..Idea::baseline(id(number))
    }
}

pub(crate) fn member(idea: Idea, outcome: Outcome) -> Member {
    Member { idea, outcome, revision: None, evidence: None }
}

pub(crate) fn measured(reward: f64) -> Outcome {
    Outcome::Measured { reward }
}

pub(crate) fn failed(class: FaultClass, reason: &str) -> Outcome {
    Outcome::Failed(Fault::new(class, reason))
}

pub(crate) fn population(members: Vec<Member>) -> Population {
    Population {
        baseline: vec![0.5, 0.51, 0.49],
        reference: Some(0.5),
        baseline_metrics: vec![2.0, 1.96, 2.04],
        members,
        ..Population::default()
    }
}

pub(crate) fn task(idea: Idea) -> Task {
    Task { idea, code: code(TRAIN), parents: vec![], population: population(vec![]), broken: None }
}

/// The training file after the patch.
pub(crate) fn after(patch: &Patch, before: &str) -> String {
    patch.apply(&code(before)).unwrap()[&train()].clone().unwrap()
}

pub(crate) fn keys(calls: &[Call]) -> Vec<&str> {
    calls.iter().map(|call| call.key.as_str()).collect()
}

/// What came to nothing.
pub(crate) fn nothing<T: std::fmt::Debug, E>(result: Result<T, Refusal<E>>) -> E {
    match result.unwrap_err() {
        Refusal::Failed(error) => error,
        Refusal::Budget(reason) | Refusal::Unavailable { reason, .. } => panic!("{reason}"),
    }
}

pub(crate) fn catalogue() -> Arc<Catalogue> {
    let technique = |name: &str, find: &str, replace: &str| -> (CodePath, String) {
        let text = format!(
            "name: {name}\ntitle: {name} training\ncategory: optimizer\nkind: algorithmic\nhypothesis: it helps\n\
             source: a paper\nknobs:\n  - {{name: x, default: 2, values: [2, 3, 4]}}\nedits:\n  \
             - path: train.py\n    find: \"{find}\"\n    replace: \"{replace}\"\n"
        );
        (format!("{name}.yaml").parse().unwrap(), text)
    };
    let files = [
        technique("faster", "rate = 1\\n", "rate = {{x}}\\n"),
        technique("deeper", "depth = 2\\n", "depth = 1{{x}}\\n"),
    ];
    Arc::new(Catalogue::load(files.iter().map(|(path, text)| (path, text.as_str()))).unwrap())
}

fn problem() -> Problem {
    let limits = Limits {
        wall_s: 100,
        cpu_s: 100,
        cpu_times_baseline: None,
        memory_mb: 1_000,
        output_mb: 1,
        file_mb: 1,
        disk_mb: 1,
        stall_s: 10,
        grace_s: 1,
    };
    let scale = Scale {
        description: "small".into(),
        gpus: 0,
        threads: 1,
        launcher: vec![],
        network: Network::None,
        batch: 4,
        epochs: 2,
        limits,
    };
    let stage = Stage {
        name: "train".into(),
        command: vec!["{python}".into(), "train.py".into()],
        reads: vec![],
        trusted: false,
        on_failure: FaultClass::Crash,
        result: Some("result.json".into()),
    };
    Problem {
        name: "small".into(),
        title: "Train a small model".into(),
        description: "Lower the loss.".into(),
        editable: vec!["*.py".into()],
        frozen: vec!["eval.py".into()],
        requirements: None,
        prepare: None,
        stages: vec![stage],
        smoke: None,
        metric: Metric {
            name: "loss".into(),
            unit: "nats".into(),
            curve: Some("train_loss".into()),
        },
        reward: RewardRule::Reciprocal,
        env: vec![],
        scales: [("cpu".to_owned(), scale)].into(),
        default_scale: "cpu".into(),
    }
}
