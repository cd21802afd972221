//! The shape of `problem.yaml`: [`Problem`] with defaults, and with places for errors.

use std::collections::BTreeMap;

use autores_domain::{
    FaultClass, Limits, Metric, Network, Problem, RewardRule, Scale, Smoke, Stage,
};
use serde::Deserialize;
use serde_saphyr::Spanned;

use super::words::Words;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ProblemFile {
    pub(super) name: Spanned<String>,
    pub(super) title: String,
    pub(super) description: String,
    pub(super) editable: Vec<Spanned<String>>,
    #[serde(default)]
    pub(super) frozen: Vec<Spanned<String>>,
    pub(super) requirements: Option<Spanned<String>>,
    pub(super) prepare: Option<Spanned<Words>>,
    pub(super) stages: Spanned<Vec<StageFile>>,
    pub(super) smoke: Option<SmokeFile>,
    pub(super) metric: MetricFile,
    pub(super) reward: RewardRule,
    #[serde(default)]
    pub(super) env: Vec<Spanned<String>>,
    pub(super) scales: Spanned<BTreeMap<String, ScaleFile>>,
    pub(super) default_scale: Spanned<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StageFile {
    pub(super) name: Spanned<String>,
    pub(super) command: Spanned<Words>,
    #[serde(default)]
    pub(super) reads: Vec<Spanned<String>>,
    #[serde(default)]
    pub(super) trusted: bool,
    #[serde(default = "crash")]
    pub(super) on_failure: Spanned<FaultClass>,
    pub(super) result: Option<Spanned<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SmokeFile {
    pub(super) command: Spanned<Words>,
    pub(super) scale: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) reads: Vec<Spanned<String>>,
    pub(super) wall_s: Spanned<u64>,
    #[serde(default = "crash")]
    pub(super) on_failure: Spanned<FaultClass>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MetricFile {
    pub(super) name: Spanned<String>,
    #[serde(default)]
    pub(super) unit: String,
    pub(super) curve: Option<Spanned<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ScaleFile {
    pub(super) description: String,
    #[serde(default)]
    pub(super) gpus: u32,
    #[serde(default = "one")]
    pub(super) threads: Spanned<u32>,
    #[serde(default = "python")]
    pub(super) launcher: Spanned<Words>,
    #[serde(default)]
    pub(super) network: Network,
    #[serde(default = "four")]
    pub(super) batch: Spanned<u32>,
    #[serde(default = "four")]
    pub(super) epochs: Spanned<u32>,
    pub(super) limits: LimitsFile,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LimitsFile {
    pub(super) wall_s: Spanned<u64>,
    pub(super) cpu_s: Spanned<u64>,
    pub(super) cpu_times_baseline: Option<Spanned<f64>>,
    pub(super) memory_mb: Spanned<u64>,
    #[serde(default = "output_mb")]
    pub(super) output_mb: Spanned<u64>,
    #[serde(default = "file_mb")]
    pub(super) file_mb: Spanned<u64>,
    #[serde(default = "disk_mb")]
    pub(super) disk_mb: Spanned<u64>,
    #[serde(default = "stall_s")]
    pub(super) stall_s: Spanned<u64>,
    #[serde(default = "grace_s")]
    pub(super) grace_s: Spanned<u64>,
}

fn default<T>(value: T) -> Spanned<T> {
    Spanned::new(value, serde_saphyr::Location::UNKNOWN, serde_saphyr::Location::UNKNOWN)
}

fn crash() -> Spanned<FaultClass> {
    default(FaultClass::Crash)
}
fn one() -> Spanned<u32> {
    default(1)
}
fn four() -> Spanned<u32> {
    default(4)
}
fn python() -> Spanned<Words> {
    default(Words(vec!["{python}".into()]))
}
fn output_mb() -> Spanned<u64> {
    default(64)
}
fn file_mb() -> Spanned<u64> {
    default(4096)
}
fn disk_mb() -> Spanned<u64> {
    default(Limits::usual_disk_mb())
}
fn stall_s() -> Spanned<u64> {
    default(120)
}
fn grace_s() -> Spanned<u64> {
    default(5)
}

fn values<T>(list: Vec<Spanned<T>>) -> Vec<T> {
    list.into_iter().map(|item| item.value).collect()
}

impl From<ProblemFile> for Problem {
    fn from(file: ProblemFile) -> Self {
        Self {
            name: file.name.value,
            title: file.title,
            description: file.description,
            editable: values(file.editable),
            frozen: values(file.frozen),
            requirements: file.requirements.map(|path| path.value),
            prepare: file.prepare.map(|command| command.value.0),
            stages: file.stages.value.into_iter().map(Stage::from).collect(),
            smoke: file.smoke.map(Smoke::from),
            metric: file.metric.into(),
            reward: file.reward,
            env: values(file.env),
            scales: file.scales.value.into_iter().map(|(name, s)| (name, s.into())).collect(),
            default_scale: file.default_scale.value,
        }
    }
}

impl From<StageFile> for Stage {
    fn from(file: StageFile) -> Self {
        Self {
            name: file.name.value,
            command: file.command.value.0,
            reads: values(file.reads),
            trusted: file.trusted,
            on_failure: file.on_failure.value,
            result: file.result.map(|path| path.value),
        }
    }
}

impl From<SmokeFile> for Smoke {
    fn from(file: SmokeFile) -> Self {
        Self {
            command: file.command.value.0,
            scale: file.scale.map(|name| name.value),
            reads: values(file.reads),
            wall_s: file.wall_s.value,
            on_failure: file.on_failure.value,
        }
    }
}

impl From<MetricFile> for Metric {
    fn from(file: MetricFile) -> Self {
        Self { name: file.name.value, unit: file.unit, curve: file.curve.map(|key| key.value) }
    }
}

impl From<ScaleFile> for Scale {
    fn from(file: ScaleFile) -> Self {
        Self {
            description: file.description,
            gpus: file.gpus,
            threads: file.threads.value,
            launcher: file.launcher.value.0,
            network: file.network,
            batch: file.batch.value,
            epochs: file.epochs.value,
            limits: file.limits.into(),
        }
    }
}

impl From<LimitsFile> for Limits {
    fn from(file: LimitsFile) -> Self {
        Self {
            wall_s: file.wall_s.value,
            cpu_s: file.cpu_s.value,
            cpu_times_baseline: file.cpu_times_baseline.map(|times| times.value),
            memory_mb: file.memory_mb.value,
            output_mb: file.output_mb.value,
            file_mb: file.file_mb.value,
            disk_mb: file.disk_mb.value,
            stall_s: file.stall_s.value,
            grace_s: file.grace_s.value,
        }
    }
}
