//! Each line of the conformance checklist for a security gateway that this build answers for has a test
//! whose name begins with `section_4_line_N_`.
//!
//! The lines are those of TS 33.320, TS 33.310 and RFC 7296 as the checklist numbers them. What comes with
//! later parts of the design is not among them: 10 (EAP-AKA), 19 (hybrid key exchange), 24 and 36 to 45.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

const REQUIRED: [u8; 28] = [
    1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 14, 16, 18, 20, 21, 22, 25, 26, 29, 31, 32, 33, 34, 35, //
    15, 23, // not asked for yet, and there already
];

#[test]
fn every_required_line_of_the_checklist_has_a_test_named_after_it() {
    let named = lines_with_a_test();
    let without: Vec<u8> = REQUIRED.into_iter().filter(|line| !named.contains(line)).collect();
    assert!(without.is_empty(), "no test is named after line {without:?} of section 4");
}

fn lines_with_a_test() -> BTreeSet<u8> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut lines = BTreeSet::new();
    for file in sources(&root.join("crates")).into_iter().chain(sources(&root.join("tests"))) {
        let source = fs::read_to_string(&file).unwrap();
        lines.extend(tests(&source).filter_map(line_of));
    }
    lines
}

/// Rust files below a folder.
pub(crate) fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

/// Names of the functions that stand right behind `#[test]` or `#[tokio::test]`. One that is ignored does not run, and
/// does not count.
pub(crate) fn tests(source: &str) -> impl Iterator<Item = &str> {
    let attributes = source.split("#[").filter_map(|rest| rest.split_once(']'));
    let tests = attributes.filter(|(name, _)| *name == "test" || name.starts_with("tokio::test"));
    let functions =
        tests.map(|(_, rest)| rest.trim_start()).map(|rest| rest.strip_prefix("async ").unwrap_or(rest));
    functions.filter_map(|rest| rest.strip_prefix("fn ")).filter_map(|rest| rest.split('(').next())
}

fn line_of(test: &str) -> Option<u8> {
    let (number, says) = test.strip_prefix("section_4_line_")?.split_once('_')?;
    (!says.is_empty()).then(|| number.parse().ok()).flatten()
}

#[test]
fn a_test_counts_only_where_it_runs_and_is_named_after_one_line() {
    let source = "
        #[test]
        fn section_4_line_7_says_what() {}
        fn section_4_line_8_is_no_test() {}
        #[test]
        #[ignore]
        fn section_4_line_9_never_runs() {}
        #[test]
        fn section_4_line_10() {}
        #[tokio::test(flavor = \"multi_thread\")]
        async fn section_4_line_11_says_what() {}
        #[tokio::test]
        #[ignore]
        async fn section_4_line_12_never_runs() {}
    ";
    assert_eq!(tests(source).filter_map(line_of).collect::<Vec<_>>(), [7, 11]);
}
