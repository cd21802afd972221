//! Remembers: the event log, projections of it, metrics and requests, in one SQLite file for all runs, and
//! beside it the transcripts of what models said.
//!
//! Never decides what happens to a run, never reads the clock by itself, never changes an event that was written.
//! The SQL is portable (`$1`, text, bigint and double columns), so that another database needs other
//! connection settings and nothing else.

#[cfg(feature = "failpoints")]
macro_rules! crash_point {
    ($name:literal) => {
        if fail::eval($name, |_| ()).is_some() {
            std::process::abort()
        }
    };
}
#[cfg(not(feature = "failpoints"))]
macro_rules! crash_point {
    ($name:literal) => {};
}

mod connection;
mod error;
pub mod lock;
mod log;
mod metric;
mod projection;
mod reader;
mod request;
mod row;
mod schema;
mod store;
mod transcripts;
mod writer;

pub use connection::Options;
pub use error::StoreError;
pub use reader::Reader;
pub use request::{Pending, Request};
pub use row::RunRow;
pub use schema::Version;
pub use store::Store;
pub use transcripts::TranscriptFolder;

use std::path::{Path, PathBuf};

/// The store's file in a home folder.
pub fn store_path(home: &Path) -> PathBuf {
    home.join("autores.db")
}
