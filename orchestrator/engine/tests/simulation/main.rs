//! Whole runs of the engine in a simulated world with a paused clock. A failure prints the seed that repeats it.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

mod world;

use std::collections::BTreeSet;
use std::time::Duration;

use autores_domain::*;
use autores_engine::{DriveError, Request};
use proptest::prelude::*;
use tokio::sync::mpsc;
use world::{CALL_USD, Faults, World, config, run_id, with_models};

fn simulate<F: Future>(scenario: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap()
        .block_on(scenario)
}

/// What must hold for every log, finished or not.
fn check_log(events: &[Recorded]) -> Run {
    let mut run = Run::created(&run_id(), &events[0]).unwrap();
    for recorded in &events[1..] {
        run.apply(recorded).unwrap();
        let mut slots = BTreeSet::new();
        for (_, slot) in run.running() {
            assert!(slots.insert(slot.index), "slot {} is held twice", slot.index);
        }
    }
    run
}

fn check_finished(world: &World) {
    let run = check_log(&world.events());
    assert!(matches!(run.status, Status::Finished(_)), "{:?}", run.status);
    assert_eq!(run.ideas.len() as u32 - 1, run.config.ideas(), "an idea was lost");
    for record in &run.ideas {
        assert!(record.state.step().is_none(), "something is owed to {}", record.idea.id);
    }
    for record in &run.experiments {
        assert!(record.state.is_terminal(), "{} has not ended", record.experiment.id);
    }
    for (attempt, processes) in world.processes() {
        assert_eq!(processes, 1, "{attempt} was executed {processes} times");
    }
    let recorded = world.attempts_with_metrics();
    for event in world.events() {
        if let Event::AttemptMeasured { attempt, .. } = event.event {
            assert!(recorded.contains(&attempt), "metrics of {attempt} were lost");
        }
    }
}

#[test]
fn a_run_ends_with_a_winner_that_was_measured_again() {
    simulate(async {
        let world = World::new(7, 2, Faults::default());
        world.create(config(4, 8, 7)).await;
        let run = world.drive_to_the_end().await;
        check_finished(&world);
        let Status::Finished(verdict) = &run.status else { panic!("{:?}", run.status) };
        let winner = verdict.winner().expect("ideas are worth up to ten times the noise");
        assert_eq!(winner.candidate.rewards.len(), 3);
        let screened: BTreeSet<u64> = run
            .experiments_for(Purpose::Screen)
            .chain(run.experiments_for(Purpose::Baseline))
            .map(|record| record.experiment.seed)
            .collect();
        for record in run.experiments_for(Purpose::Verify) {
            assert!(!screened.contains(&record.experiment.seed), "the seed is not fresh");
        }
    });
}

#[test]
fn no_slot_waits_while_ideas_are_wanted() {
    simulate(async {
        let world = World::new(3, 4, Faults { patch: 0.1, crash: 0.1, ..Faults::default() });
        world.create(config(10, 10, 3)).await;
        world.drive_to_the_end().await;
        // The ends of baseline, search and verification leave slots without work; nothing else may.
        assert!(world.occupancy() > 0.9, "occupancy {}", world.occupancy());
    });
}

#[test]
fn slots_do_not_wait_for_slow_models_either() {
    simulate(async {
        // An idea takes three times as long as an experiment, and for the first ones the slots have to wait.
        let world = World::new(3, 2, Faults { slow_s: 45.0, ..Faults::default() });
        world.create(with_models(config(10, 10, 3))).await;
        world.drive_to_the_end().await;
        assert!(world.occupancy() > 0.85, "occupancy {}", world.occupancy());
    });
}

#[test]
fn a_barrier_makes_strict_generations() {
    simulate(async {
        let world = World::new(5, 3, Faults { crash: 0.2, patch: 0.2, ..Faults::default() });
        world.create(RunConfig { barrier: true, ..config(3, 5, 5) }).await;
        world.drive_to_the_end().await;
        let events = world.events();
        let mut run = Run::created(&run_id(), &events[0]).unwrap();
        for recorded in &events[1..] {
            if let Event::BriefIssued { number, .. } = recorded.event
                && number > 0
                && number % 5 == 0
            {
                let population = run.population();
                assert_eq!(population.members.len(), number as usize);
                assert!(population.members.iter().all(|m| m.outcome != Outcome::Pending));
            }
            run.apply(recorded).unwrap();
        }
    });
}

