//! The feed of access lines against a real daemon: who is let in by it, who is suspended by it, and what stops it.

use crate::{
    bench::Bench,
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
    time::{Duration, Instant},
};

const HOME: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 1);
const AWAY: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// Initialised, with a feed of lines.
fn with_feed(terms: &str) -> Bench {
    let bench = Bench::bare();
    let config = fs::read_to_string(bench.path("truecell.toml")).unwrap();
    bench.write("truecell.toml", &format!("{config}[records.line]\nfeed = \"feed\"\n{terms}"));
    fs::create_dir(bench.path("feed")).unwrap();
    bench.good(&["init"]);
    bench
}

/// One more line of the feed.
fn says(bench: &Bench, record: &str) {
    let mut file = File::options().create(true).append(true).open(bench.path("feed/1.jsonl")).unwrap();
    writeln!(file, "{record}").unwrap();
}

fn has(bench: &Bench, line: &str, address: Ipv4Addr) {
    let now = UnixTime::now();
    says(
        bench,
        &format!(
            r#"{{"v":1,"kind":"line-session","line":"{line}","address":"{address}","from":"{now}","at":"{now}"}}"#
        ),
    );
}

fn became(bench: &Bench, line: &str, kind: &str) {
    says(bench, &format!(r#"{{"v":1,"kind":"{kind}","line":"{line}","at":"{}"}}"#, UnixTime::now()));
}

fn heartbeat(bench: &Bench) {
    says(bench, &format!(r#"{{"v":1,"kind":"heartbeat","at":"{}"}}"#, UnixTime::now()));
}

fn state(bench: &Bench, device: &str) -> String {
    bench.json(&["device", "show", device])["device"]["state"].as_str().unwrap().to_owned()
}

pub(crate) fn until(what: &str, holds: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::park_timeout(Duration::from_millis(50));
    }
}

/// The value of a metric, with its labels; 0 without it.
pub(crate) fn metric(bench: &Bench, name: &str) -> u64 {
    let (_, page) = bench.page("/metrics");
    let value = page.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
    value.unwrap_or(0)
}

pub(crate) fn events(bench: &Bench, kind: &str) -> Vec<Value> {
    let journal = bench.good(&["--json", "event", "tail", "--from", "1"]);
    let records = journal.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    records.filter(|record| record["kind"] == kind).collect()
}

#[test]
fn a_unit_is_let_in_by_its_line_refused_on_anothers_and_cut_when_its_line_is_cancelled() {
    let mut bench = with_feed("");
    let unit = unit(&bench);
    bench.good(&["device", "set", DEVICE, "--line", "L-1", "--why", "a test"]);
    has(&bench, "L-1", HOME);
    has(&bench, "L-2", AWAY);
    let ready = bench.serve_until("ready");
    let gateway = gateway(&bench, ready.last().unwrap());
    let stop = AtomicBool::new(false);
    assert!(Femtocell::attach(&unit, &gateway, AWAY.into(), false, &stop).is_err());
    let refused = events(&bench, "admission.refused");
    assert_eq!(refused.len(), 1);
    assert_eq!(refused[0]["body"]["reason"], "foreign-network");
    assert_eq!(refused[0]["body"]["claim"]["outer"]["line"]["known"]["value"], "L-2");
    let _femtocell = Femtocell::attach(&unit, &gateway, HOME.into(), false, &stop).unwrap();
    let admitted = events(&bench, "admission.admitted");
    assert_eq!(admitted[0]["body"]["claim"]["outer"]["line"]["known"]["source"], "line-feed");

    became(&bench, "L-1", "line-cancelled");
    let began = Instant::now();
    until("it is not suspended", || state(&bench, DEVICE) == "suspended");
    until("its tunnel stands", || {
        bench.json(&["session", "list"])["sessions"].as_array().unwrap().is_empty()
    });
    println!("{:?} from the feed to the end of the tunnel", began.elapsed());
    let moved = events(&bench, "ledger.row_changed");
    let moved = moved.iter().rev().find(|record| record["body"]["after"]["state"] == "suspended").unwrap();
    assert_eq!(moved["body"]["by"], "truecell");
    let why = moved["body"]["why"].as_str().unwrap();
    assert!(why.starts_with("the feed of lines: L-1 was cancelled at 20"), "{why}");

    // Whoever a person brought back stays, also when the feed is read from its beginning.
    bench.good(&["device", "move", DEVICE, "installed", "--why", "the line was paid for"]);
    for file in ["state/records/line-ends.jsonl", "none"] {
        bench.kill();
        // Without what was written down the ledger itself says it.
        let _ = fs::remove_file(bench.path(file));
        bench.serve();
        let taken = || metric(&bench, "truecell_line_feed_lines_total{outcome=\"change\"}");
        until("the end is not read", || {
            taken() + metric(&bench, "truecell_line_feed_lines_total{outcome=\"change-known\"}") == 1
        });
        heartbeat(&bench);
        until("the feed is not followed", || {
            metric(&bench, "truecell_line_feed_lines_total{outcome=\"heartbeat\"}") > 0
        });
        assert_ne!(state(&bench, DEVICE), "suspended");
    }
}

#[test]
fn a_feed_that_ends_many_lines_at_once_suspends_few_units_and_a_person_settles_the_rest() {
    let mut bench = with_feed("");
    let units = ["00aabbcc0001", "00aabbcc0002", "00aabbcc0003"];
    for (number, unit) in units.iter().enumerate() {
        bench.good(&["device", "add", unit, "--line", &format!("L-{number}")]);
    }
    bench.serve();
    for number in 0..units.len() {
        became(&bench, &format!("L-{number}"), "line-cancelled");
    }
    until("no end is held", || metric(&bench, "truecell_lines_held") == 2);
    let states = |bench: &Bench| units.map(|unit| state(bench, unit));
    assert_eq!(states(&bench), ["suspended", "installed", "installed"]);
    let alarm = bench.wait_logged("lines-held");
    assert!(alarm.contains("such as L-1"), "{alarm}");
    assert_eq!(bench.page("/readyz").0, 200, "admission goes on");

    // It stays so over a restart, whatever time has passed.
    bench.kill();
    bench.serve();
    bench.wait_logged("lines-held");
    assert_eq!(metric(&bench, "truecell_lines_held"), 2);
    assert_eq!(states(&bench), ["suspended", "installed", "installed"]);
    bench.good(&["device", "move", units[1], "suspended", "--why", "its line was cancelled, I asked"]);
    until("it waits though a person did it", || metric(&bench, "truecell_lines_held") == 1);
    became(&bench, "L-2", "line-restored");
    until("it waits though the feed took it back", || metric(&bench, "truecell_lines_held") == 0);
    bench.wait_logged("\"over\"");
    assert_eq!(states(&bench), ["suspended", "suspended", "installed"]);
}

#[test]
fn a_feed_that_says_nothing_counts_for_nothing_and_says_so_and_bad_lines_are_kept_aside() {
    let mut bench = with_feed("stale_s = 2\n");
    let unit = unit(&bench);
    bench.good(&["line", "add", "L-1", "127.0.0.1/32"]);
    bench.good(&["device", "set", DEVICE, "--line", "L-1", "--why", "a test"]);
    has(&bench, "L-2", HOME);
    says(&bench, "{\"v\":1,\"kind\":\"line-session\"}");
    let ready = bench.serve_until("ready");
    let gateway = gateway(&bench, ready.last().unwrap());
    let alarm = bench.wait_logged("line-feed-stale");
    assert!(alarm.contains("has said nothing since 20"), "{alarm}");
    let attach = || Femtocell::attach(&unit, &gateway, HOME.into(), false, &AtomicBool::new(false));
    // Whatever it said last: the prefix of its own line is what is left.
    drop(attach().unwrap());
    let admitted = events(&bench, "admission.admitted");
    assert_eq!(admitted[0]["body"]["claim"]["outer"]["line"]["known"]["source"], "ledger");
    let bad = fs::read_to_string(bench.path("state/records/line-bad.jsonl")).unwrap();
    let bad: Value = serde_json::from_str(&bad).unwrap();
    assert_eq!((&bad["line"], bad["file"].as_str().unwrap().ends_with("1.jsonl")), (&2.into(), true));
    assert!(bad["why"].as_str().unwrap().contains("missing field `at`"), "{bad}");
    assert_eq!(metric(&bench, "truecell_line_feed_lines_total{outcome=\"bad\"}"), 1);
    heartbeat(&bench);
    bench.wait_logged("\"over\"");
}

#[test]
fn databases_are_read_anew_with_the_configuration_and_one_that_is_none_changes_nothing() {
    let mut bench = with_feed("");
    let unit = unit(&bench);
    let database = |asn: u32| {
        let value = serde_json::json!({"country": {"iso_code": "KR"}, "autonomous_system_number": asn});
        lab::Mmdb::new().with("127.0.0.0/8", &value).octets(1_790_000_000)
    };
    fs::write(bench.path("networks.mmdb"), database(64501)).unwrap();
    let config = fs::read_to_string(bench.path("truecell.toml")).unwrap();
    let section =
        "[records.sources]\ndatabases = [\"networks.mmdb\"]\nown_asns = [64500]\nhome_country = \"KR\"\n";
    bench.write("truecell.toml", &(config + section));
    let ready = bench.serve_until("ready");
    let gateway = gateway(&bench, ready.last().unwrap());
    let class = || {
        drop(Femtocell::attach(&unit, &gateway, HOME.into(), false, &AtomicBool::new(false)).unwrap());
        let admitted = events(&bench, "admission.admitted");
        admitted.last().unwrap()["body"]["claim"]["outer"]["class"]["known"]["value"].clone()
    };
    assert_eq!(class(), "other-fixed");
    fs::write(bench.path("networks.mmdb"), "no database").unwrap();
    let (code, why) = bench.refused(&["config", "apply"]);
    assert!(code == 64 && why.contains("no MaxMind DB"), "{code}: {why}");
    fs::write(bench.path("networks.mmdb"), database(64500)).unwrap();
    let applied = bench.json(&["config", "apply"]);
    assert_eq!(applied["changes"][0]["key"], "records.sources.databases (SHA-256)");
    assert_eq!(class(), "own-fixed");
}
