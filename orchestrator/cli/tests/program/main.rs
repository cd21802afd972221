//! The whole program on a small real problem: real git, real processes, a real store.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

mod asker;
mod bad_input;
mod commands;
#[cfg(feature = "failpoints")]
mod crash;
mod full_disk;
mod invariants;
mod patch;
mod pretrain;
mod real_llm;
mod scripted_llm;
mod support;
mod thrift;
