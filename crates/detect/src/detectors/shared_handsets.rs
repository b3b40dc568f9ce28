use super::{
    Detector,
    pace::{DAY, Pace, Window},
};
use crate::{
    about::{About, Benign, Memory, Threshold},
    few::Few,
    keyed::{Entry, Hashed, Key, Keyed},
    seen::{Context, Draft, RowId, Seen, What},
    step::Step,
    world::{CellId, UnitId},
};
use ids::SubscriberKey;
use serde::{Deserialize, Serialize};

/// Handsets step from one cell into another that should be elsewhere: two identities of one box.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct SharedHandsets {
    pairs: Keyed<Pair, State>,
}

/// Two cells, the one that was named first before the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct Pair(CellId, CellId);

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct State {
    window: Window,
    handsets: Few<UNPLACED>,
    some: Vec<SubscriberKey>,
    first: Option<RowId>,
    /// The one that no unit has spoke through another unit's tunnel.
    is_carried: bool,
    pace: Pace,
}

const PAIRS: usize = 65_536;
const APART_S: u32 = 120;
const KMH: u64 = 120;
const FAR: usize = 3;
const UNPLACED: usize = 5;
/// As of the handset trail: what two registered positions may be out by.
const SLACK_M: f64 = 2.0 * Step::SLACK_M;

impl Key for Pair {
    type Index = Hashed<Self>;

    fn number(self) -> u64 {
        self.0.number() << 32 | self.1.number()
    }
}

impl Default for SharedHandsets {
    fn default() -> Self {
        Self { pairs: Keyed::new(PAIRS) }
    }
}

impl Detector for SharedHandsets {
    const ABOUT: About = About {
        id: "shared_handsets",
        version: 2,
        sees: "handsets that step directly from one cell into another of a different unit, neither a macro cell, though their registered sites are too far apart for it, or one of them has none",
        benign: &[
            Benign {
                cause: "two units of one house, shop or campus",
                told: "their sites are near: nothing is said",
            },
            Benign {
                cause: "a macro cell that the plan does not have yet",
                told: "beside a unit's cell it counts only where it speaks through another unit's tunnel; two of them side by side are not told",
            },
            Benign {
                cause: "a unit with a wrong position in the ledger",
                told: "not told; it shows from the first day of a unit",
            },
            Benign {
                cause: "a unit that is moved by order beside another",
                told: "within an order's time and 8 h around it nothing is said",
            },
            Benign { cause: "cells of one unit in several technologies", told: "one unit: nothing is said" },
        ],
        clause: "in the case 7 of the 20 cell identities were of one box, and phones crossed between all 20",
        thresholds: &[
            Threshold {
                name: "apart",
                value: APART_S as u64,
                unit: "s between the two records",
                why: "a handset reselects within seconds; two minutes allow for records written late",
            },
            Threshold {
                name: "speed",
                value: KMH,
                unit: "km/h between the two sites, and 2 km",
                why: "a fast road between them, and an error of 1 km of either position",
            },
            Threshold {
                name: "handsets",
                value: FAR as u64,
                unit: "handsets in a day, where the sites are too far apart",
                why: "one is a copied SIM or a wrong record, two are a couple of them",
            },
            Threshold {
                name: "handsets without a site",
                value: UNPLACED as u64,
                unit: "handsets in a day, where one has no site",
                why: "two cells that nobody registered may stand side by side: more than a household",
            },
        ],
        memory: Memory {
            per: "pair of cells",
            keys: PAIRS,
            octets: Keyed::<Pair, State>::OCTETS + 16 * UNPLACED,
        },
    };

    fn see(&mut self, seen: &Seen<'_>, cx: &mut Context<'_>) {
        let What::Access { row, cell, is_macro: false, before, .. } = seen.what else { return };
        let apart_s = cx.world.secs(cx.now).saturating_sub(before.at);
        let is_step = row.event.is_arrival() && before.cell != CellId::NONE && before.cell != cell;
        if !is_step || apart_s > APART_S || cx.world.is_macro(before.cell, cx.now) {
            return;
        }
        let carrier = row.inner.and_then(|inner| cx.world.at_inner(inner));
        let Some(enough) = enough(before.cell, cell, carrier, apart_s, cx) else { return };
        // A macro cell that the plan does not have is beside units, and speaks through no unit's tunnel.
        let may_be_macro = cx.world.unit_of(before.cell).is_some() != cx.world.unit_of(cell).is_some();
        let pair = Pair(before.cell.min(cell), before.cell.max(cell));
        let Entry { partial, state, .. } = self.pairs.touch(pair, cx.now);
        if state.window.is_over(cx.now, DAY) {
            (state.handsets, state.some, state.first) = Default::default();
        }
        state.first.get_or_insert(seen.row);
        if state.handsets.add(row.subscriber) {
            state.some.push(row.subscriber);
        }
        state.is_carried |= carrier.is_some() && cx.world.unit_of(cell).is_none();
        let is_shown = state.is_carried || !may_be_macro;
        if state.handsets.len() < enough || !is_shown || !state.pace.may(cx.now) {
            return;
        }
        let (partial, handsets) = (*partial, (state.handsets.len(), state.some.clone()));
        let rows = state.first.into_iter().chain([seen.row]).collect();
        let Some(key) = cx.cell(cell) else { return };
        let what = format!(
            "{} handsets stepped within a day between two cells that cannot be neighbours",
            handsets.0
        );
        let (confidence, cells) = (if enough == FAR { 90 } else { 65 }, vec![cell, before.cell]);
        cx.find(Draft { key, what, rows, cells, units: Vec::new(), handsets, confidence, partial });
    }

    fn evicted(&self) -> u64 {
        self.pairs.evicted()
    }
}

/// How many handsets are enough to say that two cells, between which one stepped, should not be side by side; `None` where they may be.
/// `carrier`: the unit through whose tunnel `to` speaks.
fn enough(
    from: CellId,
    to: CellId,
    carrier: Option<UnitId>,
    apart_s: u32,
    cx: &Context<'_>,
) -> Option<usize> {
    let world = cx.world;
    let [of_from, of_to] = [world.unit_of(from), world.unit_of(to)];
    let is_one_unit = of_from.is_some() && of_from == of_to.or(carrier);
    let is_booked = world.is_booked(from, cx.now) || world.is_booked(to, cx.now);
    if is_one_unit || is_booked || !world.knows_plan() {
        return None;
    }
    let Some((here, there)) = world.home_of(from).zip(world.home_of(to)) else { return Some(UNPLACED) };
    let reachable_m = SLACK_M + f64::from(apart_s) * KMH as f64 / 3.6;
    (here.distance_m(there) > reachable_m).then_some(FAR)
}
