//! Where all state lives: `--dir`, else `AUTORES_HOME`, else the platform's data directory.

use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use autores_domain::RunId;
use etcetera::BaseStrategy;

use crate::exit::{Failure, OrExit};

/// The folder that holds all state.
#[derive(Debug, Clone)]
pub(crate) struct Home(PathBuf);

impl Home {
    /// The folder to use; it need not exist yet.
    pub(crate) fn resolve(given: Option<&Path>) -> Result<Self, Failure> {
        let folder = match given {
            Some(folder) => folder.to_owned(),
            None => etcetera::choose_base_strategy()
                .map(|strategy| strategy.data_dir().join("autores"))
                .map_err(|_| {
                    anyhow!(
                        "no data directory is known, since HOME is not set; give one with --dir"
                    )
                })
                .or_environment()?,
        };
        let absolute = std::path::absolute(&folder)
            .with_context(|| format!("cannot resolve {}", folder.display()))
            .or_environment()?;
        Ok(Self(absolute))
    }

    /// The folder itself.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// The database of all runs.
    pub(crate) fn database(&self) -> PathBuf {
        autores_results::store_path(&self.0)
    }

    /// Makes the folder, and says what to do where that is not possible.
    pub(crate) fn create(&self) -> Result<(), Failure> {
        std::fs::create_dir_all(&self.0)
            .with_context(|| {
                format!("cannot write to {}; give another folder with --dir", self.0.display())
            })
            .or_environment()
    }

    /// Tools that autores keeps for itself.
    pub(crate) fn tools(&self) -> PathBuf {
        self.0.join("tools")
    }

    /// The folder that holds a folder for each run.
    pub(crate) fn runs(&self) -> PathBuf {
        self.0.join("runs")
    }

    /// The attempts of a run.
    pub(crate) fn attempts(&self, run: &RunId) -> PathBuf {
        self.runs().join(run.as_str()).join("attempts")
    }
}
