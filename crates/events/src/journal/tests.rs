use super::*;
use crate::{JournalKey, Record, gateway::NodeStarted};
use proptest::prelude::*;
use std::{fs, path::Path, thread};
use tempfile::TempDir;

pub(crate) fn key() -> JournalKey {
    let pkcs8 =
        aws_lc_rs::signature::Ed25519KeyPair::generate_pkcs8(&aws_lc_rs::rand::SystemRandom::new()).unwrap();
    JournalKey::from_pkcs8(pkcs8.as_ref()).unwrap()
}

pub(crate) fn node() -> NodeId {
    "gw1".parse().unwrap()
}

fn open(dir: &Path, key: &JournalKey) -> (Journal, Recovery) {
    Journal::open(dir, node(), key.clone(), at(0)).unwrap()
}

fn at(seconds: i64) -> UnixTime {
    UnixTime::from_secs(1_790_000_000 + seconds)
}

fn event(epoch: u64) -> NodeStarted {
    NodeStarted { epoch, version: "0.1.0".into() }
}

fn written(records: u64) -> (TempDir, JournalKey) {
    let (dir, key) = (TempDir::new().unwrap(), key());
    let (journal, _) = open(dir.path(), &key);
    for epoch in 0..records {
        journal.append(&event(epoch), at(1), Durability::Grouped).unwrap();
    }
    journal.close().unwrap();
    (dir, key)
}

fn file(dir: &Path) -> std::path::PathBuf {
    dir.join("00000000000000000001.jsonl")
}

#[test]
fn what_was_appended_is_read_back_in_order_and_verifies_to_the_end() {
    let (dir, key) = written(5);
    let report = verify(dir.path(), key.public_key()).unwrap();
    assert_eq!((report.first, report.last, report.proven), (1, 7, 7), "begun, five, checkpoint");
    let mut tail = Tail::new(dir.path(), 3);
    let record = tail.next_record().unwrap().unwrap();
    assert_eq!((record.seq, record.read::<NodeStarted>().unwrap()), (3, Some(event(1))));
    let rest: Vec<Record> = std::iter::from_fn(|| tail.next_record().unwrap()).collect();
    assert_eq!(rest.len(), 4);
    assert!(verify(dir.path(), self::key().public_key()).is_err(), "another key");
}

/// A kind of event that nothing writes any more.
#[derive(serde::Serialize, serde::Deserialize)]
struct OfBefore {
    order: String,
}

impl crate::Recorded for OfBefore {
    const KIND: &'static str = "pki.issue_intended";
}

