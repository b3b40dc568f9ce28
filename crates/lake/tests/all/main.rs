//! The lake and its sources from outside.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod any;
mod bounds;
mod crash;
mod document;
mod hostile;
mod order;
mod pyarrow;
mod sources;
mod visitors;
