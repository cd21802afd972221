//! The processes of an attempt as `/proc` shows them: who they are, what they use, and how to end them all.

use std::collections::HashMap;
use std::fs;
use std::io::Read;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::libc::pid_t;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::signal::{Signal, kill};
use nix::sys::time::TimeValLike;
use nix::unistd::{Pid, SysconfVar, sysconf};

use crate::attempt::{Supervisor, TOKEN_VARIABLE};

const MIB: f64 = 1_048_576.0;
const MOST_ENVIRONMENT: u64 = 1 << 20;
/// A process that outlives the kill for so long hangs in the kernel, where nothing reaches it.
const KILL_PATIENCE: Duration = Duration::from_secs(20);
const BETWEEN_KILLS: Duration = Duration::from_millis(5);
const BETWEEN_LOOKS: Duration = Duration::from_millis(20);

/// One line of `/proc/PID/stat`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stat {
    pub(crate) pid: pid_t,
    pub(crate) parent: pid_t,
    pub(crate) is_dead: bool,
    /// CPU ticks of its own.
    pub(crate) own_ticks: u64,
    /// CPU ticks of the children it waited for.
    pub(crate) waited_ticks: u64,
    /// Clock ticks after boot.
    pub(crate) started: u64,
    pub(crate) resident_pages: u64,
}

/// What some processes use together.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Sample {
    pub(crate) cpu_s: f64,
    pub(crate) memory_mb: f64,
    pub(crate) processes: usize,
}

/// What is known of a process; `None` if there is none.
pub(crate) fn stat(pid: pid_t) -> Option<Stat> {
    parse_stat(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

fn parse_stat(line: &str) -> Option<Stat> {
    // The name stands in brackets and may hold anything, brackets too.
    let (start, rest) = line.rsplit_once(')')?;
    let pid = start.split_once(' ')?.0.parse().ok()?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    let number = |index: usize| fields.get(index)?.parse::<u64>().ok();
    Some(Stat {
        pid,
        parent: fields.get(1)?.parse().ok()?,
        is_dead: matches!(*fields.first()?, "Z" | "X"),
        own_ticks: number(11)? + number(12)?,
        waited_ticks: number(13)? + number(14)?,
        started: number(19)?,
        resident_pages: number(21)?,
    })
}

/// The calling process as an attempt's supervisor.
pub(crate) fn this_supervisor(token: &str) -> Option<Supervisor> {
    let pid = Pid::this().as_raw();
    let started = stat(pid)?.started;
    Some(Supervisor { pid, started, boot: boot_id(), token: token.to_owned() })
}

/// Whether the supervisor still lives, and is not another process with its number.
pub(crate) fn is_alive(supervisor: &Supervisor) -> bool {
    supervisor.boot == boot_id()
        && stat(supervisor.pid).is_some_and(|now| now.started == supervisor.started && !now.is_dead)
}

fn boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .map(|id| id.trim().to_owned())
        .unwrap_or_default()
}

/// All processes below this one, parents before their children.
pub(crate) fn descendants(root: pid_t) -> Vec<Stat> {
    let has_lists = Path::new(&format!("/proc/{root}/task/{root}/children")).exists();
    if has_lists { descendants_by_lists(root) } else { descendants_by_parents(root) }
}

fn descendants_by_lists(root: pid_t) -> Vec<Stat> {
    let mut found: Vec<Stat> = Vec::new();
    let mut waiting = vec![root];
    while let Some(pid) = waiting.pop() {
        for child in children(pid).into_iter().filter_map(stat) {
            // A process that changes its parent while we look would be found twice.
            if found.iter().all(|known| known.pid != child.pid) {
                waiting.push(child.pid);
                found.push(child);
            }
        }
    }
    found
}

/// For kernels without the lists: looks at every process of the machine.
fn descendants_by_parents(root: pid_t) -> Vec<Stat> {
    let mut by_parent: HashMap<pid_t, Vec<Stat>> = HashMap::new();
    for process in all().filter_map(stat) {
        by_parent.entry(process.parent).or_default().push(process);
    }
    let mut found = Vec::new();
    let mut waiting = vec![root];
    while let Some(pid) = waiting.pop() {
        for child in by_parent.remove(&pid).unwrap_or_default() {
            waiting.push(child.pid);
            found.push(child);
        }
    }
    found
}

/// Children that any thread of the process started.
fn children(pid: pid_t) -> Vec<pid_t> {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    threads
        .filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok())
        .flat_map(|list| {
            list.split_ascii_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<_>>()
        })
        .collect()
}

