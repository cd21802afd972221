//! What is known to all who ask models: the problem with its code and rules, the models of each role, and how results
//! are told. Never asks anybody.

use std::sync::Arc;

use autores_domain::{
    CodePath, Codebase, FaultClass, Lesson, LlmConfig, Member, ModelName, Outcome, Population,
    Problem, RewardRule, Role, RunId, Scale, WeightedModel, stats,
};
use autores_templates::catalogue::Catalogue;
use autores_templates::prompts::{self, Baseline, Room, Setting, Tried};
use autores_templates::settings::Model;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::llm::choose::{WeightError, Weighted};
use crate::llm::{USUAL_CONTEXT, USUAL_REPLY};

/// Whether an idea may change a file.
pub type IsEditable = dyn Fn(&CodePath) -> bool + Send + Sync;

/// Points of a learning curve that are told.
const CURVE: usize = 10;

/// What the models of one run are asked about.
pub struct Knowledge {
    problem: Problem,
    scale_name: String,
    scale: Scale,
    code: Codebase,
    is_editable: Box<IsEditable>,
    catalogue: Arc<Catalogue>,
    llm: LlmConfig,
    seed: u64,
}

/// The problem has no such scale.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("problem {problem} has no scale {scale:?}; it has {known}")]
pub struct UnknownScale {
    problem: String,
    scale: String,
    known: String,
}

impl Knowledge {
    /// `code` is that of the base commit; `catalogue` may be empty; `seed` is the run's.
    ///
    /// # Errors
    /// If the problem has no such scale.
    pub fn new(
        problem: Problem,
        scale: &str,
        code: Codebase,
        is_editable: Box<IsEditable>,
        catalogue: Arc<Catalogue>,
        llm: LlmConfig,
        seed: u64,
    ) -> Result<Self, UnknownScale> {
        let Some(size) = problem.scales.get(scale).cloned() else {
            let known: Vec<&str> = problem.scales.keys().map(String::as_str).collect();
            return Err(UnknownScale {
                problem: problem.name.clone(),
                scale: scale.to_owned(),
                known: known.join(", "),
            });
        };
        let scale_name = scale.to_owned();
        Ok(Self { problem, scale_name, scale: size, code, is_editable, catalogue, llm, seed })
    }

    pub(crate) fn llm(&self) -> &LlmConfig {
        &self.llm
    }

    pub(crate) fn code(&self) -> &Codebase {
        &self.code
    }

    pub(crate) fn catalogue(&self) -> &Arc<Catalogue> {
        &self.catalogue
    }

    /// The models of a role; those of the ideator for a role of which nothing is said.
    pub(crate) fn models(&self, role: Role) -> &[WeightedModel] {
        let of = |role: &Role| self.llm.roles.get(role).filter(|models| !models.is_empty());
        of(&role).or_else(|| of(&Role::Ideator)).map_or(&[], Vec::as_slice)
    }

    /// One of a role's models, in proportion to their weights.
    pub(crate) fn draw(&self, role: Role, seed: u64) -> Result<ModelName, WeightError> {
        let models = self.models(role);
        let weights = models.iter().map(|one| (one.model.clone(), one.weight)).collect();
        let weighted: Weighted<ModelName> = Weighted::new(weights)?;
        Ok(weighted.draw(&mut ChaCha8Rng::seed_from_u64(seed)).clone())
    }