#[test]
fn a_journal_with_events_of_an_older_version_verifies_and_shows_them() {
    let (dir, key) = (TempDir::new().unwrap(), key());
    let (journal, _) = open(dir.path(), &key);
    journal.append(&OfBefore { order: "4b".into() }, at(1), Durability::Grouped).unwrap();
    journal.close().unwrap();
    assert!(crate::kinds().all(|kind| kind != <OfBefore as crate::Recorded>::KIND));
    assert_eq!(verify(dir.path(), key.public_key()).unwrap().proven, 3, "begun, that, checkpoint");
    let record = Tail::new(dir.path(), 2).next_record().unwrap().unwrap();
    assert_eq!(record.body.get(), r#"{"order":"4b"}"#);
}

#[test]
fn a_record_of_a_newer_version_is_refused_by_name() {
    let (dir, key) = written(1);
    let lines = fs::read_to_string(file(dir.path())).unwrap();
    let lines: Vec<_> = lines.split_inclusive('\n').take(2).collect();
    fs::write(file(dir.path()), lines.concat()).unwrap();
    assert_eq!(verify(dir.path(), key.public_key()).unwrap().last, 2);
    fs::write(file(dir.path()), lines.concat().replace(r#"node_started","v":1"#, r#"node_started","v":2"#))
        .unwrap();
    let broken = verify(dir.path(), key.public_key()).unwrap_err();
    assert!(
        broken.seq == 2 && broken.why.starts_with("version 2 of gateway.node_started is not known"),
        "{broken}"
    );
}

#[test]
fn every_changed_octet_is_found_and_the_record_that_holds_it_is_named() {
    let (dir, key) = written(4);
    let whole = fs::read(file(dir.path())).unwrap();
    let mut seq = 1;
    for (index, octet) in whole.iter().enumerate() {
        let mut changed = whole.clone();
        changed[index] = octet ^ 1;
        fs::write(file(dir.path()), &changed).unwrap();
        let broken =
            verify(dir.path(), key.public_key()).expect_err(&format!("octet {index} of record {seq}"));
        assert_eq!(broken.seq, seq, "octet {index}: {broken}");
        seq += u64::from(*octet == b'\n');
    }
}

#[test]
fn another_spelling_of_the_last_signature_is_found_too() {
    let (dir, key) = written(4);
    let whole = fs::read(file(dir.path())).unwrap();
    let last = whole[..whole.len() - 1].iter().rposition(|octet| *octet == b'\n').unwrap() + 1;
    for index in last..whole.len() {
        for other in [whole[index] ^ 0x20, b'+', b' '] {
            let mut changed = whole.clone();
            changed[index] = other;
            fs::write(file(dir.path()), &changed).unwrap();
            let broken = verify(dir.path(), key.public_key()).expect_err(&format!("octet {index}"));
            assert_eq!(broken.seq, 6, "octet {index}: {broken}");
        }
    }
}

#[test]
fn a_missing_a_repeated_and_a_swapped_record_are_found() {
    let (dir, key) = written(4);
    let text = fs::read_to_string(file(dir.path())).unwrap();
    let lines: Vec<_> = text.split_inclusive('\n').collect();
    let mut missing = lines.clone();
    missing.remove(2);
    let mut repeated = lines.clone();
    repeated.insert(2, lines[2]);
    let mut swapped = lines.clone();
    swapped.swap(2, 3);
    for bad in [missing, repeated, swapped] {
        fs::write(file(dir.path()), bad.concat()).unwrap();
        assert!(verify(dir.path(), key.public_key()).is_err());
    }
}

#[test]
fn a_cut_tail_is_reported_as_unproven() {
    let (dir, key) = written(4);
    let text = fs::read_to_string(file(dir.path())).unwrap();
    let cut: String = text.split_inclusive('\n').take(4).collect();
    fs::write(file(dir.path()), cut).unwrap();
    let report = verify(dir.path(), key.public_key()).unwrap();
    assert_eq!((report.last, report.proven), (4, 0));
}

#[test]
fn wherever_the_last_line_is_cut_all_before_it_is_good_and_it_is_unfinished() {
    let (dir, key) = written(4);
    let whole = fs::read(file(dir.path())).unwrap();
    let last = whole[..whole.len() - 1].iter().rposition(|octet| *octet == b'\n').unwrap() + 1;
    for end in last + 1..whole.len() {
        fs::write(file(dir.path()), &whole[..end]).unwrap();
        let report = verify(dir.path(), key.public_key()).unwrap();
        let octets = (end - last) as u64;
        assert_eq!((report.last, report.proven), (5, 0), "{octets} octets");
        assert_eq!(report.unfinished, Some(Unfinished { seq: 6, octets }));
    }
}

#[test]
fn an_end_that_the_next_record_cannot_have_is_bad_and_what_is_good_before_it_is_said() {
    let (dir, key) = written(4);
    let whole = fs::read_to_string(file(dir.path())).unwrap();
    for end in ["x", "{\"seq\":\"8\"", "{\"seq\":\"7\",\"prev\":\"00", "\u{0}", "{\"seq\":\"7\" "] {
        fs::write(file(dir.path()), format!("{whole}{end}")).unwrap();
        let broken = verify(dir.path(), key.public_key()).unwrap_err();
        assert_eq!((broken.seq, broken.first, broken.proven), (7, 1, 6), "{end}: {broken}");
        assert_eq!((broken.why.as_str(), broken.code), ("the line is not finished", "bad-record"));
    }
}

#[test]
fn a_line_without_its_end_before_another_segment_is_bad() {
    let (dir, key) = written(4);
    let whole = fs::read_to_string(file(dir.path())).unwrap();
    let (first, last) = whole.split_at(whole[..whole.len() - 1].rfind('\n').unwrap() + 1);
    fs::write(dir.path().join("00000000000000000006.jsonl"), last).unwrap();
    fs::write(file(dir.path()), first).unwrap();
    assert_eq!(verify(dir.path(), key.public_key()).unwrap().last, 6);
    fs::write(file(dir.path()), &first[..first.len() - 9]).unwrap();
    let broken = verify(dir.path(), key.public_key()).unwrap_err();
    assert_eq!((broken.seq, broken.why.as_str()), (5, "the line is not finished"));
}

#[test]
fn what_is_proven_before_a_bad_record_is_proven_by_a_record_before_it() {
    let (dir, key) = written(2);
    let (journal, _) = open(dir.path(), &key);
    journal.checkpoint(at(2)).unwrap();
    journal.append(&event(3), at(3), Durability::Grouped).unwrap();
    journal.close().unwrap();
    let whole = fs::read_to_string(file(dir.path())).unwrap();
    let mut lines: Vec<_> = whole.split_inclusive('\n').map(str::to_owned).collect();
    assert!([3, 4, 6].into_iter().all(|index: usize| lines[index].contains("journal.checkpoint")));
    // What it signs is as it was.
    lines[4] = lines[4].replacen(r#""signature":"#, r#""signature": "#, 1);
    fs::write(file(dir.path()), lines.concat()).unwrap();
    let broken = verify(dir.path(), key.public_key()).unwrap_err();
    assert_eq!((broken.seq, broken.proven), (5, 4), "{broken}");
}

#[test]
fn a_folder_without_records_is_no_good_journal() {
    let dir = TempDir::new().unwrap();
    for segments in [0, 1] {
        if segments == 1 {
            fs::write(file(dir.path()), "").unwrap();
        }
        let broken = verify(dir.path(), key().public_key()).unwrap_err();
        assert!(broken.to_string().contains("no records"), "{broken}");
        assert_eq!(broken.code, "no-records");
    }
}

#[test]
fn a_record_that_was_cut_off_or_is_another_one_is_missed() {
    let (dir, key) = written(4);
    let (journal, _) = open(dir.path(), &key);
    let (mark, line) = (journal.on_disk(), fs::read_to_string(file(dir.path())).unwrap());
    let third = Sha256::of(line.split_inclusive('\n').nth(2).unwrap().as_bytes());
    journal.holds(mark.seq, Some(mark.sha256)).unwrap();
    journal.holds(3, Some(third)).unwrap();
    assert!(matches!(journal.holds(3, Some(mark.sha256)), Err(JournalError::Missing { seq: 3, .. })));
    assert!(matches!(journal.holds(mark.seq + 1, None), Err(JournalError::Missing { .. })));
    journal.append(&event(9), at(1), Durability::Grouped).unwrap();
    journal.holds(mark.seq, Some(mark.sha256)).unwrap();
}

#[test]
fn a_segment_that_was_removed_or_replaced_is_noticed() {
    let (dir, key) = written(1);
    let (journal, _) = open(dir.path(), &key);
    let (path, aside) = (file(dir.path()), dir.path().join("aside"));
    journal.check().unwrap();
    fs::rename(&path, &aside).unwrap();
    assert!(matches!(journal.check(), Err(JournalError::Gone(_))));
    fs::copy(&aside, &path).unwrap();
    assert!(matches!(journal.check(), Err(JournalError::Gone(_))));
    fs::rename(&aside, &path).unwrap();
    journal.check().unwrap();
}

#[test]
fn the_highest_time_of_what_was_there_is_known_whatever_is_written_now() {
    let (dir, key) = (TempDir::new().unwrap(), key());
    let (journal, _) = open(dir.path(), &key);
    assert_eq!(journal.seen_until(), None);
    for seconds in [5, 90, 7] {
        journal.append(&event(1), at(seconds), Durability::Grouped).unwrap();
    }
    drop(journal);
    let (journal, _) = open(dir.path(), &key);
    journal.append(&event(1), at(1000), Durability::Grouped).unwrap();
    assert_eq!(journal.seen_until(), Some(at(90)));
}

#[test]
fn an_unfinished_last_line_is_cut_off_and_named() {
    let (dir, key) = written(2);
    let mut text = fs::read_to_string(file(dir.path())).unwrap();
    text.push_str("{\"seq\":\"5\",\"prev");
    fs::write(file(dir.path()), text).unwrap();
    let (journal, recovery) = open(dir.path(), &key);
    assert_eq!(recovery.cut, 16);
    journal.close().unwrap();
    let report = verify(dir.path(), key.public_key()).unwrap();
    assert_eq!(report.last, 6);
    let mut tail = Tail::new(dir.path(), 5);
    let recovered = tail.next_record().unwrap().unwrap().read::<Recovered>().unwrap().unwrap();
    assert_eq!(recovered.cut, 16);
}

#[test]
fn a_broken_chain_stops_the_start() {
    let (dir, key) = written(3);
    let text = fs::read_to_string(file(dir.path())).unwrap().replace("\"epoch\":\"1\"", "\"epoch\":\"7\"");
    fs::write(file(dir.path()), text).unwrap();
    assert!(matches!(Journal::open(dir.path(), node(), key, at(0)), Err(JournalError::Broken { .. })));
}

#[test]
fn a_second_writer_is_kept_out() {
    let (dir, key) = (TempDir::new().unwrap(), key());
    let (journal, _) = open(dir.path(), &key);
    assert!(matches!(Journal::open(dir.path(), node(), key.clone(), at(0)), Err(JournalError::InUse(_))));
    drop(journal);
    open(dir.path(), &key);
}

#[test]
fn a_thousand_records_bring_a_checkpoint_by_themselves() {
    let (dir, key) = (TempDir::new().unwrap(), key());
    let (journal, _) = open(dir.path(), &key);
    for epoch in 0..1000 {
        journal.append(&event(epoch), at(1), Durability::Grouped).unwrap();
    }
    journal.sync().unwrap();
    assert!(verify(dir.path(), key.public_key()).unwrap().proven >= 1000);
}

#[test]
fn many_threads_wait_for_one_fsync_and_all_their_records_are_there() {
    let (dir, key) = (TempDir::new().unwrap(), key());
    let (journal, _) = open(dir.path(), &key);
    thread::scope(|scope| {
        for thread in 0..8 {
            let journal = journal.clone();
            scope.spawn(move || {
                (0..20).for_each(|n| {
                    drop(journal.append(&event(thread * 100 + n), at(1), Durability::Durable).unwrap())
                })
            });
        }
    });
    journal.close().unwrap();
    assert!(journal.append(&event(0), at(1), Durability::Grouped).is_err());
    let mut tail = Tail::new(dir.path(), 1);
    let epochs: std::collections::BTreeSet<u64> = std::iter::from_fn(|| tail.next_record().unwrap())
        .filter_map(|record| record.read::<NodeStarted>().unwrap())
        .map(|started| started.epoch)
        .collect();
    assert_eq!(epochs.len(), 160);
    assert!(verify(dir.path(), key.public_key()).is_ok());
}

#[test]
fn anyone_can_check_a_link_with_sha256sum() {
    let (dir, _) = written(3);
    let script = "sed -n 2p \"$1\" | sha256sum | cut -d' ' -f1; sed -n 3p \"$1\"";
    let out =
        std::process::Command::new("sh").args(["-c", script, "sh"]).arg(file(dir.path())).output().unwrap();
    let out = String::from_utf8(out.stdout).unwrap();
    let (hash, third) = out.split_once('\n').unwrap();
    assert!(third.contains(&format!("\"prev\":\"{hash}\"")), "{out}");
}

proptest! {
    #[test]
    fn a_journal_cut_anywhere_opens_again_and_keeps_every_whole_line(cut in 0usize..2000) {
        let (dir, key) = written(6);
        let whole = fs::read(file(dir.path())).unwrap();
        let cut = cut % (whole.len() + 1);
        fs::write(file(dir.path()), &whole[..cut]).unwrap();
        let lines = whole[..cut].iter().filter(|octet| **octet == b'\n').count() as u64;
        let (journal, recovery) = open(dir.path(), &key);
        let is_partial = cut > 0 && whole[cut - 1] != b'\n';
        prop_assert_eq!(recovery.cut > 0, is_partial);
        prop_assert_eq!(journal.head(), (lines + u64::from(is_partial)).max(if lines == 0 { 1 + u64::from(is_partial) } else { 0 }));
        journal.close().unwrap();
        prop_assert!(verify(dir.path(), key.public_key()).is_ok());
    }
}

#[test]
fn times_of_a_clock_that_was_set_forward_do_not_count_at_the_next_start() {
    let (dir, key) = (TempDir::new().unwrap(), key());
    let (year, jumped) = (365 * 86_400, |raised, expected| crate::gateway::Alarm {
        alarm: crate::gateway::Alarm::CLOCK_JUMPED.into(),
        raised,
        detail: "it has been set".into(),
        expected,
    });
    let seen = |written: &dyn Fn(&Journal)| {
        let (journal, _) = open(dir.path(), &key);
        written(&journal);
        drop(journal);
        open(dir.path(), &key).0.seen_until()
    };
    let append = |journal: &Journal, seconds| {
        let stopped = crate::gateway::NodeStopped { epoch: 1, unwritten: 0 };
        journal.append(&stopped, at(seconds), Durability::Grouped).unwrap();
    };
    let forward = seen(&|journal| {
        append(journal, 5);
        append(journal, year);
        journal.append(&jumped(true, Some(at(6))), at(year + 1), Durability::Grouped).unwrap();
        append(journal, year + 2);
    });
    assert_eq!(forward, Some(at(6)), "the record before it was noticed does not count either");
    let right = seen(&|journal| {
        journal.append(&jumped(false, None), at(7), Durability::Grouped).unwrap();
        append(journal, 9);
    });
    assert_eq!(right, Some(at(9)), "it is right again");
    let kept = seen(&|journal| {
        journal.append(&jumped(true, Some(at(10))), at(year), Durability::Grouped).unwrap();
        journal.append(&event(2), at(year + 1), Durability::Grouped).unwrap();
    });
    assert_eq!(kept, Some(at(year + 1)), "a start takes the clock as it is");
}
