//! Where experiments run.

pub mod local;
