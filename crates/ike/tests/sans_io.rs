//! The crates that hold protocols and judgements can't reach a socket, a runtime or the clock's
//! library: read from the dependency tree as cargo resolves it.
#![allow(clippy::unwrap_used, reason = "tests")]

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, PackageId};
use std::collections::BTreeSet;

/// Those that must be sans-IO; the ones that don't exist yet are skipped.
const SANS_IO: [&str; 7] = ["ike", "esp", "x509", "cmp", "admission", "inspect", "detect"];

/// Never reached, at any depth.
const NEVER: [&str; 10] =
    ["tokio", "mio", "socket2", "async-std", "smol", "async-io", "polling", "io-uring", "quinn-udp", "hyper"];

/// Never named by the crate itself; aws-lc-rs brings libc along on some systems.
const NOT_DIRECTLY: [&str; 5] = ["libc", "rustix", "nix", "tun-rs", "crossbeam-channel"];

fn metadata() -> Metadata {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    // One platform: crates of others need not be on this machine.
    let platform = format!("--filter-platform={}-unknown-linux-gnu", std::env::consts::ARCH);
    let options = ["--offline".to_owned(), platform];
    MetadataCommand::new().manifest_path(manifest).other_options(options).exec().unwrap()
}

/// What `package` is built from, dependencies of tests and build scripts left out.
fn dependencies<'a>(metadata: &'a Metadata, package: &PackageId) -> Vec<&'a PackageId> {
    let nodes = &metadata.resolve.as_ref().unwrap().nodes;
    let node = nodes.iter().find(|node| node.id == *package).unwrap();
    let normal =
        |kinds: &[cargo_metadata::DepKindInfo]| kinds.iter().any(|info| info.kind == DependencyKind::Normal);
    node.deps.iter().filter(|dep| normal(&dep.dep_kinds)).map(|dep| &dep.pkg).collect()
}

fn names<'a>(metadata: &'a Metadata, ids: impl IntoIterator<Item = &'a PackageId>) -> BTreeSet<&'a str> {
    ids.into_iter().map(|id| metadata[id].name.as_str()).collect()
}

fn reached<'a>(metadata: &'a Metadata, package: &'a PackageId) -> BTreeSet<&'a PackageId> {
    let mut reached = BTreeSet::new();
    let mut open = vec![package];
    while let Some(next) = open.pop() {
        let found = dependencies(metadata, next);
        open.extend(found.into_iter().filter(|id| reached.insert(*id)));
    }
    reached
}

#[test]
fn crates_of_protocols_and_judgements_reach_no_socket_and_no_runtime() {
    let metadata = metadata();
    let ours = metadata.packages.iter().filter(|package| package.source.is_none());
    let mut seen = Vec::new();
    for package in ours.filter(|package| SANS_IO.contains(&package.name.as_str())) {
        let all = names(&metadata, reached(&metadata, &package.id));
        let direct = names(&metadata, dependencies(&metadata, &package.id));
        let found: Vec<_> = NEVER
            .into_iter()
            .filter(|name| all.contains(name))
            .chain(NOT_DIRECTLY.into_iter().filter(|name| direct.contains(name)))
            .collect();
        assert!(found.is_empty(), "{} reaches {found:?}", package.name);
        seen.push(package.name.to_string());
    }
    assert!(seen.iter().any(|name| name == "ike"), "{seen:?}");
}

#[test]
fn the_test_above_would_find_a_socket_crate() {
    let metadata = metadata();
    let api = metadata.packages.iter().find(|package| package.name.as_str() == "api").unwrap();
    assert!(names(&metadata, reached(&metadata, &api.id)).contains("tokio"));
}

#[test]
fn each_of_them_forbids_the_clock_to_itself() {
    let metadata = metadata();
    let ours = metadata.packages.iter().filter(|package| package.source.is_none());
    for package in
        ours.filter(|package| ["ike", "x509", "cmp", "admission", "detect"].contains(&package.name.as_str()))
    {
        let lints = package.manifest_path.with_file_name("clippy.toml");
        let text = std::fs::read_to_string(&lints).unwrap_or_else(|error| panic!("{lints}: {error}"));
        for method in ["std::time::Instant::now", "std::time::SystemTime::now", "std::thread::sleep"] {
            assert!(text.contains(method), "{lints} allows {method}");
        }
    }
}
