use super::{Place, Session};
use crate::{Absent, Future, Heard};
use ids::{AccessLine, UnixTime};
use ipnet::IpNet;
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    hash::{BuildHasher, RandomState},
    net::{IpAddr, Ipv6Addr, SocketAddr},
    ops::Bound,
    time::Duration,
};

/// Sessions that are kept at most, open ones and those that ended lately: 1 M blocks of ports and 250,000 lines, each with
/// as many again that ended.
pub const SESSIONS: usize = 2_500_000;
/// Of them, those of one address or prefix: a CGNAT that gives out 32 ports at a time, and gave out each twice.
pub const PER_PREFIX: usize = 4096;
/// Sessions of one line that are looked at, where it may be by a mistake that it has an address.
pub const PER_LINE: usize = 256;
/// Sessions that ended long ago are forgotten as others come, so many for each.
const FORGOTTEN_FOR_EACH: usize = 2;

/// Which line has an address, and had lately.
///
/// For the same address and the same first port a later session ends the one before: accounting loses ends. What is said
/// of one session again counts by the time at which the feed wrote it, whatever comes first.
#[derive(Debug)]
pub struct LineTable {
    sessions: BTreeMap<Key, Held>,
    /// By the hash of their line: names would be kept twice.
    of_lines: BTreeSet<(u64, Key)>,
    /// Which families lines have had, by the same: also of those whose sessions are forgotten.
    families: HashMap<u64, Families>,
    hasher: RandomState,
    /// By when they ended, or another one took their place.
    ended: BTreeSet<(UnixTime, Key)>,
    /// How many sessions have a prefix of that length, counted in bits of IPv6.
    lengths: [u32; 129],
    room: usize,
    keep: Duration,
    heard: Heard,
}

/// IPv4, IPv6.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Families([bool; 2]);

/// Of a session: prefix as octets of IPv6 (IPv4 mapped, RFC 4291 §2.5.5.2), its length, first port, beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    net: u128,
    length: u8,
    first: u16,
    from: UnixTime,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Held {
    line: AccessLine,
    to: Option<UnixTime>,
    at: UnixTime,
    last: u16,
}

/// What became of a session that the feed told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It was not known.
    New,
    /// More is known of it now: its end, or that it goes on.
    Newer,
    /// It is known, or something newer is.
    Known,
    /// There is no room: [`SESSIONS`] of all, or [`PER_PREFIX`] of one address.
    NoRoom,
}

/// Whose an address is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found<'a> {
    /// The line.
    pub line: &'a AccessLine,
    /// When the feed said so last.
    pub at: UnixTime,
}

impl LineTable {
    /// `keep`: for how long a session is kept once it has ended.
    pub fn new(keep: Duration) -> Self {
        Self {
            sessions: BTreeMap::new(),
            of_lines: BTreeSet::new(),
            families: HashMap::new(),
            hasher: RandomState::new(),
            ended: BTreeSet::new(),
            lengths: [0; 129],
            room: SESSIONS,
            keep,
            heard: Heard::default(),
        }
    }

    /// How many sessions are kept.
    pub fn len(&self) -> usize {
        self.sessions.len()
    }

    /// Nothing is kept.
    pub fn is_empty(&self) -> bool {
        self.sessions.is_empty()
    }

    /// When the feed wrote last.
    pub fn heard(&self) -> Heard {
        self.heard
    }

    /// The feed wrote something at that time, whatever it is.
    ///
    /// # Errors
    /// [`Future`]
    pub fn hear(&mut self, at: UnixTime, now: UnixTime) -> Result<(), Future> {
        self.heard.hear(at, now)
    }

    /// Takes one session, and forgets some that ended long ago.
    pub fn take(&mut self, session: Session, now: UnixTime) -> Taken {
        let Session { line, place, from, to, at } = session;
        let key = Key::of(&place, from);
        let held = Held { line, to, at, last: place.ports.1 };
        let is_known = self.sessions.get(&key).map(|known| known.newness() >= held.newness());
        let taken = match is_known {
            Some(true) => return Taken::Known,
            Some(false) => Taken::Newer,
            None if self.has_room(key) => Taken::New,
            None => return Taken::NoRoom,
        };
        self.put(key, held);
        for _ in 0..FORGOTTEN_FOR_EACH {
            self.forget_before(now.before(self.keep));
        }
        taken
    }

