//! Data is prepared once, by the code of the base commit.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::cell::RefCell;
use std::fs;
use std::path::PathBuf;

use autores_domain::{Codebase, Limits, Metric, Network, Problem, RewardRule, Scale};
use autores_executor::data::{self, DataError, Prepared};
use autores_executor::environment::Environment;
use autores_executor::workspace::{self, Source};
use tempfile::TempDir;

const PREPARE: &str = "echo working; mkdir $2/train; echo $1 > $2/train/text; pwd > $2/where
echo $2/validation > $2/hidden.txt; echo x >> $(dirname $2)/runs\n";

struct Fixture {
    home: TempDir,
    problem: Problem,
    source: Source,
}

impl Fixture {
    fn new(script: &str) -> Self {
        let home = TempDir::new().unwrap();
        let files: Codebase = [("prepare.sh".parse().unwrap(), script.to_owned())].into();
        let source = workspace::materialise(&files, &home.path().join("repository")).unwrap();
        Self { home, problem: problem(), source }
    }

    fn ensure(&self, scale: &str) -> Result<Prepared, DataError> {
        let environment = Environment { python: "python3".into(), reads: Vec::new() };
        data::ensure(self.home.path(), &self.problem, scale, &self.source, &environment, &|_| ())
    }

    fn runs(&self) -> usize {
        let file = self.home.path().join("problems/small/data/runs");
        fs::read_to_string(file).map_or(0, |text| text.lines().count())
    }
}

fn problem() -> Problem {
    let limits = Limits {
        wall_s: 1,
        cpu_s: 1,
        cpu_times_baseline: None,
        memory_mb: 1,
        output_mb: 1,
        file_mb: 1,
        disk_mb: 100,
        stall_s: 1,
        grace_s: 1,
    };
    let scale = Scale {
        description: String::new(),
        gpus: 0,
        threads: 1,
        launcher: Vec::new(),
        network: Network::None,
        batch: 1,
        epochs: 1,
        limits,
    };
    Problem {
        name: "small".into(),
        title: String::new(),
        description: String::new(),
        editable: Vec::new(),
        frozen: Vec::new(),
        requirements: None,
        prepare: Some(["sh", "prepare.sh", "{scale}", "{data}"].map(str::to_owned).into()),
        stages: Vec::new(),
        smoke: None,
        metric: Metric { name: "loss".into(), unit: "nats".into(), curve: None },
        reward: RewardRule::Negate,
        env: Vec::new(),
        scales: [("cpu".to_owned(), scale.clone()), ("big".to_owned(), scale)].into(),
        default_scale: "cpu".into(),
    }
}

#[test]
fn data_is_prepared_once_per_scale() {
    let fixture = Fixture::new(PREPARE);
    let prepared = fixture.ensure("cpu").unwrap();
    assert_eq!(fs::read_to_string(prepared.folder.join("train/text")).unwrap(), "cpu\n");
    assert_eq!(prepared.hidden, [prepared.folder.join("validation")]);
    assert_eq!(fixture.ensure("cpu").unwrap(), prepared);
    assert_eq!(fixture.runs(), 1);
    assert_ne!(fixture.ensure("big").unwrap().folder, prepared.folder);
    assert_eq!(fixture.runs(), 2);
    // The code's copy is gone once the data is there.
    let code = fs::read_to_string(prepared.folder.join("where")).unwrap();
    assert!(!PathBuf::from(code.trim()).exists());
}

#[test]
fn half_prepared_data_is_prepared_again() {
    let fixture = Fixture::new("touch $2/half; exit 3\n");
    let error = fixture.ensure("cpu").unwrap_err();
    assert!(matches!(&error, DataError::Failed { .. }), "{error}");
    let fixed: Codebase =
        [("prepare.sh".parse().unwrap(), "test ! -e $2/half\n".to_owned())].into();
    let source = workspace::materialise(&fixed, &fixture.home.path().join("repository")).unwrap();
    // The same name as before, so that the leftovers would be met.
    let source = Source {
        base: autores_domain::Revision { tree: fixture.source.base.tree.clone(), ..source.base },
        ..source
    };
    let fixture = Fixture { source, ..fixture };
    assert!(fixture.ensure("cpu").unwrap().hidden.is_empty());
}

#[test]
fn a_failing_preparation_shows_its_last_lines() {
    let fixture = Fixture::new(
        "for i in $(seq 1 50); do echo line $i; done; echo no text here >&2; exit 7\n",
    );
    let error = fixture.ensure("cpu").unwrap_err().to_string();
    assert!(
        error.starts_with("preparing the data of small for scale cpu failed with exit status: 7\n"),
        "{error}"
    );
    assert!(error.ends_with("line 50\n  no text here") && !error.contains("line 1\n"), "{error}");
}

#[test]
fn progress_is_told_while_it_works() {
    let fixture = Fixture::new(PREPARE);
    let lines = RefCell::new(Vec::new());
    let environment = Environment { python: "python3".into(), reads: Vec::new() };
    let tell = |line: &str| lines.borrow_mut().push(line.to_owned());
    data::ensure(
        fixture.home.path(),
        &fixture.problem,
        "cpu",
        &fixture.source,
        &environment,
        &tell,
    )
    .unwrap();
    assert_eq!(*lines.borrow(), ["preparing the data of small for scale cpu", "working"]);
}

#[test]
fn what_cannot_be_prepared_is_named() {
    let mut fixture = Fixture::new(PREPARE);
    let error = fixture.ensure("huge").unwrap_err().to_string();
    assert_eq!(error, "problem small has no scale huge; it has big, cpu");
    fixture.problem.prepare = Some(vec!["no-such-program".into()]);
    assert!(
        fixture.ensure("cpu").unwrap_err().to_string().starts_with("cannot use no-such-program")
    );
}
