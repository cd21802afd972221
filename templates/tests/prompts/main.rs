//! What models read: every template as it is written, what stays the same between calls, and what is left out where
//! there is little room.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

mod facts;
mod fitting;
mod wording;
