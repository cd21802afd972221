//! What a `problem.yaml` may not say although it is well formed.

use std::collections::BTreeSet;

use autores_domain::{CodePath, FaultClass, Problem, Stage};
use globset::{GlobBuilder, GlobMatcher};
use serde_saphyr::Spanned;

use super::file::{LimitsFile, ProblemFile, ScaleFile, SmokeFile, StageFile};
use super::words::Words;
use crate::YamlError;
use crate::nearest::hint;

pub(super) fn check(file: &str, problem: &ProblemFile) -> Result<(), YamlError> {
    check_name(file, "a problem's name", &problem.name)?;
    for glob in problem.editable.iter().chain(&problem.frozen) {
        matcher(&glob.value).map_err(|why| wrong(file, glob, why))?;
    }
    if problem.editable.is_empty() {
        return Err(wrong(
            file,
            &problem.name,
            "editable is empty, so no idea could change anything",
        ));
    }
    if let Some(path) = &problem.requirements {
        check_path(file, path)?;
    }
    if let Some(command) = &problem.prepare {
        check_command(file, "prepare", command, &["python", "scale", "data"])?;
    }
    check_stages(file, &problem.stages)?;
    if let Some(smoke) = &problem.smoke {
        check_smoke(file, smoke, problem)?;
    }
    if let Some(curve) = &problem.metric.curve
        && curve.value.trim().is_empty()
    {
        let why = "curve is empty; expected a key of the metric lines, such as train_loss";
        return Err(wrong(file, curve, why));
    }
    for name in &problem.env {
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if name.value.is_empty() || !name.value.chars().all(is_name) {
            return Err(wrong(
                file,
                name,
                format!("{:?} is no name of an environment variable", name.value),
            ));
        }
        if name.value.to_ascii_uppercase().ends_with("API_KEY") {
            return Err(wrong(
                file,
                name,
                format!(
                    "{:?} holds a key, and experiments run code that a model wrote; leave it out",
                    name.value
                ),
            ));
        }
    }
    check_scales(file, problem)
}

fn check_stages(file: &str, stages: &Spanned<Vec<StageFile>>) -> Result<(), YamlError> {
    let Some((last, before)) = stages.value.split_last() else {
        return Err(wrong(file, stages, "stages is empty; at least one must measure"));
    };
    let mut names = BTreeSet::new();
    for stage in &stages.value {
        check_name(file, "a stage's name", &stage.name)?;
        if !names.insert(&stage.name.value) {
            return Err(wrong(
                file,
                &stage.name,
                format!("a second stage is named {:?}", stage.name.value),
            ));
        }
        let what = format!("stage {}", stage.name.value);
        check_command(file, &what, &stage.command, &Stage::PLACEHOLDERS)?;
        for folder in &stage.reads {
            check_path(file, folder)?;
        }
        check_class(file, &stage.on_failure)?;
    }
    for stage in before {
        if let Some(result) = &stage.result {
            let why = format!(
                "stage {} has a result, but only the last stage measures",
                stage.name.value
            );
            return Err(wrong(file, result, why));
        }
    }
    let Some(result) = &last.result else {
        let why = format!(
            "stage {} is the last, so it needs result: the file that holds the metric",
            last.name.value
        );
        return Err(wrong(file, &last.name, why));
    };
    check_path(file, result)?;
    if !last.trusted {
        let why = format!(
            "stage {} measures, so it must be trusted: true (it runs frozen files only)",
            last.name.value
        );
        return Err(wrong(file, &last.name, why));
    }
    Ok(())
}

fn check_class(file: &str, class: &Spanned<FaultClass>) -> Result<(), YamlError> {
    match class.value {
        FaultClass::Infra | FaultClass::Preempted | FaultClass::Patch | FaultClass::Duplicate => {
            let why = format!(
                "on_failure {} is not a stage's to say; expected build, crash, policy or diverged",
                class.value
            );
            Err(wrong(file, class, why))
        }
        FaultClass::Build
        | FaultClass::Crash
        | FaultClass::Oom
        | FaultClass::Timeout
        | FaultClass::Diverged
        | FaultClass::Stalled
        | FaultClass::Policy => Ok(()),
    }
}

