use anyhow::Context;
use events::{
    Durability, Journal, JournalKey,
    admission::Admitted,
    ledger::{Committed, RowChanged},
};
use ids::{
    AccessLine, CellKey, CertSha256, DeviceId, Epoch, Label, Plmn, Position, Rat, SessionId, SubscriberKey,
    UnixTime,
};
use lake::{Entry, Kind, export};
use ledger::{Device, LifeCycle, Row as _};
use records::row::{
    Access, AccessEvent, Channel, Code, Ealg, Heartbeat, Ims, ImsEvent, MacroCell, NasCipher, Row, Stamp,
    Text,
};
use serde_json::{json, value::to_raw_value};
use std::{
    fs,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};

/// A carrier at the mean rate of that of the case: half of its rows are of people who step between a mast and the unit beside it.
pub(super) struct Carrier {
    start: UnixTime,
    plmn: Plmn,
    feeds: [Label; 4],
    seqs: [u64; 4],
    service: Text<32>,
    units: u32,
    subscribers: u64,
    drawn: u64,
    /// Who was where in the second before.
    there: Vec<(u64, bool)>,
}

/// Its feeds, by their places.
const CODES: usize = 0;
const CORE: usize = 1;
const IMS: usize = 2;
const PLAN: usize = 3;
const RATE: u64 = 115_000;
const MASTS: u32 = 100_000;
/// Seconds of rows in one file of each kind.
const FILE: u64 = 8;

impl Carrier {
    pub(super) fn new(units: u32, subscribers: u64) -> Self {
        let feeds = ["codes", "core", "ims", "plan"].map(label);
        let start = UnixTime::from_secs(1_767_571_200);
        let (plmn, service) = (plmn(), text());
        Self { start, plmn, feeds, seqs: [0; 4], service, units, subscribers, drawn: 1, there: Vec::new() }
    }

    pub(super) fn start(&self) -> UnixTime {
        self.start
    }

    pub(super) fn feeds(&self) -> impl Iterator<Item = &Label> {
        self.feeds.iter()
    }

    /// A journal by which each unit is live and attached.
    pub(super) fn write_ledger(&self, folder: &Path) -> anyhow::Result<()> {
        fs::create_dir_all(folder)?;
        let key = JournalKey::create(&folder.with_extension("key"))?;
        let before = self.start.before(Duration::from_secs(3600));
        let (journal, _) = Journal::open(folder, "bench".parse()?, key, before)?;
        let mut from = None;
        for unit in 0..self.units {
            let changed = self.unit(unit, before)?;
            let event = journal.append(&changed, before, Durability::Grouped)?;
            from.get_or_insert(event.seq);
        }
        let from = from.context("a carrier has units")?;
        journal.append(&Committed { from }, before, Durability::Grouped)?;
        for unit in 0..self.units {
            journal.append(&self.admitted(unit)?, before, Durability::Grouped)?;
        }
        Ok(())
    }

    /// Folders with rows in the order of time, one for each kind.
    pub(super) fn write_rows(
        &mut self,
        folder: &Path,
        seconds: u64,
        mut each: impl FnMut(),
    ) -> anyhow::Result<Vec<PathBuf>> {
        let kinds = [Kind::MacroCell, Kind::Heartbeat, Kind::Access, Kind::Ims, Kind::Code];
        let folders = kinds.map(|kind| folder.join(kind.as_str()));
        folders.iter().try_for_each(fs::create_dir_all)?;
        let mut rows = self.plan();
        for second in 1..=seconds {
            self.second(second, &mut rows);
            if second % FILE == 0 || second == seconds {
                for (kind, folder) in kinds.iter().zip(&folders) {
                    let own = rows.iter().filter(|row| row.kind() == *kind).cloned().peekable();
                    export(&folder.join(format!("{second:08}.parquet")), *kind, own)?;
                }
                rows.clear();
            }
            each();
        }
        Ok(folders.to_vec())
    }

