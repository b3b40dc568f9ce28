//! What is for test builds alone is not in the binary.

use std::process::Command;

/// Our crates in the binary that have features when nobody asks for any: `name version (folder) features`.
fn crates_with_features() -> Vec<String> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["tree", "--package", "truecell", "--edges", "no-dev", "--prefix", "none", "--no-dedupe"]);
    cargo.args(["--format", "{p}|{f}", "--offline", "--locked", "--manifest-path"]);
    let output = cargo.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")).output().unwrap();
    let tree = String::from_utf8(output.stdout).unwrap();
    assert!(["ike ", "x509 "].iter().all(|name| tree.contains(name)), "{tree}");
    let ours = tree.lines().filter(|line| line.contains("/crates/"));
    ours.filter(|line| !line.ends_with('|')).map(str::to_owned).collect()
}

#[test]
fn the_binary_has_neither_the_keys_nor_the_fuzz_targets_unless_asked_for() {
    assert_eq!(crates_with_features(), [""; 0]);
}

#[cfg(not(feature = "key-log"))]
#[test]
fn the_binary_does_not_know_the_variable_that_names_the_file_for_keys() {
    const VARIABLE: &str = "TRUECELL_KEY_LOG";
    assert!(include_str!("../../src/key_log.rs").contains(VARIABLE));
    let binary = std::fs::read(env!("CARGO_BIN_EXE_truecell")).unwrap();
    assert!(!binary.windows(VARIABLE.len()).any(|octets| octets == VARIABLE.as_bytes()));
}
