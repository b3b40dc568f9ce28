use super::*;
use crate::{
    classes::{Class, selector},
    hand_off::Opening,
    pairs::Pairs,
    sessions::session_for_tests,
    shards::ShardCount,
};
use esp::{Barred, Destination, InboundSa, OutboundSa};
use ike::{CipherSuite, EspKeys, EspSuite, payload::TrafficSelector};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

const LIMITS: Limits = Limits {
    heard_every: Duration::from_secs(10),
    esp_expected_within: Duration::from_secs(120),
    octets_per_child: 10_000,
    sequence_reserve: 1 << 24,
    rest_after: Duration::from_secs(60),
    window: WindowSize::ALL[0],
};
pub(crate) const SERVICE: [u8; 4] = [10, 0, 0, 1];
const V6_POOL: u128 = 0xfd64 << 112;
const HOME: &str = "127.0.0.9:4500";

fn path(peer: &str) -> Path {
    let peer: SocketAddr = peer.parse().unwrap();
    Path { local: ([127, 0, 0, 1], 4500).into(), peer, encapsulated: true }
}

/// One femtocell's end of a CHILD SA, and what the gateway is given of it.
pub(crate) struct Unit {
    session: Arc<Session>,
    out: OutboundSa,
    into: InboundSa,
    child: Option<ChildSa>,
}

impl Unit {
    pub(crate) fn new(number: u64, spi: u32) -> Self {
        Self::with_esn(number, spi, true)
    }

    fn with_esn(number: u64, spi: u32, esn: bool) -> Self {
        let mut session = session_for_tests(number);
        Arc::get_mut(&mut session).unwrap().inner_v6 =
            Some(Ipv6Addr::from_bits(V6_POOL | u128::from(number)));
        let inner = session.inner().map(TrafficSelector::host).collect();
        let keys = |octet: u8| EspKeys { encr: vec![octet; 20].into(), integ: Vec::new().into() };
        let child = ChildSa {
            spi_in: Spi(spi),
            spi_out: Spi(spi + 1),
            suite: EspSuite { cipher: CipherSuite::Aes128Gcm16, esn },
            keys_in: keys(1),
            keys_out: keys(2),
            ts_local: vec![TrafficSelector::ALL_V4, TrafficSelector::ALL_V6],
            ts_remote: inner,
            path: path("127.0.0.9:4500"),
            replaces: None,
            peer_is_ready: true,
        };
        let keys = |octet: u8| esp::Keys::new(esp::Suite::Aes128Gcm16, &[octet; 20], &[]).unwrap();
        let all = [TrafficSelector::ALL_V4, TrafficSelector::ALL_V6].map(|all| selector(&all));
        let all = Arc::new(esp::Selectors { local: Arc::new(all), remote: Box::new(all) });
        Self {
            out: OutboundSa::new(Spi(spi), keys(1), esn, all.clone()),
            into: InboundSa::new(Spi(spi + 1), keys(2), esn, all),
            session,
            child: Some(child),
        }
    }

    pub(crate) fn sa(&self) -> IkeSaId {
        self.session.sa
    }

    fn attach(&mut self, shard: &mut Shard, now: Instant) {
        let (session, path) = (self.session.clone(), path("127.0.0.9:4500"));
        shard.command(Command::Attach { session, path }, now);
        let child = Box::new(self.child.take().unwrap());
        shard.command(Command::InstallChildSa { sa: self.sa(), child }, now);
    }

    fn admit(&self, shard: &mut Shard, now: Instant) {
        shard.command(Command::Open(Opening::for_tests(self.sa())), now);
        shard.command(Command::Lead(self.session.clone()), now);
    }

    fn end(&self, shard: &mut Shard, now: Instant) {
        shard.command(Command::Forget(self.session.clone()), now);
        shard.command(Command::Detach(self.sa()), now);
    }

    pub(crate) fn open(&mut self, shard: &mut Shard, now: Instant) {
        self.attach(shard, now);
        self.admit(shard, now);
    }

    /// With another class than that of most units here, which may reach everything.
    fn of_class(number: u64, spi: u32, rules: &[&str]) -> Self {
        let mut unit = Self::new(number, spi);
        let rules: Vec<_> = rules.iter().map(|rule| rule.parse().unwrap()).collect();
        Arc::get_mut(&mut unit.session).unwrap().class = Arc::new(Class::new(&rules, &[]));
        unit
    }

    fn inners(&self) -> (Option<Ipv4Addr>, Option<Ipv6Addr>) {
        (self.session.inner_v4, self.session.inner_v6)
    }

