//! Turns ideas into edits.

mod catalogue;
mod llm;

pub use catalogue::CatalogueImplementer;
pub use llm::LlmImplementer;
