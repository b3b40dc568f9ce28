//! An estate as CSV: in, out, and beside another inventory.

use crate::bench::{Bench, text};
use std::fmt::Write;

const ALL: &str = "\
id,state,owner,site,address,position,region,class,line,cells,plmns,tac,access_mode,csg,vendor,hardware,firmware,note
00aabb000001,live,Carol,\"Busan, pier 2\",\"1 Pier Rd, \"\"B\"\"\",\"35.1,129.04\",busan,home,KT/02-1,\
lte:450-08:1 nr:450-08:2,450-08 450-008,7,hybrid,42,Acme,F1 r2,1.2.3,=1+1
00aabb000002,installed,Müller,,,\"-33.9,18.4\",,office,,umts:450-08:3,,,,,,,,\"two
lines\"
00aabb000003,retired,,,,,,,,lte:450-08:1,,,open,,,,,
";

fn refused(bench: &Bench, arguments: &[&str]) -> String {
    let output = bench.run(arguments);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    text(&output.stdout)
}

#[test]
fn what_is_exported_is_imported_as_it_was_over_the_socket_and_in_process() {
    let mut bench = Bench::new();
    bench.write("all.csv", ALL);
    assert_eq!(
        bench.good(&["device", "import", "all.csv"]).lines().next(),
        Some("3 added, 0 unchanged, 0 refused")
    );
    let out = bench.good(&["device", "export"]);
    assert_eq!(out, ALL);
    bench.serve();
    assert_eq!(bench.good(&["device", "export"]), ALL);
    assert_eq!(bench.good(&["device", "export", "--state", "retired"]).lines().count(), 2);
    let lines = bench.good(&["--json", "device", "export"]);
    let first: serde_json::Value = serde_json::from_str(lines.lines().next().unwrap()).unwrap();
    assert_eq!(first["position"], serde_json::json!({ "lat": 351_000_000, "lon": 1_290_400_000 }));
    let found = bench.json(&["device", "list", "--cell", "lte:450-08:1"]);
    assert_eq!(found["devices"].as_array().unwrap().len(), 2, "also of the one that is retired");

    let other = Bench::new();
    other.write("out.csv", &out);
    other.good(&["device", "import", "out.csv"]);
    assert_eq!(other.good(&["device", "export"]), out);
    assert!(other.good(&["device", "reconcile", "out.csv"]).starts_with("3 units the same, 0 missing here"));
    assert_eq!(other.json(&["ledger", "verify"])["ok"], true);
}

#[test]
fn an_estate_of_several_pages_is_exported_whole() {
    let bench = Bench::new();
    let mut estate = "id,site\n".to_owned();
    (0..2_345).for_each(|number| writeln!(estate, "00aabb{number:06x},s{number}").unwrap());
    bench.write("estate.csv", &estate);
    bench.good(&["device", "import", "estate.csv"]);
    let out = bench.good(&["device", "export"]);
    assert_eq!(out.lines().count(), 2_346);
    bench.write("out.csv", &out);
    assert!(bench.good(&["device", "reconcile", "out.csv"]).starts_with("2345 units the same"));
    assert!(
        bench
            .good(&["device", "import", "--dry-run", "out.csv"])
            .contains("0 added, 2345 unchanged, 0 refused")
    );
}

