//! Real files in, a real lake and checkpoints out; who is told fails when a test says so.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use detect::{Bounds, Feed, Finding, FindingId, Setup};
use events::{
    Durability, Journal, JournalKey,
    ledger::{Committed, RowChanged},
};
use ids::{CellKey, DeviceId, Label, Position, Rat, SubscriberKey, UnixTime};
use intake::{Difference, Given, History, Intake, IntakeError, LedgerAs, Paths, Summary, Terms, Told};
use lake::{Entry, Input, Kind, Lake, Options};
use ledger::{Device, LifeCycle, Row as _};
use records::row::{Access, AccessEvent, Gap, GapWhy, Heartbeat, MacroCell, Row, Stamp};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    sync::atomic::AtomicBool,
    time::Duration,
};
use tempfile::TempDir;

/// Folders of one carrier, with what its core wrote.
struct Carrier {
    folder: TempDir,
}

/// Keeps what it is told, until a call that fails.
#[derive(Default)]
struct Kept {
    found: BTreeMap<FindingId, Finding>,
    calls: usize,
    fails_at: Option<usize>,
}

impl Told for Kept {
    fn findings(&mut self, found: &[Finding]) -> Result<(), String> {
        self.calls += 1;
        for finding in found {
            let before = self.found.insert(finding.id, finding.clone());
            assert!(before.is_none_or(|before| before == *finding), "one id, two findings");
        }
        if self.fails_at == Some(self.calls) { Err("the power failed".to_owned()) } else { Ok(()) }
    }
}

fn name(text: &str) -> Label {
    text.parse().unwrap()
}

fn at(second: u64) -> UnixTime {
    UnixTime::from_secs(1_760_000_000 + second as i64)
}

fn cell(number: u64) -> CellKey {
    CellKey::new(Rat::Lte, "450-08".parse().unwrap(), number).unwrap()
}

fn stamp(feed: &str, second: u64, seq: u64) -> Stamp {
    Stamp { at: at(second), feed: name(feed), seq }
}

fn access(second: u64, seq: u64, number: u64) -> Row {
    let (subscriber, event) = (SubscriberKey::new([(seq % 200) as u8; 16]), AccessEvent::Update);
    let (peer, inner, cipher, integrity) = (None, None, None, None);
    let stamp = stamp("core", second, seq);
    Row::Access(Access { stamp, subscriber, cell: cell(number), event, peer, inner, cipher, integrity })
}

/// Six hours of a core with a hundred macro cells: every 50 s a handset is at one that is in no plan, each hour another.
fn rows() -> Vec<Row> {
    let planned = |number: u64| {
        let (position, from) = (Position::from_degrees(35.0, 127.0 + number as f64 / 100.0).unwrap(), at(0));
        let stamp = stamp("plan", 0, number + 1);
        Row::MacroCell(MacroCell { stamp, cell: cell(number), position, radius_m: 800, from, to: None })
    };
    let mut rows: Vec<_> = (0..100).map(planned).collect();
    for second in 1..21_600 {
        let number = if second % 50 == 0 { 1_000 + second / 3_600 } else { second % 100 };
        rows.push(access(second, second, number));
    }
    for quarter in 1..=24 {
        rows.push(Row::Heartbeat(Heartbeat { stamp: stamp("plan", quarter * 900, 100 + quarter) }));
    }
    rows.sort_by(|a, b| a.stamp().cmp(b.stamp()));
    rows
}

