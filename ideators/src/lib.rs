//! Thinks: from a brief to ideas, and from an idea to a patch. Never runs anything.

pub mod ideator;
pub mod implementer;
