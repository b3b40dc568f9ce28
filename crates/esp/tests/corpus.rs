//! Replays the committed fuzz corpus on the stable tool chain.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::{fs, path::PathBuf};

#[test]
fn corpus_of_inner() {
    let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/inner");
    let files = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let passed: Vec<_> = files.filter(|file| esp::fuzz::inner(&fs::read(file).unwrap()) > 0).collect();
    let names: Vec<_> = passed.iter().map(|file| file.file_name().unwrap().to_str().unwrap()).collect();
    assert!(names.contains(&"v4-udp") && names.contains(&"v6-atomic-fragment"), "{names:?}");
    for bad in
        ["source-route", "overlapping", "tiny", "routing", "jumbogram", "long-chain", "behind-fragment"]
    {
        assert!(!names.iter().any(|name| name.contains(bad)), "{names:?}");
    }
}
