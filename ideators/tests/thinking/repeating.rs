//! A run that is repeated from its transcripts, in which results come in another order.

use autores_domain::*;
use serde_json::json;

use crate::world::*;

const MUON: (&str, &str) =
    ("Use Muon", "Replace AdamW with Muon for the matrix parameters in train.py.");
const MUON_AGAIN: (&str, &str) =
    ("Muon optimizer for matrices", "Use Muon instead of AdamW for the matrix parameters.");
const TIED: (&str, &str) =
    ("Tie the embeddings", "Share the weights of the token embedding and the head.");

fn told_ideas(ideas: &[(&str, &str)]) -> String {
    let list: Vec<_> = ideas
        .iter()
        .map(|(title, plan)| json!({"title": title, "hypothesis": "it helps", "sources": [], "plan": plan}))
        .collect();
    json!({"ideas": list}).to_string()
}

fn brief(count: u32) -> Brief {
    Brief { operator: Operator::Explore, parents: vec![], shown: vec![], count, seed: 5 }
}

fn with_muon(outcome: Outcome) -> Population {
    population(vec![member(idea(1, MUON.0, MUON.1), outcome)])
}

/// Populations as they may be when the same brief is answered again.
fn others() -> [Population; 5] {
    let all = vec![
        member(idea(1, MUON.0, MUON.1), measured(0.52)),
        member(idea(2, TIED.0, TIED.1), measured(0.53)),
    ];
    [
        Population::default(),
        population(vec![]),
        with_muon(Outcome::Pending),
        with_muon(failed(FaultClass::Patch, "it did not apply")),
        population(all),
    ]
}

async fn check(world: &World, count: u32, recorded_with: &Population, titles: &[&str]) {
    let first = world.ideator().propose(3, &brief(count), recorded_with).await;
    let proposals = first.result.as_ref().unwrap();
    let told: Vec<&str> = proposals.iter().map(|proposal| proposal.title.as_str()).collect();
    assert_eq!(told, titles);
    let again = world.again().await;
    for population in others() {
        assert_eq!(again.ideator().propose(3, &brief(count), &population).await, first);
    }
    // A repetition can be repeated.
    let third = again.again().await;
    assert_eq!(third.ideator().propose(3, &brief(count), &Population::default()).await, first);
}

#[tokio::test]
async fn an_idea_is_the_same_whatever_was_tried_by_now() {
    let tried = with_muon(measured(0.52));
    let world = World::where_models_say(|question| match question["seed"].as_u64().unwrap() {
        5 => say(&told_ideas(&[MUON_AGAIN])),
        _ => say(&told_ideas(&[TIED])),
    })
    .await;
    check(&world, 1, &tried, &[TIED.0]).await;
    // One that insisted.
    let world = World::where_models_always_say(&told_ideas(&[MUON_AGAIN])).await;
    check(&world, 1, &tried, &[MUON_AGAIN.0]).await;
    // One that repeats itself, and then says nothing of use.
    let world = World::where_models_say(|question| match question["seed"].as_u64().unwrap() {
        5 => say(&told_ideas(&[MUON_AGAIN])),
        _ => say("I have no more ideas."),
    })
    .await;
    check(&world, 1, &tried, &[MUON_AGAIN.0]).await;
    // Useless replies before the one that is taken.
    let world = World::where_models_say(|question| match question["seed"].as_u64().unwrap() {
        7 => say(&told_ideas(&[TIED])),
        _ => say("Nice weather."),
    })
    .await;
    check(&world, 1, &tried, &[TIED.0]).await;
}

#[tokio::test]
async fn what_was_left_out_of_a_reply_is_left_out_again() {
    let world = World::where_models_always_say(&told_ideas(&[MUON_AGAIN, TIED])).await;
    check(&world, 2, &with_muon(measured(0.52)), &[TIED.0]).await;
    let world = World::where_models_always_say(&told_ideas(&[MUON_AGAIN, TIED])).await;
    check(&world, 1, &with_muon(measured(0.52)), &[TIED.0]).await;
    let world = World::where_models_always_say(&told_ideas(&[MUON_AGAIN, TIED])).await;
    check(&world, 2, &population(vec![]), &[MUON_AGAIN.0, TIED.0]).await;
}

#[tokio::test]
async fn a_brief_that_failed_fails_again_for_the_same_reason() {
    let world = World::where_models_always_say("Nice weather.").await;
    let first = world.ideator().propose(3, &brief(1), &population(vec![])).await;
    assert!(first.result.is_err());
    let again = world.again().await;
    assert_eq!(again.ideator().propose(3, &brief(1), &Population::default()).await, first);
}

fn twin(outcome: Outcome) -> Task {
    Task { population: with_muon(outcome), ..task(idea(7, MUON_AGAIN.0, MUON_AGAIN.1)) }
}

#[tokio::test]
async fn an_idea_that_was_new_is_written_again_though_its_twin_is_tried_by_now() {
    let world = World::where_models_always_say(&edit("rate = 1", "rate = 3")).await;
    let failed = failed(FaultClass::Patch, "it did not apply");
    let first = world.implementer().implement(&twin(failed)).await;
    assert!(first.result.is_ok());
    let again = world.again().await;
    for outcome in [Outcome::Pending, measured(0.6)] {
        assert_eq!(again.implementer().implement(&twin(outcome)).await, first);
    }
}

#[tokio::test]
async fn an_idea_that_was_a_twin_is_one_again_though_the_other_came_to_nothing_by_now() {
    let world = World::where_models_say(|_| panic!("nobody is to be asked")).await;
    let first = world.implementer().implement(&twin(Outcome::Pending)).await;
    let again = world.again().await;
    let failed = failed(FaultClass::Patch, "it did not apply");
    assert_eq!(again.implementer().implement(&twin(failed)).await, first);
    assert_eq!(nothing(first.result).class, FaultClass::Duplicate);
}

#[tokio::test]
async fn lessons_are_linked_to_the_ideas_of_the_new_run() {
    let reply = json!({"lessons": [{
        "advice": "do", "topic": "optimizer", "text": "Muon helps.", "evidence": ["r/i1", "other/i4"],
    }]});
    let reply = reply.to_string();
    let world = World::where_models_say(move |question| match question["seed"].as_u64().unwrap() {
        200 => say("Work harder."),
        _ => say(&reply),
    })
    .await;
    let first = world.distiller().distil(2, &with_muon(measured(0.6))).await;
    assert_eq!(keys(&first.calls), ["l2", "l2.v1"]);
    assert_eq!(first.result.as_ref().unwrap()[0].evidence, [id(1)]);

    let new = |number: u32| -> IdeaId { format!("new-run/i{number}").parse().unwrap() };
    let renamed = |outcome| {
        let one = Idea { id: new(1), ..idea(1, MUON.0, MUON.1) };
        population(vec![member(one, outcome)])
    };
    let again = world.again().await;
    for outcome in [measured(0.6), Outcome::Pending] {
        let answered = again.distiller().distil(2, &renamed(outcome)).await;
        assert_eq!(answered.calls, first.calls);
        assert_eq!(answered.result.unwrap()[0].evidence, [new(1)]);
    }
    // An epoch after which nothing was learnt teaches nothing again.
    let kept = Lesson {
        advice: Advice::Do,
        topic: "t".into(),
        text: "Kept.".into(),
        evidence: vec![new(1)],
    };
    let known = Population { lessons: vec![kept.clone()], ..renamed(measured(0.6)) };
    let answered = again.distiller().distil(3, &known).await;
    assert_eq!((answered.result, answered.calls), (Ok(vec![kept]), vec![]));
}