fn check_smoke(file: &str, smoke: &SmokeFile, problem: &ProblemFile) -> Result<(), YamlError> {
    check_command(file, "smoke", &smoke.command, &Stage::PLACEHOLDERS)?;
    if let Some(scale) = &smoke.scale {
        check_scale_name(file, "the smoke's scale", scale, problem)?;
    }
    let untrusted = problem.stages.value.iter().filter(|stage| !stage.trusted);
    let seen: BTreeSet<&str> =
        untrusted.flat_map(|stage| &stage.reads).map(|folder| folder.value.as_str()).collect();
    for folder in &smoke.reads {
        check_path(file, folder)?;
        // The code of an idea runs here, so it could learn what it is going to be judged by.
        if !seen.contains(folder.value.as_str()) {
            let why = format!(
                "smoke reads {:?}, which no untrusted stage reads; a smoke may see no more than they do",
                folder.value
            );
            return Err(wrong(file, folder, why));
        }
    }
    if smoke.wall_s.value == 0 {
        return Err(wrong(file, &smoke.wall_s, "wall_s of smoke must be more than 0"));
    }
    check_class(file, &smoke.on_failure)
}

fn check_scales(file: &str, problem: &ProblemFile) -> Result<(), YamlError> {
    check_scale_name(file, "default_scale", &problem.default_scale, problem)?;
    problem.scales.value.iter().try_for_each(|(name, scale)| check_scale(file, name, scale))
}

fn check_scale_name(
    file: &str,
    what: &str,
    name: &Spanned<String>,
    problem: &ProblemFile,
) -> Result<(), YamlError> {
    let scales = &problem.scales.value;
    if scales.contains_key(&name.value) {
        return Ok(());
    }
    let known: Vec<&str> = scales.keys().map(String::as_str).collect();
    let near = hint(&name.value, known.iter().copied());
    let why = format!("{what} {:?} is not among scales ({}){near}", name.value, known.join(", "));
    Err(wrong(file, name, why))
}

fn check_scale(file: &str, name: &str, scale: &ScaleFile) -> Result<(), YamlError> {
    check_command(file, &format!("launcher of scale {name}"), &scale.launcher, &["python"])?;
    let counts = [("threads", &scale.threads), ("batch", &scale.batch), ("epochs", &scale.epochs)];
    for (key, count) in counts {
        if count.value == 0 {
            return Err(wrong(file, count, format!("{key} of scale {name} must be at least 1")));
        }
    }
    let LimitsFile {
        wall_s,
        cpu_s,
        cpu_times_baseline,
        memory_mb,
        output_mb,
        file_mb,
        disk_mb,
        stall_s,
        grace_s,
    } = &scale.limits;
    let limits = [
        ("wall_s", wall_s),
        ("cpu_s", cpu_s),
        ("memory_mb", memory_mb),
        ("output_mb", output_mb),
        ("file_mb", file_mb),
        ("disk_mb", disk_mb),
        ("stall_s", stall_s),
        ("grace_s", grace_s),
    ];
    for (key, limit) in limits {
        if limit.value == 0 {
            return Err(wrong(
                file,
                limit,
                format!("limit {key} of scale {name} must be more than 0"),
            ));
        }
    }
    match cpu_times_baseline {
        Some(times) if !(times.value.is_finite() && times.value > 1.0) => {
            let why = format!("limit cpu_times_baseline of scale {name} must be more than 1");
            Err(wrong(file, times, why))
        }
        Some(_) | None => Ok(()),
    }
}

