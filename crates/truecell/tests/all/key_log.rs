//! Keys are written down by test builds alone.

use serde_json::Value;
use std::process::Command;

/// The features that `ike` and `truecell` have when nobody asks for any.
fn default_features() -> Vec<(String, Value)> {
    let platform = format!("--filter-platform={}-unknown-linux-gnu", std::env::consts::ARCH);
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["metadata", "--format-version", "1", "--offline", "--locked", &platform]);
    let output =
        cargo.arg("--manifest-path").arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")).output();
    let metadata: Value = serde_json::from_slice(&output.unwrap().stdout).unwrap();
    let nodes = metadata["resolve"]["nodes"].as_array().unwrap();
    let ours = ["ike", "truecell"];
    let named = nodes.iter().filter_map(|node| {
        let id = node["id"].as_str()?;
        let name = ours.iter().find(|name| id.contains(&format!("/crates/{name}#")))?;
        Some(((*name).to_owned(), node["features"].clone()))
    });
    named.collect()
}

#[test]
fn the_feature_that_hands_out_keys_is_on_only_when_asked_for() {
    let mut features = default_features();
    features.sort_by(|a, b| a.0.cmp(&b.0));
    let none = Value::Array(Vec::new());
    assert_eq!(features, [("ike".to_owned(), none.clone()), ("truecell".to_owned(), none)]);
}

#[cfg(not(feature = "key-log"))]
#[test]
fn the_binary_does_not_know_the_variable_that_names_the_file_for_keys() {
    const VARIABLE: &str = "TRUECELL_KEY_LOG";
    assert!(include_str!("../../src/key_log.rs").contains(VARIABLE));
    let binary = std::fs::read(env!("CARGO_BIN_EXE_truecell")).unwrap();
    assert!(!binary.windows(VARIABLE.len()).any(|octets| octets == VARIABLE.as_bytes()));
}
