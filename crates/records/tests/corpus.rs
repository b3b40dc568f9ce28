//! Replays the committed fuzz corpus on the stable tool chain.
#![allow(clippy::unwrap_used, reason = "tests")]

use records::fuzz::{device_facts, line_feed, rows};
use std::{fs, path::PathBuf};

fn inputs(of: &str) -> Vec<Vec<u8>> {
    let corpus = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(of);
    fs::read_dir(corpus).unwrap().map(|entry| fs::read(entry.unwrap().path()).unwrap()).collect()
}

fn changed(of: &str, target: fn(&[u8])) {
    let inputs = inputs(of);
    assert!(!inputs.is_empty());
    for input in inputs {
        target(&input);
        for at in 0..input.len() {
            for octet in [b'"', b'0', b'\n', 0xff] {
                let mut other = input.clone();
                other[at] = octet;
                target(&other);
            }
            target(&input[at..]);
        }
    }
}

#[test]
fn the_corpus_of_lines_and_each_octet_of_it_changed_breaks_nothing() {
    changed("line_feed", line_feed);
}

#[test]
fn the_corpus_of_device_facts_and_each_octet_of_it_changed_breaks_nothing() {
    changed("device_facts", device_facts);
}

#[test]
fn the_corpus_of_rows_and_each_octet_of_it_changed_breaks_nothing() {
    changed("rows", rows);
}
