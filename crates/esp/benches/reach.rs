//! What the rules cost for each packet, on this machine: `cargo bench -p esp`.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, clippy::print_stdout, reason = "a bench")]

use esp::{Inner, Reach, Rule};
use std::{hint::black_box, time::Instant};

/// Best and worst of nine averages, in nanoseconds.
fn measured(mut run: impl FnMut()) -> (f64, f64) {
    const RUNS: u32 = 2_000_000;
    let average = |run: &mut dyn FnMut()| {
        let start = Instant::now();
        (0..RUNS).for_each(|_| run());
        start.elapsed().as_secs_f64() / f64::from(RUNS) * 1e9
    };
    let runs: Vec<f64> = (0..9).map(|_| average(&mut run)).collect();
    (runs.iter().copied().fold(f64::MAX, f64::min), runs.iter().copied().fold(0.0, f64::max))
}

fn v4(fragment: u16) -> Vec<u8> {
    let mut packet = vec![0x45, 0, 5, 120, 0, 1];
    packet.extend(fragment.to_be_bytes());
    packet.extend([64, 17, 0, 0, 10, 9, 0, 1, 10, 1, 0, 5, 0x13, 0x88, 8, 104]);
    packet.resize(1400, 7);
    packet
}

fn v6(chain: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x60, 0, 0, 0, 5, 80, if chain.is_empty() { 17 } else { 60 }, 64];
    packet.extend("fd09::1".parse::<std::net::Ipv6Addr>().unwrap().octets());
    packet.extend("fd01::5".parse::<std::net::Ipv6Addr>().unwrap().octets());
    packet.extend([chain, &[0x13, 0x88, 8, 104]].concat());
    packet.resize(1400, 7);
    packet
}

fn rules(count: usize) -> Reach {
    let others = (0..count - 2).flat_map(|at| {
        [format!("10.2.0.{} tcp {at}", at % 256).parse(), format!("fd02::{at:x} tcp {at}").parse()]
    });
    let last = ["10.1.0.5 udp".parse(), "fd01::5 udp 2152".parse()];
    Reach::new(&others.chain(last).collect::<Result<Vec<Rule>, _>>().unwrap())
}

fn main() {
    let padding = [17, 0, 1, 4, 0, 0, 0, 0];
    let packets = [
        ("IPv4", v4(0)),
        ("IPv4, later fragment", v4(185)),
        ("IPv6", v6(&[])),
        ("IPv6, one extension", v6(&padding)),
    ];
    for (name, packet) in &packets {
        let (best, worst) = measured(|| assert!(black_box(Inner::parse(black_box(packet))).is_ok()));
        println!("headers, {name}: {best:.1} ns (to {worst:.1})");
        let inner = Inner::parse(packet).unwrap();
        for count in [3, 10, 64] {
            let reach = rules(count);
            let check = || {
                let verdict = black_box(&reach).check_inbound(black_box(&inner), packet);
                assert!(black_box(verdict).is_ok());
            };
            let (best, worst) = measured(check);
            println!("rules, {name}, the last of {}: {best:.1} ns (to {worst:.1})", count - 1);
        }
    }
}
