//! What is known of who holds a key, and what it weighs: of two side by side, or of one alone.

use crate::table::Table;
use admission::{Appraisal, weighing::weight};
use ledger::{Grade, Item};
use serde::Deserialize;
use serde_json::Value;

/// What an incident about who holds a key has in its evidence.
#[derive(Deserialize)]
struct Weighed {
    own: Appraisal,
    other: Option<Appraisal>,
}

/// One of those who are weighed.
struct Side<'a> {
    head: &'static str,
    weighed: &'a Appraisal,
    /// What is known of it.
    claim: Option<&'a Value>,
}

/// One row for each item of evidence; nothing where nobody was weighed.
pub(super) fn table(evidence: &Value) -> String {
    let weighed = evidence.get("weighed").and_then(|weighed| Weighed::deserialize(weighed).ok());
    let Some(Weighed { own, other }) = weighed else { return String::new() };
    let claim = |side: &str| evidence.get(side).and_then(|side| side.get("claim"));
    let sides = match &other {
        Some(other) => vec![
            Side { head: "NEWCOMER", weighed: &own, claim: claim("newcomer") },
            Side { head: "HOLDER", weighed: other, claim: claim("holder") },
        ],
        None => vec![Side { head: "CLAIM", weighed: &own, claim: evidence.get("claim") }],
    };
    let row = |first: String, cell: &dyn Fn(&Side<'_>) -> String| {
        [first].into_iter().chain(sides.iter().map(cell)).collect::<Vec<_>>()
    };
    let heads: Vec<_> = ["WEIGHED"].into_iter().chain(sides.iter().map(|side| side.head)).collect();
    let mut table = Table::new(&heads);
    for item in Item::ALL {
        table.row(row(item.to_string(), &|side| side.word(item)));
    }
    table.row(row("total".to_owned(), &|side| format!("{:+}", side.weighed.total())));
    format!("{table}\n")
}

impl Side<'_> {
    fn word(&self, item: Item) -> String {
        let Some(mark) = self.weighed.of(item) else { return self.missing(item) };
        let word = match mark.grade {
            Grade::Good => "good",
            Grade::Bad => "bad",
        };
        let since = if weight(mark) == 0 { ", since two are about" } else { "" };
        format!("{word} ({:+}{since})", weight(mark))
    }

    /// Why it is missing, where the evidence says so.
    fn missing(&self, item: Item) -> String {
        let evidence = self.claim.and_then(|claim| claim.pointer(place(item)?));
        let why = evidence.and_then(|evidence| evidence.get("missing")).and_then(Value::as_str);
        match (why, evidence) {
            (Some(why), _) => format!("missing: {}", why.replace('_', " ")),
            (None, Some(known)) if known.get("known").is_some() => "says nothing".to_owned(),
            (None, _) => "missing".to_owned(),
        }
    }
}

/// Where a claim has what an item is judged by.
fn place(item: Item) -> Option<&'static str> {
    match item {
        Item::Judged => None,
        Item::Line => Some("/outer/line"),
        Item::Network => Some("/outer/class"),
        Item::Site => Some("/outer/place"),
        Item::Trail => Some("/place"),
        Item::Management => Some("/facts"),
        Item::Fingerprint => Some("/fingerprint"),
        Item::Lineage => Some("/lineage"),
        Item::Proof => Some("/proof"),
        Item::Attestation => Some("/attestation"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn both_sides_stand_beside_each_other_with_what_is_missing() {
        let mark = |item: &str, grade: &str| json!({"item": item, "grade": grade, "before_fork": false});
        let own = json!({"marks": [mark("line", "bad"), mark("lineage", "good")]});
        let text = table(&json!({"weighed": {"own": own, "other": {"marks": [mark("line", "good")]}}}));
        let row = |item: &str| {
            let line = text.lines().find(|line| line.split("  ").next() == Some(item)).unwrap();
            line.split("  ").filter(|cell| !cell.is_empty()).map(str::trim).collect::<Vec<_>>()
        };
        assert_eq!(row("line"), ["line", "bad (-4)", "good (+4)"]);
        assert_eq!(row("lineage"), ["lineage", "good (+0, since two are about)", "missing"]);
        assert_eq!(row("total"), ["total", "-4", "+4"]);
        assert_eq!(table(&json!({"claim": {}})), "");
    }

    #[test]
    fn one_alone_is_one_column_and_what_is_missing_has_its_cause() {
        let mark = json!({"item": "line", "grade": "bad", "before_fork": true});
        let known =
            json!({"known": {"value": "mobile", "source": "sources", "observed_at": "2026-01-01T00:00:00Z"}});
        let claim = json!({"outer": {"class": known, "place": {"missing": "stale"}}, "facts": {"missing": "not_gathered"}});
        let text = table(&json!({"weighed": {"own": {"marks": [mark]}}, "claim": claim}));
        let rows: Vec<_> = text.lines().filter_map(|line| line.split_once(' ')).collect();
        let row = |item: &str| rows.iter().find(|(name, _)| *name == item).unwrap().1.trim();
        assert_eq!(row("WEIGHED"), "CLAIM");
        assert_eq!(row("line"), "bad (-4)");
        assert_eq!(row("network"), "says nothing");
        assert_eq!(row("site"), "missing: stale");
        assert_eq!(row("management"), "missing: not gathered");
        assert_eq!(row("judged"), "missing");
        assert_eq!(row("total"), "-4");
    }
}
