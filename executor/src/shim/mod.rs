//! The supervisor of one attempt: starts its stages in their sandboxes, holds them to their limits, and
//! writes down how it ended. Never reads the event log, never talks to the orchestrator except by files.

mod classify;
mod disk;
mod exit;
mod limits;
mod lines;
mod log;
mod meter;
mod output;
mod refusal;
mod spec;
mod stage;
mod supervise;
mod telemetry;
mod values;

use std::convert::Infallible;
use std::ffi::OsString;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitCode};

use nix::sys::signal::SigSet;

pub use exit::Exit;
pub(crate) use exit::Outcome;
pub(crate) use spec::{Spec, StageSpec};
pub use telemetry::TelemetryPoint;

use refusal::{Refusal, Teller};

use crate::attempt::AttemptFolder;
use crate::sandbox::{self, Profile};

/// Exit status of a stage whose sandbox could not be made.
const NO_SANDBOX: u8 = 120;
/// Exit status of a stage whose program could not be started.
const NO_PROGRAM: u8 = 127;
/// How lines that the shim itself writes among a stage's output begin.
pub(crate) const OWN_PREFIX: &str = "autores: ";
/// How a line begins that says what the sandbox does not enforce; it explains no failure.
pub(crate) const GAP_PREFIX: &str = "autores: sandbox: ";

/// The program `autores shim`: `supervise ATTEMPT_DIR`, `enter PROFILE -- PROGRAM ARGUMENTS…`, or the same
/// with `begin`, as a supervisor starts a stage.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    #[cfg(feature = "failpoints")]
    let _scenario = fail::FailScenario::setup();
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let words: Vec<Option<&str>> = arguments.iter().map(|argument| argument.to_str()).collect();
    match words.as_slice() {
        [Some("supervise"), _] => match supervise::supervise(AttemptFolder::at(&arguments[1])) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("{OWN_PREFIX}{error}");
                ExitCode::FAILURE
            }
        },
        [Some(word @ ("begin" | "enter")), _, Some("--"), _, ..] => {
            let tellers = if *word == "begin" { Teller::from_stdin().map(Some) } else { Ok(None) };
            match tellers {
                Ok(teller) => enter(Path::new(&arguments[1]), &arguments[3..], teller),
                Err(error) => {
                    eprintln!("{OWN_PREFIX}cannot take over the supervisor's pipe: {error}");
                    ExitCode::from(NO_SANDBOX)
                }
            }
        }
        _ => {
            eprintln!(
                "{OWN_PREFIX}usage: shim supervise ATTEMPT_DIR | shim enter PROFILE -- PROGRAM…"
            );
            ExitCode::from(2)
        }
    }
}

/// Restricts this process and becomes the program; returns only if that failed, which it tells.
fn enter(profile: &Path, command: &[OsString], teller: Option<Teller>) -> ExitCode {
    let Err(refusal) = try_enter(profile, command);
    let (reason, status) = match &refusal {
        Refusal::Sandbox(reason) => (reason, NO_SANDBOX),
        Refusal::Program(reason) => (reason, NO_PROGRAM),
    };
    eprintln!("{OWN_PREFIX}{reason}");
    if let Some(teller) = teller {
        teller.tell(&refusal);
    }
    ExitCode::from(status)
}

fn try_enter(profile: &Path, command: &[OsString]) -> Result<Infallible, Refusal> {
    let refuse =
        |reason: String| Err(Refusal::Sandbox(format!("cannot make the sandbox: {reason}")));
    let read = fs::read(profile).map_err(|error| error.to_string());
    let parsed = read.and_then(|bytes| {
        serde_json::from_slice::<Profile>(&bytes).map_err(|error| error.to_string())
    });
    let profile = match parsed {
        Ok(profile) => profile,
        Err(error) => return refuse(format!("{}: {error}", profile.display())),
    };
    // The supervisor waits for signals by blocking them; the stage must not inherit that.
    if let Err(error) = SigSet::empty().thread_set_mask() {
        return refuse(format!("cannot unblock signals: {error}"));
    }
    // Fails only for a process that leads its group already.
    let _ = nix::unistd::setsid();
    let applied = match sandbox::enter(&profile) {
        Ok(applied) => applied,
        Err(error) => return refuse(error.to_string()),
    };
    for gap in &applied.missing {
        eprintln!("{GAP_PREFIX}{gap}");
    }
    let (program, rest) = (&command[0], &command[1..]);
    let mut command = Command::new(program);
    command.args(rest).env_remove(UNTRUSTED_VARIABLE);
    if let Some(scratch) = applied.scratch {
        command.envs([("HOME", &scratch), ("TMPDIR", &scratch)]);
    } else if let Some(prefix) = std::env::var_os(UNTRUSTED_VARIABLE) {
        command.env(UNTRUSTED_VARIABLE, prefix);
    }
    let error = command.exec();
    Err(Refusal::Program(format!("cannot start {}: {error}", program.display())))
}

/// The command prefix with which a trusted stage starts the code of an idea, as a JSON array.
pub(crate) const UNTRUSTED_VARIABLE: &str = "AUTORES_UNTRUSTED";
