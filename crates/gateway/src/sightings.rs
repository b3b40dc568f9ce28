//! Where the fresh packets of one tunnel come from, once they have come from more than one place: when another
//! path is worth a probe, and when one SA is used from several addresses in turn.

use ike::Path;
use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

/// What is kept of a tunnel whose fresh packets have changed their path lately.
pub(crate) struct Sightings {
    /// Lately, the latest last; at most [`PLACES`].
    paths: Vec<Path>,
    changed: Instant,
    /// How often in a row the packets went back to where they had been.
    returns: u32,
    returned: Option<Instant>,
    asked: Option<Instant>,
    /// Changes that were not told yet, and when the first of them was.
    untold: Option<(u64, Instant)>,
    /// They alternated since that was told.
    alternated: bool,
    told: Option<Instant>,
    /// When the first and the last came over a path that the tunnel has not, since it has this one.
    strayed: Option<(Instant, Instant)>,
}

/// One SA at several addresses in turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Alternation {
    /// Where the packets came from, the latest last.
    pub(crate) places: [Option<SocketAddr>; PLACES],
    /// How often that changed since it was last told.
    pub(crate) changes: u64,
    /// From the first of these changes to the last.
    pub(crate) within: Duration,
}

impl Alternation {
    /// The two as one: `later` came after `self`.
    pub(crate) fn and(self, later: Self) -> Self {
        let changes = self.changes.saturating_add(later.changes);
        Self { places: later.places, changes, within: self.within + later.within }
    }
}

/// Paths that are remembered.
pub(crate) const PLACES: usize = 4;
/// A NAT that has forgotten its mapping makes a new one; it does not go back. One return may be chance.
const RETURNS: u32 = 2;
/// After this without another return the packets count as settled.
const SETTLED: Duration = Duration::from_secs(10);
/// At most one probe is asked for in this time; `ike` keeps to it, too.
const ASK_EVERY: Duration = Duration::from_secs(1);
/// Packets over another path pass for so long before the unit has answered there: it is asked once a second.
const PROVEN_WITHIN: Duration = Duration::from_secs(10);
/// At most one [`Alternation`] is told in this time, and after it a tunnel without changes is forgotten here.
const TELL_EVERY: Duration = Duration::from_secs(60);

impl Sightings {
    /// The packets came over `home` so far.
    pub(crate) fn begin(home: Path, now: Instant) -> Self {
        Self {
            paths: vec![home],
            changed: now,
            returns: 0,
            returned: None,
            asked: None,
            untold: None,
            alternated: false,
            told: None,
            strayed: None,
        }
    }

    /// A packet came over another path than the tunnel's. Returns whether the unit has had its time to prove that it
    /// is there.
    pub(crate) fn stray(&mut self, now: Instant) -> bool {
        let (since, last) = self.strayed.get_or_insert((now, now));
        *last = now;
        now.duration_since(*since) >= PROVEN_WITHIN
    }

    /// The tunnel has another path.
    pub(crate) fn moved(&mut self, path: &Path, now: Instant) {
        self.strayed = None;
        self.see(path, now);
    }

    /// The newest packet came over `path`.
    pub(crate) fn see(&mut self, path: &Path, now: Instant) {
        if self.paths.last() == Some(path) {
            return;
        }
        if self.returned.is_some_and(|returned| now.duration_since(returned) >= SETTLED) {
            (self.returns, self.returned) = (0, None);
        }
        if self.is_return(path) {
            self.returns += 1;
            self.returned = Some(now);
        }
        if let Some(index) = self.paths.iter().position(|seen| seen == path) {
            self.paths.remove(index);
        } else if self.paths.len() == PLACES {
            self.paths.remove(0);
        }
        self.paths.push(*path);
        self.changed = now;
        let (changes, since) = self.untold.unwrap_or((0, now));
        self.untold = Some((changes + 1, since));
        self.alternated |= self.alternates(now);
    }

    /// To where the packets came from before: the same address and port, or another port of an address that they had
    /// left for another.
    fn is_return(&self, path: &Path) -> bool {
        let ip = path.peer.ip();
        let was_elsewhere = self.paths.last().is_some_and(|last| last.peer.ip() != ip);
        self.paths.iter().any(|seen| seen == path || was_elsewhere && seen.peer.ip() == ip)
    }

    fn alternates(&self, now: Instant) -> bool {
        let lately = self.returned.is_some_and(|returned| now.duration_since(returned) < SETTLED);
        lately && self.returns >= RETURNS
    }

