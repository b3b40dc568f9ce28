//! The machine's clock is set while `serve` runs: by libfaketime, which stands between it and the kernel.

use crate::crash::{Estate, attach};
use std::{fs, path::Path};

const LIBRARY: &str = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1";

/// The next alarm of the journal that is about the clock: its record.
fn next(alarms: &mut impl Iterator<Item = String>) -> serde_json::Value {
    serde_json::from_str(&alarms.next().unwrap()).unwrap()
}

#[test]
fn serve_says_that_its_clock_was_set_and_that_it_is_right_again() {
    if !Path::new(LIBRARY).exists() {
        return println!("skipped: needs libfaketime");
    }
    let mut estate = Estate::of(1);
    let bench = &mut estate.bench;
    bench.write("clock", "+0");
    let mut serve = bench.command(&["serve"]);
    serve.env("LD_PRELOAD", LIBRARY).env("FAKETIME_TIMESTAMP_FILE", bench.path("clock"));
    serve.env("FAKETIME_NO_CACHE", "1").env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    bench.start(serve, "ready");
    let set = |by: &str| {
        bench.write("clock.new", by);
        fs::rename(bench.path("clock.new"), bench.path("clock")).unwrap();
    };
    let (mut follower, records) = bench.follow();
    let mut alarms = records.filter(|line| line.contains("gateway.alarm"));

    set("+1y");
    let record = next(&mut alarms);
    assert_eq!((&record["body"]["alarm"], &record["body"]["raised"]), (&"clock-jumped".into(), &true.into()));
    let (at, expected) = (record["at"].as_str().unwrap(), record["body"]["expected"].as_str().unwrap());
    let [at, expected] = [at, expected].map(|time| time.parse::<ids::UnixTime>().unwrap());
    assert!(at.since(expected).as_secs() > 360 * 86_400, "{record}");
    let (status, page) = bench.page("/readyz");
    assert!(status == 200 && page.contains("it has been set forward by 31"), "{page}");
    assert!(bench.logged("clock-jumped")[0].contains("admission goes on"));

    set("-1h");
    let both = [next(&mut alarms), next(&mut alarms)].map(|record| record["body"].clone());
    let told = |word: &str| both.iter().find(|body| body["alarm"] == word).unwrap()["raised"].clone();
    assert_eq!((told("clock-jumped"), told("clock-untrusted")), (false.into(), true.into()));
    let (status, page) = bench.page("/readyz");
    assert!(status == 503 && page.contains("no certificate is judged"), "{page}");
    // Operators go on: what they say now is no less true.
    bench.good(&["device", "add", "00aabbccddee"]);

    set("+0");
    let over = next(&mut alarms);
    assert_eq!((&over["body"]["alarm"], &over["body"]["raised"]), (&"clock-untrusted".into(), &false.into()));
    assert_eq!(bench.page("/readyz").0, 200);
    let _ = follower.kill();
    follower.wait().unwrap();
    assert_eq!(bench.stop(), 0);
    assert_eq!(bench.json(&["event", "verify"])["ok"], true);
    // The next start does not hold its clock to the time that it was set forward to.
    estate.start();
    estate.bench.good(&["device", "show", "00aabbccddee"]);
    assert_eq!(attach(&estate.gateway, &estate.units, |_| true).len(), 1);
}
