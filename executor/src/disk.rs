//! How much room a folder has. Never writes.

use std::path::Path;

/// Bytes that this user can still write below an existing folder; `None` if the system does not say.
pub fn free_bytes(folder: &Path) -> Option<u64> {
    let figures = nix::sys::statvfs::statvfs(folder).ok()?;
    Some(figures.blocks_available() as u64 * figures.fragment_size() as u64)
}
