//! The embedded CA from the outside: what it issues, what it refuses, and what the books are told.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that cannot go on fails, and says what it skips"
)]

mod books;
mod corpus;
mod crl;
mod encrypted;
mod est;
mod hierarchy;
mod keys;
mod ocsp;
mod ocsp_openssl;
mod openssl;
mod orders;
mod rotate;
mod status_uris;
mod token;
mod world;
