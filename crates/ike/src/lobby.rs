//! Who waits to begin. An IKE_SA_INIT that has its cookie where one is due is answered only when nothing that began
//! before, and has come in, is left to do: whoever holds a half-open IKE SA goes on first, so that no answer comes too
//! late to be used.
//!
//! Peers from a network where a unit was good have seven turns of eight while any of them waits. Within either lane
//! the networks take turns, so that one with many waiters delays the others by one turn at most.

use crate::{
    Path, Reason,
    config::HalfOpenLimits,
    quota::{Prefix, most_of_prefix},
    responder::InitKey,
};
use std::{
    collections::{HashMap, HashSet, VecDeque, hash_map::Entry},
    net::IpAddr,
    time::{Duration, Instant},
};

/// An IKE_SA_INIT request that waits.
pub(crate) struct Waiting {
    pub(crate) path: Path,
    pub(crate) init: InitKey,
    pub(crate) datagram: Box<[u8]>,
}

/// All that wait.
pub(crate) struct Lobby {
    familiar: Lane,
    strangers: Lane,
    /// When each was heard last.
    heard: HashMap<InitKey, Instant>,
    known: Known,
    turn: u8,
}

/// Those that wait and have equal rights.
struct Lane {
    by_prefix: HashMap<Prefix, VecDeque<Waiting>>,
    /// Each prefix that has a waiter; the first is next.
    turns: VecDeque<Prefix>,
    octets: usize,
    most: usize,
}

/// Networks where a unit was good: the last [`Known::ROOM`], and up to as many before.
#[derive(Default)]
struct Known {
    latest: HashSet<Prefix>,
    earlier: HashSet<Prefix>,
}

/// Octets of those whose network is known: 158,000 requests of 400 octets.
const FAMILIAR_OCTETS: usize = 128 << 20;
/// Octets of all others.
const STRANGERS_OCTETS: usize = 16 << 20;
/// What one that waits takes besides its request, in octets: itself, and its share of the maps, where it is the only one
/// of its network and they have just grown.
const EACH: usize = 448;
/// One of so many turns is a stranger's.
const TURNS: u8 = 8;
/// Whoever was not heard for so long has gone: no pause of charon's is longer but the last, 76 s.
const PATIENCE: Duration = Duration::from_secs(60);

impl Default for Lobby {
    fn default() -> Self {
        Self {
            familiar: Lane::new(FAMILIAR_OCTETS),
            strangers: Lane::new(STRANGERS_OCTETS),
            heard: HashMap::new(),
            known: Known::default(),
            turn: 0,
        }
    }
}

impl Lobby {
    pub(crate) fn len(&self) -> usize {
        self.heard.len()
    }

    pub(crate) fn of(&self, prefix: &Prefix) -> usize {
        self.familiar.of(prefix) + self.strangers.of(prefix)
    }

    /// A unit was good there. Whoever waits from there already goes first from now on, as far as there is room.
    pub(crate) fn know(&mut self, address: IpAddr, limits: &HalfOpenLimits) {
        let prefix = Prefix::of(address, limits);
        self.known.note(prefix);
        if self.familiar.octets + self.strangers.octets_of(&prefix) <= self.familiar.most {
            self.familiar.append(prefix, self.strangers.take(&prefix));
        }
    }

    pub(crate) fn knows(&self, prefix: &Prefix) -> bool {
        self.known.has(prefix)
    }

    /// Half of what strangers have is taken.
    pub(crate) fn is_half_full(&self) -> bool {
        self.strangers.octets > self.strangers.most / 2
    }

    /// How many networks are known.
    pub(crate) fn known(&self) -> usize {
        self.known.latest.len() + self.known.earlier.len()
    }

    /// The same request waits already: it is heard again, and keeps its place.
    pub(crate) fn is_heard_again(&mut self, init: &InitKey, now: Instant) -> bool {
        self.heard.get_mut(init).map(|heard| *heard = now).is_some()
    }

    /// Lets one wait.
    ///
    /// # Errors
    /// [`Reason::HalfOpenFull`], [`Reason::PrefixQuota`]: it has to come again.
    pub(crate) fn enter(
        &mut self,
        waiting: Waiting,
        limits: &HalfOpenLimits,
        now: Instant,
    ) -> Result<(), Reason> {
        let prefix = Prefix::of(waiting.path.peer.ip(), limits);
        let lane = if self.known.has(&prefix) { &mut self.familiar } else { &mut self.strangers };
        let init = waiting.init;
        lane.enter(prefix, waiting, limits)?;
        self.heard.insert(init, now);
        Ok(())
    }

