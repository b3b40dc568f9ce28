use super::*;
use crate::{
    Journal, JournalKey, PublicKey, Recorded,
    gateway::NodeStarted,
    journal::{
        Begun, Broken, Checkpoint, Place, Report, Restored,
        tests::{key, node},
        verify_with,
    },
};
use ids::{Sha256, UnixTime};
use proptest::prelude::*;
use std::{fs, path::Path};
use tempfile::TempDir;

fn at(seconds: i64) -> UnixTime {
    UnixTime::from_secs(1_790_000_000 + seconds)
}

/// The lines of a journal, chained and signed here.
struct Chain {
    key: JournalKey,
    lines: Vec<String>,
    prev: Sha256,
    /// Seconds on the clock beside the record's number.
    late: i64,
}

impl Chain {
    fn new(key: &JournalKey) -> Self {
        let mut chain = Self { key: key.clone(), lines: Vec::new(), prev: Sha256([0; 32]), late: 0 };
        chain.add(&Begun { key: key.public_key() });
        chain
    }

    fn seq(&self) -> u64 {
        self.lines.len() as u64
    }

    fn add<T: Recorded>(&mut self, event: &T) {
        let (seq, prev, node, body) =
            (self.seq() + 1, self.prev, node(), serde_json::to_string(event).unwrap());
        let (at, kind) = (self.at(seq), T::KIND);
        let line = format!(
            r#"{{"seq":"{seq}","prev":"{prev}","at":"{at}","node":"{node}","kind":"{kind}","v":1,"body":{body}}}"#
        ) + "\n";
        self.prev = Sha256::of(line.as_bytes());
        self.lines.push(line);
    }

    fn at(&self, seq: u64) -> UnixTime {
        at(self.late + i64::try_from(seq).unwrap())
    }

    /// The node goes on from its first `lines`, `late` seconds later than otherwise.
    fn restored_from(&self, lines: usize, late: i64) -> Self {
        let prev = Sha256::of(self.lines[lines - 1].as_bytes());
        Self { key: self.key.clone(), lines: self.lines[..lines].to_vec(), prev, late }
    }

    fn restored(&mut self) {
        let (by, why) = ("root".into(), "disk lost".into());
        self.add(&Restored { backup_at: at(0), epoch: 7, by, why, ledger_anew: false });
    }

    fn event(&mut self, epoch: u64) {
        self.add(&NodeStarted { epoch, version: "0.1.0".into() });
    }

    fn checkpoint(&mut self) -> CheckpointLine {
        let seq = self.seq() + 1;
        let place = Place { node: &node(), seq, prev: self.prev, at: self.at(seq) };
        let signature = self.key.sign(&place.checkpoint());
        self.add(&Checkpoint { signature });
        CheckpointLine::parse(self.lines.last().unwrap().as_bytes()).unwrap()
    }

    /// As many events as said between two checkpoints, numbered on; and the checkpoints.
    fn events(&mut self, between: &[u8]) -> Vec<CheckpointLine> {
        between
            .iter()
            .map(|events| {
                (0..*events).for_each(|_| self.event(self.seq()));
                self.checkpoint()
            })
            .collect()
    }

    /// A folder with the first `lines` of it.
    fn journal(&self, lines: usize) -> TempDir {
        let dir = TempDir::new().unwrap();
        fs::write(segment(dir.path()), self.lines[..lines].concat()).unwrap();
        dir
    }
}

fn segment(dir: &Path) -> std::path::PathBuf {
    dir.join("00000000000000000001.jsonl")
}

fn dropped(checkpoints: &[CheckpointLine]) -> TempDir {
    let dir = TempDir::new().unwrap();
    let folder = DropFolder::new(dir.path().to_owned());
    checkpoints.iter().for_each(|checkpoint| folder.put(checkpoint).unwrap());
    dir
}

fn check(journal: &Path, key: PublicKey, witness: &Path) -> Result<Report, Broken> {
    verify_with(journal, key, &Testimony::read(witness).unwrap())
}

fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_checkpoint_made_now_is_the_journals_own_line_on_disk_and_vouches_for_all_before() {
    let (dir, key) = (TempDir::new().unwrap(), key());
    let (journal, _) = Journal::open(dir.path(), node(), key.clone(), at(0)).unwrap();
    let checkpoint = journal.checkpoint(at(7)).unwrap();
    assert_eq!((checkpoint.at, checkpoint.seq), (at(7), journal.on_disk().seq));
    assert_eq!(checkpoint.sha256, journal.on_disk().sha256);
    assert!(
        checkpoint.is_signed_by(&key.public_key()) && !checkpoint.is_signed_by(&self::key().public_key())
    );
    let idle = journal.checkpoint(at(8)).unwrap();
    assert_eq!(idle.seq, checkpoint.seq + 1, "also when nothing has happened");
    let drop = dropped(&[checkpoint, idle]);
    let report = check(dir.path(), key.public_key(), drop.path()).unwrap();
    assert_eq!((report.witnessed.unwrap().checkpoints, report.last), (2, 3));
    journal.close().unwrap();
    assert!(journal.checkpoint(at(9)).is_err());
}

#[test]
fn a_journal_that_goes_on_is_good_and_its_end_is_not_witnessed() {
    let mut chain = Chain::new(&key());
    let drop = dropped(&chain.events(&[2, 3]));
    chain.event(1);
    chain.checkpoint();
    let report = check(chain.journal(10).path(), chain.key.public_key(), drop.path()).unwrap();
    let witnessed = report.witnessed.unwrap();
    assert_eq!((witnessed.seq, witnessed.at, witnessed.checkpoints), (8, at(8), 2));
    assert_eq!((report.proven, report.last), (10, 10));
}

#[test]
fn a_journal_that_is_empty_gone_or_of_another_node_is_none_of_what_the_witness_saw() {
    let mut chain = Chain::new(&key());
    let (key, drop) = (chain.key.public_key(), dropped(&chain.events(&[2])));
    let empty = TempDir::new().unwrap();
    assert_eq!(check(empty.path(), key, drop.path()).unwrap_err().seq, 1);
    assert!(check(&empty.path().join("gone"), key, drop.path()).is_err());
    let other = Journal::open(empty.path(), "gw2".parse().unwrap(), chain.key.clone(), at(0)).unwrap().0;
    other.close().unwrap();
    let broken = check(empty.path(), key, drop.path()).unwrap_err();
    assert!(broken.why.contains("of node gw2") && broken.why.contains("of gw1"), "{broken}");
}

#[test]
fn a_checkpoint_that_nobody_of_the_journal_signed_is_not_passed_over_and_comes_last() {
    let (mut chain, mut strange) = (Chain::new(&key()), Chain::new(&key()));
    let (own, foreign) = (chain.events(&[2, 2]), strange.events(&[1]));
    let (key, drop) = (chain.key.public_key(), dropped(&[&own[..], &foreign].concat()));
    let broken = check(chain.journal(7).path(), key, drop.path()).unwrap_err();
    assert!(broken.seq == 1 && broken.why.contains("no key of this journal has signed"), "{broken}");
    let broken = check(chain.journal(6).path(), key, drop.path()).unwrap_err();
    assert!(broken.seq == 7 && broken.why.contains("the journal's key has signed"), "{broken}");
}

#[test]
fn a_drop_takes_a_checkpoint_whole_and_never_in_the_place_of_another() {
    let mut chain = Chain::new(&key());
    let checkpoint = chain.checkpoint();
    let drop = dropped(&[checkpoint.clone(), checkpoint.clone()]);
    let name = format!("00000000000000000002.{}.checkpoint", &checkpoint.sha256.to_string()[..16]);
    assert_eq!(names(drop.path()), std::slice::from_ref(&name));
    assert_eq!(fs::read(drop.path().join(&name)).unwrap(), chain.lines[1].as_bytes());
    fs::write(drop.path().join(&name), "evidence").unwrap();
    let folder = DropFolder::new(drop.path().to_owned());
    assert!(matches!(folder.put(&checkpoint), Err(WitnessError::Taken(_))));
    assert_eq!(fs::read_to_string(drop.path().join(&name)).unwrap(), "evidence");
    assert_eq!(names(drop.path()).len(), 1, "nothing half made is left");
    // A crash of this host came between.
    fs::write(drop.path().join(format!(".{name}.new")), "{").unwrap();
    fs::remove_file(drop.path().join(&name)).unwrap();
    folder.put(&checkpoint).unwrap();
    assert_eq!(names(drop.path()), [name]);
}

