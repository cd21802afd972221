//! What the shim is told: one file, written before the shim exists, and never changed.

use std::collections::BTreeMap;
use std::path::PathBuf;

use autores_domain::{FaultClass, Limits};
use serde::{Deserialize, Serialize};

/// A task with all placeholders resolved.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Spec {
    /// Whose it is: an attempt's id, or what names the trial of a patch.
    pub(crate) name: String,
    /// Marks every process of the task; differs each time the folder is prepared.
    pub(crate) token: String,
    pub(crate) limits: Limits,
    pub(crate) gpus: Vec<u32>,
    /// Folder of the GPUs' locks, shared by all runs.
    pub(crate) leases: PathBuf,
    /// Key of the metric in the result file, if the task measures.
    pub(crate) metric: Option<String>,
    /// Arguments after the program's name with which this program is the shim.
    pub(crate) shim_arguments: Vec<String>,
    pub(crate) stages: Vec<StageSpec>,
}

/// One command.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct StageSpec {
    pub(crate) name: String,
    pub(crate) command: Vec<String>,
    /// All variables that the stage sees.
    pub(crate) env: BTreeMap<String, String>,
    /// File with what it may do.
    pub(crate) profile: PathBuf,
    /// The folder that it writes.
    pub(crate) folder: PathBuf,
    pub(crate) trusted: bool,
    pub(crate) on_failure: FaultClass,
    /// The result file, below the folder.
    pub(crate) result: Option<PathBuf>,
}
