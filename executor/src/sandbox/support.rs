//! What this machine can enforce, in words for `doctor` and for the log of every run.

use std::fs;
use std::path::Path;

use landlock::{LandlockStatus, RestrictSelf};
use serde::Serialize;

use super::syscalls;

/// What the kernel can enforce.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Support {
    /// Files, signals, ports.
    pub landlock: LandlockSupport,
    /// Whether sockets and dangerous system calls can be refused.
    pub seccomp: bool,
    /// Why there can be no network of a job's own; `None` if there can.
    pub loopback: Option<String>,
}

/// How much of Landlock the kernel has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LandlockSupport {
    /// The version of its interface.
    Version(u32),
    /// Built in, but not switched on at boot.
    Disabled,
    /// Not built in, or too old a kernel.
    Absent,
}

impl LandlockSupport {
    /// What is not enforced, in words for people; empty if all is.
    pub fn gaps(self) -> Vec<String> {
        let version = match self {
            Self::Version(version) => version,
            Self::Disabled => {
                return vec![
                    "files are not protected: landlock is not enabled; add `landlock` to the kernel's `lsm=` boot parameter".to_owned(),
                ];
            }
            Self::Absent => {
                return vec![
                    "files are not protected: the kernel has no landlock; Linux 5.13 or newer built with CONFIG_SECURITY_LANDLOCK is needed".to_owned(),
                ];
            }
        };
        let mut gaps = Vec::new();
        if version < 3 {
            gaps.push("files outside can be truncated: needs Linux 6.2".to_owned());
        }
        if version < 6 {
            gaps.push("other processes of this user can be signalled: needs Linux 6.12".to_owned());
        }
        gaps
    }

    /// Whether rules for files also hold for sockets with a path.
    pub(super) fn guards_unix_sockets(self) -> bool {
        matches!(self, Self::Version(9..))
    }
}

impl Support {
    /// What is not enforced, in words for people; empty if all is.
    pub fn gaps(&self) -> Vec<String> {
        let mut gaps = self.landlock.gaps();
        if !self.seccomp {
            gaps.push(format!(
                "sockets are not refused: no seccomp filter for {} on this kernel",
                std::env::consts::ARCH
            ));
        }
        if let Some(reason) = &self.loopback {
            gaps.push(format!("jobs of several processes share this machine's network: {reason}"));
        }
        gaps
    }
}

/// What this machine can enforce. Changes nothing.
pub fn support() -> Support {
    Support { landlock: landlock(), seccomp: seccomp(), loopback: loopback_refusal() }
}

pub(super) fn landlock() -> LandlockSupport {
    // Applies no flag at all, so it only asks.
    let Ok(status) = RestrictSelf::default().no_new_privs(false).apply() else {
        return LandlockSupport::Absent;
    };
    match status.landlock {
        LandlockStatus::Available { effective_abi, kernel_abi } => {
            let known = effective_abi as u32;
            LandlockSupport::Version(kernel_abi.map_or(known, |newer| newer.unsigned_abs()))
        }
        LandlockStatus::NotEnabled => LandlockSupport::Disabled,
        LandlockStatus::NotImplemented => LandlockSupport::Absent,
    }
}

fn seccomp() -> bool {
    // The list exists only where the kernel was built with filters.
    syscalls::is_supported() && Path::new("/proc/sys/kernel/seccomp/actions_avail").exists()
}

fn loopback_refusal() -> Option<String> {
    if nix::unistd::geteuid().is_root() {
        return None;
    }
    let setting = |path: &str| fs::read_to_string(path).ok().map(|text| text.trim().to_owned());
    if setting("/proc/sys/user/max_user_namespaces").as_deref() == Some("0") {
        return Some("user namespaces are switched off (sysctl user.max_user_namespaces)".into());
    }
    if setting("/proc/sys/kernel/unprivileged_userns_clone").as_deref() == Some("0") {
        return Some(
            "user namespaces are for root only (sysctl kernel.unprivileged_userns_clone)".into(),
        );
    }
    if setting("/proc/sys/kernel/apparmor_restrict_unprivileged_userns").as_deref() == Some("1") {
        return Some("AppArmor restricts user namespaces (sysctl kernel.apparmor_restrict_unprivileged_userns)".into());
    }
    None
}
