use crate::{
    handset::Handset,
    world::{CellId, Site, World},
};
use ids::UnixTime;

/// A handset was at a macro cell and, `apart_s` seconds before or after, at a cell that is none: evidence of where that cell is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// The cell that is no macro cell.
    pub cell: CellId,
    /// Where the macro cell is.
    pub site: Site,
    /// Seconds between the two records; 0 of a handover.
    pub apart_s: u32,
    /// Metres between the registered site of the cell's unit and where the macro cell reaches, less [`Step::SLACK_M`]; 0 within.
    /// `None`: it has no registered site.
    pub beyond_m: Option<f64>,
}

/// An access record, as far as a step is concerned.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Visit {
    pub(crate) cell: CellId,
    pub(crate) peer: Option<CellId>,
    pub(crate) site: Option<Site>,
    pub(crate) before: Handset,
}

impl Step {
    /// Metres by which a registered position, an antenna's position and a femtocell's reach may be out together: an address that was
    /// geocoded to its street, not its door, and 100 m of radio.
    pub const SLACK_M: f64 = 1_000.0;
    /// Seconds between two records beyond which nothing follows for any detector: an airliner is anywhere.
    const APART_S: u32 = 3 * 3600;

    /// The step that a record is, if it is one.
    pub(crate) fn of(visit: &Visit, world: &World, now: UnixTime) -> Option<Self> {
        let Visit { cell, peer, site, before } = *visit;
        let since = |at: u32| world.secs(now).saturating_sub(at);
        if site.is_some() {
            // From there to the macro cell.
            let is_other = before.cell != CellId::NONE && before.cell != before.macro_cell;
            return is_other.then(|| Self::new(before.cell, site, since(before.at), world))?;
        }
        let handed_over = peer.and_then(|peer| world.macro_site(peer, now));
        if handed_over.is_some() {
            return Self::new(cell, handed_over, 0, world);
        }
        // The first visit after the macro cell, not each record of a long stay.
        let is_first = before.cell == before.macro_cell && before.cell != CellId::NONE;
        let apart_s = since(before.macro_at);
        let site = is_first.then(|| world.macro_site(before.macro_cell, now))?;
        Self::new(cell, site, apart_s, world)
    }

    /// Whether the handset would have had to be faster than that, had the cell been at its registered site.
    pub(crate) fn is_beyond(&self, kmh: u64) -> bool {
        let reachable_m = f64::from(self.apart_s) * kmh as f64 / 3.6;
        self.beyond_m.is_some_and(|beyond_m| beyond_m > reachable_m)
    }

    /// The same in whole km, for people.
    pub(crate) fn beyond_km(&self) -> f64 {
        (self.beyond_m.unwrap_or(0.0) / 1000.0).round()
    }

    fn new(cell: CellId, site: Option<Site>, apart_s: u32, world: &World) -> Option<Self> {
        let site = site.filter(|_| apart_s <= Self::APART_S)?;
        let beyond = |metres: f64| (metres - f64::from(site.radius_m) - Self::SLACK_M).max(0.0);
        let beyond_m = world.home_of(cell).map(|home| beyond(home.distance_m(site.position)));
        Some(Self { cell, site, apart_s, beyond_m })
    }
}
