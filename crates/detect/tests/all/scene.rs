//! A small carrier that is written down row by row: 25 macro cells 1 km apart around a town, and as many units as a test wants.

use detect::{Bounds, Change, Engine, Feed, Finding, Input, LedgerChange, Session, Setup, Unit};
use ids::{AccessLine, CellKey, DeviceId, Label, LifeCycle, Position, SourceClass, SubscriberKey, UnixTime};
use records::row::{
    Access, AccessEvent, Code, Ealg, Heartbeat, Ims, ImsEvent, MacroCell, NasCipher, Order, Purpose, Row,
    Stamp,
};
use std::{collections::BTreeMap, time::Duration};

pub(crate) const LATENESS: u64 = 60;
pub(crate) const MINUTE: u64 = 60;
pub(crate) const HOUR: u64 = 3600;
pub(crate) const DAY: u64 = 86_400;
const FEEDS: [&str; 5] = ["codes", "core", "ims", "ledger", "plan"];

/// All inputs of a scene, in the order of time.
#[derive(Clone, Default)]
pub(crate) struct Scene {
    inputs: Vec<(u64, Input)>,
    units: BTreeMap<u64, Unit>,
    sessions: BTreeMap<u64, Session>,
}

pub(crate) fn at(secs: u64) -> UnixTime {
    "2026-01-05T00:00:00Z".parse::<UnixTime>().unwrap().after(Duration::from_secs(secs))
}

/// So many km east and north of the middle of the town, at 37.5 degrees north.
pub(crate) fn km(east: f64, north: f64) -> Position {
    Position::from_degrees(37.5 + north / 111.195, 127.0 + east / (111.195 * 37.5_f64.to_radians().cos()))
        .unwrap()
}

/// The macro cell so many km east and north.
pub(crate) fn mast(east: i32, north: i32) -> CellKey {
    format!("lte:450-08:{:x}", 0x100_0000 + (east + 500) * 0x1000 + north + 500).parse().unwrap()
}

/// The one cell of a unit.
pub(crate) fn cell(unit: u64) -> CellKey {
    format!("lte:450-08:{:x}", 0x200_0000 + unit).parse().unwrap()
}

/// A cell that nobody registered.
pub(crate) fn stray(number: u64) -> CellKey {
    format!("lte:450-08:{:x}", 0x300_0000 + number).parse().unwrap()
}

pub(crate) fn device(unit: u64) -> DeviceId {
    format!("{unit:012x}").parse().unwrap()
}

/// A subscriber, with a key that looks like a hash.
pub(crate) fn who(number: u64) -> SubscriberKey {
    let ids::Sha256(hash) = ids::Sha256::of(&number.to_le_bytes());
    SubscriberKey::new(hash[..16].try_into().unwrap())
}

pub(crate) fn setup() -> Setup {
    let feed = |name: &str| Feed {
        name: name.parse().unwrap(),
        lateness: Duration::from_secs(LATENESS),
        silence: Duration::from_secs(2 * HOUR),
    };
    let bounds = Bounds { handsets: 4096, cells: 4096, waiting: 100_000 };
    Setup { start: at(0), feeds: FEEDS.map(feed).to_vec(), bounds }
}

impl Scene {
    /// A town with its plan of macro cells, and with people who are where the network sees them.
    pub(crate) fn town() -> Self {
        let mut scene = Self::default();
        for (east, north) in (-2..=2).flat_map(|east| (-2..=2).map(move |north| (east, north))) {
            scene.mast(east, north);
        }
        scene
    }

    pub(crate) fn mast(&mut self, east: i32, north: i32) {
        let stamp = self.stamp("plan", 0);
        let (cell, position) = (mast(east, north), km(east.into(), north.into()));
        self.row(Row::MacroCell(MacroCell { stamp, cell, position, radius_m: 700, from: at(0), to: None }));
    }

