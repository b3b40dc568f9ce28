//! Evidence as a table: what, by whom and when it was seen, and what it is. What is missing, and what is weighed, is left
//! out: [`super::sides`] has that.

use crate::{output::seconds, table::Table};
use ids::{Position, UnixTime};
use serde::Deserialize;
use serde_json::{Map, Value};

/// One row for each thing known.
pub(super) fn table(evidence: &Value) -> Table {
    let mut table = Table::new(&["EVIDENCE", "BY", "SEEN", "VALUE"]);
    add(&mut table, &[], &Seen::default(), evidence);
    table
}

/// What stands in the table of what is weighed: the marks, and by which rules.
const WEIGHED: [&str; 3] = ["weighed", "marks", "rules"];

/// By whom and when.
#[derive(Default)]
struct Seen {
    source: String,
    at: String,
}

fn add(table: &mut Table, path: &[&str], seen: &Seen, value: &Value) {
    match value {
        Value::Null => (),
        Value::Object(object) => add_object(table, path, seen, object),
        Value::Array(items) if items.is_empty() => (),
        Value::Array(items) => row(table, path, seen, items.iter().map(word).collect::<Vec<_>>().join(" ")),
        Value::String(_) | Value::Number(_) | Value::Bool(_) => row(table, path, seen, word(value)),
    }
}

fn add_object(table: &mut Table, path: &[&str], seen: &Seen, object: &Map<String, Value>) {
    if object.contains_key("missing") {
        return;
    }
    if let Some(known) = object.get("known") {
        let text = |name: &str| known.get(name).and_then(Value::as_str).unwrap_or_default();
        let at = text("observed_at").parse::<UnixTime>().map(seconds).unwrap_or_default();
        let seen = Seen { source: text("source").to_owned(), at };
        return add(table, path, &seen, known.get("value").unwrap_or(&Value::Null));
    }
    if let Ok(position) = Position::deserialize(object) {
        return row(table, path, seen, position.to_string());
    }
    if let (Some(secs), Some(_)) = (object.get("secs"), object.get("nanos")) {
        return row(table, path, seen, format!("{secs} s"));
    }
    for (name, value) in object.iter().filter(|(name, _)| !WEIGHED.contains(&name.as_str())) {
        let step = if name == "claim" { None } else { Some(name.as_str()) };
        let path: Vec<_> = path.iter().copied().chain(step).collect();
        add(table, &path, seen, value);
    }
}

fn row(table: &mut Table, path: &[&str], seen: &Seen, value: String) {
    table.row([path.join(" "), seen.source.clone(), seen.at.clone(), value]);
}

fn word(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_known_has_a_row_with_its_source_and_time_and_what_is_missing_has_none() {
        let line = json!({"known": {
            "value": "L-1", "source": "ledger", "observed_at": "2026-01-31T10:00:00.123456Z",
        }});
        let claim = json!({
            "idi": "a.example",
            "outer": {"address": "192.0.2.1:500", "class": {"missing": "not_gathered"}, "line": line},
            "path": ["aa", "bb"],
            "validity": {"secs": 60, "nanos": 0},
        });
        let expected = "\
EVIDENCE               BY      SEEN                  VALUE
holder idi             -       -                     a.example
holder outer address   -       -                     192.0.2.1:500
holder outer line      ledger  2026-01-31T10:00:00Z  L-1
holder path            -       -                     aa bb
holder validity        -       -                     60 s
probe answered         -       -                     true
";
        let evidence = json!({"holder": {"claim": claim}, "probe": {"answered": true, "round_trip": null}});
        let expected = expected
            .replace("  -       -", " -       -")
            .replace("  BY ", " BY ")
            .replace("  ledger", " ledger");
        assert_eq!(table(&evidence).to_string(), expected);
    }
}