#[test]
fn an_experiment_that_always_loses_its_machine_fails_as_infra() {
    simulate(async {
        let world = World::new(1, 2, Faults { lost: 1.0, ..Faults::default() });
        world.create(config(1, 2, 1)).await;
        let run = world.drive_to_the_end().await;
        let Status::Failed(reason) = run.status else { panic!("{:?}", run.status) };
        assert!(reason.contains("infra: machine lost"), "{reason}");
    });
}

#[test]
fn a_baseline_that_crashes_ends_the_run_before_any_idea_is_paid_for() {
    simulate(async {
        let world = World::new(1, 2, Faults { broken_baseline: true, ..Faults::default() });
        world.create(config(1, 2, 1)).await;
        let run = world.drive_to_the_end().await;
        assert!(matches!(run.status, Status::Failed(_)));
        assert!(run.briefs.is_empty());
        assert_eq!(run.running().count(), 0, "a job outlives its run");
    });
}

#[test]
fn what_crashes_is_mended_at_most_twice() {
    simulate(async {
        let world = World::new(11, 2, Faults { crash: 0.5, patch: 0.2, ..Faults::default() });
        world.create(with_models(config(4, 8, 11))).await;
        let run = world.drive_to_the_end().await;
        check_finished(&world);
        let mended = run.ideas.iter().filter(|record| record.revisions.len() > 1);
        assert!(mended.clone().count() > 3, "few ideas were mended");
        let saved = mended.clone().filter(|record| run.member(record).reward().is_some());
        assert!(saved.count() > 1, "no mended idea was measured");
        for record in &run.ideas[1..] {
            let screens = run.experiments_of(&record.idea.id);
            let screens = screens.filter(|e| e.experiment.purpose == Purpose::Screen).count();
            assert!(record.repairs.len() <= 2 && screens <= 3, "{}", record.idea.id);
            // What could be mended was, as long as there was a patch for it.
            if let Outcome::Failed(fault) = run.outcome(record) {
                let gave_up = record.repairs.len() == record.revisions.len();
                assert!(gave_up || record.repairs.len() == 2, "{}: {fault}", record.idea.id);
            }
        }
        let run_experiments = |idea: &IdeaId| run.experiments_of(idea).collect::<Vec<_>>();
        for record in mended {
            for (number, experiment) in run_experiments(&record.idea.id).iter().enumerate() {
                if experiment.experiment.purpose == Purpose::Screen {
                    assert_eq!(experiment.experiment.revision as usize, number);
                }
            }
        }
    });
}

#[test]
fn the_very_same_code_is_measured_once() {
    simulate(async {
        let world = World::new(2, 3, Faults { twins: 0.4, ..Faults::default() });
        world.create(config(3, 8, 2)).await;
        let run = world.drive_to_the_end().await;
        check_finished(&world);
        let mut seen = BTreeSet::new();
        for record in run.experiments_for(Purpose::Screen) {
            let tree = run.revision_of(&record.experiment).unwrap().tree.clone();
            assert!(seen.insert(tree), "{} measures known code", record.experiment.id);
        }
        let twins: Vec<&IdeaRecord> = run.ideas.iter().filter(|r| r.reused.is_some()).collect();
        assert!(twins.len() > 3);
        let reward = |record: &IdeaRecord| run.member(record).reward().unwrap();
        assert!(twins.iter().all(|twin| reward(twin) == reward(twins[0])));
    });
}

#[test]
fn lessons_are_drawn_after_every_epoch() {
    simulate(async {
        let world = World::new(6, 2, Faults { patch: 0.2, ..Faults::default() });
        world.create(with_models(config(3, 5, 6))).await;
        let run = world.drive_to_the_end().await;
        check_finished(&world);
        assert_eq!(run.distillations, vec![LessonsState::Learnt; 3]);
        assert_eq!(run.lessons.len(), 1);
        assert_eq!(run.lessons[0].evidence.len(), 15, "the last lesson knows every idea");
    });
}

#[test]
fn spending_stops_at_the_cap_and_goes_on_when_it_is_raised() {
    simulate(async {
        let world = World::new(8, 2, Faults::default());
        world.create(with_models(config(3, 6, 8))).await;
        *world.cap_usd.lock().unwrap() = 15.5 * CALL_USD;
        let run = world.drive_to_the_end().await;
        assert_eq!(run.status, Status::Stopped(StopReason::Budget));
        assert_eq!(run.running().count(), 0, "running jobs were let finish");
        assert_eq!(world.paid(), 15.0 * CALL_USD);
        assert_eq!(run.spent().usd, world.paid(), "what was paid is not what is told");
        *world.cap_usd.lock().unwrap() = f64::INFINITY;
        let run = world.drive_to_the_end().await;
        check_finished(&world);
        assert_eq!(run.spent().usd, world.paid());
    });
}

