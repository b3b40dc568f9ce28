//! Replays the committed fuzz corpus on the stable tool chain.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::{fs, path::PathBuf};

#[test]
fn the_corpus_of_csv_and_each_octet_of_it_changed_breaks_nothing() {
    let corpus = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/source_csv");
    let inputs: Vec<Vec<u8>> =
        fs::read_dir(corpus).unwrap().map(|entry| fs::read(entry.unwrap().path()).unwrap()).collect();
    assert!(!inputs.is_empty());
    for input in inputs {
        lake::fuzz::csv(&input);
        for at in 0..input.len() {
            for octet in [b'"', b',', b'\n', 0xff] {
                let mut other = input.clone();
                other[at] = octet;
                lake::fuzz::csv(&other);
            }
            lake::fuzz::csv(&input[..at]);
        }
    }
}