#[test]
fn a_drop_that_is_missing_is_not_made() {
    let dir = TempDir::new().unwrap();
    let folder = DropFolder::new(dir.path().join("unmounted"));
    assert!(matches!(folder.put(&Chain::new(&key()).checkpoint()), Err(WitnessError::Io { .. })));
    assert_eq!(names(dir.path()), [""; 0]);
}

#[test]
fn the_witness_takes_in_what_is_new_and_clears_the_drop() {
    let mut chain = Chain::new(&key());
    let (key, own) = (chain.key.public_key(), TempDir::new().unwrap());
    let first = chain.events(&[1, 2]);
    let drop = dropped(&first);
    assert_eq!(Kept::open(own.path(), key).unwrap().take_in(drop.path()).unwrap().new, 2);
    assert_eq!(names(drop.path()), [""; 0]);
    // A crash of the witness before it cleared, and in the middle of a line.
    DropFolder::new(drop.path().to_owned()).put(&first[0]).unwrap();
    DropFolder::new(drop.path().to_owned()).put(&first[1]).unwrap();
    let lines = own.path().join("checkpoints.jsonl");
    let whole = fs::read_to_string(&lines).unwrap();
    fs::write(&lines, &whole[..whole.len() - 9]).unwrap();
    let mut kept = Kept::open(own.path(), key).unwrap();
    assert!(matches!(Kept::open(own.path(), key), Err(WitnessError::InUse(_))));
    assert_eq!(kept.take_in(drop.path()).unwrap(), Intake { new: 1, ..Intake::default() });
    assert_eq!(fs::read_to_string(&lines).unwrap(), whole);
    let standing = Standing::read(own.path()).unwrap();
    assert_eq!((standing.last.as_ref(), standing.contradictions.len()), (first.last(), 0));
    assert_eq!(check(chain.journal(6).path(), key, own.path()).unwrap().witnessed.unwrap().checkpoints, 2);
}

#[test]
fn a_checkpoint_that_contradicts_what_is_kept_is_kept_beside_it_and_no_journal_fits_both() {
    let (key, own) = (key(), TempDir::new().unwrap());
    let (mut honest, mut rewritten) = (Chain::new(&key), Chain::new(&key));
    let drop = dropped(&honest.events(&[1, 1, 1]));
    let mut kept = Kept::open(own.path(), key.public_key()).unwrap();
    kept.take_in(drop.path()).unwrap();
    let before = fs::read(own.path().join("checkpoints.jsonl")).unwrap();
    rewritten.event(900);
    let other = [rewritten.checkpoint(), rewritten.checkpoint()];
    for _ in 0..2 {
        other.iter().for_each(|other| DropFolder::new(drop.path().to_owned()).put(other).unwrap());
        let intake = kept.take_in(drop.path()).unwrap();
        let expected = other.each_ref().map(|other| Contradiction { seq: other.seq, at: other.at });
        assert_eq!((intake.new, intake.contradictions), (0, expected.to_vec()));
        assert_eq!(names(drop.path()), [""; 0]);
    }
    assert_eq!(fs::read(own.path().join("checkpoints.jsonl")).unwrap(), before);
    assert_eq!(fs::read_to_string(own.path().join("contradictions.jsonl")).unwrap().lines().count(), 2);
    assert_eq!(Standing::read(own.path()).unwrap().contradictions.len(), 2);
    for (chain, lines) in [(&honest, 7), (&rewritten, 4)] {
        assert_eq!(check(chain.journal(lines).path(), key.public_key(), own.path()).unwrap_err().seq, 1);
    }
}

