//! A small problem with real files, a real repository and a real supervisor.

#![allow(dead_code, clippy::allow_attributes, reason = "each test program uses a part of it")]
#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use autores_domain::{
    AttemptId, Backend, Ended, Fault, FaultClass, Job, Limits, Metric, Network, Problem,
    ReportError, RewardRule, Scale, Slot, Stage,
};
use autores_executor::attempt::AttemptFolder;
use autores_executor::backend::local::{LocalBackend, LocalSetup};
use tempfile::TempDir;

const SHIM_VARIABLE: &str = "AUTORES_TEST_SHIM";
const NOBODY: u32 = 65_534;

/// A problem and where it is run.
pub(crate) struct Bench {
    pub(crate) folder: TempDir,
    pub(crate) problem: Problem,
    pub(crate) limits: Limits,
    pub(crate) hidden: Vec<PathBuf>,
    pub(crate) environment: Vec<PathBuf>,
    files: BTreeMap<String, String>,
    commit: Option<String>,
}

pub(crate) fn shim() -> PathBuf {
    std::env::var_os(SHIM_VARIABLE)
        .map_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_autores-shim")), PathBuf::from)
}

/// A Python of this machine and its library.
pub(crate) fn python() -> (PathBuf, PathBuf) {
    let ask = "import os, sys; print(os.path.realpath(sys.executable)); print(os.path.dirname(os.__file__))";
    for candidate in ["/usr/bin/python3", "python3"] {
        let Ok(output) = Command::new(candidate).args(["-c", ask]).output() else { continue };
        let text = String::from_utf8(output.stdout).unwrap();
        if let Some((program, library)) = text.trim().split_once('\n') {
            return (program.into(), library.into());
        }
    }
    panic!("these tests need a python3");
}

pub(crate) fn attempt(number: u32) -> AttemptId {
    format!("r/e1.a{number}").parse().unwrap()
}

pub(crate) fn bench() -> Bench {
    let limits = Limits {
        wall_s: 60,
        cpu_s: 60,
        cpu_times_baseline: None,
        memory_mb: 1000,
        output_mb: 200,
        file_mb: 100,
        disk_mb: 1000,
        stall_s: 60,
        grace_s: 1,
    };
    let scale = Scale {
        description: "tiny".into(),
        gpus: 0,
        threads: 1,
        launcher: Vec::new(),
        network: Network::None,
        batch: 1,
        epochs: 1,
        limits: limits.clone(),
    };
    let problem = Problem {
        name: "tiny".into(),
        title: "tiny".into(),
        description: "tiny".into(),
        editable: vec!["*".into()],
        frozen: Vec::new(),
        requirements: None,
        prepare: None,
        stages: Vec::new(),
        smoke: None,
        metric: Metric { name: "loss".into(), unit: "nats".into(), curve: None },
        reward: RewardRule::Reciprocal,
        env: Vec::new(),
        scales: BTreeMap::from([("cpu".to_owned(), scale)]),
        default_scale: "cpu".into(),
    };
    let folder = tempfile::tempdir().unwrap();
    for name in ["data/train", "data/test", "outside", "runs"] {
        fs::create_dir_all(folder.path().join(name)).unwrap();
    }
    Bench {
        folder,
        problem,
        limits,
        hidden: Vec::new(),
        environment: Vec::new(),
        files: BTreeMap::new(),
        commit: None,
    }
}

impl Bench {
    fn add(mut self, name: &str, command: &[&str], trusted: bool) -> Self {
        for stage in &mut self.problem.stages {
            stage.result = None;
        }
        self.problem.stages.push(Stage {
            name: name.into(),
            command: command.iter().map(|word| (*word).to_owned()).collect(),
            reads: vec![if trusted { "test".into() } else { "train".into() }],
            trusted,
            on_failure: FaultClass::Crash,
            result: Some("result.json".into()),
        });
        self
    }

    /// A stage that runs a shell script with the folder to write as `$1`.
    pub(crate) fn shell(mut self, name: &str, script: &str) -> Self {
        self.files.insert(format!("{name}.sh"), script.to_owned());
        self.add(name, &["/bin/sh", &format!("{name}.sh"), "{out}"], false)
    }

    /// A trusted stage that runs a shell script.
    pub(crate) fn trusted_shell(mut self, name: &str, script: &str) -> Self {
        self.files.insert(format!("{name}.sh"), script.to_owned());
        self.add(name, &["/bin/sh", &format!("{name}.sh"), "{out}", "{work}"], true)
    }

    /// A stage that runs a Python script with the folder to write as its argument.
    pub(crate) fn python(mut self, name: &str, script: &str) -> Self {
        self.files.insert(format!("{name}.py"), script.to_owned());
        let (python, library) = python();
        self.environment = vec![library];
        self.add(name, &[python.to_str().unwrap(), &format!("{name}.py"), "{out}"], false)
    }

