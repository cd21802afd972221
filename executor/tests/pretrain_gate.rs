//! The gate of the built-in problem `pretrain`, with the real PyTorch in the real sandbox.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

use std::path::{Path, PathBuf};
use std::time::Instant;

use autores_domain::{
    Edit, Fault, FaultClass, Gate, Idea, IdeaId, Patch, Problem, Revision, RunId,
};
use autores_executor::backend::local::LocalSetup;
use autores_executor::gate::SandboxGate;
use autores_executor::guard::Rules;
use autores_executor::workspace::{self, GitWorkspace};
use autores_executor::{data, environment};
use autores_templates::problems::{self, Code};
use tempfile::TempDir;

/// The problem's code, environment and data.
struct Pretrain {
    folder: TempDir,
    problem: Problem,
    workspace: GitWorkspace,
    environment: environment::Environment,
    data: data::Prepared,
}

fn pretrain() -> Pretrain {
    let folder = tempfile::tempdir().unwrap();
    let found = problems::find("pretrain").unwrap();
    let Code::Embedded(files) = &found.code else { panic!("pretrain is not built in") };
    let source = workspace::materialise(files, &folder.path().join("repository")).unwrap();
    // Where the tests of the whole program have it too, so that PyTorch is installed once.
    let shared = Path::new(env!("CARGO_TARGET_TMPDIR")).join("program/home");
    let say = |line: &str| eprintln!("{line}");
    let environment = environment::ensure(&shared, found.requirements.as_deref(), &say).unwrap();
    let problem = found.problem;
    let scale = problem.smoke_scale("gpu1");
    assert_eq!(scale, "cpu", "a patch is tried out at the small scale, whatever the run's");
    let data = data::ensure(folder.path(), &problem, scale, &source, &environment, &say).unwrap();
    let rules = Rules::new(&problem.editable, &problem.frozen).unwrap();
    let workspace = GitWorkspace::open(source, rules).unwrap();
    Pretrain { folder, problem, workspace, environment, data }
}

impl Pretrain {
    /// The gate of a run on a GPU that this machine need not have.
    fn gate(&self, wall_s: Option<u64>) -> SandboxGate {
        let mut problem = self.problem.clone();
        if let (Some(smoke), Some(wall_s)) = (&mut problem.smoke, wall_s) {
            smoke.wall_s = wall_s;
        }
        let source = self.workspace.source();
        let setup = LocalSetup {
            runs: self.folder.path().join("runs"),
            shim: vec![PathBuf::from(env!("CARGO_BIN_EXE_autores-shim")).into()],
            problem,
            repository: source.repository.clone(),
            prefix: source.prefix.clone(),
            python: self.environment.python.clone(),
            environment: self.environment.reads.clone(),
            data: self.data.folder.clone(),
            hidden: self.data.hidden.clone(),
            slots: Vec::new(),
        };
        SandboxGate::new(self.workspace.clone(), setup, run(), "gpu1")
    }
}

async fn pass(
    gate: &SandboxGate,
    file: &str,
    find: &str,
    replace: &str,
) -> Result<Revision, Fault> {
    let idea = Idea::baseline(IdeaId { run: run(), number: 1 });
    let path = file.parse().unwrap();
    let edit = Edit::Replace { path, find: find.into(), replace: replace.into() };
    let begun = Instant::now();
    let passed = gate.pass(&idea, None, &Patch { edits: vec![edit] }).await;
    eprintln!("{:.1} s for {replace:?}", begun.elapsed().as_secs_f64());
    passed
}

fn run() -> RunId {
    "brisk-otter".parse().unwrap()
}

#[tokio::test]
async fn what_cannot_train_is_refused_with_the_reason_and_the_rest_passes() {
    let pretrain = pretrain();
    let same = "            mean_loss += loss.detach()";
    let edited = format!("{same}  # a remark");
    let gate = pretrain.gate(None);
    gate.check().await.unwrap();
    pass(&gate, "train.py", same, &edited).await.unwrap();
    let cases = [
        (
            ("train.py", same, "            mean_loss += lost.detach()"),
            FaultClass::Crash,
            "NameError: name 'lost' is not defined",
            "train.py\", line",
        ),
        (
            ("train.py", "logits.flatten(0, 1)", "logits.flatten(1, 2)"),
            FaultClass::Crash,
            "ValueError: Expected input batch_size",
            "loss = F.cross_entropy(flat",
        ),
        (
            ("train.py", "from model import build", "from model import built as build"),
            FaultClass::Build,
            "ImportError: cannot import name 'built' from 'model'",
            "from model import built as build",
        ),
        (
            ("model.py", "import torch.nn.functional as F", "import flash_attn"),
            FaultClass::Build,
            "ModuleNotFoundError: No module named 'flash_attn'",
            "model.py\", line",
        ),
        (
            ("train.py", "while not job.meter.exhausted:", "while not job.meter.exhausted"),
            FaultClass::Build,
            "stage build exited with status 1",
            "SyntaxError: expected ':'",
        ),
        (
            ("train.py", "    return loss\n", "    return loss * float('nan')\n"),
            FaultClass::Diverged,
            "train_loss",
            "",
        ),
        (
            ("train.py", "torch.save({", "print({"),
            FaultClass::Crash,
            "training ended without checkpoint.pt",
            "",
        ),
    ];
    for ((file, find, replace), class, reason, tail) in cases {
        let fault = pass(&gate, file, find, replace).await.unwrap_err();
        assert_eq!(fault.class, class, "{fault}\n{:?}", fault.tail);
        assert!(fault.reason.contains(reason), "{fault}\n{:?}", fault.tail);
        assert!(fault.tail.join("\n").contains(tail), "{:?}", fault.tail);
    }
}

#[tokio::test]
async fn a_loop_without_end_is_out_of_time() {
    let pretrain = pretrain();
    let (find, replace) = ("tokens += batch * context", "while True:\n            tokens += 1");
    let fault = pass(&pretrain.gate(Some(20)), "train.py", find, replace).await.unwrap_err();
    assert_eq!(fault.class, FaultClass::Timeout, "{fault}\n{:?}", fault.tail);
    assert!(fault.reason.starts_with("stage smoke reached"), "{fault}");
}