fn all() -> impl Iterator<Item = pid_t> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// Processes that carry the attempt's token, wherever they hang. One that cleared its variables is known by
/// the folder it works in and by a sandbox around it, which no person's shell has.
pub(crate) fn marked(token: &str, folder: &Path) -> Vec<pid_t> {
    let mark = format!("{TOKEN_VARIABLE}={token}");
    let this = Pid::this().as_raw();
    let works_inside = |pid: pid_t| {
        fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd.starts_with(folder))
            && fs::read_to_string(format!("/proc/{pid}/status"))
                .is_ok_and(|status| status.lines().any(|line| line == "NoNewPrivs:\t1"))
    };
    all()
        .filter(|pid| *pid != this)
        .filter(|pid| has_variable(*pid, mark.as_bytes()) || works_inside(*pid))
        .collect()
}

fn has_variable(pid: pid_t, wanted: &[u8]) -> bool {
    let mut environment = Vec::new();
    let Ok(file) = fs::File::open(format!("/proc/{pid}/environ")) else { return false };
    let _ = file.take(MOST_ENVIRONMENT).read_to_end(&mut environment);
    environment.split(|byte| *byte == 0).any(|variable| variable == wanted)
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
pub(crate) fn reaped_cpu_s() -> f64 {
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

/// Ends every process of the attempt: a request, some grace, then the kill until none is left.
/// `is_below` says whether they hang below this process, which then must wait for them elsewhere.
pub(crate) fn end_all(token: &str, folder: &Path, grace: Duration, is_below: bool) -> bool {
    let deadline = Instant::now() + grace;
    if !grace.is_zero() {
        for pid in targets(token, folder, is_below) {
            signal(pid, Signal::SIGTERM);
            // A stopped process would not see the request.
            signal(pid, Signal::SIGCONT);
        }
        while Instant::now() < deadline && !targets(token, folder, is_below).is_empty() {
            std::thread::sleep(BETWEEN_LOOKS);
        }
    }
    let deadline = Instant::now() + KILL_PATIENCE;
    loop {
        let left = targets(token, folder, is_below);
        if left.is_empty() {
            return true;
        }
        if Instant::now() > deadline {
            return false;
        }
        for pid in left {
            signal(pid, Signal::SIGKILL);
        }
        std::thread::sleep(BETWEEN_KILLS);
    }
}

fn targets(token: &str, folder: &Path, is_below: bool) -> Vec<pid_t> {
    let mut targets: Vec<pid_t> = if is_below {
        let below = descendants(Pid::this().as_raw());
        below.iter().filter(|process| !process.is_dead).map(|process| process.pid).collect()
    } else {
        Vec::new()
    };
    for pid in marked(token, folder) {
        let lives = stat(pid).is_some_and(|process| !process.is_dead);
        if lives && !targets.contains(&pid) {
            targets.push(pid);
        }
    }
    targets
}

fn signal(pid: pid_t, signal: Signal) {
    // It may have ended by itself meanwhile.
    let _ = kill(Pid::from_raw(pid), signal);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_brackets_and_spaces_does_not_confuse() {
        let line = "42 (a) b (c)) S 7 42 42 0 -1 4194560 100 200 0 0 5 6 7 8 20 0 1 0 900 1000 12 18446744073709551615 1 1";
        let expected = Stat {
            pid: 42,
            parent: 7,
            is_dead: false,
            own_ticks: 11,
            waited_ticks: 15,
            started: 900,
            resident_pages: 12,
        };
        assert_eq!(parse_stat(line), Some(expected));
    }

    #[test]
    fn both_ways_find_a_grandchild() {
        let mut child = std::process::Command::new("/bin/sh")
            .args(["-c", "sleep 600 & echo $!; wait"])
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut stdout = std::io::BufReader::new(child.stdout.take().unwrap());
        std::io::BufRead::read_line(&mut stdout, &mut line).unwrap();
        let (parent, grandchild) = (child.id() as pid_t, line.trim().parse().unwrap());
        for found in [descendants_by_lists(parent), descendants_by_parents(parent)] {
            assert_eq!(found.iter().map(|found| found.pid).collect::<Vec<_>>(), [grandchild]);
        }
        signal(grandchild, Signal::SIGKILL);
        child.wait().unwrap();
    }

    #[test]
    fn this_process_is_alive_and_a_stranger_with_its_number_is_not() {
        let this = this_supervisor("t").unwrap();
        assert!(is_alive(&this));
        assert!(!is_alive(&Supervisor { started: this.started + 1, ..this.clone() }));
        assert!(!is_alive(&Supervisor { boot: "another".into(), ..this }));
    }
}
