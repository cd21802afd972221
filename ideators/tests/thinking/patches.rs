//! From an idea to a patch that passes.

use autores_domain::*;

use crate::world::*;

fn faster() -> Task {
    task(idea(7, "Faster", "Raise the rate in train.py from 1 to 3."))
}

#[tokio::test]
async fn a_patch_that_passes_at_once_is_taken() {
    let world = World::where_models_always_say(&edit("rate = 1", "rate = 3")).await;
    let answered = world.implementer().implement(&faster()).await;
    assert_eq!(after(&answered.result.unwrap(), TRAIN), TRAIN.replace("rate = 1", "rate = 3"));
    assert_eq!(keys(&answered.calls), ["i7.r0.c0.v0"]);
    let call = &answered.calls[0];
    assert_eq!((call.role, call.tokens.input, call.tokens.output), (Role::Implementer, 1000, 100));
    let heard = world.heard().await;
    assert_eq!(heard.len(), 1);
    let shown = shown(&heard[0]);
    for words in ["rate = 1", "Raise the rate in train.py", "Lower the loss.", "`eval.py`"] {
        assert!(shown.contains(words), "{words:?} is not told:\n{shown}");
    }
    assert!(
        heard[0].get("temperature").is_none(),
        "one candidate is asked for as the model does best"
    );
}

#[tokio::test]
async fn a_refused_candidate_is_shown_why_and_revised() {
    let world = World::where_models_say(|question| match asked_for(question) {
        (0, 0) => say(&edit("rate = 77", "rate = 3")),
        (0, 1) => say(&edit("rate = 1", "rate = 3")),
        other => panic!("{other:?} is not needed"),
    })
    .await;
    let answered = world.implementer().implement(&faster()).await;
    assert_eq!(after(&answered.result.unwrap(), TRAIN), TRAIN.replace("rate = 1", "rate = 3"));
    assert_eq!(keys(&answered.calls), ["i7.r0.c0.v0", "i7.r0.c0.v1"]);
    let second = told(&world.heard().await[1]);
    for words in ["edit 1 of train.py: the file has no lines", "rate = 77", "were refused"] {
        assert!(second.contains(words), "{words:?} is not told:\n{second}");
    }
}

#[tokio::test]
async fn what_the_gate_saw_is_shown_too() {
    let world = World::where_models_say(|question| match asked_for(question) {
        (_, 0) => say(&edit("steps = 10", "steps = ten")),
        (_, _) => say(&edit("steps = 10", "steps = 20")),
    })
    .await
    .with(|world| {
        world.gate = rule(|text| {
            let tail = vec!["Traceback".to_owned(), "NameError: ten".to_owned()];
            text.contains("ten")
                .then(|| Fault::new(FaultClass::Crash, "smoke exited with 1").with_tail(tail))
        });
    });
    let answered = world.implementer().implement(&faster()).await;
    assert!(after(&answered.result.unwrap(), TRAIN).contains("steps = 20"));
    let second = told(&world.heard().await[1]);
    for words in ["crash: smoke exited with 1", "NameError: ten"] {
        assert!(second.contains(words), "{words:?} is not told:\n{second}");
    }
}

#[tokio::test]
async fn a_candidate_is_revised_twice_at_most_and_the_idea_says_why_it_failed() {
    let world = World::where_models_always_say("I would rather not.")
        .await
        .with(|world| world.llm.candidates = 2);
    let answered = world.implementer().implement(&faster()).await;
    let fault = nothing(answered.result);
    assert_eq!(fault.class, FaultClass::Patch);
    assert!(
        fault
            .reason
            .starts_with("none of 2 candidates passed, with 6 patches; most often (2 of 2): "),
        "{}",
        fault.reason
    );
    assert!(fault.reason.contains("no patch"), "{}", fault.reason);
    assert_eq!(
        keys(&answered.calls),
        ["i7.r0.c0.v0", "i7.r0.c0.v1", "i7.r0.c0.v2", "i7.r0.c1.v0", "i7.r0.c1.v1", "i7.r0.c1.v2"]
    );
}