    /// Whose turn it is; an error for one who has gone meanwhile.
    pub(crate) fn next(&mut self, now: Instant) -> Option<Result<Waiting, Reason>> {
        self.turn = (self.turn + 1) % TURNS;
        let (first, second) = if self.turn == 0 {
            (&mut self.strangers, &mut self.familiar)
        } else {
            (&mut self.familiar, &mut self.strangers)
        };
        let waiting = first.next().or_else(|| second.next())?;
        let heard = self.heard.remove(&waiting.init);
        let is_there = heard.is_some_and(|heard| now.saturating_duration_since(heard) < PATIENCE);
        Some(if is_there { Ok(waiting) } else { Err(Reason::HalfOpenTimeout) })
    }
}

impl Lane {
    fn new(most: usize) -> Self {
        Self { by_prefix: HashMap::new(), turns: VecDeque::new(), octets: 0, most }
    }

    fn of(&self, prefix: &Prefix) -> usize {
        self.by_prefix.get(prefix).map_or(0, VecDeque::len)
    }

    fn enter(&mut self, prefix: Prefix, waiting: Waiting, limits: &HalfOpenLimits) -> Result<(), Reason> {
        let octets = waiting.octets();
        if self.octets + octets > self.most {
            return Err(Reason::HalfOpenFull);
        }
        if self.of(&prefix) >= most_of_prefix(self.octets, self.most, limits) {
            return Err(Reason::PrefixQuota);
        }
        self.append(prefix, VecDeque::from([waiting]));
        Ok(())
    }

    fn append(&mut self, prefix: Prefix, waiting: VecDeque<Waiting>) {
        if waiting.is_empty() {
            return;
        }
        self.octets += octets(&waiting);
        match self.by_prefix.entry(prefix) {
            Entry::Occupied(mut queue) => queue.get_mut().extend(waiting),
            Entry::Vacant(place) => {
                place.insert(waiting);
                self.turns.push_back(prefix);
            }
        }
    }

    /// All that wait from one prefix; when its turn comes, nobody is there.
    fn take(&mut self, prefix: &Prefix) -> VecDeque<Waiting> {
        let waiting = self.by_prefix.remove(prefix).unwrap_or_default();
        self.octets -= octets(&waiting);
        waiting
    }

    fn octets_of(&self, prefix: &Prefix) -> usize {
        self.by_prefix.get(prefix).map_or(0, octets)
    }

    fn next(&mut self) -> Option<Waiting> {
        while let Some(prefix) = self.turns.pop_front() {
            let Entry::Occupied(mut queue) = self.by_prefix.entry(prefix) else { continue };
            let waiting = queue.get_mut().pop_front();
            if queue.get().is_empty() {
                queue.remove();
            } else {
                self.turns.push_back(prefix);
            }
            if let Some(waiting) = waiting {
                self.octets -= waiting.octets();
                return Some(waiting);
            }
        }
        None
    }
}

fn octets(waiting: &VecDeque<Waiting>) -> usize {
    waiting.iter().map(Waiting::octets).sum()
}

impl Waiting {
    fn octets(&self) -> usize {
        self.datagram.len() + EACH
    }
}

impl Known {
    /// A unit each in a network of its own, for all 189,000 of the largest carrier we know of.
    const ROOM: usize = 1 << 18;

    fn has(&self, prefix: &Prefix) -> bool {
        self.latest.contains(prefix) || self.earlier.contains(prefix)
    }

    fn note(&mut self, prefix: Prefix) {
        if self.latest.len() >= Self::ROOM && !self.latest.contains(&prefix) {
            self.earlier = std::mem::take(&mut self.latest);
        }
        self.latest.insert(prefix);
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "a test begins at some time")]
mod tests {
    use super::*;

    const LIMITS: HalfOpenLimits = HalfOpenLimits {
        total: 100,
        per_prefix: 10,
        prefix_v4: 24,
        prefix_v6: 48,
        lifetime: Duration::from_secs(30),
        costly: 0,
    };

    fn waiting(net: u8, number: u64, octets: usize) -> Waiting {
        let (local, peer) = (([127, 0, 0, 1], 500).into(), ([192, 0, net, 1], 500).into());
        let path = Path { local, peer, encapsulated: false };
        Waiting { path, init: (peer, number), datagram: vec![0; octets].into() }
    }

    fn lobby(with: impl IntoIterator<Item = Waiting>, now: Instant) -> Lobby {
        let mut lobby = Lobby::default();
        with.into_iter().for_each(|one| lobby.enter(one, &LIMITS, now).unwrap());
        lobby
    }

    /// Third octet of the address and number of all that get a turn.
    fn turns(lobby: &mut Lobby, now: Instant) -> Vec<(u8, u64)> {
        let next = || lobby.next(now);
        let all: Vec<_> = std::iter::from_fn(next).filter_map(Result::ok).collect();
        let net = |peer: std::net::SocketAddr| match peer.ip() {
            IpAddr::V4(v4) => v4.octets()[2],
            IpAddr::V6(_) => panic!("{peer}"),
        };
        all.iter().map(|one| (net(one.path.peer), one.init.1)).collect()
    }