    /// What of `datagrams` is for this unit.
    fn receive(&mut self, datagrams: Vec<(Path, Vec<u8>)>) -> Vec<Vec<u8>> {
        let opened = datagrams.into_iter().filter_map(|(_, mut datagram)| {
            self.into.open(&mut datagram).ok().map(|opened| opened.packet.to_vec())
        });
        opened.collect()
    }

    pub(crate) fn address(&self) -> [u8; 4] {
        self.session.inner_v4.unwrap().octets()
    }

    pub(crate) fn seal(&mut self, packet: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        self.out.seal(packet, &mut out).unwrap();
        out
    }

    fn dropped(&self, cause: Cause) -> u64 {
        self.session.traffic.drops.of(cause)
    }
}

pub(crate) fn packet(source: [u8; 4], destination: [u8; 4]) -> Vec<u8> {
    [&[0x45, 0, 0, 24, 0, 0, 0, 0, 64, 253, 0, 0][..], &source, &destination, &[7; 4]].concat()
}

pub(crate) fn shard() -> Shard {
    shard_with(LIMITS)
}

fn shard_with(limits: Limits) -> Shard {
    shard_at(Place { own: 0, shards: ShardCount::new(1) }, limits)
}

fn shard_at(place: Place, limits: Limits) -> Shard {
    let pools = ["10.64.0.0/16", "fd64::/64"].map(|pool| pool.parse().unwrap());
    Shard::new(place, limits, pools.to_vec(), Arc::default())
}

fn listed(pairs: &[(&Unit, &Unit)]) -> Command {
    let mut list = Pairs::default();
    pairs.iter().for_each(|(a, b)| list.list_addresses(a.inners(), b.inners()));
    Command::Pairs(Arc::new(list))
}

fn pass(shard: &mut Shard, sealed: &[u8], from: &Path, now: Instant) -> Passed {
    let mut passed = Passed::default();
    let spi = Spi(u32::from_be_bytes(*sealed.first_chunk().unwrap()));
    shard.uplink(spi, &mut sealed.to_vec(), from, now, &mut passed);
    passed
}

fn uplink(shard: &mut Shard, sealed: &[u8], from: &Path, now: Instant) -> Vec<Vec<u8>> {
    let passed = pass(shard, sealed, from, now);
    assert!(passed.units.is_empty(), "for another unit");
    passed.core.iter().map(<[u8]>::to_vec).collect()
}

/// What one unit sends to another, through its shard; nothing goes to the core.
fn across(shard: &mut Shard, sealed: &[u8], now: Instant) -> (Vec<(Path, Vec<u8>)>, Elsewhere) {
    let passed = pass(shard, sealed, &path(HOME), now);
    assert!(passed.core.is_empty(), "to the core");
    let mut out = Downlink { elsewhere: vec![Packets::new(), Packets::new()], ..Downlink::default() };
    shard.between(&passed.units, now, &mut out);
    (out.outgoing.iter().map(|(path, datagram)| (*path, datagram.to_vec())).collect(), out.elsewhere)
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
    assert_eq!(unit.dropped(Cause::UplinkBlocked), 1);
    assert_eq!(shard.counters.drops.of(Cause::NoTunnel), 1, "inner addresses lead to open tunnels alone");
    unit.admit(&mut shard, now);
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
    let to = Destination { address: other.session.inner_v4.unwrap().into(), protocol: 253, port: None };
    let sa = unit.sa();
    let attempt = |packets| Notice::Lateral { sa, packets, to };
    assert_eq!(notices(&mut shard), [Notice::Spoofed { sa: unit.sa(), packets: 1 }, attempt(1)]);
    for _ in 0..2 {
        let lateral = unit.seal(&packet(unit.address(), other.address()));
        uplink(&mut shard, &lateral, &home, now);
    }
    shard.sweep(now + Duration::from_secs(59));
    assert_eq!(notices(&mut shard), []);
    shard.sweep(now + Duration::from_secs(60));
    assert_eq!(notices(&mut shard), [attempt(2)]);
}

#[test]
fn an_attempt_outside_the_selectors_is_one_all_the_same() {
    let (mut shard, mut unit, now) = (shard(), Unit::new(1, 0x1000), Instant::now());
    unit.child.as_mut().unwrap().ts_local = vec![TrafficSelector::host(IpAddr::from(SERVICE))];
    unit.open(&mut shard, now);
    let lateral = unit.seal(&packet(unit.address(), [10, 64, 0, 2]));
    let outside = unit.seal(&packet(unit.address(), [10, 0, 0, 2]));
    assert!(uplink(&mut shard, &lateral, &path(HOME), now).is_empty());
    assert!(uplink(&mut shard, &outside, &path(HOME), now).is_empty());
    assert_eq!(unit.dropped(Cause::Lateral), 1);
    assert_eq!(unit.dropped(Cause::Inbound(esp::Dropped::OutsideSelectors)), 1);
}

