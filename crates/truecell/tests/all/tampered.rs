//! A row of the ledger that somebody changed in the database, and each command that meets it.

use crate::bench::{Bench, text};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

const BAD: &str = "00aabbccdd02";
const NO_FIT: &str = "its HMAC does not fit";

/// A node with three units.
fn three() -> Bench {
    let bench = Bench::new();
    for id in ["00aabbccdd01", BAD, "00aabbccdd03"] {
        bench.good(&["device", "add", id, "--class", "home"]);
    }
    bench
}

/// Changes the second one's row.
fn tamper(database: &Path) {
    let database = rusqlite::Connection::open(database).unwrap();
    let forged = "UPDATE row SET body = replace(body, 'installed', 'live') WHERE tbl = 'device' AND key = ?1";
    assert_eq!(database.execute(forged, [BAD]).unwrap(), 1);
}

/// Code, and both outputs.
fn asked(bench: &Bench, arguments: &[&str]) -> (i32, String, String) {
    let output = bench.run(arguments);
    (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

/// The JSON answer of a command that ends with code 1.
fn json_of_a_no(bench: &Bench, arguments: &[&str]) -> Value {
    let (code, said, why) = asked(bench, &[&["--json"], arguments].concat());
    assert_eq!((code, why.as_str()), (1, ""), "{said}");
    serde_json::from_str(&said).unwrap()
}

#[test]
fn a_tampered_row_is_marked_between_the_others_of_a_list() {
    let bench = three();
    tamper(&bench.path("state/ledger.sqlite"));
    let (code, said, why) = asked(&bench, &["device", "list"]);
    let lines: Vec<Vec<_>> = said.lines().skip(1).map(|line| line.split_whitespace().collect()).collect();
    let row =
        |id, state, class| vec![id, state, if class == "-" { "-" } else { "none" }, class, "-", "-", "-"];
    let expected = [
        row("00aabbccdd01", "installed", "home"),
        row(BAD, "TAMPERED", "-"),
        row("00aabbccdd03", "installed", "home"),
    ];
    assert_eq!((code, lines), (1, expected.to_vec()), "{said}");
    assert!(
        why.contains("warning: 1 row was tampered with") && why.contains("`truecell ledger verify`"),
        "{why}"
    );

    let answer = json_of_a_no(&bench, &["device", "list", "--limit", "2"]);
    assert_eq!((answer["devices"].as_array().unwrap().len(), &answer["next"]), (1, &BAD.into()), "{answer}");
    assert_eq!((&answer["tampered"][0]["key"], &answer["tampered"][0]["why"]), (&BAD.into(), &NO_FIT.into()));
    let rest = bench.json(&["device", "list", "--after", BAD]);
    assert_eq!(
        (&rest["devices"][0]["id"], &rest["tampered"]),
        (&"00aabbccdd03".into(), &serde_json::json!([]))
    );
}

#[test]
fn a_tampered_row_is_not_counted_among_those_who_would_be_refused() {
    let bench = three();
    tamper(&bench.path("state/ledger.sqlite"));
    let (code, said, why) = asked(&bench, &["policy", "readiness"]);
    assert_eq!(code, 1);
    assert!(said.contains("home   -       2      0         -                 -\n"), "{said}");
    assert!(said.contains("TAMPERED, and left out\n") && said.contains(NO_FIT), "{said}");
    assert!(why.contains("1 row was tampered with"), "{why}");
    let answer = json_of_a_no(&bench, &["policy", "readiness"]);
    assert_eq!((&answer["groups"][0]["units"], &answer["tampered"][0]["key"]), (&2.into(), &BAD.into()));
}

#[test]
fn a_gateway_that_runs_opens_one_incident_for_a_tampered_row_that_a_list_or_a_check_meets() {
    let mut bench = three();
    bench.serve();
    tamper(&bench.path("state/ledger.sqlite"));
    for command in [["device", "list"], ["device", "list"], ["policy", "readiness"], ["ledger", "verify"]] {
        assert_eq!(bench.run(&command).status.code(), Some(1), "{command:?}");
    }
    let incidents = bench.json(&["incident", "list"]);
    let incidents = incidents["incidents"].as_array().unwrap();
    assert_eq!(incidents.len(), 1, "{incidents:?}");
    assert_eq!((&incidents[0]["kind"], &incidents[0]["devices"][0]), (&"row-tampered".into(), &BAD.into()));
    assert_eq!(incidents[0]["repeats"], 0);
    assert_eq!(bench.stop(), 0);
}

#[test]
fn a_tampered_row_is_in_a_backup_and_named_and_only_the_journal_brings_the_unit_back() {
    let bench = three();
    bench.good(&["backup", "before"]);
    tamper(&bench.path("state/ledger.sqlite"));
    let (code, said, _) = asked(&bench, &["backup", "kept", "--with-keys"]);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("WARNING: 1 finding in ") && said.contains(NO_FIT) && said.contains(BAD), "{said}");
    assert!(said.contains("--ledger-anew") && said.contains("next: keep it as evidence"), "{said}");
    let answer = json_of_a_no(&bench, &["backup", "other", "--with-keys"]);
    assert_eq!(
        (&answer["ledger"]["ok"], &answer["ledger"]["findings"][0]["key"]),
        (&false.into(), &BAD.into())
    );

    fs::rename(bench.path("state"), bench.path("lost")).unwrap();
    let restore = ["restore", "kept", "--why", "a test"];
    let (code, why) = bench.refused(&restore);
    assert!(code == 1 && why.contains(&format!("device {BAD}: {NO_FIT}")), "{why}");
    assert!(why.contains("an older backup") && why.contains("--ledger-anew"), "{why}");
    assert!(why.contains("`truecell --data kept ledger verify`"), "{why}");
    fs::remove_dir_all(bench.path("state")).unwrap();
    bench.good(&[&restore[..], &["--ledger-anew"]].concat());
    assert_eq!(bench.json(&["device", "show", BAD])["device"]["state"], "installed");
    let checked = bench.json(&["ledger", "verify"]);
    let rows = 4; // The units, and the gateway's certificate.
    assert_eq!((&checked["ok"], &checked["rows"]), (&true.into(), &rows.into()), "{checked}");
    let older = ["--data", "older", "restore", "before", "--keys", "lost", "--why", "a test"];
    bench.good(&older);
}

#[test]
fn a_journal_that_does_not_hold_is_in_a_backup_and_said() {
    let mut bench = three();
    bench.serve();
    let segment = bench.path("state/journal/segw-1/00000000000000000001.jsonl");
    let at = fs::read_to_string(&segment).unwrap().find("home").unwrap() as u64;
    fs::OpenOptions::new().write(true).open(&segment).unwrap().write_all_at(b"h0me", at).unwrap();
    let (code, said, why) = asked(&bench, &["backup", "kept"]);
    assert!(code == 1 && said.contains("WARNING: its journal does not hold"), "{said}{why}");
    let answer = json_of_a_no(&bench, &["backup", "other"]);
    assert!(answer["journal_broken"].as_str().unwrap().contains("it does not fit"), "{answer}");
    assert_eq!(bench.stop(), 0);
}

fn contents(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(contents(&path));
            all.insert(path, Vec::new());
        } else {
            all.insert(path.clone(), fs::read(path).unwrap());
        }
    }
    all
}

