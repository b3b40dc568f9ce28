//! A femtocell against the responder, in memory: each exchange as it is drawn, then what it left.
#![allow(clippy::unwrap_used, clippy::wildcard_enum_match_arm, reason = "tests")]
#![allow(clippy::disallowed_methods, reason = "a test begins at some time")]

mod attach;
mod flood;
mod link;
#[path = "../../../esp/tests/memory/mod.rs"]
mod memory;
mod paths;
mod rekey;
mod restart;
mod wiped;
