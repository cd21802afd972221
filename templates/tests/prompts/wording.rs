//! Every template as a model reads it.

use autores_domain::{Fault, FaultClass, Operator};
use autores_templates::prompts::{
    self, Candidate, Failure, Format, Knobs, Outcome, PromptError, Room, Task, Text, Tried,
};

use crate::facts::{BASELINE, DIFF, LARGE, ask, facts, failed, idea, made_of, measured};

/// The text with the bodies of files cut, so that a change of the problem's code is no change of the wording.
fn cut(text: &str) -> String {
    let number = |line: &str| line.split_once('|').and_then(|(n, _)| n.parse::<u32>().ok());
    let mut lines = Vec::new();
    for line in text.lines() {
        match number(line) {
            Some(2) => lines.push("[…]"),
            Some(3..) => {}
            Some(_) | None => lines.push(line),
        }
    }
    lines.join("\n")
}

fn user(text: Result<Text, PromptError>) -> String {
    cut(&text.unwrap().user)
}

fn tried() -> (Vec<Tried>, Vec<Tried>) {
    let parents = vec![
        measured(2, "add the embedding of the token before", 9.2),
        measured(5, "use rotary positions", 4.1),
    ];
    let shown = vec![
        failed(
            4,
            "widen the MLP",
            FaultClass::Oom,
            "2,312 MiB of memory in use, and the limit is 2,048",
        ),
        measured(3, "double the weight decay", -0.4),
        failed(
            6,
            "predict two tokens",
            FaultClass::Policy,
            "the prediction of token 7 changed with token 9",
        ),
        Tried {
            outcome: Outcome::Pending,
            curve: None,
            diff: None,
            ..measured(11, "tune beta2", 0.0)
        },
    ];
    (parents, shown)
}

#[test]
fn the_system_message_tells_the_problem_the_rules_and_the_code() {
    let facts = facts();
    let text =
        prompts::ideas(&facts.setting(), &ask(Operator::Fresh, Format::Json), LARGE).unwrap();
    insta::assert_snapshot!(cut(&text.system));
    let numbered = facts.codebase[&"schedule.py".parse().unwrap()].lines().nth(4).unwrap();
    assert!(text.system.contains(&format!("\n5| {numbered}\n")), "schedule.py is not told in full");
}

#[test]
fn fresh() {
    let facts = facts();
    insta::assert_snapshot!(user(prompts::ideas(
        &facts.setting(),
        &ask(Operator::Fresh, Format::Json),
        LARGE
    )));
}

#[test]
fn exploit() {
    let (parents, shown) = tried();
    let facts = facts();
    let ask =
        prompts::Ask { parents: &parents, shown: &shown, ..ask(Operator::Exploit, Format::Tags) };
    insta::assert_snapshot!(user(prompts::ideas(&facts.setting(), &ask, LARGE)));
}

#[test]
fn explore() {
    let (parents, mut shown) = tried();
    shown.extend(parents);
    let facts = facts();
    let ask = prompts::Ask { shown: &shown, count: 1, ..ask(Operator::Explore, Format::Json) };
    insta::assert_snapshot!(user(prompts::ideas(&facts.setting(), &ask, LARGE)));
}

#[test]
fn ideas_of_the_catalogue() {
    let facts = facts();
    let parents = [made_of(measured(2, "Muon", 9.2), "muon", "lr", "0.04")];
    let ask = prompts::Ask {
        parents: &parents,
        ..ask(Operator::Exploit, Format::Catalogue(&facts.catalogue, Knobs::Object))
    };
    let text = prompts::ideas(&facts.setting(), &ask, LARGE).unwrap();
    let first: Vec<&str> =
        text.system.lines().take_while(|line| !line.starts_with("- `adam-epsilon`")).collect();
    insta::assert_snapshot!("catalogue_system", first.join("\n"));
    insta::assert_snapshot!("catalogue_user", text.user);
    for technique in facts.catalogue.iter() {
        assert!(
            text.system.contains(&format!("- `{}`: ", technique.name)),
            "{} is not told",
            technique.name
        );
    }
}

