//! How the code of a scripted idea comes about: at once, after a refusal, or only after a failed run.

use autores_domain::Codebase;

use super::changes::{Edit, Scripted};
use super::form::{Form, write};

/// What becomes of the patches for one idea.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Course {
    /// The first reply is good.
    Good,
    /// The first reply of each candidate is refused, the next one is good.
    Revised(Mistake),
    /// The patch passes every check and crashes some way into the run; the repair mends it.
    Repaired,
    /// As before, but each repair only moves the crash.
    StaysBroken,
}

/// What is wrong with a first reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mistake {
    /// Lines are to be found that the file does not have.
    Stale,
    /// A file that measures is changed.
    Frozen,
    /// The code does not compile.
    Syntax,
    /// The code fails in its first step.
    Smoke,
    /// There is no patch.
    Words,
}

/// By number, again and again.
const COURSES: [Course; 12] = [
    Course::Good,
    Course::Good,
    Course::Revised(Mistake::Stale),
    Course::Good,
    Course::Repaired,
    Course::Revised(Mistake::Smoke),
    Course::Good,
    Course::Revised(Mistake::Frozen),
    Course::Good,
    Course::Revised(Mistake::Syntax),
    Course::StaysBroken,
    Course::Revised(Mistake::Words),
];

/// Tokens after which a patch that is meant to fail does. A smoke stage sees fewer.
const CRASH_AFTER: u64 = 20_000;

const REPORT: &str = "        job.report(tokens, mean_loss)";

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ask {
    /// The first patch of a candidate.
    First,
    /// Another, after a refusal.
    Revision,
    /// Edits of code that crashed after so many tokens.
    Repair(u64),
}

pub(crate) fn course(idea: &Scripted) -> Course {
    COURSES[idea.number % COURSES.len()]
}

/// The words of an answer. `code` is what the problem starts from.
pub(crate) fn reply(idea: &Scripted, ask: Ask, form: Form, code: &Codebase) -> String {
    let with = |more: Edit| [idea.edits.clone(), vec![more]].concat();
    match (course(idea), ask) {
        (Course::Revised(Mistake::Words), Ask::First) => {
            "I would begin with the lines that the plan names. Shall I go on?".to_owned()
        }
        (Course::Revised(mistake), Ask::First) => write(&with(wrong(mistake)), Form::Blocks, code),
        (Course::Repaired | Course::StaysBroken, Ask::First | Ask::Revision) => {
            write(&with(edit("train.py", REPORT, &crashing(CRASH_AFTER))), form, code)
        }
        (Course::StaysBroken, Ask::Repair(at)) => {
            let later = edit("train.py", &crashing(at), &crashing(2 * at));
            write(&[later], Form::Blocks, code)
        }
        (_, Ask::Repair(at)) => {
            write(&[edit("train.py", &crashing(at), REPORT)], Form::Blocks, code)
        }
        (Course::Good | Course::Revised(_), Ask::First | Ask::Revision) => {
            write(&idea.edits, form, code)
        }
    }
}

/// After how many tokens the code in a prompt crashes.
pub(crate) fn crash_in(prompt: &str) -> Option<u64> {
    let (_, after) = prompt.split_once("if tokens > ")?;
    after.split_once(':')?.0.parse().ok()
}

fn crashing(at: u64) -> String {
    format!(
        "{REPORT}\n        if tokens > {at}:\n            raise RuntimeError(\"the mean of an empty window\")"
    )
}

/// An edit that spoils a patch.
fn wrong(mistake: Mistake) -> Edit {
    match mistake {
        Mistake::Stale | Mistake::Words => edit(
            "model.py",
            "        self.rope = Rotary(config.width // config.heads)\n        self.gates = nn.Parameter(torch.zeros(3))",
            "        self.rope = None",
        ),
        Mistake::Frozen => edit("wire.py", "import struct", "import struct\nimport time"),
        Mistake::Syntax => edit(
            "train.py",
            "def loss_of(logits: Tensor, targets: Tensor) -> Tensor:",
            "def loss_of(logits: Tensor, targets: Tensor) -> Tensor",
        ),
        Mistake::Smoke => edit(
            "train.py",
            "    flat = logits.flatten(0, 1).float()",
            "    flat = logits.flatten(0, 1).float() + offset",
        ),
    }
}

fn edit(path: &str, find: &str, replace: &str) -> Edit {
    Edit { path: path.to_owned(), find: find.to_owned(), replace: replace.to_owned() }
}
