//! The design's invariants, on what a run left behind.

use std::collections::BTreeMap;

use autores_domain::{BriefState, Event, ExperimentState, IdeaState, Run};

use crate::support::{Bench, git};

/// All of them, for a run that has finished.
pub(crate) fn check_invariants(bench: &Bench, name: &str) {
    // 1, 7: the log folds, and each state follows on the one before.
    let run = bench.replay(name);
    // Nothing is owed: no idea and no experiment was lost on the way.
    let asked: u32 = run.briefs.iter().map(|(brief, _)| brief.count).sum();
    let answered: u32 = run.briefs.iter().map(|(_, state)| answers(state)).sum();
    assert_eq!(asked, run.config.ideas(), "{name}: a brief was lost");
    assert_eq!(run.ideas.len() as u32 - 1, answered, "{name}: an idea was lost");
    for record in &run.ideas {
        assert!(record.state.step().is_none(), "{name}: something is owed to {}", record.idea.id);
    }
    for record in &run.experiments {
        assert!(record.state.is_terminal(), "{name}: {} has not ended", record.experiment.id);
    }
    check_branches(bench, &run);
    check_attempts(bench, name, &run);
    check_no_orphans(bench, name);
}

fn answers(state: &BriefState) -> u32 {
    match state {
        BriefState::Answered(ideas) => *ideas,
        BriefState::Failed(_) => 0,
        BriefState::Open => panic!("an answer is still owed"),
    }
}

/// 2, 5: every committed idea is on its branch, and nothing but editable files differs from the base.
fn check_branches(bench: &Bench, run: &Run) {
    for record in &run.ideas[1..] {
        let IdeaState::Ready { revision } = &record.state else { continue };
        let branch = git(&bench.problem, &["rev-parse", &record.idea.id.branch()]);
        assert_eq!(branch.trim(), revision.commit);
        let changed =
            git(&bench.problem, &["diff", "--name-only", &run.base.commit, &revision.commit]);
        for path in changed.lines() {
            assert!(path.ends_with("solve.py"), "{} changed {path}", record.idea.id);
        }
    }
}

/// 8, 9: one accepted result an experiment, one process an attempt, and only free retries.
fn check_attempts(bench: &Bench, name: &str, run: &Run) {
    let mut accepted: BTreeMap<String, u32> = BTreeMap::new();
    for recorded in bench.log(name) {
        if let Event::AttemptMeasured { attempt, .. } = &recorded.event {
            *accepted.entry(attempt.experiment.to_string()).or_default() += 1;
        }
    }
    for (experiment, results) in accepted {
        assert_eq!(results, 1, "{experiment} has {results} results");
    }
    for record in &run.experiments {
        let ExperimentState::Measured { attempt, measurement } = &record.state else { continue };
        assert!(measurement.reward.is_finite());
        let folder = bench.attempts(name).join(attempt.local_name());
        let output = std::fs::read_to_string(folder.join("output.log")).unwrap();
        assert_eq!(output.matches("=== stage train").count(), 1, "{attempt} ran more than once");
    }
}

/// No process of the run is left.
pub(crate) fn check_no_orphans(bench: &Bench, name: &str) {
    let folder = bench.attempts(name).display().to_string();
    for process in std::fs::read_dir("/proc").unwrap().flatten() {
        let path = process.path();
        if !path.file_name().unwrap().to_string_lossy().bytes().all(|b| b.is_ascii_digit()) {
            continue;
        }
        let command = std::fs::read(path.join("cmdline")).unwrap_or_default();
        let command = String::from_utf8_lossy(&command).replace('\0', " ");
        assert!(!command.contains(&folder), "{name} left {command}");
    }
}
