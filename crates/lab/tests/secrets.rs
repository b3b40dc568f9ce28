//! Whatever is logged or written down, no key and no octet of what units send is in it.
#![allow(clippy::unwrap_used, reason = "tests")]

use lab::{Carrier, SERVICE, tour};
use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(octets);
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What every ping of the lab carries.
const PAYLOAD: &[u8] = b"truecell lab: is anybody there?!";

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// The octets of a key file, as they would look in a log: as they are, in hex, in base64.
fn forms(octets: &[u8]) -> Vec<Vec<u8>> {
    let hex: String = octets.iter().map(|octet| format!("{octet:02x}")).collect();
    let debug = format!("{octets:?}");
    vec![octets.to_vec(), hex.to_uppercase().into(), hex.into(), debug.trim_matches(['[', ']']).into()]
}

/// The private parts of the key files below `folder`: the 32 octets of each curve's scalar or seed, and
/// the two lines of PEM that hold it; the public key stands behind them.
fn secrets(folder: &Path) -> Vec<Vec<u8>> {
    let mut secrets = forms(PAYLOAD);
    for file in files(folder).iter().filter(|file| file.extension().is_some_and(|end| end == "key")) {
        let octets = fs::read(file).unwrap();
        let lines = octets.split(|octet| *octet == b'\n').filter(|line| !line.starts_with(b"-----"));
        secrets.extend(lines.filter(|line| line.len() == 64).take(2).map(<[u8]>::to_vec));
        let starts =
            octets.windows(2).enumerate().filter(|(_, at)| *at == [0x04, 0x20]).map(|(at, _)| at + 2);
        let private = starts.filter_map(|at| octets.get(at..at + 32));
        secrets.extend(private.flat_map(forms));
    }
    secrets
}

#[test]
fn no_key_and_no_payload_is_in_log_journal_or_ledger() {
    let log = Log::default();
    let writer = log.clone();
    tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
        .with_writer(move || writer.clone())
        .init();
    let dir = tempfile::tempdir().unwrap();
    let carrier = Carrier::start(dir.path()).unwrap();
    let units = tour(&carrier, &mut |_| ()).unwrap();
    assert_eq!(units[0].ping(SERVICE, 1).0, 1);
    carrier.gateway.shutdown();
    carrier.journal.close().unwrap();

    let secrets = secrets(dir.path());
    assert!(secrets.len() > 8, "key files were found: {}", secrets.len());
    let written =
        files(dir.path()).into_iter().filter(|file| file.extension().is_some_and(|end| end != "key"));
    let mut texts: Vec<(String, Vec<u8>)> =
        written.map(|file| (file.display().to_string(), fs::read(&file).unwrap())).collect();
    texts.push(("the log".into(), log.0.lock().unwrap().clone()));
    assert!(
        texts.iter().any(|(_, text)| text.windows(12).any(|at| at == b"unknown-devi")),
        "a reason is there"
    );
    for (name, text) in &texts {
        for secret in &secrets {
            let found = text.windows(secret.len()).any(|at| at == secret.as_slice());
            assert!(!found, "{name} holds {:?}", String::from_utf8_lossy(secret));
        }
    }
}
