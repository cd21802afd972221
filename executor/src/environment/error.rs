//! Why there is no environment. Each text says what to do about it.

use std::path::{Path, PathBuf};

/// Why a Python environment could not be made.
#[derive(Debug, thiserror::Error)]
pub enum EnvironmentError {
    /// No interpreter that is new enough.
    #[error(
        "no Python 3.11 or newer was found on PATH ({found}); install one, for example with \
         apt install python3, or put one first on PATH"
    )]
    NoPython {
        /// What was found instead.
        found: String,
    },
    /// `uv` is not there and could not be installed.
    #[error(
        "cannot install uv {version} from PyPI with {}; check the network, or install uv yourself \
         (https://docs.astral.sh/uv) so that it is on PATH{}", python.display(), lines(tail),
    )]
    NoUv {
        /// The version asked for.
        version: &'static str,
        /// The interpreter whose pip was used.
        python: PathBuf,
        /// The last lines of output.
        tail: Vec<String>,
    },
    /// The package index could not be reached.
    #[error(
        "cannot download the problem's Python packages; check the network, or name a mirror in \
         UV_DEFAULT_INDEX{}",
        lines(tail)
    )]
    Network {
        /// The last lines of output.
        tail: Vec<String>,
    },
    /// The disk is full.
    #[error("the disk that holds {} is full; free some space or name another folder with --dir{}", path.display(), lines(tail))]
    DiskFull {
        /// The folder that was written.
        path: PathBuf,
        /// The last lines of output.
        tail: Vec<String>,
    },
    /// Anything else that `uv` reports.
    #[error("cannot {doing}: uv {status}{}", lines(tail))]
    Failed {
        /// What was tried.
        doing: &'static str,
        /// How it ended.
        status: std::process::ExitStatus,
        /// The last lines of output.
        tail: Vec<String>,
    },
    /// A file or folder could not be read or written.
    #[error("cannot write {}: {source}; name another folder with --dir", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
}

impl EnvironmentError {
    pub(super) fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| match source.kind() {
            std::io::ErrorKind::StorageFull => Self::DiskFull { path, tail: Vec::new() },
            _ => Self::Io { path, source },
        }
    }

    /// The error of a `uv` that ended badly, from what it said last.
    pub(super) fn of_uv(
        doing: &'static str,
        folder: &Path,
        status: std::process::ExitStatus,
        tail: Vec<String>,
    ) -> Self {
        let said = tail.join("\n").to_lowercase();
        let says = |phrases: &[&str]| phrases.iter().any(|phrase| said.contains(phrase));
        if says(&["no space left on device", "os error 28", "disk quota"]) {
            Self::DiskFull { path: folder.to_owned(), tail }
        } else if says(&[
            "failed to fetch",
            "error sending request",
            "dns error",
            "failed to connect",
            "network connectivity",
            "timed out",
            "connection refused",
        ]) {
            Self::Network { tail }
        } else {
            Self::Failed { doing, status, tail }
        }
    }
}

fn lines(tail: &[String]) -> String {
    tail.iter().map(|line| format!("\n  {line}")).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;

    use super::*;

    fn check(said: &str, expected: &str) {
        let status = std::process::ExitStatus::from_raw(2 << 8);
        let tail = vec![said.to_owned()];
        let error = EnvironmentError::of_uv("install", Path::new("/data"), status, tail);
        assert!(error.to_string().starts_with(expected), "{error}");
        assert!(error.to_string().ends_with(&format!("\n  {said}")), "{error}");
    }

    #[test]
    fn what_uv_says_decides_what_to_advise() {
        check("error: Failed to fetch: `https://pypi.org/simple/x/`", "cannot download");
        check(
            "error: failed to write: No space left on device (os error 28)",
            "the disk that holds /data is full",
        );
        check("error: Hash mismatch for `x==1`", "cannot install: uv exit status: 2");
    }
}
