//! Replays the committed fuzz corpora on the stable tool chain: each file through its target's
//! function. `cargo run -p ike --example write_corpora` wrote most of them.
#![allow(clippy::unwrap_used, reason = "tests")]

use ike::fuzz;
use std::{fs, path::PathBuf};

fn corpus(target: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target)
}

/// Runs a target over its corpus; returns each file's name and figure.
fn replay(target: &str, run: fn(&[u8]) -> usize) -> Vec<(String, usize)> {
    let files = fs::read_dir(corpus(target)).unwrap().map(|entry| entry.unwrap());
    files
        .map(|file| (file.file_name().into_string().unwrap(), run(&fs::read(file.path()).unwrap())))
        .collect()
}

/// Nothing panics, and enough of the corpus is understood to reach what lies behind the parser.
fn replay_understood(target: &str, run: fn(&[u8]) -> usize, at_least: usize) {
    let replayed = replay(target, run);
    let understood = replayed.iter().filter(|(_, figure)| *figure > 0).count();
    assert!(understood >= at_least, "{target}: {understood} of {} understood", replayed.len());
}

#[test]
fn corpus_of_message() {
    replay_understood("message", fuzz::message, 10);
}

#[test]
fn corpus_of_payload() {
    replay_understood("payload", fuzz::payload, 20);
}

#[test]
fn corpus_of_fragments() {
    replay_understood("fragments", fuzz::fragments, 3);
}

#[test]
fn corpus_of_auth_verifies_what_openssl_signed_and_nothing_else() {
    let refused = ["empty", "length-past-end", "rsa-pkcs1-sha1", "rsa-pss-salt20", "rsa-pss-defaults"];
    for (name, figure) in replay("auth", fuzz::auth) {
        let expected = match name.as_str() {
            name if refused.contains(&name) => 0,
            name if name.starts_with("bent-") => continue,
            _ => 2,
        };
        assert_eq!(figure, expected, "{name}");
    }
}
