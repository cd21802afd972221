//! Says: problems, techniques and other texts, and the YAML they are written in. Never runs anything.

pub mod catalogue;
mod nearest;
pub mod problem;
pub mod problems;
pub mod prompts;
pub mod settings;
mod yaml;

pub use yaml::{Place, YamlError};
