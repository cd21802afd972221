//! What of a problem a patch has to pass, as a task. Pure.

use autores_domain::{FaultClass, Limits, Problem, Revision, RunId, Scale, Stage};

use crate::backend::local::Task;

/// Far enough back that experiments hardly feel it, and not so far that a busy machine leaves it no time.
const NICE: i32 = 5;
/// CPU seconds for each second of the clock, unless the scale has more threads.
const CPU_FACTOR: u64 = 2;
const OUTPUT_MB: u64 = 16;
const DISK_MB: u64 = 4096;
const GRACE_S: u64 = 1;
const SMOKE: &str = "smoke";

/// The trial of a revision in a run at `scale`; `None` if the problem has nothing to try.
pub(super) fn task(
    problem: &Problem,
    run: &RunId,
    scale: &str,
    revision: &Revision,
) -> Result<Option<Task>, String> {
    let stages = stages(problem);
    if stages.is_empty() {
        return Ok(None);
    }
    let name = problem.smoke_scale(scale);
    let scale = problem
        .scales
        .get(name)
        .ok_or_else(|| format!("problem {} has no scale {name:?}", problem.name))?;
    let wall_s = problem.smoke.as_ref().map_or(scale.limits.wall_s, |smoke| smoke.wall_s);
    Ok(Some(Task {
        name: format!("{run}/gates/{}", revision.tree),
        commit: revision.commit.clone(),
        scale: name.to_owned(),
        seed: 0,
        gpus: Vec::new(),
        limits: limits(scale, wall_s),
        stages,
        metric: None,
        nice: NICE,
    }))
}

/// The task again, with the right of any other and twice the time.
pub(super) fn again(task: &Task) -> Task {
    let twice = |seconds: u64| seconds.saturating_mul(2);
    let Limits { wall_s, cpu_s, .. } = task.limits;
    let limits = Limits { wall_s: twice(wall_s), cpu_s: twice(cpu_s), ..task.limits.clone() };
    Task { limits, nice: 0, ..task.clone() }
}

/// The stages that only build, and the smoke.
fn stages(problem: &Problem) -> Vec<Stage> {
    let builds = |stage: &&Stage| !stage.trusted && stage.on_failure == FaultClass::Build;
    let build = problem.stages.iter().take_while(builds).cloned();
    let smoke = problem.smoke.iter().map(|smoke| Stage {
        name: SMOKE.to_owned(),
        command: smoke.command.clone(),
        reads: smoke.reads.clone(),
        trusted: false,
        on_failure: smoke.on_failure,
        result: None,
    });
    build.chain(smoke).map(|stage| Stage { result: None, ..stage }).collect()
}

fn limits(scale: &Scale, wall_s: u64) -> Limits {
    Limits {
        wall_s,
        cpu_s: wall_s.saturating_mul(CPU_FACTOR.max(u64::from(scale.threads))),
        cpu_times_baseline: None,
        memory_mb: scale.limits.memory_mb,
        output_mb: scale.limits.output_mb.min(OUTPUT_MB),
        file_mb: scale.limits.file_mb.min(DISK_MB),
        disk_mb: scale.limits.disk_mb.min(DISK_MB),
        stall_s: scale.limits.stall_s.min(wall_s),
        grace_s: scale.limits.grace_s.min(GRACE_S),
    }
}

#[cfg(test)]
mod tests {
    use autores_domain::Network;

    use super::*;

    fn scale(threads: u32) -> Scale {
        let limits = Limits {
            wall_s: 600,
            cpu_s: 600,
            cpu_times_baseline: None,
            memory_mb: 100,
            output_mb: 1,
            file_mb: 1,
            disk_mb: 1,
            stall_s: 20,
            grace_s: 1,
        };
        Scale {
            description: String::new(),
            gpus: 0,
            threads,
            launcher: Vec::new(),
            network: Network::None,
            batch: 1,
            epochs: 1,
            limits,
        }
    }

    #[test]
    fn all_threads_of_the_scale_may_compute_as_long_as_the_trial_lasts() {
        for (threads, cpu_s) in [(1, 120), (2, 120), (8, 480)] {
            assert_eq!(limits(&scale(threads), 60).cpu_s, cpu_s, "{threads} threads");
        }
    }

    #[test]
    fn the_second_try_has_twice_the_time_of_both_clocks() {
        let first = Task {
            name: "trial".into(),
            commit: String::new(),
            scale: "cpu".into(),
            seed: 0,
            gpus: Vec::new(),
            limits: limits(&scale(8), 60),
            stages: Vec::new(),
            metric: None,
            nice: NICE,
        };
        let Limits { wall_s, cpu_s, stall_s, .. } = again(&first).limits;
        assert_eq!((wall_s, cpu_s), (120, 960));
        assert_eq!(stall_s, 20, "silence is no better for it");
    }
}
