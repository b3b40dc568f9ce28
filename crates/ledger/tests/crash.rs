//! kill -9 in the middle of changes: nothing acknowledged is lost, nothing half done stays.
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout, reason = "tests")]

use events::{Journal, JournalKey, journal::verify};
use ids::{DeviceId, UnixTime};
use ledger::{Ledger, LifeCycle, NewDevice, Pools, RowKey, store::Sqlite};
use std::{
    env,
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
};
use tempfile::TempDir;

const CHILD: &str = "TRUECELL_CRASH_TEST_DIR";

fn now() -> UnixTime {
    UnixTime::from_secs(1_790_000_000)
}

fn id(n: u64) -> DeviceId {
    DeviceId::eui64(n.to_be_bytes())
}

fn key(dir: &Path) -> JournalKey {
    JournalKey::open_or_create(&dir.join("journal.key")).unwrap()
}

fn open(dir: &Path) -> Ledger {
    let (journal, _) = Journal::open(&dir.join("journal"), "gw1".parse().unwrap(), key(dir), now()).unwrap();
    let store = Box::new(Sqlite::open(&dir.join("ledger.sqlite")).unwrap());
    let pools = Pools { v4: Some("10.64.0.0/12".parse().unwrap()), v6: None };
    Ledger::open(store, journal, RowKey::open_or_create(&dir.join("row.key")).unwrap(), pools, now())
        .unwrap()
        .0
}

/// What the child does until it is killed: adds units and reports every other one lost, saying so on
/// standard output once the ledger has acknowledged it.
#[test]
fn child_that_changes_until_it_is_killed() {
    let Ok(dir) = env::var(CHILD) else { return };
    let ledger = open(Path::new(&dir));
    let first = ledger.devices(None, None, 100_000).unwrap().len() as u64;
    for n in first.. {
        ledger.add_device(NewDevice::installed(id(n)), "kim", now()).unwrap();
        println!("added {n}");
        if n % 2 == 0 {
            ledger.move_device(id(n), LifeCycle::Lost, "kim", "lost", None, now()).unwrap();
            println!("lost {n}");
        }
    }
}

#[test]
fn killed_again_and_again_the_ledger_keeps_all_that_it_acknowledged() {
    let dir = TempDir::new().unwrap();
    let mut acknowledged = Vec::new();
    for round in 0..12 {
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["--exact", "child_that_changes_until_it_is_killed", "--nocapture", "--test-threads=1"])
            .env(CHILD, dir.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut heard = 0;
        for line in lines.map_while(Result::ok) {
            if let Some((what, n)) = line.split_once(' ').filter(|(what, _)| ["added", "lost"].contains(what))
            {
                acknowledged.push((what == "lost", n.parse::<u64>().unwrap()));
                heard += 1;
            }
            // A different point every time, and the pipe may hold more that was acknowledged.
            if heard == 3 + round * 2 {
                child.kill().unwrap();
            }
        }
        child.wait().unwrap();
        assert!(heard >= 3, "the child did something before it died");

        let report = verify(&dir.path().join("journal"), key(dir.path()).public_key()).or_else(|_| {
            // An unfinished last line is for the next start to cut off.
            drop(open(dir.path()));
            verify(&dir.path().join("journal"), key(dir.path()).public_key())
        });
        report.unwrap();
        let ledger = open(dir.path());
        for (lost, n) in &acknowledged {
            let device = ledger.device(id(*n)).unwrap().unwrap();
            assert!(!lost || device.state == LifeCycle::Lost, "unit {n} was reported lost");
        }
        assert_eq!(ledger.verify().unwrap().findings, []);
    }
}
