//! Entry points for fuzzers: plain functions over bytes, which must return for every input.

mod est;
mod ocsp;

pub use est::est;
pub use ocsp::ocsp;
