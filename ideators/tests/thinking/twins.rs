//! Ideas that say what another said before.

use autores_domain::*;
use serde_json::{Value, json};
use wiremock::matchers::{method, path};
use wiremock::{Mock, Request, ResponseTemplate};

use crate::world::*;

fn again() -> Task {
    let members = vec![
        member(idea(2, "Wider MLP", "Increase the width of the MLP to 512."), measured(0.4)),
        member(
            idea(3, "Use Muon", "Replace AdamW with Muon for the matrix parameters in train.py."),
            measured(0.6),
        ),
    ];
    let twin = idea(
        7,
        "Muon optimizer for matrices",
        "Use Muon instead of AdamW for the matrix parameters.",
    );
    Task { population: population(members), ..task(twin) }
}

#[tokio::test]
async fn a_twin_is_refused_before_anything_is_sent() {
    let world = World::where_models_say(|_| panic!("nobody is to be asked")).await;
    let answered = world.implementer().implement(&again()).await;
    let fault = nothing(answered.result);
    assert_eq!(fault.class, FaultClass::Duplicate);
    assert!(fault.reason.contains("r/i3") && fault.reason.contains("Use Muon"), "{}", fault.reason);
    assert_eq!(answered.calls, []);
    assert_eq!(world.heard().await.len(), 0);
}

#[tokio::test]
async fn what_came_to_no_code_may_be_tried_again() {
    for class in [FaultClass::Patch, FaultClass::Duplicate, FaultClass::Infra] {
        let world = World::where_models_always_say(&edit("rate = 1", "rate = 3")).await;
        let mut task = again();
        task.population.members[1].outcome = failed(class, "it did not apply");
        assert!(world.implementer().implement(&task).await.result.is_ok(), "{class}");
    }
    let world = World::where_models_always_say(&edit("rate = 1", "rate = 3")).await;
    let mut task = again();
    task.population.members[1].outcome = failed(FaultClass::Crash, "it ran and crashed");
    assert_eq!(
        nothing(world.implementer().implement(&task).await.result).class,
        FaultClass::Duplicate
    );
}

/// A server whose embeddings say what a text is about by a word in it.
async fn with_meaning(world: World) -> World {
    let embed = |request: &Request| {
        let body: Value = request.body_json().unwrap();
        let text = body["input"][0].as_str().unwrap().to_owned();
        let vector = if text.contains("orthogonal") || text.contains("Muon") {
            [1.0, 0.1]
        } else {
            [0.0, 1.0]
        };
        ResponseTemplate::new(200).set_body_json(json!({
            "data": [{"index": 0, "embedding": vector}], "usage": {"prompt_tokens": 9},
        }))
    };
    Mock::given(method("POST"))
        .and(path("/v1/embeddings"))
        .respond_with(embed)
        .mount(&world.server)
        .await;
    world.with(|world| world.llm.embedding = Some("test/e".parse().unwrap()))
}

#[tokio::test]
async fn a_twin_in_quite_other_words_is_found_by_its_embedding() {
    let world =
        with_meaning(World::where_models_say(|_| panic!("no code is to be written")).await).await;
    let task = Task {
        idea: idea(7, "Whitened updates", "Make each update orthogonal before it is taken."),
        ..again()
    };
    let implementer = world.implementer();
    let answered = implementer.implement(&task).await;
    let fault = nothing(answered.result);
    assert_eq!(fault.class, FaultClass::Duplicate);
    assert!(fault.reason.contains("r/i3"), "{}", fault.reason);
    assert_eq!(
        keys(&answered.calls),
        ["i3.embed", "i7.embed"],
        "an idea with other numbers is not compared"
    );
    // What is known of the earlier ones is not asked for again.
    implementer.implement(&task).await;
    assert_eq!(world.heard().await.len(), 2);
}

#[tokio::test]
async fn without_embeddings_words_decide() {
    let world = World::where_models_always_say(&edit("rate = 1", "rate = 3"))
        .await
        .with(|world| world.llm.embedding = Some("test/e".parse().unwrap()));
    let task =
        Task { idea: idea(7, "Whitened updates", "Make each update orthogonal."), ..again() };
    let answered = world.implementer().implement(&task).await;
    answered.result.unwrap();
    assert_eq!(keys(&answered.calls), ["i7.r0.c0.v0"]);
}