#[test]
fn accelerator_hours_stop_the_run_and_running_jobs_end() {
    simulate(async {
        let world = World::new(8, 2, Faults::default());
        let budget = Budget { accelerator_hours: Some(0.05), ..Budget::default() };
        world.create(RunConfig { budget, ..config(4, 8, 8) }).await;
        let run = world.drive_to_the_end().await;
        assert_eq!(run.status, Status::Stopped(StopReason::Budget));
        assert_eq!(run.running().count(), 0);
        // 180 seconds, and at most what the two running jobs of up to 20.3 seconds add.
        let seconds = run.accelerator_hours() * 3600.0;
        assert!((180.0..=225.0).contains(&seconds), "{seconds}");
        let lost = run.experiments.iter().any(|record| {
            matches!(record.state, ExperimentState::Failed { .. } | ExperimentState::Running { .. })
        });
        assert!(!lost, "a running job was cut off");
        assert!(matches!(&world.events().last().unwrap().event,
            Event::RunStopped { detail: Some(detail), .. } if detail.contains("0.05 hours")));
    });
}

#[test]
fn models_that_do_not_answer_for_a_while_cost_no_idea() {
    simulate(async {
        let world = World::new(12, 2, Faults { silent: 0.3, ..Faults::default() });
        world.create(with_models(config(2, 6, 12))).await;
        world.drive_to_the_end().await;
        check_finished(&world);
    });
}

#[test]
fn an_outage_that_many_questions_meet_at_once_is_one_silence() {
    simulate(async {
        let world = World::new(12, 4, Faults::default());
        world.create(with_models(config(4, 8, 12))).await;
        let down = world.down.clone();
        *down.lock().unwrap() = true;
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_secs(200)).await;
            *down.lock().unwrap() = false;
        });
        world.drive_to_the_end().await;
        check_finished(&world);
    });
}

#[test]
fn models_that_never_answer_stop_the_run_which_can_be_resumed() {
    simulate(async {
        let world = World::new(12, 2, Faults { silent: 1.0, ..Faults::default() });
        world.create(with_models(config(2, 6, 12))).await;
        let run = world.drive_to_the_end().await;
        assert_eq!(run.status, Status::Stopped(StopReason::Models));
        assert!(run.briefs.iter().all(|(_, state)| *state == BriefState::Open), "a brief was lost");
    });
}

/// Stops a run at some moment; how long it then takes to let go, in seconds.
async fn stop_after(world: &World, seconds: f64, request: Request) -> f64 {
    let (sender, requests) = mpsc::channel(1);
    let (told, asked_at) = tokio::sync::oneshot::channel();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
        let _ = told.send(tokio::time::Instant::now());
        let _ = sender.send(request).await;
        std::future::pending::<()>().await;
    });
    let run = world.drive(requests).await.unwrap();
    assert_eq!(run.status, Status::Stopped(StopReason::Request));
    assert_eq!(run.running().count(), 0);
    asked_at.await.unwrap().elapsed().as_secs_f64()
}

#[test]
fn a_stopped_run_goes_on_where_it_was() {
    simulate(async {
        let world = World::new(9, 2, Faults::default());
        world.create(config(3, 6, 9)).await;
        stop_after(&world, 60.0, Request::Stop(StopReason::Request)).await;
        world.drive_to_the_end().await;
        check_finished(&world);
    });
}

#[test]
fn stopping_now_waits_for_no_job_whatever_it_is_doing() {
    // Jobs take 8 to 20 seconds, of which the first 0.3 have no process that could be ended.
    for tenths in 0..200 {
        simulate(async {
            let world = World::new(9, 2, Faults::default());
            world.create(config(2, 4, 9)).await;
            let seconds = f64::from(tenths) / 10.0;
            let took = stop_after(&world, seconds, Request::StopNow(StopReason::Request)).await;
            assert!(took < 1.0, "asked after {seconds} s, it took {took} s");
            world.drive_to_the_end().await;
            check_finished(&world);
        });
    }
}

#[test]
fn a_machine_that_can_start_nothing_ends_the_process_and_no_idea() {
    simulate(async {
        let world = World::new(4, 2, Faults { unavailable: 1.0, ..Faults::default() });
        world.create(config(1, 2, 4)).await;
        let (_sender, requests) = mpsc::channel(1);
        let error = world.drive(requests).await.unwrap_err();
        assert!(matches!(error, DriveError::Backend { .. }), "{error}");
        let run = check_log(&world.events());
        assert!(!run.status.is_terminal(), "the run can be resumed");
    });
}

