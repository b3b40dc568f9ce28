//! Paths good and bad: a hierarchy made with rcgen for every case, one made with the openssl
//! command line, and mutations of both.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![allow(clippy::print_stdout, reason = "a test that is skipped says so")]

mod bad_chains;
mod checklist;
mod corpus;
mod crl;
mod der;
mod good_chains;
mod hostile;
mod ocsp;
mod ocsp_signer;
mod openssl;
mod openssl_ca;
mod profile;
mod requests;
mod world;