    /// A seed for a question with this number, another one in a run with another seed.
    pub(crate) fn seed(&self, number: u64) -> u64 {
        // Odd, so that no two seeds are mapped to one; large, so that neighbours are far apart.
        number.wrapping_add(self.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    /// The run whose replies are repeated.
    pub(crate) fn replayed(&self) -> Option<&RunId> {
        self.llm.replay.as_ref().map(|replay| &replay.run)
    }

    pub(crate) fn setting<'a>(&'a self, lessons: &'a [Lesson]) -> Setting<'a> {
        Setting {
            problem: &self.problem,
            scale_name: &self.scale_name,
            scale: &self.scale,
            codebase: &self.code,
            is_editable: &*self.is_editable,
            lessons,
        }
    }

    /// An idea and what came of it. Without a yardstick its difference to the baseline is not told.
    pub(crate) fn tried(&self, member: &Member, yardstick: Option<&Yardstick>) -> Tried {
        let usage = member.evidence.as_ref().and_then(|evidence| evidence.usage.as_ref());
        let idea = &member.idea;
        Tried {
            id: idea.id.to_string(),
            title: idea.title.clone(),
            plan: idea.plan.clone(),
            techniques: idea.techniques.clone(),
            outcome: self.outcome(member, yardstick),
            lines: member.revision.as_ref().map(|revision| revision.lines),
            peak_memory_mb: usage
                .map(|usage| usage.peak_gpu_memory_mb.unwrap_or(usage.peak_memory_mb)),
            curve: member.evidence.as_ref().and_then(|evidence| self.curve(&evidence.curve)),
            diff: None,
        }
    }

    fn outcome(&self, member: &Member, yardstick: Option<&Yardstick>) -> prompts::Outcome {
        match &member.outcome {
            Outcome::Pending => prompts::Outcome::Pending,
            Outcome::Failed(fault) => {
                prompts::Outcome::Failed { class: fault.class, reason: fault.reason.clone() }
            }
            Outcome::Measured { reward } => {
                let seen = member.evidence.as_ref().and_then(|evidence| evidence.metric);
                prompts::Outcome::Measured {
                    metric: seen.unwrap_or_else(|| metric_of(self.problem.reward, *reward)),
                    reward: *reward,
                    reward_sd: None,
                    seeds: 1,
                    deviations: yardstick.and_then(|yardstick| yardstick.deviations(*reward)),
                }
            }
        }
    }

    /// `train_loss 10.8 → 6.31 → 4.02`; nothing for a curve of one point.
    pub(crate) fn curve(&self, points: &[f64]) -> Option<String> {
        if points.len() < 2 {
            return None;
        }
        let shown = points.len().min(CURVE);
        let at = |index: usize| points[index * (points.len() - 1) / (shown - 1)];
        let words: Vec<String> = (0..shown).map(|index| digits(at(index))).collect();
        let name = self.problem.metric.curve.as_deref().unwrap_or_default();
        Some(format!("{name} {}", words.join(" → ")).trim_start().to_owned())
    }
}

/// Whether an idea with this outcome was tried, so that another that says the same is a repetition. One that came to no
/// code, was itself a repetition, or was in the way of a machine's failure tells nothing of what it proposes.
pub(crate) fn was_tried(outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Pending | Outcome::Measured { .. } => true,
        Outcome::Failed(fault) => match fault.class {
            FaultClass::Duplicate
            | FaultClass::Patch
            | FaultClass::Infra
            | FaultClass::Preempted => false,
            FaultClass::Build
            | FaultClass::Crash
            | FaultClass::Oom
            | FaultClass::Timeout
            | FaultClass::Diverged
            | FaultClass::Stalled
            | FaultClass::Policy => true,
        },
    }
}

/// The baseline as a measure of what others are worth.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Yardstick {
    reference: f64,
    noise: Option<f64>,
}

impl Yardstick {
    /// `None` before the baseline is measured with the seed of the screenings.
    pub(crate) fn of(population: &Population) -> Option<Self> {
        let noise = stats::standard_deviation(&population.baseline).filter(|noise| *noise > 0.0);
        Some(Self { reference: population.reference?, noise })
    }

    fn deviations(&self, reward: f64) -> Option<f64> {
        self.noise.map(|noise| (reward - self.reference) / noise)
    }
}

/// The baseline as it is told; `None` before it is measured.
pub(crate) fn baseline(population: &Population) -> Option<Baseline> {
    Some(Baseline {
        metric: stats::mean(&population.baseline_metrics)?,
        metric_sd: stats::standard_deviation(&population.baseline_metrics),
        reward: stats::mean(&population.baseline)?,
        reward_sd: stats::standard_deviation(&population.baseline),
        seeds: population.baseline.len() as u32,
    })
}

/// How much of a model's window is for the reply.
pub(crate) fn reply_tokens(model: &Model) -> u64 {
    let most = model.max_output.unwrap_or(USUAL_REPLY);
    // A small window is for the code first.
    most.min(context(model) / 3).max(1)
}

/// What is left of a model's window for a prompt.
pub(crate) fn room(model: &Model, tokens_per_byte: f64) -> Room {
    let window = context(model);
    // Servers put words of their own around each turn, and the measure of a byte is a mean.
    let own = window / 32 + 64;
    Room { tokens: window.saturating_sub(reply_tokens(model) + own), tokens_per_byte }
}

fn context(model: &Model) -> u64 {
    model.context.unwrap_or(USUAL_CONTEXT)
}

fn metric_of(rule: RewardRule, reward: f64) -> f64 {
    match rule {
        RewardRule::Identity => reward,
        RewardRule::Negate => -reward,
        RewardRule::Reciprocal => 1.0 / reward,
    }
}

/// Three significant digits.
fn digits(value: f64) -> String {
    let size = value.abs();
    if value == 0.0 || !value.is_finite() || !(1e-3..1e6).contains(&size) {
        return format!("{value:.2e}");
    }
    let decimals = (2 - size.log10().floor() as i32).max(0) as usize;
    format!("{value:.decimals$}")
}
