//! What of a problem a patch has to pass, as a task. Pure.

use autores_domain::{FaultClass, Limits, Problem, Revision, RunId, Scale, Stage};

use crate::backend::local::Task;

/// Far enough back that experiments hardly feel it, and not so far that a busy machine leaves it no time.
const NICE: i32 = 5;
/// CPU seconds for each second of the clock.
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
    let limits = Limits { wall_s: task.limits.wall_s.saturating_mul(2), ..task.limits.clone() };
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
        cpu_s: wall_s.saturating_mul(CPU_FACTOR),
        cpu_times_baseline: None,
        memory_mb: scale.limits.memory_mb,
        output_mb: scale.limits.output_mb.min(OUTPUT_MB),
        file_mb: scale.limits.file_mb.min(DISK_MB),
        disk_mb: scale.limits.disk_mb.min(DISK_MB),
        stall_s: scale.limits.stall_s.min(wall_s),
        grace_s: scale.limits.grace_s.min(GRACE_S),
    }
}
