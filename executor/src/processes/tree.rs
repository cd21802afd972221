//! Which processes hang below which, and which carry an attempt's mark.

use std::collections::HashMap;
use std::fs;
use std::io::Read;
use std::path::Path;

use nix::libc::pid_t;
use nix::sys::prctl;
use nix::unistd::Pid;

use super::stat::{Stat, stat};
use crate::attempt::TOKEN_VARIABLE;

const MOST_ENVIRONMENT: u64 = 1 << 20;

/// All processes below this one, parents before their children.
pub(super) fn descendants(root: pid_t) -> Vec<Stat> {
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
pub(super) fn children(pid: pid_t) -> Vec<pid_t> {
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
/// the folder it works in and by a sandbox around it, which no person's shell has, unless this process has one too.
pub(super) fn marked(token: &str, folder: &Path) -> Vec<pid_t> {
    let mark = format!("{TOKEN_VARIABLE}={token}");
    let this = Pid::this().as_raw();
    let marks_a_sandbox = matches!(prctl::get_no_new_privs(), Ok(false));
    let works_inside = |pid: pid_t| {
        marks_a_sandbox
            && fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd.starts_with(folder))
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use nix::sys::signal::{Signal, kill};

    use super::*;

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
        kill(Pid::from_raw(grandchild), Signal::SIGKILL).unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn a_shell_in_the_folder_is_known_from_a_sandbox_unless_sandboxes_are_all_around() {
        let folder = tempfile::tempdir().unwrap();
        let start = |program: &str, arguments: &[&str]| {
            let mut command = std::process::Command::new(program);
            command.args(arguments).current_dir(folder.path()).env_clear().spawn().unwrap()
        };
        let mut shell = start("/bin/sleep", &["600"]);
        let mut sandboxed = start("/usr/bin/setpriv", &["--no-new-privs", "/bin/sleep", "600"]);
        let of = |child: &std::process::Child| child.id() as pid_t;
        let is_sandboxed = |pid: pid_t| {
            let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
            status.contains("NoNewPrivs:\t1")
        };
        while !is_sandboxed(of(&sandboxed)) {
            std::thread::sleep(Duration::from_millis(5));
        }
        if !prctl::get_no_new_privs().unwrap() {
            assert_eq!(marked("t", folder.path()), [of(&sandboxed)]);
        }
        let inside_another = std::thread::scope(|scope| {
            let look = scope.spawn(|| {
                // Holds for this thread only.
                prctl::set_no_new_privs().unwrap();
                marked("t", folder.path())
            });
            look.join().unwrap()
        });
        for child in [&mut shell, &mut sandboxed] {
            child.kill().unwrap();
            child.wait().unwrap();
        }
        assert_eq!(inside_another, Vec::<pid_t>::new());
    }
}
