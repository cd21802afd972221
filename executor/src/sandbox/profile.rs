//! The rules of one stage as they are written to a file, and those that plain limits can hold.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;

use autores_domain::Network;
use caps::errors::CapsError;
use caps::{CapSet, Capability, CapsHashSet};
use nix::sys::prctl;
use nix::sys::resource::{Resource, getrlimit, rlim_t, setrlimit};
use nix::sys::signal::Signal;
use serde::{Deserialize, Serialize};

use super::SandboxError;

const MIB: u64 = 1 << 20;
const OPEN_FILES: rlim_t = 65_536;
const FOLDERS_TRIED: u32 = 1000;

/// What a stage may do. Paths are absolute; what does not exist is left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// Files and folders to read and execute, with all below.
    pub reads: Vec<PathBuf>,
    /// Files and folders below those, which stay closed.
    pub hidden: Vec<PathBuf>,
    /// Folders to read and write, with all below.
    pub writes: Vec<PathBuf>,
    /// Devices to read, write and control.
    pub devices: Vec<PathBuf>,
    /// Whether files that lie in no folder can be made. Their content is in memory, and in no process's share of it.
    pub memory_files: bool,
    /// Sockets.
    pub network: Network,
    /// The folder to start in.
    pub folder: PathBuf,
    /// Where a fresh folder is made for HOME and TMPDIR, which nobody else can open.
    pub scratch: Option<PathBuf>,
    /// MiB of any one file written.
    pub file_mb: u64,
    /// CPU seconds of any one process: the last resort if the supervisor is gone.
    pub cpu_s: u64,
    /// Whether the process dies with the thread that started it.
    pub dies_with_parent: bool,
    /// How far the process stands back behind others, from 0 to 19.
    #[serde(default)]
    pub nice: i32,
}

pub(super) fn set_limits(profile: &Profile) -> Result<(), SandboxError> {
    let file_bytes = profile.file_mb.saturating_mul(MIB);
    limit("core files", Resource::RLIMIT_CORE, 0)?;
    limit("file size", Resource::RLIMIT_FSIZE, file_bytes)?;
    limit("open files", Resource::RLIMIT_NOFILE, OPEN_FILES)?;
    limit("CPU time", Resource::RLIMIT_CPU, profile.cpu_s)
}

fn limit(what: &'static str, resource: Resource, most: rlim_t) -> Result<(), SandboxError> {
    let of = |source| SandboxError::Limit { what, source };
    let (_, hard) = getrlimit(resource).map_err(of)?;
    let most = most.min(hard);
    setrlimit(resource, most, most).map_err(of)
}

/// Lets others go first. Nothing depends on it, so a refusal is no failure.
pub(super) fn stand_back(profile: &Profile) {
    if profile.nice == 0 {
        return;
    }
    let _ = rustix::process::setpriority_process(None, profile.nice);
    // Where the kernel groups processes by session, their weight within the session does not count, but the session's.
    let _ = fs::write("/proc/self/autogroup", profile.nice.to_string());
}

/// If the machine runs out of memory, the kernel should end an experiment and not the orchestrator.
pub(super) fn offer_to_the_memory_killer() {
    // Not permitted inside another sandbox, where it was done before.
    let _ = OpenOptions::new()
        .write(true)
        .open("/proc/self/oom_score_adj")
        .and_then(|mut file| file.write_all(b"500"));
}

/// Gives up what root may do, except to read and write files as the rules for files allow: since Linux 6.16
/// some of it opens other processes' memory and variables, whatever their sandbox.
pub(super) fn drop_privileges() -> Result<(), SandboxError> {
    let failed = |error: CapsError| SandboxError::Privileges(error.to_string());
    let held = caps::read(None, CapSet::Permitted).map_err(failed)?;
    let kept: CapsHashSet =
        held.into_iter().filter(|capability| *capability == Capability::CAP_DAC_OVERRIDE).collect();
    caps::clear(None, CapSet::Inheritable).map_err(failed)?;
    caps::set(None, CapSet::Effective, &kept).map_err(failed)?;
    caps::set(None, CapSet::Permitted, &kept).map_err(failed)
}

pub(super) fn tie_to_parent(profile: &Profile) -> Result<(), SandboxError> {
    if profile.dies_with_parent {
        prctl::set_pdeathsig(Signal::SIGKILL).map_err(SandboxError::Parent)?;
    }
    Ok(())
}

/// Makes the fresh folder and opens it for writing.
pub(super) fn make_scratch(profile: &mut Profile) -> Result<Option<PathBuf>, SandboxError> {
    let Some(parent) = profile.scratch.take() else { return Ok(None) };
    let mut failure = std::io::Error::from(std::io::ErrorKind::AlreadyExists);
    for number in 0..FOLDERS_TRIED {
        let path = parent.join(format!("{}-{number}", std::process::id()));
        match fs::DirBuilder::new().mode(0o700).create(&path) {
            Ok(()) => {
                profile.writes.push(path.clone());
                return Ok(Some(path));
            }
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => {
                failure = error;
                break;
            }
        }
    }
    Err(SandboxError::Folder { path: parent, source: failure })
}

pub(super) fn change_folder(profile: &Profile) -> Result<(), SandboxError> {
    std::env::set_current_dir(&profile.folder)
        .map_err(|source| SandboxError::Folder { path: profile.folder.clone(), source })
}
