//! The codebase under git: trees, commits and branches in memory, a checkout only where a job starts.
//!
//! Never runs a `git` program, never touches a user's index, working tree or current branch.

mod builtin;
mod commit;
mod diff;
mod error;
mod export;
mod init;
mod repository;
mod tree;
mod user;

pub use builtin::materialise;
pub use diff::diff;
pub use error::WorkspaceError;
pub use export::export;
pub use init::init_commit;
pub use repository::{GitWorkspace, Source};
pub use user::{Located, locate, open_user};
