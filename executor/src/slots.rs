//! How many experiments fit on this machine, and which GPUs each holds. Never starts anything.

use autores_domain::{Scale, Slot};

use crate::gpu::Gpu;

/// Why a scale does not fit on this machine.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SlotsError {
    /// Too few GPUs.
    #[error(
        "the scale needs {needed} GPU(s) and this machine has {found}; choose another with --scale, \
         or run on a machine with more"
    )]
    TooFewGpus {
        /// GPUs of one experiment.
        needed: u32,
        /// GPUs found.
        found: usize,
    },
    /// More experiments at a time than GPUs allow.
    #[error(
        "{wanted} experiments at a time need {needed} GPU(s) and this machine has {found}; \
         use --slots {most} or fewer"
    )]
    TooManySlots {
        /// Experiments asked for.
        wanted: u32,
        /// GPUs they need together.
        needed: u64,
        /// GPUs found.
        found: usize,
        /// The most that fit.
        most: u32,
    },
    /// No experiment at a time.
    #[error("0 experiments at a time would never end; use --slots 1 or more")]
    None,
}

/// The slots for a scale: as many as wanted, else one for each group of GPUs, else one for as many cores as
/// an experiment has threads.
///
/// # Errors
/// If the scale does not fit.
pub fn local(scale: &Scale, wanted: Option<u32>, gpus: &[Gpu]) -> Result<Vec<Slot>, SlotsError> {
    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get());
    let cores = u32::try_from(cores).unwrap_or(u32::MAX);
    slots(scale, wanted, gpus, cores)
}

fn slots(
    scale: &Scale,
    wanted: Option<u32>,
    gpus: &[Gpu],
    cores: u32,
) -> Result<Vec<Slot>, SlotsError> {
    if wanted == Some(0) {
        return Err(SlotsError::None);
    }
    if scale.gpus == 0 {
        // More slots than cores is slow, but the user's to choose.
        let count = wanted.unwrap_or((cores / scale.threads.max(1)).max(1));
        return Ok((0..count).map(|index| Slot { index, gpus: Vec::new() }).collect());
    }
    let found = gpus.len();
    let most = u32::try_from(found).unwrap_or(u32::MAX) / scale.gpus;
    if most == 0 {
        return Err(SlotsError::TooFewGpus { needed: scale.gpus, found });
    }
    let count = wanted.unwrap_or(most);
    if count > most {
        let needed = u64::from(count) * u64::from(scale.gpus);
        return Err(SlotsError::TooManySlots { wanted: count, needed, found, most });
    }
    let groups = gpus.chunks_exact(scale.gpus as usize).zip(0..count);
    let slot = |(group, index): (&[Gpu], u32)| Slot {
        index,
        gpus: group.iter().map(|gpu| gpu.index).collect(),
    };
    Ok(groups.map(slot).collect())
}

#[cfg(test)]
mod tests {
    use autores_domain::{Limits, Network};

    use super::*;

    fn scale(gpus: u32, threads: u32) -> Scale {
        let limits = Limits {
            wall_s: 1,
            cpu_s: 1,
            cpu_times_baseline: None,
            memory_mb: 1,
            output_mb: 1,
            file_mb: 1,
            disk_mb: 1,
            stall_s: 1,
            grace_s: 1,
        };
        Scale {
            description: String::new(),
            gpus,
            threads,
            launcher: Vec::new(),
            network: Network::None,
            batch: 1,
            epochs: 1,
            limits,
        }
    }

    fn gpus(count: u32) -> Vec<Gpu> {
        let gpu = |index| Gpu {
            index,
            name: "H100".into(),
            memory_mb: 81_559,
            uuid: format!("GPU-{index}"),
            driver: "570".into(),
        };
        (0..count).map(gpu).collect()
    }

    fn check(scale: Scale, wanted: Option<u32>, found: u32, cores: u32, expected: &[&[u32]]) {
        let slots = slots(&scale, wanted, &gpus(found), cores).unwrap();
        let held: Vec<&[u32]> = slots.iter().map(|slot| slot.gpus.as_slice()).collect();
        assert_eq!(held, expected);
        assert!(slots.iter().zip(0..).all(|(slot, index)| slot.index == index));
    }

    #[test]
    fn without_gpus_there_is_a_slot_for_each_core() {
        check(scale(0, 1), None, 0, 2, &[&[], &[]]);
        check(scale(0, 2), None, 0, 5, &[&[], &[]]);
        check(scale(0, 8), None, 0, 2, &[&[]]);
        check(scale(0, 1), Some(3), 0, 2, &[&[], &[], &[]]);
    }

    #[test]
    fn gpus_are_held_in_groups_and_none_twice() {
        check(scale(1, 1), None, 3, 2, &[&[0], &[1], &[2]]);
        check(scale(2, 1), None, 5, 2, &[&[0, 1], &[2, 3]]);
        check(scale(2, 1), Some(1), 4, 2, &[&[0, 1]]);
    }

    #[test]
    fn a_scale_that_does_not_fit_is_refused_with_both_numbers_and_the_remedy() {
        let refused =
            |scale, wanted, found| slots(&scale, wanted, &gpus(found), 2).unwrap_err().to_string();
        let few = refused(scale(8, 1), None, 2);
        assert!(
            few.contains("needs 8") && few.contains("has 2") && few.contains("--scale"),
            "{few}"
        );
        let many = refused(scale(2, 1), Some(3), 4);
        assert!(many.contains("need 6") && many.contains("--slots 2"), "{many}");
        assert!(refused(scale(0, 1), Some(0), 0).contains("--slots 1"));
    }
}
