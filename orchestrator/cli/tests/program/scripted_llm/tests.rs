//! The script itself: what it says can be read, and fits the problem that it is written for.

use std::collections::BTreeSet;
use std::time::Duration;

use autores_domain::{CodePath, Codebase};
use autores_ideators::llm::{Request, Schema};
use autores_ideators::reply::ideas;
use autores_ideators::reply::patch;
use autores_templates::problems::{self, Code};

use super::changes::{self, Scripted};
use super::course::{Ask, Course, Mistake, course, reply};
use super::form::{FORMS, Form, write};
use super::{NAME, Part, ScriptedLlm};
use crate::asker::Asker;

fn code() -> Codebase {
    let Code::Embedded(code) = problems::find("pretrain").unwrap().code else { unreachable!() };
    code
}

/// The code with the edits, made by hand.
fn edited(idea: &Scripted, code: &Codebase) -> Codebase {
    let mut code = code.clone();
    for edit in &idea.edits {
        let path: CodePath = edit.path.parse().unwrap();
        if edit.find.is_empty() {
            assert!(code.insert(path, format!("{}\n", edit.replace)).is_none());
            continue;
        }
        let file = code.get_mut(&path).unwrap();
        assert_eq!(
            file.matches(&format!("{}\n", edit.find)).count(),
            1,
            "{}: {}",
            idea.title,
            edit.find
        );
        *file = file.replacen(&edit.find, &edit.replace, 1);
    }
    code
}

/// The code with the patch that is read from a reply.
fn patched(text: &str, code: &Codebase) -> Codebase {
    let parsed = patch::parse(text, code).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let mut patched = code.clone();
    for (path, file) in parsed.patch.apply(code).unwrap() {
        match file {
            Some(text) => patched.insert(path, text),
            None => patched.remove(&path),
        };
    }
    patched
}

#[test]
fn every_scripted_change_is_written_in_every_form_and_read_as_it_was_meant() {
    let code = code();
    let mut trees = BTreeSet::new();
    for idea in (0..changes::single_count() + 20).map(changes::idea) {
        let meant = edited(&idea, &code);
        for form in FORMS {
            let read = patched(&write(&idea.edits, form, &code), &code);
            for (path, text) in &meant {
                assert_eq!(read.get(path), Some(text), "{} as {form:?}: {path}", idea.title);
            }
            assert_eq!(read.len(), meant.len(), "{} as {form:?}", idea.title);
        }
        assert!(trees.insert(meant), "{} was there before", idea.title);
    }
    assert!(trees.len() >= 60);
}

#[test]
fn each_course_goes_as_it_is_named() {
    let code = code();
    let mut seen = BTreeSet::new();
    for idea in (0..12).map(changes::idea) {
        let say = |ask| reply(&idea, ask, Form::Blocks, &code);
        let meant = edited(&idea, &code);
        let course = course(&idea);
        seen.insert(format!("{course:?}"));
        match course {
            Course::Good => assert_eq!(patched(&say(Ask::First), &code), meant),
            Course::Revised(mistake) => {
                let first = patch::parse(&say(Ask::First), &code);
                match mistake {
                    Mistake::Stale | Mistake::Words => assert!(first.is_err(), "{first:?}"),
                    Mistake::Frozen => assert!(frozen(&first.unwrap().patch)),
                    Mistake::Syntax | Mistake::Smoke => {
                        assert_ne!(patched(&say(Ask::First), &code), meant);
                    }
                }
                assert_eq!(patched(&say(Ask::Revision), &code), meant);
            }
            Course::Repaired => {
                let broken = patched(&say(Ask::First), &code);
                let at = super::course::crash_in(&broken[&"train.py".parse().unwrap()]).unwrap();
                assert_eq!(patched(&say(Ask::Repair(at)), &broken), meant);
            }
            Course::StaysBroken => {
                let broken = patched(&say(Ask::First), &code);
                let at = super::course::crash_in(&broken[&"train.py".parse().unwrap()]).unwrap();
                let later = patched(&say(Ask::Repair(at)), &broken);
                let moved = super::course::crash_in(&later[&"train.py".parse().unwrap()]);
                assert_eq!(moved, Some(2 * at));
            }
        }
    }
    assert_eq!(seen.len(), 8, "{seen:?}");
}

fn frozen(patch: &autores_domain::Patch) -> bool {
    patch.edits.iter().any(|edit| *edit.path() == "wire.py".parse().unwrap())
}

#[test]
fn the_scripted_server_answers_the_client_and_counts_what_it_served() {
    let latency = Duration::from_millis(100);
    let server = ScriptedLlm::start(latency);
    let asker = Asker::new("vllm", NAME, "VLLM_BASE_URL", &server.base_url());
    let rules = "You work on a codebase that is improved by measured experiments. ".repeat(20);

    let words = ideas::schema(&ideas::Vocabulary::Words, 3);
    let question = Request {
        schema: Some(Schema { name: "ideas".into(), json: words }),
        ..Request::new(&rules, "# Task\n\nPropose 3 different ideas.")
    };
    let reply = asker.ask("b0", &question).unwrap();
    let drafts = ideas::parse(&reply.text).unwrap();
    assert_eq!(drafts.len(), 3);
    assert_eq!(reply.tokens.cached, 0);

    let task = format!(
        "# Task\n\nWrite the code of the idea at the end.\n\n# Idea\n\n## {}\n",
        drafts[1].title
    );
    let patch = Request { logprobs: true, ..Request::new(&rules, task) };
    let first = asker.ask("i1.r0.c0.v0", &patch).unwrap();
    let second = asker.ask("i1.r0.c1.v0", &patch).unwrap();
    let meant = edited(&changes::idea(1), &code());
    assert_eq!(patched(&first.text, &code()), meant);
    assert_eq!(patched(&second.text, &code()), meant);
    assert!(first.mean_logprob > second.mean_logprob, "the second is no less sure than the first");
    assert_eq!(first.tokens.cached, rules.len() as u64 / 4);

    assert_eq!((server.count(Part::Ideas), server.count(Part::Patch)), (1, 2));
    assert_eq!(server.tokens(), asker.client.spent().tokens);
    assert!(server.busy() >= 3 * latency && server.busy() < 4 * latency, "{:?}", server.busy());
    assert_eq!(server.most_at_a_time(), 1);
}
