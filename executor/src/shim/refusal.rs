//! Why a stage's program was not started, told through a pipe that is closed before a program runs: what an
//! idea prints, or exits with, can never be taken for it.

use std::fs::File;
use std::io::{self, PipeReader, Read, Write};
use std::os::fd::AsFd;

use serde::{Deserialize, Serialize};

const LONGEST: u64 = 64 << 10;

/// What could not be had.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Refusal {
    Sandbox(String),
    Program(String),
}

/// The end of the pipe that tells.
#[derive(Debug)]
pub(super) struct Teller(File);

impl Teller {
    /// The supervisor hands the pipe over as standard input, which is empty from then on.
    pub(super) fn from_stdin() -> io::Result<Self> {
        // The copy is closed when a program takes this process over.
        let pipe = io::stdin().as_fd().try_clone_to_owned()?;
        nix::unistd::dup2_stdin(File::open("/dev/null")?)?;
        Ok(Self(pipe.into()))
    }

    pub(super) fn tell(mut self, refusal: &Refusal) {
        // The supervisor still has the exit status and what was printed.
        if let Ok(said) = serde_json::to_vec(refusal) {
            let _ = self.0.write_all(&said);
        }
    }
}

/// Waits until the program runs or was refused.
pub(super) fn hear(pipe: PipeReader) -> Option<Refusal> {
    let mut said = Vec::new();
    pipe.take(LONGEST).read_to_end(&mut said).ok()?;
    serde_json::from_slice(&said).ok()
}
