//! What a run is going to cost.

use autores_domain::*;
use autores_ideators::forecast::{Habit, History, Line, Plan, forecast};

use crate::world::*;

async fn lines(world: &World, history: &History) -> Vec<Line> {
    let plan = Plan { baseline: id(0), ideas: 100, epochs: 4, repairs: 1 };
    forecast(&world.client(), &world.knowledge(), &plan, history).await.unwrap()
}

fn of<'a>(lines: &'a [Line], role: Role, model: &str) -> &'a Line {
    let found = lines.iter().find(|line| line.role == role && line.model.to_string() == model);
    found.unwrap_or_else(|| panic!("nothing is said of {model} as {role}: {lines:?}"))
}

fn earlier(ideas: u64, habits: &[(Role, &str, u64, Tokens)]) -> History {
    let habits = habits.iter().map(|(role, model, calls, tokens)| {
        ((*role, model.parse().unwrap()), Habit { calls: *calls, tokens: *tokens })
    });
    History { ideas, habits: habits.collect() }
}

fn tokens(input: u64, cached: u64, output: u64) -> Tokens {
    Tokens { input, cached, output }
}

async fn world() -> World {
    World::where_models_say(|_| panic!("a forecast asks nobody")).await.with(|world| {
        world.llm.roles.insert(Role::Ideator, vec![weighted("test/a", 1.0)]);
    })
}

fn with_a_and_b(world: &mut World) {
    let models = vec![weighted("test/a", 1.0), weighted("test/b", 1.0)];
    world.llm.roles.insert(Role::Ideator, models);
}

#[tokio::test]
async fn without_earlier_runs_prompts_and_usual_replies_tell() {
    let world = world().await.with(|world| world.llm.candidates = 4);
    let lines = lines(&world, &History::default()).await;
    let ideator = of(&lines, Role::Ideator, "test/a");
    assert!(!ideator.is_known && (100.0..120.0).contains(&ideator.calls), "{ideator:?}");
    let implementer = of(&lines, Role::Implementer, "test/a");
    assert!((400.0..600.0).contains(&implementer.calls), "{implementer:?}");
    assert_eq!(of(&lines, Role::Judge, "test/a").calls, 4.0, "only lessons are judged");
    for line in &lines {
        assert!(line.tokens > 300.0 * line.calls, "{line:?}");
        // A token costs between 1 and 10 millionths of a dollar.
        let usd = line.usd.unwrap() * 1e6;
        assert!((line.tokens..10.0 * line.tokens).contains(&usd), "{line:?}");
    }
}

#[tokio::test]
async fn a_model_that_is_asked_for_the_first_time_takes_its_share_from_the_others() {
    let world = world().await.with(with_a_and_b);
    let history = earlier(50, &[(Role::Ideator, "test/a", 60, tokens(60_000, 0, 6_000))]);
    let lines = lines(&world, &history).await;
    // 1.2 calls for each idea.
    for model in ["test/a", "test/b"] {
        let line = of(&lines, Role::Ideator, model);
        assert!((line.calls - 60.0).abs() < 1e-9, "{line:?}");
        assert!(line.is_known && (line.tokens - 60.0 * 1_100.0).abs() < 1e-6, "{line:?}");
    }
}

#[tokio::test]
async fn models_that_were_asked_in_different_runs_make_one_habit() {
    let world = world().await.with(with_a_and_b);
    let history = earlier(
        40,
        &[
            (Role::Ideator, "test/a", 20, tokens(20_000, 10_000, 2_000)),
            (Role::Ideator, "test/b", 20, tokens(60_000, 0, 4_000)),
        ],
    );
    let lines = lines(&world, &history).await;
    let (a, b) = (of(&lines, Role::Ideator, "test/a"), of(&lines, Role::Ideator, "test/b"));
    assert_eq!((a.calls, b.calls), (50.0, 50.0), "one call for each idea");
    assert_eq!((a.tokens, b.tokens), (50.0 * 1_100.0, 50.0 * 3_200.0), "each writes as it did");
    // 500 new tokens for $1, 500 cached ones for $0.1 and 100 written ones for $10 a million.
    assert!((a.usd.unwrap() - 50.0 * (500.0 + 50.0 + 1_000.0) / 1e6).abs() < 1e-12, "{a:?}");
}

#[tokio::test]
async fn a_role_that_no_earlier_run_needed_costs_nothing() {
    let history = earlier(50, &[(Role::Ideator, "test/a", 50, tokens(50_000, 0, 5_000))]);
    let lines = lines(&world().await, &history).await;
    assert_eq!(lines.iter().map(|line| line.role).collect::<Vec<_>>(), [Role::Ideator]);
}

#[tokio::test]
async fn embeddings_are_counted_once_for_each_idea_and_are_no_ideas() {
    let world = world().await.with(|world| world.llm.embedding = Some("test/e".parse().unwrap()));
    let new = lines(&world, &History::default()).await;
    let embedding = of(&new, Role::Ideator, "test/e");
    assert_eq!((embedding.calls, embedding.is_known), (100.0, false));
    assert!((5_000.0..40_000.0).contains(&embedding.tokens), "{embedding:?}");
    let history = earlier(
        50,
        &[
            (Role::Ideator, "test/a", 50, tokens(50_000, 0, 5_000)),
            (Role::Ideator, "test/e", 40, tokens(4_000, 0, 0)),
        ],
    );
    let known = lines(&world, &history).await;
    assert_eq!(of(&known, Role::Ideator, "test/a").calls, 100.0);
    let embedding = of(&known, Role::Ideator, "test/e");
    assert_eq!((embedding.calls, embedding.tokens), (80.0, 8_000.0));
    let world = world.with(|world| world.llm.vocabulary = Vocabulary::Catalogue);
    let of_techniques = lines(&world, &History::default()).await;
    assert!(of_techniques.iter().all(|line| line.model.to_string() != "test/e"));
}
