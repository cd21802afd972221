//! Runs experiments: workspace, sandbox, shim, GPUs, leases, backends.

pub mod attempt;
pub mod backend;
mod command;
mod crash;
pub mod data;
pub mod disk;
pub mod environment;
pub mod gate;
pub mod gpu;
pub mod guard;
mod lease;
mod marker;
mod processes;
pub mod sandbox;
pub mod shim;
pub mod slots;
pub mod workspace;
