//! What the engine takes on one core, rows in memory: 200,000 units, 100,000 macro cells, 10 million subscribers, at the mean rate of the
//! carrier of the case, 115,000 rows for each second of event time. `cargo bench -p detect` prints rows/s, octets and what was found;
//! `-- SECONDS` sets how many seconds of event time there are (300).
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a bench measures and prints"
)]

use detect::{Bounds, Change, Engine, Feed, Finding, Input, LedgerChange, Session, Setup, Unit};
use ids::{CellKey, DeviceId, Label, LifeCycle, Plmn, Position, Rat, SubscriberKey, UnixTime};
use records::row::{
    Access, AccessEvent, Channel, Code, Ealg, Heartbeat, Ims, ImsEvent, MacroCell, NasCipher, Row, Stamp,
    Text,
};
use std::{
    collections::BTreeMap,
    fs,
    io::{self, Write},
    net::{IpAddr, Ipv4Addr},
    time::Duration,
};

const UNITS: u32 = 200_000;
const MASTS: u32 = 100_000;
const SUBSCRIBERS: u64 = 10_000_000;
const RATE: u64 = 115_000;

/// The carrier, and the numbers of its feeds.
struct Carrier {
    start: UnixTime,
    plmn: Plmn,
    feeds: [Label; 5],
    seqs: [u64; 5],
    service: Text<32>,
    drawn: u64,
    /// Who was where in the second before.
    there: Vec<(u64, bool)>,
}

impl Carrier {
    fn new() -> Self {
        let feeds = ["codes", "core", "ims", "ledger", "plan"].map(|feed| feed.parse().unwrap());
        let start = "2026-01-05T00:00:00Z".parse().unwrap();
        let (plmn, service) = ("450-08".parse().unwrap(), "shop".parse().unwrap());
        Self { start, plmn, feeds, seqs: [0; 5], service, drawn: 1, there: Vec::new() }
    }

