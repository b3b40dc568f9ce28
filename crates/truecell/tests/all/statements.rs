//! What docs/limits.md and docs/pics.md state is what the code has and the tests show.

use crate::checklist::{sources, tests};
use admission::weighing::{APART, APART_IN_TURN, WEIGHTS, WRONG_HANDS, Weight};
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The cells of the table behind a comment in a document.
fn table(document: &str, name: &str) -> Vec<Vec<String>> {
    let text = fs::read_to_string(root().join("docs").join(document)).unwrap();
    let after = text.split_once(&format!("<!-- {name} -->\n")).unwrap().1;
    let rows = after.lines().skip(2).take_while(|line| line.starts_with('|'));
    rows.map(|row| row.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()).collect()
}

/// The words in backticks.
fn words(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

/// Functions that are tests, and folders of scenarios with charon and others.
fn tests_there_are() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for file in sources(&root().join("crates")) {
        found.extend(tests(&fs::read_to_string(file).unwrap()).map(str::to_owned));
    }
    for entry in fs::read_dir(root().join("tests/interop/scenarios")).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            found.insert(entry.file_name().into_string().unwrap());
        }
    }
    found
}

/// The first number that `name` is set to in a source: `const NAME: usize = 24 * 1024;` or `name: 20_000,`.
fn constant(source: &str, name: &str) -> Option<u64> {
    let set = format!("{name}:");
    let places = source.match_indices(&set).map(|(at, _)| source.split_at(at));
    let whole = places.filter(|(before, _)| !before.ends_with(|c: char| c.is_alphanumeric() || c == '_'));
    whole.filter_map(|(_, rest)| number(rest.split_once(':')?.1.split([';', ',']).next()?)).next()
}

fn number(text: &str) -> Option<u64> {
    let text = text.rsplit('=').next()?.trim();
    let text = text.strip_prefix("Duration::from_secs(").map_or(text, |rest| rest.trim_end_matches(')'));
    if let Some((value, shift)) = text.split_once("<<") {
        return number(value)?.checked_shl(shift.trim().parse().ok()?);
    }
    text.split('*').map(|factor| factor.trim().replace('_', "").parse::<u64>().ok()).product()
}

#[test]
fn numbers_are_read_as_the_sources_write_them() {
    let source = "
        pub total: usize,
        total: 20_000,
        const MAX: usize = 24 * 1024;
        const NOT_MAX: usize = 1;
        const KEPT: Duration = Duration::from_secs(15);
        const ROOM: usize = 16 << 20;
    ";
    let read = ["total", "MAX", "KEPT", "ROOM", "LIMIT"].map(|name| constant(source, name));
    assert_eq!(read, [Some(20_000), Some(24_576), Some(15), Some(16_777_216), None]);
}

#[test]
fn each_limit_is_the_one_in_the_code_and_a_test_holds_it() {
    let there = tests_there_are();
    for row in table("limits.md", "limits") {
        let [what, value, _, name, file, named] = row.as_slice() else { panic!("{row:?}") };
        let source = fs::read_to_string(root().join(words(file)[0])).unwrap();
        let value: u64 = words(value)[0].parse().unwrap();
        assert_eq!(constant(&source, words(name)[0]), Some(value), "{what}");
        let named = words(named);
        assert!(!named.is_empty(), "{what}");
        for test in named {
            assert!(there.contains(test), "{what}: there is no test {test}");
        }
    }
}

#[test]
fn each_weight_of_evidence_is_the_one_in_the_code() {
    let rows = table("verdict.md", "weights");
    let stated: Vec<_> = rows.iter().map(|row| (words(&row[0])[0], &row[1..4])).collect();
    let cells = |weight: &Weight| {
        let copied = if weight.survives_copy { "no" } else { "yes" };
        [weight.good.to_string(), weight.bad.to_string(), copied.to_owned()]
    };
    let coded: Vec<_> = WEIGHTS.iter().map(|weight| (weight.item.as_str(), cells(weight))).collect();
    assert_eq!(stated, coded.iter().map(|(item, cells)| (*item, &cells[..])).collect::<Vec<_>>());
    let text = fs::read_to_string(root().join("docs/verdict.md")).unwrap();
    let apart = format!("weighs {APART} more; {APART_IN_TURN} where they were never there at once");
    assert!(text.contains(&apart) && text.contains(&format!("both weigh\n{WRONG_HANDS} or less")));
}

fn assert_stated(name: &str, ids: Vec<String>) {
    let there = tests_there_are();
    let rows = table("pics.md", name);
    let stated: Vec<_> = rows.iter().map(|row| row[0].clone()).collect();
    assert_eq!(stated, ids);
    for row in rows {
        let [id, requirement, clause, state, named, limits] = row.as_slice() else { panic!("{row:?}") };
        assert!(!requirement.is_empty() && !clause.is_empty(), "{id}");
        let named = words(named);
        match state.as_str() {
            "yes" => assert!(!named.is_empty(), "{id} has no test"),
            "partly" => assert!(!named.is_empty() && !limits.is_empty(), "{id} says not what is missing"),
            "no" => assert!(named.is_empty(), "{id} is not there, and has tests"),
            other => panic!("{id}: {other:?}"),
        }
        for test in named {
            assert!(there.contains(test), "{id}: there is no test {test}");
        }
    }
}

#[test]
fn each_requirement_of_the_statement_has_its_row_and_each_test_that_it_names_is_there() {
    let of = |letter: &'static str, last: u8| (1..=last).map(move |number| format!("{letter}{number}"));
    assert_stated("pics", of("S", 24).chain(of("B", 9)).collect());
    assert_stated("checklist", of("", 45).collect());
}
