//! Code that failed when it ran.

use autores_domain::*;

use crate::world::*;

fn broken(repairs: u32, class: FaultClass, reason: &str) -> Task {
    let deep = TRAIN.replace("depth = 2", "depth = 200");
    let usage =
        Usage { wall_s: 12.0, cpu_s: 10.0, peak_memory_mb: 998.0, peak_gpu_memory_mb: None };
    Task {
        code: code(&deep),
        broken: Some(Broken {
            repairs,
            revision: Revision { commit: "c".into(), tree: deep, lines: (1, 1) },
            fault: Fault::new(class, reason)
                .with_tail(vec!["MemoryError: at layer 150".to_owned()]),
            evidence: Evidence { metric: None, usage: Some(usage), curve: vec![9.0, 8.0, 7.5] },
        }),
        ..task(idea(7, "Deeper", "Make it deeper."))
    }
}

#[tokio::test]
async fn the_repairer_sees_what_went_wrong_and_mends_the_revision() {
    let world =
        World::where_models_always_say(&edit("depth = 200", "depth = 20")).await.with(|world| {
            let own = vec![weighted("test/repairer", 1.0)];
            world.llm.roles.insert(Role::Repairer, own);
        });
    let task = broken(0, FaultClass::Oom, "more than 1000 MiB were needed");
    let answered = world.implementer().implement(&task).await;
    let patch = answered.result.unwrap();
    assert!(after(&patch, &task.code[&train()]).contains("depth = 20\n"));
    assert_eq!(keys(&answered.calls), ["i7.r1.c0.v0"]);
    assert_eq!(answered.calls[0].role, Role::Repairer);
    let heard = world.heard().await;
    assert_eq!(heard[0]["model"], "repairer");
    let told = told(&heard[0]);
    for words in [
        "more than 1000 MiB were needed",
        "MemoryError: at layer 150",
        "depth = 200",
        "998 MiB",
        "train_loss 9.00 → 8.00 → 7.50",
    ] {
        assert!(told.contains(words), "{words:?} is not told:\n{told}");
    }
}

#[tokio::test]
async fn a_second_repair_is_another_call_and_its_refusal_is_part_of_the_conversation() {
    let world = World::where_models_say(|question| match asked_for(question) {
        (_, 0) => say(&edit("depth = 2", "depth = 20\nbroken")),
        (_, _) => say(&edit("depth = 200", "depth = 30")),
    })
    .await
    .with(|world| {
        world.gate = rule(|text| {
            text.contains("broken")
                .then(|| Fault::new(FaultClass::Build, "train.py does not compile"))
        });
    });
    let task = broken(1, FaultClass::Crash, "train exited with 1");
    let answered = world.implementer().implement(&task).await;
    assert!(after(&answered.result.unwrap(), &task.code[&train()]).contains("depth = 30"));
    assert_eq!(keys(&answered.calls), ["i7.r2.c0.v0", "i7.r2.c0.v1"]);
    let second = &world.heard().await[1];
    let roles: Vec<&str> = second["messages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["role"].as_str().unwrap())
        .collect();
    assert_eq!(roles, ["system", "user", "assistant", "user"]);
    let last = second["messages"][3]["content"].as_str().unwrap();
    assert!(
        last.contains("build: train.py does not compile") || last.contains("no lines"),
        "{last}"
    );
    assert!(told(second).contains("train exited with 1"), "the failure is still told");
}

#[tokio::test]
async fn what_is_mended_is_not_taken_for_its_own_twin() {
    let world = World::where_models_always_say(&edit("depth = 200", "depth = 20")).await;
    let task = broken(0, FaultClass::Crash, "train exited with 1");
    let population = population(vec![member(idea(3, "Deeper", "Make it deeper."), measured(0.6))]);
    let task = Task { population, ..task };
    world.implementer().implement(&task).await.result.unwrap();
}
