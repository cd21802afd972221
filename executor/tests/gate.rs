//! What a patch meets on its way to an experiment: real commits, real sandboxes, small Python programs.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

mod bench;

use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use autores_domain::{
    Edit, Fault, FaultClass, Gate, Idea, IdeaId, Patch, Revision, RunId, Smoke, Stage, Workspace,
};
use autores_executor::attempt::AttemptFolder;
use autores_executor::gate::SandboxGate;
use autores_executor::guard::Rules;
use autores_executor::workspace::{GitWorkspace, Source};
use bench::{Bench, again_as_another_user, bench, eventually, lives, python};

const TRAIN: &str = "def step():\n    return 1.0\n";
const LAUNCH: &str = "import json, sys\nimport train\nfor number in range(3):\n    \
    print('@metrics', json.dumps({'step': number, 'train_loss': train.step()}), flush=True)\n\
    open(sys.argv[1] + '/model', 'w').write('weights')\n";

/// A gate over a program of two files, of which `train.py` may change.
struct Gated {
    bench: Bench,
    workspace: GitWorkspace,
}

fn run() -> RunId {
    "brisk-otter".parse().unwrap()
}

fn idea() -> Idea {
    Idea::baseline(IdeaId { run: run(), number: 3 })
}

fn patch(text: &str) -> Patch {
    let path = "train.py".parse().unwrap();
    Patch { edits: vec![Edit::Write { path, content: text.to_owned() }] }
}

fn gated() -> Gated {
    gated_with(|_| ())
}

fn gated_with(change: impl FnOnce(&mut Bench)) -> Gated {
    let (python, library) = python();
    let words = |words: &[&str]| -> Vec<String> {
        let python = python.to_str().unwrap();
        words.iter().map(|word| word.replace("PYTHON", python)).collect()
    };
    let mut bench = bench()
        .file("train.py", TRAIN)
        .file("launch.py", LAUNCH)
        .trusted_shell("evaluate", "exit 9");
    bench.environment = vec![library];
    bench.problem.editable = vec!["train.py".into(), "new.py".into()];
    let build =
        words(&["PYTHON", "-X", "pycache_prefix={work}/cache", "-m", "compileall", "-q", "."]);
    let stage = Stage {
        name: "build".into(),
        command: build,
        reads: Vec::new(),
        trusted: false,
        on_failure: FaultClass::Build,
        result: None,
    };
    bench.problem.stages.insert(0, stage);
    bench.problem.smoke = Some(Smoke {
        command: words(&["PYTHON", "launch.py", "{out}"]),
        scale: None,
        reads: vec!["train".into()],
        wall_s: 30,
        on_failure: FaultClass::Crash,
    });
    change(&mut bench);
    let commit = bench.commit();
    let repository = bench.path("repository");
    let tree = git2::Repository::open(&repository)
        .and_then(|opened| opened.revparse_single("HEAD^{tree}").map(|tree| tree.id().to_string()));
    let source = Source {
        repository,
        prefix: String::new(),
        base: Revision { commit, tree: tree.unwrap(), lines: (0, 0) },
    };
    let rules = Rules::new(&bench.problem.editable, &bench.problem.frozen).unwrap();
    Gated { workspace: GitWorkspace::open(source, rules).unwrap(), bench }
}

impl Gated {
    fn gate(&self) -> SandboxGate {
        SandboxGate::new(self.workspace.clone(), self.bench.setup(), run(), "cpu")
    }

    async fn pass(&self, text: &str) -> Result<Revision, Fault> {
        self.gate().pass(&idea(), None, &patch(text)).await
    }

    async fn fault(&self, text: &str) -> Fault {
        self.pass(text).await.unwrap_err()
    }

    fn folder(&self) -> PathBuf {
        self.bench.path("runs/brisk-otter/gates")
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder()).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// A trial that has begun, and the process id that the patch wrote.
    async fn begun(&self, revision: &Revision) -> (AttemptFolder, String) {
        let folder = AttemptFolder::at(self.folder().join(&revision.tree));
        let path = folder.work().join("tmp/pid");
        let pid =
            eventually(|| fs::read_to_string(&path).ok().filter(|text| text.ends_with('\n'))).await;
        (folder, pid)
    }
}

const SLEEPER: &str = "import os, tempfile, time\n\
    open(tempfile.gettempdir() + '/pid', 'w').write(f'{os.getpid()}\\n')\n\
    time.sleep(600)\n";

#[tokio::test]
async fn a_patch_that_runs_becomes_a_revision_without_a_branch() {
    let gated = gated();
    let revision = gated.pass("def step():\n    return 0.5\n").await.unwrap();
    assert_eq!(revision.lines, (1, 1));
    let code = gated.workspace.code(&revision).await.unwrap();
    assert_eq!(code[&"train.py".parse().unwrap()], "def step():\n    return 0.5\n");
    let repository = git2::Repository::open(gated.bench.path("repository")).unwrap();
    assert!(repository.find_reference("refs/heads/autores/brisk-otter/i3").is_err());
    assert_eq!(gated.names(), [format!("{}.json", revision.tree)], "only the verdict is kept");
}