#[tokio::test]
async fn whatever_a_model_says_an_idea_comes_to_an_end() {
    let replies = [
        String::new(),
        " \n".into(),
        "\u{0}\u{7}".into(),
        "```".into(),
        "<think>\nFirst I".into(),
        "word ".repeat(200_000),
        "<<<<<<< SEARCH\n=======\n>>>>>>> REPLACE\n".repeat(50),
        "--- a/train.py\n+++ b/train.py\n@@ -1 +1 @@".into(),
        "../../etc/passwd\n<<<<<<< SEARCH\n\n=======\nx\n>>>>>>> REPLACE\n".into(),
        "{\"patch\": null}".into(),
        "I'm sorry, but I cannot help with that.".into(),
    ];
    for reply in replies {
        let world =
            World::where_models_always_say(&reply).await.with(|world| world.llm.candidates = 2);
        let answered = world.implementer().implement(&faster()).await;
        let start: String = reply.chars().take(40).collect();
        assert_eq!(nothing(answered.result).class, FaultClass::Patch, "{start:?}");
        assert_eq!(answered.calls.len(), 6, "{start:?}");
        assert_eq!(world.gate.seen.lock().unwrap().len(), 0, "{start:?}");
    }
}

#[tokio::test]
async fn the_class_is_that_of_the_candidate_that_came_furthest() {
    let check = |classes: &'static [FaultClass], expected: FaultClass| async move {
        let world = World::where_models_say(|question| {
            say(&edit("rate = 1", &format!("rate = 1{}", asked_for(question).0)))
        })
        .await
        .with(|world| {
            world.llm.candidates = classes.len() as u32;
            world.llm.revisions = 0;
            world.llm.select = Selection::Smallest;
            world.gate = rule(move |text| {
                let number = classes
                    .iter()
                    .enumerate()
                    .find(|(n, _)| text.contains(&format!("rate = 1{n}\n")));
                number
                    .map(|(n, class)| Fault::new(*class, "no").with_tail(vec![format!("line {n}")]))
            });
        });
        let fault = nothing(world.implementer().implement(&faster()).await.result);
        assert_eq!(fault.class, expected, "{classes:?}");
        fault
    };
    use FaultClass::*;
    check(&[Policy, Policy], Policy).await;
    check(&[Policy, Patch], Patch).await;
    let fault = check(&[Patch, Build, Policy], Build).await;
    assert_eq!(fault.tail, ["line 1"]);
    check(&[Build, Oom, Build], Oom).await;
    check(&[Infra, Infra], Infra).await;
    // What the machine kept from being checked could have passed.
    check(&[Infra, Build], Infra).await;
    check(&[Patch, Infra, Infra, Infra], Infra).await;
}

#[tokio::test]
async fn an_idea_made_of_techniques_costs_no_call() {
    let world = World::where_models_say(|_| panic!("nobody is to be asked")).await;
    let used = TechniqueUse {
        technique: "deeper".into(),
        knobs: [("x".to_owned(), "3".to_owned())].into(),
    };
    let idea = Idea { techniques: vec![used], ..idea(7, "Deeper", "deeper") };
    let answered = world.implementer().implement(&task(idea)).await;
    assert!(after(&answered.result.unwrap(), TRAIN).contains("depth = 13"));
    assert_eq!(answered.calls, []);
}

#[tokio::test]
async fn parents_are_shown_with_their_results_and_their_code() {
    let world = World::where_models_always_say(&edit("rate = 1", "rate = 3")).await;
    let parent = Parent {
        member: member(idea(3, "Deeper", "Make it deeper."), measured(0.61)),
        code: code(&TRAIN.replace("depth = 2", "depth = 12")),
    };
    let lesson = Lesson {
        advice: Advice::Avoid,
        topic: "norm".into(),
        text: "Norms slow it down.".into(),
        evidence: vec![id(2)],
    };
    let mut task = Task { parents: vec![parent], ..faster() };
    task.population.lessons = vec![lesson];
    world.implementer().implement(&task).await.result.unwrap();
    let told = told(&world.heard().await[0]);
    for words in ["+depth = 12", "-depth = 2", "reward 0.61", "σ", "Norms slow it down."] {
        assert!(told.contains(words), "{words:?} is not told:\n{told}");
    }
}
