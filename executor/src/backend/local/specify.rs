//! What the shim is told of a job: commands, variables, and what each stage may read, write and reach.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use autores_domain::{Network, Scale, Stage};

use super::{LocalSetup, Task, command};
use crate::attempt::{AttemptFolder, TOKEN_VARIABLE};
use crate::sandbox::{Profile, system};
use crate::shim::{Spec, StageSpec, UNTRUSTED_VARIABLE};

/// CPU seconds that one process may go over the attempt's limit before the kernel ends it.
const CPU_MARGIN_S: u64 = 60;
const SYSTEM_PATH: &str = "/usr/bin:/bin";

/// A task, and the files that belong to its specification.
#[derive(Debug)]
pub(super) struct Specified {
    pub(super) spec: Spec,
    pub(super) profiles: Vec<(PathBuf, Profile)>,
}

/// Resolves all of a task. The error says what of the problem is wrong.
pub(super) fn specify(
    setup: &LocalSetup,
    folder: &AttemptFolder,
    task: &Task,
    token: String,
) -> Result<Specified, String> {
    let problem = &setup.problem;
    let scale = problem
        .scales
        .get(&task.scale)
        .ok_or_else(|| format!("problem {} has no scale {:?}", problem.name, task.scale))?;
    let mut profiles = Vec::new();
    let mut stages = Vec::new();
    for (index, stage) in task.stages.iter().enumerate() {
        let place = Place { setup, folder, task, scale, stage, index };
        let words = command::resolve(&stage.command, &scale.launcher, &place.values()?)
            .map_err(|problem| format!("stage {} {problem}", stage.name))?;
        stages.push(StageSpec {
            name: stage.name.clone(),
            command: words,
            env: place.variables(&token)?,
            profile: place.profile_path(),
            folder: place.out(),
            trusted: stage.trusted,
            on_failure: stage.on_failure,
            result: stage.result.as_ref().map(PathBuf::from),
        });
        profiles.push((place.profile_path(), place.profile()));
        if stage.trusted {
            profiles.push((place.untrusted_path(), place.untrusted()));
        }
    }
    let arguments = setup.shim.iter().skip(1);
    let spec = Spec {
        name: task.name.clone(),
        token,
        limits: task.limits.clone(),
        gpus: task.gpus.clone(),
        leases: setup.runs.with_file_name("gpus"),
        metric: task.metric.clone(),
        shim_arguments: arguments.map(|word| text(word.as_ref())).collect::<Result<_, _>>()?,
        stages,
    };
    Ok(Specified { spec, profiles })
}

/// A mark that no other task has.
///
/// # Errors
/// If the machine gives no random bytes.
pub(super) fn new_token(task: &Task) -> io::Result<String> {
    let mut bytes = [0u8; 16];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    let random: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(format!("{}#{random}", task.name))
}

/// One stage of one task.
struct Place<'a> {
    setup: &'a LocalSetup,
    folder: &'a AttemptFolder,
    task: &'a Task,
    scale: &'a Scale,
    stage: &'a Stage,
    index: usize,
}

