//! What `/proc` says of one process.

use std::fs;

use nix::libc::pid_t;
use nix::unistd::Pid;

use crate::attempt::Supervisor;

/// One line of `/proc/PID/stat`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stat {
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

/// What is known of a process; `None` if there is none.
pub(super) fn stat(pid: pid_t) -> Option<Stat> {
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
    fn this_process_is_alive_and_a_stranger_with_its_number_is_not() {
        let this = this_supervisor("t").unwrap();
        assert!(is_alive(&this));
        assert!(!is_alive(&Supervisor { started: this.started + 1, ..this.clone() }));
        assert!(!is_alive(&Supervisor { boot: "another".into(), ..this }));
    }
}
