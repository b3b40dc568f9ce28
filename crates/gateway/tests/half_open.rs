//! What a stranger can make the gateway hold, in octets, at the worst that it can send. What the crypto library takes
//! from C's allocator is not seen here: one key pair of X25519 for each half-open IKE SA.
#![allow(clippy::unwrap_used, clippy::wildcard_enum_match_arm, reason = "tests")]

use ike::{
    Initiator, InitiatorConfig, LocalIdentity, Output, Path, Peer, Responder, ResponderConfig,
    crypto::{AwsLc, PrivateAuthKey, SignatureHashes},
    parse_plain,
    payload::{
        AuthMethod, Authentication, Encr, Identification, KeyExchangeMethod, Payload, Proposal, ProtocolId,
        Transform,
    },
    write_plain,
};
use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

/// The system's allocator, which counts for each thread what it holds and what it held at most.
struct Counting;

thread_local! {
    static HELD: Cell<(isize, isize)> = const { Cell::new((0, 0)) };
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn count(octets: isize) {
    // A thread that ends has no counter any more.
    let _ = HELD.try_with(|held| {
        let (now, most) = held.get();
        held.set((now + octets, most.max(now + octets)));
    });
}

fn signed(octets: usize) -> isize {
    isize::try_from(octets).unwrap_or(isize::MAX)
}

// SAFETY: every call goes to `System` as it came; the counter is a pair of numbers, which allocates nothing.
#[allow(unsafe_code)]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(signed(layout.size()));
        // SAFETY: the caller keeps what `GlobalAlloc` asks for, which is what `System` asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-signed(layout.size()));
        // SAFETY: as above, and all that was given came from `System`.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(signed(size) - signed(layout.size()));
        // SAFETY: as above.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

/// What `work` leaves held, and how much more was held on the way at most.
fn octets<T>(work: impl FnOnce() -> T) -> (T, usize, usize) {
    let (before, _) = HELD.get();
    HELD.set((before, before));
    let result = work();
    let (now, most) = HELD.get();
    (result, usize::try_from(now - before).unwrap(), usize::try_from(most - before).unwrap())
}

/// Signs what no key would.
struct NoKey;

impl PrivateAuthKey for NoKey {
    fn sign(&self, _: &[u8], _: SignatureHashes) -> Option<Authentication> {
        Some(Authentication { method: AuthMethod::DIGITAL_SIGNATURE, data: vec![0; 4_000] })
    }
}

fn gateway() -> Responder {
    let identity = LocalIdentity {
        id: Identification::fqdn("segw.operator.example"),
        certificates: vec![vec![0x30; 600]],
        key: Arc::new(NoKey),
    };
    Responder::new(ResponderConfig::new(identity, vec![[1; 20]]), Arc::new(AwsLc), Instant::now())
}

fn path(stranger: usize, port: u16) -> Path {
    let [.., high, low] = stranger.to_be_bytes();
    let peer = SocketAddr::from(([127, 1, high, low], port));
    Path { local: ([127, 0, 0, 1], port).into(), peer, encapsulated: port == 4500 }
}

/// With all that IKE_AUTH has room for: 8 certificates of 4,096 octets, an AUTH of 4,000.
fn stranger(number: usize) -> Initiator {
    let identity = LocalIdentity {
        id: Identification::fqdn("00aabbccddee.femto.operator.example"),
        certificates: vec![vec![0x30; 4_096]; 8],
        key: Arc::new(NoKey),
    };
    let gateway = Identification::fqdn("segw.operator.example");
    let flipped =
        |port| Path { local: path(number, port).peer, peer: path(number, port).local, ..path(number, port) };
    let mut config = InitiatorConfig::new(identity, gateway, flipped(500), flipped(4500));
    config.suites.key_exchanges = vec![KeyExchangeMethod::CURVE25519];
    config.nonce_length = 256;
    config.vendor_ids = vec![vec![7; 64]; 16];
    config.times.fragment_limit = 700;
    Initiator::new(config, Arc::new(AwsLc), Instant::now())
}

fn datagrams(initiator: &mut Initiator) -> Vec<Vec<u8>> {
    let outputs = std::iter::from_fn(|| initiator.poll_output());
    outputs
        .filter_map(|output| match output {
            Output::Transmit { datagram, .. } => Some(datagram),
            _ => None,
        })
        .collect()
}

/// What the gateway says to one datagram.
fn answers(gateway: &mut Responder, path: Path, datagram: &[u8]) -> Vec<Output> {
    gateway.handle_datagram(path, datagram, Instant::now());
    gateway.take_turn(Instant::now());
    std::iter::from_fn(|| gateway.poll_output()).collect()
}

const STRANGERS: usize = 64;
const KIB: usize = 1024;

/// Of [`ike::HalfOpenLimits::total`].
const BEFORE_IKE_AUTH: usize = 12 * 1024;
const WITH_FRAGMENTS: usize = 56 * 1024;

/// An IKE_SA_INIT as long as any that is read, of the payloads that take most room when read.
fn longest_init() -> Vec<u8> {
    let mut initiator = stranger(0);
    initiator.connect(Instant::now());
    let init = datagrams(&mut initiator).remove(0);
    let header = ike::Header::parse(&init).unwrap();
    let mut payloads = parse_plain(&header, &init).unwrap();
    for payload in &mut payloads {
        if let Payload::Sa(proposals) = payload {
            let many = |number| Proposal {
                number,
                protocol: ProtocolId::IKE,
                spi: vec![],
                transforms: vec![Transform { key_len: None, ..Transform::encr(Encr(0), 0) }; 9],
            };
            proposals.extend((3..=32).map(many));
        }
    }
    let mut longest = write_plain(header, &payloads);
    assert!(longest.len() <= 4_096, "{}", longest.len());
    if longest.len() + 8 <= 4_096 {
        payloads.push(Payload::VendorId(vec![7; 4_096 - longest.len() - 4]));
        longest = write_plain(header, &payloads);
    }
    longest
}

#[test]
fn a_half_open_ike_sa_takes_no_more_than_its_bound_before_ike_auth_and_nothing_after_its_time() {
    let init = longest_init();
    let mut gateway = gateway();
    let fill = |gateway: &mut Responder, strangers: std::ops::Range<usize>| {
        for number in strangers {
            let spi_i = (number as u64 + 1).to_be_bytes();
            let said = answers(gateway, path(number, 500), &[&spi_i, &init[8..]].concat());
            assert!(matches!(said.as_slice(), [Output::Transmit { .. }]), "{said:?}");
        }
    };
    fill(&mut gateway, 0..1);
    let (_, held, _) = octets(|| fill(&mut gateway, 1..1 + STRANGERS));
    assert_eq!(gateway.stats().half_open_now, 1 + STRANGERS);
    assert!(held <= STRANGERS * BEFORE_IKE_AUTH, "{} octets each", held / STRANGERS);
    assert!(held > STRANGERS * init.len(), "the request at least is kept, and counted");
    let (before, _) = HELD.get();
    gateway.handle_timeout(Instant::now() + Duration::from_secs(31));
    assert_eq!(gateway.held(), (0, 0, 0));
    let given_back = usize::try_from(before - HELD.get().0).unwrap();
    assert!(given_back >= held - STRANGERS * KIB, "{given_back} of {held}: only tables keep their size");
}

#[test]
fn a_half_open_ike_sa_takes_no_more_than_its_bound_while_the_last_fragment_is_missing() {
    let mut gateway = gateway();
    let mut begin = |number: usize| {
        let mut initiator = stranger(number);
        initiator.connect(Instant::now());
        let init = datagrams(&mut initiator).remove(0);
        let said = answers(&mut gateway, path(number, 500), &init);
        let [Output::Transmit { datagram, .. }] = said.as_slice() else { panic!("{said:?}") };
        let flipped =
            Path { local: path(number, 500).peer, peer: path(number, 500).local, encapsulated: false };
        initiator.handle_datagram(flipped, datagram, Instant::now());
        datagrams(&mut initiator)
    };
    let all: Vec<_> = (0..=STRANGERS).map(&mut begin).collect();
    assert!(all[0].len() > 50, "{} fragments", all[0].len());
    let whole: usize = all[0].iter().map(Vec::len).sum();
    assert!((38_000..42_000).contains(&whole), "near what a message may have: {whole}");
    let send = |gateway: &mut Responder, number: usize, fragments: &[Vec<u8>]| {
        fragments.iter().flat_map(|one| answers(gateway, path(number, 4500), one)).collect::<Vec<_>>()
    };
    let withheld = |fragments: &[Vec<u8>]| fragments.len() - 1;
    assert!(send(&mut gateway, 0, &all[0][..withheld(&all[0])]).is_empty());
    let (_, held, _) = octets(|| {
        for (number, fragments) in all.iter().enumerate().skip(1) {
            assert!(send(&mut gateway, number, &fragments[..withheld(fragments)]).is_empty());
        }
    });
    assert!(held <= STRANGERS * (WITH_FRAGMENTS - BEFORE_IKE_AUTH), "{} octets each", held / STRANGERS);
    assert!(held > STRANGERS * 36_000, "they are kept, and counted: {held}");
    // The last one comes: what is held grows by no more than what the question holds, and is gone with the answer.
    let (said, held, most) = octets(|| send(&mut gateway, 1, &all[1][withheld(&all[1])..]));
    let [Output::AskPeer { ticket, ask }] = said.as_slice() else { panic!("{said:?}") };
    assert_eq!(ask.certificates.len(), 8);
    assert!(held <= 2 * WITH_FRAGMENTS && most <= 4 * WITH_FRAGMENTS, "{held}, at most {most}");
    let spki = vec![0x30; 91];
    let peer = Peer { public_key_spki: spki, not_after: Duration::from_secs(1), allow_sha1_signature: false };
    let (before, _) = HELD.get();
    gateway.handle_peer(*ticket, Ok(peer), Instant::now());
    while gateway.poll_output().is_some() {}
    assert!(HELD.get().0 < before, "refused: its certificates are gone, and its answer is short");
    assert_eq!(gateway.stats().half_open_now, STRANGERS);
}

/// DER of one element.
fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len()).unwrap().to_be_bytes();
    match content.len() {
        0..128 => [&[tag, length[3]], content].concat(),
        128..256 => [&[tag, 0x81, length[3]], content].concat(),
        256..65_536 => [&[tag, 0x82, length[2], length[3]], content].concat(),
        _ => [&[tag, 0x83, length[1], length[2], length[3]], content].concat(),
    }
}