impl Place<'_> {
    fn out(&self) -> PathBuf {
        if self.stage.trusted { self.folder.trusted() } else { self.folder.work() }
    }

    fn profile_path(&self) -> PathBuf {
        self.folder.profiles().join(format!("{}.json", self.index))
    }

    fn untrusted_path(&self) -> PathBuf {
        self.folder.profiles().join(format!("{}.untrusted.json", self.index))
    }

    fn values(&self) -> Result<BTreeMap<&'static str, String>, String> {
        Ok(BTreeMap::from([
            ("python", text(&self.setup.python)?),
            ("scale", self.task.scale.clone()),
            ("seed", self.task.seed.to_string()),
            ("data", text(&self.setup.data)?),
            ("work", text(&self.folder.work())?),
            ("out", text(&self.out())?),
        ]))
    }

    /// All variables that the stage sees.
    fn variables(&self, token: &str) -> Result<BTreeMap<String, String>, String> {
        let mut variables = BTreeMap::new();
        for name in &self.setup.problem.env {
            if let Ok(value) = std::env::var(name) {
                variables.insert(name.clone(), value);
            }
        }
        let out = self.out();
        let tools = text(self.setup.python.parent().unwrap_or(Path::new("/usr/bin")))?;
        let threads = self.scale.threads.to_string();
        let gpus: Vec<String> = self.task.gpus.iter().map(u32::to_string).collect();
        let fixed = [
            ("PATH", format!("{tools}:{SYSTEM_PATH}")),
            ("HOME", text(&home(&out))?),
            ("TMPDIR", text(&temporary(&out))?),
            ("LANG", "C.UTF-8".to_owned()),
            ("OMP_NUM_THREADS", threads.clone()),
            ("MKL_NUM_THREADS", threads),
            // The environment was compiled when it was made. A cache in the stage's folder would be filled anew,
            // and used in place of that, by every attempt.
            ("PYTHONDONTWRITEBYTECODE", "1".to_owned()),
            ("PYTHONUNBUFFERED", "1".to_owned()),
            ("PYTHONHASHSEED", "0".to_owned()),
            ("CUDA_DEVICE_ORDER", "PCI_BUS_ID".to_owned()),
            ("CUDA_VISIBLE_DEVICES", gpus.join(",")),
            (TOKEN_VARIABLE, token.to_owned()),
        ];
        variables.extend(fixed.map(|(name, value)| (name.to_owned(), value)));
        if self.scale.network == Network::Loopback {
            // Else they look for the address of this machine's name, which their own network does not have.
            for name in ["GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME"] {
                variables.insert(name.to_owned(), "lo".to_owned());
            }
        }
        if self.stage.trusted {
            let mut prefix: Vec<String> =
                self.setup.shim.iter().map(|word| text(word.as_ref())).collect::<Result<_, _>>()?;
            prefix.extend(["enter".to_owned(), text(&self.untrusted_path())?, "--".to_owned()]);
            let prefix = serde_json::to_string(&prefix).map_err(|error| error.to_string())?;
            variables.insert(UNTRUSTED_VARIABLE.to_owned(), prefix);
        }
        Ok(variables)
    }

    fn data(&self, subfolders: &[String]) -> impl Iterator<Item = PathBuf> {
        subfolders.iter().map(|subfolder| self.setup.data.join(subfolder))
    }

    /// The data that the idea's code may read in any stage.
    fn untrusted_data(&self) -> impl Iterator<Item = PathBuf> {
        let untrusted = self.task.stages.iter().filter(|stage| !stage.trusted);
        untrusted.flat_map(|stage| self.data(&stage.reads))
    }

    /// What the stage may do.
    fn profile(&self) -> Profile {
        let mut profile = self.common();
        profile.reads.extend(self.data(&self.stage.reads));
        profile.writes.push(self.out());
        if self.stage.trusted {
            // What is hidden from ideas is what they are judged by.
            profile.hidden.clear();
            profile.memory_files = true;
            // It can let the idea's code see no more than it sees itself.
            profile.reads.extend(self.untrusted_data());
            profile.reads.extend([self.folder.work(), self.folder.profiles()]);
            profile.reads.extend(self.setup.shim.first().map(PathBuf::from));
            profile.writes.push(self.folder.scratch());
        }
        profile.network = self.scale.network;
        profile.dies_with_parent = true;
        profile
    }

    /// What the idea's code may do when a trusted stage starts it: see what the untrusted stages saw, and keep
    /// nothing that another could find.
    fn untrusted(&self) -> Profile {
        let mut profile = self.common();
        profile.reads.extend(self.untrusted_data());
        profile.reads.push(self.folder.work());
        profile.scratch = Some(self.folder.scratch());
        profile
    }

    fn common(&self) -> Profile {
        let setup = self.setup;
        let mut reads = system::reads();
        reads.extend(setup.environment.iter().cloned());
        reads.extend(setup.python.parent().map(Path::to_owned));
        reads.push(self.folder.code());
        let mut hidden = setup.hidden.clone();
        if !hidden.is_empty() {
            hidden.extend(system::foreign_pythons(&setup.environment));
        }
        let limits = &self.task.limits;
        Profile {
            reads,
            hidden,
            writes: Vec::new(),
            devices: system::devices(!self.task.gpus.is_empty()),
            // The driver of a GPU may need them; a trusted stage is trusted with them.
            memory_files: !self.task.gpus.is_empty(),
            network: Network::None,
            folder: self.folder.code(),
            scratch: None,
            file_mb: limits.file_mb,
            cpu_s: limits.cpu_s.saturating_add(limits.grace_s).saturating_add(CPU_MARGIN_S),
            dies_with_parent: false,
            nice: self.task.nice,
        }
    }
}

/// The home of a stage.
pub(super) fn home(out: &Path) -> PathBuf {
    out.join("home")
}

/// The folder for temporary files of a stage.
pub(super) fn temporary(out: &Path) -> PathBuf {
    out.join("tmp")
}

fn text(path: &Path) -> Result<String, String> {
    path.to_str().map(str::to_owned).ok_or_else(|| {
        format!("the path {} is not UTF-8; use a folder with a plain name", path.display())
    })
}
