//! The embedded CA from the outside: what it issues, what it refuses, and what a crash leaves.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that cannot go on fails, and says what it skips"
)]

mod crashes;
mod hierarchy;
mod keys;
mod openssl;
mod orders;
mod world;