#[tokio::test]
async fn each_gate_refuses_with_its_class_and_the_words_that_help() {
    let gated = gated();
    let cases = [
        (TRAIN, FaultClass::Patch, "the edits change nothing", ""),
        ("def step(:\n", FaultClass::Build, "stage build exited with status 1", "SyntaxError: "),
        (
            "import nothing_of_this_name\n",
            FaultClass::Build,
            "No module named 'nothing_of_this_name'",
            "import train",
        ),
        (
            "def step():\n    return width\n",
            FaultClass::Crash,
            "NameError: name 'width' is not defined",
            "train.py\", line 2",
        ),
        ("def step():\n    return float('nan')\n", FaultClass::Diverged, "train_loss is NaN", ""),
        ("def step():\n    return len(bytearray(2_000_000_000))\n", FaultClass::Oom, "memory", ""),
    ];
    for (text, class, reason, tail) in cases {
        let fault = gated.fault(text).await;
        assert_eq!(fault.class, class, "{fault}");
        assert!(fault.reason.contains(reason), "{fault}");
        assert!(fault.tail.join("\n").contains(tail), "{:?}", fault.tail);
    }
    let frozen = Edit::Write { path: "launch.py".parse().unwrap(), content: "pass\n".into() };
    let fault = gated.gate().pass(&idea(), None, &Patch { edits: vec![frozen] }).await.unwrap_err();
    assert_eq!(fault.class, FaultClass::Policy);
    assert_eq!(fault.reason, "launch.py matches no editable glob (train.py, new.py)");
}

