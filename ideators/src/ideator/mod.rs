//! Answers briefs.

mod breed;
mod catalogue;

pub use catalogue::CatalogueIdeator;
