//! Starts effects as tasks. Never touches the state of the run.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use autores_domain::{
    Answered, AttemptId, Backend, BackendError, Broken, Codebase, Evidence, ExperimentState, Fault,
    IdeaId, IdeaRecord, IdeaStep, Job, Member, Parent, Population, Refusal, Revision, Run, Task,
    Workspace,
};

use super::Driver;
use super::effect::{Done, Effect, Executed};

impl Driver<'_> {
    pub(super) fn perform(&mut self, effect: Effect) {
        let parts = self.parts.clone();
        match effect.clone() {
            Effect::Answer(number) => {
                let brief = self.run.briefs[number as usize].0.clone();
                let population = self.run.population();
                self.effects.spawn(async move {
                    let answer = parts.ideator.propose(number, &brief, &population).await;
                    (effect, Done::Answered(number, answer))
                });
            }
            Effect::Implement(id) => {
                let question = Question::of(&self.run, &id);
                self.effects.spawn(async move {
                    let patch = match question.task(&*parts.workspace).await {
                        Ok(task) => parts.implementer.implement(&task).await,
                        Err(fault) => Answered::free(Err(Refusal::Failed(fault))),
                    };
                    (effect, Done::Implemented(id, patch))
                });
            }
            Effect::Commit(id) => {
                let record = &self.run.ideas[id.number as usize];
                let idea = record.idea.clone();
                let Some(IdeaStep::Commit(patch, onto)) = record.state.step() else { return };
                self.effects.spawn(async move {
                    let revision = parts.workspace.commit(&idea, onto.as_ref(), &patch).await;
                    (effect, Done::Committed(id, revision))
                });
            }
            Effect::Execute(attempt) => {
                let Some(job) = job(&self.run, &attempt) else { return };
                let ending = Arc::clone(&self.ending);
                self.effects.spawn(async move {
                    let executed = execute(&*parts.backend, &job, &ending).await;
                    (effect, Done::Executed(attempt, executed))
                });
            }
            Effect::Distil(number) => {
                let Some(distiller) = parts.distiller else { return };
                let population = self.run.population();
                self.effects.spawn(async move {
                    let lessons = distiller.distil(number, &population).await;
                    (effect, Done::Distilled(number, lessons))
                });
            }
        }
    }
}

/// What an implementer is asked, before the code is read.
struct Question {
    record: IdeaRecord,
    broken: Option<Broken>,
    parents: Vec<Member>,
    population: Population,
}

impl Question {
    fn of(run: &Run, id: &IdeaId) -> Self {
        let record = run.ideas[id.number as usize].clone();
        let member = |id: &IdeaId| run.ideas.get(id.number as usize).map(|r| run.member(r));
        Self {
            broken: broken(run, &record),
            parents: record.idea.parents.iter().filter_map(member).collect(),
            population: run.population(),
            record,
        }
    }

    async fn task(self, workspace: &dyn Workspace) -> Result<Task, Fault> {
        let base = workspace.codebase();
        let code = code_at(workspace, base, self.broken.as_ref().map(|b| &b.revision)).await?;
        let mut parents = Vec::new();
        for member in self.parents {
            let code = code_at(workspace, base, member.revision.as_ref()).await?;
            parents.push(Parent { member, code });
        }
        Ok(Task {
            idea: self.record.idea,
            code,
            parents,
            population: self.population,
            broken: self.broken,
        })
    }
}

async fn code_at(
    workspace: &dyn Workspace,
    base: &Codebase,
    revision: Option<&Revision>,
) -> Result<Codebase, Fault> {
    match revision {
        Some(revision) => workspace.code(revision).await,
        None => Ok(base.clone()),
    }
}

/// What is to be mended, if something is.
fn broken(run: &Run, record: &IdeaRecord) -> Option<Broken> {
    let Some(IdeaStep::Repair(revision, experiment)) = record.state.step() else { return None };
    let state = &run.experiment(&experiment)?.state;
    let ExperimentState::Failed { fault, .. } = state else { return None };
    Some(Broken {
        repairs: (record.repairs.len() as u32).saturating_sub(1),
        revision,
        fault: fault.clone(),
        evidence: Evidence::of(state)?,
    })
}

fn job(run: &Run, attempt: &AttemptId) -> Option<Job> {
    let record = run.experiment(&attempt.experiment)?;
    let ExperimentState::Running { slot, limits, .. } = &record.state else { return None };
    let experiment = &record.experiment;
    Some(Job {
        attempt: attempt.clone(),
        commit: run.revision_of(experiment)?.commit.clone(),
        scale: experiment.scale.clone(),
        seed: experiment.seed,
        slot: slot.clone(),
        limits: limits.clone(),
    })
}

/// Waits between tries to start a job on a machine that cannot just now.
const PATIENCE: [Duration; 4] = [
    Duration::from_millis(500),
    Duration::from_secs(2),
    Duration::from_secs(5),
    Duration::from_secs(10),
];

async fn execute(backend: &dyn Backend, job: &Job, ending: &AtomicBool) -> Executed {
    let mut patience = PATIENCE.into_iter();
    loop {
        match backend.ensure(job).await {
            Ok(()) => break,
            Err(BackendError::Rejected(fault)) => return Executed::Rejected(fault),
            Err(BackendError::Unavailable(fault)) => match patience.next() {
                Some(wait) => tokio::time::sleep(wait).await,
                None => return Executed::Unavailable(fault),
            },
        }
    }
    // A request to end it may have come before there was anything to end.
    if ending.load(Ordering::SeqCst) {
        backend.stop(&job.attempt).await;
    }
    match backend.watch(&job.attempt).await {
        Ok(ended) => Executed::Ended(ended),
        Err(lost) => Executed::Lost(lost.0),
    }
}