impl Carrier {
    /// Its ledger has one unit, from the day before.
    fn new() -> Self {
        let carrier = Self { folder: tempfile::tempdir().unwrap() };
        let (key, before) =
            (JournalKey::create(&carrier.path("key")).unwrap(), at(0).before(Duration::from_secs(86_400)));
        let node = "gw1".parse().unwrap();
        let (journal, _) = Journal::open(&carrier.path("journal"), node, key, before).unwrap();
        let unit = Device::new(DeviceId::eui48([1; 6]), LifeCycle::Live, before);
        let changed = RowChanged {
            table: Device::TABLE.to_owned(),
            key: unit.id.to_string(),
            revision: 1,
            before: None,
            after: Some(serde_json::to_value(&unit).unwrap()),
            by: "kim".to_owned(),
            why: String::new(),
            approver: None,
            effective_at: before,
        };
        let from = journal.append(&changed, before, Durability::Durable).unwrap().seq;
        journal.append(&Committed { from }, before, Durability::Durable).unwrap();
        carrier
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn writes(&self, file: &str, rows: &[Row]) -> PathBuf {
        let path = self.path(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let lines: String = rows.iter().map(|row| row.to_line().unwrap() + "\n").collect();
        fs::write(&path, lines).unwrap();
        path
    }

    fn intake(&self, ends: bool) -> Intake {
        let feed = |text: &str, silence| Feed {
            name: name(text),
            lateness: Duration::from_secs(60),
            silence: Duration::from_secs(silence),
        };
        let feeds = vec![feed("core", 900), feed("plan", 100_000), intake::ledger_feed()];
        let bounds = Bounds { handsets: 1000, cells: 10_000, waiting: 100_000 };
        let setup = Setup { start: at(0), feeds, bounds };
        let paths =
            Paths { lake: self.path("lake"), journal: self.path("journal"), commits: self.path("detect") };
        Intake::open(paths, Terms { setup, every: Duration::ZERO, ledger: LedgerAs::Then, ends }).unwrap()
    }

    fn run(&self, sources: &[&Path], kept: &mut Kept) -> Result<Summary, IntakeError> {
        let stops = AtomicBool::new(false);
        let sources =
            sources.iter().map(|path| (Input::Path(path.to_path_buf()), Options::default())).collect();
        self.intake(true).run(&Given { sources, follows: false, stops: &stops }, kept)
    }

    fn lake(&self) -> Vec<Entry> {
        let all = Lake::open(self.path("lake")).unwrap().read(&Kind::ALL, at(0), at(1_000_000)).unwrap();
        all.collect::<Result<_, _>>().unwrap()
    }
}

/// What one run without a stumble finds and keeps.
fn undisturbed(rows: &[Row]) -> (BTreeMap<FindingId, Finding>, Vec<Entry>) {
    let carrier = Carrier::new();
    let mut kept = Kept::default();
    carrier.run(&[&carrier.writes("rows.jsonl", rows)], &mut kept).unwrap();
    (kept.found, carrier.lake())
}

#[test]
fn what_sources_have_is_kept_in_the_order_of_time_and_judged() {
    let rows = rows();
    let (found, kept) = undisturbed(&rows);
    let unknown: BTreeSet<_> = found.values().map(|finding| finding.cells.clone()).collect();
    assert_eq!(unknown, (0..6).map(|hour| vec![cell(1_000 + hour)]).collect());
    assert!(found.values().all(|finding| finding.detector == "cell_unknown"), "{found:?}");
    assert_eq!(kept, rows.into_iter().map(Entry::from).collect::<Vec<_>>());
}

#[test]
fn whenever_it_stops_nothing_is_lost_and_nothing_is_there_twice() {
    let rows = rows();
    let (found, lake) = undisturbed(&rows);
    for fails_at in 1..=3 {
        let carrier = Carrier::new();
        let source = carrier.writes("rows.jsonl", &rows);
        let mut kept = Kept { fails_at: Some(fails_at), ..Kept::default() };
        let stopped = carrier.run(&[&source], &mut kept);
        assert!(matches!(stopped, Err(IntakeError::Told(_))), "it stops at call {fails_at}");
        kept.fails_at = None;
        carrier.run(&[&source], &mut kept).unwrap();
        assert_eq!(kept.found, found);
        assert_eq!(carrier.lake(), lake);
    }
}

#[test]
fn several_sources_are_taken_in_the_order_of_time() {
    let rows = rows();
    let (found, lake) = undisturbed(&rows);
    let (plan, core): (Vec<_>, Vec<_>) = rows.into_iter().partition(|row| row.stamp().feed == name("plan"));
    let carrier = Carrier::new();
    let (plan, core) = (carrier.writes("plan/1.jsonl", &plan), carrier.writes("core/1.jsonl", &core));
    let mut kept = Kept::default();
    carrier.run(&[core.parent().unwrap(), plan.parent().unwrap()], &mut kept).unwrap();
    assert_eq!(kept.found, found);
    assert_eq!(carrier.lake(), lake);
}

#[test]
fn what_is_no_row_late_twice_or_of_the_future_is_counted_and_stops_nothing() {
    let carrier = Carrier::new();
    let mut rows = rows();
    rows.push(access(10, 21_600, 5));
    rows.push(rows[200].clone());
    rows.push(access(4_000_000_000, 21_601, 5));
    let source = carrier.writes("rows.jsonl", &rows);
    let text = fs::read_to_string(&source).unwrap();
    fs::write(&source, text.replacen('\n', "\nnonsense\n", 1)).unwrap();
    let summary = carrier.run(&[&source], &mut Kept::default()).unwrap();
    assert_eq!(summary.read.aside, 2);
    let core = summary.judged.feeds.iter().find(|(feed, _)| *feed == name("core")).unwrap().1;
    assert_eq!((core.late, core.duplicates), (1, 1));
    let aside = fs::read_to_string(carrier.path("lake/aside/rows.jsonl")).unwrap();
    assert!(aside.contains("nonsense") && aside.contains("ahead of this machine's clock"), "{aside}");
    assert!(carrier.lake().contains(&access(10, 21_600, 5).into()), "what is late is kept");
}

#[test]
fn a_gap_is_a_row_of_the_lake() {
    let carrier = Carrier::new();
    let mut rows = rows();
    rows.retain(|row| row.stamp().feed != name("core") || !(10_000..10_100).contains(&row.stamp().seq));
    carrier.run(&[&carrier.writes("rows.jsonl", &rows)], &mut Kept::default()).unwrap();
    let gap = |entry: Entry| {
        if let Entry::Row(Row::Gap(Gap { from, to, why, rows, .. })) = entry {
            Some((from, to, why, rows))
        } else {
            None
        }
    };
    let gaps: Vec<_> = carrier.lake().into_iter().filter_map(gap).collect();
    assert_eq!(gaps, [(at(9_999), at(10_100), GapWhy::Missing, Some(100))]);
}

#[test]
fn history_judged_again_is_what_was_found_then() {
    let carrier = Carrier::new();
    let mut rows = rows();
    rows.retain(|row| row.stamp().feed != name("core") || !(10_000..10_100).contains(&row.stamp().seq));
    let mut kept = Kept::default();
    carrier.run(&[&carrier.writes("rows.jsonl", &rows)], &mut kept).unwrap();
    let intake = carrier.intake(false);
    let again = |from, to| {
        History::open(intake.paths(), intake.terms()).unwrap().judge(at(from), at(to), |_| ()).unwrap()
    };
    let all: BTreeMap<_, _> = again(0, 21_600).into_iter().map(|found| (found.id, found)).collect();
    assert_eq!(all, kept.found);
    let ids = |found: Vec<Finding>| found.into_iter().map(|found| found.id).collect::<BTreeSet<_>>();
    let (then, now) = (kept.found.into_keys().collect(), ids(again(7_200, 21_600)));
    let Difference { same, only_now, only_then } = Difference::of(&then, &now);
    assert_eq!(
        (same.len(), only_now.len(), only_then.len()),
        (now.len(), 0, 2),
        "the first two hours are not asked for"
    );
}

#[test]
fn one_process_at_a_time() {
    let carrier = Carrier::new();
    let first = carrier.intake(false);
    let second = Intake::open(first.paths().clone(), first.terms().clone());
    assert!(matches!(second.err(), Some(IntakeError::InUse { .. })));
}

#[test]
fn a_checkpoint_of_other_terms_is_named_and_not_used() {
    let carrier = Carrier::new();
    let source = carrier.writes("rows.jsonl", &rows());
    carrier.run(&[&source], &mut Kept::default()).unwrap();
    fs::write(carrier.path("detect/commit"), b"{}\n").unwrap();
    let refused = carrier.run(&[&source], &mut Kept::default());
    assert!(
        matches!(&refused, Err(IntakeError::Commit { path, .. }) if path.ends_with("commit")),
        "{refused:?}"
    );
}