    /// A unit in service with a tunnel, so many km east and north of the middle.
    pub(crate) fn unit(&mut self, unit: u64, east: f64, north: f64) {
        let row = Unit {
            device: device(unit),
            state: LifeCycle::Live,
            position: Some(km(east, north)),
            line: format!("L-{unit}").parse::<AccessLine>().ok(),
            mode: None,
            cells: vec![cell(unit)],
        };
        self.change(1, unit, Some(row));
        self.tunnel(2, unit, true);
    }

    /// The unit's row as it is from now on.
    pub(crate) fn change(&mut self, secs: u64, unit: u64, after: Option<Unit>) {
        let before = self.units.get(&unit).cloned();
        if let Some(after) = &after {
            self.units.insert(unit, after.clone());
        }
        self.ledger(secs, Change::Unit { before, after });
    }

    pub(crate) fn state(&mut self, secs: u64, unit: u64, state: LifeCycle) {
        let row = Unit { state, ..self.units[&unit].clone() };
        self.change(secs, unit, Some(row));
    }

    /// Its tunnel comes, or goes.
    pub(crate) fn tunnel(&mut self, secs: u64, unit: u64, is_up: bool) {
        let after = is_up.then(|| Session {
            device: device(unit),
            inner: inner(unit).parse().unwrap(),
            outer: "192.0.2.1".parse().unwrap(),
            line: None,
            class: None,
        });
        self.session(secs, unit, after);
    }

    /// Its tunnel comes from one outer address, of that line and network.
    pub(crate) fn attaches(&mut self, secs: u64, unit: u64, line: Option<&str>, class: Option<SourceClass>) {
        let (device, inner) = (device(unit), inner(unit).parse().unwrap());
        let (outer, line) = ("198.51.100.7".parse().unwrap(), line.map(|line| line.parse().unwrap()));
        self.session(secs, unit, Some(Session { device, inner, outer, line, class }));
    }

    fn session(&mut self, secs: u64, unit: u64, after: Option<Session>) {
        let before = self.sessions.remove(&unit);
        after.iter().for_each(|session| drop(self.sessions.insert(unit, session.clone())));
        self.ledger(secs, Change::Session { before, after });
    }

    pub(crate) fn order(&mut self, from: u64, to: u64, unit: u64) {
        let stamp = self.stamp("plan", from);
        let order = format!("W-{unit}-{from}").parse().unwrap();
        let (device, purpose) = (device(unit), Purpose::Move);
        let (line, position) = (None, None);
        self.row(Row::Order(Order {
            stamp,
            order,
            device,
            purpose,
            from: at(from),
            to: at(to),
            line,
            position,
        }));
    }

    pub(crate) fn access(
        &mut self,
        secs: u64,
        person: u64,
        cell: CellKey,
        event: AccessEvent,
    ) -> &mut Access {
        let stamp = self.stamp("core", secs);
        let subscriber = who(person);
        let (peer, inner, cipher, integrity) = (None, None, None, None);
        self.row(Row::Access(Access { stamp, subscriber, cell, event, peer, inner, cipher, integrity }));
        match self.inputs.last_mut() {
            Some((_, Input::Row(Row::Access(access)))) => access,
            other => panic!("{other:?}"),
        }
    }

    /// Somebody comes to a cell.
    pub(crate) fn comes(&mut self, secs: u64, person: u64, cell: CellKey) {
        self.access(secs, person, cell, AccessEvent::Update);
    }

    /// Somebody comes from one cell to another, 20 s later.
    pub(crate) fn steps(&mut self, secs: u64, person: u64, from: CellKey, to: CellKey) {
        self.comes(secs, person, from);
        self.comes(secs + 20, person, to);
    }

    /// Somebody comes to a cell and gets that ciphering.
    pub(crate) fn ciphered(&mut self, secs: u64, person: u64, cell: CellKey, cipher: u8) {
        self.access(secs, person, cell, AccessEvent::Attach).cipher = Some(NasCipher(cipher));
    }