#[test]
fn a_declared_restore_explains_what_it_lost_and_nothing_that_came_later() {
    let key = key();
    let mut first = Chain::new(&key);
    let kept = first.checkpoint();
    let lost = first.events(&[3, 2]);
    let mut second = first.restored_from(2, 100);
    second.restored();
    let later = second.events(&[1]);
    let drop = dropped(&[&[kept][..], &lost, &later].concat());
    let whole = second.journal(second.lines.len());
    let report = check(whole.path(), key.public_key(), drop.path()).unwrap();
    let restore = &report.restores[0];
    assert_eq!((restore.seq, restore.at, restore.lost_to), (3, at(103), Some(lost[1].seq)));
    assert_eq!((report.restores.len(), report.witnessed.unwrap().seq), (1, later[0].seq));
    let unasked = crate::journal::verify(whole.path(), key.public_key()).unwrap();
    assert_eq!(unasked.restores[0].lost_to, None);

    let cut = check(second.journal(3).path(), key.public_key(), drop.path()).unwrap_err();
    assert_eq!(cut.seq, 4, "cut behind the restore: {cut}");
    let mut silent = first.restored_from(2, 100);
    silent.events(&[2]);
    let silent = check(silent.journal(silent.lines.len()).path(), key.public_key(), drop.path());
    assert_eq!(silent.unwrap_err().seq, 3, "a restore that is not declared is a cut");
    let mut third = first.restored_from(1, 50);
    third.restored();
    third.events(&[9]);
    let third = check(third.journal(third.lines.len()).path(), key.public_key(), drop.path());
    assert_eq!(third.unwrap_err().seq, 1, "what was signed after the restore is not lost by it");
}

#[test]
fn a_restore_from_before_all_that_was_witnessed_has_lost_all_of_it() {
    let key = key();
    let mut first = Chain::new(&key);
    let lost = first.events(&[3, 2]);
    let mut second = first.restored_from(1, 100);
    second.restored();
    second.checkpoint();
    let drop = dropped(&lost);
    let report = check(second.journal(3).path(), key.public_key(), drop.path()).unwrap();
    assert_eq!((report.witnessed, report.restores[0].lost_to), (None, Some(lost[1].seq)));
    let forged = Chain::new(&self::key()).checkpoint();
    DropFolder::new(drop.path().to_owned()).put(&forged).unwrap();
    let broken = check(second.journal(3).path(), key.public_key(), drop.path()).unwrap_err();
    assert!(broken.why.contains("no key of this journal has signed that"), "{broken}");
}

#[test]
fn what_the_node_has_not_signed_stays_in_the_drop_and_is_named() {
    let (key, own) = (key(), TempDir::new().unwrap());
    let mut chain = Chain::new(&key);
    let drop = dropped(&[chain.checkpoint(), Chain::new(&self::key()).checkpoint()]);
    let name = |number: u64| drop.path().join(format!("{number:020}.0000000000000000.checkpoint"));
    fs::write(name(3), "{}\n").unwrap();
    fs::write(name(4), vec![b' '; 1 << 20]).unwrap();
    std::os::unix::fs::symlink("/dev/zero", name(5)).unwrap();
    let pipe = std::process::Command::new("mkfifo").arg(name(6)).status().unwrap();
    assert!(pipe.success());
    let elsewhere = dropped(&[chain.checkpoint()]);
    std::os::unix::fs::symlink(elsewhere.path().join(&names(elsewhere.path())[0]), name(7)).unwrap();
    fs::write(drop.path().join("notes.txt"), "of the administrator").unwrap();
    let intake = Kept::open(own.path(), key.public_key()).unwrap().take_in(drop.path()).unwrap();
    assert_eq!((intake.new, intake.contradictions.len(), intake.refused.len()), (1, 0, 6), "{intake:?}");
    assert_eq!(names(drop.path()).len(), 7);
    assert_eq!(Standing::read(own.path()).unwrap().last.unwrap().seq, 2);
}

