//! Asks language models. Every answer is kept before it is given, every token is counted, and a key is shown to nobody.

mod call;
mod caller;
pub mod choose;
mod client;
mod error;
mod exchange;
mod kept;
mod key;
mod lane;
mod measure;
mod meter;
mod note;
mod pace;
mod plan;
mod provider;
mod request;
mod sse;
mod transcript;
mod trouble;

pub use client::{Client, ClientSetup, Environment};
pub(crate) use client::{USUAL_CONTEXT, USUAL_REPLY};
pub use error::{CallError, SetupError};
pub use request::{Asked, Finish, Ping, Reply, Request, Schema, Turn, Who};
