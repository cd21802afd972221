//! Folders that are made once: a lock while they are made, and a marker, written last, once they are complete.

use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::attempt::sync_folder;

/// What a complete folder's marker says; `None` if the folder is not complete.
pub(crate) fn read<T: DeserializeOwned>(marker: &Path) -> Option<T> {
    let text = fs::read(marker).ok()?;
    serde_json::from_slice(&text).ok()
}

/// Marks a folder as complete once all that is in it would outlast a power failure.
pub(crate) fn complete<T: Serialize>(folder: &Path, marker: &Path, content: &T) -> io::Result<()> {
    nix::unistd::syncfs(File::open(folder)?)?;
    write(marker, content)
}

/// Writes a file that appears whole or not at all.
pub(crate) fn write<T: Serialize>(marker: &Path, content: &T) -> io::Result<()> {
    let partial = marker.with_extension(format!("{}.partial", std::process::id()));
    let mut file = File::create(&partial)?;
    file.write_all(&serde_json::to_vec_pretty(content)?)?;
    file.sync_all()?;
    fs::rename(&partial, marker)?;
    sync_folder(marker)
}

/// Gives a folder its final name, which marks it as complete.
pub(crate) fn rename_complete(from: &Path, to: &Path) -> io::Result<()> {
    nix::unistd::syncfs(File::open(from)?)?;
    fs::rename(from, to)?;
    sync_folder(to)
}

/// Waits until no other process makes the folder. The lock lasts as long as the file, or a child's copy of it, is open.
pub(crate) fn lock(path: &Path, progress: &dyn Fn(&str)) -> io::Result<File> {
    let file = File::options().create(true).truncate(false).read(true).write(true).open(path)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            progress("another process is preparing the same; waiting for it");
            file.lock().map(|()| file)
        }
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// The first 16 hexadecimal digits of a hash, enough to name a folder.
pub(crate) fn short_hex(hash: &[u8]) -> String {
    hash.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn the_second_process_waits_and_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let first = lock(&path, &|_| ()).unwrap();
        let (said, says) = mpsc::channel();
        let second =
            std::thread::spawn(move || lock(&path, &|line| said.send(line.to_owned()).unwrap()));
        assert!(says.recv().unwrap().contains("waiting"));
        drop(first);
        assert!(second.join().unwrap().is_ok());
    }

    #[test]
    fn a_torn_marker_marks_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("complete.json");
        write(&path, &vec![1, 2]).unwrap();
        assert_eq!(read::<Vec<u32>>(&path), Some(vec![1, 2]));
        fs::write(&path, "[1,").unwrap();
        assert_eq!(read::<Vec<u32>>(&path), None);
    }
}
