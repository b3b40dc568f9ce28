//! What `packaging/truecell.service` lets the process do is what `serve` does.

use std::{collections::BTreeSet, path::Path, process::Command};

/// The system calls of a set of systemd's, sets within it included.
fn calls_of(set: &str) -> Option<BTreeSet<String>> {
    if !set.starts_with('@') {
        return Some(BTreeSet::from([set.to_owned()]));
    }
    let listed = Command::new("systemd-analyze").args(["syscall-filter", set]).output().ok()?;
    let listed = String::from_utf8(listed.stdout).ok()?;
    let members =
        listed.lines().map(str::trim).filter(|line| !line.starts_with(['#', '@']) || line.len() > 1);
    let members = members.skip(1).filter(|line| !line.is_empty() && !line.starts_with('#'));
    members.map(calls_of).collect::<Option<Vec<_>>>().map(|all| all.into_iter().flatten().collect())
}

#[test]
fn the_unit_file_leaves_the_calls_that_giving_up_privileges_needs() {
    let unit = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../packaging/truecell.service");
    let unit = std::fs::read_to_string(unit).unwrap();
    let mut allowed = calls_of("@default").unwrap_or_default();
    if allowed.is_empty() {
        return println!("skipped: no systemd-analyze");
    }
    for line in unit.lines().filter_map(|line| line.strip_prefix("SystemCallFilter=")) {
        let (removes, sets) = line.strip_prefix('~').map_or((false, line), |sets| (true, sets));
        for call in sets.split_whitespace().flat_map(|set| calls_of(set).unwrap()) {
            if removes {
                allowed.remove(&call)
            } else {
                allowed.insert(call)
            };
        }
    }
    // privilege::give_up: no capabilities, no new privileges, no core files, the filter; the group of control.sock.
    let needed = ["capset", "chown", "prctl", "prlimit64", "seccomp"];
    let missing: Vec<_> = needed.into_iter().filter(|call| !allowed.contains(*call)).collect();
    assert!(missing.is_empty(), "`serve` ends at once under the shipped unit: it may not call {missing:?}");
}