    /// Whether the unit should be asked where its newest packet came from. Not while it is everywhere: then
    /// its tunnel stays where it has last proven to be.
    pub(crate) fn asks(&mut self, now: Instant) -> bool {
        let is_early = self.asked.is_some_and(|asked| now.duration_since(asked) < ASK_EVERY);
        let asks = !is_early && !self.alternates(now);
        if asks {
            self.asked = Some(now);
        }
        asks
    }

    /// What there is to tell of alternation by now.
    pub(crate) fn tell(&mut self, now: Instant) -> Option<Alternation> {
        let is_early = self.told.is_some_and(|told| now.duration_since(told) < TELL_EVERY);
        let (changes, since) = self.untold.filter(|_| self.alternated && !is_early)?;
        (self.untold, self.alternated, self.told) = (None, false, Some(now));
        let places = std::array::from_fn(|index| self.paths.get(index).map(|path| path.peer));
        Some(Alternation { places, changes, within: self.changed.duration_since(since) })
    }

    /// Nothing has changed for long, and nothing is left to tell.
    pub(crate) fn are_over(&self, now: Instant) -> bool {
        let last = self.strayed.map_or(self.changed, |(_, last)| last.max(self.changed));
        !self.alternated && now.duration_since(last) >= TELL_EVERY
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(port: u16) -> Path {
        Path { local: ([127, 0, 0, 1], 4500).into(), peer: ([127, 0, 0, 9], port).into(), encapsulated: true }
    }

    fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn a_nat_that_forgets_and_forgets_again_is_no_alternation() {
        let start = Instant::now();
        let mut sightings = Sightings::begin(path(1), start);
        for (port, second) in (2..40).zip(1..) {
            let now = start + Duration::from_secs(second);
            sightings.see(&path(port), now);
            assert!(sightings.asks(now), "port {port}");
            assert!(!sightings.asks(now + millis(999)), "at most one probe a second");
            assert_eq!(sightings.tell(now), None);
        }
    }

    #[test]
    fn two_addresses_in_turn_are_told_once_a_minute_and_make_no_probe() {
        let start = Instant::now();
        let mut sightings = Sightings::begin(path(1), start);
        let (mut told, mut asked) = (Vec::new(), 0);
        for tenth in 0..700_u64 {
            let now = start + millis(100 * tenth);
            sightings.see(&path(if tenth % 2 == 0 { 2 } else { 1 }), now);
            asked += u32::from(sightings.asks(now));
            told.extend(sightings.tell(now));
        }
        assert_eq!(asked, 1, "the first change might have been a NAT's");
        let places = [1, 2].map(|port| Some(path(port).peer));
        assert_eq!(told.len(), 2);
        assert!(told.iter().all(|told| told.places.iter().flatten().collect::<Vec<_>>().len() == 2));
        assert!(places.iter().all(|place| told[1].places.contains(place)));
        assert_eq!((told[0].changes, told[0].within), (3, millis(200)));
        assert_eq!((told[1].changes, told[1].within), (600, millis(59_900)));
    }

    #[test]
    fn three_addresses_in_turn_alternate_too() {
        let start = Instant::now();
        let mut sightings = Sightings::begin(path(1), start);
        for tenth in 0..6 {
            sightings.see(&path(1 + tenth % 3), start + millis(100 * u64::from(tenth)));
        }
        assert_eq!(sightings.tell(start + millis(600)).map(|told| told.changes), Some(5));
    }

    #[test]
    fn whoever_has_settled_is_asked_again_and_then_forgotten() {
        let start = Instant::now();
        let mut sightings = Sightings::begin(path(1), start);
        for tenth in 0..9 {
            sightings.see(&path(if tenth % 2 == 0 { 2 } else { 1 }), start + millis(100 * tenth));
        }
        let last = start + millis(800);
        assert!(!sightings.asks(last + millis(9_999)));
        assert!(sightings.asks(last + millis(10_000)));
        assert!(!sightings.are_over(last + TELL_EVERY), "something is untold");
        assert!(sightings.tell(last + TELL_EVERY).is_some());
        assert!(sightings.are_over(last + TELL_EVERY));
    }

    #[test]
    fn two_places_that_use_a_new_port_each_time_alternate_too() {
        let start = Instant::now();
        let at = |place: u8, port: u16| Path { peer: ([203, 0, 113, place], port).into(), ..path(1) };
        let mut sightings = Sightings::begin(at(1, 4500), start);
        let mut told = Vec::new();
        for tenth in 0..1200_u64 {
            let now = start + millis(100 * tenth);
            sightings.see(&at(1 + (tenth % 2) as u8, 10_000 + tenth as u16), now);
            told.extend(sightings.tell(now));
        }
        assert!(!told.is_empty(), "two addresses in turn for two minutes, and nobody hears of it");
    }
}
