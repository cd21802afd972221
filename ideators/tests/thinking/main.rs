//! Ideator, implementer and distiller against a server whose answers the test gives.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

mod choosing;
mod ideas;
mod lessons;
mod mending;
mod patches;
mod trouble;
mod twins;
mod world;
