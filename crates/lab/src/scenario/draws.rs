use chacha20::{
    ChaCha8Rng,
    rand_core::{Rng, SeedableRng},
};

/// Draws of one actor on one day: the same for the same seed, whatever others draw. Whole numbers alone, so that no machine's
/// arithmetic makes a difference.
pub(super) struct Draws(ChaCha8Rng);

/// A share, in millionths.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Share(u32);

/// Who draws.
#[derive(Clone, Copy, Debug)]
pub(super) enum Drawer {
    /// A unit and who is about it, on a day.
    Unit(u32),
    /// Where units stand, and what they are.
    Site(u32),
    /// Who stays over night from that day on.
    Night(u32),
    /// A town.
    Town(u32),
    /// A step, by its place in the file.
    Step(u32),
    /// A feed.
    Feed(u32),
}

impl Share {
    pub(super) fn percent(percent: f64) -> Self {
        Self((percent * 10_000.0).round() as u32)
    }

    pub(super) const fn thousandths(thousandths: u32) -> Self {
        Self(thousandths * 1000)
    }

    /// Of a year, as it is of a day.
    pub(super) fn a_day_of(percent_a_year: f64) -> Self {
        Self((percent_a_year * 10_000.0 / 365.0).round() as u32)
    }

    /// Whether a number that is spread over all 32 bits falls into it.
    pub(super) fn has(self, spread: u32) -> bool {
        ((u64::from(spread) * 1_000_000) >> 32) < u64::from(self.0)
    }

    pub(super) fn is_none(self) -> bool {
        self.0 == 0
    }
}

impl Draws {
    pub(super) fn new(seed: u64, who: Drawer, day: u32) -> Self {
        let (kind, number) = match who {
            Drawer::Unit(number) => (0, number),
            Drawer::Site(number) => (1, number),
            Drawer::Night(number) => (2, number),
            Drawer::Town(number) => (3, number),
            Drawer::Step(number) => (4, number),
            Drawer::Feed(number) => (5, number),
        };
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(kind << 56 | u64::from(number) << 16 | u64::from(day & 0xffff));
        Self(rng)
    }

    pub(super) fn word(&mut self) -> u32 {
        self.0.next_u32()
    }

    /// From 0 to below `bound`.
    pub(super) fn below(&mut self, bound: u32) -> u32 {
        ((u64::from(self.word()) * u64::from(bound)) >> 32) as u32
    }

    /// From `least` to `most`, both of them.
    pub(super) fn between(&mut self, least: u32, most: u32) -> u32 {
        least + self.below(most.saturating_sub(least) + 1)
    }

    /// A time between so many seconds, in microseconds.
    pub(super) fn micros(&mut self, least_s: u32, most_s: u32) -> u64 {
        let secs = self.between(least_s, most_s.max(least_s + 1) - 1);
        u64::from(secs) * 1_000_000 + u64::from(self.below(1_000_000))
    }

    pub(super) fn happens(&mut self, share: Share) -> bool {
        !share.is_none() && share.has(self.word())
    }

    /// So many of so many tries, on average `per` for each `of`: the whole part, and one more by chance.
    pub(super) fn count(&mut self, per: u32, of: u32) -> u32 {
        per / of + u32::from(self.below(of) < per % of)
    }
}
