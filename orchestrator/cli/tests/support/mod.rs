//! A bench for tests of the whole program: a home, a small real problem, and the program itself.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use autores_domain::{Event, ExperimentState, IdeaState, Recorded, Run, RunId};
use autores_results::Reader;

/// What the tests of one file share: the environment is made once, as for a user.
pub(crate) struct Bench {
    pub(crate) home: PathBuf,
    pub(crate) problem: PathBuf,
}

/// The bench of this test file, with nothing left of an earlier time but what is cached.
pub(crate) fn bench(name: &str) -> &'static Bench {
    static BENCH: OnceLock<Bench> = OnceLock::new();
    BENCH.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let home = folder.join("home");
        for leftover in ["runs", "problems", "autores.db", "autores.db-wal", "autores.db-shm"] {
            let path = home.join(leftover);
            let _ = std::fs::remove_dir_all(&path);
            let _ = std::fs::remove_file(&path);
        }
        let problem = folder.join("toy");
        let _ = std::fs::remove_dir_all(&problem);
        std::fs::create_dir_all(&folder).unwrap();
        let bench = Bench { home, problem };
        bench.new_problem(&bench.problem);
        bench
    })
}

impl Bench {
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_autores"));
        command.args(arguments).env("AUTORES_HOME", &self.home).stdin(Stdio::null());
        command.env_remove("FAILPOINTS");
        command
    }

    pub(crate) fn autores(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// A new problem in a repository of its own, although the folder may be inside another one.
    pub(crate) fn new_problem(&self, folder: &Path) {
        let made = self.autores(&["problem", "new", folder.to_str().unwrap()]);
        assert!(made.status.success(), "{}", text(&made));
        git(folder, &["init", "--quiet"]);
        commit(folder);
    }

    /// A small run of the toy problem.
    pub(crate) fn run(&self, name: &str, more: &[&str]) -> Command {
        let problem = self.problem.to_str().unwrap();
        let mut arguments = vec!["run", "--problem", problem, "--name", name];
        arguments.extend(more);
        self.command(&arguments)
    }

    pub(crate) fn log(&self, run: &str) -> Vec<Recorded> {
        let run: RunId = run.parse().unwrap();
        let database = self.home.join("autores.db");
        if !database.exists() {
            return Vec::new();
        }
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async { Reader::open(&database).await.unwrap().load(&run).await.unwrap() })
    }

    pub(crate) fn replay(&self, run: &str) -> Run {
        Run::replay(&run.parse().unwrap(), &self.log(run)).unwrap()
    }

    pub(crate) fn attempts(&self, run: &str) -> PathBuf {
        self.home.join("runs").join(run).join("attempts")
    }
}

/// All that a program printed.
pub(crate) fn text(output: &Output) -> String {
    format!(
        "{}{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// The design's invariants, on what a finished run left behind.
pub(crate) fn check_invariants(bench: &Bench, name: &str) {
    // 1, 7: the log folds, and each state follows on the one before.
    let run = bench.replay(name);
    // Nothing is owed: no idea and no experiment was lost on the way.
    assert_eq!(run.ideas.len() as u32 - 1, run.config.ideas(), "{name}: an idea was lost");
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

/// Commits all that changed.
pub(crate) fn commit(folder: &Path) {
    git(folder, &["add", "--all"]);
    let who = ["-c", "user.name=tester", "-c", "user.email=tester@localhost"];
    git(folder, &[&who[..], &["commit", "--allow-empty", "--quiet", "--message", "change"]].concat());
}

pub(crate) fn git(folder: &Path, arguments: &[&str]) -> String {
    let output = Command::new("git").arg("-C").arg(folder).args(arguments).output().unwrap();
    assert!(output.status.success(), "git {arguments:?}: {}", text(&output));
    String::from_utf8(output.stdout).unwrap()
}
