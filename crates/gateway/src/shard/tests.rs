use super::*;
use crate::sessions::session_for_tests;
use crate::shards::ShardCount;
use ids::Spi;
use ike::{CipherSuite, EspKeys, EspSuite, payload::TrafficSelector};
use std::net::SocketAddr;

const LIMITS: Limits = Limits {
    heard_every: Duration::from_secs(10),
    esp_expected_within: Duration::from_secs(120),
    octets_per_child: 10_000,
    rest_after: Duration::from_secs(60),
};
const SERVICE: [u8; 4] = [10, 0, 0, 1];

fn path(peer: &str) -> Path {
    let peer: SocketAddr = peer.parse().unwrap();
    Path { local: ([127, 0, 0, 1], 4500).into(), peer, encapsulated: true }
}

/// One femtocell's end of a CHILD SA, and what the gateway is given of it.
struct Unit {
    session: Arc<Session>,
    out: OutboundSa,
    into: InboundSa,
    child: Option<ChildSa>,
}

impl Unit {
    fn new(number: u64, spi: u32) -> Self {
        let session = session_for_tests(number);
        let inner = TrafficSelector::host(session.inner().next().unwrap());
        let keys = |octet: u8| EspKeys { encr: vec![octet; 20].into(), integ: Vec::new().into() };
        let child = ChildSa {
            spi_in: Spi(spi),
            spi_out: Spi(spi + 1),
            suite: EspSuite { cipher: CipherSuite::Aes128Gcm16, esn: true },
            keys_in: keys(1),
            keys_out: keys(2),
            ts_local: vec![TrafficSelector::ALL_V4],
            ts_remote: vec![inner],
            path: path("127.0.0.9:4500"),
            replaces: None,
            peer_is_ready: true,
        };
        let keys = |octet: u8| esp::Keys::new(esp::Suite::Aes128Gcm16, &[octet; 20], &[]).unwrap();
        let all = Arc::new(esp::Selectors {
            local: Box::new([selector(&TrafficSelector::ALL_V4)]),
            remote: Box::new([selector(&TrafficSelector::ALL_V4)]),
        });
        Self {
            out: OutboundSa::new(Spi(spi), keys(1), true, all.clone()),
            into: InboundSa::new(Spi(spi + 1), keys(2), true, all),
            session,
            child: Some(child),
        }
    }

    fn sa(&self) -> IkeSaId {
        self.session.sa
    }

    fn attach(&mut self, shard: &mut Shard, now: Instant) {
        let (session, path) = (self.session.clone(), path("127.0.0.9:4500"));
        shard.command(Command::Attach { session, path }, now);
        let child = Box::new(self.child.take().unwrap());
        shard.command(Command::InstallChildSa { sa: self.sa(), child }, now);
    }

    fn open(&mut self, shard: &mut Shard, now: Instant) {
        self.attach(shard, now);
        shard.command(Command::Open(Opening::for_tests(self.sa())), now);
    }

    fn address(&self) -> [u8; 4] {
        self.session.inner_v4.unwrap().octets()
    }

    fn seal(&mut self, packet: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        self.out.seal(packet, &mut out).unwrap();
        out
    }

    fn dropped(&self, cause: Cause) -> u64 {
        self.session.traffic.drops.of(cause)
    }
}

fn packet(source: [u8; 4], destination: [u8; 4]) -> Vec<u8> {
    [&[0x45, 0, 0, 24, 0, 0, 0, 0, 64, 253, 0, 0][..], &source, &destination, &[7; 4]].concat()
}

fn shard() -> Shard {
    let place = Place { own: 0, shards: ShardCount::new(1), routes: Arc::default() };
    Shard::new(place, LIMITS, vec!["10.64.0.0/16".parse().unwrap()], Arc::default())
}

fn uplink(shard: &mut Shard, sealed: &[u8], from: &Path, now: Instant) -> Vec<Vec<u8>> {
    let mut passed = Packets::new();
    let spi = Spi(u32::from_be_bytes(*sealed.first_chunk().unwrap()));
    shard.uplink(spi, &mut sealed.to_vec(), from, now, &mut passed);
    passed.iter().map(<[u8]>::to_vec).collect()
}

fn downlink(shard: &mut Shard, packet: &[u8]) -> Vec<(Path, Vec<u8>)> {
    let (mut packets, mut out) = (Packets::new(), Downlink::default());
    packets.push(packet);
    shard.downlink(&packets, Instant::now(), &mut out);
    out.outgoing.iter().map(|(path, datagram)| (*path, datagram.to_vec())).collect()
}

fn notices(shard: &mut Shard) -> Vec<Notice> {
    let mut told = Vec::new();
    shard.tell(|notice| {
        told.push(notice);
        true
    });
    told
}

