//! From results to lessons.

use autores_domain::*;
use serde_json::json;

use crate::world::*;

fn lesson(advice: Advice, topic: &str, text: &str, evidence: &[u32]) -> Lesson {
    let evidence = evidence.iter().map(|number| id(*number)).collect();
    Lesson { advice, topic: topic.into(), text: text.into(), evidence }
}

fn told_lessons(lessons: &[(&str, &str, &str, &[&str])]) -> String {
    let list: Vec<_> = lessons
        .iter()
        .map(|(advice, topic, text, evidence)| {
            json!({"advice": advice, "topic": topic, "text": text, "evidence": evidence})
        })
        .collect();
    json!({"lessons": list}).to_string()
}

fn results() -> Population {
    population(vec![
        member(idea(1, "Muon", "Use Muon."), measured(0.55)),
        member(idea(2, "Muon 2", "Use Muon with rate 2."), measured(0.54)),
        member(idea(3, "Wider", "Widen it."), failed(FaultClass::Oom, "needed 2 GB")),
        member(idea(4, "Later", "Not measured."), Outcome::Pending),
    ])
}

#[tokio::test]
async fn lessons_are_drawn_from_what_was_measured_and_linked_to_it() {
    let reply = told_lessons(&[
        ("do", "optimizer", "Muon raises the reward by 4σ.", &["r/i1", "i2"]),
        ("avoid", "width", "Wider layers need too much memory.", &["r/i3"]),
    ]);
    let world = World::where_models_always_say(&reply).await;
    let answered = world.distiller().distil(2, &results()).await;
    assert_eq!(
        answered.result.unwrap(),
        [
            lesson(Advice::Do, "optimizer", "Muon raises the reward by 4σ.", &[1, 2]),
            lesson(Advice::Avoid, "width", "Wider layers need too much memory.", &[3]),
        ]
    );
    assert_eq!(keys(&answered.calls), ["l2"]);
    assert_eq!(answered.calls[0].role, Role::Judge);
    let told = told(&world.heard().await[0]);
    assert!(told.contains("+5.0σ") && told.contains("class `oom`: needed 2 GB"), "{told}");
    assert!(!told.contains("Not measured."), "what has no result teaches nothing");
}

#[tokio::test]
async fn what_contradicts_itself_is_kept_where_there_is_more_evidence() {
    let reply = told_lessons(&[
        ("avoid", "the optimizers", "Muon is slow.", &["r/i3"]),
        ("do", "Optimizer", "Muon raises the reward.", &["r/i1", "r/i2"]),
    ]);
    let world = World::where_models_always_say(&reply).await;
    let lessons = world.distiller().distil(0, &results()).await.result.unwrap();
    assert_eq!(lessons, [lesson(Advice::Do, "Optimizer", "Muon raises the reward.", &[1, 2])]);
}

#[tokio::test]
async fn a_lesson_without_evidence_is_left_out_and_a_reply_without_any_is_asked_again() {
    let world = World::where_models_say(|question| match question["seed"].as_u64().unwrap() {
        0 => say(&told_lessons(&[("do", "luck", "Be lucky.", &["r/i99"])])),
        _ => say(&told_lessons(&[
            ("do", "luck", "Be lucky.", &[]),
            ("do", "optimizer", "Muon helps.", &["r/i1"]),
        ])),
    })
    .await;
    let answered = world.distiller().distil(0, &results()).await;
    assert_eq!(answered.result.unwrap(), [lesson(Advice::Do, "optimizer", "Muon helps.", &[1])]);
    assert_eq!(keys(&answered.calls), ["l0", "l0.v1"]);
    let second = told(&world.heard().await[1]);
    assert!(second.contains("no evidence among the experiments shown"), "{second}");
}

#[tokio::test]
async fn replies_of_no_use_fail_and_say_why() {
    for reply in ["Work harder.", "{\"lessons\": \"none\"}", "{\"lessons\": [1, 2]} {}", "{{{{{{"] {
        let world = World::where_models_always_say(reply).await;
        let answered = world.distiller().distil(0, &results()).await;
        match answered.result {
            Ok(lessons) => assert_eq!((reply, lessons), ("{\"lessons\": [1, 2]} {}", vec![])),
            other => {
                let reason = nothing(other);
                assert!(reason.contains("test/m gave no lesson in 2 replies"), "{reply}: {reason}");
            }
        }
    }
}

#[tokio::test]
async fn with_nothing_new_the_lessons_stay_and_nobody_is_asked() {
    let world = World::where_models_say(|_| panic!("nobody is to be asked")).await;
    let old = vec![lesson(Advice::Do, "optimizer", "Muon helps.", &[1, 2, 3])];
    let known = Population { lessons: old.clone(), ..results() };
    let answered = world.distiller().distil(1, &known).await;
    assert_eq!((answered.result, answered.calls), (Ok(old), vec![]));
    let answered = world.distiller().distil(1, &population(vec![])).await;
    assert_eq!((answered.result, answered.calls), (Ok(vec![]), vec![]));
}

#[tokio::test]
async fn earlier_lessons_are_told_and_what_was_learnt_elsewhere_counts_as_evidence() {
    let elsewhere: IdeaId = "other-run/i5".parse().unwrap();
    let imported = Lesson {
        evidence: vec![elsewhere.clone()],
        ..lesson(Advice::Do, "optimizer", "Muon helped elsewhere.", &[])
    };
    let reply = told_lessons(&[("do", "optimizer", "Muon helps.", &["other-run/i5", "r/i1"])]);
    let world = World::where_models_always_say(&reply).await;
    let known = Population { lessons: vec![imported], ..results() };
    let lessons = world.distiller().distil(1, &known).await.result.unwrap();
    assert_eq!(lessons[0].evidence, [elsewhere, id(1)]);
    assert!(told(&world.heard().await[0]).contains("Muon helped elsewhere. [other-run/i5]"));
}

#[tokio::test]
async fn a_reply_that_was_cut_off_forgets_nothing() {
    let mut cut = told_lessons(&[("do", "optimizer", "Muon helps.", &["r/i1"])]);
    cut.truncate(cut.len() - 2);
    let reply = format!("{cut}, {{\"advice\": \"av");
    let world = World::where_models_say(move |_| {
        wiremock::ResponseTemplate::new(200).set_body_json(json!({
            "choices": [{"message": {"content": reply}, "finish_reason": "length"}],
            "usage": {"prompt_tokens": 10, "completion_tokens": 10},
        }))
    })
    .await;
    let old = lesson(Advice::Avoid, "width", "Wide is slow.", &[3]);
    let known = Population { lessons: vec![old.clone()], ..results() };
    let lessons = world.distiller().distil(1, &known).await.result.unwrap();
    assert_eq!(lessons, [lesson(Advice::Do, "optimizer", "Muon helps.", &[1]), old]);
}
