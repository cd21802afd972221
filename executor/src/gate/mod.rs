//! What a patch passes before it costs an experiment: it applies, touches editable files only, compiles, and
//! runs a few steps in the sandbox.
//!
//! Never measures, never moves a branch, never holds a GPU.

mod kept;
mod plan;
mod trial;

use std::fs;
use std::num::NonZero;
use std::sync::Arc;

use async_trait::async_trait;
use autores_domain::{Ended, Fault, FaultClass, Gate, Idea, Patch, Revision, RunId, Workspace};
use tokio::sync::{OnceCell, Semaphore};

use crate::attempt::AttemptFolder;
use crate::backend::local::LocalSetup;
use crate::workspace::GitWorkspace;
use kept::{Kept, Verdict};

/// With less than this share of a processor, time may have run out for want of one.
const STARVED: f64 = 0.5;
/// The folder in which the unchanged code is tried.
const BASE: &str = "base";

/// The gate of one run on this machine.
#[derive(Debug)]
pub struct SandboxGate {
    workspace: GitWorkspace,
    setup: Arc<LocalSetup>,
    run: RunId,
    scale: String,
    kept: Kept,
    at_once: Semaphore,
    is_swept: OnceCell<()>,
    base_passes: OnceCell<()>,
}

impl SandboxGate {
    /// The gate of a run at `scale`. The data of the setup is that of the smoke's scale ([`Problem::smoke_scale`]);
    /// its slots are not used, since half of the processors are: trials run beside experiments.
    ///
    /// [`Problem::smoke_scale`]: autores_domain::Problem::smoke_scale
    pub fn new(workspace: GitWorkspace, setup: LocalSetup, run: RunId, scale: &str) -> Self {
        let folder = setup.runs.join(run.as_str()).join("gates");
        let processors = std::thread::available_parallelism().map_or(1, NonZero::get);
        Self {
            workspace,
            setup: Arc::new(setup),
            run,
            scale: scale.to_owned(),
            kept: Kept::new(folder),
            at_once: Semaphore::new((processors / 2).max(1)),
            is_swept: OnceCell::new(),
            base_passes: OnceCell::new(),
        }
    }

    /// The same gate with so many trials at a time, at least 1.
    #[must_use]
    pub fn at_once(self, trials: usize) -> Self {
        Self { at_once: Semaphore::new(trials.max(1)), ..self }
    }