#[test]
fn another_spelling_of_a_checkpoint_is_none() {
    let checkpoint = Chain::new(&key()).checkpoint();
    let line = String::from_utf8(checkpoint.line().to_vec()).unwrap();
    for other in [
        line.trim_end().to_owned(),
        line.replace(":", ": "),
        line.replace(r#""v":1"#, r#""v":2"#),
        line.replace("journal.checkpoint", "journal.recovered"),
        line.replace(r#"{"seq""#, r#"{"more":1,"seq""#),
        format!("{line}{line}"),
    ] {
        assert!(CheckpointLine::parse(other.as_bytes()).is_err(), "{other}");
    }
}

/// The records between two witnessed checkpoints, five times at most.
fn some() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(0u8..4, 1..6)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_cut_at_any_record_before_the_last_witnessed_one_is_found_and_the_first_missing_one_is_named(
        between in some(), more in 0u8..4, cut: prop::sample::Index, in_line: prop::sample::Index,
    ) {
        let mut chain = Chain::new(&key());
        let (key, drop) = (chain.key.public_key(), dropped(&chain.events(&between)));
        let witnessed = chain.lines.len();
        (0..more).for_each(|_| chain.event(1));
        let cut = cut.index(witnessed);
        let journal = chain.journal(cut);
        prop_assert_eq!(check(journal.path(), key, drop.path()).unwrap_err().seq, cut as u64 + 1);
        let part = &chain.lines[cut][..1 + in_line.index(chain.lines[cut].len() - 1)];
        fs::write(segment(journal.path()), chain.lines[..cut].concat() + part).unwrap();
        prop_assert_eq!(check(journal.path(), key, drop.path()).unwrap_err().seq, cut as u64 + 1);
        for whole in witnessed..=chain.lines.len() {
            prop_assert!(check(chain.journal(whole).path(), key, drop.path()).is_ok());
        }
    }

    #[test]
    fn a_changed_octet_is_named_as_without_a_witness(
        between in some(), octet: prop::sample::Index, bit in 0u8..7,
    ) {
        let mut chain = Chain::new(&key());
        let (key, drop) = (chain.key.public_key(), dropped(&chain.events(&between)));
        let mut octets = chain.lines.concat().into_bytes();
        let octet = octet.index(octets.len());
        let seq = 1 + octets[..octet].iter().filter(|octet| **octet == b'\n').count() as u64;
        octets[octet] ^= 1 << bit;
        let journal = TempDir::new().unwrap();
        fs::write(segment(journal.path()), &octets).unwrap();
        prop_assert_eq!(check(journal.path(), key, drop.path()).unwrap_err().seq, seq);
    }

    #[test]
    fn a_journal_rewritten_and_signed_anew_is_found_from_the_last_checkpoint_before_the_change(
        between in some(), changed: prop::sample::Index,
    ) {
        let key = key();
        let mut honest = Chain::new(&key);
        let checkpoints = honest.events(&between);
        let drop = dropped(&checkpoints);
        let events: Vec<_> = (1..honest.lines.len()).filter(|at| honest.lines[*at].contains("node_started")).collect();
        prop_assume!(!events.is_empty());
        let changed = events[changed.index(events.len())];
        let mut rewritten = Chain::new(&key);
        for line in &honest.lines[1..] {
            let seq = rewritten.seq();
            if line.contains("journal.checkpoint") {
                rewritten.checkpoint();
            } else {
                rewritten.event(if seq == changed as u64 { 999_999 } else { seq });
            }
        }
        let all = rewritten.journal(rewritten.lines.len());
        prop_assert!(crate::journal::verify(all.path(), key.public_key()).is_ok(), "its signatures are good");
        let vouched = checkpoints.iter().filter(|seen| seen.seq <= changed as u64).map(|seen| seen.seq).max();
        let broken = check(all.path(), key.public_key(), drop.path()).unwrap_err();
        prop_assert_eq!(broken.seq, vouched.unwrap_or(0) + 1, "{}", broken);
        prop_assert!(broken.why.contains("the journal's key has signed"), "{}", broken);
    }
}
