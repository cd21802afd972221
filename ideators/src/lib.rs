//! Thinks: from a brief to ideas, and from an idea to a patch. Never runs anything.

mod answer;
mod conversation;
pub mod diff;
pub mod distiller;
pub mod forecast;
pub mod ideator;
pub mod implementer;
pub mod knowledge;
pub mod llm;
pub mod novelty;
pub mod reply;
