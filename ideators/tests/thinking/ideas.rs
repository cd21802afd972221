//! From a brief to ideas.

use std::collections::BTreeMap;

use autores_domain::*;
use serde_json::json;

use crate::world::*;

fn brief(operator: Operator, count: u32) -> Brief {
    Brief { operator, parents: vec![], shown: vec![], count, seed: 5 }
}

fn told_ideas(ideas: &[(&str, &str)]) -> String {
    let list: Vec<_> = ideas
        .iter()
        .map(|(title, plan)| json!({"title": title, "hypothesis": "it helps", "sources": ["a paper"], "plan": plan}))
        .collect();
    json!({"ideas": list}).to_string()
}

const MUON: (&str, &str) =
    ("Use Muon", "Replace AdamW with Muon for the matrix parameters in train.py.");
const MUON_AGAIN: (&str, &str) =
    ("Muon optimizer for matrices", "Use Muon instead of AdamW for the matrix parameters.");
const TIED: (&str, &str) =
    ("Tie the embeddings", "Share the weights of the token embedding and the head.");

fn titles(proposals: &[Proposal]) -> Vec<&str> {
    proposals.iter().map(|proposal| proposal.title.as_str()).collect()
}

async fn propose(world: &World, brief: &Brief, population: &Population) -> Vec<Proposal> {
    world.ideator().propose(3, brief, population).await.result.unwrap()
}

#[tokio::test]
async fn ideas_are_asked_for_by_schema_and_carry_their_model() {
    let world = World::where_models_always_say(&told_ideas(&[MUON, TIED])).await;
    let answered =
        world.ideator().propose(3, &brief(Operator::Fresh, 2), &population(vec![])).await;
    let proposals = answered.result.unwrap();
    assert_eq!(titles(&proposals), [MUON.0, TIED.0]);
    assert_eq!((proposals[0].origin.as_str(), proposals[0].plan.as_str()), ("test/m", MUON.1));
    assert_eq!(proposals[0].sources, ["a paper"]);
    assert_eq!(proposals[0].operator, Operator::Fresh);
    assert_eq!(keys(&answered.calls), ["b3"]);
    let heard = world.heard().await;
    assert_eq!(heard[0]["response_format"]["json_schema"]["name"], "ideas");
    let told = shown(&heard[0]);
    for words in ["reward 0.5 ± 0.01", "rate = 1", "2 different ideas"] {
        assert!(told.contains(words), "{words:?} is not told:\n{told}");
    }
}

#[tokio::test]
async fn a_provider_without_schemas_is_asked_for_tags() {
    let reply = "[Experiment] Tie the embeddings: fewer weights\n[Code Changes] Share the weights of embedding and \
                 head in train.py.\n[End]\n";
    let world = World::where_models_always_say(reply)
        .await
        .with(|world| world.provider.json_schema = false);
    let proposals = propose(&world, &brief(Operator::Fresh, 1), &population(vec![])).await;
    assert!(proposals[0].plan.contains("Share the weights"), "{proposals:?}");
    let heard = world.heard().await;
    assert!(heard[0].get("response_format").is_none());
    assert!(told(&heard[0]).contains("[Code Changes]"));
}

#[tokio::test]
async fn no_more_ideas_are_taken_than_were_wanted() {
    let world = World::where_models_always_say(&told_ideas(&[MUON, TIED])).await;
    let proposals = propose(&world, &brief(Operator::Fresh, 1), &population(vec![])).await;
    assert_eq!(titles(&proposals), [MUON.0]);
}

#[tokio::test]
async fn a_reply_of_no_use_is_answered_with_what_is_wrong_with_it() {
    let world = World::where_models_say(|question| match question["seed"].as_u64().unwrap() {
        5 => say("{\"ideas\": []}"),
        6 => say("I have some thoughts on this."),
        _ => say(&told_ideas(&[TIED])),
    })
    .await;
    let answered =
        world.ideator().propose(3, &brief(Operator::Fresh, 1), &population(vec![])).await;
    assert_eq!(titles(&answered.result.unwrap()), [TIED.0]);
    assert_eq!(keys(&answered.calls), ["b3", "b3.v1", "b3.v2"]);
    let heard = world.heard().await;
    assert!(told(&heard[1]).contains("list of ideas is empty"), "{}", told(&heard[1]));
    assert_eq!(heard[2]["messages"][2]["content"], "I have some thoughts on this.");
    assert!(told(&heard[2]).contains("no idea was found"), "{}", told(&heard[2]));
}

