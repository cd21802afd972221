//! Whole runs of `pretrain` whose every word comes from the script.

use std::collections::BTreeSet;
use std::time::Duration;

use autores_domain::{FaultClass, Outcome, Run, Status};
use serde_json::Value;

use super::changes::{self, Scripted};
use super::course::{Course, course};
use super::{NAME, Part, ScriptedLlm};
use crate::invariants::check_no_orphans;
use crate::support::{bench, text};

/// A run with the script's model in every role.
fn run(server: &ScriptedLlm, name: &str, epochs: &str, batch: &str) -> (Run, Value) {
    let bench = bench();
    let model = format!("vllm/{NAME}");
    let arguments = [
        "run",
        "--problem",
        "pretrain",
        "--name",
        name,
        "--ideator",
        "llm",
        "--model",
        &model,
        "--epochs",
        epochs,
        "--batch",
        batch,
        "--slots",
        "2",
        "--finalists",
        "0",
    ];
    let output =
        bench.command(&arguments).env("VLLM_BASE_URL", server.base_url()).output().unwrap();
    assert!(output.status.success(), "{}", text(&output));
    check_no_orphans(bench, name);
    let run = bench.replay(name);
    assert!(matches!(run.status, Status::Finished(_)), "{:?}", run.status);
    let shown = bench.autores(&["show", name, "--json"]);
    (run, serde_json::from_slice(&shown.stdout).unwrap())
}

/// The script of an idea of the run.
fn script(title: &str) -> Scripted {
    (0..200).map(changes::idea).find(|idea| idea.title == title).unwrap()
}

/// Whether each idea ended as its course says.
fn check_courses(run: &Run) {
    for record in run.ideas.iter().skip(1) {
        let idea = &record.idea;
        assert_eq!(idea.origin, format!("vllm/{NAME}"));
        let (course, outcome) = (course(&script(&idea.title)), run.outcome(record));
        let revisions = match (course, &outcome) {
            (Course::Good | Course::Revised(_), Outcome::Measured { .. }) => 1,
            (Course::Repaired, Outcome::Measured { .. }) => 2,
            (Course::StaysBroken, Outcome::Failed(fault)) if fault.class == FaultClass::Crash => 3,
            _ => panic!("{} ({course:?}) ended with {outcome:?}", idea.title),
        };
        assert_eq!(record.revisions.len(), revisions, "{} ({course:?})", idea.title);
    }
}

#[test]
fn scripted_ideas_are_written_revised_run_and_mended() {
    let server = ScriptedLlm::start(Duration::from_millis(300));
    let (run, report) = run(&server, "scripted", "2", "3");
    assert_eq!(run.ideas.len(), 7);
    check_courses(&run);
    let titles: BTreeSet<&str> = run.ideas.iter().map(|r| r.idea.title.as_str()).collect();
    assert_eq!(titles.len(), 7);

    // What the run counted is what the server served.
    assert_eq!(run.spent().tokens, server.tokens());
    assert_eq!(run.spent().calls as usize, server.served().len());
    assert_eq!(report["models"]["calls"], server.served().len());
    for part in [Part::Ideas, Part::Patch, Part::Revision, Part::Repair, Part::Lessons] {
        assert!(server.count(part) > 0, "nobody asked for {part:?}");
    }
    assert!(server.most_at_a_time() > 1, "candidates were asked for one after the other");
    assert!(!run.lessons.is_empty());
}

#[test]
#[ignore = "trains for many minutes; its figures are for people"]
fn forty_scripted_ideas_keep_both_slots_busy() {
    let server = ScriptedLlm::start(Duration::from_secs(3));
    let (run, report) = run(&server, "forty", "4", "10");
    assert_eq!(run.ideas.len(), 41);
    check_courses(&run);
    let occupancy = report["occupancy"].as_f64().unwrap();
    eprintln!(
        "slots busy {:.1}% of {:.0} s; {} calls, at most {} at a time, on their way for {:.0} s",
        100.0 * occupancy,
        run.active_ms as f64 / 1000.0,
        server.served().len(),
        server.most_at_a_time(),
        server.busy().as_secs_f64(),
    );
    assert!(occupancy > 0.8, "slots were busy {occupancy} of the time");
}
