//! scapy as an independent implementation: it opens what we seal, and we open what it seals; and it sees
//! in inner packets what we see.

#![allow(clippy::unwrap_used)]

use esp::{Dropped, InboundSa, Inner, Keys, OutboundSa, Reach, Rule, Selector, Selectors, Suite, WindowSize};
use ids::Spi;
use proptest::{prelude::*, sample::select, strategy::ValueTree, test_runner::TestRunner};
use std::{
    collections::{BTreeMap, BTreeSet},
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

/// The answers of a script beside this file, one for each line of `jobs`.
fn ask(python: &str, script: &str, jobs: &str) -> Vec<String> {
    let script = format!("{}/tests/{script}", env!("CARGO_MANIFEST_DIR"));
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
    String::from_utf8(output.stdout).unwrap().lines().map(ToOwned::to_owned).collect()
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
    Arc::new(Selectors { local: Arc::new(all), remote: Box::new(all) })
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
    let answers: Vec<_> = ask(python, "seal_and_open.py", &jobs).iter().map(|line| octets(line)).collect();
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
    let mut sealed = ask(python, "seal_and_open.py", &jobs).into_iter();
    for (case, size) in runs {
        let mut sa = InboundSa::new(Spi(SPI), case.keys(), true, everything()).with_window(size);
        let (mut seen, mut taken) = (BTreeSet::new(), 0);
        for sequence in order(size) {
            let mut packet = octets(&sealed.next().unwrap());
            let opened = sa.open(&mut packet).map(|opened| assert_eq!(opened.packet, case.inner));
            let opened = opened.map_err(|rejected| rejected.why);
            let expected = judge(&mut seen, sequence, size);
            assert_eq!(opened, expected, "{:?}, {size:?}: {sequence:#x}", case.suite);
            taken += u32::from(opened.is_ok());
        }
        assert!(taken >= 10, "{taken} were taken");
    }
}

/// The unit's addresses, and those of hosts behind the gateway.
const UNITS: [&str; 2] = ["10.9.0.1", "fd09::1"];
const HOSTS_V4: [&str; 3] = ["10.0.0.9", "10.0.1.9", "10.1.0.5"];
const HOSTS_V6: [&str; 3] = ["fd00::9", "fd00:1::9", "fd01::5"];
const RULES: [&str; 16] = [
    "10.0.0.0/24",
    "10.0.0.0/23 udp",
    "10.1.0.5 udp 2152",
    "10.1.0.5 sctp 36412",
    "10.0.0.9 tcp 443-444",
    "10.1.0.0/16 gre",
    "10.0.1.9 icmp",
    "10.0.0.9 ipip",
    "fd00::/64",
    "fd00::/16 udp",
    "fd01::5 udp 2152",
    "fd00::9 tcp 443-444",
    "fd00:1::9 icmpv6",
    "fd01::/64 50",
    "::/0 sctp 36412",
    "0.0.0.0/0 tcp 53",
];

/// What stands behind the IP headers: protocol, and octets.
fn upper() -> impl Strategy<Value = (u8, Vec<u8>)> {
    let protocol = select(vec![1, 4, 6, 6, 17, 17, 17, 41, 47, 50, 58, 132, 253]);
    let port = || select(vec![53_u16, 443, 444, 445, 2152, 36412]);
    let length = select(vec![2_usize, 4, 12, 16, 24, 40]);
    (protocol, port(), port(), length).prop_map(|(protocol, source, destination, length)| {
        let mut octets = [source.to_be_bytes(), destination.to_be_bytes()].concat();
        octets.resize(length.max(4), 0x5a);
        octets.truncate(length);
        (protocol, octets)
    })
}

fn ip_v4(source: &str, destination: &str, fragment: u16, options: &[u8], upper: &(u8, Vec<u8>)) -> Vec<u8> {
    let address = |text: &str| text.parse::<std::net::Ipv4Addr>().unwrap().octets();
    let length = (20 + options.len() + upper.1.len()) as u16;
    let mut packet = vec![0x45 + options.len() as u8 / 4, 0];
    packet.extend(length.to_be_bytes());
    packet.extend([0, 1]);
    packet.extend(fragment.to_be_bytes());
    packet.extend([64, upper.0, 0, 0]);
    packet.extend([address(source), address(destination)].concat());
    packet.extend([options, &upper.1].concat());
    packet
}

/// `headers`: type and octets of each, but for its first, the type of the next.
fn ip_v6(source: &str, destination: &str, headers: &[(u8, Vec<u8>)], upper: &(u8, Vec<u8>)) -> Vec<u8> {
    let address = |text: &str| text.parse::<std::net::Ipv6Addr>().unwrap().octets();
    let types: Vec<_> = headers.iter().map(|(kind, _)| *kind).chain([upper.0]).collect();
    let chain: Vec<_> = headers
        .iter()
        .zip(&types[1..])
        .flat_map(|((_, octets), next)| [&[*next], &octets[..]].concat())
        .collect();
    let mut packet = vec![0x60, 0, 0, 0];
    packet.extend(((chain.len() + upper.1.len()) as u16).to_be_bytes());
    packet.extend([types[0], 64]);
    packet.extend([address(source), address(destination)].concat());
    packet.extend([chain, upper.1.clone()].concat());
    packet
}

fn fragment() -> impl Strategy<Value = (u16, bool)> {
    let whole = Just((0, false));
    prop_oneof![3 => whole, 2 => (select(vec![0_u16, 1, 2, 3, 185]), any::<bool>())]
}

fn any_v4(source: &'static str, destination: &'static str) -> impl Strategy<Value = Vec<u8>> {
    let options: Vec<&[u8]> = vec![
        &[],
        &[],
        &[],
        &[1, 1, 1, 0],
        &[131, 7, 4, 10, 0, 0, 1, 0],
        &[1, 137, 7, 4, 10, 0, 0, 1],
        &[148, 4, 0, 0],
    ];
    (fragment(), select(options), upper()).prop_map(move |((offset, more), options, upper)| {
        ip_v4(source, destination, offset | u16::from(more) << 13, options, &upper)
    })
}

fn any_v6(source: &'static str, destination: &'static str) -> impl Strategy<Value = Vec<u8>> {
    let headers: Vec<(u8, Vec<u8>)> = vec![
        (0, vec![0, 1, 4, 0, 0, 0, 0]),
        (0, vec![0, 5, 2, 0, 0, 1, 0]),
        (60, vec![0, 1, 4, 0, 0, 0, 0]),
        (60, vec![0, 0, 0, 0, 0, 0, 0]),
        (60, [vec![2, 0xc9, 16], vec![9; 16], vec![1, 2, 0, 0]].concat()),
        (43, [vec![2, 0, 1, 0, 0, 0, 0], vec![9; 16]].concat()),
        (43, [vec![2, 4, 1, 0, 0, 0, 0], vec![9; 16]].concat()),
    ];
    let before = prop_oneof![2 => Just(vec![]), 1 => prop::collection::vec(select(headers.clone()), 1..3)];
    let behind = prop_oneof![6 => Just(vec![]), 1 => select(headers).prop_map(|header| vec![header])];
    (before, proptest::option::of(fragment()), behind, upper()).prop_map(
        move |(mut headers, fragment, behind, upper)| {
            let word = fragment.map(|(offset, more)| (offset << 3 | u16::from(more)).to_be_bytes());
            headers.extend(word.map(|word| (44, [&[0], &word[..], &[0, 0, 0, 7]].concat())));
            headers.extend(behind.into_iter().filter(|_| fragment.is_some()));
            ip_v6(source, destination, &headers, &upper)
        },
    )
}

/// An ICMP error about a packet that went the other way, cut off behind its ports.
fn any_error(source: &'static str, destination: &'static str) -> impl Strategy<Value = Vec<u8>> {
    let kind = select(vec![1_u8, 2, 3, 4, 5, 8, 11, 12, 128]);
    (kind, upper(), any::<bool>()).prop_map(move |(kind, upper, is_straight)| {
        let (from, to) = if is_straight { (destination, source) } else { (source, destination) };
        let icmp = |about: &[u8]| [&[kind, 0, 0, 0, 0, 0, 0, 0], about].concat();
        if source.contains(':') {
            let about = ip_v6(from, to, &[], &upper);
            ip_v6(source, destination, &[], &(58, icmp(&about[..about.len().min(48)])))
        } else {
            let about = ip_v4(from, to, 0, &[], &upper);
            ip_v4(source, destination, 0, &[], &(1, icmp(&about[..about.len().min(28)])))
        }
    })
}

/// Direction, packet, rules.
fn job() -> impl Strategy<Value = (bool, Vec<u8>, Vec<&'static str>)> {
    let ends = (any::<bool>(), any::<bool>(), 0..3_usize);
    let packet = ends.prop_flat_map(|(inbound, is_v4, host)| {
        let (unit, host) = if is_v4 { (UNITS[0], HOSTS_V4[host]) } else { (UNITS[1], HOSTS_V6[host]) };
        let (from, to) = if inbound { (unit, host) } else { (host, unit) };
        let plain = if is_v4 { any_v4(from, to).boxed() } else { any_v6(from, to).boxed() };
        (Just(inbound), prop_oneof![4 => plain, 1 => any_error(from, to)])
    });
    let rules = prop::sample::subsequence(RULES.to_vec(), 1..8);
    (packet, rules).prop_map(|((inbound, packet), rules)| (inbound, packet, rules))
}

#[test]
fn scapy_and_we_judge_alike() {
    const JOBS: usize = 4000;
    let Some(python) = python() else {
        eprintln!("SKIPPED: no Python with scapy and cryptography here; the independent oracle did not run");
        return;
    };
    let mut runner = TestRunner::deterministic();
    let (mut jobs, mut ours) = (String::new(), Vec::new());
    for _ in 0..JOBS {
        let (inbound, packet, rules) = job().new_tree(&mut runner).unwrap().current();
        let reach = Reach::new(&rules.iter().map(|rule| rule.parse().unwrap()).collect::<Vec<Rule>>());
        let inner = Inner::parse(&packet).unwrap();
        let check = if inbound { Reach::check_inbound } else { Reach::check_outbound };
        ours.push(check(&reach, &inner, &packet).map_or_else(|barred| barred.label(), |()| "pass"));
        let direction = if inbound { "in" } else { "out" };
        writeln!(jobs, "{direction} {} {}", hex(&packet), rules.join(";")).unwrap();
    }
    let theirs = ask(python, "verdicts.py", &jobs);
    assert_eq!(theirs.len(), JOBS);
    let mut seen = BTreeMap::new();
    for ((ours, theirs), job) in ours.iter().zip(&theirs).zip(jobs.lines()) {
        assert_eq!(ours, theirs, "{job}");
        *seen.entry(*ours).or_insert(0) += 1;
    }
    assert!(seen.len() == 6 && seen.values().all(|count| *count > 20), "each verdict is met: {seen:?}");
}
