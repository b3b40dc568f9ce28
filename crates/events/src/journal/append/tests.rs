use super::*;
use crate::{gateway::NodeStarted, journal::verify};
use tempfile::TempDir;

fn open() -> (TempDir, JournalKey, Journal) {
    let dir = TempDir::new().unwrap();
    let pkcs8 =
        aws_lc_rs::signature::Ed25519KeyPair::generate_pkcs8(&aws_lc_rs::rand::SystemRandom::new()).unwrap();
    let key = JournalKey::from_pkcs8(pkcs8.as_ref()).unwrap();
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
        let took = journal.observe(|state| state.synced >= seq);
        assert!(took < CHECKPOINT_AFTER / 2, "record {seq} took {took:?}");
    }
}

#[test]
fn a_record_is_signed_a_second_later_without_another_one() {
    let (dir, key, journal) = open();
    let seq = journal.append_grouped();
    journal.observe(|state| state.unsigned == 0 && state.synced > seq);
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
