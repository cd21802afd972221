//! Patches in replies: a corpus with the result that each should have, other tools on the same corpus, and
//! properties that hold for any text.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

mod base;
mod case;
mod corpus;
mod properties;
mod render;
mod tools;