#[test]
fn section_4_line_11_no_packet_passes_before_the_tunnel_is_open() {
    let (mut shard, mut unit, now) = (shard(), Unit::new(1, 0x1000), Instant::now());
    unit.attach(&mut shard, now);
    let sealed = unit.seal(&packet(unit.address(), SERVICE));
    assert!(uplink(&mut shard, &sealed, &path("127.0.0.9:4500"), now).is_empty());
    assert!(downlink(&mut shard, &packet(SERVICE, unit.address())).is_empty());
    assert_eq!(unit.dropped(Cause::Blocked), 1);
    assert_eq!(shard.counters.drops.of(Cause::NoTunnel), 1, "inner addresses lead to open tunnels alone");
    shard.command(Command::Open(Opening::for_tests(unit.sa())), now);
    assert_eq!(uplink(&mut shard, &sealed, &path("127.0.0.9:4500"), now).len(), 1);
    let [(to, mut datagram)] = downlink(&mut shard, &packet(SERVICE, unit.address())).try_into().unwrap();
    assert_eq!(to, path("127.0.0.9:4500"));
    assert_eq!(unit.into.open(&mut datagram).unwrap().packet, packet(SERVICE, unit.address()));
}

#[test]
fn section_4_line_15_spoofed_and_lateral_packets_are_dropped_and_counted() {
    let (mut shard, mut unit, mut other, now) =
        (shard(), Unit::new(1, 0x1000), Unit::new(2, 0x2000), Instant::now());
    unit.open(&mut shard, now);
    other.open(&mut shard, now);
    let spoofed = unit.seal(&packet(other.address(), SERVICE));
    let lateral = unit.seal(&packet(unit.address(), other.address()));
    let home = path("127.0.0.9:4500");
    assert!(uplink(&mut shard, &spoofed, &home, now).is_empty());
    assert!(uplink(&mut shard, &lateral, &home, now).is_empty());
    assert_eq!(unit.dropped(Cause::Inbound(esp::Dropped::SpoofedSource)), 1);
    assert_eq!(unit.dropped(Cause::Lateral), 1);
    assert_eq!(unit.session.view().uplink.packets, 0);
    notices(&mut shard);
    shard.sweep(now);
    assert_eq!(notices(&mut shard), [Notice::Spoofed { sa: unit.sa(), packets: 1 }]);
    shard.sweep(now);
    assert_eq!(notices(&mut shard), []);
}

#[test]
fn the_path_follows_the_newest_packet_and_no_late_or_forged_one() {
    let (mut shard, mut unit, now) = (shard(), Unit::new(1, 0x1000), Instant::now());
    unit.open(&mut shard, now);
    let (home, elsewhere) = (path("127.0.0.9:4500"), path("127.0.0.77:40001"));
    let late = unit.seal(&packet(unit.address(), SERVICE));
    let newest = unit.seal(&packet(unit.address(), SERVICE));
    let mut forged = unit.seal(&packet(unit.address(), SERVICE));
    *forged.last_mut().unwrap() ^= 1;
    uplink(&mut shard, &newest, &elsewhere, now);
    uplink(&mut shard, &late, &home, now);
    uplink(&mut shard, &newest, &home, now);
    uplink(&mut shard, &forged, &home, now);
    let moved = Notice::Moved { sa: unit.sa(), from: home, to: elsewhere };
    assert_eq!(notices(&mut shard), [moved, Notice::Heard(unit.sa())]);
    assert_eq!(downlink(&mut shard, &packet(SERVICE, unit.address()))[0].0, elsewhere);
}

#[test]
fn section_4_line_16_a_held_tunnel_sees_its_unit_come_back_though_nothing_passes() {
    let (mut shard, mut unit, now) = (shard(), Unit::new(1, 0x1000), Instant::now());
    unit.open(&mut shard, now);
    shard.command(Command::Hold(unit.sa()), now);
    let (home, elsewhere) = (path("127.0.0.9:4500"), path("127.66.0.9:4500"));
    for (from, to) in [(home, elsewhere), (elsewhere, home)] {
        let sealed = unit.seal(&packet(unit.address(), SERVICE));
        assert!(uplink(&mut shard, &sealed, &to, now).is_empty());
        assert!(notices(&mut shard).contains(&Notice::Moved { sa: unit.sa(), from, to }));
    }
}

#[test]
fn a_held_tunnel_passes_nothing_until_it_is_released() {
    let (mut shard, mut unit, now) = (shard(), Unit::new(1, 0x1000), Instant::now());
    unit.attach(&mut shard, now);
    shard.command(Command::Release(unit.sa()), now);
    assert!(downlink(&mut shard, &packet(SERVICE, unit.address())).is_empty(), "it was never opened");
    shard.command(Command::Open(Opening::for_tests(unit.sa())), now);
    shard.command(Command::Hold(unit.sa()), now);
    assert!(downlink(&mut shard, &packet(SERVICE, unit.address())).is_empty());
    shard.command(Command::Release(unit.sa()), now);
    assert_eq!(downlink(&mut shard, &packet(SERVICE, unit.address())).len(), 1);
}

