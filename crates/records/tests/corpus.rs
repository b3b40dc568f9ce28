//! Replays the committed fuzz corpus on the stable tool chain.
#![allow(clippy::unwrap_used, reason = "tests")]

use records::fuzz::line_feed;
use std::{fs, path::PathBuf};

fn inputs() -> Vec<Vec<u8>> {
    let corpus = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/line_feed");
    fs::read_dir(corpus).unwrap().map(|entry| fs::read(entry.unwrap().path()).unwrap()).collect()
}

#[test]
fn the_corpus_and_each_octet_of_it_changed_breaks_nothing() {
    let inputs = inputs();
    assert!(!inputs.is_empty());
    for input in inputs {
        line_feed(&input);
        for at in 0..input.len() {
            for octet in [b'"', b'0', b'\n', 0xff] {
                let mut other = input.clone();
                other[at] = octet;
                line_feed(&other);
            }
            line_feed(&input[at..]);
        }
    }
}
