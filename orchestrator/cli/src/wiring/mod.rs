//! The only place that names concrete types together.

mod thinking;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, anyhow};
use autores_domain::{
    Event, Problem, Recorded, Revision, Run, RunConfig, RunId, SearchStrategy, Slot,
};
use autores_engine::{Parts, search};
use autores_executor::backend::local::{LocalBackend, LocalSetup};
use autores_executor::data::{self, Prepared};
use autores_executor::environment::{self, Environment};
use autores_executor::gate::SandboxGate;
use autores_executor::guard::Rules;
use autores_executor::workspace::{self, GitWorkspace, Source};
use autores_executor::{gpu, sandbox, slots};
use autores_ideators::llm::Client;
use autores_results::Store;
use autores_templates::problems::{self, ProblemSource};

pub(crate) use self::thinking::{client, knowledge, passing_client, repeated};
use crate::exit::{Failure, OrExit};
use crate::home::Home;
use crate::progress::Progress;

/// Milliseconds since 1970 (UTC).
pub(crate) fn now_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

/// The store, to be written.
pub(crate) async fn store(home: &Home) -> Result<Arc<Store>, Failure> {
    home.create()?;
    Ok(Arc::new(Store::open(&home.database(), now_ms).await.or_environment()?))
}

/// A problem with everything that its experiments need on this machine.
pub(crate) struct Ready {
    pub(crate) problem: Problem,
    pub(crate) source: Source,
    pub(crate) workspace: GitWorkspace,
    pub(crate) environment: Environment,
    pub(crate) prepared: Prepared,
    /// The data of the scale at which patches are tried out, where that is another.
    pub(crate) smoke_data: Option<Prepared>,
    pub(crate) slots: Vec<Slot>,
}

/// Finds a problem, built in or in a folder.
pub(crate) fn problem(name: &str) -> Result<ProblemSource, Failure> {
    problems::find(name).or_usage()
}

/// Makes a problem ready to be measured. `base` is the commit of a run that exists, else the current one is taken.
pub(crate) async fn prepare(
    home: &Home,
    found: &ProblemSource,
    problem: &Problem,
    scale: &str,
    slots: Option<u32>,
    base: Option<&Revision>,
    progress: &Progress,
) -> Result<Ready, Failure> {
    let size = problem.scales.get(scale).ok_or_else(|| unknown_scale(problem, scale)).or_usage()?;
    // Without a driver there are no GPUs; `doctor` says why.
    let gpus = gpu::list().unwrap_or_default();
    let slots = slots::local(size, slots, &gpus).or_environment()?;
    let mut source = code(home, found, base.is_some())?;
    if let Some(base) = base {
        source.base = base.clone();
    }
    let rules = Rules::new(&problem.editable, &problem.frozen).or_usage()?;
    let workspace = GitWorkspace::open(source.clone(), rules).or_environment()?;
    autores_templates::problem::check_globs(
        problem,
        autores_domain::Workspace::codebase(&workspace).keys(),
    )
    .or_usage()?;

    for gap in sandbox::support().gaps() {
        progress
            .say(&format!("warning: experiments are not fully confined on this machine: {gap}"));
    }

    // Both may install or compute for a while, so not on a thread of the runtime.
    let (home, requirements, words) =
        (home.path().to_owned(), found.requirements.clone(), progress.clone());
    let (problem, scale, from) = (problem.clone(), scale.to_owned(), source.clone());
    tokio::task::spawn_blocking(move || {
        let say = |text: &str| words.doing(text);
        let environment =
            environment::ensure(&home, requirements.as_deref(), &say).or_environment()?;
        let data = |scale: &str| {
            data::ensure(&home, &problem, scale, &from, &environment, &say).or_environment()
        };
        let prepared = data(&scale)?;
        let smoke_scale = problem.smoke_scale(&scale);
        let smoke_data = (smoke_scale != scale).then(|| data(smoke_scale)).transpose()?;
        Ok(Ready { problem, source, workspace, environment, prepared, smoke_data, slots })
    })
    .await?
}

pub(crate) fn unknown_scale(problem: &Problem, scale: &str) -> anyhow::Error {
    let known: Vec<&str> = problem.scales.keys().map(String::as_str).collect();
    anyhow!("problem {} has no scale {scale:?}; it has {}", problem.name, known.join(", "))
}

/// The repository with a problem's code. A user's must be committed, except to go on with a run.
fn code(home: &Home, found: &ProblemSource, resumed: bool) -> Result<Source, Failure> {
    match &found.code {
        problems::Code::Embedded(files) => {
            let folder = builtin_repository(home, &found.problem.name);
            workspace::materialise(files, &folder).or_environment()
        }
        problems::Code::Folder(folder) if resumed => {
            let located = workspace::locate(folder).or_environment()?;
            let base = Revision { commit: String::new(), tree: String::new(), lines: (0, 0) };
            Ok(Source { repository: located.repository, prefix: located.prefix, base })
        }
        problems::Code::Folder(folder) => workspace::open_user(folder).or_usage(),
    }
}

fn builtin_repository(home: &Home, problem: &str) -> PathBuf {
    home.path().join("problems").join(problem).join("repository")
}

/// Where a run's branches are, and the folder of the code inside that repository.
pub(crate) fn located(home: &Home, run: &Run) -> Result<(PathBuf, String), Failure> {
    let builtin = builtin_repository(home, &run.problem.name);
    if run.config.problem == run.problem.name && builtin.exists() {
        return Ok((builtin, String::new()));
    }
    // Whatever has become of the problem's files, the commits are there.
    let located = workspace::locate(Path::new(&run.config.problem)).or_environment()?;
    Ok((located.repository, located.prefix))
}

