//! One revision at one scale with one seed, and how far its execution has come.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{AttemptId, Event, ExperimentId, Fault, IdeaId, Illegal, Limits, Slot};

/// Attempts that may be lost to failing machines before the experiment fails with class `infra`.
pub const MAX_LOSSES: u32 = 3;

/// What an experiment is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Purpose {
    /// Measures the unchanged codebase and its noise.
    Baseline,
    /// Measures an idea once, for the search.
    Screen,
    /// Measures a finalist, or the baseline beside it, with a fresh seed.
    Verify,
    /// Measures a winner at another scale.
    Confirm,
}

impl Purpose {
    /// The word used in tables and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Baseline => "baseline",
            Self::Screen => "screen",
            Self::Verify => "verify",
            Self::Confirm => "confirm",
        }
    }
}

/// What is to be measured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Experiment {
    /// Its id.
    pub id: ExperimentId,
    /// The idea whose revision runs.
    pub idea: IdeaId,
    /// Why.
    pub purpose: Purpose,
    /// At which scale.
    pub scale: String,
    /// With which seed.
    pub seed: u64,
    /// Which of the idea's revisions, from 0.
    #[serde(default)]
    pub revision: u32,
}

/// What an attempt used, measured from outside.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Usage {
    /// Wall-clock seconds.
    pub wall_s: f64,
    /// CPU seconds of all its processes.
    pub cpu_s: f64,
    /// Largest resident memory in MiB, all processes together.
    pub peak_memory_mb: f64,
    /// Largest memory in use on any of its GPUs, in MiB; absent without a GPU.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peak_gpu_memory_mb: Option<f64>,
}

/// A recorded result.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measurement {
    /// The metric, finite, in the problem's unit.
    pub metric: f64,
    /// The reward, finite, higher is better.
    pub reward: f64,
    /// All numbers of the result file.
    pub values: BTreeMap<String, f64>,
    /// What it cost.
    pub usage: Usage,
    /// The learning curve at evenly spaced points; empty where none was reported.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub curve: Vec<f64>,
}

/// How far an experiment has come.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum ExperimentState {
    /// Waits for a slot.
    Queued {
        /// Attempts made so far.
        attempts: u32,
        /// Attempts lost to failing machines so far.
        losses: u32,
    },
    /// Holds a slot. Its process may not exist yet, may run, or may have ended unseen.
    Running {
        /// The current attempt.
        attempt: AttemptId,
        /// The slot it holds.
        slot: Slot,
        /// What it may use.
        limits: Limits,
        /// Attempts lost to failing machines so far.
        losses: u32,
    },
    /// Measured. Terminal.
    Measured {
        /// The attempt that was accepted.
        attempt: AttemptId,
        /// The result.
        measurement: Measurement,
    },
    /// Failed. Terminal.
    Failed {
        /// The attempt that failed.
        attempt: AttemptId,
        /// Why.
        fault: Fault,
        /// What it cost, where that is known.
        usage: Option<Usage>,
        /// The learning curve as far as it came; empty where none was reported.
        curve: Vec<f64>,
    },
    /// Given up before it was measured. Terminal.
    Cancelled {
        /// Why.
        reason: String,
    },
}

/// What is owed to an experiment.
#[derive(Debug, Clone, PartialEq)]
pub enum ExperimentStep {
    /// A slot, and then the attempt with this number.
    Start {
        /// Number of the next attempt.
        attempt: u32,
    },
    /// That the attempt's process exists and that its end is awaited.
    Watch {
        /// The attempt.
        attempt: AttemptId,
        /// The slot it holds.
        slot: Slot,
    },
}

impl ExperimentState {
    /// The state of a new experiment.
    pub const NEW: Self = Self::Queued { attempts: 0, losses: 0 };

    /// The state after an event that concerns this experiment.
    ///
    /// # Errors
    /// [`Illegal`] if the event cannot happen in this state, or comes from another attempt than the current one;
    /// the state is then unchanged.
    pub fn next(&self, event: &Event) -> Result<Self, Illegal> {
        let illegal = || Err(Illegal::new(self.name(), event));
        match (self, event) {
            (
                Self::Queued { attempts, losses },
                Event::AttemptStarted { attempt, slot, limits },
            ) => {
                if attempt.number != attempts + 1 {
                    return illegal();
                }
                Ok(Self::Running {
                    attempt: attempt.clone(),
                    slot: slot.clone(),
                    limits: limits.clone(),
                    losses: *losses,
                })
            }
            (Self::Queued { .. }, Event::ExperimentCancelled { reason, .. }) => {
                Ok(Self::Cancelled { reason: reason.clone() })
            }
            (
                Self::Running { attempt, .. },
                Event::AttemptMeasured { attempt: reported, measurement },
            ) if attempt == reported => {
                Ok(Self::Measured { attempt: attempt.clone(), measurement: measurement.clone() })
            }
            (
                Self::Running { attempt, .. },
                Event::AttemptFailed { attempt: reported, fault, usage, curve },
            ) if attempt == reported => Ok(Self::Failed {
                attempt: attempt.clone(),
                fault: fault.clone(),
                usage: usage.clone(),
                curve: curve.clone(),
            }),
            (
                Self::Running { attempt, losses, .. },
                Event::AttemptLost { attempt: reported, fault },
            ) if attempt == reported => {
                // Being stopped by its owner says nothing about the machine.
                let lost = u32::from(fault.class == crate::FaultClass::Infra);
                Ok(Self::Queued { attempts: attempt.number, losses: losses + lost })
            }
            _ => illegal(),
        }
    }

    /// What is owed to the state; `None` where nothing is.
    pub fn step(&self) -> Option<ExperimentStep> {
        match self {
            Self::Queued { attempts, .. } => Some(ExperimentStep::Start { attempt: attempts + 1 }),
            Self::Running { attempt, slot, .. } => {
                Some(ExperimentStep::Watch { attempt: attempt.clone(), slot: slot.clone() })
            }
            Self::Measured { .. } | Self::Failed { .. } | Self::Cancelled { .. } => None,
        }
    }

    /// Whether nothing more can happen to it.
    pub fn is_terminal(&self) -> bool {
        self.step().is_none()
    }

    /// The result, if it was measured.
    pub fn measurement(&self) -> Option<&Measurement> {
        match self {
            Self::Measured { measurement, .. } => Some(measurement),
            Self::Queued { .. }
            | Self::Running { .. }
            | Self::Failed { .. }
            | Self::Cancelled { .. } => None,
        }
    }

    /// The word used in tables and JSON.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Queued { .. } => "queued",
            Self::Running { .. } => "running",
            Self::Measured { .. } => "measured",
            Self::Failed { .. } => "failed",
            Self::Cancelled { .. } => "cancelled",
        }
    }
}