#[tokio::test]
async fn after_three_replies_of_no_use_the_brief_fails_with_the_last_reason() {
    for reply in [
        "Nice weather.",
        "{\"ideas\": [{\"title\": \"...\", \"plan\": \"...\"}]}",
        "<think>\nI could try",
        "{\"ideas\": [{\"title\": \"A\"",
        "I'm sorry, but I cannot help with that.",
        "\u{0}\u{1}\u{2}",
        "[[[[[[[[[[[[[[[[",
        "{\"ideas\": {\"ideas\": {\"ideas\": 7}}}",
        "",
    ] {
        let world = World::where_models_always_say(reply).await;
        let answered =
            world.ideator().propose(3, &brief(Operator::Fresh, 1), &population(vec![])).await;
        let reason = nothing(answered.result);
        assert!(reason.contains("test/m gave no idea in 3 replies: "), "{reply:?}: {reason}");
        assert_eq!(keys(&answered.calls), ["b3", "b3.v1", "b3.v2"], "{reply:?}");
    }
}

#[tokio::test]
async fn what_was_tried_before_is_left_out() {
    let world = World::where_models_always_say(&told_ideas(&[MUON_AGAIN, TIED])).await;
    let tried = population(vec![member(idea(1, MUON.0, MUON.1), measured(0.52))]);
    let proposals = propose(&world, &brief(Operator::Explore, 2), &tried).await;
    assert_eq!(titles(&proposals), [TIED.0]);
    assert_eq!(world.heard().await.len(), 1);
}

#[tokio::test]
async fn if_all_was_tried_before_the_model_is_told_once_which_idea_it_repeats() {
    let world = World::where_models_say(|question| match question["seed"].as_u64().unwrap() {
        5 => say(&told_ideas(&[MUON_AGAIN])),
        _ => say(&told_ideas(&[TIED])),
    })
    .await;
    let tried = population(vec![member(idea(1, MUON.0, MUON.1), measured(0.52))]);
    assert_eq!(titles(&propose(&world, &brief(Operator::Explore, 1), &tried).await), [TIED.0]);
    let heard = world.heard().await;
    assert!(told(&heard[1]).contains("repeats r/i1 \"Use Muon\""), "{}", told(&heard[1]));

    // One that insists is taken at its word: whoever implements the idea refuses it, and says so.
    let world = World::where_models_always_say(&told_ideas(&[MUON_AGAIN])).await;
    assert_eq!(
        titles(&propose(&world, &brief(Operator::Explore, 1), &tried).await),
        [MUON_AGAIN.0]
    );
    assert_eq!(world.heard().await.len(), 2);
}

#[tokio::test]
async fn an_idea_whose_twin_came_to_no_code_is_new() {
    let world = World::where_models_always_say(&told_ideas(&[MUON_AGAIN])).await;
    for class in [FaultClass::Patch, FaultClass::Duplicate] {
        let tried = population(vec![member(idea(1, MUON.0, MUON.1), failed(class, "no"))]);
        assert_eq!(
            titles(&propose(&world, &brief(Operator::Explore, 1), &tried).await),
            [MUON_AGAIN.0]
        );
    }
    assert_eq!(world.heard().await.len(), 1);
}

#[tokio::test]
async fn parents_failures_and_lessons_are_told() {
    let world = World::where_models_always_say(&told_ideas(&[TIED])).await;
    let mut best = member(idea(1, MUON.0, MUON.1), measured(0.53));
    best.revision = Some(Revision { commit: "c".into(), tree: "t".into(), lines: (12, 3) });
    best.evidence = Some(Evidence { metric: Some(1.887), usage: None, curve: vec![4.0, 3.0, 2.0] });
    let wide = member(idea(2, "Wider", "Widen it."), failed(FaultClass::Oom, "needed 2 GB"));
    let mut tried = population(vec![best, wide]);
    tried.lessons.push(Lesson {
        advice: Advice::Do,
        topic: "optimizer".into(),
        text: "Muon raises the reward.".into(),
        evidence: vec![id(1)],
    });
    let brief = Brief { parents: vec![id(1)], shown: vec![id(2)], ..brief(Operator::Exploit, 1) };
    let proposals = propose(&world, &brief, &tried).await;
    assert_eq!(proposals[0].parents, [id(1)]);
    let told = told(&world.heard().await[0]);
    for words in [
        "r/i1: Use Muon",
        "loss 1.887, reward 0.53, +3.0σ",
        "+12 -3",
        "train_loss 4.00 → 3.00 → 2.00",
        "class `oom`: needed 2 GB",
        "Muon raises the reward. [r/i1]",
    ] {
        assert!(told.contains(words), "{words:?} is not told:\n{told}");
    }
}

fn of_catalogue(world: &mut World) {
    world.llm.vocabulary = Vocabulary::Catalogue;
}

fn named(technique: &str, knob: &str, value: &str) -> String {
    json!({"ideas": [{
        "title": "Try it", "hypothesis": "it helps", "plan": "",
        "techniques": [{"technique": technique, "knobs": {knob: value}}],
    }]})
    .to_string()
}