#[test]
fn a_dry_run_names_every_row_that_would_not_be_taken_and_changes_nothing() {
    let bench = Bench::new();
    bench.write("all.csv", ALL);
    bench.good(&["device", "import", "all.csv"]);
    let before = bench.good(&["--json", "event", "tail", "--from", "1"]);
    bench.write(
        "next.csv",
        "id,cells,position,tac,state
00aabb000001,lte:450-08:1 nr:450-08:2,\"35.1,129.04\",8,live
00aabb000004,,,,
00aabb000005,umts:450-08:3,,,
00aabb000006,,91,,
00aabb000007,,,70000000,
00aabb000008,lte:450-08:9,,,
00aabb000009,lte:450-08:9,,,
00aabb000008,,,,
00aabb00000a,,,,broken
00aabb,,,,
",
    );
    let whole = |printed: &str| -> Vec<String> {
        printed.lines().skip(2).map(|line| line.split("  ").next().unwrap().trim().to_owned()).collect()
    };
    let dry = refused(&bench, &["device", "import", "--dry-run", "next.csv"]);
    assert!(dry.starts_with("would be: 2 added, 0 unchanged, 8 refused\n"), "{dry}");
    assert_eq!(whole(&dry), ["2", "4", "5", "6", "8", "9", "10", "11"], "{dry}");
    for said in [
        "with another tac",
        "the cell umts:450-08:3 is that of 00aabb000002, which is installed",
        "`position`: ",
        "`tac`: ",
        "line 7",
    ] {
        assert!(dry.contains(said), "{said}: {dry}");
    }
    assert_eq!(
        bench
            .good(&["--json", "event", "tail", "--from", "1"])
            .lines()
            .filter(|line| line.contains("row_changed"))
            .count(),
        before.lines().filter(|line| line.contains("row_changed")).count()
    );
    let done = refused(&bench, &["device", "import", "next.csv"]);
    assert_eq!(dry.strip_prefix("would be: ").unwrap(), done);
}

#[test]
fn rows_that_would_not_be_taken_are_shown_within_bounds_and_are_all_in_json() {
    let bench = Bench::new();
    let mut bad = "id,tac\n".to_owned();
    (0..1_200).for_each(|number| writeln!(bad, "00aabb{number:06x},x").unwrap());
    bench.write("bad.csv", &bad);
    let shown = refused(&bench, &["device", "import", "--dry-run", "bad.csv"]);
    assert_eq!(shown.lines().count(), 1_003);
    assert!(shown.ends_with("and 200 more, which --json has\n"), "{}", &shown[shown.len() - 80..]);
    let json = refused(&bench, &["--json", "device", "import", "--dry-run", "bad.csv"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["refused"].as_array().unwrap().len(), 1_200);
}

#[test]
fn another_inventory_is_compared_in_the_columns_that_it_has() {
    let bench = Bench::new();
    bench.write("all.csv", ALL);
    bench.good(&["device", "import", "all.csv"]);
    bench.write(
        "same.csv",
        "id,cells\n00aabb000002,umts:450-08:3\n00-AA-BB-00-00-01,nr:450-08:2 lte:450-08:1\n",
    );
    assert_eq!(
        bench.good(&["device", "reconcile", "same.csv"]),
        "2 units the same, 0 missing here, 0 missing there, 0 differing, 0 lines unreadable\n"
    );
    bench.write(
        "other.csv",
        "id,site,position,state\n00aabb000001,Busan,\"35.1,129.04\",silent\n00aabb000003,,,live\n00aabb000009,,,\n00aabb000002,,north,\n",
    );
    let text = refused(&bench, &["device", "reconcile", "other.csv"]);
    let expected = "\
0 units the same, 2 missing here, 0 missing there, 1 differing (site 1, state 1), 1 line unreadable
DEVICE        FINDING       LINE  HERE           THERE
00aabb000001  state         2     live           silent
00aabb000001  site          2     Busan, pier 2  Busan
00aabb000003  missing here  3     retired        -
00aabb000009  missing here  4     -              -
00aabb000002  unreadable    5     -              `position`: a position is latitude,longitude in decimal degrees, as 37.4999,126.9: from -90 to 90 and from -180 to 180, 7 decimals at most
";
    assert_eq!(text, expected);
    bench.write("one.csv", "id\n00aabb000001\n");
    let lines = refused(&bench, &["--json", "device", "reconcile", "one.csv"]);
    let lines: Vec<serde_json::Value> =
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(
        lines[0],
        serde_json::json!({ "finding": "missing_there", "device": "00aabb000002", "state": "installed" })
    );
    assert_eq!((&lines[1]["sum"]["same"], &lines[1]["sum"]["missing_there"]), (&1.into(), &1.into()));
}
