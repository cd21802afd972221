//! The GPUs of this machine, as the driver's own library counts them. Never changes a setting of theirs.

use nvml_wrapper::Nvml;
use nvml_wrapper::enum_wrappers::device::TemperatureSensor;
use nvml_wrapper::error::NvmlError;
use serde::{Deserialize, Serialize};

/// Overrides the path of the driver's library.
pub const LIBRARY_VARIABLE: &str = "AUTORES_NVML_LIBRARY";

const MIB: f64 = 1_048_576.0;

/// A GPU.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gpu {
    /// Its index as NVML counts, in the order of the bus.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// Its memory in MiB.
    pub memory_mb: u64,
    /// Its lasting id.
    pub uuid: String,
    /// The driver's version.
    pub driver: String,
}

/// What a GPU is doing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GpuSample {
    /// Its index as NVML counts.
    pub index: u32,
    /// Share of the time in which a kernel ran, in percent.
    pub utilisation: Option<u32>,
    /// Memory in use in MiB, by all processes.
    pub memory_mb: Option<f64>,
    /// Power in watts.
    pub power_w: Option<f64>,
    /// Temperature in degrees Celsius.
    pub temperature_c: Option<u32>,
}

/// Why the GPUs cannot be listed although there is a driver.
#[derive(Debug, thiserror::Error)]
#[error("cannot ask the NVIDIA driver about its GPUs: {0}; `nvidia-smi` should tell more")]
pub struct GpuError(#[from] NvmlError);

/// The GPUs of this machine; none where there is no NVIDIA driver.
///
/// # Errors
/// If there is a driver that does not answer.
pub fn list() -> Result<Vec<Gpu>, GpuError> {
    let Some(nvml) = open()? else { return Ok(Vec::new()) };
    let driver = nvml.sys_driver_version()?;
    let mut gpus = Vec::new();
    for index in 0..nvml.device_count()? {
        let device = nvml.device_by_index(index)?;
        gpus.push(Gpu {
            index,
            name: device.name()?,
            memory_mb: device.memory_info()?.total >> 20,
            uuid: device.uuid()?,
            driver: driver.clone(),
        });
    }
    Ok(gpus)
}

fn open() -> Result<Option<Nvml>, NvmlError> {
    let path = std::env::var_os(LIBRARY_VARIABLE);
    let opened = match &path {
        Some(path) => Nvml::builder().lib_path(path).init(),
        None => Nvml::init(),
    };
    match opened {
        Ok(nvml) => Ok(Some(nvml)),
        Err(NvmlError::LibloadingError(_) | NvmlError::LibraryNotFound) if path.is_none() => Ok(None),
        Err(NvmlError::DriverNotLoaded) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Looks at some GPUs now and then.
pub(crate) struct Monitor {
    nvml: Option<Nvml>,
    indices: Vec<u32>,
}

impl Monitor {
    /// Watches these GPUs; without any, or without a driver, there is nothing to see.
    pub(crate) fn of(indices: &[u32]) -> Self {
        let nvml = if indices.is_empty() { None } else { open().ok().flatten() };
        Self { nvml, indices: indices.to_vec() }
    }

    /// What they are doing. A GPU that fell off the bus answers nothing.
    pub(crate) fn sample(&self) -> Vec<GpuSample> {
        let Some(nvml) = &self.nvml else { return Vec::new() };
        let sample = |index: &u32| {
            let device = nvml.device_by_index(*index).ok();
            let device = device.as_ref();
            GpuSample {
                index: *index,
                utilisation: device.and_then(|d| d.utilization_rates().ok()).map(|rates| rates.gpu),
                memory_mb: device
                    .and_then(|d| d.memory_info().ok())
                    .map(|memory| memory.used as f64 / MIB),
                power_w: device.and_then(|d| d.power_usage().ok()).map(|mw| f64::from(mw) / 1000.0),
                temperature_c: device.and_then(|d| d.temperature(TemperatureSensor::Gpu).ok()),
            }
        };
        self.indices.iter().map(sample).collect()
    }
}
