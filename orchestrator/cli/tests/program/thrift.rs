//! What models are paid: budgets, crashes, repetitions, forecasts and secrets, with a model that plays every part in runs
//! of the small problem.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};

use autores_domain::{Event, Run, Status, StopReason, Tokens};
use serde_json::{Value, json};
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate};

use crate::invariants::{check_invariants, check_no_orphans};
use crate::scripted_llm::wire::{Answer, response};
use crate::support::{bench, text};

const KEY: &str = "sk-this-is-a-secret-4711";
const MODEL: &str = "openai/thrifty";

/// Each call reads and writes so many tokens, whatever is said.
const EACH: Tokens = Tokens { input: 1000, cached: 0, output: 100 };
/// And costs so many dollars: see `settings`.
const EACH_USD: f64 = 0.0015;

/// The server with its model, and how often it was asked.
struct Thrifty {
    server: MockServer,
    served: Arc<Mutex<u32>>,
    _runtime: tokio::runtime::Runtime,
}

impl Thrifty {
    fn start() -> Self {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let served = Arc::new(Mutex::new(0));
        let server = runtime.block_on(async {
            let server = MockServer::start().await;
            let asked = Mock::given(method("POST")).and(path("/v1/chat/completions"));
            asked.respond_with(Model(served.clone())).mount(&server).await;
            server
        });
        Self { server, served, _runtime: runtime }
    }

    fn served(&self) -> u32 {
        *self.served.lock().unwrap()
    }

    /// A command whose models are here.
    fn with(&self, mut command: Command) -> Command {
        command
            .env("OPENAI_BASE_URL", format!("{}/v1", self.server.uri()))
            .env("OPENAI_API_KEY", KEY)
            .env("AUTORES_SETTINGS", settings());
        command
    }

    /// A run of the small problem over two epochs.
    fn run(&self, name: &str, more: &[&str]) -> Command {
        self.run_over(2, name, more)
    }

    fn run_over(&self, epochs: u32, name: &str, more: &[&str]) -> Command {
        let epochs = epochs.to_string();
        let usual = [
            ["--ideator", "llm"],
            ["--model", MODEL],
            ["--epochs", &epochs],
            ["--batch", "3"],
            ["--candidates", "2"],
            ["--verify-seeds", "2"],
            ["--finalists", "1"],
        ];
        self.with(bench().run(name, &[usual.as_flattened(), more].concat()))
    }
}

/// Ideas that differ in one number, and patches that carry them out.
struct Model(Arc<Mutex<u32>>);

impl Respond for Model {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let body: Value = request.body_json().unwrap();
        let number = {
            let mut served = self.0.lock().unwrap();
            *served += 1;
            *served
        };
        let asked = body["messages"].as_array().unwrap().iter().rev();
        let asked: String =
            asked.filter_map(|m| m["content"].as_str()).collect::<Vec<_>>().join("\n");
        let text = match body["response_format"]["json_schema"]["name"].as_str() {
            Some("ideas") => {
                let step = 0.5 + 0.01 * f64::from(number);
                let plan = format!("Set FIRST_STEP to {step:.2} in solve.py.");
                let title = format!("A first step of {step:.2}");
                json!({"ideas": [{"title": title, "hypothesis": "It gets further.", "plan": plan, "sources": []}]})
                    .to_string()
            }
            Some("lessons") => {
                let idea = asked.split_whitespace().find_map(idea_in).unwrap();
                let lesson = json!({"advice": "do", "topic": "steps", "text": "Begin with larger steps.", "evidence": [idea]});
                json!({"lessons": [lesson]}).to_string()
            }
            _ => match asked.split("Set FIRST_STEP to ").nth(1) {
                Some(plan) => {
                    let step = plan.split(' ').next().unwrap();
                    format!(
                        "solve.py\n<<<<<<< SEARCH\nFIRST_STEP = 0.5\n=======\nFIRST_STEP = {step}\n>>>>>>> REPLACE\n"
                    )
                }
                // The doctor wants a word, whichever.
                None => "yes".to_owned(),
            },
        };
        response(&body, &Answer { text, tokens: EACH, logprob: -0.1 })
    }
}

/// `run/i7` in a word of a prompt.
fn idea_in(word: &str) -> Option<String> {
    let word = word.trim_matches(|c: char| !c.is_ascii_alphanumeric());
    let (_, number) = word.split_once("/i")?;
    number.parse::<u32>().is_ok().then(|| word.to_owned())
}

/// A file with the model's price: a dollar a million tokens read, five for those written.
fn settings() -> std::path::PathBuf {
    let file = bench().home.with_file_name("thrifty.yaml");
    let text = "models: {openai/thrifty: {context: 60000, price: {input: 1, output: 5}}}\n";
    std::fs::write(&file, text).unwrap();
    file
}

fn done(output: &Output) {
    assert!(output.status.success(), "{}", text(output));
}

