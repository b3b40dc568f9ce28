//! Numbers of the world as the names that rows have. A person's or a cell's number is all that is kept of it.

use ids::{AccessLine, CellKey, DeviceId, Plmn, Position, Rat, SubscriberKey};
use std::net::{IpAddr, Ipv4Addr};

/// A cell by its identity in the network, of 28 bits; which kind it is shows from its range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct CellNo(pub(super) u32);

/// Somebody with a handset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Person(pub(super) u32);

/// A place in the world's own plane: metres east and north of the middle of town 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Spot {
    pub(super) east: i32,
    pub(super) north: i32,
}

const MASTS: u32 = 0x100_0000;
const UNITS: u32 = 0x800_0000;
const OWN: u32 = 0xf00_0000;
/// Who lives with one unit, or works there.
pub(super) const HOUSEHOLD: u32 = 16;
/// People without a unit, by towns of so many.
const OTHERS: u32 = 1 << 31;
/// Two to this are the people without a unit of one town.
const TOWN_BITS: u32 = 20;
/// 1e-7 degrees of latitude in 1000 m: 1e10 / 111,195 m.
const LATITUDE: i64 = 89_932;
/// The same of longitude, at 37.5 degrees north.
const LONGITUDE: i64 = 113_358;
const MIDDLE: (i64, i64) = (375_000_000, 1_270_000_000);

impl CellNo {
    pub(super) const NONE: Self = Self(0);

    pub(super) fn mast(number: u32) -> Self {
        Self(MASTS + number)
    }

    pub(super) fn unit(number: u32) -> Self {
        Self(UNITS + number)
    }

    /// Of a box, which no ledger has.
    pub(super) fn own(number: u32) -> Self {
        Self(OWN + number)
    }

    pub(super) fn is_macro(self) -> bool {
        (MASTS..UNITS).contains(&self.0)
    }

    pub(super) fn key(self, network: Plmn) -> Option<CellKey> {
        CellKey::new(Rat::Lte, network, self.0.into())
    }
}

impl Person {
    /// Number `member` of those who live or work with a unit.
    pub(super) fn of_unit(unit: u32, member: u32) -> Self {
        Self(unit * HOUSEHOLD + member % HOUSEHOLD)
    }

    /// Somebody of a town who has no unit.
    pub(super) fn other(town: u32, number: u32) -> Self {
        Self(OTHERS | (town & 0x3ff) << TOWN_BITS | number & ((1 << TOWN_BITS) - 1))
    }

    /// As spread as a keyed hash: the same for person, seed and `salt`.
    pub(super) fn spread(self, seed: u64, salt: u64) -> u64 {
        mix(seed ^ mix(u64::from(self.0) << 8 | salt))
    }

    /// As HMAC-SHA-256 of an IMSI would look: every bit of it depends on seed and person.
    pub(super) fn key(self, seed: u64) -> SubscriberKey {
        let mut octets = [0; 16];
        let (first, second) = octets.split_at_mut(8);
        first.copy_from_slice(&self.spread(seed, 1).to_be_bytes());
        second.copy_from_slice(&self.spread(seed, 2).to_be_bytes());
        SubscriberKey::new(octets)
    }
}

impl Spot {
    pub(super) fn km(east: f64, north: f64) -> Self {
        Self { east: (east * 1000.0).round() as i32, north: (north * 1000.0).round() as i32 }
    }

    pub(super) fn plus(self, other: Self) -> Self {
        Self { east: self.east + other.east, north: self.north + other.north }
    }

    pub(super) fn position(self) -> Option<Position> {
        let lat = MIDDLE.0 + i64::from(self.north) * LATITUDE / 1000;
        let lon = MIDDLE.1 + i64::from(self.east) * LONGITUDE / 1000;
        Position::new(i32::try_from(lat).ok()?, i32::try_from(lon).ok()?)
    }
}

/// One round of splitmix64.
pub(super) fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ value >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ value >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ value >> 31
}

pub(super) fn device(unit: u32) -> DeviceId {
    let [a, b, c, d] = unit.to_be_bytes();
    // Locally administered: no vendor's.
    DeviceId::eui48([2, 0, a, b, c, d])
}

pub(super) fn line(unit: u32) -> Option<AccessLine> {
    format!("L-{unit}").parse().ok()
}

/// The inner address of a unit's tunnel.
pub(super) fn inner(unit: u32) -> IpAddr {
    IpAddr::V4(Ipv4Addr::from(0x0a00_0000 + unit))
}

/// An outer address.
pub(super) fn outer(number: u32) -> IpAddr {
    IpAddr::V4(Ipv4Addr::from(number))
}
