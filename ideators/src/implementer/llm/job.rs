//! What all candidates of one task have in common, and how they are asked. Never judges what they answer.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use autores_domain::{Call, CodePath, ModelName, Role, Selection, Task};
use autores_templates::prompts::{self, Failure, PromptError, Room, Text, Tried};

use crate::conversation::{self, Exchange, Question, Unanswered};
use crate::diff;
use crate::knowledge::{Knowledge, Yardstick};
use crate::llm::{Client, Reply};

/// A task on its way.
pub(super) struct Job {
    pub(super) client: Client,
    pub(super) knowledge: Arc<Knowledge>,
    pub(super) task: Task,
    is_stopping: Arc<AtomicBool>,
    parents: Vec<Tried>,
    /// How the revision to mend differs from the base.
    changed: BTreeMap<CodePath, Option<String>>,
}

/// A reply that was no patch, or whose patch did not pass, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) reply: String,
    pub(super) report: String,
}

impl Job {
    pub(super) fn new(
        client: Client,
        knowledge: Arc<Knowledge>,
        task: Task,
        is_stopping: Arc<AtomicBool>,
    ) -> Self {
        let yardstick = Yardstick::of(&task.population);
        let parents = task.parents.iter().map(|parent| Tried {
            diff: Some(diff::diff(knowledge.code(), &parent.code)),
            ..knowledge.tried(&parent.member, yardstick.as_ref())
        });
        let parents = parents.collect();
        let changed = diff::changed(knowledge.code(), &task.code);
        Self { client, knowledge, task, is_stopping, parents, changed }
    }

    pub(super) fn role(&self) -> Role {
        if self.task.broken.is_some() { Role::Repairer } else { Role::Implementer }
    }

    /// Whether nothing more is to be begun.
    pub(super) fn is_stopping(&self) -> bool {
        self.is_stopping.load(Ordering::SeqCst)
    }

    /// Whether all candidates that pass are compared.
    pub(super) fn chooses_from_all(&self) -> bool {
        match self.knowledge.llm().select {
            Selection::First => false,
            Selection::Surprisal | Selection::Smallest | Selection::Judge => true,
        }
    }

    /// How often the idea is mended, this time included.
    fn repairs(&self) -> u32 {
        self.task.broken.as_ref().map_or(0, |broken| broken.repairs + 1)
    }

    /// The start of the keys of all calls.
    pub(super) fn key(&self) -> String {
        format!("i{}.r{}", self.task.idea.id.number, self.repairs())
    }

    /// A number of its own for each question: its last two digits are the version, the two before them the candidate.
    pub(super) fn seed(&self, candidate: u32, version: u32) -> u64 {
        let idea = u64::from(self.task.idea.id.number) * 100 + u64::from(self.repairs());
        self.knowledge.seed((idea * 100 + u64::from(candidate)) * 100 + u64::from(version))
    }

    /// Asks for a patch, or for another one after a refusal.
    pub(super) async fn ask(
        self: Arc<Self>,
        number: u32,
        version: u32,
        model: ModelName,
        is_one_of_many: bool,
        refused: Option<Refused>,
    ) -> (Vec<Call>, Result<Reply, Unanswered>) {
        let question = Question {
            key: format!("{}.c{number}.v{version}", self.key()),
            role: self.role(),
            model: &model,
            schema: None,
            is_one_of_many,
            seed: self.seed(number, version),
            logprobs: self.knowledge.llm().select == Selection::Surprisal,
        };
        let earlier = refused.as_ref().filter(|_| self.task.broken.is_some()).map(|refused| {
            let report = format!(
                "Your edits were refused, and nothing of them was applied:\n\n{}\n\nWrite all edits again, against the \
                 files as they are shown above, with the mistakes mended. Write only the edits.",
                refused.report
            );
            Exchange::new(&refused.reply, &report)
        });
        let write = |room: Room| self.text(refused.as_ref(), room);
        let mut calls = Vec::new();
        let asked =
            conversation::ask(&self.client, &question, earlier.as_ref(), &write, &mut calls).await;
        (calls, asked)
    }

    fn text(&self, refused: Option<&Refused>, room: Room) -> Result<Text, PromptError> {
        let setting = self.knowledge.setting(&self.task.population.lessons);
        if let Some(broken) = &self.task.broken {
            let usage = broken.evidence.usage.as_ref();
            let curve = self.knowledge.curve(&broken.evidence.curve);
            let failure = Failure {
                idea: &self.task.idea,
                fault: &broken.fault,
                changed: &self.changed,
                curve: curve.as_deref(),
                peak_memory_mb: usage
                    .map(|usage| usage.peak_gpu_memory_mb.unwrap_or(usage.peak_memory_mb)),
                wall_s: usage.map(|usage| usage.wall_s),
            };
            return prompts::repair_run(&setting, &failure, room);
        }
        let task = prompts::Task { idea: &self.task.idea, parents: &self.parents };
        match refused {
            None => prompts::implement(&setting, &task, room),
            Some(Refused { reply, report }) => {
                prompts::repair_patch(&setting, &task, reply, report, room)
            }
        }
    }
}
