//! A run that stops while it thinks: what was sent is told, nothing more is begun, and what is not done stays open.

use std::sync::Arc;
use std::time::Duration;

use autores_domain::*;

use crate::world::*;

const SOON: Duration = Duration::from_millis(600);

fn faster() -> Task {
    task(idea(7, "Faster", "Raise the rate in train.py from 1 to 3."))
}

fn is_open<T, E>(result: &Result<T, Refusal<E>>) -> bool {
    matches!(result, Err(Refusal::Unavailable { is_lasting: false, .. }))
}

/// What comes of the task if the run stops while its models are being asked.
async fn stopped_midway(world: &World) -> Answered<Result<Patch, Refusal<Fault>>> {
    let implementer = Arc::new(world.implementer());
    let other = implementer.clone();
    let work = tokio::spawn(async move { other.implement(&faster()).await });
    tokio::time::sleep(SOON / 2).await;
    implementer.stop();
    work.await.unwrap()
}

#[tokio::test]
async fn after_the_stop_nothing_is_asked_and_everything_stays_open() {
    let world = World::where_models_say(|_| panic!("nothing is to be sent")).await;
    let (ideator, implementer, distiller) =
        (world.ideator(), world.implementer(), world.distiller());
    ideator.stop();
    implementer.stop();
    distiller.stop();
    let tried = population(vec![member(idea(1, "One", "one"), measured(0.6))]);
    let brief =
        Brief { operator: Operator::Fresh, parents: vec![], shown: vec![], count: 1, seed: 5 };
    assert!(is_open(&ideator.propose(3, &brief, &tried).await.result));
    assert!(is_open(&implementer.implement(&faster()).await.result));
    assert!(is_open(&distiller.distil(0, &tried).await.result));
    assert_eq!(world.heard().await.len(), 0);
}

#[tokio::test]
async fn a_patch_that_comes_after_the_stop_is_not_tried_out_until_the_run_goes_on() {
    for select in [Selection::First, Selection::Smallest] {
        let world = World::where_models_say(|_| late(say(&edit("rate = 1", "rate = 3")), SOON))
            .await
            .with(|world| {
                world.llm.candidates = 2;
                world.llm.select = select;
            });
        let answered = stopped_midway(&world).await;
        assert!(is_open(&answered.result), "{answered:?}");
        assert_eq!(keys(&answered.calls), ["i7.r0.c0.v0", "i7.r0.c1.v0"], "it is paid, so told");
        assert_eq!(world.gate.seen.lock().unwrap().len(), 0);
        let resumed = world.implementer().implement(&faster()).await;
        assert!(resumed.result.is_ok());
        assert_eq!(world.heard().await.len(), 2, "nothing is asked twice");
    }
}

#[tokio::test]
async fn no_revision_is_begun_after_the_stop() {
    let world = World::where_models_say(|question| match asked_for(question).1 {
        0 => late(say("no patch"), SOON),
        _ => say(&edit("rate = 1", "rate = 3")),
    })
    .await;
    let answered = stopped_midway(&world).await;
    assert!(is_open(&answered.result), "{answered:?}");
    assert_eq!(keys(&answered.calls), ["i7.r0.c0.v0"]);
    assert!(world.implementer().implement(&faster()).await.result.is_ok());
}

#[tokio::test]
async fn one_of_several_is_not_chosen_before_all_are_judged() {
    let world = World::where_models_say(|question| match asked_for(question).0 {
        0 => say(&edit("rate = 1\ndepth = 2", "rate = 3\ndepth = 4")),
        _ => late(say(&edit("rate = 1", "rate = 5")), SOON),
    })
    .await
    .with(|world| {
        world.llm.candidates = 2;
        world.llm.select = Selection::Smallest;
    });
    let answered = stopped_midway(&world).await;
    assert!(is_open(&answered.result), "{answered:?}");
    let resumed = world.implementer().implement(&faster()).await;
    assert!(after(&resumed.result.unwrap(), TRAIN).starts_with("rate = 5\ndepth = 2"));
}

#[tokio::test]
async fn the_judge_is_asked_when_the_run_goes_on() {
    let world = World::where_models_say(|question| {
        if question["messages"].to_string().contains("Several patches were written") {
            return say(r#"{"choice": 2}"#);
        }
        say(&edit("rate = 1", &format!("rate = {}", 10 + asked_for(question).0)))
    })
    .await
    .with(|world| {
        world.llm.candidates = 2;
        world.llm.select = Selection::Judge;
    });
    // The stop comes while the last candidate is being tried out.
    let stopping = Arc::new(std::sync::OnceLock::<Arc<dyn Implementer>>::new());
    let at_gate = stopping.clone();
    let world = world.with(|world| {
        world.gate = rule(move |text| {
            if text.starts_with("rate = 11") {
                at_gate.get().unwrap().stop();
            }
            None
        });
    });
    let implementer: Arc<dyn Implementer> = Arc::new(world.implementer());
    assert!(stopping.set(implementer.clone()).is_ok());
    let answered = implementer.implement(&faster()).await;
    assert!(is_open(&answered.result), "{answered:?}");
    let world = world.with(|world| world.gate = rule(|_| None));
    let resumed = world.implementer().implement(&faster()).await;
    assert!(after(&resumed.result.unwrap(), TRAIN).starts_with("rate = 11\n"));
    assert_eq!(world.heard().await.len(), 3);
}
