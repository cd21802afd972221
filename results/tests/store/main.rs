//! The store on real files.

#![expect(clippy::unwrap_used, reason = "a failure here is a failed test")]

#[cfg(feature = "failpoints")]
mod crash;
mod fixture;
#[path = "../../../orchestrator/domain/tests/life/mod.rs"]
mod life;
mod lock;
mod log;
mod projection;
mod support;
mod trouble;
