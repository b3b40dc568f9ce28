use super::{Addresses, Quarantine};
use ids::{DeviceId, SessionId};
use std::{
    collections::{HashMap, HashSet},
    net::{Ipv4Addr, Ipv6Addr},
};

/// The places in quarantine, each with an address of each family that has a pool. One unit has one at most.
#[derive(Default)]
pub(crate) struct Pool {
    /// The first place's addresses.
    first: Addresses,
    places: u32,
    /// Where the search for a free one begins: a place that was given back rests for as long as others are free.
    next: u32,
    taken: HashSet<u32>,
    of: HashMap<DeviceId, (SessionId, u32)>,
}

/// Sessions in quarantine, whatever the pools have room for.
pub(crate) const MAX_PLACES: u32 = 4096;

impl Pool {
    pub(crate) fn new(quarantine: Option<&Quarantine>) -> Self {
        let Some(quarantine) = quarantine else { return Self::default() };
        // The network's own address, and IPv4's broadcast address, are nobody's.
        let v4 = quarantine.pool_v4.map(|net| (net.network(), hosts(32 - net.prefix_len(), 2)));
        let v6 = quarantine.pool_v6.map(|net| (net.network(), hosts(128 - net.prefix_len(), 1)));
        let sizes = [v4.map(|(_, places)| places), v6.map(|(_, places)| places)];
        Self {
            first: Addresses {
                v4: v4.map(|(net, _)| Ipv4Addr::from_bits(net.to_bits().saturating_add(1))),
                v6: v6.map(|(net, _)| Ipv6Addr::from_bits(net.to_bits().saturating_add(1))),
            },
            places: sizes.into_iter().flatten().min().unwrap_or(0),
            ..Self::default()
        }
    }

    /// A place for a session, in exchange for the one that its unit had; `None` where none is free.
    pub(crate) fn take(&mut self, device: DeviceId, session: SessionId) -> Option<Addresses> {
        if let Some((before, _)) = self.of.get(&device).copied() {
            self.give_back(device, before);
        }
        let mut places = (0..self.places).map(|step| (self.next + step) % self.places);
        let place = places.find(|place| !self.taken.contains(place))?;
        self.next = place + 1;
        self.taken.insert(place);
        self.of.insert(device, (session, place));
        Some(Addresses {
            v4: self.first.v4.map(|first| Ipv4Addr::from_bits(first.to_bits() + place)),
            v6: self.first.v6.map(|first| Ipv6Addr::from_bits(first.to_bits() + u128::from(place))),
        })
    }

    /// Nothing, where the session has none.
    pub(crate) fn give_back(&mut self, device: DeviceId, session: SessionId) {
        let had = self.of.get(&device).copied().filter(|(of, _)| *of == session);
        if let Some((_, place)) = had {
            self.of.remove(&device);
            self.taken.remove(&place);
        }
    }

    /// How many are taken.
    pub(crate) fn len(&self) -> usize {
        self.of.len()
    }

    /// The unit's session in quarantine.
    pub(crate) fn session_of(&self, device: DeviceId) -> Option<SessionId> {
        self.of.get(&device).map(|(session, _)| *session)
    }

    /// Units with a session in quarantine.
    pub(crate) fn devices(&self) -> impl Iterator<Item = DeviceId> {
        self.of.keys().copied()
    }
}

/// Places of a prefix with so many bits behind it, of which `reserved` are none.
fn hosts(bits: u8, reserved: u32) -> u32 {
    let all = 1_u32.checked_shl(bits.into()).unwrap_or(u32::MAX);
    all.saturating_sub(reserved).min(MAX_PLACES)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ids::Epoch;

    fn pool(v4: Option<&str>, v6: Option<&str>) -> Pool {
        Pool::new(Some(&Quarantine {
            pool_v4: v4.map(|net| net.parse().unwrap()),
            pool_v6: v6.map(|net| net.parse().unwrap()),
            reach: Vec::new(),
        }))
    }

    fn unit(number: u8) -> DeviceId {
        DeviceId::eui48([2, 0, 0, 0, 0, number])
    }

    fn session(number: u64) -> SessionId {
        SessionId { epoch: Epoch(1), number }
    }

    fn taken(pool: &mut Pool, number: u8) -> Option<Vec<String>> {
        let addresses = pool.take(unit(number), session(number.into()))?;
        Some(addresses.iter().map(|address| address.to_string()).collect())
    }

    #[test]
    fn every_place_is_taken_once_and_none_is_there_beyond() {
        let mut pool = pool(Some("10.99.0.0/29"), Some("fd99::/64"));
        let places: Vec<_> = (1..=6).map(|number| taken(&mut pool, number).unwrap()).collect();
        assert_eq!(
            (&places[0][..], &places[5][..]),
            (
                &["10.99.0.1", "fd99::1"].map(String::from)[..],
                &["10.99.0.6", "fd99::6"].map(String::from)[..]
            )
        );
        assert_eq!(taken(&mut pool, 7), None, "10.99.0.7 is for all");
        pool.give_back(unit(3), session(9));
        assert_eq!(taken(&mut pool, 7), None, "another session gave nothing back");
        pool.give_back(unit(3), session(3));
        assert_eq!(taken(&mut pool, 7).unwrap()[0], "10.99.0.3");
    }

    #[test]
    fn a_unit_has_one_place_and_a_place_rests_as_long_as_others_are_free() {
        let mut pool = pool(Some("10.99.0.0/29"), None);
        let used: Vec<_> = (0..6).map(|_| taken(&mut pool, 1).unwrap().remove(0)).collect();
        assert_eq!(used, (1..=6).map(|host| format!("10.99.0.{host}")).collect::<Vec<_>>());
        assert_eq!((pool.devices().count(), pool.session_of(unit(1))), (1, Some(session(1))));
        assert_eq!(taken(&mut pool, 2).unwrap(), ["10.99.0.1"]);
    }

    #[test]
    fn no_pool_has_no_place_and_a_large_one_has_so_many_and_no_more() {
        assert_eq!(Pool::new(None).take(unit(1), session(1)), None);
        assert_eq!(pool(Some("10.99.0.0/32"), None).take(unit(1), session(1)), None);
        for (v4, v6) in [(Some("10.0.0.0/8"), None), (None, Some("fd99::/16")), (None, Some("::/0"))] {
            assert_eq!(pool(v4, v6).places, MAX_PLACES);
        }
    }
}
