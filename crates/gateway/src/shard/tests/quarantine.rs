use super::*;
use crate::{
    hand_off::Confining,
    quarantine::{Addresses, Confinement, Translation},
};
use admission::Reason;
use ids::UnixTime;

const STANDS_FOR: [u8; 4] = [10, 99, 0, 1];
const OTHER: [u8; 4] = [10, 0, 0, 2];

/// Another holder of the key of `original`.
fn copy_of(original: &Unit, number: u64, spi: u32) -> Unit {
    let mut copy = Unit::new(number, spi);
    let session = Arc::get_mut(&mut copy.session).unwrap();
    (session.device, session.inner_v4, session.inner_v6) =
        (original.session.device, original.session.inner_v4, original.session.inner_v6);
    let inner = session.inner().map(TrafficSelector::host).collect();
    copy.child.as_mut().unwrap().ts_remote = inner;
    copy
}

fn confine(unit: &Unit, rules: &[&str], shard: &mut Shard) {
    let rules: Vec<_> = rules.iter().map(|rule| rule.parse().unwrap()).collect();
    let outside = Addresses { v4: Some(STANDS_FOR.into()), v6: None };
    unit.session.confine(Arc::new(Confinement {
        reason: Reason::SecondClaim,
        class: Arc::new(Class::new(&rules, &[])),
        translation: Translation::new(unit.session.inner_addresses(), outside).unwrap(),
        until: UnixTime::from_secs(60),
    }));
    let now = Instant::now();
    shard.command(Command::Confine(Confining::for_tests(&unit.session).unwrap()), now);
    shard.command(Command::Lead(unit.session.clone()), now);
}

/// With the pools of units and of quarantine.
fn shard() -> Shard {
    let pools = ["10.64.0.0/16", "10.99.0.0/24"].map(|pool| pool.parse().unwrap());
    let place = Place { own: 0, shards: ShardCount::new(1) };
    Shard::new(place, LIMITS, pools.to_vec(), Arc::default())
}

/// What goes on, to the core and to units.
fn sends(unit: &mut Unit, shard: &mut Shard, packet: &[u8]) -> (Vec<Vec<u8>>, usize) {
    let mut passed = Passed::default();
    let spi = unit.out.spi();
    let mut sealed = unit.seal(packet);
    shard.uplink(spi, &mut sealed, &path(HOME), Instant::now(), &mut passed);
    (passed.core.iter().map(<[u8]>::to_vec).collect(), passed.units.len())
}

/// What comes to each of two units.
fn comes(shard: &mut Shard, packet: &[u8], units: [&mut Unit; 2]) -> [Vec<Vec<u8>>; 2] {
    let (mut packets, mut down) = (Packets::new(), Downlink::default());
    packets.push(packet);
    shard.downlink(&packets, Instant::now(), &mut down);
    let datagrams: Vec<_> = down.outgoing.iter().map(|(path, datagram)| (*path, datagram.to_vec())).collect();
    units.map(|unit| unit.receive(datagrams.clone()))
}

fn echo(kind: u8, source: [u8; 4], destination: [u8; 4]) -> Vec<u8> {
    let mut packet = packet(source, destination);
    packet[9] = 1;
    packet[20] = kind;
    packet
}

#[test]
fn holder_and_quarantined_have_one_address_and_neither_gets_the_others_packets() {
    let (now, mut shard) = (Instant::now(), shard());
    let mut holder = Unit::new(1, 0x1000);
    let mut copy = copy_of(&holder, 2, 0x2000);
    holder.open(&mut shard, now);
    copy.attach(&mut shard, now);
    assert_eq!(sends(&mut copy, &mut shard, &packet(holder.address(), SERVICE)), (vec![], 0), "blocked yet");
    confine(&copy, &["10.0.0.1"], &mut shard);
    let own = packet(holder.address(), SERVICE);
    let [sent] = <[_; 1]>::try_from(sends(&mut copy, &mut shard, &own).0).unwrap();
    assert_eq!((&sent[12..16], &sent[16..20], &sent[20..]), (&STANDS_FOR[..], &SERVICE[..], &own[20..]));
    assert_eq!(sends(&mut holder, &mut shard, &own).0, std::slice::from_ref(&own));
    let [of_holder, of_copy] =
        comes(&mut shard, &packet(SERVICE, holder.address()), [&mut holder, &mut copy]);
    assert_eq!((of_holder.len(), of_copy.len()), (1, 0));
    let answer = packet(SERVICE, STANDS_FOR);
    let [of_holder, of_copy] = comes(&mut shard, &answer, [&mut holder, &mut copy]);
    assert_eq!(of_holder, Vec::<Vec<u8>>::new());
    assert_eq!((&of_copy[0][16..20], &of_copy[0][20..]), (&holder.address()[..], &answer[20..]));
    copy.end(&mut shard, now);
    assert!(comes(&mut shard, &answer, [&mut holder, &mut copy]).iter().all(Vec::is_empty));
    assert_eq!(sends(&mut holder, &mut shard, &own).0.len(), 1, "the holder's address leads to it still");
}

