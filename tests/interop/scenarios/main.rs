//! Every scenario: one folder, one module.

mod algorithms;
mod attach;
mod charon_with_charon;
mod clone;
mod legacy;
mod liveness;
mod paths;
mod refusals;
mod renewal;
mod silence;
mod traffic;

/// The unit of docs/interop.md: it attaches by itself, and comes back by itself from all that may pass.
const FEMTOCELL: &str = include_str!("femtocell.conf");
