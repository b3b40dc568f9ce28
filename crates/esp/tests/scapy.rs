//! scapy as an independent implementation: it opens what we seal, and we open what it seals.

#![allow(clippy::unwrap_used)]

use esp::{InboundSa, Keys, OutboundSa, Selector, Selectors, Suite};
use ids::Spi;
use std::{
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
    child.stdin.take().unwrap().write_all(jobs.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "scapy: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().map(octets).collect()
}

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
        // scapy 2.5 leaves the high half out of the HMAC (RFC 4303 2.2.1); that pair meets charon instead.
        kinds
            .filter(|(suite, extended)| suite.is_aead() || !extended)
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
