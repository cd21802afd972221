//! Where settings come from: the file in the program, and the user's.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::{fs, io};

use autores_domain::ModelName;

use super::file::SettingsFile;
use super::merge::merge;
use super::{ORDER, Provider, Settings};
use crate::YamlError;

const NAME: &str = "built-in settings.yaml";
const BUILT_IN: &str = include_str!("../../settings.yaml");

/// Why there are no settings.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The file cannot be read.
    #[error("cannot read the settings {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The file is wrong.
    #[error(transparent)]
    Yaml(#[from] YamlError),
}

impl Settings {
    /// The settings that are part of the program, as a commented file to start from.
    pub const BUILT_IN: &'static str = BUILT_IN;

    /// The settings that are part of the program.
    ///
    /// # Errors
    /// Never, unless the program was built with a wrong file.
    pub fn built_in() -> Result<Self, YamlError> {
        let settings = over(Self::default(), NAME, Path::new(""), BUILT_IN)?;
        Ok(Self { given: BTreeSet::new(), ..settings })
    }

    /// The built-in settings with those of the user's file laid over them, key by key. The models of a role are
    /// replaced as a whole.
    ///
    /// # Errors
    /// If the file cannot be read, or the first thing that is wrong in it, with its place.
    pub fn load(user_file: Option<&Path>) -> Result<Self, SettingsError> {
        let settings = Self::built_in()?;
        let Some(path) = user_file else { return Ok(settings) };
        let text = fs::read_to_string(path)
            .map_err(|source| SettingsError::Read { path: path.to_owned(), source })?;
        let folder = path.parent().unwrap_or(Path::new(""));
        Ok(over(settings, &path.display().to_string(), folder, &text)?)
    }

    /// The model to use where nothing names one: the default of the first provider that is set up. That is one whose
    /// key or address is in the environment, or one without a key to which the user's file gives an address or a
    /// default model.
    pub fn default_model(&self, environment: &dyn Fn(&str) -> Option<String>) -> Option<ModelName> {
        let own = self.providers.keys().map(String::as_str).filter(|name| !ORDER.contains(name));
        ORDER.into_iter().chain(own).find_map(|name| {
            let provider = self.providers.get(name)?;
            let model = provider.default_model.as_ref()?;
            let is_given = self.given.contains(name) && !provider.needs_key;
            let is_ready = is_given || is_set_up(provider, environment);
            is_ready.then(|| format!("{name}/{model}").parse().ok()).flatten()
        })
    }
}

fn is_set_up(provider: &Provider, environment: &dyn Fn(&str) -> Option<String>) -> bool {
    let is_set = |variable: &Option<String>| {
        let value = variable.as_deref().and_then(environment);
        value.is_some_and(|value| !value.trim().is_empty())
    };
    is_set(&provider.key_variable)
        || is_set(&provider.base_url_variable)
        || provider.key_file.is_some()
}

fn over(settings: Settings, name: &str, folder: &Path, text: &str) -> Result<Settings, YamlError> {
    let file: SettingsFile = crate::yaml::parse(name, text)?;
    merge(settings, name, folder, file)
}
