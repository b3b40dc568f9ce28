//! CMP from the outside: units of a vendor that enrol and renew, and those that are refused.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a test that cannot go on fails, and says what it skips; real clients have their own clock"
)]

mod answers;
mod conversation;
mod corpus;
mod hostile;
mod legacy;
mod mock;
mod network;
mod openssl;
mod tlv;
mod unit;
mod world;