    fn draw(&mut self) -> u64 {
        // xorshift64*, so that a run is the same everywhere.
        self.drawn ^= self.drawn >> 12;
        self.drawn ^= self.drawn << 25;
        self.drawn ^= self.drawn >> 27;
        self.drawn.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn stamp(&mut self, feed: usize, micros: u64) -> Stamp {
        self.seqs[feed] += 1;
        let at = self.start.after(Duration::from_micros(micros));
        Stamp { at, feed: self.feeds[feed].clone(), seq: self.seqs[feed] }
    }

    fn mast(&self, number: u32) -> CellKey {
        CellKey::new(Rat::Lte, self.plmn, 0x100_0000 + u64::from(number)).unwrap()
    }

    fn cell(&self, unit: u32) -> CellKey {
        CellKey::new(Rat::Lte, self.plmn, 0x200_0000 + u64::from(unit)).unwrap()
    }

    /// Masts on a grid 1 km apart, and two units beside each.
    fn place(mast: u32) -> Position {
        Position::from_degrees(35.0 + f64::from(mast / 316) / 111.2, 127.0 + f64::from(mast % 316) / 88.0)
            .unwrap()
    }

    fn build(&mut self) -> Vec<Input> {
        let mut inputs = Vec::new();
        for mast in 0..MASTS {
            let (stamp, cell) = (self.stamp(4, 0), self.mast(mast));
            let (position, from) = (Self::place(mast), self.start);
            inputs.push(Input::Row(Row::MacroCell(MacroCell {
                stamp,
                cell,
                position,
                radius_m: 800,
                from,
                to: None,
            })));
        }
        for unit in 0..UNITS {
            let device: DeviceId = format!("{unit:012x}").parse().unwrap();
            let row = Unit {
                device,
                state: LifeCycle::Live,
                position: Some(Self::place(unit / 2)),
                line: format!("L-{unit}").parse().ok(),
                mode: None,
                cells: vec![self.cell(unit)],
            };
            let outer = IpAddr::V4(Ipv4Addr::from(0x6440_0000 + unit));
            let session = Session { device, inner: inner(unit), outer, line: row.line.clone(), class: None };
            for change in [
                Change::Unit { before: None, after: Some(row) },
                Change::Session { before: None, after: Some(session) },
            ] {
                inputs.push(Input::Ledger(LedgerChange { stamp: self.stamp(3, 0), change }));
            }
        }
        inputs
    }

    /// One second of rows, in the order of their time: half of them are of people who step between mast and unit within a second.
    fn second(&mut self, second: u64) -> Vec<Input> {
        let mut inputs: Vec<_> = (0..5)
            .map(|feed| Input::Row(Row::Heartbeat(Heartbeat { stamp: self.stamp(feed, second * 1_000_000) })))
            .collect();
        let mut there = std::mem::take(&mut self.there);
        for turn in 0..RATE {
            let (micros, drawn) = (second * 1_000_000 + turn * 1_000_000 / RATE, self.draw());
            let (person, is_home) = match there.pop().filter(|_| turn % 2 == 0) {
                Some((person, was_home)) => (person, !was_home),
                None => (drawn % SUBSCRIBERS, drawn >> 40 & 1 == 0),
            };
            self.there.push((person, is_home));
            let unit = (person % u64::from(UNITS)) as u32;
            let cell = if is_home { self.cell(unit) } else { self.mast(unit / 2) };
            let row = match drawn >> 48 & 127 {
                0 | 1 => self.ims(micros, person, cell),
                2 => self.code(micros, person, cell),
                _ => self.access(micros, person, cell, is_home.then(|| inner(unit))),
            };
            inputs.push(Input::Row(row));
        }
        inputs
    }

    fn access(&mut self, micros: u64, person: u64, cell: CellKey, inner: Option<IpAddr>) -> Row {
        let stamp = self.stamp(1, micros);
        let (subscriber, event, cipher) = (key(person), AccessEvent::Update, Some(NasCipher(2)));
        Row::Access(Access { stamp, subscriber, cell, event, peer: None, inner, cipher, integrity: None })
    }

    fn ims(&mut self, micros: u64, person: u64, cell: CellKey) -> Row {
        let (stamp, ealg) = (self.stamp(2, micros), Some(Ealg::AesCbc));
        let (subscriber, event, cell) = (key(person), ImsEvent::Register, Some(cell));
        Row::Ims(Ims { stamp, subscriber, event, sec_agree: true, cell, ealg, alg: None })
    }

    fn code(&mut self, micros: u64, person: u64, cell: CellKey) -> Row {
        let (stamp, service) = (self.stamp(0, micros), self.service.clone());
        let (requested, cell) = (Some(stamp.at), Some(cell));
        Row::Code(Code { stamp, subscriber: key(person), channel: Channel::Sms, service, cell, requested })
    }
}

fn inner(unit: u32) -> IpAddr {
    IpAddr::V4(Ipv4Addr::from(0x0a00_0000 + unit))
}

/// As a keyed hash is: every bit of it depends on the person.
fn key(person: u64) -> SubscriberKey {
    let mix = |value: u64| {
        let value = (value ^ value >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let value = (value ^ value >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        value ^ value >> 31
    };
    let mut octets = [0; 16];
    octets[..8].copy_from_slice(&mix(person + 1).to_be_bytes());
    octets[8..].copy_from_slice(&mix(person + SUBSCRIBERS + 1).to_be_bytes());
    SubscriberKey::new(octets)
}

fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

/// CPU time of this thread so far.
fn cpu() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

fn main() {
    let seconds = std::env::args().skip(1).find_map(|word| word.parse().ok()).unwrap_or(300);
    let mut carrier = Carrier::new();
    let (lateness, silence) = (Duration::from_secs(5), Duration::from_secs(3600));
    let feeds = carrier.feeds.clone().map(|name| Feed { name, lateness, silence }).to_vec();
    let before = resident();
    let setup = Setup { start: carrier.start, feeds, bounds: Bounds::default() };
    let mut engine = Engine::new(setup.clone());
    let (mut found, mut spent, mut rows) = (Vec::new(), Duration::ZERO, 0);
    for input in carrier.build() {
        engine.take(input, &mut found);
    }
    for second in 1..=seconds {
        let inputs = carrier.second(second);
        rows += inputs.len() as u64;
        let began = cpu();
        for input in inputs {
            engine.take(input, &mut found);
        }
        spent += cpu() - began;
    }
    report(&engine, &found, rows, spent);
    println!("memory: {} MB with {} rows waiting", (resident() - before) / 1_000_000, engine.pending().0);
    checkpoint(engine, setup);
}

/// Written where only its length is kept, and read from memory.
fn checkpoint(engine: Engine, setup: Setup) {
    let (mut length, began, before) = (Length(0), cpu(), resident());
    engine.checkpoint_to(&mut length).unwrap();
    let (written, room) = ((cpu() - began).as_millis(), resident() - before);
    println!(
        "checkpoint: {} MB written in {written} ms, {} MB beside",
        length.0 / 1_000_000,
        room / 1_000_000
    );
    let (octets, handsets) = (engine.checkpoint().unwrap(), engine.world().sizes().1);
    drop(engine);
    let began = cpu();
    let engine = Engine::restore(setup, &octets).unwrap();
    println!("read in {} ms", (cpu() - began).as_millis());
    assert_eq!(engine.world().sizes().1, handsets);
}

struct Length(usize);

impl Write for Length {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.0 += octets.len();
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn report(engine: &Engine, found: &[Finding], rows: u64, spent: Duration) {
    let (cells, handsets, _) = engine.world().sizes();
    println!("cells: {cells}, handsets: {handsets}, judged: {}", engine.counts().judged);
    println!(
        "{} rows in {:.1} s of CPU on one thread: {:.0} rows/s, {} ns each",
        rows,
        spent.as_secs_f64(),
        rows as f64 / spent.as_secs_f64(),
        spent.as_nanos() / u128::from(rows)
    );
    let mut by = BTreeMap::new();
    found.iter().for_each(|finding| *by.entry(finding.detector).or_insert(0) += 1);
    println!("found: {by:?}");
}
