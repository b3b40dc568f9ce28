//! Where a femtocell's handsets come from and go to: the macro cells beside their visits.

use crate::{
    seen::{Context, What},
    world::{CellId, Site},
};
use ids::{Position, SubscriberKey};

/// A handset was at a macro cell and, `apart_s` seconds before or after, at a cell that is none.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    /// Whose handset.
    pub(super) subscriber: SubscriberKey,
    /// The cell that is no macro cell.
    pub(super) cell: CellId,
    /// Where the macro cell is.
    pub(super) site: Site,
    /// Seconds between the two records.
    pub(super) apart_s: u32,
}

/// Metres by which a registered position, an antenna's position and a femtocell's reach may be out together: an address that was
/// geocoded to its street, not its door, and 100 m of radio.
pub(super) const SLACK_M: f64 = 1_000.0;

impl Step {
    /// The step that this row is, if it is one.
    pub(super) fn of(what: &What<'_>, cx: &Context<'_>) -> Option<Self> {
        let What::Access { row, cell, peer, is_macro, before } = *what else { return None };
        let (secs, subscriber) = (cx.world.secs(cx.now), row.subscriber);
        if is_macro {
            // From there to the macro cell.
            let is_other = before.cell != CellId::NONE && !cx.world.is_macro(before.cell, cx.now);
            let site = cx.world.macro_site(cell, cx.now)?;
            let apart_s = secs.saturating_sub(before.at);
            return is_other.then_some(Self { subscriber, cell: before.cell, site, apart_s });
        }
        let handed_over = peer.and_then(|peer| cx.world.macro_site(peer, cx.now));
        if let Some(site) = handed_over {
            return Some(Self { subscriber, cell, site, apart_s: 0 });
        }
        // The first visit after the macro cell, not each record of a long stay.
        let is_first = before.cell == before.macro_cell;
        let site = cx.world.macro_site(before.macro_cell, cx.now).filter(|_| is_first)?;
        Some(Self { subscriber, cell, site, apart_s: secs.saturating_sub(before.macro_at) })
    }

    /// Metres between a place and where the macro cell can reach; zero within.
    pub(super) fn beyond_m(&self, home: Position) -> f64 {
        (home.distance_m(self.site.position) - f64::from(self.site.radius_m) - SLACK_M).max(0.0)
    }
}
