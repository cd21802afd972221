//! A network of the job's own in which only its processes meet, and with it a `/dev/shm` of its own
//! and an empty `/run`, where other programs keep the sockets through which they take commands.

use std::fs;
use std::io::{Error, ErrorKind};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

use nix::libc;
use nix::mount::{MsFlags, mount};
use nix::net::if_::if_nametoindex;
use nix::sched::{CloneFlags, unshare};
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, send, socket,
};
use nix::unistd::{getegid, geteuid};

use super::Profile;

const SHARED_MEMORY: &str = "/dev/shm";
const SERVICES: &str = "/run";

/// Moves the process into its own network; says what it could not hide. The error says why there is none.
pub(super) fn enter(profile: &mut Profile) -> Result<Vec<String>, String> {
    unshare_network().map_err(|error| error.to_string())?;
    bring_up_loopback().map_err(|error| format!("its loopback cannot be switched on: {error}"))?;
    let mut gaps = Vec::new();
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    if let Err(error) = mount(None::<&str>, "/", None::<&str>, private, None::<&str>) {
        gaps.push(format!("no mounts of its own ({error}): no /dev/shm, and /run is not hidden"));
        return Ok(gaps);
    }
    match cover(SHARED_MEMORY) {
        Ok(()) => profile.writes.push(PathBuf::from(SHARED_MEMORY)),
        Err(error) => gaps.push(format!("no /dev/shm of its own: {error}")),
    }
    let is_used = profile
        .reads
        .iter()
        .chain(&profile.writes)
        .any(|path| fs::canonicalize(path).is_ok_and(|path| path.starts_with(SERVICES)));
    if is_used {
        gaps.push("/run is not hidden, since the job's own files are there".to_owned());
    } else if let Err(error) = cover(SERVICES) {
        gaps.push(format!("/run is not hidden: {error}"));
    }
    Ok(gaps)
}

fn unshare_network() -> nix::Result<()> {
    let own = CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWIPC;
    if geteuid().is_root() && unshare(own).is_ok() {
        return Ok(());
    }
    let (user, group) = (geteuid(), getegid());
    unshare(own | CloneFlags::CLONE_NEWUSER)?;
    let write = |path: &str, text: String| {
        fs::write(path, text)
            .map_err(|error| nix::errno::Errno::from_raw(error.raw_os_error().unwrap_or(0)))
    };
    write("/proc/self/setgroups", "deny".to_owned())?;
    write("/proc/self/uid_map", format!("{user} {user} 1"))?;
    write("/proc/self/gid_map", format!("{group} {group} 1"))
}

fn cover(path: &str) -> nix::Result<()> {
    if !Path::new(path).is_dir() {
        return Ok(());
    }
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    mount(Some("tmpfs"), path, Some("tmpfs"), flags, Some("mode=1777"))
}

/// Sends the kernel one `RTM_NEWLINK` that sets the flag "up".
fn bring_up_loopback() -> Result<(), Error> {
    let index = if_nametoindex("lo")?;
    let up = libc::IFF_UP.unsigned_abs();
    let mut message = Vec::with_capacity(32);
    message.extend(32u32.to_ne_bytes());
    message.extend(libc::RTM_NEWLINK.to_ne_bytes());
    message.extend(((libc::NLM_F_REQUEST | libc::NLM_F_ACK).unsigned_abs() as u16).to_ne_bytes());
    message.extend(1u32.to_ne_bytes());
    message.extend(0u32.to_ne_bytes());
    message.extend([0u8; 4]);
    message.extend(index.to_ne_bytes());
    message.extend(up.to_ne_bytes());
    message.extend(up.to_ne_bytes());
    let netlink = socket(
        AddressFamily::Netlink,
        SockType::Raw,
        SockFlag::SOCK_CLOEXEC,
        SockProtocol::NetlinkRoute,
    )?;
    send(netlink.as_raw_fd(), &message, MsgFlags::empty())?;
    let mut reply = [0u8; 256];
    let length = recv(netlink.as_raw_fd(), &mut reply, MsgFlags::empty())?;
    // The header takes 16 bytes; then comes the error, negated, or 0.
    let code = reply.get(16..20).filter(|_| length >= 20).and_then(|code| code.try_into().ok());
    match code.map(i32::from_ne_bytes) {
        Some(0) => Ok(()),
        Some(code) => Err(Error::from_raw_os_error(-code)),
        None => Err(Error::from(ErrorKind::UnexpectedEof)),
    }
}
