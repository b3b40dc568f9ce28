use super::*;
use detect::Session;
use events::{
    Durability, Journal, JournalKey, Recorded,
    admission::{Admitted, ContestResolved, Contested},
    gateway::{NodeStarted, SessionClosed},
    ledger::Committed,
};
use ids::{CertSha256, DeviceId, Epoch, SessionId};
use ledger::LifeCycle;
use serde_json::json;
use tempfile::TempDir;

/// A journal that is being written, and one second for each record.
struct World {
    folder: TempDir,
    journal: Journal,
    records: i64,
}

fn unit_id(number: u8) -> DeviceId {
    DeviceId::eui48([number; 6])
}

fn session(number: u64) -> SessionId {
    SessionId { epoch: Epoch(1), number }
}

fn at(second: i64) -> UnixTime {
    UnixTime::from_secs(1_800_000_000 + second)
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key = JournalKey::create(&folder.path().join("key")).unwrap();
        let (journal, _) = Journal::open(folder.path(), "gw1".parse().unwrap(), key, at(0)).unwrap();
        Self { folder, journal, records: 0 }
    }

    fn append(&mut self, event: &impl Recorded) -> u64 {
        self.records += 1;
        self.journal.append(event, at(self.records), Durability::Durable).unwrap().seq
    }

    fn device(&mut self, before: Option<&Device>, after: &Device) -> u64 {
        let row = |device: &Device| serde_json::to_value(device).unwrap();
        self.append(&RowChanged {
            table: Device::TABLE.to_owned(),
            key: after.id.to_string(),
            revision: 1,
            before: before.map(row),
            after: Some(row(after)),
            by: "kim".to_owned(),
            why: String::new(),
            approver: None,
            effective_at: at(0),
        })
    }

    fn committed(&mut self, from: u64) {
        self.append(&Committed { from });
    }

    fn admitted(&mut self, number: u8, id: u64, outer: &str) {
        let outer: std::net::SocketAddr = outer.parse().unwrap();
        self.append(&Admitted {
            device: unit_id(number),
            session: session(id),
            cert_sha256: CertSha256::of(b""),
            outer,
            inner: vec!["10.0.0.7".parse().unwrap()],
            line: None,
            how: "first".to_owned(),
            rules: "5".to_owned(),
            reasons: Vec::new(),
            weighed: Default::default(),
            claim: claim(outer),
        });
    }

    fn read(&self, place: JournalPlace, until: i64) -> (Vec<LedgerChange>, JournalPlace) {
        let mut feed = JournalFeed::open(self.folder.path(), "ledger".parse().unwrap(), place);
        let mut inputs = Vec::new();
        feed.until(at(until), &mut inputs).unwrap();
        let Some(Input::Watermark { at: mark, .. }) = inputs.pop() else { panic!("it says how far it came") };
        assert_eq!(mark, at(until));
        let change = |input| if let Input::Ledger(change) = input { change } else { panic!("{input:?}") };
        (inputs.into_iter().map(change).collect(), feed.place().clone())
    }
}

fn claim(outer: std::net::SocketAddr) -> Box<serde_json::value::RawValue> {
    let missing = json!({ "missing": "no_record" });
    let seen = json!({ "address": outer, "class": missing, "line": missing, "place": missing });
    serde_json::value::to_raw_value(&json!({ "outer": seen, "anything": "else" })).unwrap()
}

fn device(number: u8, state: LifeCycle) -> Device {
    Device::new(unit_id(number), state, at(0))
}

/// Who is attached from where by a change.
fn told(change: &LedgerChange) -> (u64, Option<String>, Option<String>) {
    let outer = |session: &Option<Session>| session.as_ref().map(|session| session.outer.to_string());
    match &change.change {
        Change::Session { before, after } => (change.stamp.seq, outer(before), outer(after)),
        Change::Unit { .. } => panic!("a session"),
    }
}

#[test]
fn units_come_when_their_transaction_stands_and_are_counted_without_holes() {
    let mut world = World::new();
    let (made, lost) = (device(1, LifeCycle::Live), device(1, LifeCycle::Lost));
    let from = world.device(None, &made);
    assert_eq!(world.read(JournalPlace::default(), 99).0, [], "it does not stand yet");
    world.committed(from);
    let from = world.device(Some(&made), &lost);
    world.committed(from);
    let (changes, _) = world.read(JournalPlace::default(), 99);
    let seqs: Vec<_> = changes.iter().map(|change| change.stamp.seq).collect();
    assert_eq!(seqs, [1, 2]);
    let Change::Unit { before: Some(before), after: Some(after) } = &changes[1].change else { panic!() };
    assert_eq!((before.state, after.state), (LifeCycle::Live, LifeCycle::Lost));
    assert_eq!(changes[1].stamp.at, at(4), "when it was written that it stands");
}

