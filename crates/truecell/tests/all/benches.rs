//! The benches of the public listener and of revocation, in their short forms.

use crate::bench::Bench;
use serde_json::Value;

fn rows(arguments: &[&str]) -> Value {
    Bench::bare().json(&[&["bench"], arguments].concat())
}

fn value(rows: &Value, case: &str) -> f64 {
    let mut rows = rows.as_array().unwrap().iter();
    let row = rows.find(|row| row["case"] == case).unwrap_or_else(|| panic!("no row {case}"));
    row["value"].as_f64().unwrap()
}

#[test]
fn the_bench_of_enrolments_enrols_as_many_as_it_says_beside_the_signatures_alone() {
    let rows = rows(&["enrol", "--estate", "5", "--units", "3", "--at-once", "2"]);
    assert!(rows.as_array().unwrap().iter().all(|row| row["bench"] == "enrol"), "{rows}");
    assert!(value(&rows, "CPU for each") > 0.0, "{rows}");
    let ratio = rows[0]["ratio"].as_f64().unwrap();
    assert!(ratio > 0.0 && ratio < 1.0, "{rows}");
}

#[test]
fn the_bench_of_ocsp_has_each_request_answered_beside_the_signatures_alone() {
    // More requests than a connection may have.
    let rows = rows(&["ocsp", "--certificates", "3", "--requests", "150", "--at-once", "1"]);
    assert!(value(&rows, "responses by one processor, each signed for its nonce") > 0.0, "{rows}");
    let ratio = rows[0]["ratio"].as_f64().unwrap();
    assert!(ratio > 0.0 && ratio < 1.0, "{rows}");
}

#[test]
fn the_bench_of_revocation_sees_each_tunnel_cut() {
    let rows = rows(&["revoke", "--tunnels", "3", "--rate", "50"]);
    let all = value(&rows, "from the request to the last forwarded octet, all");
    // It says itself where one was not cut.
    assert!(all >= value(&rows, "from the request to the last forwarded octet, median"), "{rows}");
    assert!(value(&rows, "from the request to its answer, median") > 0.0, "{rows}");
}
