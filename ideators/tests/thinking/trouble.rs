//! Models that do not answer, budgets, and processes that die.

use std::time::{Duration, Instant};

use autores_domain::*;

use crate::world::*;

fn faster() -> Task {
    task(idea(7, "Faster", "Raise the rate in train.py from 1 to 3."))
}

fn brief() -> Brief {
    Brief { operator: Operator::Fresh, parents: vec![], shown: vec![], count: 1, seed: 5 }
}

#[tokio::test]
async fn a_used_up_budget_leaves_idea_and_brief_open() {
    let world = World::where_models_say(|_| panic!("nothing is to be sent")).await.with(|world| {
        world.budget = Budget { usd: Some(0.000_01), ..Budget::default() };
        world.llm.candidates = 3;
    });
    let answered = world.implementer().implement(&faster()).await;
    assert!(
        matches!(&answered.result, Err(Refusal::Budget(words)) if words.contains("$0.0000")),
        "{answered:?}"
    );
    assert_eq!(answered.calls, [], "what was not sent is no call");
    let answered = world.ideator().propose(3, &brief(), &population(vec![])).await;
    assert!(matches!(answered.result, Err(Refusal::Budget(_))), "{answered:?}");
    assert_eq!(world.heard().await.len(), 0);
}

#[tokio::test]
async fn a_budget_that_ends_between_revisions_does_not_reject_the_idea() {
    let world = World::where_models_always_say("no patch").await.with(|world| {
        world.llm.revisions = 20;
        world.budget = Budget { tokens: Some(8_000), ..Budget::default() };
    });
    let answered = world.implementer().implement(&faster()).await;
    assert!(matches!(answered.result, Err(Refusal::Budget(_))), "{answered:?}");
    let sent = world.heard().await.len();
    assert!((2..20).contains(&sent), "{sent}");
    assert_eq!(answered.calls.len(), sent, "what was paid is told");
    assert_eq!(world.client().spent().tokens.output, 100 * sent as u64);
}

#[tokio::test]
async fn a_wrong_key_is_lasting_and_a_server_that_is_down_is_not() {
    for (status, lasts) in [(401, true), (404, true), (500, false), (529, false)] {
        let world = World::where_models_say(move |_| fail(status)).await;
        let check = |refusal: Refusal<String>| match refusal {
            Refusal::Unavailable { reason, is_lasting } => {
                assert_eq!(is_lasting, lasts, "{status}: {reason}");
                assert!(reason.contains("test/m"), "{reason}");
            }
            other => panic!("{status}: {other:?}"),
        };
        let answered = world.implementer().implement(&faster()).await;
        check(answered.result.unwrap_err().map(|fault| fault.to_string()));
        assert_eq!(answered.calls, []);
        check(world.ideator().propose(3, &brief(), &population(vec![])).await.result.unwrap_err());
        let members = vec![member(idea(1, "One", "one"), measured(0.6))];
        check(world.distiller().distil(0, &population(members)).await.result.unwrap_err());
    }
}

#[tokio::test]
async fn one_model_that_is_down_does_not_hold_up_another() {
    let world = World::where_models_say(|question| match asked_for(question).0 {
        0 => fail(500),
        _ => say(&edit("rate = 1", "rate = 3")),
    })
    .await
    .with(|world| world.llm.candidates = 2);
    assert!(world.implementer().implement(&faster()).await.result.is_ok());
}

#[tokio::test]
async fn after_a_crash_nothing_is_asked_twice() {
    let world = World::where_models_say(|question| match asked_for(question) {
        (0, 0) => say(&edit("rate = 7", "rate = 3")),
        (0, _) => say(&edit("rate = 1", "rate = 3")),
        (_, version) => say(&edit("depth = 2", &format!("depth = {}", 7 + version))),
    })
    .await
    .with(|world| {
        world.llm.candidates = 2;
        world.llm.select = Selection::Smallest;
    });
    let first = world.implementer().implement(&faster()).await;
    let sent = world.heard().await.len();
    assert_eq!(sent, 3);
    let second = world.implementer().implement(&faster()).await;
    assert_eq!(second, first);
    assert_eq!(world.heard().await.len(), sent);
    // And with no server at all, from the transcripts alone.
    let again = world.again().await;
    assert_eq!(again.implementer().implement(&faster()).await, first);
}