#[tokio::test]
async fn a_weak_model_chooses_techniques_that_the_catalogue_writes() {
    let world = World::where_models_always_say(&named("faster", "x", "3")).await.with(of_catalogue);
    let proposals = propose(&world, &brief(Operator::Fresh, 1), &population(vec![])).await;
    let used = TechniqueUse {
        technique: "faster".into(),
        knobs: [("x".to_owned(), "3".to_owned())].into(),
    };
    assert_eq!(proposals[0].techniques, [used]);
    let heard = world.heard().await;
    let schema = heard[0]["response_format"].to_string();
    assert!(schema.contains("\"faster\"") && schema.contains("\"deeper\""), "{schema}");
    let task = task(proposals[0].clone().numbered(id(7)));
    let answered = world.implementer().implement(&task).await;
    assert!(after(&answered.result.unwrap(), TRAIN).starts_with("rate = 3\n"));
    assert_eq!(world.heard().await.len(), 1, "the code needs no model");
}

#[tokio::test]
async fn a_technique_that_does_not_exist_is_named_to_its_inventor() {
    let world = World::where_models_say(|question| match question["seed"].as_u64().unwrap() {
        5 => say(&named("fastest", "x", "3")),
        6 => say(&named("faster", "x", "77")),
        _ => say(&named("faster", "x", "4")),
    })
    .await
    .with(of_catalogue);
    let proposals = propose(&world, &brief(Operator::Fresh, 1), &population(vec![])).await;
    assert_eq!(proposals[0].techniques[0].knobs["x"], "4");
    let heard = world.heard().await;
    assert!(told(&heard[1]).contains("no technique \"fastest\""), "{}", told(&heard[1]));
    assert!(told(&heard[2]).contains("\"77\" is not a value of knob x"), "{}", told(&heard[2]));
}

fn with_two_models(world: &mut World) {
    let models = vec![weighted("test/cheap", 1.0), weighted("test/dear", 1.0)];
    world.llm.roles.insert(Role::Ideator, models);
    world.llm.choice = Choice::Bandit;
}

/// Ten ideas of each model with these gains, and what each model was paid.
fn results(cheap: (f64, f64), dear: (f64, f64)) -> Population {
    let mut members = Vec::new();
    let mut spent = BTreeMap::new();
    for (name, (gain, usd)) in [("test/cheap", cheap), ("test/dear", dear)] {
        for _ in 0..10 {
            let number = members.len() as u32 + 1;
            let idea =
                Idea { origin: name.into(), ..idea(number, &format!("Idea {number}"), "plan") };
            members.push(member(idea, measured(0.5 + gain)));
        }
        let one = Spent { calls: 10, usd, ..Spent::default() };
        spent.insert(name.parse().unwrap(), one);
    }
    Population { ideator_spent: spent, ..population(members) }
}

#[tokio::test]
async fn the_bandit_asks_the_model_that_gains_more_for_its_price() {
    let world = World::where_models_always_say(&told_ideas(&[TIED])).await.with(with_two_models);
    let origin = |population: Population| {
        let world = &world;
        async move { propose(world, &brief(Operator::Fresh, 1), &population).await[0].origin.clone() }
    };
    assert_eq!(origin(results((0.02, 0.01), (0.03, 1.0))).await, "test/cheap");
    let world = World::where_models_always_say(&told_ideas(&[TIED])).await.with(with_two_models);
    let better = results((0.001, 0.5), (0.03, 1.0));
    assert_eq!(propose(&world, &brief(Operator::Fresh, 1), &better).await[0].origin, "test/dear");
}

#[tokio::test]
async fn models_that_were_never_asked_are_shared_out_among_the_first_briefs() {
    let world = World::where_models_always_say(&told_ideas(&[TIED])).await.with(with_two_models);
    let ideator = world.ideator();
    for number in 0..4 {
        ideator
            .propose(number, &brief(Operator::Fresh, 1), &population(vec![]))
            .await
            .result
            .unwrap();
    }
    let heard = world.heard().await;
    let models: Vec<&str> =
        heard.iter().map(|question| question["model"].as_str().unwrap()).collect();
    assert_eq!(models, ["cheap", "dear", "cheap", "dear"]);
}

#[tokio::test]
async fn a_brief_that_was_answered_is_not_paid_again_though_the_bandit_would_now_ask_another() {
    let world = World::where_models_always_say(&told_ideas(&[TIED])).await.with(with_two_models);
    let early = world
        .ideator()
        .propose(3, &brief(Operator::Fresh, 1), &results((0.02, 0.01), (0.03, 1.0)))
        .await;
    let later = world
        .ideator()
        .propose(3, &brief(Operator::Fresh, 1), &results((0.001, 0.5), (0.03, 1.0)))
        .await;
    assert_eq!(later, early);
    assert_eq!(world.heard().await.len(), 1);
}
