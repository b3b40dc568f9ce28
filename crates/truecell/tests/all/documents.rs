//! Every command that README.md and docs/ show works as shown.

use crate::document::{Desk, steps};
use std::{
    fs,
    path::{Path, PathBuf},
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

fn documents() -> Vec<PathBuf> {
    let mut found = vec![root().join("README.md")];
    let docs = fs::read_dir(root().join("docs")).unwrap();
    found.extend(
        docs.map(|entry| entry.unwrap().path()).filter(|path| path.extension().is_some_and(|e| e == "md")),
    );
    found.sort();
    found
}

#[test]
fn every_command_that_the_documents_show_works_as_shown() {
    let mut run = 0;
    for document in documents() {
        let name = document.strip_prefix(root()).unwrap().display().to_string();
        let mut desk = Desk::new(&root());
        for step in steps(&fs::read_to_string(&document).unwrap()) {
            desk.follow(&name, &step);
            run += 1;
        }
        desk.leave();
    }
    assert!(run > 0, "no document shows a command");
}