#[test]
fn a_backup_is_checked_as_it_is_and_no_command_writes_in_it() {
    let bench = three();
    bench.good(&["backup", "kept"]);
    bench.good(&["backup", "with-keys", "--with-keys"]);
    let before = [contents(&bench.path("kept")), contents(&bench.path("with-keys"))];
    let verify = ["--data", "kept", "ledger", "verify"];
    assert!(bench.good(&verify).contains("no HMAC was checked"));
    let with_keys = [&verify[..], &["--keys", "state"]].concat();
    let checked = bench.json(&with_keys);
    assert_eq!((&checked["ok"], &checked["seals_checked"]), (&true.into(), &true.into()));
    assert_eq!(bench.json(&["--data", "with-keys", "ledger", "verify"])["seals_checked"], true);
    assert_eq!(bench.json(&["--data", "kept", "event", "verify"])["ok"], true);
    for command in [["device", "list"], ["cert", "list"], ["policy", "readiness"], ["backup", "again"]] {
        for data in ["kept", "with-keys"] {
            let (code, why) = bench.refused(&[&["--data", data], &command[..]].concat());
            assert!(code == 2 && why.contains(&format!("{data} is a backup")), "{why}");
        }
    }
    let (code, why) = bench.refused(&["--data", "with-keys", "serve"]);
    assert!(code == 2 && why.contains("with-keys is a backup"), "{why}");
    assert_eq!([contents(&bench.path("kept")), contents(&bench.path("with-keys"))], before);

    tamper(&bench.path("kept/ledger.sqlite"));
    let (code, said, _) = asked(&bench, &verify);
    assert!(code == 1 && said.contains("it differs from its event"), "{said}");
    let (code, said, _) = asked(&bench, &with_keys);
    assert!(code == 1 && said.contains(NO_FIT), "{said}");
}

fn sql(database: &Path, statements: &str) {
    let database = rusqlite::Connection::open(database).unwrap();
    database.busy_timeout(Duration::from_secs(10)).unwrap();
    database.execute_batch(statements).unwrap();
}

