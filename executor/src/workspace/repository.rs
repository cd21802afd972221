//! The codebase of a run and the branches of its ideas. Blocking git work happens on tokio's blocking threads.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use autores_domain::{Codebase, Fault, FaultClass, Idea, Patch, Revision, Workspace};

use super::commit::{self, Start};
use super::{WorkspaceError, tree};
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
        let codebase = read(&source, &source.base.commit)?;
        Ok(Self { inner: Arc::new(Inner { source, rules, codebase }) })
    }

    /// Where the code is.
    pub fn source(&self) -> &Source {
        &self.inner.source
    }
}

impl Inner {
    fn draft(
        &self,
        idea: &Idea,
        onto: Option<&Revision>,
        patch: &Patch,
    ) -> Result<Revision, Fault> {
        let read_code;
        let start = match onto {
            Some(revision) => {
                read_code = self.code(revision)?;
                Start { commit: &revision.commit, code: &read_code }
            }
            None => Start { commit: &self.source.base.commit, code: &self.codebase },
        };
        commit::draft(&self.source, &self.rules, &start, idea, patch)
    }

    fn code(&self, revision: &Revision) -> Result<Codebase, Fault> {
        read(&self.source, &revision.commit)
            .map_err(|error| Fault::new(FaultClass::Infra, error.to_string()))
    }
}

fn read(source: &Source, commit: &str) -> Result<Codebase, WorkspaceError> {
    let repository = tree::open(&source.repository)?;
    let commit = tree::commit(&repository, commit)?;
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

    async fn code(&self, revision: &Revision) -> Result<Codebase, Fault> {
        let (inner, revision) = (Arc::clone(&self.inner), revision.clone());
        blocking("read the code", move || inner.code(&revision)).await
    }

    async fn draft(
        &self,
        idea: &Idea,
        onto: Option<&Revision>,
        patch: &Patch,
    ) -> Result<Revision, Fault> {
        let (inner, onto) = (Arc::clone(&self.inner), onto.cloned());
        let (idea, patch) = (idea.clone(), patch.clone());
        blocking("write the commit", move || inner.draft(&idea, onto.as_ref(), &patch)).await
    }

    async fn commit(
        &self,
        idea: &Idea,
        onto: Option<&Revision>,
        patch: &Patch,
    ) -> Result<Revision, Fault> {
        let (inner, onto) = (Arc::clone(&self.inner), onto.cloned());
        let (idea, patch) = (idea.clone(), patch.clone());
        let work = move || {
            let revision = inner.draft(&idea, onto.as_ref(), &patch)?;
            commit::move_branch(&inner.source, &idea, &revision)?;
            Ok(revision)
        };
        blocking("commit the idea", work).await
    }
}

async fn blocking<T: Send + 'static>(
    what: &str,
    work: impl FnOnce() -> Result<T, Fault> + Send + 'static,
) -> Result<T, Fault> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| {
        Err(Fault::new(FaultClass::Infra, format!("cannot {what}: {error}")))
    })
}
