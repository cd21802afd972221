//! How an attempt ended, as it is written down last of all.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use autores_domain::{Fault, StageReport, Usage};
use serde::{Deserialize, Serialize};

use crate::attempt::{AttemptFolder, sync_folder, temporary};
use crate::crash::crash_point;

/// Room kept on the disk for the report, so that a full disk does not lose what was measured.
const RESERVE: usize = 64 << 10;

/// The content of `exit.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Exit {
    /// Whose end it is: an attempt's id, or what names the trial of a patch.
    #[serde(alias = "attempt")]
    pub name: String,
    /// What came of it.
    pub outcome: Outcome,
    /// What it cost.
    pub usage: Usage,
    /// The stages that ran, in order.
    pub stages: Vec<StageReport>,
}

/// What came of an attempt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The finite numbers of the result file, the metric among them; none where nothing was to be measured.
    Values(BTreeMap<String, f64>),
    /// Why there are none.
    Fault(Fault),
}

impl Exit {
    /// How the attempt in a folder ended; `None` while it has not.
    ///
    /// # Errors
    /// If the report is there and cannot be read.
    pub fn read(folder: &AttemptFolder) -> io::Result<Option<Self>> {
        match fs::read(folder.exit()) {
            Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes)?)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Keeps room for the report.
pub(super) fn reserve(path: &Path) -> io::Result<()> {
    let mut file = File::create(temporary(path))?;
    file.write_all(&vec![0; RESERVE])?;
    file.sync_all()
}

/// Writes the report into the room that was kept for it; a reader finds all of it or nothing.
pub(super) fn write(path: &Path, exit: &Exit) -> io::Result<()> {
    let bytes = serde_json::to_vec_pretty(exit)?;
    let temporary = temporary(path);
    let mut file = OpenOptions::new().write(true).create(true).truncate(false).open(&temporary)?;
    file.write_all(&bytes)?;
    file.set_len(bytes.len() as u64)?;
    file.sync_all()?;
    crash_point!("shim.before_exit_rename");
    fs::rename(&temporary, path)?;
    sync_folder(path)
}
