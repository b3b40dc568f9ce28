use super::{Facts, Radio, Tunnel};
use crate::{Absent, Future, Heard};
use ids::{AccessLine, CellKey, DeviceId, UnixTime};
use std::{cmp::Ordering, collections::HashMap, time::Duration};

/// Units of which facts are kept at most; each takes some 900 octets with eight cells, and 2500 at most.
pub const UNITS: usize = 250_000;
/// Cells that must be heard, there and here, before none of them being the same says anything.
pub const APART: usize = 3;
/// A full table is looked through for units of the past this often at most.
const SWEEP_EVERY: Duration = Duration::from_secs(60);

/// The newest of each fact about each unit, and what it heard while it was at its line.
///
/// What a unit said later counts, whatever comes first. A fact that is not said again stays until it is too old to count.
#[derive(Debug)]
pub struct FactTable {
    units: HashMap<DeviceId, Held>,
    room: usize,
    heard: Heard,
    swept: Option<UnixTime>,
}

/// A fact, and when the unit said it.
type Dated<T> = Option<(UnixTime, T)>;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Held {
    serial: Dated<Box<str>>,
    software: Dated<Box<str>>,
    tunnel: Dated<Tunnel>,
    neighbours: Dated<Box<[CellKey]>>,
    radio: Dated<Radio>,
    home: Option<Home>,
}

/// What a unit heard while it was known to be at its line.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Home {
    line: AccessLine,
    cells: Box<[CellKey]>,
}

/// What became of a line of facts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// Nothing was known of the unit.
    New,
    /// Something of it is newer than what was known.
    Newer,
    /// It is known, or something newer is.
    Known,
    /// There is no room: [`UNITS`].
    NoRoom,
}

/// What a unit says of itself that counts; each with the time at which it did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Said<'a> {
    /// Its serial number.
    pub serial: Option<(UnixTime, &'a str)>,
    /// The version of its software.
    pub software: Option<(UnixTime, &'a str)>,
    /// Its tunnel.
    pub tunnel: Option<(UnixTime, Tunnel)>,
    /// Whether it hears cells that it heard at its line. `Some(None)`: it is not known to have been at that line, or too few
    /// are heard.
    pub neighbours: Option<(UnixTime, Option<bool>)>,
    /// Its radio.
    pub radio: Option<(UnixTime, Radio)>,
}

impl FactTable {
    /// Empty.
    pub fn new() -> Self {
        Self { units: HashMap::new(), room: UNITS, heard: Heard::default(), swept: None }
    }

    /// Of how many units something is kept.
    pub fn len(&self) -> usize {
        self.units.len()
    }

    /// Nothing is kept.
    pub fn is_empty(&self) -> bool {
        self.units.is_empty()
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

    /// Takes what a unit said. In a full table units make room of which everything is older than `keep`.
    pub fn take(&mut self, facts: Facts, now: UnixTime, keep: Duration) -> Taken {
        let is_new = !self.units.contains_key(&facts.device);
        if is_new && !self.has_room(now, keep) {
            return Taken::NoRoom;
        }
        let is_newer = self.units.entry(facts.device).or_default().take(facts);
        match (is_new, is_newer) {
            (true, _) => Taken::New,
            (false, true) => Taken::Newer,
            (false, false) => Taken::Known,
        }
    }

    /// What a unit said within `keep`; its cells beside those that it heard at `line`. `stale`: how long the feed may have
    /// said nothing.
    ///
    /// # Errors
    /// [`Absent`]
    pub fn of(
        &self,
        device: DeviceId,
        line: Option<&AccessLine>,
        now: UnixTime,
        (stale, keep): (Duration, Duration),
    ) -> Result<Said<'_>, Absent> {
        if self.heard.is_stale(now, stale) {
            return Err(Absent::Stale);
        }
        let held = self.units.get(&device).ok_or(Absent::NoRecord)?;
        let said = held.since(now.before(keep), line);
        if said == Said::default() { Err(Absent::Stale) } else { Ok(said) }
    }

    /// The unit was at this line since that time: what it has heard since is what is heard there. Not where it hears wholly
    /// other cells there than before: that is not forgotten by being said again.
    pub fn is_at_home(&mut self, device: DeviceId, line: &AccessLine, since: UnixTime) {
        let Some(held) = self.units.get_mut(&device) else { return };
        let heard = held.neighbours.as_ref().filter(|(at, cells)| *at > since && !cells.is_empty());
        let Some((_, cells)) = heard.filter(|_| held.hears_home(Some(line)) != Some(false)) else { return };
        held.home = Some(Home { line: line.clone(), cells: cells.clone() });
    }

    fn has_room(&mut self, now: UnixTime, keep: Duration) -> bool {
        let may_sweep = self.swept.is_none_or(|swept| now > swept.after(SWEEP_EVERY));
        if self.units.len() >= self.room && may_sweep {
            self.swept = Some(now);
            self.units.retain(|_, held| held.since(now.before(keep), None) != Said::default());
        }
        self.units.len() < self.room
    }
}

impl Default for FactTable {
    fn default() -> Self {
        Self::new()
    }
}

impl Held {
    /// Whether anything of it is newer.
    fn take(&mut self, facts: Facts) -> bool {
        let Facts { device: _, seen_at, at: _, serial, software, tunnel, neighbours, radio } = facts;
        let newer = [
            newest(&mut self.serial, seen_at, serial),
            newest(&mut self.software, seen_at, software),
            newest(&mut self.tunnel, seen_at, tunnel),
            newest(&mut self.neighbours, seen_at, neighbours),
            newest(&mut self.radio, seen_at, radio),
        ];
        newer.contains(&true)
    }

    fn since(&self, earliest: UnixTime, line: Option<&AccessLine>) -> Said<'_> {
        fn counts<T>(dated: &Dated<T>, earliest: UnixTime) -> Option<(UnixTime, &T)> {
            dated.as_ref().filter(|(at, _)| *at >= earliest).map(|(at, fact)| (*at, fact))
        }
        Said {
            serial: counts(&self.serial, earliest).map(|(at, serial)| (at, &**serial)),
            software: counts(&self.software, earliest).map(|(at, software)| (at, &**software)),
            tunnel: counts(&self.tunnel, earliest).map(|(at, tunnel)| (at, *tunnel)),
            neighbours: counts(&self.neighbours, earliest).map(|(at, _)| (at, self.hears_home(line))),
            radio: counts(&self.radio, earliest).map(|(at, radio)| (at, *radio)),
        }
    }

    /// Whether it hears a cell that it heard at that line.
    fn hears_home(&self, line: Option<&AccessLine>) -> Option<bool> {
        let (_, here) = self.neighbours.as_ref()?;
        let home = self.home.as_ref().filter(|home| Some(&home.line) == line)?;
        let is_one = here.iter().any(|cell| home.cells.binary_search(cell).is_ok());
        let enough = here.len() >= APART && home.cells.len() >= APART;
        (is_one || enough).then_some(is_one)
    }
}

/// What was said later; of what was said at once, the same one whichever comes first.
fn newest<T: Ord>(held: &mut Dated<T>, at: UnixTime, fact: Option<T>) -> bool {
    let Some(fact) = fact else { return false };
    let order = held.as_ref().map_or(Ordering::Less, |(before, known)| (before, known).cmp(&(&at, &fact)));
    if order == Ordering::Less {
        *held = Some((at, fact));
    }
    order == Ordering::Less
}

#[cfg(test)]
mod tests;