#[tokio::test]
async fn a_run_is_repeated_though_nobody_says_how_much_its_model_takes() {
    let reply = r#"{"ideas": [{"title": "Tie", "hypothesis": "fewer weights", "plan": "Tie the embeddings."}]}"#;
    let long = TRAIN.to_owned() + &"# one more line of training code\n".repeat(4_000);
    let world = World::where_models_always_say(reply).await.with(|world| {
        world.train = long.clone();
        world.model.context = None;
    });
    let limits = serde_json::json!({"data": [{"id": "m", "max_model_len": 200_000}]});
    wiremock::Mock::given(wiremock::matchers::path("/v1/models"))
        .respond_with(wiremock::ResponseTemplate::new(200).set_body_json(limits))
        .mount(&world.server)
        .await;
    let first = world.ideator().propose(3, &brief(), &population(vec![])).await;
    assert!(first.result.is_ok(), "{first:?}");
    let mut again = World::where_models_say(|_| panic!("a recorded run asks nobody")).await;
    (again.train, again.model.context) = (long, None);
    again.recorded = Some(world.transcripts.clone());
    assert_eq!(again.ideator().propose(3, &brief(), &population(vec![])).await, first);
}

#[tokio::test]
async fn what_was_not_recorded_fails_and_says_so() {
    let mut world = World::where_models_say(|_| panic!("a recorded run asks nobody")).await;
    world.recorded = Some(world.transcripts.clone());
    let fault = nothing(world.implementer().implement(&faster()).await.result);
    assert_eq!(fault.class, FaultClass::Patch, "asked again, it would come to the same");
    assert!(fault.reason.contains("no reply is recorded under i7.r0.c0.v0"), "{}", fault.reason);
    let reason = nothing(world.ideator().propose(3, &brief(), &population(vec![])).await.result);
    assert!(reason.contains("no reply is recorded under b3"), "{reason}");
}

#[tokio::test]
async fn an_idea_that_fits_into_no_window_is_rejected_and_the_run_goes_on() {
    let too_long = |_: &serde_json::Value| {
        wiremock::ResponseTemplate::new(400).set_body_json(serde_json::json!({
            "error": {"code": "context_length_exceeded", "message": "This model's maximum context length is 9 tokens."}
        }))
    };
    let world = World::where_models_say(too_long).await.with(|world| world.llm.candidates = 2);
    let fault = nothing(world.implementer().implement(&faster()).await.result);
    assert_eq!(fault.class, FaultClass::Patch);
    assert!(fault.reason.contains("the prompt needs"), "{}", fault.reason);

    let world = World::where_models_say(|_| panic!("nothing is to be sent"))
        .await
        .with(|world| world.model.context = Some(300));
    let fault = nothing(world.implementer().implement(&faster()).await.result);
    assert_eq!(fault.class, FaultClass::Patch);
    assert!(fault.reason.contains("the prompt needs"), "{}", fault.reason);
}

#[tokio::test]
async fn a_brief_stays_open_where_another_idea_could_not_be_asked_for() {
    let again = r#"{"ideas": [{"title": "Faster", "hypothesis": "it helps", "plan": "Raise the rate in train.py from 1 to 3."}]}"#;
    let tried = population(vec![member(faster().idea, measured(0.52))]);
    let world = World::where_models_say(|question| match question["seed"].as_u64().unwrap() {
        5 => say(again),
        _ => fail(500),
    })
    .await;
    let answered = world.ideator().propose(3, &brief(), &tried).await;
    assert!(
        matches!(&answered.result, Err(Refusal::Unavailable { is_lasting: false, .. })),
        "{answered:?}"
    );
    assert_eq!(keys(&answered.calls), ["b3"], "what was paid is told");

    // A reply that says the same costs more than is left for another.
    let world = World::where_models_always_say(again)
        .await
        .with(|world| world.budget = Budget { tokens: Some(2_100), ..Budget::default() });
    let answered = world.ideator().propose(3, &brief(), &tried).await;
    assert!(matches!(&answered.result, Err(Refusal::Budget(_))), "{answered:?}");
    assert_eq!(world.heard().await.len(), 1);
}

