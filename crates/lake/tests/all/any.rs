//! Entries of any kind, with all that they may have.

use ids::{CellKey, DeviceId, IkeSpi, Label, Plmn, Position, Rat, Spi, SubscriberKey, UnixTime};
use lake::{DeviceFacts, Entry, LineChange, LineSession};
use proptest::{collection, option, prelude::*, sample};
use records::{
    facts::{Radio, Tunnel},
    line::{ChangeKind, Place},
    row::{
        Access, AccessEvent, Alg, Channel, Code, Complaint, Currency, Ealg, Gap, GapWhy, Grievance,
        Heartbeat, Ims, ImsEvent, MacroCell, NasCipher, NasIntegrity, Number, Order, Payment, Purpose, Stamp,
        Text,
    },
};
use std::{net::IpAddr, str::FromStr, time::Duration};

/// Of many days, most of them at hand.
pub(crate) fn time() -> impl Strategy<Value = UnixTime> {
    let near = (0..300_000_u64, 0..3_u64).prop_map(|(seconds, micros)| {
        let start: UnixTime = "2026-11-29T22:00:00Z".parse().unwrap();
        start.after(Duration::from_secs(seconds / 1000)).after(Duration::from_micros(micros))
    });
    let far = any::<i64>().prop_map(|micros| UnixTime::from_micros(micros).before(Duration::from_micros(1)));
    prop_oneof![20 => near, 1 => far]
}

fn parsed<T: FromStr<Err: std::fmt::Debug> + std::fmt::Debug>(
    texts: &'static str,
) -> impl Strategy<Value = T> {
    texts.prop_map(|text| text.parse().unwrap())
}

fn stamp() -> impl Strategy<Value = Stamp> {
    let feed = sample::select(vec!["mme-1", "a", "zz-9"]).prop_map(|feed| feed.parse::<Label>().unwrap());
    (time(), feed).prop_map(|(at, feed)| Stamp { at, feed, seq: 0 })
}

pub(crate) fn subscriber() -> impl Strategy<Value = SubscriberKey> {
    prop_oneof![
        any::<[u8; 16]>(),
        (0..4_u8).prop_map(|last| {
            let mut key = [7; 16];
            key[15] = last;
            key
        })
    ]
    .prop_map(SubscriberKey::new)
}

pub(crate) fn cell() -> impl Strategy<Value = CellKey> {
    let plmn = prop_oneof![Just("450-08".to_owned()), "[0-9]{3}-[0-9]{2,3}"]
        .prop_map(|text| text.parse::<Plmn>().unwrap());
    let id = prop_oneof![0..3_u64, 0..1_u64 << 28];
    (sample::select(Rat::ALL.to_vec()), plmn, id)
        .prop_map(|(rat, plmn, id)| CellKey::new(rat, plmn, id).unwrap())
}

fn position() -> impl Strategy<Value = Position> {
    (-900_000_000..=900_000_000, -1_800_000_000..=1_800_000_000)
        .prop_map(|(lat, lon)| Position::new(lat, lon).unwrap())
}

fn text<const N: usize>() -> impl Strategy<Value = Text<N>> {
    prop_oneof![Just("shop".to_owned()), "[a-z \",;']{1,20}", "\\PC{1,8}"]
        .prop_filter_map("a text", |text| text.parse().ok())
}

fn free() -> impl Strategy<Value = Box<str>> {
    "[ -~]{1,20}".prop_map(Into::into)
}

macro_rules! row {
    ($type:ident { $($field:ident: $strategy:expr),* $(,)? }) => {
        (stamp(), ($($strategy,)*)).prop_map(|(stamp, ($($field,)*))| Entry::from($type { stamp, $($field),* })).boxed()
    };
}

/// Two times, the first one first.
fn span() -> impl Strategy<Value = (UnixTime, UnixTime)> {
    (time(), time()).prop_map(|(a, b)| (a.min(b), a.max(b)))
}

fn access() -> BoxedStrategy<Entry> {
    use AccessEvent::{Attach, Detach, HandoverIn, HandoverOut, Release, ServiceRequest, Update};
    let plain = row!(Access {
        subscriber: subscriber(),
        cell: cell(),
        event: sample::select(vec![Attach, Detach, Update, ServiceRequest, Release]),
        peer: Just(None),
        inner: option::of(any::<IpAddr>()),
        cipher: option::of((0..16_u8).prop_map(NasCipher)),
        integrity: option::of((0..16_u8).prop_map(NasIntegrity)),
    });
    let handover = row!(Access {
        subscriber: subscriber(),
        cell: cell(),
        event: sample::select(vec![HandoverIn, HandoverOut]),
        peer: option::of(cell()),
        inner: option::of(any::<IpAddr>()),
        cipher: Just(None),
        integrity: Just(None),
    });
    prop_oneof![plain, handover].boxed()
}

fn of_handsets() -> BoxedStrategy<Entry> {
    let currency = parsed::<Currency>("[A-Z]{3}");
    let channel = sample::select(vec![Channel::Sms, Channel::Ars]);
    let grievance = vec![Grievance::Payment, Grievance::Code, Grievance::NotReached, Grievance::NoService];
    prop_oneof![
        row!(Ims {
            subscriber: subscriber(),
            event: sample::select(vec![ImsEvent::Register, ImsEvent::Deregister]),
            sec_agree: Just(true),
            cell: option::of(cell()),
            ealg: option::of(sample::select(vec![Ealg::Null, Ealg::DesEde3Cbc, Ealg::AesCbc, Ealg::AesGcm])),
            alg: option::of(sample::select(vec![Alg::Null, Alg::HmacMd5, Alg::HmacSha1, Alg::AesGmac])),
        }),
        row!(Code {
            subscriber: subscriber(),
            channel: channel.clone(),
            service: text::<32>(),
            cell: option::of(cell()),
            requested: Just(None)
        }),
        row!(Payment {
            payer: subscriber(),
            amount_minor: any::<i64>(),
            currency: currency,
            merchant_class: text::<32>(),
            channel: channel,
            request: text::<64>(),
        }),
        row!(Complaint { subscriber: subscriber(), about: sample::select(grievance) }),
    ]
    .boxed()
}

