use super::*;
use crate::{
    gateway::NodeStarted,
    journal::{KeyChanged, Pruned, verify, verify_with},
    witness::{DropFolder, Testimony},
};
use tempfile::TempDir;

fn key() -> JournalKey {
    let pkcs8 =
        aws_lc_rs::signature::Ed25519KeyPair::generate_pkcs8(&aws_lc_rs::rand::SystemRandom::new()).unwrap();
    JournalKey::from_pkcs8(pkcs8.as_ref()).unwrap()
}

fn open() -> (TempDir, JournalKey, Journal) {
    let (dir, key) = (TempDir::new().unwrap(), key());
    let (journal, _) = Journal::open(dir.path(), "gw1".parse().unwrap(), key.clone(), at()).unwrap();
    (dir, key, journal)
}

fn at() -> UnixTime {
    UnixTime::from_secs(1_790_000_000)
}

impl Journal {
    fn append_grouped(&self) -> u64 {
        let event = NodeStarted { epoch: 1, version: "0.1.0".into() };
        self.append(&event, at(), Durability::Grouped).unwrap().seq
    }

    /// A signed record of a kind that this Truecell reads and does not write.
    fn append_signed<T: Recorded>(&self, event: impl FnOnce(&Place<'_>) -> T) {
        let shared = &self.0.shared;
        let mut state = lock(&shared.state);
        let event = event(&state.place(&shared.node, at()));
        state.append_control(&shared.node, &event, at()).unwrap();
    }

    /// The next record begins a segment.
    fn fill_segment(&self) {
        lock(&self.0.shared.state).length = segment::MAX_SEGMENT;
    }

    /// Waits, and asks for nothing, until `holds`; how long that took.
    fn observe(&self, holds: impl Fn(&State) -> bool) -> Duration {
        let (shared, from) = (&self.0.shared, Instant::now());
        let mut state = lock(&shared.state);
        while !holds(&state) {
            assert!(from.elapsed() < Duration::from_secs(20), "it never came");
            state = shared.changed.wait_timeout(state, Duration::from_millis(5)).unwrap().0;
        }
        from.elapsed()
    }
}

#[test]
fn every_grouped_record_is_brought_to_disk_soon_not_only_the_first_behind_a_checkpoint() {
    let (_dir, _, journal) = open();
    // A checkpoint, a second after the first record, would bring the others along.
    lock(&journal.0.shared.state).checkpoint_due = Some(Instant::now() + Duration::from_secs(3600));
    for _ in 0..3 {
        let seq = journal.append_grouped();
        let took = journal.observe(|state| state.synced.seq >= seq);
        assert!(took < CHECKPOINT_AFTER / 2, "record {seq} took {took:?}");
    }
}

#[test]
fn a_record_is_signed_a_second_later_without_another_one() {
    let (dir, key, journal) = open();
    let seq = journal.append_grouped();
    journal.observe(|state| state.unsigned == 0 && state.synced.seq > seq);
    assert_eq!(verify(dir.path(), key.public_key()).unwrap().proven, seq + 1);
}

#[test]
fn a_checkpoint_that_fails_is_no_failure_of_the_record_before_it_and_is_made_up_for() {
    let (dir, key, journal) = open();
    let in_the_way = segment::path(dir.path(), 3);
    fs::write(&in_the_way, "").unwrap();
    {
        // Room for this record, not for a checkpoint behind it, which is due.
        let mut state = lock(&journal.0.shared.state);
        (state.length, state.unsigned) = (segment::MAX_SEGMENT - 300, CHECKPOINT_RECORDS - 1);
    }
    assert_eq!(journal.append_grouped(), 2);
    assert!(matches!(journal.check(), Err(JournalError::Write { .. })), "an alarm");
    fs::remove_file(&in_the_way).unwrap();
    journal.observe(|state| state.unsigned == 0);
    journal.check().unwrap();
    journal.close().unwrap();
    assert_eq!(verify(dir.path(), key.public_key()).unwrap().proven, 3);
}

#[test]
fn a_file_that_takes_nothing_for_a_while_keeps_what_it_has_and_takes_the_next_record() {
    let (dir, key, journal) = open();
    journal.append_grouped();
    journal.sync().unwrap();
    let file = |file| std::mem::replace(&mut lock(&journal.0.shared.state).file, file);
    // Neither writing nor cutting off is possible, as on a file system that is read-only by now.
    let writable = file(Arc::new(File::open(segment::path(dir.path(), 1)).unwrap()));
    let event = NodeStarted { epoch: 1, version: "0.1.0".into() };
    let refused = journal.append(&event, at(), Durability::Grouped);
    assert!(matches!(refused, Err(JournalError::Write { .. })), "{refused:?}");
    assert!(matches!(journal.check(), Err(JournalError::Write { .. })));
    drop(file(writable));
    assert_eq!(journal.append_grouped(), 3);
    journal.close().unwrap();
    assert_eq!(verify(dir.path(), key.public_key()).unwrap().proven, 4);
}

#[test]
fn a_new_key_takes_over_with_both_signatures_and_with_no_less() {
    for (old_signs, new_signs) in [(true, true), (true, false), (false, true)] {
        let (dir, old, journal) = open();
        let (new, other) = (key(), key());
        journal.append_signed(|place| {
            let public = new.public_key();
            let message = place.key_changed(&public);
            let by_old = if old_signs { old.sign(&message) } else { other.sign(&message) };
            let by_new = if new_signs { new.sign(&message) } else { other.sign(&message) };
            KeyChanged { key: public, by_old, by_new }
        });
        lock(&journal.0.shared.state).unsigned = 0;
        journal.close().unwrap();
        drop(journal);
        let (journal, _) = Journal::open(dir.path(), "gw1".parse().unwrap(), new.clone(), at()).unwrap();
        journal.append_grouped();
        journal.close().unwrap();
        let report = verify(dir.path(), old.public_key());
        match (old_signs && new_signs, report) {
            (true, Ok(report)) => assert_eq!((report.key, report.proven), (new.public_key(), 4)),
            (false, Err(broken)) => assert_eq!(broken.seq, 2),
            (_, other) => panic!("{other:?}"),
        }
    }
}

#[test]
fn pruned_segments_are_missed_unless_a_signed_record_says_so() {
    let (dir, key, journal) = open();
    for _ in 0..2 {
        journal.fill_segment();
        journal.append_grouped();
    }
    let segments = segment::list(dir.path()).unwrap();
    let [(1, begun), (2, second), (3, _)] = segments.as_slice() else { panic!("{segments:?}") };
    let line = fs::read(second).unwrap();
    let prev = serde_json::from_slice::<Record>(&line).unwrap().prev;
    journal.append_signed(|place| {
        let signature = key.sign(&place.pruned(2, &prev));
        Pruned { first: 2, prev, signature }
    });
    journal.close().unwrap();
    fs::remove_file(begun).unwrap();
    assert_eq!(verify(dir.path(), key.public_key()).unwrap().first, 2);
    fs::remove_file(second).unwrap();
    assert!(verify(dir.path(), key.public_key()).is_err(), "the second was not to be pruned");
}

#[test]
fn a_pruned_journal_must_still_have_the_last_that_its_witness_saw() {
    let (dir, key, journal) = open();
    let old = journal.checkpoint(at()).unwrap();
    journal.fill_segment();
    let recent = journal.checkpoint(at()).unwrap();
    let segments = segment::list(dir.path()).unwrap();
    let [(1, begun), (first, second)] = segments.as_slice() else { panic!("{segments:?}") };
    let line = fs::read(second).unwrap();
    let prev =
        serde_json::from_slice::<Record>(line.split(|octet| *octet == b'\n').next().unwrap()).unwrap().prev;
    journal.append_signed(|place| {
        let signature = key.sign(&place.pruned(*first, &prev));
        Pruned { first: *first, prev, signature }
    });
    journal.close().unwrap();
    fs::remove_file(begun).unwrap();
    let drop = TempDir::new().unwrap();
    let check = |checkpoint| {
        DropFolder::new(drop.path().to_owned()).put(checkpoint).unwrap();
        verify_with(dir.path(), key.public_key(), &Testimony::read(drop.path()).unwrap())
    };
    let broken = check(&old).unwrap_err();
    assert!(broken.seq == *first && broken.why.contains("gone before it"), "{broken}");
    assert_eq!(check(&recent).unwrap().witnessed.unwrap().checkpoints, 1);
}

#[test]
fn the_next_epoch_is_behind_the_newest_record_that_names_one_however_far_back() {
    use crate::ledger::{BackupBegun, Opened};
    let (dir, key, journal) = open();
    assert_eq!(journal.next_epoch().unwrap(), Epoch(0), "nothing names one");
    let opened = Opened { epoch: 7, finished: Vec::new() };
    journal.append(&opened, at(), Durability::Grouped).unwrap();
    let again = |journal: Journal| {
        journal.close().unwrap();
        drop(journal);
        Journal::open(dir.path(), "gw1".parse().unwrap(), key.clone(), at()).unwrap().0
    };
    let journal = again(journal);
    assert_eq!(journal.next_epoch().unwrap(), Epoch(8));
    let other = BackupBegun { to: "elsewhere".into(), with_keys: false, by: "kim".into() };
    for _ in 0..2 {
        journal.fill_segment();
        journal.append(&other, at(), Durability::Grouped).unwrap();
    }
    let journal = again(journal);
    assert_eq!(segment::list(dir.path()).unwrap().len(), 3);
    assert_eq!(journal.next_epoch().unwrap(), Epoch(8), "two segments back");
    let event = NodeStarted { epoch: 9, version: "0.1.0".into() };
    journal.append(&event, at(), Durability::Grouped).unwrap();
    assert_eq!(again(journal).next_epoch().unwrap(), Epoch(10));
}
