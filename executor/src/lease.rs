//! A GPU belongs to one attempt at a time, whichever run below the same data folder it is of; a second data
//! folder, or another user, is not seen. A lock for each GPU, held for as long as the attempt's supervisor lives
//! and freed by the kernel if it dies. Never chooses a GPU.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::Path;
use std::thread;
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

const BETWEEN_TRIES: Duration = Duration::from_millis(100);

/// GPUs that nobody else holds.
#[derive(Debug)]
pub(crate) struct Lease {
    _locks: Vec<Flock<File>>,
}

/// Waits until the GPUs are free and holds them; `None` if `may_wait` ended the waiting.
///
/// They are taken in the order of their indices, so that two attempts cannot wait for each other.
pub(crate) fn hold(
    folder: &Path,
    gpus: &[u32],
    mut may_wait: impl FnMut() -> bool,
) -> io::Result<Option<Lease>> {
    if !gpus.is_empty() {
        fs::create_dir_all(folder)?;
    }
    let mut gpus = gpus.to_vec();
    gpus.sort_unstable();
    let mut locks = Vec::new();
    for gpu in gpus {
        let path = folder.join(format!("{gpu}.lock"));
        let mut file = OpenOptions::new().create(true).truncate(false).write(true).open(path)?;
        let lock = loop {
            match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
                Ok(lock) => break lock,
                Err((back, Errno::EWOULDBLOCK)) if may_wait() => file = back,
                Err((_, Errno::EWOULDBLOCK)) => return Ok(None),
                Err((_, error)) => return Err(error.into()),
            }
            thread::sleep(BETWEEN_TRIES);
        };
        locks.push(lock);
    }
    Ok(Some(Lease { _locks: locks }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gpu_is_held_by_one_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let first = hold(folder.path(), &[1, 0], || false).unwrap();
        assert!(first.is_some());
        assert!(hold(folder.path(), &[2], || false).unwrap().is_some(), "another GPU is free");
        let mut tries = 0;
        let second = hold(folder.path(), &[1], || {
            tries += 1;
            tries < 3
        });
        assert!(second.unwrap().is_none(), "it is held already");
        drop(first);
        assert!(hold(folder.path(), &[1], || false).unwrap().is_some(), "it was let go");
    }
}
