//! scapy as an independent implementation: it opens what we seal, and we open what it seals.

#![allow(clippy::unwrap_used)]

use esp::{Dropped, InboundSa, Keys, OutboundSa, Selector, Selectors, Suite, WindowSize};
use ids::Spi;
use std::{
    collections::BTreeSet,
    fmt::Write as _,
    io::Write as _,
    process::{Command, Stdio},
    sync::Arc,
};

const SPI: u32 = 0xc0ff_ee01;

fn hex(octets: &[u8]) -> String {
    let mut text = String::new();
    octets.iter().for_each(|octet| write!(text, "{octet:02x}").unwrap());
    if text.is_empty() { "-".into() } else { text }
}

fn octets(hex: &str) -> Vec<u8> {
    hex.as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

/// A Python that has scapy; the system's before one from a version manager.
fn python() -> Option<&'static str> {
    let has_scapy = |python: &&str| {
        let mut probe = Command::new(python);
        probe.args(["-c", "import scapy.layers.ipsec, cryptography"]).stderr(Stdio::null());
        probe.status().is_ok_and(|status| status.success())
    };
    ["/usr/bin/python3", "python3"].into_iter().find(has_scapy)
}

fn ask(python: &str, jobs: &str) -> Vec<Vec<u8>> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/seal_and_open.py");
    let mut command = Command::new(python);
    command.arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // Both pipes hold less than all jobs and all answers.
    let output = std::thread::scope(|scope| {
        scope.spawn(move || stdin.write_all(jobs.as_bytes()).unwrap());
        child.wait_with_output().unwrap()
    });
    assert!(output.status.success(), "scapy: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().map(octets).collect()
}

#[derive(Clone)]
struct Case {
    suite: Suite,
    extended: bool,
    encryption: Vec<u8>,
    integrity: Vec<u8>,
    inner: Vec<u8>,
}

impl Case {
    fn all() -> Vec<Self> {
        let suites =
            [Suite::Aes128Gcm16, Suite::Aes256Gcm16, Suite::Aes128CbcHmacSha256, Suite::Aes256CbcHmacSha256];
        let key = |length: usize, salt: u8| (0..length).map(|at| at as u8 ^ salt).collect::<Vec<u8>>();
        let kinds = suites.into_iter().flat_map(|suite| [false, true].map(|extended| (suite, extended)));
        kinds
            .flat_map(|(suite, extended)| [v4(33), v4(1200), v6(60)].map(|inner| (suite, extended, inner)))
            .map(|(suite, extended, inner)| Self {
                suite,
                extended,
                encryption: key(suite.encryption_len(), 0x31),
                integrity: key(suite.integrity_len(), 0x77),
                inner,
            })
            .collect()
    }

    fn keys(&self) -> Keys {
        Keys::new(self.suite, &self.encryption, &self.integrity).unwrap()
    }

    fn job(&self, verb: &str, sequence: u64, packet: &[u8]) -> String {
        let suite = if self.suite.is_aead() { "gcm" } else { "cbc" };
        let (encryption, integrity) = (hex(&self.encryption), hex(&self.integrity));
        let extended = u8::from(self.extended);
        format!("{verb} {suite} {encryption} {integrity} {SPI} {sequence} {extended} {}\n", hex(packet))
    }
}

fn v4(payload: u16) -> Vec<u8> {
    let length = (20 + payload).to_be_bytes();
    let mut packet = vec![0x45, 0, length[0], length[1], 0, 1, 0, 0, 64, 17, 0, 0, 10, 9, 0, 1, 10, 0, 0, 9];
    let checksum = packet.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1])).sum::<u32>();
    let checksum = !((checksum & 0xffff) + (checksum >> 16)) as u16;
    packet[10..12].copy_from_slice(&checksum.to_be_bytes());
    packet.extend([0x13, 0x88, 0x13, 0x89]);
    packet.extend(payload.to_be_bytes());
    packet.extend([0, 0]);
    packet.extend((8..payload).map(|at| at as u8));
    packet
}

fn v6(payload: u16) -> Vec<u8> {
    let mut packet = vec![0x60, 0, 0, 0];
    packet.extend(payload.to_be_bytes());
    packet.extend([17, 64]);
    packet.extend("fd00:9::1".parse::<std::net::Ipv6Addr>().unwrap().octets());
    packet.extend("fd00::9".parse::<std::net::Ipv6Addr>().unwrap().octets());
    packet.extend([0x13, 0x88, 0x13, 0x89]);
    packet.extend(payload.to_be_bytes());
    packet.extend([1, 2]);
    packet.extend((8..payload).map(|at| at as u8));
    packet
}

