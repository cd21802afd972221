//! Known techniques of a field as parameterised edits: one YAML file a technique.

mod file;
mod technique;

use std::collections::BTreeMap;

use autores_domain::CodePath;

pub use technique::{Knob, RenderError, Technique};

use crate::YamlError;

/// The techniques of a problem, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Catalogue {
    techniques: BTreeMap<String, Technique>,
}

impl Catalogue {
    /// Reads the catalogue's files, by path; those that are not YAML are left out.
    ///
    /// # Errors
    /// The first thing that is wrong, with its place.
    pub fn load<'a>(
        files: impl IntoIterator<Item = (&'a CodePath, &'a str)>,
    ) -> Result<Self, YamlError> {
        let mut techniques: BTreeMap<String, Technique> = BTreeMap::new();
        for (path, text) in files {
            let Some(stem) = path.as_str().strip_suffix(".yaml") else { continue };
            let stem = stem.rsplit('/').next().unwrap_or(stem);
            let technique = file::parse(path.as_str(), stem, text)?;
            if techniques.contains_key(&technique.name) {
                return Err(YamlError {
                    file: path.to_string(),
                    place: None,
                    message: format!("a second technique is named {:?}", technique.name),
                });
            }
            techniques.insert(technique.name.clone(), technique);
        }
        Ok(Self { techniques })
    }

    /// The technique of this name.
    pub fn get(&self, name: &str) -> Option<&Technique> {
        self.techniques.get(name)
    }

    /// All techniques, in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = &Technique> {
        self.techniques.values()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.techniques.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.techniques.is_empty()
    }
}
