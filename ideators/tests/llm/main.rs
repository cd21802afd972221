//! The client against servers that answer as they should and servers that do not.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

mod budget;
mod misbehaving;
mod pace;
mod resume;
mod setup;
mod stop;
mod support;
mod taken;
mod trouble;
mod wire;