    #[test]
    fn networks_take_turns_and_each_keeps_its_own_order() {
        let now = Instant::now();
        let many = (0..4).map(|number| waiting(1, number, 1));
        let mut lobby = lobby(many.chain([waiting(2, 0, 1), waiting(3, 0, 1)]), now);
        assert_eq!(turns(&mut lobby, now), [(1, 0), (2, 0), (3, 0), (1, 1), (1, 2), (1, 3)]);
        assert_eq!((lobby.len(), lobby.strangers.octets, lobby.strangers.by_prefix.len()), (0, 0, 0));
    }

    #[test]
    fn whoever_is_known_has_seven_turns_of_eight_and_a_stranger_still_gets_one() {
        let now = Instant::now();
        let mut lobby = Lobby::default();
        lobby.know([192, 0, 9, 200].into(), &LIMITS);
        (0..10).for_each(|number| lobby.enter(waiting(1, number, 1), &LIMITS, now).unwrap());
        (0..10).for_each(|number| lobby.enter(waiting(9, number, 1), &LIMITS, now).unwrap());
        let nets: Vec<_> = turns(&mut lobby, now).into_iter().map(|(net, _)| net).collect();
        assert_eq!(nets.iter().take(8).filter(|net| **net == 1).count(), 1);
        assert_eq!(nets.iter().take(12).filter(|net| **net == 9).count(), 10);
    }

    #[test]
    fn whoever_waits_goes_first_as_soon_as_its_network_is_known() {
        let now = Instant::now();
        let mut lobby =
            lobby([(1, 0), (2, 0), (2, 1), (3, 0)].map(|(net, number)| waiting(net, number, 1)), now);
        lobby.know([192, 0, 2, 200].into(), &LIMITS);
        assert_eq!(lobby.familiar.octets, 2 * (EACH + 1));
        assert_eq!(turns(&mut lobby, now), [(2, 0), (2, 1), (1, 0), (3, 0)]);
        assert_eq!((lobby.len(), lobby.strangers.octets, lobby.familiar.octets), (0, 0, 0));
    }

    #[test]
    fn whoever_waits_stays_where_it_is_when_known_networks_have_taken_their_room() {
        let now = Instant::now();
        let mut lobby = lobby([waiting(1, 0, 1)], now);
        lobby.familiar.most = EACH;
        lobby.know([192, 0, 1, 200].into(), &LIMITS);
        assert_eq!((lobby.familiar.octets, lobby.strangers.octets), (0, EACH + 1));
        assert_eq!(turns(&mut lobby, now), [(1, 0)]);
    }

    #[test]
    fn a_network_has_its_bound_and_few_places_once_a_lane_is_nearly_full() {
        let now = Instant::now();
        let full = (0..10).map(|number| waiting(1, number, 1));
        let mut one = lobby(full, now);
        assert_eq!(one.enter(waiting(1, 10, 1), &LIMITS, now), Err(Reason::PrefixQuota));
        assert_eq!(one.of(&Prefix::of([192, 0, 1, 7].into(), &LIMITS)), 10);
        one.enter(waiting(2, 0, STRANGERS_OCTETS / 4 * 3), &LIMITS, now).unwrap();
        assert!(one.is_half_full());
        (0..8).for_each(|number| one.enter(waiting(3, number, 1), &LIMITS, now).unwrap());
        assert_eq!(one.enter(waiting(3, 8, 1), &LIMITS, now), Err(Reason::PrefixQuota));
        assert_eq!(one.enter(waiting(4, 0, STRANGERS_OCTETS / 2), &LIMITS, now), Err(Reason::HalfOpenFull));
        assert_eq!(one.len(), 19, "whoever finds no place is not remembered");
    }

    #[test]
    fn whoever_comes_again_keeps_its_place_and_whoever_has_gone_gets_no_turn() {
        let now = Instant::now();
        let mut lobby = lobby([waiting(1, 0, 1), waiting(2, 0, 1)], now);
        assert!(lobby.is_heard_again(&waiting(2, 0, 1).init, now + PATIENCE / 2));
        assert!(!lobby.is_heard_again(&waiting(2, 1, 1).init, now));
        assert_eq!(turns(&mut lobby, now + PATIENCE), [(2, 0)]);
        assert_eq!(lobby.len(), 0);
    }

    #[test]
    fn no_more_networks_are_known_than_there_is_room_for_and_the_last_ones_are() {
        let mut known = Known::default();
        let prefix =
            |number: usize| Prefix::of(std::net::Ipv4Addr::from((number as u32) << 8).into(), &LIMITS);
        (0..=3 * Known::ROOM).for_each(|number| known.note(prefix(number)));
        assert!(known.latest.len() + known.earlier.len() <= 2 * Known::ROOM);
        assert!(known.has(&prefix(3 * Known::ROOM)) && known.has(&prefix(2 * Known::ROOM)));
        assert!(!known.has(&prefix(0)));
    }
}