#[tokio::test]
async fn a_model_that_hangs_holds_no_patch_up_and_its_call_is_told_later() {
    let world = World::where_models_say(|question| match asked_for(question).0 {
        0 => say(&edit("rate = 1", "rate = 3")),
        _ => late(say(&edit("rate = 1", "rate = 4")), Duration::from_secs(4)),
    })
    .await
    .with(|world| world.llm.candidates = 2);
    let implementer = world.implementer();
    let start = Instant::now();
    let answered = implementer.implement(&faster()).await;
    assert!(answered.result.is_ok());
    assert!(start.elapsed() < Duration::from_millis(3_500), "{:?}", start.elapsed());
    assert_eq!(keys(&answered.calls), ["i7.r0.c0.v0"]);
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    let next = Task { idea: idea(8, "Deeper", "Make it deeper."), ..faster() };
    let answered = implementer.implement(&next).await;
    assert_eq!(keys(&answered.calls), ["i7.r0.c1.v0", "i8.r0.c0.v0"]);
    // After the last idea there is no next one.
    let start = Instant::now();
    assert_eq!(keys(&implementer.settle().await), ["i8.r0.c1.v0"]);
    assert!(start.elapsed() < Duration::from_secs(4), "{:?}", start.elapsed());
    assert_eq!(implementer.settle().await, []);
    assert_eq!(world.client().spent().calls, 4, "each call is told once");
}

#[tokio::test]
async fn the_first_model_holds_a_patch_of_the_second_up_for_a_while_only() {
    let world = World::where_models_say(|question| match asked_for(question).0 {
        0 => late(say(&edit("rate = 1", "rate = 3")), Duration::from_secs(6)),
        _ => say(&edit("rate = 1", "rate = 4")),
    })
    .await
    .with(|world| world.llm.candidates = 3);
    let implementer = world.implementer();
    let start = Instant::now();
    let answered = implementer.implement(&faster()).await;
    assert!(start.elapsed() < Duration::from_secs(4), "{:?}", start.elapsed());
    let taken = answered.result.unwrap();
    assert!(after(&taken, TRAIN).starts_with("rate = 4\n"));
    assert_eq!(keys(&answered.calls), ["i7.r0.c1.v0", "i7.r0.c2.v0"]);
    assert_eq!(world.gate.seen.lock().unwrap().len(), 1, "no gate is asked in vain");
    assert_eq!(keys(&implementer.settle().await), ["i7.r0.c0.v0"]);
    // By now the first has answered, but the second was taken: after a crash, and in a repetition.
    assert_eq!(world.implementer().implement(&faster()).await.result, Ok(taken.clone()));
    let again = world.again().await;
    assert_eq!(again.implementer().implement(&faster()).await.result, Ok(taken.clone()));
    let third = again.again().await.with(|world| world.recorded = Some(again.transcripts.clone()));
    assert_eq!(third.implementer().implement(&faster()).await.result, Ok(taken));
    assert_eq!(world.client().spent().calls, 3, "what was decided is no call");
}

#[tokio::test]
async fn a_question_that_was_sent_is_answered_and_kept_though_its_asker_is_gone() {
    let world = World::where_models_say(|_| {
        late(say(&edit("rate = 1", "rate = 3")), Duration::from_millis(800))
    })
    .await;
    let implementer = world.implementer();
    let asked =
        tokio::time::timeout(Duration::from_millis(300), implementer.implement(&faster())).await;
    assert!(asked.is_err(), "it was given up before the answer came");
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    let answered = implementer.implement(&faster()).await;
    assert!(answered.result.is_ok());
    assert_eq!(world.heard().await.len(), 1, "the answer is used, not asked for again");
    assert_eq!(world.client().spent().calls, 1);
}

#[tokio::test]
async fn a_prompt_that_is_too_long_for_the_model_is_written_shorter() {
    let world = World::where_models_say(|question| {
        if shown(question).len() > 9_000 {
            return wiremock::ResponseTemplate::new(400).set_body_json(serde_json::json!({
                "error": {"code": "context_length_exceeded",
                          "message": "This model's maximum context length is 4096 tokens. However, your messages resulted in 9000 tokens."}
            }));
        }
        say(&edit("rate = 1", "rate = 3"))
    })
    .await;
    let parent = Parent {
        member: member(idea(3, "Deeper", &"Make it deeper. ".repeat(60)), measured(0.61)),
        code: code(&(TRAIN.to_owned() + &"more = 1\n".repeat(1_500))),
    };
    let task = Task { parents: vec![parent], ..faster() };
    let answered = world.implementer().implement(&task).await;
    answered.result.unwrap();
    assert_eq!(keys(&answered.calls), ["i7.r0.c0.v0"]);
    let heard = world.heard().await;
    assert!(heard.len() >= 2 && shown(&heard[0]).len() > 9_000);
}