const UNTIL: &str = "2126-01-01T00:00:00Z";

/// A node with three units, and two rows of what lists show: the second of each of these tables does not hold.
fn two_of_each(bad: &[&str]) -> Bench {
    let bench = three();
    for line in ["KT/1", "KT/2"] {
        bench.good(&["line", "add", line, "192.0.2.0/24"]);
    }
    for (order, unit) in [("W-1", "00aabbccdd01"), ("W-2", "00aabbccdd03")] {
        let what = ["order", "create", order, unit, "--line", "KT/1", "--until", UNTIL, "--why", "a test"];
        bench.good(&what);
    }
    for unit in [BAD, "00aabbccdd03"] {
        bench.good(&["pair", "add", "00aabbccdd01", unit, "--why", "a test"]);
    }
    for reason in ["foreign-network", "line-unknown"] {
        bench.good(&["policy", "set", reason, "observe", "--class", "home", "--why", "a test"]);
    }
    for table in bad {
        let last = format!("key = (SELECT max(key) FROM row WHERE tbl = '{table}')");
        let change = format!("UPDATE row SET body = body || ' ' WHERE tbl = '{table}' AND {last}");
        sql(&bench.path("state/ledger.sqlite"), &change);
    }
    bench
}

#[test]
fn each_list_shows_what_holds_and_names_what_does_not() {
    let mut bench = two_of_each(&["line", "order", "pair", "policy"]);
    let lists: [(&[&str], &str, &str); 4] = [
        (&["line", "list"], "KT/1", "KT/2"),
        (&["order", "list"], "W-1", "W-2"),
        (&["pair", "list"], BAD, "00aabbccdd01-00aabbccdd03"),
        (&["policy", "show"], "foreign-network", "line-unknown [\"home\",null]"),
    ];
    bench.serve();
    for (list, good, bad) in lists {
        let (code, said, why) = asked(&bench, list);
        assert!(code == 1 && why.contains("warning: 1 row was tampered with"), "{list:?}: {said}{why}");
        let (shown, left_out) = said.split_once("TAMPERED, and left out").unwrap();
        assert!(shown.contains(good) && left_out.contains(bad) && left_out.contains(NO_FIT), "{said}");
        assert_eq!(json_of_a_no(&bench, list)["tampered"][0]["key"], bad);
    }
    let told = bench.json(&["incident", "list"]);
    let told = told["incidents"].as_array().unwrap().iter().map(|one| one["summary"].as_str().unwrap());
    assert_eq!(told.filter(|summary| summary.contains(NO_FIT)).count(), 4, "one for each row");
    assert_eq!(bench.stop(), 0);
}

#[test]
fn readiness_names_a_tampered_unit_with_units_too() {
    let bench = three();
    tamper(&bench.path("state/ledger.sqlite"));
    let answer = json_of_a_no(&bench, &["policy", "readiness", "--units"]);
    assert_eq!(answer["tampered"][0]["key"], BAD, "{answer}");
}

#[test]
fn what_is_done_is_answered_so_though_the_row_of_its_line_does_not_hold() {
    let bench = two_of_each(&["line"]);
    let line = ["--line", "KT/2"];
    bench.good(&[&["device", "add", "00aabbccdd04"][..], &line].concat());
    bench.good(&[&["device", "set", "00aabbccdd04", "--owner", "Zoe", "--why", "a test"][..]].concat());
    let create = ["order", "create", "W-4", "00aabbccdd04", "--until", UNTIL, "--why", "a test"];
    bench.good(&[&create[..], &line].concat());
    bench.good(&["order", "close", "W-4", "--why", "a test"]);
    bench.write("units.csv", "id,line\n00aabbccdd05,KT/2\n00aabbccdd06,KT/2\n");
    assert_eq!(bench.json(&["device", "import", "units.csv"])["added"], 2);
    bench.write("orders.csv", &format!("order,device,line,until\nW-5,00aabbccdd05,KT/2,{UNTIL}\n"));
    assert_eq!(bench.json(&["order", "import", "orders.csv"])["added"], 1);
}

