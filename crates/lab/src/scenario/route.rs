use super::{
    country::Country,
    draws::Draws,
    event::SECOND,
    names::{Person, Spot},
};

/// A cell that is driven through the streets of a town, or stands there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Route {
    pub(super) town: u32,
    pub(super) spot: Spot,
    pub(super) speed_kmh: u32,
    pub(super) from: u64,
    pub(super) to: u64,
}

/// A handset that comes to it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Caught {
    pub(super) at: u64,
    pub(super) who: Person,
    /// The macro cell around it.
    pub(super) mast: u32,
}

/// A street's block at town speed, seconds.
const BLOCK_S: u32 = 30;

impl Route {
    /// Drives along it; handsets are those of people who live where it is just then.
    pub(super) fn drive(
        &self,
        country: &Country,
        catch_per_h: u32,
        draws: &mut Draws,
        mut caught: impl FnMut(Caught, &mut Draws),
    ) {
        let (mut spot, mut heading, mut now) = (self.spot, draws.below(4), self.from);
        let block_m = (self.speed_kmh * 1000 * BLOCK_S / 3600) as i32;
        while now < self.to {
            let mast = country.mast_at(self.town, spot);
            for _ in 0..draws.count(catch_per_h * BLOCK_S, 3600) {
                let at = now + draws.micros(0, BLOCK_S);
                let who = country.resident(mast, draws);
                if at < self.to {
                    caught(Caught { at, who, mast }, draws);
                }
            }
            // A turn at one crossing of eight, some 1.5 km apart, and at the edge of the town.
            if draws.below(8) == 0 {
                heading = (heading + 1 + 2 * draws.below(2)) % 4;
            }
            let ahead = spot.plus(along(heading, block_m));
            spot = country.within(self.town, ahead);
            if spot != ahead {
                heading = (heading + 2) % 4;
            }
            now += u64::from(BLOCK_S) * SECOND;
        }
    }
}

fn along(heading: u32, metres: i32) -> Spot {
    match heading {
        0 => Spot { east: metres, north: 0 },
        1 => Spot { east: 0, north: metres },
        2 => Spot { east: -metres, north: 0 },
        _ => Spot { east: 0, north: -metres },
    }
}
