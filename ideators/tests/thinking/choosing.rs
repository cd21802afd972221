//! Which of several candidates becomes the revision.

use std::collections::BTreeSet;

use autores_domain::*;
use serde_json::Value;
use wiremock::ResponseTemplate;

use crate::world::*;

fn anything() -> Task {
    task(idea(7, "Something", "Change something in train.py."))
}

/// Four candidates: the first does not apply, the others pass. The third changes least, the last was the least sure one.
fn four(question: &Value) -> ResponseTemplate {
    if question["messages"].to_string().contains("Several patches were written") {
        return say(r#"{"candidates": [], "choice": 2, "reason": "the simplest"}"#);
    }
    match asked_for(question) {
        (0, _) => say_with(-9.0, &edit("rate = 9", "rate = 3")),
        (1, _) => say_with(
            -0.3,
            &edit("rate = 1\ndepth = 2\nnorm = none", "rate = 3\ndepth = 4\nnorm = some"),
        ),
        (2, _) => say_with(-0.1, &edit("rate = 1", "rate = 4")),
        (3, _) => say_with(-0.7, &edit("rate = 1\ndepth = 2", "rate = 5\ndepth = 6")),
        other => panic!("{other:?}"),
    }
}

async fn chosen(select: Selection) -> (String, World, Vec<Call>) {
    let world = World::where_models_say(four).await.with(|world| {
        world.llm.candidates = 4;
        world.llm.select = select;
    });
    let answered = world.implementer().implement(&anything()).await;
    (after(&answered.result.unwrap(), TRAIN), world, answered.calls)
}

#[tokio::test]
async fn the_first_that_passes_is_taken_before_another_is_revised() {
    let (code, world, calls) = chosen(Selection::First).await;
    assert!(code.starts_with("rate = 3\ndepth = 4"), "{code}");
    let all = ["i7.r0.c0.v0", "i7.r0.c1.v0", "i7.r0.c2.v0", "i7.r0.c3.v0"];
    assert_eq!(keys(&calls), all, "all are asked at once, and all are told");
    assert_eq!(world.gate.seen.lock().unwrap().len(), 1, "no gate is asked in vain");
    for question in world.heard().await {
        assert_eq!(question["temperature"], 0.8, "candidates of one model have to differ");
        assert!(question.get("logprobs").is_none());
    }
}

#[tokio::test]
async fn the_smallest_change_is_taken() {
    let (code, _, calls) = chosen(Selection::Smallest).await;
    assert!(code.starts_with("rate = 4\ndepth = 2"), "{code}");
    assert_eq!(calls.len(), 6, "the one that does not apply was revised twice: {:?}", keys(&calls));
}

#[tokio::test]
async fn the_one_that_its_model_was_least_sure_of_is_taken() {
    let (code, world, _) = chosen(Selection::Surprisal).await;
    assert!(code.starts_with("rate = 5\ndepth = 6"), "{code}");
    assert!(world.heard().await.iter().all(|question| question["logprobs"] == true));
}

#[tokio::test]
async fn without_log_probabilities_the_first_is_taken() {
    let world = World::where_models_say(|question| {
        say(&edit("rate = 1", &format!("rate = {}", 10 + asked_for(question).0)))
    })
    .await
    .with(|world| {
        world.llm.candidates = 3;
        world.llm.select = Selection::Surprisal;
    });
    let answered = world.implementer().implement(&anything()).await;
    assert!(after(&answered.result.unwrap(), TRAIN).starts_with("rate = 10\n"));
}

#[tokio::test]
async fn the_one_that_the_judge_prefers_is_taken() {
    let (code, world, calls) = chosen(Selection::Judge).await;
    // Of the three that pass, the second is the third candidate.
    assert!(code.starts_with("rate = 4\ndepth = 2"), "{code}");
    let judge = calls.last().unwrap();
    assert_eq!((judge.key.as_str(), judge.role), ("i7.r0.judge", Role::Judge));
    let heard = world.heard().await;
    let told = told(heard.last().unwrap());
    for words in ["+rate = 4", "+depth = 6", "Candidate 3"] {
        assert!(told.contains(words), "{words:?} is not told:\n{told}");
    }
}

#[tokio::test]
async fn a_judge_that_does_not_choose_leaves_the_first() {
    for verdict in ["All are fine.", "{\"choice\": 9}", ""] {
        let world = World::where_models_say(move |question| {
            if question["messages"].to_string().contains("Several patches") {
                return say(verdict);
            }
            say(&edit("rate = 1", &format!("rate = {}", 10 + asked_for(question).0)))
        })
        .await
        .with(|world| {
            world.llm.candidates = 3;
            world.llm.select = Selection::Judge;
        });
        let answered = world.implementer().implement(&anything()).await;
        assert!(after(&answered.result.unwrap(), TRAIN).starts_with("rate = 10\n"), "{verdict:?}");
    }
}

#[tokio::test]
async fn a_choice_that_does_not_carry_out_the_idea_gives_way_to_the_first_that_does() {
    for (second, third, expected) in [("false", "true", 12), ("false", "false", 10)] {
        let verdict = format!(
            r#"{{"candidates": [{{"candidate": 1, "carries_out": false, "kind": "algorithmic"}},
                {{"candidate": 2, "carries_out": {second}, "kind": "algorithmic"}},
                {{"candidate": 3, "carries_out": {third}, "kind": "algorithmic"}}],
                "choice": 2, "reason": "the simplest"}}"#
        );
        let world = World::where_models_say(move |question| {
            if question["messages"].to_string().contains("Several patches") {
                return say(&verdict);
            }
            say(&edit("rate = 1", &format!("rate = {}", 10 + asked_for(question).0)))
        })
        .await
        .with(|world| {
            world.llm.candidates = 3;
            world.llm.select = Selection::Judge;
        });
        let answered = world.implementer().implement(&anything()).await;
        let code = after(&answered.result.unwrap(), TRAIN);
        assert!(code.starts_with(&format!("rate = {expected}\n")), "{code}");
    }
}

