//! Each file of `corpus/` holds what is expected, a line `=====`, and a reply.

use std::path::PathBuf;

use autores_domain::TechniqueUse;
use autores_ideators::reply::ideas::{Draft, Refused, parse};

/// A reply with the ideas it holds, or with the kind of its refusal.
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) reply: String,
    expected: Result<Vec<Expected>, String>,
}

#[derive(Default)]
struct Expected {
    title: String,
    plan_has: Vec<String>,
    hypothesis_has: Vec<String>,
    uses: Vec<String>,
    sources: Vec<String>,
}

pub(crate) fn cases() -> Vec<Case> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/ideas/corpus");
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.iter().map(|file| case(file)).collect()
}

fn case(file: &std::path::Path) -> Case {
    let name = file.file_stem().unwrap().to_string_lossy().into_owned();
    let text = std::fs::read_to_string(file).unwrap();
    let (head, reply) = text.split_once("=====\n").unwrap_or_else(|| panic!("{name}: no ====="));
    let mut expected: Result<Vec<Expected>, String> = Ok(Vec::new());
    let mut reply = reply.trim_end_matches('\n').to_owned();
    for line in head.lines() {
        let (key, value) = line.split_once(": ").unwrap_or((line, ""));
        let value = value.to_owned();
        if key == "refused" {
            expected = Err(value);
            continue;
        }
        if key == "unescape" {
            for (mark, c) in [("BEL", '\u{7}'), ("ESC", '\u{1b}'), ("CR", '\r')] {
                reply = reply.replace(&format!("⟦{mark}⟧"), &c.to_string());
            }
            for (mark, c) in [("BOM", '\u{feff}'), ("RLO", '\u{202e}')] {
                reply = reply.replace(&format!("⟦{mark}⟧"), &c.to_string());
            }
            continue;
        }
        let ideas = expected.as_mut().unwrap_or_else(|_| panic!("{name}: refused or not?"));
        if key == "title" {
            ideas.push(Expected { title: value, ..Expected::default() });
            continue;
        }
        let idea = ideas.last_mut().unwrap_or_else(|| panic!("{name}: {key} before a title"));
        match key {
            "plan has" => idea.plan_has.push(value),
            "hypothesis has" => idea.hypothesis_has.push(value),
            "use" => idea.uses.push(value),
            "source" => idea.sources.push(value),
            other => panic!("{name}: what is {other:?}?"),
        }
    }
    Case { name, reply, expected }
}

fn kind(refused: &Refused) -> String {
    serde_json::to_value(refused).unwrap()["kind"].as_str().unwrap().to_owned()
}

fn label(used: &TechniqueUse) -> String {
    let knobs: Vec<String> =
        used.knobs.iter().map(|(knob, value)| format!("{knob}={value}")).collect();
    if knobs.is_empty() {
        used.technique.clone()
    } else {
        format!("{}({})", used.technique, knobs.join(", "))
    }
}

/// What is wrong with what was read; nothing if it is as expected.
fn complaints(case: &Case, read: &Result<Vec<Draft>, Refused>) -> Vec<String> {
    let (expected, drafts) = match (&case.expected, read) {
        (Ok(expected), Ok(drafts)) => (expected, drafts),
        (Err(expected), Err(refused)) if *expected == kind(refused) => return Vec::new(),
        (Err(expected), _) => return vec![format!("should be refused as {expected}: {read:?}")],
        (Ok(_), Err(refused)) => return vec![format!("was refused: {refused}")],
    };
    let titles = |ideas: Vec<&String>| format!("{ideas:?}");
    let (wanted, got) = (
        titles(expected.iter().map(|idea| &idea.title).collect()),
        titles(drafts.iter().map(|draft| &draft.title).collect()),
    );
    if wanted != got {
        return vec![format!("has the titles {got}, not {wanted}")];
    }
    let mut wrong = Vec::new();
    for (idea, draft) in expected.iter().zip(drafts) {
        for (text, parts) in
            [(&draft.plan, &idea.plan_has), (&draft.hypothesis, &idea.hypothesis_has)]
        {
            for part in parts.iter().filter(|part| !text.contains(*part)) {
                wrong.push(format!("{:?}: no {part:?} in {text:?}", draft.title));
            }
        }
        let uses: Vec<String> = draft.techniques.iter().map(label).collect();
        if uses != idea.uses {
            wrong.push(format!("{:?} uses {uses:?}, not {:?}", draft.title, idea.uses));
        }
        if draft.sources != idea.sources {
            wrong.push(format!("{:?} has the sources {:?}", draft.title, draft.sources));
        }
    }
    wrong
}

#[test]
fn every_reply_gives_what_it_says() {
    let cases = cases();
    assert!(cases.len() >= 60, "the corpus has only {} replies", cases.len());
    let wrong: Vec<String> = cases
        .iter()
        .flat_map(|case| {
            let wrong = complaints(case, &parse(&case.reply));
            wrong.into_iter().map(|complaint| format!("{}: {complaint}", case.name))
        })
        .collect();
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

#[test]
fn a_refusal_tells_the_model_what_to_do() {
    for case in cases() {
        if let Err(refused) = parse(&case.reply) {
            let said = refused.to_string();
            assert!(said.len() > 30 && said.contains(';'), "{}: {said}", case.name);
            let stored: Refused =
                serde_json::from_value(serde_json::to_value(&refused).unwrap()).unwrap();
            assert_eq!(stored, refused);
        }
    }
}

#[test]
fn a_reply_of_any_length_is_read_or_refused_in_time() {
    let long = "x".repeat(2_000_001);
    assert_eq!(parse(&long), Err(Refused::TooLong { bytes: 2_000_001 }));
    let idea = r#"{"title": "Small", "plan": "One small change."}"#;
    let most = if cfg!(debug_assertions) { 100_000 } else { 1_900_000 };
    let unit = |text: &str| text.repeat(most / text.len());
    let hostile = [
        unit("["),
        unit("{"),
        unit("{\"a\":"),
        unit("[\""),
        unit("[\"[\","),
        unit("{\"a\":[1,"),
        unit("[Experiment]"),
        unit("[experiment"),
        unit("*\n"),
        unit("```\n"),
        unit("\"\n"),
        unit("[Experiment] a\n[Code Changes] b c\n```\n"),
        unit("{\"title\":\"a\","),
        unit("/*"),
        unit("Title: a\n"),
        unit("[]"),
        unit("{}"),
        unit("{\"a\":1} "),
        unit("\\"),
        unit("<think>\n"),
        unit("[{\"plan\":\"do it now\"},"),
        unit(idea),
        unit("{\"ideas\":{\"a\":\"{\""),
        unit("'"),
        format!("[Experiment] a\n[Code Changes] b c\n{}", "```\n".repeat(most / 4 - 10)),
        format!("{}{idea}", " ".repeat(most)),
        format!("{{\"ideas\":[{}", unit("[")),
    ];
    for text in hostile {
        let began = std::time::Instant::now();
        let read = parse(&text);
        let took = began.elapsed();
        assert!(read.as_ref().map_or(0, Vec::len) <= 256);
        assert!(took.as_secs() < 10, "{took:?} for {:?}…", &text[..40]);
    }
}