fn everything() -> Arc<Selectors> {
    let range = |first: &str, last: &str| Selector::range(first.parse().unwrap(), last.parse().unwrap());
    let all = [range("0.0.0.0", "255.255.255.255"), range("::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff")];
    Arc::new(Selectors { local: Box::new(all), remote: Box::new(all) })
}

#[test]
fn scapy_and_we_read_each_other() {
    let Some(python) = python() else {
        eprintln!("SKIPPED: no Python with scapy and cryptography here; the independent oracle did not run");
        return;
    };
    let cases = Case::all();
    let (mut jobs, mut sealed) = (String::new(), Vec::new());
    for case in &cases {
        let mut packet = Vec::new();
        let mut sa = OutboundSa::new(Spi(SPI), case.keys(), case.extended, everything());
        sa.seal(&case.inner, &mut packet).unwrap();
        jobs += &case.job("open", 1, &packet);
        jobs += &case.job("seal", 77, &case.inner);
        sealed.push(packet);
    }
    let answers = ask(python, &jobs);
    assert_eq!(answers.len(), 2 * cases.len());
    for (case, pair) in cases.iter().zip(answers.chunks(2)) {
        let name = format!("{:?}, ESN {}", case.suite, case.extended);
        assert_eq!(pair[0], case.inner, "{name}: scapy opens ours");
        let mut sa = InboundSa::new(Spi(SPI), case.keys(), case.extended, everything());
        let mut packet = pair[1].clone();
        assert_eq!(
            sa.open(&mut packet).map(|opened| opened.packet),
            Ok(&case.inner[..]),
            "{name}: we open scapy's"
        );
    }
}

/// Sequence numbers around the edge of the first 2^32, in an order that meets both ends of the window: the
/// highest first, then the oldest that is still taken and the one before it, then a draw, twice.
fn order(size: WindowSize) -> Vec<u64> {
    let (edge, size) = (1_u64 << 32, size.packets());
    // The low half alone could not tell these from packets of the window that begins the SA.
    let mut order = vec![1 << 31, edge - size - 9, edge - 2];
    order.extend([edge - size - 1, edge - size - 2, edge - 1, edge, edge + 1, edge - 1, edge]);
    order.extend([edge + size / 2, edge + size / 2 + 1 - size, edge + size / 2 - size]);
    let mut draw = size;
    for _ in 0..20 {
        draw = draw.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let sequence = edge - size / 2 + (draw >> 33) % (2 * size);
        order.extend([sequence, sequence]);
    }
    order
}

/// What RFC 4303 §3.4.3 asks for, by a plain set. Below the window the high half is taken for the next one, so
/// that the ICV fails (A2.3).
fn judge(seen: &mut BTreeSet<u64>, sequence: u64, size: WindowSize) -> Result<(), Dropped> {
    if seen.last().is_some_and(|top| sequence + size.packets() <= *top) {
        return Err(Dropped::NotAuthentic);
    }
    if seen.insert(sequence) { Ok(()) } else { Err(Dropped::Replayed) }
}

#[test]
fn the_high_half_that_nobody_sends_is_the_one_scapy_sealed_under() {
    let Some(python) = python() else {
        eprintln!("SKIPPED: no Python with scapy and cryptography here; the independent oracle did not run");
        return;
    };
    let cases = Case::all().into_iter().filter(|case| case.extended && case.inner.len() == v4(33).len());
    let runs: Vec<_> = cases.flat_map(|case| WindowSize::ALL.map(|size| (case.clone(), size))).collect();
    let job = |(case, size): &(Case, WindowSize)| -> String {
        order(*size).into_iter().map(|sequence| case.job("seal", sequence, &case.inner)).collect()
    };
    let jobs: String = runs.iter().map(job).collect();
    let mut sealed = ask(python, &jobs).into_iter();
    for (case, size) in runs {
        let mut sa = InboundSa::new(Spi(SPI), case.keys(), true, everything()).with_window(size);
        let (mut seen, mut taken) = (BTreeSet::new(), 0);
        for sequence in order(size) {
            let mut packet = sealed.next().unwrap();
            let opened = sa.open(&mut packet).map(|opened| assert_eq!(opened.packet, case.inner));
            let expected = judge(&mut seen, sequence, size);
            assert_eq!(opened, expected, "{:?}, {size:?}: {sequence:#x}", case.suite);
            taken += u32::from(opened.is_ok());
        }
        assert!(taken >= 10, "{taken} were taken");
    }
}
