//! Landlock: files, signals to others, ports. As much as the kernel knows, and a word about the rest.

use std::fs;
use std::path::{Path, PathBuf};

use autores_domain::Network;
use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, PathBeneath, PathFd,
    Ruleset, RulesetAttr, RulesetCreated, RulesetCreatedAttr, RulesetError, Scope,
};

use super::paths::{Grant, allow_except, resolve_hidden};
use super::{Profile, support};

/// The newest interface that these rules were written for.
const NEWEST: ABI = ABI::V10;

/// Restricts the process; says what the kernel does not support.
pub(super) fn restrict(profile: &Profile) -> Result<Vec<String>, RulesetError> {
    let mut ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(NEWEST))?
        .scope(Scope::from_all(NEWEST))?;
    if profile.network == Network::None {
        ruleset = ruleset.handle_access(AccessNet::BindTcp | AccessNet::ConnectTcp)?;
    }
    let mut ruleset = ruleset.create()?;

    let hidden = resolve_hidden(&profile.hidden);
    let read = AccessFs::from_read(NEWEST);
    for root in resolved(&profile.reads) {
        for (path, grant) in allow_except(&root, &hidden) {
            let access = match grant {
                Grant::Whole => read,
                Grant::Names => AccessFs::ReadDir.into(),
            };
            ruleset = allow(ruleset, &path, access)?;
        }
    }
    let write = AccessFs::from_all(NEWEST)
        & !(AccessFs::MakeChar | AccessFs::MakeBlock | AccessFs::IoctlDev);
    for path in resolved(&profile.writes) {
        ruleset = allow(ruleset, &path, write)?;
    }
    let device = AccessFs::ReadFile | AccessFs::WriteFile | AccessFs::IoctlDev;
    for path in resolved(&profile.devices) {
        ruleset = allow(ruleset, &path, device)?;
    }
    ruleset.restrict_self()?;
    Ok(support::landlock().gaps())
}

fn resolved(paths: &[PathBuf]) -> impl Iterator<Item = PathBuf> {
    paths.iter().filter_map(|path| fs::canonicalize(path).ok())
}

fn allow(
    ruleset: RulesetCreated,
    path: &Path,
    access: BitFlags<AccessFs>,
) -> Result<RulesetCreated, RulesetError> {
    // A path that vanished or cannot be opened stays closed.
    let Ok(target) = PathFd::new(path) else { return Ok(ruleset) };
    let access = if path.is_dir() { access } else { access & AccessFs::from_file(NEWEST) };
    if access.is_empty() {
        return Ok(ruleset);
    }
    ruleset.add_rule(PathBeneath::new(target, access))
}
