//! Seccomp: which sockets can be made, and the system calls that no experiment needs.

use std::collections::BTreeMap;

use autores_domain::Network;
use nix::libc;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch,
};

use super::{SandboxError, support};

/// Ways around the other rules, and channels between neighbours that no path stands for.
const REFUSED: [i64; 34] = [
    libc::SYS_io_uring_setup,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_open_by_handle_at,
    libc::SYS_setns,
    libc::SYS_unshare,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_fsopen,
    libc::SYS_chroot,
    libc::SYS_shmget,
    libc::SYS_msgget,
    libc::SYS_semget,
    libc::SYS_mq_open,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_clock_adjtime,
    libc::SYS_adjtimex,
    libc::SYS_sethostname,
    libc::SYS_acct,
];

/// On x86-64 the same calls can be made under a second set of numbers.
#[cfg(target_arch = "x86_64")]
const SECOND_NUMBERS: Option<i64> = Some(0x4000_0000);
#[cfg(not(target_arch = "x86_64"))]
const SECOND_NUMBERS: Option<i64> = None;

/// Whether this build knows the machine's system calls.
pub(super) fn is_supported() -> bool {
    TargetArch::try_from(std::env::consts::ARCH).is_ok()
}

pub(super) fn restrict(network: Network, memory_files: bool) -> Result<(), SandboxError> {
    if !is_supported() {
        return Ok(());
    }
    let failed = |error: String| SandboxError::Seccomp(error);
    let program = filter(network, memory_files).map_err(|error| failed(error.to_string()))?;
    seccompiler::apply_filter(&program).map_err(|error| failed(error.to_string()))
}

fn filter(network: Network, memory_files: bool) -> Result<BpfProgram, seccompiler::Error> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = BTreeMap::new();
    for call in REFUSED {
        rules.insert(call, Vec::new());
    }
    if !memory_files {
        rules.insert(libc::SYS_memfd_create, Vec::new());
    }
    rules.insert(libc::SYS_socket, socket_rules(network)?);
    if let Some(offset) = SECOND_NUMBERS {
        let again: Vec<_> =
            rules.iter().map(|(call, rules)| (call + offset, rules.clone())).collect();
        rules.extend(again);
    }
    let filter = SeccompFilter::new(
        rules,
        SeccompAction::Allow,
        SeccompAction::Errno(libc::EPERM as u32),
        TargetArch::try_from(std::env::consts::ARCH)?,
    )?;
    Ok(filter.try_into()?)
}

/// Refuses every family that is not named; no rule at all refuses every one. Pairs of connected sockets
/// are made by another call and stay allowed.
fn socket_rules(network: Network) -> Result<Vec<SeccompRule>, seccompiler::Error> {
    let allowed: &[i32] = match network {
        Network::Loopback => &[libc::AF_UNIX, libc::AF_INET, libc::AF_INET6, libc::AF_NETLINK],
        // Sockets of other programs, such as a container daemon's, are a way out unless
        // the kernel lets Landlock decide which of them can be reached.
        Network::None if support::landlock().guards_unix_sockets() => &[libc::AF_UNIX],
        Network::None => return Ok(Vec::new()),
    };
    let conditions: Result<Vec<_>, _> = allowed
        .iter()
        .map(|family| {
            let family = family.unsigned_abs().into();
            SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Ne, family)
        })
        .collect();
    Ok(vec![SeccompRule::new(conditions?)?])
}
