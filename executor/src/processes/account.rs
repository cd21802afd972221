//! What the processes of an attempt use together.

use std::collections::HashMap;
use std::fs;

use nix::libc::pid_t;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use nix::unistd::{Pid, SysconfVar, sysconf};

use super::stat::stat;
use super::tree::descendants;

const MIB: f64 = 1_048_576.0;

/// What some processes use together.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Sample {
    pub(crate) cpu_s: f64,
    pub(crate) memory_mb: f64,
    pub(crate) processes: usize,
}

/// Adds up what the descendants of this process use, over time.
#[derive(Debug, Default)]
pub(crate) struct Account {
    /// CPU ticks of each process that was ever seen.
    seen: HashMap<(pid_t, u64), u64>,
    seen_ticks: u64,
    cpu_s: f64,
}

impl Account {
    /// Measures now. CPU seconds never go down.
    ///
    /// Both sums of it are lower bounds: in the kernel's, a process is missing between its death and its being
    /// waited for, and for ever if its parent does not want to know; in ours, what happened between two looks.
    pub(crate) fn measure(&mut self) -> Sample {
        // Parents are read before their children, so that a child that ends meanwhile is not counted twice.
        let reaped = reaped_cpu_s();
        let processes = descendants(Pid::this().as_raw());
        let (mut ticks, mut pages) = (0, 0);
        for process in processes.iter().filter_map(|process| stat(process.pid)) {
            ticks += process.own_ticks + process.waited_ticks;
            pages += process.resident_pages;
            let last = self.seen.entry((process.pid, process.started)).or_default();
            self.seen_ticks += process.own_ticks.saturating_sub(*last);
            *last = process.own_ticks;
        }
        let per_second = constant(SysconfVar::CLK_TCK, 100.0);
        let page_mb = constant(SysconfVar::PAGE_SIZE, 4096.0) / MIB;
        let by_kernel = reaped + ticks as f64 / per_second;
        self.cpu_s = self.cpu_s.max(by_kernel).max(self.seen_ticks as f64 / per_second);
        Sample {
            cpu_s: self.cpu_s,
            memory_mb: pages as f64 * page_mb,
            processes: processes.iter().filter(|process| !process.is_dead).count(),
        }
    }
}

/// Memory of all descendants in MiB, with what they share counted once. Slow for large processes.
pub(crate) fn shared_once_mb() -> Option<f64> {
    let mut sum = 0.0;
    for process in descendants(Pid::this().as_raw()).iter().filter(|process| !process.is_dead) {
        let Ok(text) = fs::read_to_string(format!("/proc/{}/smaps_rollup", process.pid)) else {
            continue;
        };
        let line = text.lines().find_map(|line| line.strip_prefix("Pss:"))?;
        let kib: f64 = line.split_ascii_whitespace().next()?.parse().ok()?;
        sum += kib / 1024.0;
    }
    Some(sum)
}

/// CPU seconds of the descendants that were waited for.
fn reaped_cpu_s() -> f64 {
    let Ok(usage) = getrusage(UsageWho::RUSAGE_CHILDREN) else { return 0.0 };
    let time = usage.user_time() + usage.system_time();
    time.num_microseconds() as f64 / 1e6
}

fn constant(name: SysconfVar, usual: f64) -> f64 {
    sysconf(name).ok().flatten().map_or(usual, |value| value as f64)
}

/// How many times the kernel ran out of memory since boot.
pub(crate) fn memory_kills() -> Option<u64> {
    let text = fs::read_to_string("/proc/vmstat").ok()?;
    text.lines().find_map(|line| line.strip_prefix("oom_kill "))?.trim().parse().ok()
}