/// Where a run's branches are, as git wants it: the work tree where there is one.
pub(crate) fn repository(home: &Home, run: &Run) -> Result<PathBuf, Failure> {
    let (repository, _) = located(home, run)?;
    let work_tree = repository.parent().filter(|_| repository.ends_with(".git"));
    Ok(work_tree.map_or_else(|| repository.clone(), Path::to_owned))
}

/// The backend that a run, or a check, executes on.
pub(crate) fn backend(home: &Home, ready: &Ready, runs: PathBuf) -> Result<LocalBackend, Failure> {
    Ok(LocalBackend::new(setup(home, ready, runs)?))
}

/// What patches of a run at `scale` must pass before they cost an experiment.
pub(crate) fn gate(
    home: &Home,
    ready: &Ready,
    runs: PathBuf,
    run: &RunId,
    scale: &str,
) -> Result<SandboxGate, Failure> {
    let mut setup = setup(home, ready, runs)?;
    if let Some(data) = &ready.smoke_data {
        setup.data.clone_from(&data.folder);
        // What is hidden at the run's scale stays so.
        setup.hidden.extend(data.hidden.iter().cloned());
    }
    Ok(SandboxGate::new(ready.workspace.clone(), setup, run.clone(), scale))
}

fn setup(home: &Home, ready: &Ready, runs: PathBuf) -> Result<LocalSetup, Failure> {
    let shim = own_copy(home)?;
    Ok(LocalSetup {
        runs,
        shim: vec![shim.into(), "shim".into()],
        problem: ready.problem.clone(),
        repository: ready.source.repository.clone(),
        prefix: ready.source.prefix.clone(),
        python: ready.environment.python.clone(),
        environment: ready.environment.reads.clone(),
        data: ready.prepared.folder.clone(),
        hidden: ready.prepared.hidden.clone(),
        slots: ready.slots.clone(),
    })
}

/// A copy of this program, for its supervisors: they must go on when the program is built or installed anew.
fn own_copy(home: &Home) -> Result<PathBuf, Failure> {
    // Also where a build has meanwhile taken the place of the file.
    let program = Path::new("/proc/self/exe");
    let file = std::fs::metadata(program).context("cannot find this program's own file")?;
    let changed = file.modified()?.duration_since(std::time::UNIX_EPOCH)?.as_nanos();
    let name = format!("autores-{}-{:x}-{changed:x}", env!("CARGO_PKG_VERSION"), file.len());
    let copy = home.tools().join(&name);
    if !copy.exists() {
        let partial = home.tools().join(format!(".{name}.{}", std::process::id()));
        std::fs::create_dir_all(home.tools())
            .and_then(|()| std::fs::copy(program, &partial))
            .and_then(|_| std::fs::rename(&partial, &copy))
            .with_context(|| format!("cannot copy {} to {}", program.display(), copy.display()))
            .or_environment()?;
    }
    Ok(copy)
}

/// What the measurements depend on besides the code.
pub(crate) fn inputs(ready: &Ready) -> BTreeMap<String, String> {
    let name = |path: Option<&Path>| {
        path.and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned())
    };
    // An interpreter is at `ENVIRONMENT/bin/python`.
    let environment = ready.environment.python.parent().and_then(Path::parent);
    [("environment", name(environment)), ("data", name(Some(&ready.prepared.folder)))]
        .into_iter()
        .filter_map(|(what, name)| Some((what.to_owned(), name?)))
        .collect()
}

/// The strategy with this name.
pub(crate) fn strategy(name: &str) -> Result<Box<dyn SearchStrategy>, Failure> {
    search::by_name(name)
        .ok_or_else(|| {
            anyhow!("there is no strategy {name:?}; there are {}", search::NAMES.join(", "))
        })
        .or_usage()
}

/// The parts of a run.
pub(crate) async fn parts(
    home: &Home,
    run: &RunId,
    config: &RunConfig,
    found: &ProblemSource,
    ready: &Ready,
    store: Arc<Store>,
    client: Option<Client>,
) -> Result<Parts, Failure> {
    let thinking = thinking::thinking(home, run, config, found, ready, client)?;
    let mut parts = Parts {
        strategy: strategy(&config.strategy)?.into(),
        ideator: thinking.ideator,
        implementer: thinking.implementer,
        distiller: thinking.distiller,
        workspace: Arc::new(ready.workspace.clone()),
        backend: Arc::new(backend(home, ready, home.runs())?),
        log: store.clone(),
        answered: Vec::new(),
    };
    if let Some(replay) = config.llm.as_ref().and_then(|llm| llm.replay.as_ref()) {
        let log = store.reader().load(&replay.run).await?;
        let other = self::replay(&replay.run, &log)?;
        let briefs = other.briefs.into_iter().map(|(brief, _)| brief).collect();
        let then = strategy(&config.strategy)?;
        parts.strategy = Arc::new(search::Recorded::new(briefs, run, then));
        parts.answered = answered(&log);
    }
    Ok(parts)
}

/// Briefs in the order in which a run answered them.
fn answered(log: &[Recorded]) -> Vec<u32> {
    let number = |recorded: &Recorded| {
        let (Event::BriefAnswered { number, .. } | Event::BriefFailed { number, .. }) =
            &recorded.event
        else {
            return None;
        };
        Some(*number)
    };
    log.iter().filter_map(number).collect()
}

/// The run that a log tells of.
pub(crate) fn replay(run: &RunId, log: &[Recorded]) -> Result<Run, Failure> {
    Run::replay(run, log)
        .with_context(|| format!("the log of {run} cannot be read by this version"))
        .map_err(Into::into)
}
