//! Every scenario: one folder, one module.

mod attach;
mod charon_with_charon;
mod libreswan;
mod tshark;

/// The unit of docs/interop.md: it attaches by itself, and comes back by itself from all that may pass.
const FEMTOCELL: &str = include_str!("femtocell.conf");
