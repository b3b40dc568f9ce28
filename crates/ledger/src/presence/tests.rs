use super::*;
use crate::{Lease, NewDevice, Pools, RowKey, store::Sqlite};
use events::{Journal, JournalKey};
use ids::{EventRef, SessionId, Sha256};
use tempfile::TempDir;

const DAY: Duration = Duration::from_secs(86_400);
const LIMIT: Duration = Duration::from_secs(14 * 86_400);

fn now() -> UnixTime {
    UnixTime::from_secs(1_790_000_000)
}

fn unit(number: u32) -> DeviceId {
    let [a, b, c, d] = number.to_be_bytes();
    DeviceId::eui48([2, 0, a, b, c, d])
}

/// A node, and what it knows of who is there.
struct Node {
    _dir: TempDir,
    ledger: Ledger,
    presence: Presence,
}

impl Node {
    fn with(units: impl IntoIterator<Item = (u32, LifeCycle)>) -> Self {
        let dir = TempDir::new().unwrap();
        let key = JournalKey::create(&dir.path().join("journal.key")).unwrap();
        let journal =
            Journal::open(&dir.path().join("journal"), "gw1".parse().unwrap(), key, now()).unwrap().0;
        let store = Box::new(Sqlite::open(&dir.path().join("ledger.sqlite")).unwrap());
        let (ledger, _) =
            Ledger::open(store, journal, RowKey::new(&[7; 32]), Pools::default(), now()).unwrap();
        ledger.begin_epoch(now()).unwrap();
        let rows = units
            .into_iter()
            .map(|(number, state)| (0, NewDevice { state, ..NewDevice::installed(unit(number)) }));
        assert!(
            ledger.import(rows, crate::Differing::Refuse, "kim", now(), |_| ()).unwrap().refused.is_empty()
        );
        Self { _dir: dir, ledger, presence: Presence::default() }
    }

    /// One round after so much service, in which these units were seen.
    fn round(&mut self, served: Duration, seen: &[u32]) -> Vec<(DeviceId, LifeCycle)> {
        let seen = seen.iter().map(|number| unit(*number)).collect();
        let moved = self.ledger.tend_presence(&mut self.presence, &seen, served, LIMIT, now()).unwrap();
        moved.into_iter().collect()
    }

    fn state(&self, number: u32) -> LifeCycle {
        self.ledger.device(unit(number)).unwrap().unwrap().state
    }
}

use LifeCycle::{Installed, Live, Lost, Shipped, Silent, Suspended};

#[test]
fn who_attaches_is_live_and_who_is_not_seen_for_longer_than_the_limit_is_silent_until_then() {
    let mut node =
        Node::with([(1, Live), (2, Installed), (3, Silent), (4, Installed), (5, Shipped), (6, Suspended)]);
    assert_eq!(node.round(Duration::ZERO, &[2, 3, 5, 6]), [(unit(2), Live), (unit(3), Live)]);
    assert_eq!(node.round(13 * DAY, &[3]), []);
    assert_eq!(node.round(DAY, &[3]), [], "exactly the limit is not longer");
    assert_eq!(node.round(DAY, &[3]), [(unit(1), Silent), (unit(2), Silent)]);
    assert_eq!(node.round(DAY, &[2, 3]), [(unit(2), Live)]);
    assert_eq!(node.round(14 * DAY, &[]), []);
    assert_eq!(node.round(DAY, &[]), [(unit(2), Silent), (unit(3), Silent)]);
    assert_eq!([4, 5, 6].map(|number| node.state(number)), [Installed, Shipped, Suspended]);
}

#[test]
fn what_moved_by_itself_says_who_and_why() {
    let mut node = Node::with([(1, Live)]);
    node.round(Duration::ZERO, &[]);
    node.round(15 * DAY, &[]);
    node.round(DAY, &[1]);
    let told: Vec<_> = std::iter::from_fn({
        let mut tail = events::journal::Tail::new(&node.ledger.journal().dir(), 1);
        move || tail.next_record().unwrap()
    })
    .filter(|record| record.kind == "ledger.row_changed")
    .map(|record| serde_json::from_str::<serde_json::Value>(record.body.get()).unwrap())
    .skip(1)
    .map(|body| (body["by"].clone(), body["why"].clone(), body["after"]["state"].clone()))
    .collect();
    let says = |why: &str, state: &str| (BY.into(), why.into(), state.into());
    assert_eq!(told, [says("not seen for 14 days", "silent"), says("it attached", "live")]);
}

/// Whatever the clock of the wall says meanwhile: it is not asked.
#[test]
fn an_estate_is_not_silent_because_the_node_was_down_or_knows_nothing_of_before() {
    let mut node = Node::with((1..=20).map(|number| (number, Live)));
    let all: Vec<_> = (1..=20).collect();
    node.round(20 * DAY, &[]);
    node.round(DAY, &all);
    // It stops, is away for a year, and starts again.
    let kept = serde_json::to_string(&node.presence).unwrap();
    node.presence = serde_json::from_str(&kept).unwrap();
    assert_eq!(node.round(Duration::ZERO, &[]), []);
    assert_eq!(node.round(14 * DAY, &[]), []);
    node.presence = Presence::default();
    assert_eq!(node.round(400 * DAY, &[]), []);
    assert_eq!(node.round(15 * DAY, &all[1..]), [(unit(1), Silent)]);
}

#[test]
fn a_unit_with_a_lease_is_never_silent() {
    let mut node = Node::with([(1, Live), (2, Live)]);
    let lease = Lease {
        device: unit(1),
        node: "gw2".parse().unwrap(),
        epoch: ids::Epoch(7),
        session: SessionId { epoch: ids::Epoch(7), number: 1 },
        cert_sha256: Sha256([1; 32]),
        outer: ([192, 0, 2, 1], 4500).into(),
        since: now(),
    };
    let mut tx = node.ledger.begin().unwrap();
    tx.take_lease(&lease, None, EventRef { node: "gw2".parse().unwrap(), seq: 1 }).unwrap();
    tx.commit().unwrap();
    node.round(Duration::ZERO, &[]);
    assert_eq!(node.round(15 * DAY, &[]), [(unit(2), Silent)]);
}

#[test]
fn a_person_who_moves_a_unit_is_not_undone_and_it_counts_anew() {
    let mut node = Node::with([(1, Live)]);
    node.round(Duration::ZERO, &[1]);
    let go = |node: &Node, to| node.ledger.move_device(unit(1), to, "kim", "why", None, now()).unwrap();
    go(&node, Lost);
    assert_eq!(node.round(15 * DAY, &[1]), [], "also while its session ends");
    assert_eq!(node.presence.seen_at_s.len(), 0);
    assert_eq!(node.state(1), Lost);
}

#[test]
fn many_are_moved_in_rounds_that_are_bounded() {
    let all = u32::try_from(MOVES).unwrap() + 300;
    let mut node = Node::with((0..all).map(|number| (number, Installed)));
    let seen: Vec<_> = (0..all).collect();
    assert_eq!(node.round(DAY, &seen).len(), MOVES);
    assert_eq!(node.round(DAY, &seen).len(), 300);
    assert_eq!(node.round(DAY, &seen), []);
    // Everyone was looked at once before the first falls silent.
    assert!(node.round(15 * DAY, &[]).len() <= MOVES);
    let more: usize = (0..3).map(|_| node.round(DAY, &[]).len()).sum();
    assert!(more >= 300, "{more}");
    assert!((0..all).all(|number| node.state(number) == Silent));
}