    /// Somebody registers with IMS; `None`: without any security.
    pub(crate) fn registers(&mut self, secs: u64, person: u64, cell: CellKey, ealg: Option<Ealg>) {
        let stamp = self.stamp("ims", secs);
        let (subscriber, event, sec_agree) = (who(person), ImsEvent::Register, ealg.is_some());
        self.row(Row::Ims(Ims { stamp, subscriber, event, sec_agree, cell: Some(cell), ealg, alg: None }));
    }

    pub(crate) fn code(&mut self, secs: u64, person: u64, cell: Option<CellKey>, is_asked: bool) {
        let stamp = self.stamp("codes", secs);
        let requested = is_asked.then(|| at(secs - 5));
        let (subscriber, service) = (who(person), "shop".parse().unwrap());
        let channel = records::row::Channel::Sms;
        self.row(Row::Code(Code { stamp, subscriber, channel, service, cell, requested }));
    }

    /// All feeds work until then.
    pub(crate) fn until(mut self, secs: u64) -> Self {
        self.beats(0, secs, &FEEDS);
        self
    }

    /// These feeds work between two times.
    pub(crate) fn beats(&mut self, from: u64, to: u64, feeds: &[&'static str]) {
        for (secs, feed) in
            (from / HOUR..=to / HOUR).flat_map(|hour| feeds.iter().map(move |feed| (hour * HOUR, *feed)))
        {
            let stamp = self.stamp(feed, secs);
            self.row(Row::Heartbeat(Heartbeat { stamp }));
        }
    }

    /// All inputs by time, and within it as they were written down; each feed numbers its own in that order.
    pub(crate) fn inputs(&self) -> Vec<(u64, Input)> {
        let mut inputs = self.inputs.clone();
        inputs.sort_by_key(|(secs, _)| *secs);
        let mut seqs: BTreeMap<Label, u64> = BTreeMap::new();
        for (_, input) in &mut inputs {
            let stamp = stamp_of(input);
            let seq = seqs.entry(stamp.feed.clone()).or_default();
            *seq += 1;
            stamp.seq = *seq;
        }
        inputs
    }

    /// What is found, in order.
    pub(crate) fn found(&self) -> Vec<Finding> {
        let (mut engine, mut found) = (Engine::new(setup()), Vec::new());
        let inputs = self.inputs();
        let last = inputs.last().map_or(0, |(secs, _)| *secs);
        for (_, input) in inputs {
            let taken = engine.take(input, &mut found);
            assert_eq!(taken, detect::Taken::Kept);
        }
        engine.finish(at(last + HOUR), &mut found);
        found
    }

    /// What one detector finds.
    pub(crate) fn found_by(&self, detector: &str) -> Vec<Finding> {
        let found = self.found();
        let only = |finding: &Finding| finding.detector == detector;
        found.into_iter().filter(only).collect()
    }

    fn ledger(&mut self, secs: u64, change: Change) {
        let stamp = self.stamp("ledger", secs);
        self.inputs.push((secs, Input::Ledger(LedgerChange { stamp, change })));
    }

    fn row(&mut self, row: Row) {
        let secs = row.stamp().at.since(at(0)).as_secs();
        self.inputs.push((secs, Input::Row(row)));
    }

    fn stamp(&self, feed: &str, secs: u64) -> Stamp {
        Stamp { at: at(secs), feed: feed.parse().unwrap(), seq: 0 }
    }
}

fn stamp_of(input: &mut Input) -> &mut Stamp {
    match input {
        Input::Ledger(change) => &mut change.stamp,
        Input::Row(Row::Access(row)) => &mut row.stamp,
        Input::Row(Row::Ims(row)) => &mut row.stamp,
        Input::Row(Row::Code(row)) => &mut row.stamp,
        Input::Row(Row::MacroCell(row)) => &mut row.stamp,
        Input::Row(Row::Order(row)) => &mut row.stamp,
        Input::Row(Row::Heartbeat(row)) => &mut row.stamp,
        other => panic!("{other:?} has no number here"),
    }
}

/// The inner address of a unit's tunnel.
pub(crate) fn inner(unit: u64) -> String {
    format!("10.0.{}.{}", unit / 256, unit % 256)
}
