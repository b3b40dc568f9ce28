//! Two who hold one key, side by side: what is known of each, and what it weighs.

use crate::table::Table;
use admission::{Appraisal, weighing::weight};
use ledger::{Grade, Item};
use serde::Deserialize;
use serde_json::Value;

/// What an incident about two has in its evidence.
#[derive(Deserialize)]
struct Weighed {
    own: Appraisal,
    other: Option<Appraisal>,
}

/// One row for each item of evidence; nothing where the incident is not about two.
pub(super) fn table(evidence: &Value) -> String {
    let Some(weighed) = evidence.get("weighed").and_then(|weighed| Weighed::deserialize(weighed).ok()) else {
        return String::new();
    };
    let Weighed { own, other: Some(other) } = weighed else { return String::new() };
    let mut table = Table::new(&["WEIGHED", "NEWCOMER", "HOLDER"]);
    for item in Item::ALL {
        table.row([item.to_string(), side(&own, item), side(&other, item)]);
    }
    table.row(["total".to_owned(), format!("{:+}", own.total()), format!("{:+}", other.total())]);
    format!("{table}\n")
}

fn side(appraisal: &Appraisal, item: Item) -> String {
    let Some(mark) = appraisal.of(item) else { return "missing".to_owned() };
    let word = match mark.grade {
        Grade::Good => "good",
        Grade::Bad => "bad",
    };
    let since = if weight(mark) == 0 { ", since two are about" } else { "" };
    format!("{word} ({:+}{since})", weight(mark))
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
        assert_eq!(table(&json!({"weighed": {"own": {"marks": []}}})), "", "one who came alone");
    }
}
