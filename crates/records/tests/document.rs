//! docs/formats.md has each kind of row, and each field of each.
#![allow(clippy::unwrap_used, reason = "tests")]

use records::row::{Kind, LONGEST, Row, V};
use std::{collections::BTreeSet, fs, path::PathBuf};

fn document() -> String {
    fs::read_to_string(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/formats.md")).unwrap()
}

/// The words in backticks of each cell of a row of a table.
fn words(row: &str) -> Vec<Vec<&str>> {
    row.split('|').map(|cell| cell.split('`').skip(1).step_by(2).collect()).collect()
}

#[test]
fn rows_are_read_as_they_are_documented() {
    let text = document();
    let (_, shown) = text.split_once("<!-- rows -->\n```json\n").unwrap();
    let (mut kinds, mut shown_fields) = (BTreeSet::new(), BTreeSet::new());
    for line in shown.lines().take_while(|line| *line != "```") {
        let row = Row::parse(line.as_bytes()).unwrap_or_else(|bad| panic!("{line}: {bad}"));
        kinds.insert(row.kind());
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        let kind = value["kind"].as_str().unwrap().to_owned();
        shown_fields.extend(value.as_object().unwrap().keys().map(|field| (kind.clone(), field.clone())));
    }
    assert_eq!(kinds, Kind::ALL.into());

    let all: BTreeSet<_> = shown_fields.iter().map(|(kind, _)| kind.clone()).collect();
    let (_, table) = text.split_once("<!-- row fields -->\n").unwrap();
    let mut described = BTreeSet::new();
    for row in table.lines().skip(2).take_while(|line| line.starts_with('|')) {
        let cells = words(row);
        let of_all = cells[2].is_empty().then(|| all.iter().map(String::as_str).collect());
        let kinds: Vec<&str> = of_all.unwrap_or_else(|| cells[2].clone());
        described.extend(kinds.into_iter().map(|kind| (kind.to_owned(), cells[1][0].to_owned())));
    }
    assert_eq!(described, shown_fields);
    let bound = format!("one JSON object a line, of at most {LONGEST} octets");
    assert!(text.contains(&bound) && text.contains(&format!("version of the schema, `{V}`")), "{bound}");
}
