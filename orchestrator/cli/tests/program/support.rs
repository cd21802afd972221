//! A bench for tests of the whole program: a home, a small real problem, and the program itself.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use autores_domain::{Recorded, Run, RunId};
use autores_results::Reader;

/// What the tests share: the environment is made once, as for a user.
pub(crate) struct Bench {
    pub(crate) home: PathBuf,
    pub(crate) problem: PathBuf,
}

/// The bench, with nothing left of an earlier time but what is cached.
pub(crate) fn bench() -> &'static Bench {
    static BENCH: OnceLock<Bench> = OnceLock::new();
    BENCH.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("program");
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
        command.env_remove("FAILPOINTS").env_remove("AUTORES_SETTINGS");
        // A key or a server of whoever runs the tests is not for the tests.
        let of_models = |name: &String| name.ends_with("_API_KEY") || name.ends_with("_BASE_URL");
        for (name, _) in std::env::vars().filter(|(name, _)| of_models(name)) {
            command.env_remove(name);
        }
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

/// Commits all that changed.
pub(crate) fn commit(folder: &Path) {
    git(folder, &["add", "--all"]);
    let who = ["-c", "user.name=tester", "-c", "user.email=tester@localhost"];
    git(
        folder,
        &[&who[..], &["commit", "--allow-empty", "--quiet", "--message", "change"]].concat(),
    );
}

pub(crate) fn git(folder: &Path, arguments: &[&str]) -> String {
    let output = Command::new("git").arg("-C").arg(folder).args(arguments).output().unwrap();
    assert!(output.status.success(), "git {arguments:?}: {}", text(&output));
    String::from_utf8(output.stdout).unwrap()
}

/// Names what cannot be tried on this machine, for the end of the test run; with `CI=true` that is a failure.
pub(crate) fn did_not_run(what: &str) {
    assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "did not run: {what}");
    eprintln!("did not run: {what}");
    if let Some(list) = std::env::var_os("AUTORES_NOT_RUN") {
        let mut list = std::fs::OpenOptions::new().append(true).create(true).open(list).unwrap();
        std::io::Write::write_all(&mut list, format!("{what}\n").as_bytes()).unwrap();
    }
}