#[test]
fn what_is_removed_is_unknown() {
    let (mut shard, mut unit, now) = (shard(), Unit::new(1, 0x1000), Instant::now());
    unit.open(&mut shard, now);
    let sealed = unit.seal(&packet(unit.address(), SERVICE));
    shard.command(Command::Detach(unit.sa()), now);
    assert!(!shard.knows(Spi(0x1000)));
    assert!(uplink(&mut shard, &sealed, &path("127.0.0.9:4500"), now).is_empty());
    assert_eq!(shard.counters.drops.of(Cause::UnknownSpi), 1);
    assert!(shard.by_inner.is_empty() && shard.by_spi.is_empty() && shard.tunnels.is_empty());
}

#[test]
fn a_newcomer_that_opens_takes_the_inner_address_and_keeps_it() {
    let (mut shard, mut holder, mut newcomer, now) =
        (shard(), Unit::new(1, 0x1000), Unit::new(1, 0x2000), Instant::now());
    holder.open(&mut shard, now);
    let mut session =
        Arc::into_inner(std::mem::replace(&mut newcomer.session, session_for_tests(9))).unwrap();
    session.sa = IkeSaId(2);
    newcomer.session = Arc::new(session);
    newcomer.open(&mut shard, now);
    shard.command(Command::Detach(holder.sa()), now);
    let [(_, mut datagram)] = downlink(&mut shard, &packet(SERVICE, newcomer.address())).try_into().unwrap();
    assert!(newcomer.into.open(&mut datagram).is_ok());
}

#[test]
fn section_4_line_30_equal_selectors_side_by_side_and_a_rekey_that_waits() {
    let (mut shard, mut unit, now) = (shard(), Unit::new(1, 0x1000), Instant::now());
    unit.open(&mut shard, now);
    let mut second = Unit::new(1, 0x2000);
    let child = second.child.take().unwrap();
    shard.command(Command::InstallChildSa { sa: unit.sa(), child: Box::new(child) }, now);
    let home = path("127.0.0.9:4500");
    for unit in [&mut unit, &mut second] {
        let sealed = unit.seal(&packet(unit.address(), SERVICE));
        assert_eq!(uplink(&mut shard, &sealed, &home, now).len(), 1);
    }
    let mut third = Unit::new(1, 0x3000);
    let child = ChildSa { replaces: Some(Spi(0x2000)), peer_is_ready: false, ..third.child.take().unwrap() };
    shard.command(Command::InstallChildSa { sa: unit.sa(), child: Box::new(child) }, now);
    let send = |shard: &mut Shard| {
        downlink(shard, &packet(SERVICE, unit.session.inner_v4.unwrap().octets()))[0].1.clone()
    };
    assert!(second.into.open(&mut send(&mut shard)).is_ok(), "the peer may not be ready for the new pair");
    shard.command(Command::RemoveChildSa { sa: unit.sa(), spi_in: Spi(0x2000) }, now);
    assert!(third.into.open(&mut send(&mut shard)).is_ok());
}

#[test]
fn section_4_line_25_a_worn_sa_is_told_once() {
    let (mut shard, mut unit, now) = (shard(), Unit::new(1, 0x1000), Instant::now());
    unit.open(&mut shard, now);
    let home = path("127.0.0.9:4500");
    for _ in 0..500 {
        let sealed = unit.seal(&packet(unit.address(), SERVICE));
        uplink(&mut shard, &sealed, &home, now);
    }
    let worn = Notice::Worn { sa: unit.sa(), spi_in: Spi(0x1000) };
    assert_eq!(notices(&mut shard), [Notice::Heard(unit.sa()), worn]);
    shard.sweep(now);
    assert_eq!(notices(&mut shard), []);
}

#[test]
fn an_sa_that_never_sees_esp_is_told_once() {
    let (mut shard, mut unit, mut busy, now) =
        (shard(), Unit::new(1, 0x1000), Unit::new(2, 0x2000), Instant::now());
    unit.open(&mut shard, now);
    busy.open(&mut shard, now);
    let sealed = busy.seal(&packet(busy.address(), SERVICE));
    uplink(&mut shard, &sealed, &path("127.0.0.9:4500"), now);
    notices(&mut shard);
    shard.sweep(now + Duration::from_secs(119));
    assert_eq!(notices(&mut shard), []);
    shard.sweep(now + Duration::from_secs(120));
    shard.sweep(now + Duration::from_secs(122));
    assert_eq!(notices(&mut shard), [Notice::EspNeverSeen(unit.sa())]);
}

