//! Findings over the control socket of a real daemon: taken once, also over its death; what people see of them.

use crate::bench::Bench;
use serde_json::{Value, json};
use std::{
    io::{Read, Write},
    os::unix::net::UnixStream,
};

const CELL: &str = "lte:450-08:1a2b3c4";
const OTHER: &str = "lte:450-08:1a2b3c5";

fn found(number: u32, detector: &str, cells: &[&str]) -> Value {
    json!({
        "id": format!("{number:032x}"),
        "detector": detector,
        "version": 1,
        "at": format!("2026-01-31T02:14:{number:02}Z"),
        "key": { "cell": cells[0] },
        "what": format!("{number} strangers\u{1b}[31m"),
        "cells": cells,
        "devices": [],
        "lines": [],
        "handsets": { "count": number, "some": [] },
        "evidence": [["core-1", 4711], ["core-1", 4712]],
        "confidence": 90,
        "benign": ["a courier's van with the unit switched on"],
        "partial": false,
    })
}

/// Posts findings; the answer.
fn post(bench: &Bench, findings: &[Value]) -> Value {
    let body = json!({ "version": 1, "findings": findings }).to_string();
    let mut control = UnixStream::connect(bench.path("state/control.sock")).unwrap();
    write!(
        control,
        "POST /v1/findings HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut answer = String::new();
    control.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
}

fn numbers(bench: &Bench, filter: &[&str]) -> Vec<u64> {
    let page = bench.json(&[&["incident", "list"], filter].concat());
    page["incidents"].as_array().unwrap().iter().map(|one| one["number"].as_u64().unwrap()).collect()
}

#[test]
fn what_was_found_is_one_incident_with_its_rows_also_over_the_death_of_the_daemon() {
    let mut bench = Bench::new();
    bench.serve();
    let first = [found(1, "war_driving", &[CELL]), found(2, "cell_unknown", &[OTHER])];
    let taken = post(&bench, &first);
    assert_eq!((&taken["taken"], &taken["incidents"]), (&json!(2), &json!([1, 2])));
    bench.kill();
    bench.serve();
    // Who has not heard the answer says it again.
    let again = post(&bench, &first);
    assert_eq!((&again["taken"], &again["known"]), (&json!(0), &json!(2)));
    let joined = post(&bench, &[found(3, "shared_handsets", &[CELL, OTHER])]);
    assert_eq!(joined["incidents"], json!([1]));
    assert_eq!(numbers(&bench, &["--state", "open"]), [1]);
    assert_eq!(numbers(&bench, &["--cell", OTHER]), [1, 2]);
    assert_eq!(numbers(&bench, &["--detector", "shared_handsets"]), [1]);
    let shown = bench.good(&["incident", "show", "1"]);
    for part in [
        "kind:       misuse\n",
        "severity:   high\n",
        "summary:    3 findings about 2 cells: cell_unknown, shared_handsets, war_driving\n",
        "parts:      2\n",
        "2026-01-31T02:14:01Z war_driving 1: 1 strangers",
        "  rows       core-1 4711, core-1 4712\n",
        "  benign     a courier's van with the unit switched on\n",
        "next: `truecell cell show lte:450-08:1a2b3c4`; then `truecell incident judge 1 --found benign|misuse --why TEXT`\n",
    ] {
        assert!(shown.contains(part), "{part:?} is not in\n{shown}");
    }
    assert!(!shown.contains('\u{1b}'), "{shown}");
    assert!(bench.good(&["incident", "show", "2"]).contains("part of 1"));
    assert_eq!(bench.json(&["cell", "show", CELL])["trust"]["state"], "suspect");
    bench.good(&["incident", "judge", "1", "--found", "benign", "--why", "a ship"]);
    for cell in [CELL, OTHER] {
        assert_eq!(bench.json(&["cell", "show", cell])["trust"]["state"], "unknown", "{cell}");
    }
    assert_eq!(bench.stop(), 0);
    assert!(bench.good(&["ledger", "verify"]).starts_with("good: "));
}
