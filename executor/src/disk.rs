//! How much room a folder has. Never writes.

use std::path::Path;

/// With less than this most writes of a training job fail.
const NEARLY_NOTHING: u64 = 64 << 20;
const FEW_FILES: u64 = 64;

/// Bytes that this user can still write below an existing folder; `None` if the system does not say.
pub fn free_bytes(folder: &Path) -> Option<u64> {
    let figures = nix::sys::statvfs::statvfs(folder).ok()?;
    Some(figures.blocks_available() as u64 * figures.fragment_size() as u64)
}

/// Whether the disk of a folder has (nearly) no room for data, or for another file.
pub(crate) fn is_full(folder: &Path) -> bool {
    let no_room = free_bytes(folder).is_some_and(|free| free < NEARLY_NOTHING);
    // Some file systems do not count files, and say 0 of 0.
    let no_files = nix::sys::statvfs::statvfs(folder)
        .is_ok_and(|figures| figures.files() > 0 && figures.files_available() < FEW_FILES);
    no_room || no_files
}