#[test]
fn a_notice_without_room_comes_again() {
    let (mut shard, mut unit, now) = (shard(), Unit::new(1, 0x1000), Instant::now());
    unit.open(&mut shard, now);
    shard.sweep(now + Duration::from_secs(120));
    shard.tell(|_| false);
    assert_eq!(notices(&mut shard), [Notice::EspNeverSeen(unit.sa())]);
    assert_eq!(notices(&mut shard), []);
}

/// A packet from the core with DF, of so many octets.
fn bound(destination: [u8; 4], length: usize) -> Vec<u8> {
    let mut packet = packet(SERVICE, destination);
    packet.resize(length, 7);
    packet[2..4].copy_from_slice(&(length as u16).to_be_bytes());
    packet[6] = 0x40;
    packet
}

/// Sends through, and what went out and what the core was told.
fn down(shard: &mut Shard, packet: &[u8], now: Instant, heeds: bool) -> (Vec<usize>, Vec<Vec<u8>>) {
    let mut packets = Packets::new();
    packets.push(packet);
    let mut out = Downlink { errors: heeds.then(Packets::new), ..Downlink::default() };
    shard.downlink(&packets, now, &mut out);
    let errors = out.errors.unwrap_or_default();
    let sent = out.outgoing.iter().map(|(_, datagram)| datagram.len()).collect();
    (sent, errors.iter().map(<[u8]>::to_vec).collect())
}

fn look(shard: &mut Shard, now: Instant, mtu: usize) -> Vec<Vec<u8>> {
    let mut probes = Outgoing::default();
    shard.look_at_ways(now, |_| Some(mtu), &mut probes);
    probes.iter().map(|(_, datagram)| datagram.to_vec()).collect()
}

#[test]
fn the_way_of_a_tunnel_with_long_packets_is_probed_and_what_breaks_it_is_answered() {
    let (mut shard, mut unit, now) = (shard(), Unit::new(1, 0x1000), Instant::now());
    unit.open(&mut shard, now);
    assert_eq!(down(&mut shard, &bound(unit.address(), 200), now, true).0.len(), 1);
    assert!(look(&mut shard, now, 1500).is_empty(), "short packets pass anywhere");
    assert_eq!(down(&mut shard, &bound(unit.address(), 1390), now, true).0.len(), 1);
    let [mut probe] = look(&mut shard, now, 1500).try_into().unwrap();
    assert_eq!(probe.len(), 1500 - 28, "with its outer headers it is as long as the link takes");
    assert_eq!(unit.into.open(&mut probe), Err(esp::Dropped::Dummy));

    let (sent, errors) = down(&mut shard, &bound(unit.address(), 1390), now, true);
    assert_eq!((sent.len(), errors.len()), (1, 0));
    assert!(look(&mut shard, now, 1400).is_empty(), "a probe is answered once");
    let (sent, errors) = down(&mut shard, &bound(unit.address(), 1390), now, true);
    let [error] = errors.try_into().unwrap();
    let mtu = usize::from(u16::from_be_bytes([error[26], error[27]]));
    assert!(sent.is_empty());
    assert_eq!(unit.dropped(Cause::TooBig), 1);
    let (sent, errors) = down(&mut shard, &bound(unit.address(), mtu), now, true);
    assert_eq!((sent, errors.len()), (vec![1400 - 28], 0), "what fits fills the path");
    let (sent, errors) = down(&mut shard, &bound(unit.address(), mtu + 1), now, true);
    assert_eq!((sent.len(), errors.len()), (0, 0), "told a moment ago");
    let later = now + Duration::from_secs(1);
    assert_eq!(down(&mut shard, &bound(unit.address(), mtu + 1), later, true).1.len(), 1);
    assert_eq!(
        down(&mut shard, &bound(unit.address(), 1390), later, false).0.len(),
        1,
        "nobody would heed it"
    );
    let mut free = bound(unit.address(), 1390);
    free[6] = 0;
    assert_eq!(down(&mut shard, &free, later, true).0.len(), 1, "it may be fragmented");
}

#[test]
fn a_tunnel_that_moves_has_another_way() {
    let (mut shard, mut unit, now) = (shard(), Unit::new(1, 0x1000), Instant::now());
    unit.open(&mut shard, now);
    down(&mut shard, &bound(unit.address(), 1390), now, true);
    look(&mut shard, now, 1280);
    assert!(down(&mut shard, &bound(unit.address(), 1390), now, true).0.is_empty());
    let sealed = unit.seal(&packet(unit.address(), SERVICE));
    uplink(&mut shard, &sealed, &path("127.0.0.8:4500"), now);
    assert_eq!(down(&mut shard, &bound(unit.address(), 1390), now, true).0.len(), 1);
    assert_eq!(look(&mut shard, now, 1500).len(), 1);
}
