//! What the crate must never depend on.

use std::collections::{BTreeMap, BTreeSet};

/// Names of everything that `x509` is built from, itself included; not what only its tests use.
fn built_from(metadata: &cargo_metadata::Metadata) -> BTreeSet<String> {
    let resolve = metadata.resolve.as_ref().unwrap();
    let nodes: BTreeMap<_, _> = resolve.nodes.iter().map(|node| (&node.id, node)).collect();
    let name = |id: &cargo_metadata::PackageId| {
        metadata.packages.iter().find(|package| package.id == *id).unwrap().name.to_string()
    };
    let mut open: Vec<_> = nodes.keys().copied().filter(|id| name(id) == "x509").collect();
    let mut seen = BTreeSet::new();
    while let Some(id) = open.pop() {
        if seen.insert(name(id)) {
            let normal = |kind: &cargo_metadata::DepKindInfo| {
                kind.kind == cargo_metadata::DependencyKind::Normal && kind.target.is_none()
            };
            open.extend(
                nodes[id].deps.iter().filter(|dep| dep.dep_kinds.iter().any(normal)).map(|dep| &dep.pkg),
            );
        }
    }
    seen
}

#[test]
fn no_runtime_no_socket_and_nothing_that_decides_is_linked() {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let metadata = cargo_metadata::MetadataCommand::new()
        .manifest_path(manifest)
        .other_options(["--offline".to_owned()])
        .exec()
        .unwrap();
    let used = built_from(&metadata);
    assert!(used.contains("rustls-webpki") && used.contains("ids"), "{used:?}");
    for forbidden in ["tokio", "mio", "socket2", "rusqlite", "events", "ledger", "admission", "rcgen"] {
        assert!(!used.contains(forbidden), "{forbidden}");
    }
}
