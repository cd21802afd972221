//! A codebase and how it is measured.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{FaultClass, RewardRule};

/// A codebase plus its rules, as read from `problem.yaml` and recorded with every run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Problem {
    /// Short name, also its folder's name.
    pub name: String,
    /// One line for people.
    pub title: String,
    /// What is to be improved and under which rules; shown to ideators.
    pub description: String,
    /// Globs, relative to the codebase, of the files an idea may change or add.
    pub editable: Vec<String>,
    /// Globs of the files that measure. All that is not editable is frozen; these are named so that
    /// an editable glob that reaches one of them is refused.
    pub frozen: Vec<String>,
    /// File with the pinned Python requirements, relative to the problem's folder.
    pub requirements: Option<String>,
    /// Command that prepares the data once, from the base commit.
    pub prepare: Option<Vec<String>>,
    /// What an experiment does, in order.
    pub stages: Vec<Stage>,
    /// What a patch must survive before it is worth an experiment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub smoke: Option<Smoke>,
    /// What the last stage measures.
    pub metric: Metric,
    /// How the metric becomes a reward.
    pub reward: RewardRule,
    /// Environment variables that are passed on from the user's environment.
    pub env: Vec<String>,
    /// Sizes by name.
    pub scales: BTreeMap<String, Scale>,
    /// The scale used when none is named.
    pub default_scale: String,
}

impl Problem {
    /// The scale at which patches of a run at `scale` are tried out.
    pub fn smoke_scale<'a>(&'a self, scale: &'a str) -> &'a str {
        self.smoke.as_ref().and_then(|smoke| smoke.scale.as_deref()).unwrap_or(scale)
    }
}

/// The number an experiment is judged by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metric {
    /// Its key in the result file.
    pub name: String,
    /// Its unit, for people.
    pub unit: String,
    /// The key of the metric lines that is drawn as the learning curve.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub curve: Option<String>,
}

/// One command of an experiment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stage {
    /// Its name in logs and reports.
    pub name: String,
    /// Program and arguments with placeholders (see [`Stage::PLACEHOLDERS`]).
    pub command: Vec<String>,
    /// Subfolders of the prepared data that the stage may read.
    pub reads: Vec<Reads>,
    /// A trusted stage runs only frozen files and may start the code of the idea
    /// through the command prefix in `AUTORES_UNTRUSTED`.
    pub trusted: bool,
    /// The class of an exit with an error that nothing else explains.
    pub on_failure: FaultClass,
    /// The file in the stage's folder that holds the metric as JSON; on the last stage only.
    pub result: Option<String>,
}

/// A subfolder of the prepared data.
pub type Reads = String;

impl Stage {
    /// `{python}` interpreter of the problem's environment; `{launcher}` the scale's launcher, which may
    /// be several arguments; `{scale}`; `{seed}`; `{data}` the prepared data; `{work}` the folder that the
    /// untrusted stages write; `{out}` the folder that this stage writes.
    pub const PLACEHOLDERS: [&'static str; 7] =
        ["python", "launcher", "scale", "seed", "data", "work", "out"];
}

/// A few steps of the changed code, on the CPU and in the sandbox, that show whether it runs at all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Smoke {
    /// Program and arguments, with the placeholders of a stage.
    pub command: Vec<String>,
    /// The scale whose code path, data and memory it uses; the run's if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale: Option<String>,
    /// Subfolders of that scale's prepared data that it may read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reads: Vec<Reads>,
    /// Wall-clock seconds that it may take, with all stages before it.
    pub wall_s: u64,
    /// The class of an exit with an error that nothing else explains.
    #[serde(default = "Smoke::usual_class")]
    pub on_failure: FaultClass,
}

impl Smoke {
    /// The class of a smoke that names none.
    pub const fn usual_class() -> FaultClass {
        FaultClass::Crash
    }
}

/// Whether a stage can reach other processes over sockets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Network {
    /// No internet sockets at all.
    #[default]
    None,
    /// The loopback of a network of its own, as several processes of one job need.
    Loopback,
}

/// One size of a problem.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Scale {
    /// One line for people.
    pub description: String,
    /// GPUs of one experiment; 0 runs on the CPU.
    pub gpus: u32,
    /// Threads of one experiment.
    pub threads: u32,
    /// Command prefix that starts the training code.
    pub launcher: Vec<String>,
    /// Sockets that the stages may use.
    pub network: Network,
    /// Ideas per epoch when the user names none.
    pub batch: u32,
    /// Epochs when the user names none.
    pub epochs: u32,
    /// What an experiment may use.
    pub limits: Limits,
}

/// What one attempt may use before it is ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Limits {
    /// Wall-clock seconds of one attempt, all stages together.
    pub wall_s: u64,
    /// CPU seconds of one attempt, all stages and processes together.
    pub cpu_s: u64,
    /// If given, CPU seconds are further limited to this multiple of the slowest baseline's.
    pub cpu_times_baseline: Option<f64>,
    /// Resident memory in MiB, all processes together.
    pub memory_mb: u64,
    /// Output in MiB, standard output and error together.
    pub output_mb: u64,
    /// Size in MiB of any one file written.
    pub file_mb: u64,
    /// Size in MiB of all files in the attempt's folders together.
    #[serde(default = "Limits::usual_disk_mb")]
    pub disk_mb: u64,
    /// Seconds without output and without CPU use before the attempt counts as stalled.
    pub stall_s: u64,
    /// Seconds between the request to end and the kill.
    pub grace_s: u64,
}

impl Limits {
    /// The limit of a problem, or of a log, that names none.
    pub const fn usual_disk_mb() -> u64 {
        16_384
    }

    /// The limits of an experiment once the baseline's CPU seconds are known.
    pub fn relative_to(&self, baseline_cpu_s: Option<f64>) -> Self {
        let cap = match (self.cpu_times_baseline, baseline_cpu_s) {
            (Some(factor), Some(cpu_s)) => (factor * cpu_s).ceil() as u64,
            _ => self.cpu_s,
        };
        Self { cpu_s: self.cpu_s.min(cap.max(1)), ..self.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_before_there_was_a_smoke_or_a_curve_still_reads() {
        let metric: Metric = serde_json::from_str(r#"{"name": "loss", "unit": ""}"#).unwrap();
        assert_eq!(metric.curve, None);
        let smoke: Smoke =
            serde_json::from_str(r#"{"command": ["{python}", "x.py"], "wall_s": 9}"#).unwrap();
        assert_eq!((smoke.scale, smoke.on_failure), (None, FaultClass::Crash));
        let mut problem = serde_json::json!({
            "name": "p", "title": "", "description": "", "editable": [], "frozen": [],
            "requirements": null, "prepare": null, "stages": [],
            "metric": {"name": "loss", "unit": ""}, "reward": "negate", "env": [], "scales": {},
            "default_scale": "cpu",
        });
        let read = |value: &serde_json::Value| serde_json::from_value::<Problem>(value.clone());
        assert_eq!(read(&problem).unwrap().smoke, None);
        problem["smoke"] = serde_json::json!({"command": ["x"], "wall_s": 9});
        assert_eq!(read(&problem).unwrap().smoke.unwrap().wall_s, 9);
    }
}