#[test]
fn a_listed_pair_exchanges_packets_until_it_is_removed() {
    let (mut shard, mut a, mut b, now) =
        (shard(), Unit::new(1, 0x1000), Unit::new(2, 0x2000), Instant::now());
    let mut c = Unit::new(3, 0x3000);
    [&mut a, &mut b, &mut c].into_iter().for_each(|unit| unit.open(&mut shard, now));
    shard.command(listed(&[(&b, &a)]), now);
    for _ in 0..2 {
        let sent = packet(a.address(), b.address());
        let (datagrams, _) = across(&mut shard, &a.seal(&sent), now);
        assert_eq!(b.receive(datagrams), [sent]);
        std::mem::swap(&mut a, &mut b);
    }
    assert_eq!((a.session.view().uplink.packets, a.session.view().downlink.packets), (1, 1));
    let to_third = a.seal(&packet(a.address(), c.address()));
    assert!(across(&mut shard, &to_third, now).0.is_empty());
    let tunnelled = a.seal(&protocol(47, packet(a.address(), b.address())));
    assert!(across(&mut shard, &tunnelled, now).0.is_empty());
    let routed = a.seal(&source_routed(packet(a.address(), b.address())));
    assert!(across(&mut shard, &routed, now).0.is_empty());
    assert_eq!((a.dropped(Cause::Lateral), a.dropped(Cause::Uplink(Barred::SourceRoute))), (2, 1));
    shard.command(listed(&[]), now);
    let late = a.seal(&packet(a.address(), b.address()));
    assert!(across(&mut shard, &late, now).0.is_empty());
    assert_eq!(a.dropped(Cause::Lateral), 3);
}

#[test]
fn nothing_passes_to_a_partner_that_is_not_there_or_not_open() {
    let (mut shard, mut a, mut b, now) =
        (shard(), Unit::new(1, 0x1000), Unit::new(2, 0x2000), Instant::now());
    a.open(&mut shard, now);
    shard.command(listed(&[(&a, &b)]), now);
    let sealed = a.seal(&packet(a.address(), b.address()));
    assert!(across(&mut shard, &sealed, now).0.is_empty());
    assert_eq!(shard.counters.drops.of(Cause::NoTunnel), 1);
    b.open(&mut shard, now);
    shard.command(Command::Hold(b.sa()), now);
    let sealed = a.seal(&packet(a.address(), b.address()));
    assert!(across(&mut shard, &sealed, now).0.is_empty());
    assert_eq!((b.dropped(Cause::DownlinkBlocked), a.dropped(Cause::Lateral)), (1, 0));
}

#[test]
fn a_partner_on_another_shard_is_reached_through_it_and_the_pair_looked_up_again() {
    let at = |own| shard_at(Place { own, shards: ShardCount::new(2) }, LIMITS);
    let (mut even, mut odd, now) = (at(0), at(1), Instant::now());
    let (mut a, mut b) = (Unit::new(2, 0x2000), Unit::new(1, 0x1001));
    a.open(&mut even, now);
    b.open(&mut odd, now);
    even.command(Command::Lead(b.session.clone()), now);
    let sent = packet(a.address(), b.address());
    [&mut even, &mut odd].into_iter().for_each(|shard| shard.command(listed(&[(&a, &b)]), now));
    let (datagrams, elsewhere) = across(&mut even, &a.seal(&sent), now);
    assert!(datagrams.is_empty() && elsewhere[0].is_empty());
    let mut out = Downlink::default();
    odd.between(&elsewhere[1], now, &mut out);
    let datagrams = out.outgoing.iter().map(|(path, datagram)| (*path, datagram.to_vec())).collect();
    assert_eq!(b.receive(datagrams), [sent]);
    odd.command(listed(&[]), now);
    let mut out = Downlink::default();
    odd.between(&elsewhere[1], now, &mut out);
    assert_eq!((out.outgoing.iter().count(), odd.counters.drops.of(Cause::Lateral)), (0, 1));
}

#[test]
fn the_core_has_no_unit_s_address_whatever_pairs_are_listed() {
    let (mut shard, mut a, b, now) = (shard(), Unit::new(1, 0x1000), Unit::new(2, 0x2000), Instant::now());
    a.open(&mut shard, now);
    shard.command(listed(&[(&a, &b)]), now);
    assert!(downlink(&mut shard, &packet(b.address(), a.address())).is_empty());
    assert_eq!(shard.counters.drops.of(Cause::FromPool), 1);
}