    fn draw(&mut self) -> u64 {
        // xorshift64*, so that a run is the same everywhere.
        self.drawn ^= self.drawn >> 12;
        self.drawn ^= self.drawn << 25;
        self.drawn ^= self.drawn >> 27;
        self.drawn.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn stamp(&mut self, feed: usize, micros: u64) -> Stamp {
        let (Some(seq), Some(name)) = (self.seqs.get_mut(feed), self.feeds.get(feed)) else {
            unreachable!("it is one of the four")
        };
        *seq += 1;
        Stamp { at: self.start.after(Duration::from_micros(micros)), feed: name.clone(), seq: *seq }
    }

    fn plan(&mut self) -> Vec<Entry> {
        let row = |mast| {
            let (stamp, cell, from) = (self.stamp(PLAN, 0), self.mast(mast), self.start);
            let row = MacroCell { stamp, cell, position: place(mast), radius_m: 800, from, to: None };
            Entry::from(Row::MacroCell(row))
        };
        (0..MASTS).map(row).collect()
    }

    fn mast(&self, number: u32) -> CellKey {
        cell(self.plmn, 0x100_0000 + u64::from(number))
    }

    fn cell(&self, unit: u32) -> CellKey {
        cell(self.plmn, 0x200_0000 + u64::from(unit))
    }

    fn unit(&self, unit: u32, at: UnixTime) -> anyhow::Result<RowChanged> {
        let mut device = Device::new(device(unit), LifeCycle::Live, at);
        (device.position, device.access_line) = (Some(place(unit / 2)), Some(line(unit)));
        device.cells = [self.cell(unit)].into();
        Ok(RowChanged {
            table: Device::TABLE.to_owned(),
            key: device.id.to_string(),
            revision: 1,
            before: None,
            after: Some(serde_json::to_value(&device)?),
            by: "bench".to_owned(),
            why: String::new(),
            approver: None,
            effective_at: at,
        })
    }

    fn admitted(&self, unit: u32) -> anyhow::Result<Admitted> {
        let outer = SocketAddr::from((Ipv4Addr::from(0x6440_0000 + unit), 4500));
        let missing = json!({ "missing": "no_record" });
        let seen = json!({ "address": outer, "class": missing, "line": missing, "place": missing });
        Ok(Admitted {
            device: device(unit),
            session: SessionId { epoch: Epoch(1), number: u64::from(unit) + 1 },
            cert_sha256: CertSha256::of(&unit.to_be_bytes()),
            outer,
            inner: vec![inner(unit)],
            line: Some(line(unit)),
            how: "first".to_owned(),
            rules: String::new(),
            reasons: Vec::new(),
            weighed: Default::default(),
            claim: to_raw_value(&json!({ "outer": seen }))?,
        })
    }

    fn second(&mut self, second: u64, rows: &mut Vec<Entry>) {
        for feed in 0..self.feeds.len() {
            let stamp = self.stamp(feed, second * 1_000_000);
            rows.push(Row::Heartbeat(Heartbeat { stamp }).into());
        }
        let mut there = std::mem::take(&mut self.there);
        for turn in 0..RATE {
            let (micros, drawn) = (second * 1_000_000 + turn * 1_000_000 / RATE, self.draw());
            let (person, is_home) = match there.pop().filter(|_| turn % 2 == 0) {
                Some((person, was_home)) => (person, !was_home),
                None => (drawn % self.subscribers, drawn >> 40 & 1 == 0),
            };
            self.there.push((person, is_home));
            let unit = (person % u64::from(self.units)) as u32;
            let cell = if is_home { self.cell(unit) } else { self.mast(unit / 2) };
            let row = match drawn >> 48 & 127 {
                0 | 1 => self.ims(micros, person, cell),
                2 => self.code(micros, person, cell),
                _ => self.access(micros, person, cell, is_home.then(|| inner(unit))),
            };
            rows.push(row.into());
        }
    }

    fn access(&mut self, micros: u64, person: u64, cell: CellKey, inner: Option<IpAddr>) -> Row {
        let stamp = self.stamp(CORE, micros);
        let (subscriber, event, cipher) = (self.key(person), AccessEvent::Update, Some(NasCipher(2)));
        Row::Access(Access { stamp, subscriber, cell, event, peer: None, inner, cipher, integrity: None })
    }

    fn ims(&mut self, micros: u64, person: u64, cell: CellKey) -> Row {
        let (stamp, ealg) = (self.stamp(IMS, micros), Some(Ealg::AesCbc));
        let (subscriber, event, cell) = (self.key(person), ImsEvent::Register, Some(cell));
        Row::Ims(Ims { stamp, subscriber, event, sec_agree: true, cell, ealg, alg: None })
    }

    fn code(&mut self, micros: u64, person: u64, cell: CellKey) -> Row {
        let (stamp, service) = (self.stamp(CODES, micros), self.service.clone());
        let (requested, cell) = (Some(stamp.at), Some(cell));
        Row::Code(Code {
            stamp,
            subscriber: self.key(person),
            channel: Channel::Sms,
            service,
            cell,
            requested,
        })
    }

    /// As a keyed hash is: every bit of it depends on the person.
    fn key(&self, person: u64) -> SubscriberKey {
        let mix = |value: u64| {
            let value = (value ^ value >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let value = (value ^ value >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
            value ^ value >> 31
        };
        let halves = [mix(person + 1), mix(person + self.subscribers + 1)];
        SubscriberKey::new(
            u128::from(halves[0]).wrapping_shl(64).wrapping_add(halves[1].into()).to_be_bytes(),
        )
    }
}

fn label(text: &str) -> Label {
    text.parse().unwrap_or_else(|_| unreachable!("`{text}` is a name"))
}

fn plmn() -> Plmn {
    "450-08".parse().unwrap_or_else(|_| unreachable!("it is one"))
}

fn text() -> Text<32> {
    "shop".parse().unwrap_or_else(|_| unreachable!("it is one"))
}

fn cell(plmn: Plmn, number: u64) -> CellKey {
    CellKey::new(Rat::Lte, plmn, number).unwrap_or_else(|| unreachable!("28 bits"))
}

fn device(unit: u32) -> DeviceId {
    let [a, b, c, d] = unit.to_be_bytes();
    DeviceId::eui48([2, 0, a, b, c, d])
}

fn line(unit: u32) -> AccessLine {
    format!("L-{unit}").parse().unwrap_or_else(|_| unreachable!("it is one"))
}

fn inner(unit: u32) -> IpAddr {
    IpAddr::V4(Ipv4Addr::from(0x0a00_0000 + unit))
}

/// Masts on a grid 1 km apart, and two units beside each.
fn place(mast: u32) -> Position {
    let (north, east) = (35.0 + f64::from(mast / 316) / 111.2, 127.0 + f64::from(mast % 316) / 88.0);
    Position::from_degrees(north, east).unwrap_or_else(|| unreachable!("it is on the Earth"))
}
