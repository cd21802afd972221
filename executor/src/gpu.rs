//! The GPUs of this machine, as the driver's own library counts them. Never changes a setting of theirs.

use nvml_wrapper::Nvml;
use nvml_wrapper::enum_wrappers::device::TemperatureSensor;
use nvml_wrapper::error::NvmlError;
use serde::{Deserialize, Serialize};

/// Overrides the path of the driver's library.
pub const LIBRARY_VARIABLE: &str = "AUTORES_NVML_LIBRARY";

/// With this the user says which GPUs may be used.
const VISIBLE_VARIABLE: &str = "CUDA_VISIBLE_DEVICES";

/// The name that a driver installs comes first; the other belongs to its developer's package.
const LIBRARIES: [&str; 2] = ["libnvidia-ml.so.1", "libnvidia-ml.so"];

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

/// The GPUs of this machine that `CUDA_VISIBLE_DEVICES` does not exclude; none where there is no NVIDIA driver.
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
    Ok(match std::env::var(VISIBLE_VARIABLE) {
        Ok(names) => visible(gpus, &names),
        Err(_) => gpus,
    })
}

/// Those that are named, by index or by the beginning of their id. As CUDA has it, the first unknown name ends
/// the list, and an empty list hides all.
fn visible(gpus: Vec<Gpu>, names: &str) -> Vec<Gpu> {
    let find = |name: &str| {
        gpus.iter().find(|gpu| {
            gpu.index.to_string() == name || (!name.is_empty() && gpu.uuid.starts_with(name))
        })
    };
    names.split(',').map_while(|name| find(name.trim())).cloned().collect()
}

fn open() -> Result<Option<Nvml>, NvmlError> {
    if let Some(path) = std::env::var_os(LIBRARY_VARIABLE) {
        return Nvml::builder().lib_path(&path).init().map(Some);
    }
    for library in LIBRARIES {
        match Nvml::builder().lib_path(library.as_ref()).init() {
            Ok(nvml) => return Ok(Some(nvml)),
            Err(NvmlError::LibloadingError(_) | NvmlError::LibraryNotFound) => {}
            // The library outlives the driver, for example in a container without a GPU.
            Err(NvmlError::DriverNotLoaded) => return Ok(None),
            Err(error) => return Err(error),
        }
    }
    Ok(None)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn check(names: &str, expected: &[u32]) {
        let gpu = |index| Gpu {
            index,
            name: "H100".into(),
            memory_mb: 81_559,
            uuid: format!("GPU-{index}0ab"),
            driver: "570".into(),
        };
        let found = visible((0..3).map(gpu).collect(), names);
        assert_eq!(found.iter().map(|gpu| gpu.index).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn the_users_choice_of_gpus_is_kept() {
        check("0,2", &[0, 2]);
        check("2, 1", &[2, 1]);
        check("GPU-1", &[1]);
        check("", &[]);
        check("-1", &[]);
        check("1,7,2", &[1]);
    }

    #[test]
    fn a_machine_without_a_driver_has_no_gpus_and_a_broken_library_is_told() {
        let missing = Nvml::builder().lib_path("/no/such/library.so".as_ref()).init();
        assert!(matches!(missing, Err(NvmlError::LibloadingError(_))));
        assert!(Monitor { nvml: None, indices: vec![0] }.sample().is_empty());
    }
}
