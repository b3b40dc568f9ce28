//! The built binary from outside: its commands, its daemon, and the commands that the documents show.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test that cannot go on fails, and says what it skips"
)]

mod backup;
mod bench;
mod benches;
mod ca_keys;
mod checklist;
mod clock;
mod commands;
mod crash;
mod daemon;
mod disk;
mod document;
mod documents;
mod doors;
mod enrol;
mod facts;
mod features;
mod findings;
mod foreign_ca;
mod handshake;
mod import;
mod ingest;
mod inventory;
mod kills;
mod lab;
mod lines;
mod memory;
mod migrate;
mod mistakes;
mod packaging;
mod reload;
mod shell;
mod statements;
mod tampered;
mod top;
mod witness;
mod wreck;