#[tokio::test]
async fn a_loop_without_end_costs_no_more_than_the_limit() {
    let gated = gated_with(|bench| bench.problem.smoke.as_mut().unwrap().wall_s = 2);
    let endless = "def step():\n    while True:\n        pass\n";
    let begun = Instant::now();
    let fault = gated.fault(endless).await;
    assert_eq!(fault.class, FaultClass::Timeout, "{fault}");
    let fault = gated.fault("import time\ndef step():\n    time.sleep(600)\n").await;
    assert_eq!(fault.class, FaultClass::Stalled);
    assert!(begun.elapsed() < Duration::from_secs(40), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_trial_that_twice_went_without_a_processor_is_no_verdict() {
    let gated = gated_with(|bench| bench.problem.smoke.as_mut().unwrap().wall_s = 2);
    let waits = "import time\ndef step():\n    while True:\n        \
        print('.', flush=True)\n        time.sleep(0.2)\n";
    let fault = gated.fault(waits).await;
    assert_eq!(fault.class, FaultClass::Timeout, "{fault}");
    assert!(fault.reason.contains("of a processor"), "{fault}");
    assert_eq!(gated.names(), Vec::<String>::new(), "it is tried again when it comes again");
}

#[tokio::test]
async fn the_sandbox_of_an_experiment_holds_here_too() {
    let gated = gated();
    fs::write(gated.bench.path("data/train/tokens"), "1").unwrap();
    fs::write(gated.bench.path("data/test/answers"), "1").unwrap();
    let data = gated.bench.path("data");
    let read = |name: &str| {
        format!("def step():\n    return float(open('{}/{name}').read())\n", data.display())
    };
    gated.pass(&read("train/tokens")).await.unwrap();
    let fault = gated.fault(&read("test/answers")).await;
    assert!(fault.reason.contains("PermissionError"), "{fault}");
    let see = "import os\ndef step():\n    assert os.environ['CUDA_VISIBLE_DEVICES'] == ''\n    \
        assert os.getpriority(os.PRIO_PROCESS, 0) >= 5\n    return 1.0\n";
    gated.pass(see).await.unwrap();
}

#[tokio::test]
async fn a_tree_is_tried_once_whoever_comes_with_it() {
    let gated = gated();
    let crash = "def step():\n    return width\n";
    let gate = gated.gate();
    let idea_3 = idea();
    let idea_4 = Idea { id: IdeaId { run: run(), number: 4 }, ..idea() };
    let (good, bad) = (patch("def step():\n    return 0.5\n"), patch(crash));
    let (first, second) =
        tokio::join!(gate.pass(&idea_3, None, &good), gate.pass(&idea_4, None, &good));
    let (first, second) = (first.unwrap(), second.unwrap());
    assert_eq!(first.tree, second.tree);
    assert_ne!(first.commit, second.commit, "each idea has a commit of its own");
    let refused = gate.pass(&idea(), None, &bad).await.unwrap_err();

    // With a supervisor that cannot be started, only what was remembered is known.
    let mut setup = gated.bench.setup();
    setup.shim = vec![OsString::from("/nonexistent/shim")];
    let later = SandboxGate::new(gated.workspace.clone(), setup, run(), "cpu");
    assert_eq!(later.pass(&idea(), None, &good).await, Ok(first));
    assert_eq!(later.pass(&idea(), None, &bad).await, Err(refused));
    let fault = later.pass(&idea(), None, &patch("x = 1\n")).await.unwrap_err();
    assert_eq!(fault.class, FaultClass::Infra);
}

#[tokio::test]
async fn a_repair_is_tried_with_what_it_repairs() {
    let gated = gated();
    let text = "import new\ndef step():\n    return new.width\n";
    let new = |text: &str| Edit::Write { path: "new.py".parse().unwrap(), content: text.into() };
    let mut edits = patch(text).edits;
    edits.push(new("weight = 1.0\n"));
    let broken = Patch { edits };
    let gate = gated.gate();
    let fault = gate.pass(&idea(), None, &broken).await.unwrap_err();
    assert!(fault.reason.contains("no attribute 'width'"), "{fault}");
    let first = gated.workspace.commit(&idea(), None, &broken).await.unwrap();
    let repair = Patch { edits: vec![new("width = 1.0\n")] };
    let second = gate.pass(&idea(), Some(&first), &repair).await.unwrap();
    assert_eq!(second.lines, (3, 1), "{second:?}");
}

#[tokio::test]
async fn code_that_never_passed_puts_no_blame_on_a_patch() {
    let gated = gated_with(|bench| {
        bench.problem.smoke.as_mut().unwrap().command[1] = "missing.py".into();
    });
    let fault = gated.fault("def step():\n    return 0.5\n").await;
    assert_eq!(fault.class, FaultClass::Infra);
    assert!(fault.reason.contains("unchanged code does not pass"), "{fault}");
    assert!(fault.reason.contains("missing.py"), "{fault}");
    assert!(gated.names().is_empty(), "no verdict is kept");
}

#[tokio::test]
async fn without_a_smoke_a_patch_must_only_compile() {
    let gated = gated_with(|bench| bench.problem.smoke = None);
    gated.pass("def step():\n    return width\n").await.unwrap();
    assert_eq!(gated.fault("def step(:\n").await.class, FaultClass::Build);
    let gated = gated_with(|bench| {
        bench.problem.smoke = None;
        bench.problem.stages.remove(0);
    });
    gated.pass("def step(:\n").await.unwrap();
}

#[tokio::test]
async fn a_trial_that_nobody_waits_for_is_ended() {
    let gated = gated();
    let (gate, sleeper) = (gated.gate(), patch(SLEEPER));
    let revision = gated.workspace.draft(&idea(), None, &sleeper).await.unwrap();
    let idea = idea();
    let mut waiting = Box::pin(gate.pass(&idea, None, &sleeper));
    let pid = tokio::select! {
        _ = &mut waiting => panic!("a sleeper passed"),
        (_, pid) = gated.begun(&revision) => pid,
    };
    assert!(lives(&pid));
    drop(waiting);
    eventually(|| (!lives(&pid)).then_some(())).await;
}

#[tokio::test]
async fn what_a_killed_orchestrator_left_is_ended_and_removed() {
    let gated = gated();
    let sleeper = patch(SLEEPER);
    let revision = gated.workspace.draft(&idea(), None, &sleeper).await.unwrap();
    let left = gated.gate();
    // As if the process were gone: neither dropped nor polled again.
    let idea_ = idea();
    let mut waiting = Box::pin(left.pass(&idea_, None, &sleeper));
    let (folder, pid) = tokio::select! {
        _ = &mut waiting => panic!("a sleeper passed"),
        begun = gated.begun(&revision) => begun,
    };
    gated.gate().sweep().await.unwrap();
    assert!(!lives(&pid));
    assert!(!folder.path().exists());
    assert_eq!(gated.names(), Vec::<String>::new(), "a trial that was ended is no verdict");
}

#[tokio::test]
async fn trials_are_made_so_many_at_a_time() {
    let gated = gated();
    let gate = gated.gate().at_once(1);
    let text = |number: u32| {
        patch(&format!(
            "import time\nlast = {number}\nstarted = time.time()\ndef step():\n    time.sleep(0.2)\n    return 1.0\n"
        ))
    };
    let (idea, patches) = (idea(), [text(1), text(2), text(3)]);
    let begun = Instant::now();
    let [a, b, c] = &patches;
    let passed = tokio::join!(
        gate.pass(&idea, None, a),
        gate.pass(&idea, None, b),
        gate.pass(&idea, None, c)
    );
    assert!(passed.0.is_ok() && passed.1.is_ok() && passed.2.is_ok());
    assert!(begun.elapsed() >= Duration::from_millis(1800), "they ran side by side");
}

#[test]
fn for_another_user_it_is_the_same() {
    again_as_another_user();
}
