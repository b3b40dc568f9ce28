//! What is in `packaging/`: the unit file lets the process do what `serve` does, and what is said of the crates that are
//! linked is so. `./test package` installs the package and starts it under systemd.

use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    process::Command,
};

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

/// What a command of the project's root prints.
fn printed(program: &str, arguments: &[&str]) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let output = Command::new(program).args(arguments).current_dir(root).output().unwrap();
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Name and version of each crate that is linked, or runs in the compiler, and of those the names.
fn linked() -> (BTreeSet<(String, String)>, BTreeSet<String>) {
    let tree = ["tree", "--package=truecell", "--edges=normal", "--prefix=none", "--no-dedupe", "--locked"];
    let tree = printed("cargo", &tree);
    let words = |line: &str| -> Vec<String> { line.split(' ').map(str::to_owned).collect() };
    let all = tree.lines().map(words).map(|line| (line[0].clone(), line[1][1..].to_owned())).collect();
    let of_compiler = tree.lines().filter(|line| line.contains("(proc-macro)"));
    (all, of_compiler.map(|line| words(line)[0].clone()).collect())
}

/// What each crate's own manifest names as its licence.
fn licences() -> BTreeMap<(String, String), String> {
    let platform = format!("--filter-platform={}-unknown-linux-gnu", std::env::consts::ARCH);
    let metadata = printed("cargo", &["metadata", "--format-version=1", "--locked", &platform]);
    let metadata: Value = serde_json::from_str(&metadata).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    packages.iter().map(|package| (name_and_version(package), text(&package["license"]))).collect()
}

fn name_and_version(of: &Value) -> (String, String) {
    (text(&of["name"]), text(&of["version"]))
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

#[test]
fn the_bill_of_materials_is_what_is_linked_with_version_and_licence() {
    let bill: Value = serde_json::from_str(&printed("packaging/sbom", &[])).unwrap();
    assert_eq!((&bill["bomFormat"], &bill["specVersion"]), (&"CycloneDX".into(), &"1.5".into()));
    let mut components = bill["components"].as_array().unwrap().clone();
    components.push(bill["metadata"]["component"].clone());

    let (linked, of_compiler) = linked();
    assert_eq!(components.iter().map(name_and_version).collect::<BTreeSet<_>>(), linked);
    assert_eq!(components.len(), linked.len());
    let licences = licences();
    for component in &components {
        let licence = licences[&name_and_version(component)].replace('/', " OR ");
        assert_eq!(component["licenses"][0]["expression"], licence.as_str(), "{component}");
        let excluded = of_compiler.contains(component["name"].as_str().unwrap());
        assert_eq!(component["scope"] == "excluded", excluded, "{component}");
    }
}

#[test]
fn the_bill_of_materials_names_crates_io_and_the_checksum_of_cargo_lock() {
    let bill: Value = serde_json::from_str(&printed("packaging/sbom", &[])).unwrap();
    let lock: toml::Table = printed("cat", &["Cargo.lock"]).parse().unwrap();
    let locked = |component: &Value| {
        let mut packages = lock["package"].as_array().unwrap().iter();
        let is_it = |package: &&toml::Value| {
            package["name"].as_str() == component["name"].as_str()
                && package["version"].as_str() == component["version"].as_str()
        };
        packages.find(is_it).unwrap().clone()
    };
    for component in bill["components"].as_array().unwrap() {
        let package = locked(component);
        let Some(source) = package.get("source") else {
            assert!(component.get("purl").is_none(), "ours is not on crates.io: {component}");
            continue;
        };
        assert_eq!(source.as_str(), Some("registry+https://github.com/rust-lang/crates.io-index"));
        let (name, version) = name_and_version(component);
        let purl = format!("pkg:cargo/{name}@{}", version.replace('+', "%2B"));
        assert_eq!(component["purl"], purl.as_str());
        assert_eq!(component["hashes"][0]["content"].as_str(), package["checksum"].as_str());
    }
}

#[test]
fn the_bill_of_materials_says_what_depends_on_what() {
    let bill: Value = serde_json::from_str(&printed("packaging/sbom", &[])).unwrap();
    let edges: BTreeMap<_, BTreeSet<_>> = bill["dependencies"]
        .as_array()
        .unwrap()
        .iter()
        .map(|of| {
            let on = of["dependsOn"].as_array().unwrap().iter().map(text).collect();
            (text(&of["ref"]), on)
        })
        .collect();
    let mut reached = BTreeSet::from(["truecell/truecell".to_owned()]);
    let mut open: Vec<_> = reached.iter().cloned().collect();
    while let Some(next) = open.pop() {
        open.extend(edges[&next].iter().filter(|on| reached.insert((*on).clone())).cloned());
    }
    assert_eq!(reached, edges.keys().cloned().collect());
    // As their manifests have it.
    assert!(edges["truecell/esp"].iter().any(|on| on.starts_with("pkg:cargo/aws-lc-rs@")));
    assert!(!edges["truecell/esp"].iter().any(|on| on.starts_with("pkg:cargo/tokio@")));
}

#[test]
fn the_licences_of_all_crates_come_with_their_texts() {
    let licences = printed("packaging/licences", &[]);
    let (names, texts) = licences.split_once("\n-----").unwrap();
    let ours = printed("ls", &["crates"]);
    let (linked, _) = linked();
    for (name, version) in linked.iter().filter(|(name, _)| !ours.lines().any(|our| our == name)) {
        assert!(names.contains(&format!("\n{name}-{version}: ")), "{name} is not named");
        // These ship none: the one is part of asn1-rs, whose texts are there, the other's is that of arrow-array, Apache-2.0.
        let is_elsewhere = ["asn1-rs-impl", "flatbuffers"].contains(&name.as_str());
        let has_text = texts.contains(&format!("\n{name}-{version}/")) || is_elsewhere;
        assert!(has_text, "{name} has no text");
    }
    assert!(!licences.contains("registry/"), "where the sources lay is nobody's business");
}
