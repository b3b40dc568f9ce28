//! The engine by its laws, and each detector against the attack and its honest look-alikes.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod checkpoint;
mod detectors;
mod document;
mod order;
mod scene;