#[test]
fn nothing_but_its_reach_passes_whatever_its_class_and_pairs_allow() {
    let (now, mut shard) = (Instant::now(), shard());
    let holder = Unit::new(1, 0x1000);
    let mut copy = copy_of(&holder, 2, 0x2000);
    let mut neighbour = Unit::new(3, 0x3000);
    neighbour.open(&mut shard, now);
    copy.attach(&mut shard, now);
    confine(&copy, &["10.0.0.1"], &mut shard);
    let mut pairs = Pairs::default();
    pairs.list_addresses(copy.inners(), neighbour.inners());
    shard.command(Command::Pairs(Arc::new(pairs)), now);
    let (own, to_neighbour) = (copy.address(), neighbour.address());
    for (what, sent) in [
        ("out of reach", packet(own, OTHER)),
        ("another's source", packet([10, 64, 0, 77], SERVICE)),
        ("the address that stands for its own", packet(STANDS_FOR, SERVICE)),
        ("a unit that it is a pair with", packet(own, to_neighbour)),
        ("another in quarantine", packet(own, [10, 99, 0, 2])),
        ("an ICMP error", echo(3, own, SERVICE)),
        ("a redirect", echo(5, own, SERVICE)),
    ] {
        assert_eq!(sends(&mut copy, &mut shard, &sent), (vec![], 0), "{what}");
    }
    assert_eq!(copy.dropped(Cause::Lateral), 2);
    assert_eq!(copy.dropped(Cause::Inbound(esp::Dropped::SpoofedSource)), 2);
    assert_eq!(copy.dropped(Cause::Uplink(Barred::OutOfReach)), 3);
    assert_eq!(sends(&mut copy, &mut shard, &echo(8, own, SERVICE)).0.len(), 1);
    for (what, sent) in [
        ("from elsewhere", packet(OTHER, STANDS_FOR)),
        ("an ICMP error", echo(3, SERVICE, STANDS_FOR)),
        ("a unit's source", packet(to_neighbour, STANDS_FOR)),
    ] {
        let came = comes(&mut shard, &sent, [&mut copy, &mut neighbour]);
        assert!(came.iter().all(Vec::is_empty), "{what}");
    }
    let (_, for_units) = sends(&mut neighbour, &mut shard, &packet(to_neighbour, STANDS_FOR));
    assert_eq!(for_units, 0, "nobody is a pair with it");
    assert_eq!(comes(&mut shard, &echo(0, SERVICE, STANDS_FOR), [&mut copy, &mut neighbour])[0].len(), 1);
}

#[test]
fn a_hold_and_another_child_sa_do_not_let_it_out() {
    let (now, mut shard) = (Instant::now(), shard());
    let holder = Unit::new(1, 0x1000);
    let mut copy = copy_of(&holder, 2, 0x2000);
    let mut again = copy_of(&holder, 2, 0x2002);
    copy.attach(&mut shard, now);
    confine(&copy, &["10.0.0.1"], &mut shard);
    let own = copy.address();
    shard.command(Command::Hold(copy.sa()), now);
    assert_eq!(sends(&mut copy, &mut shard, &packet(own, SERVICE)).0.len(), 0);
    shard.command(Command::Release(copy.sa()), now);
    assert_eq!(sends(&mut copy, &mut shard, &packet(own, SERVICE)).0.len(), 1);
    let child = Box::new(again.child.take().unwrap());
    shard.command(Command::InstallChildSa { sa: copy.sa(), child }, now);
    assert_eq!(sends(&mut again, &mut shard, &packet(own, OTHER)).0.len(), 0);
    assert_eq!(sends(&mut again, &mut shard, &packet(own, SERVICE)).0[0][12..16], STANDS_FOR);
}
