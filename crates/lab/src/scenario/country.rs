use super::{
    draws::{Drawer, Draws, Share},
    file::Estate,
    names::{Person, Spot, mix},
};

/// Towns, squares in a square of towns, each with a square of macro cells.
#[derive(Clone, Debug)]
pub(super) struct Country {
    seed: u64,
    towns: u32,
    columns: u32,
    apart_m: i32,
    half_m: i32,
    spacing_m: i32,
    /// Macro cells along the side of a town.
    side: u32,
    strangers: u32,
    unplanned: Share,
}

impl Country {
    pub(super) fn new(estate: &Estate, seed: u64) -> Self {
        let columns = (1..).find(|side| side * side >= estate.towns()).unwrap_or(1);
        let spacing_m = estate.macro_spacing_m() as i32;
        let half_m = (estate.town_km() * 500.0) as i32;
        Self {
            seed,
            towns: estate.towns(),
            columns,
            apart_m: (estate.towns_apart_km() * 1000.0) as i32,
            half_m,
            spacing_m,
            side: ((2 * half_m + spacing_m - 1) / spacing_m) as u32,
            strangers: estate.strangers_per_mast(),
            unplanned: Share::percent(estate.unplanned_pct()),
        }
    }

    pub(super) fn towns(&self) -> u32 {
        self.towns
    }

    /// How many macro cells there are.
    pub(super) fn masts(&self) -> u32 {
        self.towns * self.side * self.side
    }

    pub(super) fn middle(&self, town: u32) -> Spot {
        let (column, row) = (town % self.columns, town / self.columns);
        Spot { east: column as i32 * self.apart_m, north: row as i32 * self.apart_m }
    }

    /// Anywhere in a town.
    pub(super) fn somewhere(&self, town: u32, draws: &mut Draws) -> Spot {
        let mut along = || draws.below(2 * self.half_m as u32) as i32 - self.half_m;
        let spot = Spot { east: along(), north: along() };
        self.middle(town).plus(spot)
    }

    /// The same, as near as the town has it.
    pub(super) fn within(&self, town: u32, spot: Spot) -> Spot {
        let middle = self.middle(town);
        let near = |at: i32, middle: i32| at.clamp(middle - self.half_m, middle + self.half_m - 1);
        Spot { east: near(spot.east, middle.east), north: near(spot.north, middle.north) }
    }

    /// Number of the macro cell that serves a place of a town.
    pub(super) fn mast_at(&self, town: u32, spot: Spot) -> u32 {
        let middle = self.middle(town);
        let step = |at: i32, middle: i32| {
            let along = (at - middle + self.half_m).clamp(0, 2 * self.half_m - 1);
            ((along / self.spacing_m) as u32).min(self.side - 1)
        };
        (town * self.side + step(spot.north, middle.north)) * self.side + step(spot.east, middle.east)
    }

    /// A macro cell beside another of its town, or the same at the edge.
    pub(super) fn beside(&self, mast: u32, draws: &mut Draws) -> u32 {
        let (town, at) = (mast / (self.side * self.side), mast % (self.side * self.side));
        let (north, east) = (at / self.side, at % self.side);
        let last = self.side - 1;
        let (north, east) = match draws.below(4) {
            0 => (north, (east + 1).min(last)),
            1 => (north, east.saturating_sub(1)),
            2 => ((north + 1).min(last), east),
            _ => (north.saturating_sub(1), east),
        };
        (town * self.side + north) * self.side + east
    }

    /// Where a macro cell stands: about the middle of what it serves.
    pub(super) fn site(&self, mast: u32) -> Spot {
        let (town, at) = (mast / (self.side * self.side), mast % (self.side * self.side));
        let drawn = mix(self.seed ^ mix(u64::from(mast) << 8 | 3));
        let jitter =
            |bits: u64| (bits & 0xffff) as i32 * (self.spacing_m / 4) / 0x1_0000 - self.spacing_m / 8;
        let along =
            |step: u32, jitter: i32| step as i32 * self.spacing_m + self.spacing_m / 2 - self.half_m + jitter;
        let spot = Spot {
            east: along(at % self.side, jitter(drawn)),
            north: along(at / self.side, jitter(drawn >> 16)),
        };
        self.middle(town).plus(spot)
    }

    /// Whether the plan has it.
    pub(super) fn is_planned(&self, mast: u32) -> bool {
        !self.unplanned.has(mix(self.seed ^ mix(u64::from(mast) << 8 | 6)) as u32)
    }

    pub(super) fn radius_m(&self) -> u32 {
        self.spacing_m as u32 * 9 / 10
    }

    /// Somebody without a unit who lives around a macro cell.
    pub(super) fn resident(&self, mast: u32, draws: &mut Draws) -> Person {
        let (town, at) = (mast / (self.side * self.side), mast % (self.side * self.side));
        Person::other(town, at * self.strangers + draws.below(self.strangers))
    }

    /// One of so many people of a town, always the same people for the same `circle`.
    pub(super) fn one_of(&self, town: u32, circle: u32, people: u32, draws: &mut Draws) -> Person {
        let all = self.side * self.side * self.strangers;
        let first = (mix(u64::from(circle)) >> 32) as u32 % all;
        Person::other(town, (first + draws.below(people.min(all))) % all)
    }

    /// Draws of a town on a day.
    pub(super) fn draws(&self, town: u32, day: u32) -> Draws {
        Draws::new(self.seed, Drawer::Town(town), day)
    }
}