    /// Whose an address and port are at a time. `stale`: how long the feed may have said nothing before now.
    ///
    /// # Errors
    /// [`Absent`].
    pub fn whose(
        &self,
        peer: SocketAddr,
        at: UnixTime,
        now: UnixTime,
        stale: Duration,
    ) -> Result<Found<'_>, Absent> {
        if self.heard.is_stale(now, stale) {
            return Err(Absent::Stale);
        }
        let address = bits(peer.ip());
        let lengths = (0..=128u8).rev().filter(|length| self.lengths[usize::from(*length)] > 0);
        let found = lengths.map(|length| (address & mask(length), length));
        let mut found = found.filter_map(|(net, length)| self.within(net, length, peer.port(), at));
        found.next().map(|held| Found { line: &held.line, at: held.at }).ok_or(Absent::NoRecord)
    }

    /// Whether it may be by a mistake of the feed that an address is `named`'s and not `own`'s: what gives one line's address
    /// to another leaves the one with none, and the other with two. So it is where, of that family, `named` has an address
    /// beside this one, and `own`, which had one of that family at some time, has none; or has none of either.
    /// Ports tell nothing: behind a CGNAT a line may have several blocks. A line of too many sessions tells nothing either.
    pub fn is_doubtful(&self, named: &AccessLine, own: &AccessLine, address: IpAddr, at: UnixTime) -> bool {
        let (address, is_v4) = (bits(address), is_v4(bits(address)));
        let is_of_family = |key: &Key| is_v4 == self::is_v4(key.net);
        if named == own {
            return false;
        }
        let (Some(of_named), Some(of_own)) = (self.of_line(named, at), self.of_line(own, at)) else {
            return false;
        };
        let mut beside = of_named.iter().filter(|key| is_of_family(key));
        let has_lost = !of_own.iter().any(is_of_family) && (of_own.is_empty() || self.had(own, is_v4));
        has_lost && beside.any(|key| address & mask(key.length) != key.net)
    }

    /// Whether a line has ever had an address of that family.
    fn had(&self, line: &AccessLine, is_v4: bool) -> bool {
        let families = self.families.get(&self.hasher.hash_one(line));
        families.is_some_and(|families| families.0[usize::from(!is_v4)])
    }

    /// The sessions of a line that last at a time; `None` for one that has more of them, also such that ended, than are looked at.
    fn of_line(&self, line: &AccessLine, at: UnixTime) -> Option<Vec<Key>> {
        let hash = self.hasher.hash_one(line);
        let least = Key { net: 0, length: 0, first: 0, from: earliest() };
        let keys = self.of_lines.range((hash, least)..).take_while(|(of, _)| *of == hash);
        let keys: Vec<_> = keys.map(|(_, key)| *key).take(PER_LINE + 1).collect();
        let lasts = |key: &Key| {
            let is_its = self.sessions.get(key).is_some_and(|held| held.line == *line);
            is_its && key.from <= at && self.end(*key).is_none_or(|end| at < end)
        };
        (keys.len() <= PER_LINE).then(|| keys.into_iter().filter(lasts).collect())
    }

    /// The session of just that prefix: of those that had begun the one that began last, if it lasts.
    fn within(&self, net: u128, length: u8, port: u16, at: UnixTime) -> Option<&Held> {
        let key = |first, from| Key { net, length, first, from };
        let begun = self.sessions.range(key(0, earliest())..=key(port, at));
        let has_port = begun.filter(|(key, held)| key.from <= at && port <= held.last);
        let (_, last) = has_port.max_by_key(|(key, held)| (key.from, held.at))?;
        last.to.is_none_or(|to| at < to).then_some(last)
    }

    /// Whoever ended first makes room for whoever comes; in a crowd of one prefix, anyone who ended.
    fn has_room(&mut self, key: Key) -> bool {
        let all = Key { first: 0, from: earliest(), ..key }..=Key { first: u16::MAX, from: latest(), ..key };
        if self.sessions.range(all.clone()).nth(PER_PREFIX - 1).is_some() {
            let mut crowd = self.sessions.range(all).filter_map(|(key, _)| Some((self.end(*key)?, *key)));
            let Some(ended) = crowd.next() else { return false };
            drop(crowd);
            self.forget(ended);
        }
        if self.sessions.len() >= self.room {
            self.forget_before(latest());
        }
        self.sessions.len() < self.room
    }

    fn put(&mut self, key: Key, held: Held) {
        let before = self.same(key, Bound::Unbounded, Bound::Excluded(key.from)).next_back();
        let changed = [Some(key), before];
        for key in changed.into_iter().flatten() {
            if let Some(end) = self.end(key) {
                self.ended.remove(&(end, key));
            }
        }
        let of_line = (self.hasher.hash_one(&held.line), key);
        if self.families.len() < self.room || self.families.contains_key(&of_line.0) {
            self.families.entry(of_line.0).or_default().0[usize::from(!is_v4(key.net))] = true;
        }
        match self.sessions.insert(key, held) {
            Some(before) => drop(self.of_lines.remove(&(self.hasher.hash_one(&before.line), key))),
            None => self.lengths[usize::from(key.length)] += 1,
        }
        self.of_lines.insert(of_line);
        for key in changed.into_iter().flatten() {
            self.ended.extend(self.end(key).map(|end| (end, key)));
        }
    }

    /// When a session ended: by its own word, or as the next one began.
    fn end(&self, key: Key) -> Option<UnixTime> {
        let held = self.sessions.get(&key)?;
        let next = self.same(key, Bound::Excluded(key.from), Bound::Unbounded).next();
        held.to.into_iter().chain(next.map(|next| next.from)).min()
    }

    /// The sessions of the same prefix and first port that began within a time.
    fn same(
        &self,
        key: Key,
        from: Bound<UnixTime>,
        to: Bound<UnixTime>,
    ) -> impl DoubleEndedIterator<Item = Key> {
        let at = |from| Key { from, ..key };
        let from = if from == Bound::Unbounded { Bound::Included(earliest()) } else { from };
        let to = if to == Bound::Unbounded { Bound::Included(latest()) } else { to };
        self.sessions.range((from.map(at), to.map(at))).map(|(key, _)| *key)
    }

    /// The one that ended first, if that was before a time.
    fn forget_before(&mut self, time: UnixTime) {
        if let Some(first) = self.ended.first().copied().filter(|(end, _)| *end < time) {
            self.forget(first);
        }
    }

    fn forget(&mut self, ended: (UnixTime, Key)) {
        let (_, key) = ended;
        self.ended.remove(&ended);
        if let Some(held) = self.sessions.remove(&key) {
            self.of_lines.remove(&(self.hasher.hash_one(&held.line), key));
            self.lengths[usize::from(key.length)] -= 1;
        }
    }
}

impl Held {
    /// What is said later counts; at the same time an end does. The rest is there so that the order in which two lines come
    /// never decides.
    fn newness(&self) -> impl Ord + use<'_> {
        (self.at, self.to, &self.line, self.last)
    }
}

impl Key {
    fn of(place: &Place, from: UnixTime) -> Self {
        let (net, length) = match place.net {
            IpNet::V4(net) => (bits(net.network().into()), net.prefix_len() + 96),
            IpNet::V6(net) => (bits(net.network().into()), net.prefix_len()),
        };
        Self { net, length, first: place.ports.0, from }
    }
}

fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().to_bits(),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

/// Of the octets of a prefix (RFC 4291 §2.5.5.2).
fn is_v4(net: u128) -> bool {
    Ipv6Addr::from_bits(net).to_ipv4_mapped().is_some()
}

fn mask(length: u8) -> u128 {
    u128::MAX.checked_shl(128 - u32::from(length)).unwrap_or(0)
}

fn earliest() -> UnixTime {
    UnixTime::from_micros(i64::MIN)
}

fn latest() -> UnixTime {
    UnixTime::from_micros(i64::MAX)
}

#[cfg(test)]
mod tests;
