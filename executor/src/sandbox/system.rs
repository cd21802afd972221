//! The parts of a machine that Python and compilers need, and those that would give hidden text away.

use std::fs;
use std::path::PathBuf;

const READS: [&str; 41] = [
    "/usr",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/bin",
    "/sbin",
    "/nix/store",
    "/gnu/store",
    "/proc",
    "/sys",
    "/etc/alternatives",
    "/etc/bash.bashrc",
    "/etc/ca-certificates",
    "/etc/debian_version",
    "/etc/fonts",
    "/etc/gai.conf",
    "/etc/group",
    "/etc/host.conf",
    "/etc/hostname",
    "/etc/hosts",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/ld.so.preload",
    "/etc/locale.alias",
    "/etc/locale.conf",
    "/etc/localtime",
    "/etc/machine-id",
    "/etc/magic",
    "/etc/mime.types",
    "/etc/nsswitch.conf",
    "/etc/nvidia",
    "/etc/OpenCL",
    "/etc/os-release",
    "/etc/passwd",
    "/etc/profile",
    "/etc/protocols",
    "/etc/services",
    "/etc/ssl/certs",
    "/etc/timezone",
];

const DEVICES: [&str; 5] = ["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"];

const PYTHON_PARENTS: [&str; 4] = ["/usr/lib", "/usr/lib64", "/usr/local/lib", "/usr/local/lib64"];

/// What every stage may read.
pub fn reads() -> Vec<PathBuf> {
    READS.iter().map(PathBuf::from).collect()
}

/// What every stage may read and write; with GPUs their devices, which the driver probes all.
pub fn devices(with_gpus: bool) -> Vec<PathBuf> {
    let mut devices: Vec<PathBuf> = DEVICES.iter().map(PathBuf::from).collect();
    if with_gpus {
        let entries = fs::read_dir("/dev").into_iter().flatten().flatten();
        devices.extend(
            entries
                .filter(|entry| entry.file_name().to_string_lossy().starts_with("nvidia"))
                .flat_map(|entry| match fs::read_dir(entry.path()) {
                    Ok(inside) => inside.flatten().map(|entry| entry.path()).collect(),
                    Err(_) => vec![entry.path()],
                }),
        );
    }
    devices
}

/// The Python libraries of this machine that do not belong to the environment: they hold the same text as
/// its own, so what is hidden there must not be read here. The environment's own ones must be named in it: a
/// folder above them says nothing, since it may hold several.
pub fn foreign_pythons(environment: &[PathBuf]) -> Vec<PathBuf> {
    let own: Vec<PathBuf> =
        environment.iter().filter_map(|path| fs::canonicalize(path).ok()).collect();
    PYTHON_PARENTS
        .iter()
        .flat_map(|parent| fs::read_dir(parent).into_iter().flatten().flatten())
        .filter(|entry| is_python(&entry.file_name().to_string_lossy()))
        .filter_map(|entry| fs::canonicalize(entry.path()).ok())
        .filter(|path| !own.contains(path))
        .collect()
}

fn is_python(name: &str) -> bool {
    ["python", "pypy"].iter().any(|kind| {
        name.strip_prefix(kind)
            .is_some_and(|version| version.starts_with(|c: char| c.is_ascii_digit()))
    })
}
