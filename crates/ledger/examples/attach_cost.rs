//! What the ledger and the journal cost an attach: reads of device, credential, line and lease, the
//! event, the lease; 16 claims to a transaction. Prints CPU time of this thread for each claim.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "an example that measures")]

use events::{Durability, Journal, JournalKey, admission::Admitted};
use ids::{DeviceId, SessionId, Sha256, UnixTime};
use ledger::{AccessLineRecord, Credential, Lease, Ledger, NewDevice, Pools, RowKey, store::Sqlite};
use std::{fs, time::Duration};

fn cpu() -> Duration {
    let stat = fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(stat.split(' ').next().unwrap().parse().unwrap())
}

fn main() {
    let dir = std::env::temp_dir().join(format!("truecell-attach-cost-{}", std::process::id()));
    fs::create_dir_all(&dir).unwrap();
    let now = UnixTime::now();
    let key = JournalKey::open_or_create(&dir.join("journal.key")).unwrap();
    let (journal, _) = Journal::open(&dir.join("journal"), "bench".parse().unwrap(), key, now).unwrap();
    let store = Box::new(Sqlite::open(&dir.join("ledger.sqlite")).unwrap());
    let pools = Pools { v4: Some("10.64.0.0/12".parse().unwrap()), v6: None };
    let (ledger, _) = Ledger::open(store, journal.clone(), RowKey::new(&[1; 32]), pools, now).unwrap();

    let devices = 4096u64;
    let id = |n: u64| DeviceId::eui64((n + 1).to_be_bytes());
    let sha = |n: u64| {
        let mut octets = [0; 32];
        octets[..8].copy_from_slice(&(n + 1).to_be_bytes());
        Sha256(octets)
    };
    let line = AccessLineRecord {
        line: "L-1".parse().unwrap(),
        prefixes: vec!["127.0.0.0/8".parse().unwrap()],
        region: String::new(),
    };
    ledger.put_line(&line, "bench", now).unwrap();
    let rows = (0..devices)
        .map(|n| (n, NewDevice { access_line: Some(line.line.clone()), ..NewDevice::installed(id(n)) }));
    ledger.import(rows, "bench", now, |_| ()).unwrap();
    let credentials: Vec<_> = (0..devices)
        .map(|n| Credential {
            cert_sha256: sha(n),
            device: id(n),
            realm: "femto.operator.example".parse().unwrap(),
            serial: format!("{n:x}"),
            spki_sha256: sha(n),
            not_before: now,
            not_after: now.after(Duration::from_secs(86_400)),
            issued_at: now,
            revoked: None,
        })
        .collect();
    ledger.record_credentials(&credentials, "bench", now).unwrap();

    for _ in 0..3 {
        let began = cpu();
        for batch in (0..devices).collect::<Vec<_>>().chunks(16) {
            let mut tx = ledger.begin().unwrap();
            for n in batch {
                let device = tx.device(id(*n)).unwrap().unwrap();
                tx.credential(sha(*n)).unwrap().unwrap();
                tx.line(&line.line).unwrap().unwrap();
                tx.lease(id(*n)).unwrap();
                let session = SessionId { epoch: ledger.epoch(), number: *n };
                let admitted = Admitted {
                    device: device.id,
                    session,
                    cert_sha256: sha(*n),
                    outer: "127.0.0.1:4500".parse().unwrap(),
                    line: Some(line.line.clone()),
                    how: "first".into(),
                    rules: "1".into(),
                    reasons: vec![],
                    claim: serde_json::json!({"fingerprint": {"proposals": vec!["1:1:20:256"; 12]}}),
                };
                let event = journal.append(&admitted, now, Durability::Grouped).unwrap();
                let lease = Lease {
                    device: device.id,
                    node: ledger.node().clone(),
                    epoch: ledger.epoch(),
                    session,
                    cert_sha256: sha(*n),
                    outer: "127.0.0.1:4500".parse().unwrap(),
                    since: now,
                };
                tx.take_lease(&lease, event).unwrap();
            }
            tx.commit().unwrap();
        }
        println!("{:.1} us for each claim", (cpu() - began).as_secs_f64() * 1e6 / devices as f64);
    }
    fs::remove_dir_all(&dir).unwrap();
}
