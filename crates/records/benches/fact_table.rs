//! What the table of device facts takes: 250,000 units, each with all facts and eight cells heard, here and at its line; from text.
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a bench measures and prints"
)]

use ids::{DeviceId, UnixTime};
use records::facts::{FactTable, Record, UNITS};
use std::{
    fs,
    hint::black_box,
    time::{Duration, Instant},
};

const LOOKS: u32 = 1_000_000;
const SPAN: Duration = Duration::from_secs(3600);

fn device(number: u32) -> DeviceId {
    let [a, b, c, d] = number.to_be_bytes();
    DeviceId::eui48([2, 0, a, b, c, d])
}

fn text(number: u32) -> String {
    let device = device(number);
    let cells: Vec<_> = (0..8).map(|cell| format!("\"lte:450-08:{:x}\"", number / 4 + cell)).collect();
    let cells = cells.join(",");
    format!(
        r#"{{"v":1,"kind":"device-facts","device":"{device}","seen_at":"2026-11-30T09:00:00Z","at":"2026-11-30T09:00:01Z","serial":"{device}","software":"2.4.1","tunnel":{{"ike_spi":"0a0b0c0d{number:08x}","created_at":"2026-11-30T08:00:00Z"}},"neighbours":[{cells}],"algorithms":["aes128gcm16-ecp256","aes128-sha256-modp2048"],"radio":{{"on":true,"emergency_call":false}}}}"#
    )
}

fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

fn main() {
    let now: UnixTime = "2026-11-30T09:00:02Z".parse().unwrap();
    let line = "FIX-000000001".parse().unwrap();
    let mut table = FactTable::new();
    let (before, mut spent) = (resident(), Duration::ZERO);
    for number in 0..UNITS as u32 {
        let text = text(number);
        let began = Instant::now();
        let Ok(Record::Facts(facts)) = Record::parse(text.as_bytes()) else { panic!("{text}") };
        table.hear(facts.at, now).unwrap();
        black_box(table.take(*facts, now, SPAN));
        spent += began.elapsed();
        table.is_at_home(device(number), &line, now.before(SPAN));
    }
    let (octets, units) = (resident() - before, UNITS as u64);
    println!("units: {}, memory: {} MB, {} octets each", table.len(), octets / 1_000_000, octets / units);
    println!("parse and take: {} ns each", spent.as_nanos() / UNITS as u128);
    let began = Instant::now();
    let mut found = 0;
    for look in 0..LOOKS {
        let device = device(look.wrapping_mul(2_654_435_761) % UNITS as u32);
        let said = table.of(black_box(device), Some(&line), now, (SPAN, SPAN));
        found +=
            u32::from(said.is_ok_and(|said| said.neighbours.is_some_and(|(_, here)| here == Some(true))));
    }
    println!("looks: {} ns each, {found} of {LOOKS} found", began.elapsed().as_nanos() / u128::from(LOOKS));
}
