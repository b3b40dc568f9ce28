//! What the table of lines takes: 250,000 lines with an address each, and 1,000,000 with a block of ports, from text.
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a bench measures and prints"
)]

use ids::UnixTime;
use records::line::{LineTable, Record};
use std::{
    fs,
    hint::black_box,
    net::{Ipv4Addr, SocketAddr},
    time::{Duration, Instant},
};

const LINES: u32 = 250_000;
const BLOCKS: u32 = 1_000_000;
/// 63 blocks of 1,024 ports of each address, as a CGNAT gives them out.
const OF_ONE: u32 = 63;
const LOOKS: u32 = 1_000_000;

fn address(base: [u8; 4], number: u32) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(Ipv4Addr::from(base)) + number)
}

fn text(number: u32) -> String {
    let at = r#""from":"2026-11-30T09:00:00Z","at":"2026-11-30T09:00:01Z""#;
    let (place, line) = match number.checked_sub(LINES) {
        None => (format!(r#""address":"{}""#, address([10, 0, 0, 0], number)), format!("FIX-{number:09}")),
        Some(block) => {
            let first = 1024 * (1 + block % OF_ONE);
            let address = address([100, 64, 0, 0], block / OF_ONE);
            (
                format!(r#""address":"{address}","ports":[{first},{}]"#, first + 1023),
                format!("CGN-{block:09}"),
            )
        }
    };
    format!(r#"{{"v":1,"kind":"line-session","line":"{line}",{place},{at}}}"#)
}

fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

fn main() {
    let now: UnixTime = "2026-11-30T09:00:02Z".parse().unwrap();
    let mut table = LineTable::new(Duration::from_secs(86_400));
    let (before, mut spent) = (resident(), Duration::ZERO);
    for number in 0..LINES + BLOCKS {
        let text = text(number);
        let began = Instant::now();
        let Ok(Record::Session(session)) = Record::parse(text.as_bytes()) else { panic!("{text}") };
        table.hear(session.at, now).unwrap();
        black_box(table.take(session, now));
        spent += began.elapsed();
    }
    let octets = resident() - before;
    let count = u64::from(LINES + BLOCKS);
    println!("sessions: {}, memory: {} MB, {} octets each", table.len(), octets / 1_000_000, octets / count);
    println!("parse and take: {} ns each", spent.as_nanos() / u128::from(count));
    let began = Instant::now();
    let mut found = 0;
    for look in 0..LOOKS {
        let number = look.wrapping_mul(2_654_435_761) % BLOCKS;
        let port = 1024 * (1 + number % OF_ONE) + 7;
        let peer = SocketAddr::new(address([100, 64, 0, 0], number / OF_ONE).into(), port as u16);
        found += u32::from(table.whose(black_box(peer), now, now, Duration::from_secs(900)).is_ok());
    }
    println!("looks: {} ns each, {found} of {LOOKS} found", began.elapsed().as_nanos() / u128::from(LOOKS));
}
