//! From the way a stage ended to a class and a sentence. Pure.

use autores_domain::{Fault, FaultClass};
use nix::sys::signal::Signal;
use nix::sys::wait::WaitStatus;

use super::output::Tail;
use super::refusal::Refusal;
use super::{OWN_PREFIX, StageSpec};

/// Exit status with which a trusted stage says that a rule was broken.
const POLICY_STATUS: i32 = 3;
/// Exit status with which a trusted stage says that the result is not finite.
const DIVERGED_STATUS: i32 = 4;
/// Memory use, as a share of the limit, from which a kill from outside is put down to it.
const NEAR_LIMIT: f64 = 0.8;

const MEMORY_WORDS: [&str; 6] = [
    "CUDA out of memory",
    "torch.OutOfMemoryError",
    "torch.cuda.OutOfMemoryError",
    "CUDA_ERROR_OUT_OF_MEMORY",
    "DefaultCPUAllocator: can't allocate memory",
    "std::bad_alloc",
];
/// What Python calls code that it could not read or import.
const IMPORT_WORDS: [&str; 5] =
    ["ImportError", "ModuleNotFoundError", "SyntaxError", "IndentationError", "TabError"];
const DISK_WORDS: [&str; 2] = ["No space left on device", "ENOSPC"];
const FILE_WORDS: [&str; 3] = ["File too large", "File size limit exceeded", "EFBIG"];

/// What else is known of the stage.
pub(super) struct Facts {
    /// Most memory used, as a share of the limit.
    pub(super) memory_share: f64,
    /// Whether the kernel ended processes for want of memory meanwhile.
    pub(super) memory_kills: bool,
    pub(super) file_mb: u64,
    /// Whether the disk really is full. What a stage prints proves nothing.
    pub(super) disk_is_full: bool,
    /// Why its program was not started, if it was not.
    pub(super) refusal: Option<Refusal>,
}

/// Why the stage failed; `None` if it did not.
pub(super) fn fault(
    stage: &StageSpec,
    status: WaitStatus,
    tail: &Tail,
    facts: &Facts,
) -> Option<Fault> {
    let name = &stage.name;
    let (ending, code, signal) = match status {
        WaitStatus::Exited(_, 0) => return None,
        WaitStatus::Exited(_, code) => (format!("exited with status {code}"), Some(code), None),
        WaitStatus::Signaled(_, signal, _) => {
            (format!("was ended by {signal}"), None, Some(signal))
        }
        WaitStatus::Stopped(..)
        | WaitStatus::PtraceEvent(..)
        | WaitStatus::PtraceSyscall(..)
        | WaitStatus::Continued(_)
        | WaitStatus::StillAlive => return None,
    };
    let last = tail.last.as_deref();
    let because = |detail: Option<&str>| {
        detail.map_or_else(
            || format!("stage {name} {ending}"),
            |detail| format!("stage {name} {ending}: {detail}"),
        )
    };
    let new = |class, reason: String| Some(Fault::new(class, reason).with_tail(tail.lines.clone()));
    let says = |words: &[&str]| {
        tail.lines.iter().rev().find(|line| words.iter().any(|word| line.contains(word)))
    };

    // Which program runs is the problem's choice, unless it is a part of the code.
    let is_installed = stage.command.first().is_some_and(|program| program.starts_with('/'));
    match &facts.refusal {
        Some(Refusal::Sandbox(reason)) => {
            return new(FaultClass::Infra, format!("stage {name}: {reason}"));
        }
        Some(Refusal::Program(reason)) if is_installed => {
            return new(FaultClass::Infra, format!("stage {name}: {reason}"));
        }
        Some(Refusal::Program(reason)) => {
            return new(stage.on_failure, format!("stage {name}: {reason}"));
        }
        None => {}
    }
    if stage.trusted {
        let told = |word: &str| {
            let line = last.unwrap_or("no reason was given");
            line.strip_prefix(word).map_or(line, |rest| rest.trim_start()).to_owned()
        };
        match code {
            Some(POLICY_STATUS) => return new(FaultClass::Policy, told("policy:")),
            Some(DIVERGED_STATUS) => return new(FaultClass::Diverged, told("diverged:")),
            Some(_) | None => {}
        }
    }
    if signal == Some(Signal::SIGKILL) {
        if facts.memory_share >= NEAR_LIMIT {
            return new(
                FaultClass::Oom,
                because(Some("its memory was near the limit (memory_mb)")),
            );
        }
        // It had not used what it may use.
        if facts.memory_kills {
            return new(FaultClass::Infra, because(Some("the machine ran out of memory")));
        }
    }
    if let Some(line) = says(&MEMORY_WORDS).or_else(|| python_memory_error(tail)) {
        return new(FaultClass::Oom, because(Some(line)));
    }
    let file_limit = format!("a file grew over the limit of {} MiB (file_mb)", facts.file_mb);
    if signal == Some(Signal::SIGXFSZ) || says(&FILE_WORDS).is_some() {
        return new(FaultClass::Policy, because(Some(&file_limit)));
    }
    if facts.disk_is_full
        && let Some(line) = says(&DISK_WORDS)
    {
        return new(FaultClass::Infra, because(Some(line)));
    }
    let detail = last.map(|line| line.strip_prefix(OWN_PREFIX).unwrap_or(line));
    let is_import = last.is_some_and(|line| IMPORT_WORDS.contains(&python_error(line)));
    // Only where the problem gives the failure no meaning of its own.
    let is_usual = !stage.trusted && stage.on_failure == FaultClass::Crash;
    let class = if is_import && is_usual { FaultClass::Build } else { stage.on_failure };
    new(class, because(detail))
}