fn of_the_carrier() -> BoxedStrategy<Entry> {
    let spans = |entry: fn(Stamp, UnixTime, UnixTime, Option<Position>) -> Entry| {
        (stamp(), span(), option::of(position()))
            .prop_map(move |(stamp, (from, to), position)| entry(stamp, from, to, position))
    };
    let number = (spans(|stamp, from, to, position| {
        let (subscriber, to) = (SubscriberKey::new([1; 16]), position.map(|_| to));
        Number { stamp, msisdn_key: SubscriberKey::new([2; 16]), subscriber, from, to }.into()
    }))
    .boxed();
    let cell = "lte:450-08:1";
    let mast = spans(move |stamp, from, to, position| {
        let position = position.unwrap_or(Position::new(1, -1).unwrap());
        MacroCell {
            stamp,
            cell: "nr:001-001:fffffffff".parse().unwrap(),
            position,
            radius_m: u32::MAX,
            from,
            to: Some(to),
        }
        .into()
    })
    .boxed();
    let order = spans(|stamp, from, to, position| {
        let line = position.map(|_| "L/1:2#3".parse().unwrap());
        let (order, device) = ("W-1".parse().unwrap(), "00aabbfffeccddee".parse().unwrap());
        Order { stamp, order, device, purpose: Purpose::Fetch, from, to, line, position }.into()
    })
    .boxed();
    let gap = spans(|stamp, from, to, position| {
        Gap { stamp, from, to, why: GapWhy::NotKept, rows: position.map(|_| u64::MAX) }.into()
    })
    .boxed();
    let _ = cell;
    prop_oneof![number, mast, order, gap, stamp().prop_map(|stamp| Heartbeat { stamp }.into())].boxed()
}

fn of_lines_and_units() -> BoxedStrategy<Entry> {
    let place = vec![
        ("192.0.2.7", None),
        ("192.0.2.7", Some((1024, 2047))),
        ("2001:db8:1:100::/56", None),
        ("198.51.100.0/25", None),
    ];
    let place = sample::select(place).prop_map(|(address, ports)| Place::new(address, ports).unwrap());
    let change = sample::select(vec![ChangeKind::Cancelled, ChangeKind::Moved, ChangeKind::Restored]);
    let session = (stamp(), place, option::of(0..9_u64), 0..9_u64).prop_map(|(stamp, place, to, from)| {
        let from = stamp.at.before(Duration::from_secs(from));
        let to = to.map(|seconds| from.after(Duration::from_secs(seconds)));
        LineSession { stamp, line: "L-1".parse().unwrap(), place, from, to }.into()
    });
    let tunnel =
        (any::<u64>(), option::of(any::<u32>()), option::of(time())).prop_map(|(ike, esp, created_at)| {
            Tunnel { ike_spi: Some(IkeSpi(ike)), esp_spi: esp.map(Spi), created_at }
        });
    let radio = any::<(bool, bool)>().prop_map(|(on, emergency_call)| Radio { on, emergency_call });
    let heard =
        collection::btree_set(cell(), 0..4).prop_map(|cells| cells.into_iter().collect::<Box<[CellKey]>>());
    let facts = (
        stamp(),
        parsed::<DeviceId>("[0-9a-f]{12}"),
        (option::of(free()), option::of(free())),
        option::of(tunnel),
        option::of(heard),
        option::of(radio),
    )
        .prop_map(|(stamp, device, (serial, software), tunnel, neighbours, radio)| {
            let seen_at = stamp.at;
            DeviceFacts { stamp, device, seen_at, serial, software, tunnel, neighbours, radio }.into()
        });
    let change = (stamp(), change)
        .prop_map(|(stamp, change)| LineChange { stamp, line: "L-1".parse().unwrap(), change }.into());
    prop_oneof![session, change, facts].boxed()
}

/// Rows that the engine reads.
pub(crate) fn row() -> impl Strategy<Value = Entry> {
    prop_oneof![3 => access(), 2 => of_handsets(), 2 => of_the_carrier()]
}

pub(crate) fn entry() -> impl Strategy<Value = Entry> {
    prop_oneof![4 => row(), 1 => of_lines_and_units()]
}

/// Entries with a number each, in any order.
pub(crate) fn entries(most: usize) -> impl Strategy<Value = Vec<Entry>> {
    numbered(entry().boxed(), most)
}

pub(crate) fn rows(most: usize) -> impl Strategy<Value = Vec<Entry>> {
    numbered(row().boxed(), most)
}

fn numbered(entry: BoxedStrategy<Entry>, most: usize) -> impl Strategy<Value = Vec<Entry>> {
    collection::vec(entry, 0..most)
        .prop_map(|entries| entries.into_iter().zip(1..).map(|(entry, seq)| with_seq(entry, seq)).collect())
}

fn with_seq(mut entry: Entry, number: u64) -> Entry {
    let stamp = match &mut entry {
        Entry::Row(row) => row.stamp_mut(),
        Entry::LineSession(session) => &mut session.stamp,
        Entry::LineChange(change) => &mut change.stamp,
        Entry::DeviceFacts(facts) => &mut facts.stamp,
    };
    stamp.seq = number;
    entry
}
