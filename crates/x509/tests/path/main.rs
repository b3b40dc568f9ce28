//! Paths good and bad: a hierarchy made with rcgen for every case, one made with the openssl
//! command line, and mutations of both.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod bad_chains;
mod checklist;
mod corpus;
mod good_chains;
mod hostile;
mod openssl;
mod requests;
mod world;
