//! What the agent is built from, read from the dependency tree as cargo resolves it.

use cargo_metadata::{DependencyKind, MetadataCommand};
use std::collections::BTreeSet;

/// No runtime, no database, no TLS.
const NEVER: [&str; 12] = [
    "tokio",
    "mio",
    "async-std",
    "smol",
    "hyper",
    "rusqlite",
    "libsqlite3-sys",
    "ledger",
    "rustls",
    "native-tls",
    "openssl",
    "clap",
];

#[test]
fn the_agent_has_no_runtime_no_database_and_no_tls() {
    let platform = format!("--filter-platform={}-unknown-linux-gnu", std::env::consts::ARCH);
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let options = ["--offline".to_owned(), platform];
    let metadata = MetadataCommand::new().manifest_path(manifest).other_options(options).exec().unwrap();
    let nodes = &metadata.resolve.as_ref().unwrap().nodes;
    let mut open: Vec<_> =
        nodes.iter().map(|node| &node.id).filter(|id| metadata[id].name.as_str() == "agent").collect();
    assert_eq!(open.len(), 1);
    let mut reached = BTreeSet::new();
    while let Some(next) = open.pop() {
        let node = nodes.iter().find(|node| node.id == *next).unwrap();
        let normal = node
            .deps
            .iter()
            .filter(|dep| dep.dep_kinds.iter().any(|info| info.kind == DependencyKind::Normal));
        open.extend(normal.map(|dep| &dep.pkg).filter(|id| reached.insert(metadata[id].name.to_string())));
    }
    assert!(reached.contains("cmp") && reached.contains("ureq"), "{reached:?}");
    let found: Vec<_> = NEVER.into_iter().filter(|name| reached.contains(*name)).collect();
    assert!(found.is_empty(), "{found:?}");
}
