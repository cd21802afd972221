//! What an attempt may use, held against what it does use. Pure: time and use are arguments.

use autores_domain::{Fault, FaultClass, Limits};

/// CPU use below this share of the time counts as none: sleeping programs wake up now and then.
const IDLE_SHARE: f64 = 0.01;
const IDLE_CPU_S: f64 = 0.05;

/// Watches for life.
pub(super) struct Watchdog {
    /// Wall and CPU seconds at the last sign of life.
    alive_at: (f64, f64),
}

/// What is known at one moment, in seconds since the attempt's start.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    pub(super) wall_s: f64,
    pub(super) cpu_s: f64,
    pub(super) memory_mb: f64,
    pub(super) printed_at_s: f64,
}

impl Watchdog {
    pub(super) fn start(wall_s: f64, cpu_s: f64) -> Self {
        Self { alive_at: (wall_s, cpu_s) }
    }

    /// The limit that is broken, if one is.
    pub(super) fn check(&mut self, limits: &Limits, stage: &str, now: Moment) -> Option<Fault> {
        let fault = |class, reason| Some(Fault::new(class, reason));
        if now.memory_mb > limits.memory_mb as f64 {
            let (used, limit) = (now.memory_mb, limits.memory_mb);
            let reason = format!(
                "stage {stage} used {used:.0} MiB of memory, the limit is {limit} MiB (memory_mb)"
            );
            return fault(FaultClass::Oom, reason);
        }
        if now.cpu_s > limits.cpu_s as f64 {
            let (used, limit) = (now.cpu_s, limits.cpu_s);
            let reason = format!(
                "stage {stage} reached {used:.1} CPU seconds, the limit is {limit} (cpu_s)"
            );
            return fault(FaultClass::Timeout, reason);
        }
        if now.wall_s > limits.wall_s as f64 {
            let (used, limit) = (now.wall_s, limits.wall_s);
            let reason = format!(
                "stage {stage} reached {used:.1} wall-clock seconds, the limit is {limit} (wall_s)"
            );
            return fault(FaultClass::Timeout, reason);
        }
        let silent_s = now.wall_s - self.alive_at.0;
        let worked_s = now.cpu_s - self.alive_at.1;
        if worked_s > IDLE_CPU_S.max(IDLE_SHARE * silent_s) {
            self.alive_at = (now.wall_s, now.cpu_s);
        } else if now.printed_at_s > self.alive_at.0 {
            self.alive_at = (now.printed_at_s, now.cpu_s);
        }
        let silent_s = now.wall_s - self.alive_at.0;
        if silent_s > limits.stall_s as f64 {
            let limit = limits.stall_s;
            let reason = format!(
                "stage {stage} neither printed nor computed for {silent_s:.1} s, the limit is {limit} s (stall_s)"
            );
            return fault(FaultClass::Stalled, reason);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        wall_s: 100,
        cpu_s: 50,
        cpu_times_baseline: None,
        memory_mb: 1000,
        output_mb: 1,
        file_mb: 1,
        disk_mb: 20,
        stall_s: 10,
        grace_s: 1,
    };

    fn check(moments: &[(f64, f64, f64, f64)], expected: Option<(FaultClass, &str)>) {
        let mut watchdog = Watchdog::start(0.0, 0.0);
        let mut found = None;
        for &(wall_s, cpu_s, memory_mb, printed_at_s) in moments {
            let now = Moment { wall_s, cpu_s, memory_mb, printed_at_s };
            found = found.or(watchdog.check(&LIMITS, "train", now));
        }
        match (found, expected) {
            (None, None) => {}
            (Some(fault), Some((class, word))) => {
                assert_eq!(fault.class, class);
                assert!(fault.reason.contains(word), "{}", fault.reason);
            }
            (found, expected) => panic!("{found:?} instead of {expected:?}"),
        }
    }

    #[test]
    fn each_limit_has_its_class_and_says_the_figures() {
        check(&[(99.0, 49.0, 999.0, 98.0)], None);
        check(&[(1.0, 51.0, 0.0, 0.0)], Some((FaultClass::Timeout, "51.0 CPU")));
        check(&[(101.0, 1.0, 0.0, 100.0)], Some((FaultClass::Timeout, "101.0 wall")));
        check(&[(1.0, 1.0, 1001.0, 0.0)], Some((FaultClass::Oom, "1001 MiB")));
    }

    #[test]
    fn silence_without_work_is_a_stall() {
        check(
            &[(9.0, 0.0, 0.0, 0.0), (10.5, 0.0, 0.0, 0.0)],
            Some((FaultClass::Stalled, "10.5 s")),
        );
        check(&[(9.0, 0.0, 0.0, 8.0), (17.0, 0.0, 0.0, 8.0)], None);
        check(&[(9.0, 1.0, 0.0, 0.0), (18.0, 2.0, 0.0, 0.0), (27.0, 3.0, 0.0, 0.0)], None);
    }

    #[test]
    fn waking_up_now_and_then_is_no_work() {
        let moments: Vec<_> = (1..12)
            .map(|second| (f64::from(second), f64::from(second) * 0.001, 0.0, 0.0))
            .collect();
        check(&moments, Some((FaultClass::Stalled, "stall_s")));
    }
}
