//! docs/detectors.md has what each detector says of itself. `UPDATE_GOLDEN=1` writes it anew.

use detect::{ABOUT, About};
use std::{fmt::Write as _, fs, path::PathBuf};

const BEGIN: &str = "<!-- detectors -->\n";

fn section(about: &About) -> String {
    let mut text = format!("\n### `{}`, version {}\n\nSees {}.\n\n", about.id, about.version, about.sees);
    writeln!(text, "From: {}.\n", about.clause).unwrap();
    text.push_str("| honest cause | how it is told |\n|---|---|\n");
    for benign in about.benign {
        writeln!(text, "| {} | {} |", benign.cause, benign.told).unwrap();
    }
    if !about.thresholds.is_empty() {
        text.push_str("\n| threshold | | why |\n|---|---|---|\n");
    }
    for threshold in about.thresholds {
        writeln!(text, "| {} | {} {} | {} |", threshold.name, threshold.value, threshold.unit, threshold.why)
            .unwrap();
    }
    let memory = &about.memory;
    match memory.keys {
        0 => text.push_str("\nRemembers nothing.\n"),
        keys => writeln!(
            text,
            "\nRemembers {} octets at most for each {}, of {keys} at most.",
            memory.octets, memory.per
        )
        .unwrap(),
    }
    text
}

#[test]
fn detectors_are_documented_as_they_are() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/detectors.md");
    let text = fs::read_to_string(&path).unwrap();
    let (before, found) = text.split_once(BEGIN).unwrap();
    let expected: String = ABOUT.iter().map(|about| section(about)).collect();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        return fs::write(&path, format!("{before}{BEGIN}{expected}")).unwrap();
    }
    assert_eq!(found, expected, "UPDATE_GOLDEN=1 writes docs/detectors.md anew");
}

#[test]
fn each_detector_has_its_honest_causes_its_reasons_and_a_name_of_its_own() {
    let mut ids: Vec<_> = ABOUT.iter().map(|about| about.id).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), ABOUT.len());
    for about in ABOUT {
        assert!(!about.benign.is_empty() && !about.clause.is_empty(), "{}", about.id);
        assert!(about.thresholds.iter().all(|threshold| threshold.why.len() > 10), "{}", about.id);
        // All detectors together, at their bounds, leave room for handsets within 2 GiB.
        assert!(about.memory.keys * about.memory.octets <= 200_000_000, "{}", about.id);
    }
    let all: usize = ABOUT.iter().map(|about| about.memory.keys * about.memory.octets).sum();
    assert!(all <= 600_000_000, "{all}");
}