/// What is the same in two runs that had the same ideas.
fn essence(run: &Run) -> Vec<Value> {
    let ideas = run.ideas.iter().map(|record| {
        let trees: Vec<&str> = record.revisions.iter().map(|r| r.tree.as_str()).collect();
        json!({
            "title": record.idea.title, "operator": record.idea.operator, "plan": record.idea.plan,
            "parents": record.idea.parents.iter().map(|id| id.number).collect::<Vec<_>>(),
            "trees": trees, "reward": run.member(record).reward(),
        })
    });
    ideas.collect()
}

#[test]
fn spending_ends_within_one_call_of_the_cap_and_goes_on_with_a_larger_one() {
    let (bench, models) = (bench(), Thrifty::start());
    let cap = 7.5 * EACH_USD;
    let output = models.run("capped", &["--budget-usd", &cap.to_string()]).output().unwrap();
    assert_eq!(output.status.code(), Some(3), "{}", text(&output));
    assert!(text(&output).contains("resume capped --budget-usd"), "{}", text(&output));
    check_no_orphans(bench, "capped");
    let run = bench.replay("capped");
    assert_eq!(run.status, Status::Stopped(StopReason::Budget));
    let spent = run.spent().usd;
    assert!(spent <= cap && spent > cap - EACH_USD, "${spent} of ${cap}");
    assert_eq!(run.spent().calls, u64::from(models.served()));

    let mut more = models.with(bench.command(&["resume", "capped", "--budget-usd", "1"]));
    done(&more.output().unwrap());
    check_invariants(bench, "capped");
    let run = bench.replay("capped");
    assert!(matches!(run.status, Status::Finished(_)));
    assert_eq!(run.config.budget.usd, Some(1.0));
    assert_eq!(run.spent().calls, u64::from(models.served()), "a call was paid twice");
}

#[test]
fn a_budget_of_accelerator_hours_lets_running_jobs_end() {
    let (bench, models) = (bench(), Thrifty::start());
    // The three baselines alone take longer.
    let output = models.run("held", &["--budget-gpu-hours", "0.00001"]).output().unwrap();
    assert_eq!(output.status.code(), Some(3), "{}", text(&output));
    let run = bench.replay("held");
    assert_eq!(run.status, Status::Stopped(StopReason::Budget));
    assert_eq!(run.running().count(), 0);
    assert!(run.experiments.iter().any(|record| record.state.measurement().is_some()));
    let mut more = models.with(bench.command(&["resume", "held", "--budget-gpu-hours", "1"]));
    done(&more.output().unwrap());
    check_invariants(bench, "held");
}

#[cfg(feature = "failpoints")]
#[test]
fn a_process_that_is_killed_pays_no_call_twice() {
    let (bench, models) = (bench(), Thrifty::start());
    let points = [
        ("engine.before.brief_answered", 1),
        ("engine.after.brief_answered", 2),
        ("engine.before.idea_patched", 1),
        ("engine.after.idea_patched", 2),
        ("engine.before.lessons_learnt", 1),
        ("results.after_transcript", 3),
    ];
    for (index, (point, passing)) in points.into_iter().enumerate() {
        let before = models.served();
        let name = format!("killed-{index}");
        let points = format!("{point}={}*off->return", passing - 1);
        let output = models.run(&name, &[]).env("FAILPOINTS", points).output().unwrap();
        assert!(!output.status.success(), "{point} was not passed: {}", text(&output));
        done(&models.with(bench.command(&["resume", &name])).output().unwrap());
        check_invariants(bench, &name);
        let run = bench.replay(&name);
        assert!(matches!(run.status, Status::Finished(_)), "{point}");
        // What was on its way when the process died is asked again; what was answered is not.
        let (paid, served) = (run.spent().calls, u64::from(models.served() - before));
        assert!(served >= paid && served <= paid + 8, "{point}: {served} served, {paid} told");
        let mut keys = BTreeSet::new();
        for recorded in bench.log(&name) {
            for call in recorded.event.calls() {
                assert!(keys.insert(call.key.clone()), "{point}: {} was paid twice", call.key);
            }
        }
    }
}

#[test]
fn a_run_is_repeated_without_network_to_the_same_ideas_code_and_rewards() {
    let (bench, models) = (bench(), Thrifty::start());
    done(&models.run("first", &["--barrier"]).output().unwrap());
    let served = models.served();
    // Neither address nor key: nothing can be asked.
    let output = bench
        .command(&["run", "--replay", "first", "--name", "again"])
        .env("OPENAI_BASE_URL", "http://127.0.0.1:9")
        .env("AUTORES_SETTINGS", settings())
        .output()
        .unwrap();
    done(&output);
    assert_eq!(models.served(), served);
    let (first, again) = (bench.replay("first"), bench.replay("again"));
    assert_eq!(essence(&first), essence(&again));
    let said = |run: &Run| run.lessons.iter().map(|l| l.text.clone()).collect::<Vec<_>>();
    assert_eq!(said(&first), said(&again));
    let names = |name: &str| -> BTreeSet<&'static str> {
        bench.log(name).iter().map(|recorded| recorded.event.name()).collect()
    };
    assert_eq!(names("first"), names("again"));
    let Status::Finished(verdict) = first.status else { panic!("{:?}", first.status) };
    let Status::Finished(second) = again.status else { panic!("{:?}", again.status) };
    assert_eq!(verdict.comparisons.len(), second.comparisons.len());
    for (one, other) in verdict.comparisons.iter().zip(&second.comparisons) {
        assert_eq!(one.candidate.rewards, other.candidate.rewards);
    }
}

