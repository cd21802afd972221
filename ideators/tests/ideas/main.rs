//! Replies as models write them, and what is read out of each.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

mod corpus;
mod fuzz;
mod schema;