#[test]
fn units_keep_their_own_addresses_and_keys_though_the_index_is_gone() {
    let bench = three();
    bench.good(&["cert", "issue", BAD, "--approver", "dave", "--out", "unit"]);
    let address = |unit: &str| bench.json(&["device", "show", unit])["device"]["inner_v4"].clone();
    let database = bench.path("state/ledger.sqlite");
    sql(&database, "DELETE FROM entry WHERE name = 'inner_v4'; DELETE FROM entry WHERE tbl = 'credential'");
    let verified = json_of_a_no(&bench, &["ledger", "verify"]);
    let found = verified["findings"].as_array().unwrap();
    assert!(found.len() == 4 && found.iter().all(|one| one["why"].as_str().unwrap().contains("index lacks")));
    let (code, said, _) = asked(&bench, &["backup", "kept"]);
    assert!(code == 1 && said.contains("WARNING: 4 findings in "), "{said}");

    bench.good(&["device", "add", "00aabbccdd04"]);
    let all = ["00aabbccdd01", BAD, "00aabbccdd03", "00aabbccdd04"].map(address);
    assert_eq!(all, ["10.64.0.1", "10.64.0.2", "10.64.0.3", "10.64.0.4"].map(Value::from));
    let shown = bench.json(&["device", "show", BAD]);
    assert_eq!(shown["credentials"].as_array().unwrap().len(), 1);
    assert!(bench.good(&["ledger", "verify"]).starts_with("good: "));
    assert!(bench.good(&["event", "tail"]).contains("ledger.index_mended"));

    fs::rename(bench.path("state"), bench.path("lost")).unwrap();
    let restore = ["restore", "kept", "--keys", "lost", "--why", "a test"];
    let (code, why) = bench.refused(&restore);
    assert!(code == 1 && why.contains("index lacks") && why.contains("--ledger-anew"), "{why}");
    fs::remove_dir_all(bench.path("state")).unwrap();
    assert_eq!(bench.json(&[&restore[..], &["--ledger-anew"]].concat())["ledger_anew"], true);
    assert!(bench.good(&["event", "tail", "--json"]).contains("\"ledger_anew\":true"));
}

#[test]
fn a_gateway_mends_the_index_beside_serving_and_opens_an_incident() {
    let mut bench = three();
    sql(&bench.path("state/ledger.sqlite"), "DELETE FROM entry");
    bench.serve();
    let deadline = Instant::now() + Duration::from_secs(60);
    while !bench.run(&["ledger", "verify"]).status.success() {
        assert!(Instant::now() < deadline, "the index stays as it is");
    }
    let incidents = bench.json(&["incident", "list"]);
    let mut summaries =
        incidents["incidents"].as_array().unwrap().iter().map(|one| one["summary"].as_str().unwrap());
    assert!(summaries.any(|summary| summary.contains("of table device did not fit")), "{incidents}");
    assert_eq!(bench.stop(), 0);
}

#[test]
fn a_damaged_ledger_is_moved_away_and_made_anew_and_whoever_does_that_hears_so() {
    let bench = three();
    bench.good(&["backup", "kept", "--with-keys"]);
    let database = bench.path("state/ledger.sqlite");
    fs::write(&database, "this was a ledger ".repeat(1000)).unwrap();
    let (code, why) = bench.refused(&["device", "list"]);
    assert!(code == 70 && why.contains("move `ledger.sqlite*` away"), "{why}");
    for end in ["", "-wal", "-shm"] {
        let _ = fs::remove_file(bench.path(&format!("state/ledger.sqlite{end}")));
    }
    let (code, said, why) = asked(&bench, &["device", "list"]);
    assert!(code == 0 && said.contains(BAD), "{said}{why}");
    assert!(why.contains("note: ledger: it was missing, and was made anew from 4 events"), "{why}");

    let (copy, anew) =
        (bench.path("kept/ledger.sqlite"), ["restore", "kept", "--why", "a test", "--ledger-anew"]);
    let mut octets = fs::read(&copy).unwrap();
    octets.push(0);
    for is_there in [true, false] {
        fs::remove_file(&copy).unwrap();
        if is_there {
            fs::write(&copy, &octets).unwrap();
            let (code, said, _) = asked(&bench, &["--data", "kept", "ledger", "verify"]);
            assert!(code == 1 && said.contains("damaged") && said.contains("ledger.sqlite"), "{said}");
        }
        let (code, why) = bench.refused(&[&["--data", "new"], &anew[..4]].concat());
        assert!(code == 1 && why.contains("--ledger-anew") && why.contains("ledger.sqlite"), "{why}");
        fs::remove_dir_all(bench.path("new")).unwrap();
    }
    let said = bench.good(&[&["--data", "new"], &anew[..]].concat());
    assert!(said.contains("made anew from the journal, 4 rows"), "{said}");

    let other = Bench::new();
    let keys = other.path("state");
    bench.good(&["backup", "without"]);
    let restore =
        ["--data", "third", "restore", "without", "--why", "a test", "--keys", keys.to_str().unwrap()];
    let (_, why) = bench.refused(&restore);
    assert!(why.contains("next: remove the unfinished data directory"), "{why}");
}
