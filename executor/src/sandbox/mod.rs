//! What a stage may read, write and reach.
//!
//! Restricts the calling process, which then becomes the stage: Landlock for files, signals and ports,
//! seccomp for sockets and system calls that no experiment needs, a network namespace where several
//! processes of a job speak to each other. Never starts a process.

mod filesystem;
mod namespace;
mod paths;
mod profile;
mod support;
mod syscalls;
pub mod system;

use std::path::PathBuf;

use autores_domain::Network;

pub use profile::Profile;
pub use support::{LandlockSupport, Support, support};

/// Why the calling process could not be restricted.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// A limit was not accepted.
    #[error("cannot set the limit of {what}: {source}")]
    Limit {
        /// What is limited.
        what: &'static str,
        /// The system's answer.
        source: nix::errno::Errno,
    },
    /// A folder that the stage needs cannot be made or entered.
    #[error("cannot use {}: {source}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// The rules for files were refused.
    #[error("cannot apply landlock rules: {0}")]
    Landlock(#[from] landlock::RulesetError),
    /// The filter of system calls was refused.
    #[error("cannot apply the seccomp filter: {0}")]
    Seccomp(String),
    /// The rights of root could not be given up.
    #[error("cannot give up privileges: {0}")]
    Privileges(String),
    /// The kernel did not tie the process to its supervisor.
    #[error("cannot tie the process to its supervisor: {0}")]
    Parent(nix::errno::Errno),
}

/// What is in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// The fresh folder for HOME and TMPDIR, where the profile asked for one.
    pub scratch: Option<PathBuf>,
    /// What the profile asked for and the machine does not give, in words for people.
    pub missing: Vec<String>,
}

/// Restricts the calling process, which must have a single thread, and all its descendants for ever.
///
/// # Errors
/// If something failed that this machine supports; the process must not go on then.
pub fn enter(profile: &Profile) -> Result<Applied, SandboxError> {
    let mut missing = Vec::new();
    profile::set_limits(profile)?;
    profile::stand_back(profile);
    profile::offer_to_the_memory_killer();
    let mut profile = profile.clone();
    if profile.network == Network::Loopback {
        match namespace::enter(&mut profile) {
            Ok(gaps) => missing.extend(gaps),
            Err(reason) => missing.push(format!(
                "no network of its own ({reason}); the stage shares the network of this machine"
            )),
        }
    }
    profile::tie_to_parent(&profile)?;
    let scratch = profile::make_scratch(&mut profile)?;
    profile::change_folder(&profile)?;
    profile::drop_privileges()?;
    missing.extend(filesystem::restrict(&profile)?);
    syscalls::restrict(profile.network, profile.memory_files)?;
    Ok(Applied { scratch, missing })
}
