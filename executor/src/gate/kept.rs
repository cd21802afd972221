//! Verdicts, by tree: in memory for this process, on disk for the next one.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use autores_domain::Fault;
use serde::{Deserialize, Serialize};

use crate::marker;

/// What became of a tree's trial.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Verdict {
    Passed,
    Refused(Fault),
}

/// A tree's verdict, locked while it is being found.
type Place = Arc<tokio::sync::Mutex<Option<Verdict>>>;

#[derive(Debug)]
pub(super) struct Kept {
    folder: PathBuf,
    places: Mutex<HashMap<String, Place>>,
}

impl Kept {
    pub(super) fn new(folder: PathBuf) -> Self {
        Self { folder, places: Mutex::default() }
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where the tree's verdict is found, by one caller at a time.
    pub(super) fn place(&self, tree: &str) -> Place {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(places.entry(tree.to_owned()).or_default())
    }

    pub(super) fn read(&self, tree: &str) -> Option<Verdict> {
        marker::read(&self.file(tree))
    }

    pub(super) fn write(&self, tree: &str, verdict: &Verdict) -> io::Result<()> {
        // Where there was nothing to try, nobody made it.
        fs::create_dir_all(&self.folder)?;
        marker::write(&self.file(tree), verdict)
    }

    fn file(&self, tree: &str) -> PathBuf {
        self.folder.join(format!("{tree}.json"))
    }
}