#[test]
fn the_forecast_of_a_second_run_is_within_a_quarter_of_what_it_costs() {
    let models = Thrifty::start();
    done(&models.run("guessed", &[]).output().unwrap());
    let output = models.run("forecast", &["--seed", "2", "--json"]).output().unwrap();
    done(&output);
    let lines = String::from_utf8(output.stdout).unwrap();
    let line = lines.lines().find(|line| line.contains("\"forecast\"")).unwrap();
    let forecast: Value = serde_json::from_str(line).unwrap();
    let forecast = forecast["forecast"]["usd"].as_f64().unwrap();
    let spent = bench().replay("forecast").spent().usd;
    assert!((forecast / spent - 1.0).abs() < 0.25, "forecast ${forecast}, spent ${spent}");
}

#[test]
fn no_key_is_written_anywhere() {
    let (bench, models) = (bench(), Thrifty::start());
    let output = models.run_over(1, "secret", &[]).env("AUTORES_LOG", "trace").output().unwrap();
    done(&output);
    assert!(!text(&output).contains(KEY), "the key was printed");
    let mut read = 0;
    let mut folders = vec![bench.home.join("runs").join("secret"), bench.home.join("problems")];
    let mut files = vec![bench.home.join("autores.db"), bench.home.join("autores.db-wal")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let is_folder = entry.file_type().unwrap().is_dir();
            (if is_folder { &mut folders } else { &mut files }).push(entry.path());
        }
    }
    for file in files.iter().filter(|file| file.exists()) {
        assert!(!holds(file, KEY), "{} holds the key", file.display());
        read += 1;
    }
    assert!(read > 20, "only {read} files were looked at");
    let transcripts = bench.autores(&["transcripts", "secret", "--json"]);
    assert!(!text(&transcripts).contains(KEY) && text(&transcripts).contains("FIRST_STEP"));
}

fn holds(file: &Path, word: &str) -> bool {
    let bytes = std::fs::read(file).unwrap();
    bytes.windows(word.len()).any(|window| window == word.as_bytes())
}

#[test]
fn transcripts_are_left_out_when_that_is_asked_and_costs_stay_known() {
    let (bench, models) = (bench(), Thrifty::start());
    done(&models.run_over(1, "silent", &["--no-transcripts"]).output().unwrap());
    let listed = bench.autores(&["transcripts", "silent"]);
    assert!(text(&listed).contains("no transcripts"), "{}", text(&listed));
    assert_eq!(bench.replay("silent").spent().calls, u64::from(models.served()));
}

#[test]
fn lessons_go_from_one_run_into_another() {
    let (bench, models) = (bench(), Thrifty::start());
    done(&models.run("taught", &[]).output().unwrap());
    let shown = bench.autores(&["lessons", "taught", "--json"]);
    let file = bench.home.with_file_name("lessons.json");
    std::fs::write(&file, &shown.stdout).unwrap();
    done(&models.run("learner", &["--lessons", file.to_str().unwrap()]).output().unwrap());
    let lessons = bench.log("learner").into_iter().find_map(|recorded| match recorded.event {
        Event::RunCreated { lessons, .. } => Some(lessons),
        _ => None,
    });
    assert_eq!(lessons.unwrap()[0].text, "Begin with larger steps.");
    let asked = bench.autores(&["transcripts", "learner", "b0"]);
    assert!(text(&asked).contains("Begin with larger steps."), "no lesson was told");
}

#[test]
fn the_doctor_asks_each_model_and_tells_latency_and_price() {
    let (bench, models) = (bench(), Thrifty::start());
    let output = models.with(bench.command(&["doctor", "--model", MODEL])).output().unwrap();
    done(&output);
    let told = text(&output);
    assert!(told.contains("openai/thrifty answers in") && told.contains("$1 read"), "{told}");
    let mut nobody = bench.command(&["doctor", "--model", "vllm/x"]);
    let output = nobody.env("VLLM_BASE_URL", "http://127.0.0.1:9/v1").output().unwrap();
    assert_eq!(output.status.code(), Some(4), "{}", text(&output));
    assert!(text(&output).contains("vllm/x"), "{}", text(&output));
}
