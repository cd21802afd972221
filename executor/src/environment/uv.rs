//! Finds `uv` or installs it from PyPI below the home folder.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::EnvironmentError;
use super::python::Python;
use crate::command::run;
use crate::marker;

/// The version that is installed where there is none.
const VERSION: &str = "0.13.9";

pub(super) struct Uv<'a> {
    program: PathBuf,
    lock: &'a File,
    progress: &'a dyn Fn(&str),
    /// Where it keeps downloads, if not in its usual place.
    cache: Option<PathBuf>,
}

/// The `uv` on PATH, or one of our own.
pub(super) fn ensure<'a>(
    home: &Path,
    python: &Python,
    lock: &'a File,
    progress: &'a dyn Fn(&str),
) -> Result<Uv<'a>, EnvironmentError> {
    let program = match find(home) {
        Some(program) => program,
        None => own(home, python, progress)?,
    };
    let cache = (!usual_cache_works()).then(|| home.join("cache/uv"));
    Ok(Uv { program, lock, progress, cache })
}

/// The `uv` on PATH, else our own if it is installed.
pub(super) fn find(home: &Path) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&path).map(|folder| folder.join("uv"));
    let own = program(home);
    on_path.into_iter().find(|program| works(program)).or(own.is_file().then_some(own))
}

fn program(home: &Path) -> PathBuf {
    home.join("tools").join(format!("uv-{VERSION}")).join("bin/uv")
}

/// Whether `uv` could write its usual cache, which is shared with the user's other projects: a service
/// account may have no folder of its own.
fn usual_cache_works() -> bool {
    if std::env::var_os("UV_CACHE_DIR").is_some() {
        return true;
    }
    let folder = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let base = folder("XDG_CACHE_HOME").or_else(|| Some(folder("HOME")?.join(".cache")));
    let Some(cache) = base.map(|base| base.join("uv")) else { return false };
    let probe = cache.join(format!(".autores-{}", std::process::id()));
    let works = fs::create_dir_all(&cache).is_ok() && fs::write(&probe, "").is_ok();
    works && fs::remove_file(&probe).is_ok()
}

/// A file of that name may be a shim that finds nothing to start.
fn works(program: &Path) -> bool {
    program.is_file()
        && Command::new(program).arg("--version").output().is_ok_and(|said| said.status.success())
}

fn own(home: &Path, python: &Python, progress: &dyn Fn(&str)) -> Result<PathBuf, EnvironmentError> {
    let tools = home.join("tools");
    let folder = tools.join(format!("uv-{VERSION}"));
    let program = folder.join("bin/uv");
    if program.is_file() {
        return Ok(program);
    }
    fs::create_dir_all(&tools).map_err(EnvironmentError::io(&tools))?;
    let lock =
        marker::lock(&tools.join("uv.lock"), progress).map_err(EnvironmentError::io(&tools))?;
    if program.is_file() {
        return Ok(program);
    }
    progress(&format!("installing uv {VERSION} into {}", folder.display()));
    let partial = tools.join(format!(".uv-{VERSION}.partial"));
    let clear = || if partial.exists() { fs::remove_dir_all(&partial) } else { Ok(()) };
    clear().map_err(EnvironmentError::io(&partial))?;
    install(python, &partial, &lock, progress)?;
    // It is a single program without a fixed place, so it may be renamed.
    marker::rename_complete(&partial.join("uv"), &folder).map_err(EnvironmentError::io(&folder))?;
    clear().map_err(EnvironmentError::io(&partial))?;
    Ok(program)
}

/// Installs into `partial/uv`, with the interpreter's own pip or, where it has none, with that of a throw-away environment.
fn install(
    python: &Python,
    partial: &Path,
    lock: &File,
    progress: &dyn Fn(&str),
) -> Result<(), EnvironmentError> {
    let io = || EnvironmentError::io(partial);
    let pip = |python: &Path| {
        let mut command = clean(python);
        command.args(["-I", "-m", "pip", "install", "--quiet", "--no-deps", "--only-binary=:all:"]);
        command.arg("--target").arg(partial.join("uv")).arg(format!("uv=={VERSION}"));
        run(&mut command, lock, progress)
    };
    let (status, own_tail) = pip(&python.executable).map_err(io())?;
    if status.success() {
        return Ok(());
    }
    let throw_away = partial.join("venv");
    let mut command = clean(&python.executable);
    command.args(["-I", "-m", "venv"]).arg(&throw_away);
    let (status, venv_tail) = run(&mut command, lock, progress).map_err(io())?;
    let tail = if status.success() {
        let (status, tail) = pip(&throw_away.join("bin/python")).map_err(io())?;
        if status.success() {
            return Ok(());
        }
        tail
    } else {
        [own_tail, venv_tail].concat()
    };
    Err(EnvironmentError::NoUv { version: VERSION, python: python.executable.clone(), tail })
}

impl Uv<'_> {
    /// An environment without packages, in its final place because environments cannot be moved.
    pub(super) fn venv(&self, python: &Python, folder: &Path) -> Result<(), EnvironmentError> {
        let mut command = clean(&self.program);
        command
            .args(["venv", "--quiet", "--no-project", "--no-config", "--python"])
            .arg(&python.executable);
        command.arg(folder);
        self.finish("make a Python environment", folder, command)
    }

    /// Exactly the pinned packages, compiled to bytecode because experiments cannot write into the environment.
    pub(super) fn sync(&self, interpreter: &Path, file: &Path) -> Result<(), EnvironmentError> {
        let mut command = clean(&self.program);
        command.args([
            "pip",
            "sync",
            "--require-hashes",
            "--compile-bytecode",
            "--link-mode=hardlink",
        ]);
        command.arg("--python").arg(interpreter).arg(file);
        self.finish("install the problem's Python packages", file, command)
    }

    fn finish(
        &self,
        doing: &'static str,
        path: &Path,
        mut command: Command,
    ) -> Result<(), EnvironmentError> {
        if let Some(cache) = &self.cache {
            command.env("UV_CACHE_DIR", cache);
        }
        // One line a package is more than anybody reads.
        let progress = |line: &str| {
            if ![" + ", " Downloaded "].iter().any(|start| line.starts_with(start)) {
                (self.progress)(line);
            }
        };
        let (status, tail) =
            run(&mut command, self.lock, &progress).map_err(EnvironmentError::io(&self.program))?;
        if status.success() {
            return Ok(());
        }
        Err(EnvironmentError::of_uv(doing, path, status, tail))
    }
}

/// The command without what would lead it to another Python, and with pip's settings of the network.
fn clean(program: &Path) -> Command {
    let mut command = Command::new(program);
    for name in ["VIRTUAL_ENV", "CONDA_PREFIX", "PYTHONPATH", "PYTHONHOME", "UV_PYTHON"] {
        command.env_remove(name);
    }
    command.env("UV_PYTHON_DOWNLOADS", "never").env("NO_COLOR", "1");
    // In a folder of our own, what root installs is in nobody's way.
    command.env("PIP_ROOT_USER_ACTION", "ignore").env("PIP_DISABLE_PIP_VERSION_CHECK", "1");
    for (of_pip, of_uv) in [("PIP_CERT", "SSL_CERT_FILE"), ("PIP_INDEX_URL", "UV_DEFAULT_INDEX")] {
        if let (Some(value), None) = (std::env::var_os(of_pip), std::env::var_os(of_uv)) {
            command.env(of_uv, value);
        }
    }
    command
}
