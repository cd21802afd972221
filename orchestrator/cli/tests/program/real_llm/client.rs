//! The client of language models against a real one: what it counts, keeps and refuses.

use autores_ideators::llm::{CallError, Finish, Request, Schema};
use autores_ideators::reply::ideas;
use autores_templates::problems::{self, Code, ProblemSource};

use super::{CONTEXT, NAME, RealLlm, real_llm};
use crate::asker::Asker;

fn asker(server: &RealLlm) -> Asker {
    Asker::new("llamacpp", NAME, "LLAMACPP_BASE_URL", server.base_url)
}

fn pretrain() -> ProblemSource {
    problems::find("pretrain").unwrap()
}

fn file(problem: &ProblemSource, path: &str) -> String {
    match &problem.code {
        Code::Embedded(code) => code[&path.parse().unwrap()].clone(),
        Code::Folder(folder) => std::fs::read_to_string(folder.join(path)).unwrap(),
    }
}

fn short(system: &str, question: &str) -> Request {
    let request = Request::new(system, question);
    Request { max_output: Some(24), seed: Some(1), logprobs: true, ..request }
}

#[test]
fn a_real_models_tokens_and_log_probabilities_are_counted() {
    let Some(server) = real_llm() else { return };
    let asker = asker(&server);
    let rules = file(&pretrain(), "schedule.py");

    let first = asker.ask("b0", &short(&rules, "What does this code do?")).unwrap();
    assert!(!first.text.trim().is_empty());
    assert!(first.tokens.input > 100 && first.tokens.output > 0, "{:?}", first.tokens);
    assert_eq!(first.finish == Finish::Length, first.tokens.output == 24, "{first:?}");
    assert_eq!(first.model_reported.as_deref(), Some(NAME));
    let mean = first.mean_logprob.unwrap();
    assert!(mean.is_finite() && mean < 0.0, "a mean log-probability of {mean}");

    // The beginning is the same, so the server has read it before.
    let second = asker.ask("b1", &short(&rules, "Name one flaw of it.")).unwrap();
    let cached = second.tokens.cached;
    assert!(cached > 100 && cached < second.tokens.input, "{:?}", second.tokens);

    // The same key is the same call: it is answered from what was kept, and not paid again.
    let spent = asker.client.spent();
    assert_eq!(asker.ask("b0", &short(&rules, "What does this code do?")).unwrap(), first);
    assert_eq!(asker.client.spent(), spent);
    assert_eq!(spent.calls, 2);
    assert_eq!(spent.tokens.input, first.tokens.input + second.tokens.input);
    assert_eq!(spent.tokens.output, first.tokens.output + second.tokens.output);
}

#[test]
fn a_real_model_held_to_the_schema_proposes_what_the_catalogue_has() {
    let Some(server) = real_llm() else { return };
    let asker = asker(&server);
    let catalogue = pretrain().catalogue;
    let vocabulary = ideas::Vocabulary::Techniques(catalogue.iter().collect());
    let schema = Schema { name: "ideas".to_owned(), json: ideas::schema(&vocabulary, 1) };

    let mut resolved = 0;
    for seed in 0..8 {
        let question = "Propose one change to the training of a small language model, as JSON. \
                        Keep each text to one short sentence.";
        let request = Request {
            schema: Some(schema.clone()),
            max_output: Some(400),
            temperature: Some(0.7),
            seed: Some(seed),
            ..Request::new("You are a researcher.", question)
        };
        let reply = asker.ask(&format!("b{seed}"), &request).unwrap();
        // So small a model often rambles until it is cut off.
        if reply.finish == Finish::Length {
            continue;
        }
        let drafts = ideas::parse(&reply.text).unwrap();
        assert_eq!(drafts.len(), 1, "{}", reply.text);
        for draft in drafts {
            match ideas::resolve(draft, &catalogue) {
                Ok(draft) => {
                    assert!(!draft.techniques.is_empty(), "{draft:?}");
                    resolved += 1;
                }
                Err(error) => panic!("{error}: {}", reply.text),
            }
        }
        if resolved == 2 {
            return;
        }
    }
    assert!(resolved > 0, "no reply was of use");
}

#[test]
fn a_prompts_tokens_are_foretold_from_those_of_other_prompts() {
    let Some(server) = real_llm() else { return };
    let asker = asker(&server);
    let problem = pretrain();
    let ask = |key: &str, words: &str, schema: Option<Schema>| {
        let request = Request { max_output: Some(8), schema, ..Request::new("", words) };
        let reply = asker.ask(key, &request).unwrap();
        (words.len() as f64, reply.tokens.input as f64)
    };
    ask("b0", &file(&problem, "optimizer.py"), None);
    // What holds the reply to its form is no part of the prompt here.
    let vocabulary = ideas::Vocabulary::Techniques(problem.catalogue.iter().collect());
    let schema = Schema { name: "ideas".to_owned(), json: ideas::schema(&vocabulary, 1) };
    ask("b1", &file(&problem, "schedule.py"), Some(schema));

    let per_byte = asker.client.tokens_per_byte(&asker.model);
    let (bytes, tokens) = ask("b2", &file(&problem, "train.py"), None);
    let foretold = bytes * per_byte;
    // Each prompt has its own words, and the server's frame weighs more on a short one.
    assert!((foretold / tokens - 1.0).abs() < 0.35, "{foretold} were foretold, there are {tokens}");
}

#[test]
fn a_prompt_longer_than_the_window_is_told_with_its_length() {
    let Some(server) = real_llm() else { return };
    let asker = asker(&server);
    let known = asker.runtime.block_on(asker.client.model(&asker.model));
    assert_eq!(known.context, Some(CONTEXT));

    // By its bytes the first is too long; the second looks short, and only the server knows better.
    let long = file(&pretrain(), "model.py").repeat(20);
    let dense = "🧪🪐🧬".repeat(1_500);
    for (key, words) in [("b0", long), ("b1", dense)] {
        let error = asker.ask(key, &short("", &words)).unwrap_err();
        let CallError::Window { needs, limit, .. } = &error else { panic!("{key}: {error}") };
        assert_eq!(*limit, Some(CONTEXT), "{key}: {error}");
        assert!(needs.is_some_and(|needs| needs > CONTEXT), "{key}: {error}");
    }
    assert_eq!(asker.client.spent().tokens.output, 0);
}

#[test]
fn texts_of_one_meaning_have_embeddings_that_are_near() {
    let Some(server) = real_llm() else { return };
    let asker = asker(&server);
    let texts = [
        "Lower the learning rate of the optimizer.",
        "Reduce the optimizer's learning rate.",
        "Bananas grow in warm and wet countries.",
    ];
    let vectors = asker.embed("n0", &texts);
    let likeness = |a: &[f32], b: &[f32]| {
        let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
        dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
    };
    let (twin, other) = (likeness(&vectors[0], &vectors[1]), likeness(&vectors[0], &vectors[2]));
    assert!(twin > other, "{twin} is no more than {other}");
    assert!(asker.client.spent().tokens.input > 0);
}

#[test]
fn a_ping_takes_one_token_and_is_told_with_its_time() {
    let Some(server) = real_llm() else { return };
    let asker = asker(&server);
    let ping = asker.runtime.block_on(asker.client.ping(&asker.model)).unwrap();
    assert_eq!(ping.tokens.output, 1);
    assert!(ping.tokens.input > 0);
    assert_eq!(asker.client.spent().calls, 0);
}
