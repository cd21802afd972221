//! Turns ideas into edits.

mod catalogue;

pub use catalogue::CatalogueImplementer;