#[test]
fn whoever_goes_on_reads_what_was_open_again_and_nothing_twice() {
    let mut world = World::new();
    world.admitted(1, 1, "192.0.2.1:4500");
    let from = world.device(None, &device(2, LifeCycle::Live));
    world.admitted(2, 2, "192.0.2.2:4500");
    let (first, place) = world.read(JournalPlace::default(), 99);
    assert_eq!(first.iter().map(told).map(|(seq, ..)| seq).collect::<Vec<_>>(), [1, 2]);
    world.committed(from);
    let place = serde_json::from_str(&serde_json::to_string(&place).unwrap()).unwrap();
    let (rest, _) = world.read(place, 99);
    let [LedgerChange { stamp: Stamp { seq: 3, .. }, change: Change::Unit { .. } }] = &rest[..] else {
        panic!("{rest:?}")
    };
}

#[test]
fn what_is_later_than_asked_waits() {
    let mut world = World::new();
    world.admitted(1, 1, "192.0.2.1:4500");
    world.admitted(2, 2, "192.0.2.2:4500");
    let (first, place) = world.read(JournalPlace::default(), 1);
    assert_eq!(first.iter().map(told).collect::<Vec<_>>(), [(1, None, Some("192.0.2.1".to_owned()))]);
    let (second, _) = world.read(place, 2);
    assert_eq!(second.iter().map(told).collect::<Vec<_>>(), [(2, None, Some("192.0.2.2".to_owned()))]);
}

#[test]
fn a_session_ends_as_it_closes_as_another_stays_or_as_its_node_starts_anew() {
    let mut world = World::new();
    world.admitted(1, 1, "192.0.2.1:4500");
    let closed = |id| SessionClosed {
        device: unit_id(1),
        session: session(id),
        why: "deleted".to_owned(),
        bytes: (0, 0),
    };
    world.append(&closed(9));
    world.append(&Contested {
        device: unit_id(1),
        holder: session(1),
        holder_outer: "192.0.2.1:4500".parse().unwrap(),
        newcomer: session(2),
        newcomer_outer: "198.51.100.2:4500".parse().unwrap(),
        inner: vec!["10.0.0.7".parse().unwrap()],
        weighed: Default::default(),
        claim: claim("198.51.100.2:4500".parse().unwrap()),
    });
    world.append(&ContestResolved {
        device: unit_id(1),
        stays: Some(session(2)),
        goes: session(1),
        how: "holder-silent".to_owned(),
        reason: None,
        incident: None,
        rules: "5".to_owned(),
        weighed: Default::default(),
    });
    world.append(&closed(2));
    world.admitted(1, 3, "192.0.2.1:4500");
    world.append(&NodeStarted { epoch: 2, version: "0".to_owned() });
    let (changes, _) = world.read(JournalPlace::default(), 99);
    let (unit, copy) = (Some("192.0.2.1".to_owned()), Some("198.51.100.2".to_owned()));
    let expected = [
        (1, None, unit.clone()),
        (2, unit.clone(), copy.clone()),
        (3, copy, None),
        (4, None, unit.clone()),
        (5, unit, None),
    ];
    assert_eq!(changes.iter().map(told).collect::<Vec<_>>(), expected);
}

#[test]
fn what_comes_after_its_time_was_told_holds_from_the_end_of_that() {
    let mut world = World::new();
    world.admitted(1, 1, "192.0.2.1:4500");
    let (_, place) = world.read(JournalPlace::default(), 50);
    world.admitted(2, 2, "192.0.2.2:4500");
    let (late, _) = world.read(place, 60);
    assert_eq!(late.iter().map(|change| change.stamp.at).collect::<Vec<_>>(), [at(50)]);
}

#[test]
fn an_older_history_has_the_units_as_they_are() {
    let mut world = World::new();
    let (made, lost) = (device(1, LifeCycle::Live), device(1, LifeCycle::Lost));
    let from = world.device(None, &made);
    world.device(None, &device(2, LifeCycle::Live));
    world.committed(from);
    let from = world.device(Some(&made), &lost);
    world.committed(from);
    let mut feed = JournalFeed::open(world.folder.path(), "ledger".parse().unwrap(), JournalPlace::default());
    let (mut inputs, before) = (Vec::new(), at(-1000));
    feed.begin(before);
    feed.as_it_is(&mut inputs).unwrap();
    let state = |input: &Input| {
        let Input::Ledger(LedgerChange { stamp, change: Change::Unit { after: Some(unit), .. } }) = input
        else {
            panic!("{input:?}")
        };
        (stamp.at, unit.device, unit.state)
    };
    let states: Vec<_> = inputs.iter().map(state).collect();
    assert_eq!(states, [(before, unit_id(1), LifeCycle::Lost), (before, unit_id(2), LifeCycle::Live)]);
}