    /// Ends the trials that an earlier process of this run left, and removes their folders. The first patch waits
    /// for it, so that calling it is of use only to clean up sooner.
    ///
    /// # Errors
    /// A fault of class `infra` if a folder cannot be removed.
    pub async fn sweep(&self) -> Result<(), Fault> {
        let sweep = || async {
            for entry in fs::read_dir(self.kept.folder()).into_iter().flatten().flatten() {
                if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                    trial::end(AttemptFolder::at(entry.path())).await?;
                }
            }
            Ok(())
        };
        self.is_swept.get_or_try_init(sweep).await.copied()
    }

    /// Whether the unchanged code passes, as it must for a refusal to say anything of a patch. It is tried once,
    /// at the first patch that is refused unless somebody asks before.
    ///
    /// # Errors
    /// A fault of class `infra` if it does not pass or cannot be tried.
    pub async fn check(&self) -> Result<(), Fault> {
        let check = || async {
            let base = &self.workspace.source().base;
            match self.try_out(base, BASE).await? {
                Verdict::Passed => Ok(()),
                Verdict::Refused(fault) => Err(infra(format!(
                    "the unchanged code does not pass its own gate on this machine ({fault}), so no \
                     patch can be judged; see smoke and the build stages in problem.yaml"
                ))
                .with_tail(fault.tail)),
            }
        };
        self.base_passes.get_or_try_init(check).await.copied()
    }

    /// What became of the revision's tree, now or before.
    async fn verdict(&self, revision: &Revision) -> Result<Verdict, Fault> {
        let place = self.kept.place(&revision.tree);
        // Who else comes with the same tree waits here for the one trial.
        let mut known = place.lock().await;
        if known.is_none() {
            *known = self.kept.read(&revision.tree);
        }
        if let Some(verdict) = &*known {
            return Ok(verdict.clone());
        }
        let verdict = self.try_out(revision, &revision.tree).await?;
        if let Verdict::Refused(_) = &verdict {
            // A patch is to blame only if the code without it passes.
            self.check().await?;
        }
        self.kept.write(&revision.tree, &verdict).map_err(|error| {
            let folder = self.kept.folder().display();
            infra(format!("cannot write a verdict in {folder}: {error}"))
        })?;
        Ok(known.insert(verdict).clone())
    }

    async fn try_out(&self, revision: &Revision, folder: &str) -> Result<Verdict, Fault> {
        let task = plan::task(&self.setup.problem, &self.run, &self.scale, revision);
        let Some(task) = task.map_err(infra)? else { return Ok(Verdict::Passed) };
        let _place = self.at_once.acquire().await.map_err(|error| infra(error.to_string()))?;
        let folder = AttemptFolder::at(self.kept.folder().join(folder));
        let mut ended = trial::run(&self.setup, &folder, &task).await?;
        if ran_out_of_time_waiting(&ended, task.limits.wall_s) {
            let longer = plan::again(&task);
            ended = trial::run(&self.setup, &folder, &longer).await?;
            if ran_out_of_time_waiting(&ended, longer.limits.wall_s) {
                let (usage, limit) = (&ended.usage, longer.limits.wall_s);
                // It fails this patch and stops nothing; being no verdict, it is not remembered.
                let why = format!(
                    "a trial with {limit} s to run had {:.0} s of a processor in {:.0} s: it waits for \
                     something, or the machine has too much else to do",
                    usage.cpu_s, usage.wall_s
                );
                return Err(Fault::new(FaultClass::Timeout, why));
            }
        }
        let usage = &ended.usage;
        tracing::info!(tree = %revision.tree, wall_s = usage.wall_s, cpu_s = usage.cpu_s, "tried");
        Ok(match ended.outcome {
            Ok(_) => Verdict::Passed,
            Err(fault) => Verdict::Refused(fault),
        })
    }
}

/// Whether others had the processors while the time ran out.
fn ran_out_of_time_waiting(ended: &Ended, wall_s: u64) -> bool {
    let usage = &ended.usage;
    let is_late = matches!(&ended.outcome, Err(fault) if fault.class == FaultClass::Timeout);
    is_late && usage.wall_s >= wall_s as f64 && usage.cpu_s < STARVED * usage.wall_s
}

#[async_trait]
impl Gate for SandboxGate {
    async fn pass(
        &self,
        idea: &Idea,
        onto: Option<&Revision>,
        patch: &Patch,
    ) -> Result<Revision, Fault> {
        self.sweep().await?;
        let revision = self.workspace.draft(idea, onto, patch).await?;
        match self.verdict(&revision).await? {
            Verdict::Passed => Ok(revision),
            Verdict::Refused(fault) => Err(fault),
        }
    }
}

fn infra(reason: impl Into<String>) -> Fault {
    Fault::new(FaultClass::Infra, reason)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use autores_domain::Usage;

    use super::*;

    fn check(class: FaultClass, wall_s: f64, cpu_s: f64, expected: bool) {
        let usage = Usage { wall_s, cpu_s, ..Usage::default() };
        let outcome = Err(Fault::new(class, "late"));
        let ended = Ended { outcome, usage: usage.clone(), metrics: Vec::new() };
        assert_eq!(ran_out_of_time_waiting(&ended, 60), expected, "{ended:?}");
        let passed = Ended { outcome: Ok(BTreeMap::new()), usage, metrics: Vec::new() };
        assert!(!ran_out_of_time_waiting(&passed, 60));
    }

    #[test]
    fn only_a_trial_that_could_not_compute_is_given_more_time() {
        check(FaultClass::Timeout, 60.1, 20.0, true);
        check(FaultClass::Timeout, 60.1, 59.0, false);
        check(FaultClass::Timeout, 30.0, 10.0, false);
        check(FaultClass::Stalled, 60.1, 1.0, false);
    }
}