fn check_command(
    file: &str,
    what: &str,
    command: &Spanned<Words>,
    known: &[&str],
) -> Result<(), YamlError> {
    let words = &command.value.0;
    if words.first().is_none_or(String::is_empty) {
        return Err(wrong(file, command, format!("the command of {what} is empty")));
    }
    for word in words {
        for name in placeholders(word) {
            if !known.contains(&name) {
                let near = hint(name, known.iter().copied());
                let why = format!(
                    "{{{name}}} in {what} is not known; expected one of {}{near}",
                    known.join(", ")
                );
                return Err(wrong(file, command, why));
            }
            // It may stand for several arguments.
            if name == "launcher" && word != "{launcher}" {
                return Err(wrong(
                    file,
                    command,
                    format!("{{launcher}} in {what} must be an argument of its own"),
                ));
            }
        }
    }
    Ok(())
}

/// The names between braces; other braces, as of JSON, are left alone.
fn placeholders(word: &str) -> impl Iterator<Item = &str> {
    word.split('{').skip(1).filter_map(|rest| {
        let name = rest.split_once('}')?.0;
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        (!name.is_empty() && name.chars().all(is_name)).then_some(name)
    })
}

fn check_name(file: &str, what: &str, name: &Spanned<String>) -> Result<(), YamlError> {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_');
    let text = &name.value;
    if text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.chars().all(allowed)
        && text.len() <= 48
    {
        return Ok(());
    }
    let why = format!(
        "{text:?} is not {what}; expected a lowercase letter, then lowercase letters, digits, '-' or '_', at most 48"
    );
    Err(wrong(file, name, why))
}

fn check_path(file: &str, path: &Spanned<String>) -> Result<(), YamlError> {
    path.value.parse::<CodePath>().map(|_| ()).map_err(|error| wrong(file, path, error.to_string()))
}

fn wrong<T>(file: &str, at: &Spanned<T>, message: impl Into<String>) -> YamlError {
    YamlError::at(file, at.referenced, message)
}

/// A frozen file that ideas could change.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GlobsError {
    /// An editable glob matches it.
    #[error(
        "{path} is frozen by {frozen:?}, but the editable glob {editable:?} reaches it; narrow the editable glob"
    )]
    Reachable {
        /// The file.
        path: CodePath,
        /// The glob that freezes it.
        frozen: String,
        /// The glob that reaches it.
        editable: String,
    },
    /// A frozen glob matches no file: most likely it is misspelt and freezes nothing.
    #[error("the frozen glob {glob:?} matches no file of the codebase")]
    Idle {
        /// The glob.
        glob: String,
    },
    /// The text is no glob.
    #[error("{0}")]
    NoGlob(String),
}

/// Refuses a problem whose frozen files ideas could change.
///
/// # Errors
/// The first such file with both globs.
pub fn check_globs<'a>(
    problem: &Problem,
    files: impl IntoIterator<Item = &'a CodePath>,
) -> Result<(), GlobsError> {
    let files: Vec<&CodePath> = files.into_iter().collect();
    let globs = |texts: &[String]| -> Result<Vec<(String, GlobMatcher)>, GlobsError> {
        let one = |text: &String| Ok((text.clone(), matcher(text).map_err(GlobsError::NoGlob)?));
        texts.iter().map(one).collect()
    };
    let editable = globs(&problem.editable)?;
    for (frozen, matches) in globs(&problem.frozen)? {
        let mut idle = true;
        for path in files.iter().filter(|path| matches.is_match(path.as_str())) {
            idle = false;
            if let Some((editable, _)) =
                editable.iter().find(|(_, glob)| glob.is_match(path.as_str()))
            {
                let (path, editable) = ((*path).clone(), editable.clone());
                return Err(GlobsError::Reachable { path, frozen, editable });
            }
        }
        if idle {
            return Err(GlobsError::Idle { glob: frozen });
        }
    }
    Ok(())
}

/// `*` stays within a folder, `**` does not.
fn matcher(glob: &str) -> Result<GlobMatcher, String> {
    GlobBuilder::new(glob)
        .literal_separator(true)
        .build()
        .map(|glob| glob.compile_matcher())
        .map_err(|error| format!("{glob:?} is not a glob: {}", error.kind()))
}
