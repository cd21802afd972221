//! The main job with the real PyTorch, in the sandbox, cut down to a few experiments.

use std::path::PathBuf;

use autores_domain::{Purpose, Status};

use crate::invariants::check_no_orphans;
use crate::support::{bench, text};

#[test]
fn pretrain_measures_ideas_with_real_training() {
    let bench = bench();
    let arguments = [
        "run",
        "--problem",
        "pretrain",
        "--name",
        "real",
        "--epochs",
        "1",
        "--batch",
        "2",
        "--finalists",
        "1",
        "--verify-seeds",
        "2",
    ];
    let output = bench.autores(&arguments);
    assert!(output.status.success(), "{}", text(&output));
    check_no_orphans(bench, "real");

    let run = bench.replay("real");
    assert!(matches!(run.status, Status::Finished(_)), "{:?}", run.status);
    let baseline = run.rewards(&run.baseline(), Purpose::Baseline);
    assert_eq!(baseline.len(), 3);
    for reward in &baseline {
        // A model that only knows how frequent each byte is has a loss above 3 nats.
        assert!((0.4..0.7).contains(reward), "a loss of {}", 1.0 / reward);
    }
    for record in &run.experiments {
        assert!(
            record.state.measurement().is_some(),
            "{} failed: {:?}",
            record.experiment.id,
            record.state
        );
    }

    // What the evaluation is about is out of reach of training: the sandbox hid it from a run that succeeded.
    let attempt = bench.attempts("real").join("e1.a1");
    let profile = std::fs::read_to_string(attempt.join("profiles").join("1.json")).unwrap();
    let profile: serde_json::Value = serde_json::from_str(&profile).unwrap();
    let hidden: Vec<PathBuf> = serde_json::from_value(profile["hidden"].clone()).unwrap();
    assert!(hidden.iter().any(|path| path.ends_with("turtle.py")), "{hidden:?}");
}