/// A certificate that reads, with this subjectAltName.
fn certificate(names: &[u8]) -> Vec<u8> {
    let name = tlv(0x30, &[]);
    let sha256_ecdsa = tlv(0x30, b"\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x02");
    let validity = tlv(0x30, &[tlv(0x17, b"260101000000Z"), tlv(0x17, b"270101000000Z")].concat());
    let san = tlv(0x30, &[tlv(6, b"\x55\x1d\x11"), tlv(4, &tlv(0x30, names))].concat());
    let extensions = tlv(0xa3, &tlv(0x30, &san));
    let version = tlv(0xa0, &tlv(2, &[2]));
    let serial = tlv(2, &[1]);
    let tbs = [version, serial, sha256_ecdsa.clone(), name.clone(), validity, name.clone(), name, extensions];
    tlv(0x30, &[tlv(0x30, &tbs.concat()), sha256_ecdsa, tlv(3, &[0])].concat())
}

#[test]
fn a_certificate_of_nothing_but_names_takes_little_more_than_its_own_size_to_read() {
    let dns = tlv(0x82, b"a");
    // A directoryName is the dearest kind: a name of one attribute.
    let attribute = tlv(0x30, &[tlv(6, b"\x55\x04\x03"), tlv(0x0c, b"a")].concat());
    let directory = tlv(0xa4, &tlv(0x30, &tlv(0x31, &attribute)));
    for name in [dns, directory] {
        let der = certificate(&name.repeat(24_000 / name.len()));
        assert!((23_000..x509::MAX_CHAIN_OCTETS).contains(&der.len()));
        let (read, held, most) = octets(|| x509::Certificate::from_der(&der).unwrap());
        assert!(read.name_count() > 1_000 && read.dns_names().len() <= x509::MAX_NAMES);
        assert!(held <= 8 * KIB && most <= 32 * KIB, "{held} octets, at most {most} for {}", der.len());
    }
}
