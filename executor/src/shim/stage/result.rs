//! Reads the result file of a stage. The stage's folder may hold anything, so nothing in it is followed.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;

use autores_domain::{Fault, FaultClass};
use nix::fcntl::OFlag;

use crate::shim::{StageSpec, values};

const LARGEST: u64 = 1 << 20;

/// All finite numbers of the result file, the metric among them.
pub(in crate::shim) fn read(
    stage: &StageSpec,
    metric: &str,
) -> Result<BTreeMap<String, f64>, Fault> {
    let Some(name) = &stage.result else { return Ok(BTreeMap::new()) };
    let (stage_name, file_name) = (&stage.name, name.display());
    let crash = |problem: String| Fault::new(FaultClass::Crash, problem);
    let text = text(stage).map_err(|why| {
        crash(format!("stage {stage_name} ended without its result file {file_name}: {why}"))
    })?;
    let values = values::parse(&text).map_err(|why| {
        crash(format!("result file {file_name} of stage {stage_name} cannot be read: {why}"))
    })?;
    if let Some(word) = values.not_finite.get(metric) {
        let reason = format!("metric {metric} is {word} in {file_name}");
        return Err(Fault::new(FaultClass::Diverged, reason));
    }
    if !values.finite.contains_key(metric) {
        return Err(crash(format!(
            "result file {file_name} of stage {stage_name} has no number {metric}"
        )));
    }
    Ok(values.finite)
}

fn text(stage: &StageSpec) -> Result<String, String> {
    let name = stage.result.as_deref().unwrap_or_else(|| "".as_ref());
    let of = |error: std::io::Error| error.to_string();
    let folder = stage.folder.canonicalize().map_err(of)?;
    let path = stage.folder.join(name);
    let parent = path.parent().map(std::path::Path::canonicalize).transpose().map_err(of)?;
    if !parent.is_some_and(|parent| parent.starts_with(&folder)) {
        return Err("it lies outside the stage's folder".to_owned());
    }
    // A pipe would block, and a link may lead to a file that the stage could not read.
    let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
    let file = OpenOptions::new().read(true).custom_flags(flags.bits()).open(&path).map_err(of)?;
    let about = file.metadata().map_err(of)?;
    if !about.is_file() {
        return Err("it is not a file".to_owned());
    }
    if about.len() > LARGEST {
        return Err(format!("it has {} bytes, more than {LARGEST}", about.len()));
    }
    let mut text = String::new();
    file.take(LARGEST).read_to_string(&mut text).map_err(of)?;
    Ok(text)
}
