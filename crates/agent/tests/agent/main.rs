//! The agent from the outside: against the registration authority with a register in memory, through a server on
//! the loopback, with the power taken away at every step, and with a real charon.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that cannot go on fails, and says what it skips"
)]

mod authority;
mod bench;
mod charon;
mod enrolment;
mod power;
mod program;
mod server;
mod tree;
