//! The orchestrator dies at every named point and at random moments; the next process finishes the run.

use std::os::unix::process::ExitStatusExt;
use std::process::Stdio;
use std::time::Duration;

use crate::invariants::{check_invariants, check_no_orphans};
use crate::support::{Bench, bench, text};
use autores_domain::Status;

const SMALL: [&str; 8] =
    ["--epochs", "2", "--batch", "2", "--verify-seeds", "2", "--finalists", "1"];

/// Where the orchestrator dies, and at which passing of the point.
const POINTS: [(&str, u32); 36] = [
    ("engine.before.run_opened", 1),
    ("engine.after.run_opened", 1),
    ("engine.before.experiment_queued", 1),
    ("engine.after.experiment_queued", 1),
    ("engine.before.attempt_started", 1),
    ("engine.after.attempt_started", 1),
    ("engine.after.attempt_started", 4),
    ("engine.before.attempt_measured", 1),
    ("engine.before.attempt_measured", 3),
    ("engine.after.attempt_measured", 1),
    ("engine.after.attempt_measured", 5),
    ("engine.after.record_metrics", 2),
    ("engine.before.brief_issued", 1),
    ("engine.after.brief_issued", 1),
    ("engine.before.brief_answered", 1),
    ("engine.after.brief_answered", 2),
    ("engine.before.idea_patched", 1),
    ("engine.after.idea_patched", 1),
    ("engine.before.idea_committed", 1),
    ("engine.after.idea_committed", 1),
    ("engine.before.run_finished", 1),
    ("results.before_commit", 1),
    ("results.before_commit", 7),
    ("results.after_commit", 1),
    ("results.after_commit", 12),
    ("workspace.before_commit", 1),
    ("workspace.before_ref", 1),
    ("workspace.after_ref", 1),
    ("backend.before_checkout", 2),
    ("backend.after_checkout", 2),
    ("backend.after_spec", 1),
    ("backend.before_spawn", 3),
    ("backend.after_spawn", 1),
    ("backend.after_ready", 1),
    ("backend.after_ready", 3),
    ("engine.before.attempt_failed", 1),
];

#[test]
fn a_run_survives_death_at_every_named_point() {
    let bench = bench();
    let mut died = Vec::new();
    for (index, (point, passing)) in POINTS.into_iter().enumerate() {
        let name = format!("at-{index}");
        let first = bench
            .run(&name, &SMALL)
            .env("FAILPOINTS", format!("{point}={}*off->return", passing - 1))
            .output()
            .unwrap();
        if first.status.signal() == Some(6) {
            died.push(point);
        } else {
            // A point that this run never passes; all others must have been fatal.
            assert!(first.status.success(), "{point}: {}", text(&first));
        }
        finish(bench, &name);
    }
    died.dedup();
    assert!(died.len() >= 24, "only {} points were passed: {died:?}", died.len());
}

#[test]
fn a_shim_that_dies_at_any_point_costs_an_attempt_and_nothing_else() {
    let bench = bench();
    // The fail points reach the shims through their environment, so each shim of the first process dies.
    for (index, point) in [
        "shim.after_lock",
        "shim.after_start_record",
        "shim.before_exit",
        "shim.before_exit_rename",
    ]
    .iter()
    .enumerate()
    {
        let name = format!("shim-{index}");
        let first =
            bench.run(&name, &SMALL).env("FAILPOINTS", format!("{point}=return")).output().unwrap();
        // Every attempt of the baseline is lost, so the run ends, with the reason.
        assert_eq!(first.status.code(), Some(1), "{point}: {}", text(&first));
        assert!(text(&first).contains("infra"), "{point}: {}", text(&first));
        check_no_orphans(bench, &name);
    }
}

#[test]
fn a_run_survives_kills_at_random_moments() {
    let bench = bench();
    for seed in 0..4u64 {
        let name = format!("random-{seed}");
        // A small generator of moments; the seed is in the run's name.
        let mut state = seed * 2_654_435_761 + 12_345;
        let mut kills = 0;
        for life in 0.. {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let moment = Duration::from_millis(100 + (state >> 33) % 1_500);
            let known = !bench.log(&name).is_empty();
            let mut command =
                if known { bench.command(&["resume", &name]) } else { bench.run(&name, &SMALL) };
            let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            std::thread::sleep(moment);
            if let Some(status) = child.try_wait().unwrap() {
                assert!(status.success(), "{name}: {status}");
                break;
            }
            child.kill().unwrap();
            child.wait().unwrap();
            kills += 1;
            assert!(life < 60, "{name} makes no progress");
        }
        assert!(kills > 0, "{name} was never killed");
        finish(bench, &name);
    }
}

/// Resumes, if that is needed, and checks what is left.
fn finish(bench: &Bench, name: &str) {
    if bench.log(name).is_empty() {
        // It died before the run existed: the user starts it again.
        let again = bench.run(name, &SMALL).output().unwrap();
        assert!(again.status.success(), "{name}: {}", text(&again));
    }
    let resumed = bench.autores(&["resume", name]);
    assert!(resumed.status.success(), "{name}: {}", text(&resumed));
    assert!(matches!(bench.replay(name).status, Status::Finished(_)));
    check_invariants(bench, name);
}