#[test]
fn a_paused_run_starts_nothing() {
    simulate(async {
        let world = World::new(9, 2, Faults::default());
        world.create(config(3, 6, 9)).await;
        let (sender, requests) = mpsc::channel(1);
        let pauser = async {
            tokio::time::sleep(Duration::from_secs(60)).await;
            sender.send(Request::Pause).await.unwrap();
            tokio::time::sleep(Duration::from_secs(600)).await;
            let before = world.events().len();
            tokio::time::sleep(Duration::from_secs(600)).await;
            assert_eq!(world.events().len(), before);
            assert_eq!(world.replay().status, Status::Paused);
            sender.send(Request::Unpause).await.unwrap();
            std::future::pending::<()>().await;
        };
        tokio::select! {
            run = world.drive(requests) => { run.unwrap(); }
            () = pauser => {}
        }
        check_finished(&world);
    });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// The same seed in the same world gives the same events.
    #[test]
    fn a_run_repeats_itself(seed: u64) {
        let faults = Faults { lost: 0.1, crash: 0.2, patch: 0.2, unavailable: 0.05, ..Faults::default() };
        let events = |()| simulate(async {
            let world = World::new(seed, 3, faults);
            world.create(config(2, 5, seed)).await;
            world.drive_to_the_end().await;
            world.events()
        });
        prop_assert_eq!(events(()), events(()));
    }

    /// A run that repeats another has the same ideas with the same numbers, although its machines are slower or faster.
    #[test]
    fn a_repeated_run_has_the_same_ideas(seed: u64, slots in 1u32..5) {
        let faults = Faults { crash: 0.2, patch: 0.2, ..Faults::default() };
        let (first, second) = simulate(async {
            let world = World::new(seed, 3, faults);
            world.create(config(3, 5, seed)).await;
            let first = world.drive_to_the_end().await;
            let mut again = World::new(seed, slots, Faults { lost: 0.02, ..faults });
            again.answered = world
                .events()
                .iter()
                .filter_map(|recorded| match recorded.event {
                    Event::BriefAnswered { number, .. } => Some(number),
                    _ => None,
                })
                .collect();
            again.repeats = Some(std::sync::Arc::new(first.clone()));
            let mut config = with_models(config(3, 5, seed));
            config.repairs = 0;
            let replay = Replay { run: run_id(), briefs: first.briefs.len() as u32 };
            config.llm.as_mut().unwrap().replay = Some(replay);
            again.create(config).await;
            (first, again.drive_to_the_end().await)
        });
        prop_assume!(matches!(second.status, Status::Finished(_)));
        let ideas = |run: &Run| -> Vec<Idea> {
            run.ideas.iter().map(|record| record.idea.clone()).collect()
        };
        prop_assert_eq!(ideas(&first), ideas(&second));
        let briefs = |run: &Run| -> Vec<Brief> {
            run.briefs.iter().map(|(brief, _)| brief.clone()).collect()
        };
        prop_assert_eq!(briefs(&first), briefs(&second));
    }

    /// Whatever the store holds when the process dies, the next process finishes the run.
    #[test]
    fn a_run_survives_death_after_any_event(
        seed: u64,
        deaths in prop::collection::btree_set(1usize..150, 0..8),
    ) {
        let faults = Faults {
            lost: 0.05, crash: 0.3, patch: 0.1, twins: 0.1, silent: 0.05, ..Faults::default()
        };
        simulate(async {
            let world = World::new(seed, 2, faults);
            world.create(with_models(config(2, 6, seed))).await;
            for death in deaths {
                *world.room.lock().unwrap() = death;
                let (_sender, requests) = mpsc::channel(1);
                match world.drive(requests).await {
                    Ok(_) => break,
                    Err(DriveError::Log(_)) => {}
                    Err(error) => panic!("seed {seed}: {error}"),
                }
            }
            *world.room.lock().unwrap() = usize::MAX;
            let run = check_log(&world.events());
            if !run.status.is_terminal() {
                world.drive_to_the_end().await;
            }
            match check_log(&world.events()).status {
                // The baseline lost its machine three times.
                Status::Failed(reason) => assert!(reason.contains("machine lost"), "{reason}"),
                _ => {
                    check_finished(&world);
                    prop_assert_eq!(world.replay().spent().usd, world.paid());
                }
            }
            Ok(())
        })?;
    }
}