fn python_memory_error(tail: &Tail) -> Option<&String> {
    tail.lines.iter().rev().find(|line| python_error(line).ends_with("MemoryError"))
}

/// The kind of error with which the last line of a traceback begins.
fn python_error(line: &str) -> &str {
    line.split_once(':').map_or(line, |(kind, _)| kind)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::PathBuf;

    use nix::unistd::Pid;

    use super::*;

    fn stage(trusted: bool) -> StageSpec {
        StageSpec {
            name: "train".into(),
            command: Vec::new(),
            env: BTreeMap::new(),
            profile: PathBuf::new(),
            folder: PathBuf::new(),
            trusted,
            on_failure: FaultClass::Crash,
            result: None,
        }
    }

    fn exited(code: i32) -> WaitStatus {
        WaitStatus::Exited(Pid::from_raw(1), code)
    }

    fn killed(signal: Signal) -> WaitStatus {
        WaitStatus::Signaled(Pid::from_raw(1), signal, false)
    }

    fn facts(memory_share: f64) -> Facts {
        Facts { memory_share, memory_kills: false, file_mb: 7, disk_is_full: false, refusal: None }
    }

    fn check(
        trusted: bool,
        status: WaitStatus,
        lines: &[&str],
        share: f64,
        expected: (FaultClass, &str),
    ) {
        let lines: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
        let tail = Tail { last: lines.last().cloned(), lines };
        let fault = fault(&stage(trusted), status, &tail, &facts(share)).unwrap();
        assert_eq!((fault.class, fault.reason.as_str()), expected);
        assert_eq!(fault.tail, tail.lines);
    }

    #[test]
    fn an_error_says_status_and_last_line() {
        let lines = ["Traceback (most recent call last):", "ValueError: bad width"];
        let reason = "stage train exited with status 1: ValueError: bad width";
        check(false, exited(1), &lines, 0.1, (FaultClass::Crash, reason));
        check(false, exited(1), &[], 0.1, (FaultClass::Crash, "stage train exited with status 1"));
        check(
            false,
            killed(Signal::SIGSEGV),
            &[],
            0.1,
            (FaultClass::Crash, "stage train was ended by SIGSEGV"),
        );
    }

    #[test]
    fn code_that_does_not_import_was_not_built() {
        let line = "ModuleNotFoundError: No module named 'x'";
        let reason = format!("stage train exited with status 1: {line}");
        check(false, exited(1), &[line], 0.1, (FaultClass::Build, &reason));
        check(true, exited(1), &[line], 0.1, (FaultClass::Crash, &reason));
        let strict = StageSpec { on_failure: FaultClass::Policy, ..stage(false) };
        let tail = Tail { last: Some(line.into()), lines: vec![line.into()] };
        let fault = fault(&strict, exited(1), &tail, &facts(0.1)).unwrap();
        assert_eq!(fault.class, FaultClass::Policy, "the problem names the class itself");
        let line = "ValueError: ImportError: no";
        let reason = format!("stage train exited with status 1: {line}");
        check(false, exited(1), &[line], 0.1, (FaultClass::Crash, &reason));
    }

    #[test]
    fn want_of_memory_is_known_by_its_words_or_by_the_kill() {
        let line = "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2 GiB";
        check(
            false,
            exited(1),
            &[line],
            0.1,
            (FaultClass::Oom, &format!("stage train exited with status 1: {line}")),
        );
        check(
            false,
            exited(1),
            &["MemoryError"],
            0.1,
            (FaultClass::Oom, "stage train exited with status 1: MemoryError"),
        );
        let reason = "stage train was ended by SIGKILL: its memory was near the limit (memory_mb)";
        check(false, killed(Signal::SIGKILL), &[], 0.95, (FaultClass::Oom, reason));
        check(
            false,
            killed(Signal::SIGKILL),
            &[],
            0.1,
            (FaultClass::Crash, "stage train was ended by SIGKILL"),
        );
    }

    #[test]
    fn a_machine_without_memory_is_to_blame_unless_the_stage_was_near_its_limit() {
        let status = killed(Signal::SIGKILL);
        for (share, class) in [(0.1, FaultClass::Infra), (0.95, FaultClass::Oom)] {
            let facts = Facts { memory_kills: true, ..facts(share) };
            let fault = fault(&stage(false), status, &Tail::default(), &facts).unwrap();
            assert_eq!(fault.class, class, "{fault}");
        }
    }

    #[test]
    fn a_full_disk_is_the_machines_fault_and_a_large_file_the_ideas() {
        let full = "OSError: [Errno 28] No space left on device";
        let tail = Tail { last: Some(full.into()), lines: vec![full.into()] };
        for (disk_is_full, class) in [(true, FaultClass::Infra), (false, FaultClass::Crash)] {
            let facts = Facts { disk_is_full, ..facts(0.1) };
            let fault = fault(&stage(false), exited(1), &tail, &facts).unwrap();
            assert_eq!(fault.class, class);
            assert_eq!(fault.reason, format!("stage train exited with status 1: {full}"));
        }
        let reason =
            "stage train was ended by SIGXFSZ: a file grew over the limit of 7 MiB (file_mb)";
        check(false, killed(Signal::SIGXFSZ), &[], 0.1, (FaultClass::Policy, reason));
        let reason =
            "stage train exited with status 1: a file grew over the limit of 7 MiB (file_mb)";
        check(
            false,
            exited(1),
            &["OSError: [Errno 27] File too large"],
            0.1,
            (FaultClass::Policy, reason),
        );
    }

    #[test]
    fn only_a_trusted_stage_may_name_its_class() {
        let policy = ["policy: prediction at position 3 changes with later tokens"];
        check(
            true,
            exited(3),
            &policy,
            0.1,
            (FaultClass::Policy, "prediction at position 3 changes with later tokens"),
        );
        check(
            true,
            exited(4),
            &["diverged: the loss is nan"],
            0.1,
            (FaultClass::Diverged, "the loss is nan"),
        );
        check(
            false,
            exited(3),
            &policy,
            0.1,
            (FaultClass::Crash, &format!("stage train exited with status 3: {}", policy[0])),
        );
    }

    #[test]
    fn only_what_came_before_the_program_is_the_machines_fault() {
        let line = "autores: cannot make the sandbox: x";
        let reason = "stage train exited with status 120: cannot make the sandbox: x";
        check(false, exited(120), &[line], 0.1, (FaultClass::Crash, reason));
        let refusal = Some(Refusal::Sandbox("cannot make the sandbox: x".into()));
        let facts = Facts { refusal, ..facts(0.1) };
        let fault = fault(&stage(false), exited(120), &Tail::default(), &facts).unwrap();
        assert_eq!(fault.class, FaultClass::Infra);
        assert_eq!(fault.reason, "stage train: cannot make the sandbox: x");
    }

    #[test]
    fn success_is_no_fault() {
        let facts = Facts { memory_kills: true, ..facts(2.0) };
        assert_eq!(fault(&stage(false), exited(0), &Tail::default(), &facts), None);
    }
}