fn protocol(number: u8, mut packet: Vec<u8>) -> Vec<u8> {
    packet[9] = number;
    packet
}

fn source_routed(packet: Vec<u8>) -> Vec<u8> {
    with_option(packet, [131, 3, 4, 0])
}

fn with_option(mut packet: Vec<u8>, option: [u8; 4]) -> Vec<u8> {
    packet[0] += 1;
    packet[3] += 4;
    packet.splice(20..20, option);
    packet
}

fn fragment(offset: u8, mut packet: Vec<u8>) -> Vec<u8> {
    packet[7] = offset;
    packet
}

fn ipv6(source: Ipv6Addr, destination: Ipv6Addr, first: u8, rest: &[u8]) -> Vec<u8> {
    let start = [0x60, 0, 0, 0, 0, rest.len() as u8, first, 64];
    [&start[..], &source.octets(), &destination.octets(), rest].concat()
}

#[test]
fn what_a_class_may_not_reach_and_headers_that_deceive_are_dropped_both_ways_each_by_its_cause() {
    let (mut shard, now) = (shard(), Instant::now());
    let mut unit = Unit::of_class(1, 0x1000, &["10.0.0.1 tcp 443", "10.0.0.1 253", "fd00::/64"]);
    unit.open(&mut shard, now);
    let (own, own_v6) = (unit.address(), unit.session.inner_v6.unwrap());
    let core_v6 = "fd00::1".parse().unwrap();
    let out_of_order = [0, 0, 1, 4, 0, 0, 0, 0, 253, 0, 1, 4, 0, 0, 0, 0];
    type Make<'a> = &'a dyn Fn(Vec<u8>) -> Vec<u8>;
    let cases: [(Barred, Make<'_>); 6] = [
        (Barred::OutOfReach, &|packet| protocol(17, packet)),
        (Barred::OutOfReach, &|packet| protocol(6, packet)),
        (Barred::Fragment, &|packet| fragment(2, protocol(6, packet))),
        (Barred::Fragment, &|packet| fragment(1, packet)),
        (Barred::SourceRoute, &source_routed),
        (Barred::Options, &|packet| with_option(packet, [148, 4, 0, 0])),
    ];
    let mut counts = std::collections::HashMap::new();
    let mut check = |barred: Barred, up: &[u8], down: &[u8]| {
        assert!(uplink(&mut shard, &unit.seal(up), &path(HOME), now).is_empty(), "{barred:?}");
        assert!(downlink(&mut shard, down).is_empty(), "{barred:?}");
        let count = counts.entry(barred).or_insert(0);
        *count += 1;
        let dropped = (unit.dropped(Cause::Uplink(barred)), unit.dropped(Cause::Downlink(barred)));
        assert_eq!(dropped, (*count, *count), "{barred:?}");
    };
    for (barred, make) in cases {
        check(barred, &make(packet(own, SERVICE)), &make(packet(SERVICE, own)));
    }
    let chain = |from, to| ipv6(from, to, 60, &out_of_order);
    check(Barred::HeaderChain, &chain(own_v6, core_v6), &chain(core_v6, own_v6));
    assert_eq!(counts.len(), Barred::ALL.len(), "each cause");
    assert_eq!(uplink(&mut shard, &unit.seal(&packet(own, SERVICE)), &path(HOME), now).len(), 1);
    assert_eq!(downlink(&mut shard, &packet(SERVICE, own)).len(), 1);
    let plain = |from, to| ipv6(from, to, 253, &[7; 8]);
    assert_eq!(uplink(&mut shard, &unit.seal(&plain(own_v6, core_v6)), &path(HOME), now).len(), 1);
    assert_eq!(downlink(&mut shard, &plain(core_v6, own_v6)).len(), 1);
}

#[test]
fn what_is_out_of_reach_is_told_with_where_it_was_to_go_and_once_an_hour() {
    let (mut shard, now) = (shard(), Instant::now());
    let mut unit = Unit::of_class(1, 0x1000, &["10.0.0.1 udp 2152"]);
    unit.open(&mut shard, now);
    let own = unit.address();
    let mut send = |shard: &mut Shard, to: [u8; 4], number: u8, ports: [u8; 4]| {
        let mut packet = protocol(number, packet(own, to));
        packet[20..24].copy_from_slice(&ports);
        assert!(uplink(shard, &unit.seal(&packet), &path(HOME), now).is_empty());
    };
    send(&mut shard, [10, 0, 0, 2], 17, [0, 9, 0, 53]);
    send(&mut shard, SERVICE, 17, [0, 9, 0, 123]);
    notices(&mut shard);
    let sa = ike::IkeSaId(1);
    let told = |packets, address: [u8; 4], protocol, port| {
        [Notice::OutOfReach { sa, packets, to: Destination { address: address.into(), protocol, port } }]
    };
    shard.sweep(now);
    assert_eq!(notices(&mut shard), told(2, SERVICE, 17, Some(123)));
    send(&mut shard, SERVICE, 6, [0, 9, 1, 187]);
    send(&mut shard, [10, 0, 0, 3], 1, [8, 0, 0, 0]);
    shard.sweep(now + Duration::from_secs(3599));
    assert_eq!(notices(&mut shard), []);
    shard.sweep(now + Duration::from_secs(3600));
    assert_eq!(notices(&mut shard), told(2, [10, 0, 0, 3], 1, None), "what ICMP has is no port");
}

#[test]
fn a_tunnel_stays_where_its_unit_is_proven_to_be_and_asks_about_elsewhere() {
    let (mut shard, mut unit, now) = (shard(), Unit::new(1, 0x1000), Instant::now());
    unit.open(&mut shard, now);
    let (home, elsewhere) = (path("127.0.0.9:4500"), path("127.0.0.77:40001"));
    let ping = packet(unit.address(), SERVICE);
    let (late, newest) = (unit.seal(&ping), unit.seal(&ping));
    assert_eq!(uplink(&mut shard, &newest, &elsewhere, now).len(), 1, "it is authentic");
    assert_eq!(uplink(&mut shard, &late, &home, now).len(), 1);
    let asked = Notice::Elsewhere { sa: unit.sa(), to: elsewhere };
    assert_eq!(notices(&mut shard), [Notice::Heard(unit.sa()), asked]);
    assert_eq!(downlink(&mut shard, &packet(SERVICE, unit.address()))[0].0, home);
    shard.command(Command::Move { sa: unit.sa(), path: elsewhere }, now);
    assert_eq!(downlink(&mut shard, &packet(SERVICE, unit.address()))[0].0, elsewhere);
}

#[test]
fn what_is_late_replayed_or_forged_asks_for_nothing() {
    let (mut shard, mut unit, now) = (shard(), Unit::new(1, 0x1000), Instant::now());
    unit.open(&mut shard, now);
    let (home, elsewhere) = (path("127.0.0.9:4500"), path("127.0.0.77:40001"));
    let ping = packet(unit.address(), SERVICE);
    let (late, newest, mut forged) = (unit.seal(&ping), unit.seal(&ping), unit.seal(&ping));
    *forged.last_mut().unwrap() ^= 1;
    uplink(&mut shard, &newest, &home, now);
    for packet in [&late, &newest, &forged] {
        uplink(&mut shard, packet, &elsewhere, now);
    }
    assert_eq!(notices(&mut shard), [Notice::Heard(unit.sa())]);
}

#[test]
fn a_stream_from_elsewhere_asks_once_a_second() {
    let (mut shard, mut unit, now) = (shard(), Unit::new(1, 0x1000), Instant::now());
    unit.open(&mut shard, now);
    let elsewhere = path("127.0.0.77:40001");
    let mut asked = 0;
    for hundredth in 0..300 {
        let sealed = unit.seal(&packet(unit.address(), SERVICE));
        uplink(&mut shard, &sealed, &elsewhere, now + Duration::from_millis(10 * hundredth));
        asked += notices(&mut shard).iter().filter(|told| matches!(told, Notice::Elsewhere { .. })).count();
    }
    assert_eq!(asked, 3);
}

#[test]
fn one_sa_at_two_addresses_in_turn_is_told_and_moves_nothing() {
    let (mut shard, mut unit, now) = (shard(), Unit::new(1, 0x1000), Instant::now());
    unit.open(&mut shard, now);
    let paths = [path("127.0.0.77:40001"), path("127.0.0.9:4500")];
    let mut told = Vec::new();
    for hundredth in 0..300_u32 {
        let at = now + Duration::from_millis(10 * u64::from(hundredth));
        let sealed = unit.seal(&packet(unit.address(), SERVICE));
        assert_eq!(uplink(&mut shard, &sealed, &paths[hundredth as usize % 2], at).len(), 1);
        assert_eq!(downlink(&mut shard, &packet(SERVICE, unit.address()))[0].0, paths[1]);
        shard.sweep(at);
        told.extend(notices(&mut shard).into_iter().filter(|told| !matches!(told, Notice::Heard(_))));
    }
    let [Notice::Elsewhere { .. }, Notice::Alternates { sa, seen }] = told[..] else { panic!("{told:?}") };
    assert_eq!((sa, seen.changes), (unit.sa(), 3));
    assert_eq!(seen.places.into_iter().flatten().count(), 2);
}

#[test]
fn a_tunnel_that_is_settled_keeps_nothing_of_its_moves() {
    let (mut shard, mut unit, now) = (shard(), Unit::new(1, 0x1000), Instant::now());
    unit.open(&mut shard, now);
    let elsewhere = path("127.0.0.77:40001");
    let sealed = unit.seal(&packet(unit.address(), SERVICE));
    uplink(&mut shard, &sealed, &elsewhere, now);
    shard.command(Command::Move { sa: unit.sa(), path: elsewhere }, now);
    shard.sweep(now + Duration::from_secs(59));
    assert!(shard.tunnels[&unit.sa()].sightings.is_some());
    shard.sweep(now + Duration::from_secs(60));
    assert!(shard.tunnels[&unit.sa()].sightings.is_none());
}

#[test]
fn a_held_tunnel_passes_nothing_until_it_is_released() {
    let (mut shard, mut unit, now) = (shard(), Unit::new(1, 0x1000), Instant::now());
    unit.attach(&mut shard, now);
    shard.command(Command::Release(unit.sa()), now);
    assert!(downlink(&mut shard, &packet(SERVICE, unit.address())).is_empty(), "it was never opened");
    unit.admit(&mut shard, now);
    shard.command(Command::Hold(unit.sa()), now);
    assert!(downlink(&mut shard, &packet(SERVICE, unit.address())).is_empty());
    shard.command(Command::Release(unit.sa()), now);
    assert_eq!(downlink(&mut shard, &packet(SERVICE, unit.address())).len(), 1);
}

#[test]
fn a_held_tunnel_says_where_its_unit_is_and_one_that_was_not_admitted_says_nothing() {
    let (mut shard, mut unit, now) = (shard(), Unit::new(1, 0x1000), Instant::now());
    let (home, elsewhere) = (path("127.0.0.9:4500"), path("127.0.0.77:40001"));
    unit.attach(&mut shard, now);
    let sealed = unit.seal(&packet(unit.address(), SERVICE));
    assert!(uplink(&mut shard, &sealed, &elsewhere, now).is_empty());
    assert_eq!(notices(&mut shard), []);
    unit.admit(&mut shard, now);
    shard.command(Command::Move { sa: unit.sa(), path: elsewhere }, now);
    shard.command(Command::Hold(unit.sa()), now);
    let sealed = unit.seal(&packet(unit.address(), SERVICE));
    assert!(uplink(&mut shard, &sealed, &home, now).is_empty());
    assert_eq!(unit.dropped(Cause::UplinkBlocked), 2);
    let asked = Notice::Elsewhere { sa: unit.sa(), to: home };
    assert_eq!(notices(&mut shard), [Notice::Heard(unit.sa()), asked]);
}

#[test]
fn a_hold_that_comes_before_the_opening_holds() {
    let (mut shard, mut unit, now) = (shard(), Unit::new(1, 0x1000), Instant::now());
    unit.attach(&mut shard, now);
    shard.command(Command::Hold(unit.sa()), now);
    unit.admit(&mut shard, now);
    assert!(downlink(&mut shard, &packet(SERVICE, unit.address())).is_empty());
    shard.command(Command::Release(unit.sa()), now);
    assert_eq!(downlink(&mut shard, &packet(SERVICE, unit.address())).len(), 1);
}

#[test]
fn an_sa_is_worn_before_its_sequence_numbers_end_in_either_direction_with_esn_or_without() {
    let few = |extended: bool| if extended { u64::MAX } else { u64::from(u32::MAX) } - 3;
    for (extended, up) in [(false, true), (false, false), (true, true), (true, false)] {
        let limits = Limits { sequence_reserve: few(extended), octets_per_child: u64::MAX, ..LIMITS };
        let (mut shard, now) = (shard_with(limits), Instant::now());
        let mut unit = Unit::with_esn(1, 0x1000, extended);
        unit.open(&mut shard, now);
        let worn = Notice::Worn { sa: unit.sa(), spi_in: Spi(0x1000) };
        for count in 1..=5 {
            if up {
                let sealed = unit.seal(&packet(unit.address(), SERVICE));
                uplink(&mut shard, &sealed, &path("127.0.0.9:4500"), now);
            } else {
                downlink(&mut shard, &packet(SERVICE, unit.address()));
            }
            shard.sweep(now);
            assert_eq!(notices(&mut shard).contains(&worn), count == 4, "{extended} {up} {count}");
        }
    }
}

#[test]
fn the_replay_window_is_as_large_as_configured() {
    for window in WindowSize::ALL {
        let (mut shard, now) = (shard_with(Limits { window, ..LIMITS }), Instant::now());
        let mut unit = Unit::with_esn(1, 0x1000, false);
        unit.open(&mut shard, now);
        let ping = packet(unit.address(), SERVICE);
        let sealed: Vec<_> = (0..=window.packets()).map(|_| unit.seal(&ping)).collect();
        let [oldest, next, .., newest] = &sealed[..] else { panic!("a window of packets and one more") };
        let home = path("127.0.0.9:4500");
        assert_eq!(uplink(&mut shard, newest, &home, now).len(), 1);
        assert_eq!(uplink(&mut shard, next, &home, now).len(), 1);
        assert!(uplink(&mut shard, oldest, &home, now).is_empty());
        assert_eq!(unit.dropped(Cause::Inbound(esp::Dropped::TooOld)), 1);
    }
}

#[test]
fn what_is_removed_is_unknown() {
    let (mut shard, mut unit, now) = (shard(), Unit::new(1, 0x1000), Instant::now());
    unit.open(&mut shard, now);
    let sealed = unit.seal(&packet(unit.address(), SERVICE));
    unit.end(&mut shard, now);
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
    holder.end(&mut shard, now);
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
fn what_came_in_before_a_child_sa_was_removed_is_read_and_nothing_goes_out_over_it() {
    let (mut shard, mut old, now) = (shard(), Unit::new(1, 0x1000), Instant::now());
    old.open(&mut shard, now);
    let mut new = Unit::new(1, 0x2000);
    let child = ChildSa { replaces: Some(Spi(0x1000)), ..new.child.take().unwrap() };
    shard.command(Command::InstallChildSa { sa: old.sa(), child: Box::new(child) }, now);
    let sealed = [(); 3].map(|()| old.seal(&packet(old.address(), SERVICE)));
    shard.command(Command::RemoveChildSa { sa: old.sa(), spi_in: Spi(0x1000) }, now);
    assert_eq!(uplink(&mut shard, &sealed[0], &path(HOME), now).len(), 1);
    let [(_, mut down)] = downlink(&mut shard, &packet(SERVICE, old.address())).try_into().unwrap();
    assert!(new.into.open(&mut down).is_ok());
    // The thread's round: what is removed meanwhile waits for the next one.
    let leaving = shard.leaving();
    shard.command(Command::RemoveChildSa { sa: old.sa(), spi_in: Spi(0x2000) }, now);
    assert_eq!(uplink(&mut shard, &sealed[1], &path(HOME), now).len(), 1);
    shard.end_leaving(leaving);
    assert!(uplink(&mut shard, &sealed[2], &path(HOME), now).is_empty());
    assert_eq!(shard.counters.drops.of(Cause::UnknownSpi), 1);
    let last = new.seal(&packet(old.address(), SERVICE));
    assert_eq!(uplink(&mut shard, &last, &path(HOME), now).len(), 1);
    assert!(downlink(&mut shard, &packet(SERVICE, old.address())).is_empty());
    assert_eq!(old.dropped(Cause::NoChildSa), 1);
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

#[test]
fn an_authentic_packet_that_goes_no_further_still_shows_that_its_unit_lives() {
    let (mut shard, mut unit, now) = (shard(), Unit::new(1, 0x1000), Instant::now());
    unit.open(&mut shard, now);
    let home = path("127.0.0.9:4500");
    let mut forged = unit.seal(&packet(unit.address(), SERVICE));
    *forged.last_mut().unwrap() ^= 1;
    uplink(&mut shard, &forged, &home, now);
    assert_eq!(notices(&mut shard), [], "anyone can send that");
    let spoofed = unit.seal(&packet([10, 64, 9, 9], SERVICE));
    assert!(uplink(&mut shard, &spoofed, &home, now).is_empty());
    assert_eq!(notices(&mut shard), [Notice::Heard(unit.sa())]);
    shard.sweep(now + LIMITS.esp_expected_within);
    assert!(!notices(&mut shard).contains(&Notice::EspNeverSeen(unit.sa())));
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
    shard.look_at_path_mtus(now, |_| Some(mtu), &mut probes);
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
    assert_eq!(unit.into.open(&mut probe), Err(esp::Dropped::Dummy.into()));

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
fn a_unit_hears_that_its_packet_does_not_fit_the_way_of_its_partner_and_the_core_hears_nothing() {
    let (mut shard, mut a, mut b, now) =
        (shard(), Unit::new(1, 0x1000), Unit::new(2, 0x2000), Instant::now());
    a.open(&mut shard, now);
    b.open(&mut shard, now);
    shard.command(listed(&[(&a, &b)]), now);
    down(&mut shard, &bound(b.address(), 1390), now, true);
    assert_eq!(look(&mut shard, now, 1400).len(), 1, "its way is known");
    let mut long = bound(b.address(), 1390);
    long[12..16].copy_from_slice(&a.address());
    let passed = pass(&mut shard, &a.seal(&long), &path(HOME), now);
    let mut out = Downlink { errors: Some(Packets::new()), ..Downlink::default() };
    shard.between(&passed.units, now, &mut out);
    assert_eq!(out.outgoing.iter().count(), 0);
    assert!(out.errors.is_some_and(|errors| errors.is_empty()));
    let mut back = Downlink::default();
    shard.between(&out.unit_errors, now, &mut back);
    let datagrams = back.outgoing.iter().map(|(path, datagram)| (*path, datagram.to_vec())).collect();
    let [error] = a.receive(datagrams).try_into().unwrap();
    assert_eq!((&error[12..16], &error[20..22]), (&b.address()[..], &[3, 4][..]));
}

#[test]
fn a_tunnel_that_moves_has_another_way() {
    let (mut shard, mut unit, now) = (shard(), Unit::new(1, 0x1000), Instant::now());
    unit.open(&mut shard, now);
    down(&mut shard, &bound(unit.address(), 1390), now, true);
    look(&mut shard, now, 1280);
    assert!(down(&mut shard, &bound(unit.address(), 1390), now, true).0.is_empty());
    shard.command(Command::Move { sa: unit.sa(), path: path("127.0.0.8:4500") }, now);
    assert_eq!(down(&mut shard, &bound(unit.address(), 1390), now, true).0.len(), 1);
    assert_eq!(look(&mut shard, now, 1500).len(), 1);
}

#[test]
fn every_tunnel_with_long_packets_has_its_turn_however_many_there_are() {
    let (mut shard, start) = (shard(), Instant::now());
    let mut units: Vec<_> = (0..3000).map(|number| Unit::new(number + 1, 0x1000 + number as u32)).collect();
    units.iter_mut().for_each(|unit| unit.open(&mut shard, start));
    let mut looked = std::collections::BTreeSet::new();
    for second in 0..20_u64 {
        let now = start + Duration::from_secs(2 * second);
        for unit in &units {
            down(&mut shard, &bound(unit.address(), 1390), now, true);
        }
        let mut probes = Outgoing::default();
        shard.look_at_path_mtus(now, |_| Some(1500), &mut probes);
        looked.extend(probes.iter().map(|(_, datagram)| datagram[..4].to_vec()));
    }
    assert_eq!(looked.len(), units.len(), "each was probed, by its SPI");
}

/// A copy of an SA's keys sends from elsewhere, and nobody there answers a probe, so that no `Move` ever comes.
#[test]
fn packets_from_where_the_unit_never_proves_to_be_are_dropped_and_told() {
    let (mut shard, mut unit, start) = (shard(), Unit::new(1, 0x1000), Instant::now());
    unit.open(&mut shard, start);
    let elsewhere = path("203.0.113.66:9");
    let (mut passed, mut asked, mut told) = (0, 0, Vec::new());
    for second in 0..600 {
        let now = start + Duration::from_secs(second);
        let sealed = unit.seal(&packet(unit.address(), SERVICE));
        passed += uplink(&mut shard, &sealed, &elsewhere, now).len();
        shard.sweep(now);
        for notice in notices(&mut shard) {
            asked += u32::from(matches!(notice, Notice::Elsewhere { .. }));
            if let Notice::Unproven { packets, from, .. } = notice {
                told.push((packets, from));
            }
        }
    }
    assert_eq!((passed, asked), (10, 600), "for as long as it may take to prove, and asked on");
    assert_eq!(told.len(), 10, "at most one a minute: {told:?}");
    assert!(told.iter().all(|(_, from)| *from == elsewhere.peer));
    let now = start + Duration::from_secs(600);
    let sealed = unit.seal(&packet(unit.address(), SERVICE));
    assert_eq!(uplink(&mut shard, &sealed, &path(HOME), now).len(), 1, "its own place is not touched");
    shard.command(Command::Move { sa: unit.sa(), path: elsewhere }, now);
    let sealed = unit.seal(&packet(unit.address(), SERVICE));
    assert_eq!(uplink(&mut shard, &sealed, &elsewhere, now).len(), 1, "it has proven to be there");
}

mod quarantine;
