//! The processes of an attempt as `/proc` shows them: who they are, what they use, and how to end them all.

mod account;
mod ending;
mod stat;
mod tree;

pub(crate) use account::{Account, Sample, memory_kills, shared_once_mb};
pub(crate) use ending::{end_all, kill_children_until};
pub(crate) use stat::{is_alive, this_supervisor};
