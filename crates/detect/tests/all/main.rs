//! The engine by its laws, and each detector against the attack and its honest look-alikes.
#![allow(clippy::unwrap_used, clippy::wildcard_enum_match_arm, reason = "tests")]

mod checkpoint;
mod detectors;
mod document;
mod order;
mod scene;
