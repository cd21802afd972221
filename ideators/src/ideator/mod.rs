//! Answers briefs.

mod breed;
mod catalogue;
mod llm;

pub use catalogue::CatalogueIdeator;
pub use llm::LlmIdeator;
