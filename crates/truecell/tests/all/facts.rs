//! The feed of device facts against a real daemon: what a claim says by it, whose tunnel ends by it, and what its silence does.

use crate::{
    bench::Bench,
    lines::{events, metric, until},
    top::{DEVICE, gateway, unit},
};
use ids::UnixTime;
use lab::Femtocell;
use serde_json::Value;
use std::{
    fs::{self, File},
    io::Write,
    net::Ipv4Addr,
    sync::atomic::AtomicBool,
    time::Duration,
};

const HOME: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 1);

/// Initialised, with a feed of device facts.
fn with_feed(terms: &str) -> Bench {
    let bench = Bench::bare();
    let config = fs::read_to_string(bench.path("truecell.toml")).unwrap();
    bench.write("truecell.toml", &format!("{config}[records.facts]\nfeed = \"facts\"\n{terms}"));
    fs::create_dir(bench.path("facts")).unwrap();
    bench.good(&["init"]);
    bench
}

/// One more line of the feed.
fn writes(bench: &Bench, line: &str) {
    let mut file = File::options().create(true).append(true).open(bench.path("facts/1.jsonl")).unwrap();
    writeln!(file, "{line}").unwrap();
}

/// The unit says so, by a clock that is ahead of ours.
fn says(bench: &Bench, ahead: Duration, facts: &str) {
    let at = UnixTime::now().after(ahead);
    writes(
        bench,
        &format!(
            r#"{{"v":1,"kind":"device-facts","device":"{DEVICE}","seen_at":"{at}","at":"{at}",{facts}}}"#
        ),
    );
}

fn tunnel(ike_spi: &str, created_at: UnixTime) -> String {
    format!(r#""tunnel":{{"ike_spi":"{ike_spi}","created_at":"{created_at}"}}"#)
}

fn sessions(bench: &Bench) -> usize {
    bench.json(&["session", "list"])["sessions"].as_array().unwrap().len()
}

#[test]
fn a_copied_key_is_found_by_the_tunnel_that_the_unit_itself_has() {
    let mut bench = with_feed("");
    let unit = unit(&bench);
    bench.good(&["line", "add", "L-1", "127.0.0.1/32"]);
    bench.good(&["device", "set", DEVICE, "--line", "L-1", "--firmware", "2.4", "--why", "a test"]);
    // A unit that is asked about the tunnel that it had before says nothing about one that comes after.
    says(
        &bench,
        Duration::ZERO,
        &format!(
            r#""serial":"00-AA-BB-CC-DD-EE","software":"2.4",{}"#,
            tunnel("0000000000000001", UnixTime::now())
        ),
    );
    let ready = bench.serve_until("ready");
    let gateway = gateway(&bench, ready.last().unwrap());
    let attach = || Femtocell::attach(&unit, &gateway, HOME.into(), false, &AtomicBool::new(false));
    // Who holds the key behind the unit's own line, while the unit is elsewhere.
    let _copy = attach().unwrap();
    let began = UnixTime::now();
    let admitted = events(&bench, "admission.admitted");
    let claim = &admitted[0]["body"]["claim"];
    let facts = &claim["facts"]["known"];
    assert_eq!(facts["source"], "management");
    let value = &facts["value"];
    assert_eq!((&value["serial"], &value["software"]), (&true.into(), &true.into()));
    assert_eq!((&value["tunnel"], &value["neighbours"]), (&Value::Null, &Value::Null));

    // Its own tunnel, under the SPI that it has.
    let spi = claim["ike_spis"]["initiator"].as_str().unwrap().to_owned();
    says(&bench, Duration::from_secs(2), &tunnel(&spi, began));
    until("it is not read", || metric(&bench, "truecell_facts_feed_lines_total{outcome=\"newer\"}") == 1);
    assert_eq!(sessions(&bench), 1);
    until("time passes", || UnixTime::now() > began.after(Duration::from_secs(3)));
    says(&bench, Duration::from_secs(59), &tunnel("00000000000000ff", began));
    let list = || bench.json(&["incident", "list"]);
    until("nobody is told", || list()["incidents"].as_array().is_some_and(|all| !all.is_empty()));
    assert_eq!(sessions(&bench), 1, "whoever can speak to management as the unit ends nobody at home");
    let incidents = list();
    let incident = &incidents["incidents"][0];
    assert_eq!((&incident["kind"], &incident["devices"][0]), (&"wrong-hands".into(), &DEVICE.into()));
    let number = incident["number"].to_string();
    let shown = bench.json(&["incident", "show", &number]);
    assert!(shown.to_string().contains(r#""tunnel":false"#), "{shown}");
}

#[test]
fn a_feed_that_says_nothing_counts_for_nothing_and_says_so_and_bad_lines_are_kept_aside() {
    let mut bench = with_feed("stale_s = 2\n");
    let unit = unit(&bench);
    says(&bench, Duration::ZERO, r#""serial":"00aabbcc0001""#);
    writes(&bench, "{\"v\":1,\"kind\":\"device-facts\"}");
    let ready = bench.serve_until("ready");
    let gateway = gateway(&bench, ready.last().unwrap());
    let alarm = bench.wait_logged("facts-feed-stale");
    assert!(alarm.contains("has said nothing since 20"), "{alarm}");
    assert_eq!(bench.page("/readyz").0, 200, "admission goes on");
    let attach = || Femtocell::attach(&unit, &gateway, HOME.into(), false, &AtomicBool::new(false));
    // Another unit's number would be wrong hands, did it count.
    drop(attach().unwrap());
    let admitted = events(&bench, "admission.admitted");
    assert_eq!(admitted[0]["body"]["claim"]["facts"]["missing"], "stale");
    let bad = fs::read_to_string(bench.path("state/records/facts-bad.jsonl")).unwrap();
    assert!(bad.contains("missing field `at`"), "{bad}");
    assert_eq!(metric(&bench, "truecell_facts_feed_lines_total{outcome=\"bad\"}"), 1);
    assert_eq!(metric(&bench, "truecell_facts_units"), 1);
    let now = UnixTime::now();
    writes(&bench, &format!(r#"{{"v":1,"kind":"heartbeat","at":"{}"}}"#, now.after(Duration::from_secs(50))));
    bench.wait_logged("\"over\"");
    assert!(attach().is_err());
    let refused = events(&bench, "admission.refused");
    assert_eq!(refused[0]["body"]["reason"], "wrong-hands");
}
