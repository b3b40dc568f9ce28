//! What somebody is told who asks for what cannot be, and that nothing was done.

use crate::bench::Bench;
use std::{fs, os::unix::fs::PermissionsExt};

fn certificates(bench: &Bench) -> usize {
    bench.json(&["cert", "list"])["certificates"].as_array().unwrap().len()
}

#[test]
fn nothing_is_issued_into_a_folder_that_cannot_be_written() {
    let bench = Bench::new();
    bench.good(&["device", "add", "00aabbccddee"]);
    bench.write("a-file", "");
    let before = certificates(&bench);
    for out in ["/proc/nope", "a-file"] {
        let (code, why) = bench.refused(&["cert", "issue", "00aabbccddee", "--out", out]);
        assert_eq!(code, 2, "{why}");
        assert!(why.contains("cannot be written; nothing was issued"), "{why}");
    }
    assert_eq!(certificates(&bench), before);
}

#[test]
fn no_key_and_no_root_is_overwritten() {
    let bench = Bench::new();
    bench.good(&["device", "add", "00aabbccddee"]);
    fs::create_dir(bench.path("unit")).unwrap();
    bench.write("unit/root.pem", "another carrier's");
    let issue = ["cert", "issue", "00aabbccddee", "--out", "unit"];
    let files = bench.json(&issue)["files"].clone();
    assert_eq!(files[2], "unit/00aabbccddee.root.pem");
    assert_eq!(fs::read_to_string(bench.path("unit/root.pem")).unwrap(), "another carrier's");
    let key = bench.path("unit/00aabbccddee.key");
    assert_eq!(fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
    let (before, made) = (certificates(&bench), fs::read(&key).unwrap());
    let (code, why) = bench.refused(&issue);
    assert_eq!(code, 1, "{why}");
    assert!(why.contains("unit/00aabbccddee.key is there already") && why.contains("--out"), "{why}");
    assert_eq!((certificates(&bench), fs::read(&key).unwrap()), (before, made));
}
