//! What an attempt uses while it runs, about once a second, for people and later analysis.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::gpu::{GpuSample, Monitor};
use crate::processes::Sample;

const INTERVAL_S: f64 = 1.0;

/// One line of `telemetry.jsonl`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TelemetryPoint {
    /// Wall-clock seconds since the attempt's start.
    pub wall_s: f64,
    /// CPU seconds since the attempt's start.
    pub cpu_s: f64,
    /// Resident memory in MiB, all processes together.
    pub rss_mb: f64,
    /// Living processes.
    pub processes: usize,
    /// The leased GPUs, where the driver tells of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gpus: Vec<GpuSample>,
}

pub(super) struct Telemetry {
    file: File,
    monitor: Monitor,
    due_s: f64,
    /// Most memory seen on any of the GPUs, in MiB, since the last stage began.
    stage_gpu_mb: Option<f64>,
}

impl Telemetry {
    pub(super) fn create(path: &Path, gpus: &[u32]) -> io::Result<Self> {
        let file = File::create(path)?;
        Ok(Self { file, monitor: Monitor::of(gpus), due_s: 0.0, stage_gpu_mb: None })
    }

    pub(super) fn begin_stage(&mut self) {
        self.stage_gpu_mb = None;
    }

    /// Most memory seen on any GPU in this stage.
    pub(super) fn gpu_memory_mb(&self) -> Option<f64> {
        self.stage_gpu_mb
    }

    /// Writes a line if one is due. A line that cannot be written is no reason to end an experiment.
    pub(super) fn record(&mut self, wall_s: f64, sample: Sample) {
        if wall_s < self.due_s {
            return;
        }
        self.due_s = wall_s + INTERVAL_S;
        let gpus = self.monitor.sample();
        let most = gpus.iter().filter_map(|gpu| gpu.memory_mb).reduce(f64::max);
        self.stage_gpu_mb = [self.stage_gpu_mb, most].into_iter().flatten().reduce(f64::max);
        let Sample { cpu_s, memory_mb, processes } = sample;
        let point = TelemetryPoint { wall_s, cpu_s, rss_mb: memory_mb, processes, gpus };
        if let Ok(mut line) = serde_json::to_vec(&point) {
            line.push(b'\n');
            let _ = self.file.write_all(&line);
        }
    }
}
