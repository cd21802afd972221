//! How much the stages have written, looked at about once a second. Never removes anything.

use std::collections::HashSet;
use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use autores_domain::{Fault, FaultClass};

use crate::attempt::AttemptFolder;
use crate::disk;

const INTERVAL: Duration = Duration::from_secs(1);
/// A look that takes long is repeated less often, so that looking stays a small share of the time.
const REST: u32 = 20;
/// Files beyond this number fill the disk's tables, however small they are.
const MOST_FILES: usize = 1_000_000;
const MIB: u64 = 1 << 20;
/// Bytes of `stat`'s blocks.
const BLOCK: u64 = 512;

pub(super) struct DiskWatch {
    folder: PathBuf,
    written: [PathBuf; 3],
    due: Instant,
    was_full: bool,
}

/// What the folders hold.
#[derive(Debug, Default)]
struct Use {
    bytes: u64,
    files: usize,
    /// Files with several names, which count once.
    linked: HashSet<(u64, u64)>,
}

impl DiskWatch {
    pub(super) fn start(folder: &AttemptFolder) -> Self {
        let written = [folder.work(), folder.trusted(), folder.scratch()];
        let folder = folder.path().to_owned();
        Self { folder, written, due: Instant::now() + INTERVAL, was_full: false }
    }

    /// Whether the disk itself is full, or was at the last look.
    pub(super) fn is_full(&mut self) -> bool {
        self.was_full |= disk::is_full(&self.folder);
        self.was_full
    }

    /// The rule that is broken, if it is time to look and one is.
    pub(super) fn check(&mut self, limit_mb: u64, stage: &str) -> Option<Fault> {
        let started = Instant::now();
        if started < self.due {
            return None;
        }
        self.was_full = disk::is_full(&self.folder);
        let limit = limit_mb.saturating_mul(MIB);
        let mut used = Use::default();
        let looked = self.written.iter().try_for_each(|folder| used.add(folder.clone(), limit));
        self.due = Instant::now() + INTERVAL.max(started.elapsed() * REST);
        let policy = |reason| Some(Fault::new(FaultClass::Policy, reason));
        if let Err(error) = looked {
            return policy(format!(
                "stage {stage} wrote a folder that its supervisor cannot read: {error}"
            ));
        }
        if used.files > MOST_FILES {
            return policy(format!("stage {stage} wrote more than {MOST_FILES} files"));
        }
        if used.bytes > limit {
            return policy(format!(
                "the attempt's files exceed the limit of {limit_mb} MiB together (disk_mb)"
            ));
        }
        None
    }
}

impl Use {
    /// Adds a folder with all below; stops early once a limit is passed.
    fn add(&mut self, folder: PathBuf, limit: u64) -> io::Result<()> {
        let mut waiting = vec![folder];
        while let Some(folder) = waiting.pop() {
            for entry in present(fs::read_dir(&folder))?.into_iter().flatten() {
                let Some(entry) = present(entry)? else { continue };
                let Some(about) = present(entry.metadata())? else { continue };
                self.files += 1;
                let is_new = about.is_dir()
                    || about.nlink() == 1
                    || self.linked.insert((about.dev(), about.ino()));
                if is_new {
                    self.bytes += about.blocks() * BLOCK;
                }
                if about.is_dir() {
                    waiting.push(entry.path());
                }
                if self.bytes > limit || self.files > MOST_FILES {
                    return Ok(());
                }
            }
        }
        Ok(())
    }
}

/// What was removed, or became something else, between two looks is no error.
fn present<T>(found: io::Result<T>) -> io::Result<Option<T>> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_counts_once_however_many_names_it_has() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("deep")).unwrap();
        let file = folder.path().join("deep/file");
        fs::write(&file, vec![1; 1 << 20]).unwrap();
        fs::hard_link(&file, folder.path().join("again")).unwrap();
        std::os::unix::fs::symlink("/usr", folder.path().join("link")).unwrap();
        let mut used = Use::default();
        used.add(folder.path().to_owned(), u64::MAX).unwrap();
        assert_eq!(used.files, 4);
        assert!(used.bytes >= 1 << 20 && used.bytes < 2 << 20, "{used:?}");
    }

    #[test]
    fn what_does_not_exist_holds_nothing() {
        let mut used = Use::default();
        used.add("/no/such/folder".into(), 1).unwrap();
        assert_eq!(used.bytes, 0);
    }
}