#[tokio::test]
async fn candidates_with_the_same_code_are_one_and_need_no_judge() {
    let world = World::where_models_always_say(&edit("rate = 1", "rate = 3")).await.with(|world| {
        world.llm.candidates = 3;
        world.llm.select = Selection::Judge;
    });
    let answered = world.implementer().implement(&anything()).await;
    answered.result.unwrap();
    assert_eq!(keys(&answered.calls), ["i7.r0.c0.v0", "i7.r0.c1.v0", "i7.r0.c2.v0"]);
}

#[tokio::test]
async fn candidates_are_shared_out_among_models_by_weight() {
    let world = World::where_models_always_say(&edit("rate = 1", "rate = 3")).await.with(|world| {
        world.llm.candidates = 40;
        let models =
            vec![weighted("test/a", 3.0), weighted("test/b", 1.0), weighted("test/c", 0.0)];
        world.llm.roles.insert(Role::Implementer, models);
    });
    world.implementer().implement(&anything()).await.result.unwrap();
    let heard = world.heard().await;
    let share = |name: &str| heard.iter().filter(|question| question["model"] == name).count();
    assert!((22..=37).contains(&share("a")), "{}", share("a"));
    assert_eq!((share("a") + share("b"), share("c")), (40, 0));
}

#[tokio::test]
async fn the_settings_of_a_model_say_its_temperature() {
    let world = World::where_models_always_say(&edit("rate = 1", "rate = 3")).await.with(|world| {
        world.llm.candidates = 2;
        world.model.temperature = Some(0.2);
    });
    world.implementer().implement(&anything()).await.result.unwrap();
    assert!(world.heard().await.iter().all(|question| question["temperature"] == 0.2));
}

#[tokio::test]
async fn each_question_has_a_seed_of_its_own_and_another_in_a_run_with_another_seed() {
    let seeds = |run: u64| async move {
        let world = World::where_models_always_say("no patch").await.with(|world| {
            world.seed = run;
            world.llm.candidates = 2;
            world.llm.revisions = 11;
        });
        nothing(world.implementer().implement(&anything()).await.result);
        let heard = world.heard().await;
        let seeds: BTreeSet<u64> =
            heard.iter().map(|question| question["seed"].as_u64().unwrap()).collect();
        assert_eq!((heard.len(), seeds.len()), (24, 24));
        seeds
    };
    assert!(seeds(1).await.is_disjoint(&seeds(2).await));
}

#[tokio::test]
async fn a_run_with_another_seed_asks_other_models() {
    let models = |run: u64| async move {
        let world = World::where_models_always_say(&edit("rate = 1", "rate = 3")).await.with(|w| {
            w.seed = run;
            w.llm.candidates = 30;
            w.llm.select = Selection::Smallest;
            let models = vec![weighted("test/a", 1.0), weighted("test/b", 1.0)];
            w.llm.roles.insert(Role::Implementer, models);
        });
        let calls = world.implementer().implement(&anything()).await.calls;
        calls.iter().map(|call| (call.key.clone(), call.model.clone())).collect::<Vec<_>>()
    };
    let (one, other) = (models(1).await, models(2).await);
    assert_eq!(one, models(1).await);
    assert_ne!(one, other);
}
