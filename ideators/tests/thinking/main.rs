//! Ideator, implementer and distiller against a server whose answers the test gives.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

mod choosing;
mod forecast;
mod ideas;
mod lessons;
mod mending;
mod patches;
mod repeating;
mod stopping;
mod trouble;
mod twins;
mod world;
