//! What reading a source and writing the lake take on one core: access rows as a carrier's core writes them down, in the order of time, of
//! 200,000 femtocells, 100,000 macro cells and 10 million subscribers at 115,000 rows a second. `cargo bench -p lake` prints rows/s, CPU time
//! and octets for each row, and the most memory that it took; `-- ROWS` sets how many rows there are (4,000,000).
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a bench measures and prints")]

use ids::{CellKey, Label, Plmn, Rat, SubscriberKey, UnixTime};
use lake::{Entry, Input, Kind, Lake, Options, Source, export};
use records::row::{Access, AccessEvent, NasCipher, NasIntegrity, Stamp};
use std::{
    env, fs,
    fs::File,
    io::Write,
    net::Ipv4Addr,
    path::Path,
    time::{Duration, Instant},
};

const UNITS: u64 = 200_000;
const MASTS: u64 = 100_000;
const SUBSCRIBERS: u64 = 10_000_000;
const RATE: u64 = 115_000;

struct Carrier {
    start: UnixTime,
    plmn: Plmn,
    feeds: Vec<Label>,
    drawn: u64,
    row: u64,
}

impl Carrier {
    fn new() -> Self {
        let feeds = (1..9).map(|mme| format!("mme-{mme}").parse().unwrap()).collect();
        Self {
            start: "2026-11-30T09:00:00Z".parse().unwrap(),
            plmn: "450-08".parse().unwrap(),
            feeds,
            drawn: 1,
            row: 0,
        }
    }

    fn draw(&mut self) -> u64 {
        // xorshift64*, so that a run is the same everywhere.
        self.drawn ^= self.drawn >> 12;
        self.drawn ^= self.drawn << 25;
        self.drawn ^= self.drawn >> 27;
        self.drawn.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }
}

impl Iterator for Carrier {
    type Item = Entry;

    fn next(&mut self) -> Option<Entry> {
        let (row, who, place, what) = (self.row, self.draw() >> 20, self.draw() >> 20, self.draw() >> 20);
        self.row += 1;
        let feeds = self.feeds.len() as u64;
        let at = self.start.after(Duration::from_micros(row * 1_000_000 / RATE));
        let stamp = Stamp { at, feed: self.feeds[(row % feeds) as usize].clone(), seq: row / feeds + 1 };
        let who = who % SUBSCRIBERS;
        let mut key = [0; 16];
        key[..8].copy_from_slice(&who.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes());
        key[8..].copy_from_slice(&who.wrapping_mul(0xc2b2_ae3d_27d4_eb4f).rotate_left(31).to_le_bytes());
        let is_unit = what % 2 == 0;
        let (number, inner) = match is_unit {
            true => (0x200_0000 + place % UNITS, Ipv4Addr::from(0x0a00_0000 + (place % UNITS) as u32)),
            false => (0x100_0000 + place % MASTS, Ipv4Addr::from(0xac10_0000 + (place % MASTS) as u32)),
        };
        let events =
            [AccessEvent::ServiceRequest, AccessEvent::Release, AccessEvent::Update, AccessEvent::Attach];
        Some(Entry::from(Access {
            stamp,
            subscriber: SubscriberKey::new(key),
            cell: CellKey::new(Rat::Lte, self.plmn, number).unwrap(),
            event: events[(what >> 8) as usize % 4],
            peer: None,
            inner: Some(inner.into()),
            cipher: Some(NasCipher(2)),
            integrity: Some(NasIntegrity(2)),
        }))
    }
}

/// CPU time of this thread.
fn cpu() -> Duration {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(text.split(' ').next().unwrap().parse().unwrap())
}

fn peak_mib() -> u64 {
    let text = fs::read_to_string("/proc/self/status").unwrap();
    let line = text.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
}

fn measured<T>(what: &str, rows: u64, octets: u64, work: impl FnOnce() -> T) -> T {
    let (wall, before) = (Instant::now(), cpu());
    let result = work();
    let (wall, cpu) = (wall.elapsed(), cpu() - before);
    println!(
        "{what:<34} {:>7.2} M rows/s  {:>6.0} ns CPU/row  {:>6.0} ns/row  {:>5.1} octets/row  {:>5} MiB at most",
        rows as f64 / wall.as_secs_f64() / 1e6,
        cpu.as_nanos() as f64 / rows as f64,
        wall.as_nanos() as f64 / rows as f64,
        octets as f64 / rows as f64,
        peak_mib()
    );
    result
}

fn size(path: &Path) -> u64 {
    let meta = fs::metadata(path).unwrap();
    if !meta.is_dir() {
        return meta.len();
    }
    fs::read_dir(path).unwrap().map(|entry| size(&entry.unwrap().path())).sum()
}

fn main() {
    let rows: u64 = env::args().skip(1).find_map(|arg| arg.parse().ok()).unwrap_or(4_000_000);
    let dir = env::temp_dir().join(format!("truecell-lake-bench-{}", std::process::id()));
    fs::create_dir_all(&dir).unwrap();
    let path = dir.join("core.parquet");
    println!("{rows} access rows; a row takes {} octets in memory", size_of::<Entry>());
    let made = Carrier::new().take(rows as usize);
    measured("making them", rows, 0, || made.for_each(|entry| drop(std::hint::black_box(entry))));
    export(&path, Kind::Access, Carrier::new().take(rows as usize)).unwrap();
    let source = size(&path);
    let options = Options { kind: Some(Kind::Access), ..Options::default() };
    let open = || Source::open(Input::Path(path.clone()), options.clone()).unwrap();

    let read = measured("source read", rows, source, || {
        open().filter(|entry| entry.as_ref().unwrap().stamp().seq > 0).count()
    });
    assert_eq!(read as u64, rows);
    let lake = Lake::open(dir.join("lake")).unwrap();
    let of_units = |cell: CellKey| cell.id() >= 0x200_0000;
    let octets = measured("source read, lake written", rows, 0, || {
        let mut writer = lake.writer(1, of_units).unwrap();
        open().for_each(|entry| writer.push(&entry.unwrap()).unwrap());
        writer.seal().unwrap().publish().unwrap().octets
    });
    let (parts, visitors) = (size(&dir.join("lake/access")), size(&dir.join("lake/visitors")));
    println!(
        "octets a row: {:.1} of parts, {:.1} of visitors",
        parts as f64 / rows as f64,
        visitors as f64 / rows as f64
    );
    let copy: Vec<u8> = vec![7; octets as usize];
    measured("the same octets, written plainly", rows, octets, || {
        let mut file = File::create(dir.join("plain")).unwrap();
        file.write_all(&copy).unwrap();
        file.sync_all().unwrap();
    });
    drop(copy);
    let (from, to) = (UnixTime::from_secs(0), "2027-01-01T00:00:00Z".parse().unwrap());
    let read = measured("lake read in the order of time", rows, parts, || {
        lake.read(&[Kind::Access], from, to)
            .unwrap()
            .filter(|entry| entry.as_ref().unwrap().stamp().seq > 0)
            .count()
    });
    assert_eq!(read as u64, rows);
    let read = measured("the same, parts put aside", rows, parts, || {
        let all = lake.read(&[Kind::Access], from, to).unwrap().holding(0);
        all.filter(|entry| entry.as_ref().unwrap().stamp().seq > 0).count()
    });
    assert_eq!(read as u64, rows);
    let visitors = lake.visitors(from, to).unwrap().count();
    println!("{visitors} visitors");
    fs::remove_dir_all(&dir).unwrap();
}
