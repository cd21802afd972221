//! The codebase of a run and the branches of its ideas. Blocking git work happens on tokio's blocking threads.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use autores_domain::{Codebase, Fault, FaultClass, Idea, Patch, Revision, Workspace};

use super::{WorkspaceError, commit, tree};
use crate::guard::{self, Rules};

/// Where the code of a problem is, and the commit that ideas start from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The git repository, bare or not.
    pub repository: PathBuf,
    /// The code's folder inside the repository, with `/` between its parts; `""` for the whole.
    pub prefix: String,
    /// The commit, and the hash of the tree *of the code's folder*.
    pub base: Revision,
}

/// The codebase under git, as the engine sees it.
#[derive(Debug, Clone)]
pub struct GitWorkspace {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    source: Source,
    rules: Rules,
    codebase: Codebase,
}

impl GitWorkspace {
    /// Reads the text files at the base commit; files that are binary or larger than 1 MiB are left out.
    ///
    /// # Errors
    /// If the commit or its folder is not there, or holds symbolic links or submodules.
    pub fn open(source: Source, rules: Rules) -> Result<Self, WorkspaceError> {
        let codebase = read(&source)?;
        Ok(Self { inner: Arc::new(Inner { source, rules, codebase }) })
    }

    /// Where the code is.
    pub fn source(&self) -> &Source {
        &self.inner.source
    }
}

fn read(source: &Source) -> Result<Codebase, WorkspaceError> {
    let repository = tree::open(&source.repository)?;
    let commit = tree::commit(&repository, &source.base.commit)?;
    let folder = tree::below(&repository, &commit, &source.prefix)?;
    let mut codebase = Codebase::new();
    for file in tree::files(&folder)? {
        let blob = repository.find_blob(file.blob).map_err(WorkspaceError::git("read a file"))?;
        if let Some(text) = guard::text(blob.content()) {
            codebase.insert(file.path, text.to_owned());
        }
    }
    Ok(codebase)
}

#[async_trait]
impl Workspace for GitWorkspace {
    fn codebase(&self) -> &Codebase {
        &self.inner.codebase
    }

    async fn commit(&self, idea: &Idea, patch: &Patch) -> Result<Revision, Fault> {
        let (inner, idea, patch) = (Arc::clone(&self.inner), idea.clone(), patch.clone());
        let work =
            move || commit::commit(&inner.source, &inner.rules, &inner.codebase, &idea, &patch);
        tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| {
            Err(Fault::new(FaultClass::Infra, format!("cannot commit the idea: {error}")))
        })
    }
}
