//! From a model's words to typed values. Never applies, runs or stores anything.

pub mod ideas;
pub mod patch;
pub mod text;
