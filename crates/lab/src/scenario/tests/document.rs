//! docs/scenarios.md has the keys as they are. `UPDATE_GOLDEN=1` writes its tables anew.

use super::super::*;
use std::{fmt::Write as _, fs, path::PathBuf};

const BEGIN: &str = "<!-- keys -->\n";

fn document() -> (PathBuf, String) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/scenarios.md");
    let text = fs::read_to_string(&path).unwrap();
    (path, text)
}

fn section(keys: &[Key]) -> String {
    let of = keys.iter().map(|key| key.table).find(|table| !table.is_empty());
    let title = match of {
        None => "The file".to_owned(),
        Some("estate") => "`[estate]`".to_owned(),
        Some(table) => format!("`[[{table}]]`"),
    };
    let has_kinds = keys.iter().any(|key| !key.of.is_empty());
    let mut text = format!(
        "\n### {title}\n\n| key | {}may be | without it | what it is |\n",
        if has_kinds { "of | " } else { "" }
    );
    text.push_str(if has_kinds { "|---|---|---|---|---|\n" } else { "|---|---|---|---|\n" });
    for key in keys {
        let kinds = key.of.iter().map(|of| format!("`{of}`")).collect::<Vec<_>>().join(", ");
        let kinds = if has_kinds { format!("{kinds} | ").replace(" |  | ", " | | ") } else { String::new() };
        writeln!(text, "| `{}` | {kinds}{} | {} | {} |", key.name, key.range, key.default, key.what).unwrap();
    }
    text
}

#[test]
fn keys_are_documented_as_they_are() {
    let (path, text) = document();
    let (before, found) = text.split_once(BEGIN).unwrap();
    let tables =
        [Scenario::KEYS, Estate::KEYS, FeedTerms::KEYS, Actor::KEYS, Step::KEYS, Expect::KEYS, Never::KEYS];
    let expected: String = tables.into_iter().map(section).collect();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        return fs::write(&path, format!("{before}{BEGIN}{expected}")).unwrap();
    }
    assert_eq!(found, expected, "UPDATE_GOLDEN=1 writes docs/scenarios.md anew");
}

#[test]
fn examples_of_the_document_can_be_played() {
    let (_, text) = document();
    let examples: Vec<_> =
        text.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert!(!examples.is_empty());
    for example in examples {
        Scenario::parse(example).unwrap_or_else(|error| panic!("{example}\n{error}"));
    }
}

/// Each deed and each word of a kind is in the table that names it.
#[test]
fn words_of_keys_are_those_that_are_read() {
    let range = |keys: &[Key], name: &str| keys.iter().find(|key| key.name == name).unwrap().range.to_owned();
    let listed = |words: &[&str]| words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ");
    let words = |all: &[&str]| listed(all);
    assert_eq!(
        range(Step::KEYS, "do"),
        words(&Deed::ALL.iter().map(|deed| deed.as_str()).collect::<Vec<_>>())
    );
    assert_eq!(
        range(Actor::KEYS, "kind"),
        words(&ActorKind::ALL.iter().map(|kind| kind.as_str()).collect::<Vec<_>>())
    );
    assert_eq!(
        range(Actor::KEYS, "place"),
        words(&Place::ALL.iter().map(|place| place.as_str()).collect::<Vec<_>>())
    );
    assert_eq!(
        range(Actor::KEYS, "network"),
        words(&Via::ALL.iter().map(|via| via.as_str()).collect::<Vec<_>>())
    );
    assert_eq!(
        range(FeedTerms::KEYS, "name"),
        words(&FeedKind::ALL.iter().map(|kind| kind.as_str()).collect::<Vec<_>>())
    );
}
