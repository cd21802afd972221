//! Starts a supervisor and lets go of it once it has taken over.

use std::ffi::OsString;
use std::fs::{self, File};
use std::process::Stdio;

use autores_domain::BackendError;
use tokio::io::AsyncReadExt;
use tokio::process::Command;

use super::unavailable;
use crate::attempt::AttemptFolder;
use crate::crash::crash_point;
use crate::gpu;

/// Variables that the supervisor needs to find the GPUs' driver. It gets no other, so that its
/// own environment holds no secret.
const PASSED_ON: [&str; 2] = [gpu::LIBRARY_VARIABLE, "LD_LIBRARY_PATH"];
#[cfg(feature = "failpoints")]
const FAIL_POINTS: &str = "FAILPOINTS";

pub(super) async fn start(shim: &[OsString], folder: &AttemptFolder) -> Result<(), BackendError> {
    let shown = folder.path().display();
    let failed =
        |error: String| unavailable(format!("cannot start the supervisor of {shown}: {error}"));
    let (program, arguments) =
        shim.split_first().ok_or_else(|| failed("no program is known".into()))?;
    let errors = File::create(folder.shim_errors()).map_err(|error| failed(error.to_string()))?;
    let mut command = Command::new(program);
    command
        .args(arguments)
        .arg("supervise")
        .arg(folder.path())
        .current_dir("/")
        .env_clear()
        .envs(PASSED_ON.iter().filter_map(|name| Some((name, std::env::var_os(name)?))))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(errors);
    #[cfg(feature = "failpoints")]
    command.envs(std::env::var_os(FAIL_POINTS).map(|points| (FAIL_POINTS, points)));
    // The child is not killed when it is dropped; the runtime waits for it in the background.
    let mut child =
        command.spawn().map_err(|error| failed(format!("{}: {error}", program.display())))?;
    crash_point!("backend.after_spawn");
    let mut said = String::new();
    if let Some(mut stdout) = child.stdout.take() {
        let _ = stdout.read_to_string(&mut said).await;
    }
    if said.starts_with("ready") || folder.shim().exists() || folder.exit().exists() {
        return Ok(());
    }
    // Another supervisor may be about to begin.
    if matches!(folder.try_lock(), Ok(None)) {
        return Ok(());
    }
    let complaint = fs::read_to_string(folder.shim_errors()).unwrap_or_default();
    Err(failed(match complaint.trim() {
        "" => "it ended at once".to_owned(),
        complaint => complaint.to_owned(),
    }))
}
