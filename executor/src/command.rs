//! Runs a tool to its end, passing its lines on and keeping the last ones.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::process::{Command, ExitStatus, Stdio};

const KEPT_LINES: usize = 20;

/// Runs the command. Its lines, of either stream, go to `progress`; the last ones are returned.
///
/// The tool holds the lock as its standard input: should this process be killed, nobody else starts the
/// same work while the tool is still at it.
pub(crate) fn run(
    command: &mut Command,
    lock: &File,
    progress: &dyn Fn(&str),
) -> io::Result<(ExitStatus, Vec<String>)> {
    let (reader, writer) = io::pipe()?;
    command.stdin(Stdio::from(lock.try_clone()?)).stdout(writer.try_clone()?).stderr(writer);
    let mut child = command.spawn()?;
    // The command keeps its copies of the pipe's end, and the pipe ends when all are closed.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut tail = VecDeque::new();
    for line in BufReader::new(reader).split(b'\n') {
        let line = String::from_utf8_lossy(&line?).trim_end().to_owned();
        if line.is_empty() {
            continue;
        }
        progress(&line);
        tail.push_back(line);
        if tail.len() > KEPT_LINES {
            tail.pop_front();
        }
    }
    Ok((child.wait()?, tail.into()))
}