#[test]
fn knobs_are_shown_in_the_form_that_is_asked_for() {
    let facts = facts();
    let shown = |knobs| {
        let ask = ask(Operator::Fresh, Format::Catalogue(&facts.catalogue, knobs));
        user(prompts::ideas(&facts.setting(), &ask, LARGE))
    };
    let (object, pairs) =
        (r#""knobs":{"KNOB":"VALUE"}}],"#, r#""knobs":[{"knob":"KNOB","value":"VALUE"}]}],"#);
    assert!(shown(Knobs::Object).contains(object));
    assert!(shown(Knobs::Pairs).contains(pairs));
}

#[test]
fn ideas_of_the_catalogue_in_a_small_window() {
    let facts = facts();
    let parents = [made_of(measured(2, "Muon", 9.2), "muon", "lr", "0.04")];
    let ask = prompts::Ask {
        parents: &parents,
        ..ask(Operator::Exploit, Format::Catalogue(&facts.catalogue, Knobs::Object))
    };
    let room = Room { tokens: 1_500, tokens_per_byte: 0.3 };
    let text = prompts::ideas(&facts.setting(), &ask, room).unwrap();
    insta::assert_snapshot!(format!("{}\n\n=====\n\n{}", text.system, text.user));
}

#[test]
fn implement() {
    let (parents, _) = tried();
    let (facts, idea) = (facts(), idea());
    let task = Task { idea: &idea, parents: &parents[..1] };
    insta::assert_snapshot!(user(prompts::implement(&facts.setting(), &task, LARGE)));
}

#[test]
fn repair_patch() {
    let (facts, idea) = (facts(), idea());
    let task = Task { idea: &idea, parents: &[] };
    let earlier = "Here it is:\n```python\nmodel.py\n<<<<<<< SEARCH\n    x = tokens\n=======\n    x = 2\n>>>>>>> REPLACE\n```";
    let report = "model.py: the text under SEARCH is not in the file:\n        x = tokens\nnearest is line 83:\n        x = self.tokens(tokens)";
    insta::assert_snapshot!(user(prompts::repair_patch(
        &facts.setting(),
        &task,
        earlier,
        report,
        LARGE
    )));
}

#[test]
fn repair_run() {
    let (facts, idea) = (facts(), idea());
    let tail = [
        "Traceback (most recent call last):",
        "  File \"model.py\", line 84",
        "RuntimeError: out of memory",
    ];
    let fault = Fault::new(
        FaultClass::Oom,
        "stage train needed 2,312 MiB of memory, and the limit is 2,048",
    )
    .with_tail(tail.map(str::to_owned).into());
    let changed = [
        ("model.py".parse().unwrap(), Some("x = 1\ny = 2\n".to_owned())),
        ("schedule.py".parse().unwrap(), None),
    ]
    .into();
    let failure = Failure {
        idea: &idea,
        fault: &fault,
        changed: &changed,
        curve: Some("5.55 at the start, 2.41 at 25%"),
        peak_memory_mb: Some(2_312.0),
        wall_s: Some(4.2),
    };
    insta::assert_snapshot!(user(prompts::repair_run(&facts.setting(), &failure, LARGE)));
}

#[test]
fn judge() {
    let (facts, idea) = (facts(), idea());
    let other = DIFF.replace("0.3", "0.5");
    let candidates =
        [Candidate { diff: DIFF, lines: (1, 0) }, Candidate { diff: &other, lines: (1, 0) }];
    insta::assert_snapshot!(user(prompts::judge(&facts.setting(), &idea, &candidates, LARGE)));
}

#[test]
fn classify() {
    let (facts, idea) = (facts(), idea());
    let text = prompts::classify(&facts.setting(), &idea, Some(DIFF), LARGE).unwrap();
    insta::assert_snapshot!(text.user);
    assert!(!text.system.contains("# Editable files"), "a kind can be told without the files");
    assert!(text.system.contains("# Rules"));
    insta::assert_snapshot!(
        "classify_without_a_patch",
        user(prompts::classify(&facts.setting(), &idea, None, LARGE))
    );
}

#[test]
fn lessons() {
    let (parents, mut shown) = tried();
    shown.extend(parents);
    let facts = facts();
    insta::assert_snapshot!(user(prompts::lessons(&facts.setting(), &BASELINE, &shown, LARGE)));
}

#[test]
fn without_a_known_spread_no_difference_is_claimed() {
    let facts = facts();
    let baseline = prompts::Baseline { metric_sd: None, reward_sd: None, seeds: 1, ..BASELINE };
    let mut parent = measured(2, "x", 1.0);
    if let Outcome::Measured { deviations, .. } = &mut parent.outcome {
        *deviations = None;
    }
    let parents = [parent];
    let ask = prompts::Ask {
        baseline: &baseline,
        parents: &parents,
        ..ask(Operator::Exploit, Format::Json)
    };
    let user = user(prompts::ideas(&facts.setting(), &ask, LARGE));
    assert!(user.contains("val_loss 1.8357, reward 0.54475 (1 seed; σ is not known)"), "{user}");
    assert!(!user.contains("σ against the baseline"), "{user}");
}