    pub(crate) fn file(mut self, name: &str, text: &str) -> Self {
        self.files.insert(name.to_owned(), text.to_owned());
        self
    }

    pub(crate) fn limits(mut self, change: impl FnOnce(&mut Limits)) -> Self {
        change(&mut self.limits);
        self
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, text).unwrap();
        path
    }

    pub(crate) fn attempt_folder(&self, attempt: &AttemptId) -> AttemptFolder {
        AttemptFolder::of(&self.path("runs"), attempt)
    }

    pub(crate) fn log(&self) -> String {
        let bytes = fs::read(self.attempt_folder(&attempt(1)).output()).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    pub(crate) fn commit(&mut self) -> String {
        if self.commit.is_none() {
            let path = self.path("repository");
            let repository = git2::Repository::init(&path).unwrap();
            for (name, text) in &self.files {
                fs::write(path.join(name), text).unwrap();
            }
            let mut index = repository.index().unwrap();
            index.add_all(["*"], git2::IndexAddOption::DEFAULT, None).unwrap();
            let tree = repository.find_tree(index.write_tree().unwrap()).unwrap();
            let author = git2::Signature::new("t", "t@t", &git2::Time::new(0, 0)).unwrap();
            let commit =
                repository.commit(Some("HEAD"), &author, &author, "t", &tree, &[]).unwrap();
            self.commit = Some(commit.to_string());
        }
        self.commit.clone().unwrap()
    }

    pub(crate) fn setup(&self) -> LocalSetup {
        LocalSetup {
            runs: self.path("runs"),
            shim: vec![OsString::from(shim())],
            problem: self.problem.clone(),
            repository: self.path("repository"),
            prefix: String::new(),
            python: PathBuf::from("/usr/bin/python3"),
            environment: self.environment.clone(),
            data: self.path("data"),
            hidden: self.hidden.clone(),
            slots: vec![Slot { index: 0, gpus: Vec::new() }],
        }
    }

    pub(crate) fn backend(&self) -> LocalBackend {
        LocalBackend::new(self.setup())
    }

    pub(crate) fn job(&mut self, number: u32) -> Job {
        Job {
            attempt: attempt(number),
            commit: self.commit(),
            scale: "cpu".into(),
            seed: 7,
            slot: Slot { index: 0, gpus: Vec::new() },
            limits: self.limits.clone(),
        }
    }

    pub(crate) async fn start(&mut self) -> LocalBackend {
        let (backend, job) = (self.backend(), self.job(1));
        backend.ensure(&job).await.unwrap();
        backend
    }

    pub(crate) async fn report(&mut self) -> Result<Ended, ReportError> {
        self.start().await.watch(&attempt(1)).await
    }

    /// Runs the stages and gives the result's numbers.
    pub(crate) async fn values(&mut self) -> BTreeMap<String, f64> {
        let ended = self.report().await.unwrap();
        ended.outcome.unwrap_or_else(|fault| panic!("{fault}\n{}", self.log()))
    }

    /// Runs the stages and gives the fault.
    pub(crate) async fn fault(&mut self) -> Fault {
        match self.report().await {
            Ok(ended) => ended.outcome.unwrap_err(),
            Err(ReportError(fault)) => fault,
        }
    }

    /// The number of a file that the stage writes, once it is there.
    pub(crate) async fn written(&self, name: &str) -> String {
        let path = self.attempt_folder(&attempt(1)).work().join(name);
        eventually(|| fs::read_to_string(&path).ok().filter(|text| text.ends_with('\n'))).await
    }
}

/// Asks until there is an answer.
pub(crate) async fn eventually<T>(mut ask: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < deadline, "waited for too long");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Whether a process runs (and is not only waiting to be waited for).
pub(crate) fn lives(pid: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.trim()));
    stat.is_ok_and(|line| !matches!(line.rsplit_once(") ").unwrap().1.as_bytes()[0], b'Z' | b'X'))
}

/// Runs the other tests of this program as a user without rights, if this one has them.
pub(crate) fn again_as_another_user() {
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let copy = |from: &Path, name: &str| {
        let to = folder.path().join(name);
        fs::copy(from, &to).unwrap();
        fs::set_permissions(&to, fs::Permissions::from_mode(0o755)).unwrap();
        to
    };
    let tests = copy(&std::env::current_exe().unwrap(), "tests");
    let shim = copy(&shim(), "shim");
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let output = Command::new(tests)
        .args(["--skip", "for_another_user", "--test-threads", "2"])
        .env(SHIM_VARIABLE, shim)
        .env("TMPDIR", folder.path())
        .env("HOME", folder.path())
        .current_dir("/")
        .uid(NOBODY)
        .gid(NOBODY)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let complained = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "as another user:\n{said}\n{complained}");
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
