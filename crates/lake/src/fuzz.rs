//! The fuzz target as a plain function.

pub use crate::source::fuzz_csv as csv;
