//! docs/formats.md has each column of each kind.

use arrow_schema::{DataType, TimeUnit};
use lake::{Kind, LONGEST, PART, V, columns};
use std::{collections::BTreeSet, fs, path::PathBuf};

fn document() -> String {
    fs::read_to_string(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/formats.md")).unwrap()
}

/// The words in backticks.
fn words(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

#[expect(clippy::wildcard_enum_match_arm, reason = "Arrow has types by the dozen")]
fn type_name(data_type: &DataType) -> String {
    match data_type {
        DataType::Timestamp(TimeUnit::Microsecond, Some(zone)) => format!("timestamp(us, {zone})"),
        DataType::Dictionary(keys, values) => {
            format!("dictionary({}, {})", type_name(keys), type_name(values))
        }
        DataType::FixedSizeBinary(octets) => format!("fixed_size_binary({octets})"),
        plain => format!("{plain:?}").to_lowercase(),
    }
}

#[test]
fn the_lake_has_the_columns_that_are_documented() {
    let text = document();
    let (_, table) = text.split_once("<!-- lake columns -->\n").unwrap();
    let all: Vec<&str> = Kind::ALL.iter().map(|kind| kind.as_str()).collect();
    let mut described = BTreeSet::new();
    for row in table.lines().skip(2).take_while(|line| line.starts_with('|')) {
        let cells: Vec<_> = row.split('|').collect();
        let (name, data_type) = (words(cells[1])[0], words(cells[4])[0]);
        for (kinds, may_be_null) in [(cells[2], false), (cells[3], true)] {
            let kinds = if kinds.trim() == "all" { all.clone() } else { words(kinds) };
            for kind in kinds {
                described.insert((kind.to_owned(), name.to_owned(), data_type.to_owned(), may_be_null));
            }
        }
    }
    let known: BTreeSet<_> = Kind::ALL
        .into_iter()
        .flat_map(|kind| columns(kind).into_iter().map(move |column| (kind, column)))
        .map(|(kind, column)| {
            (kind.as_str().to_owned(), column.name, type_name(&column.data_type), column.is_nullable)
        })
        .collect();
    for missing in known.symmetric_difference(&described) {
        println!("{missing:?}");
    }
    assert_eq!(described, known);
    for said in [
        format!("`truecell.v` is `{V}`"),
        format!("at most {PART} rows"),
        format!("a line has at most {LONGEST} octets"),
    ] {
        assert!(text.contains(&said), "{said}");
    }
}
