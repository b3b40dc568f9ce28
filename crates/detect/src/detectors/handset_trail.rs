use super::{
    Detector,
    pace::{DAY, Pace, Window},
};
use crate::{
    about::{About, Benign, Memory, Threshold},
    few::Few,
    keyed::{Entry, Keyed},
    seen::{Context, Draft, RowId, Seen, What},
    world::{CellId, World},
};
use serde::{Deserialize, Serialize};
use std::hint::black_box;

/// A cell's handsets come from and go to macro cells that are not those around its registered site.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct HandsetTrail {
    cells: Keyed<CellId, State>,
}

/// Of this day and the one before.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct State {
    window: Window,
    today: Visits,
    before: Visits,
    handsets: Few<HANDSETS>,
    first: Option<RowId>,
    pace: Pace,
}

#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Visits {
    near: u16,
    far: u16,
}

const CELLS: usize = 262_144;
const VISITS: u16 = 10;
const HANDSETS: usize = 3;
const SHARE: u32 = 80;
const APART_S: u32 = 120;
const KMH: u64 = 60;

impl Default for HandsetTrail {
    fn default() -> Self {
        Self { cells: Keyed::new(CELLS) }
    }
}

impl Detector for HandsetTrail {
    const ABOUT: About = About {
        id: "handset_trail",
        version: 2,
        sees: "a unit's cell whose handsets, just before and just after, are at macro cells that do not reach its registered site: evidence of place that the unit cannot fake",
        benign: &[
            Benign {
                cause: "the unit moves by order",
                told: "within an order's time and 8 h around it nothing is said, and what was counted is forgotten",
            },
            Benign {
                cause: "a customer took it to another home",
                told: "not told: it is not where it is registered",
            },
            Benign {
                cause: "the ledger has a wrong position",
                told: "not told from it being carried; it shows from the first day of a unit",
            },
            Benign {
                cause: "people in cars and trains who pass by",
                told: "their way at 60 km/h is allowed for; of those who are faster, four of five visits and more would be needed",
            },
        ],
        clause: "TS 33.320 Annex B (macro cells as evidence of place); in the case a unit of an army post was used elsewhere",
        thresholds: &[
            Threshold {
                name: "visits",
                value: VISITS as u64,
                unit: "visits in 24 to 48 h",
                why: "a third of 30 visits, in which the goal has it found",
            },
            Threshold {
                name: "handsets",
                value: HANDSETS as u64,
                unit: "handsets",
                why: "a household's two phones may have a habit of their own",
            },
            Threshold {
                name: "share",
                value: SHARE as u64,
                unit: "% of visits far off",
                why: "a unit at its site has nearly none; a fifth allows for macro cells with a wrong position",
            },
            Threshold {
                name: "apart",
                value: APART_S as u64,
                unit: "s between the two records",
                why: "longer, and an honest handset may have gone further than a town is wide",
            },
            Threshold {
                name: "speed",
                value: KMH,
                unit: "km/h between the two records",
                why: "a street beside the house; at 120 km/h a box 3 km from the site was not told from traffic",
            },
        ],
        memory: Memory { per: "cell", keys: CELLS, octets: Keyed::<CellId, State>::OCTETS },
    };

    fn see(&mut self, seen: &Seen<'_>, cx: &mut Context<'_>) {
        let What::Access { row, step: Some(step), .. } = seen.what else { return };
        if step.apart_s > APART_S || step.beyond_m.is_none() {
            return;
        }
        let is_far = step.is_beyond(KMH);
        if cx.world.is_booked(step.cell, cx.now) {
            return self.cells.remove(step.cell);
        }
        let Entry { partial, state, .. } = self.cells.touch(step.cell, cx.now);
        if state.window.is_over(cx.now, DAY) {
            (state.before, state.today) = (state.today, Visits::default());
            if state.before.far == 0 {
                (state.handsets, state.first) = Default::default();
            }
        }
        let count = if is_far { &mut state.today.far } else { &mut state.today.near };
        *count = count.saturating_add(1);
        if is_far {
            state.handsets.add(row.subscriber);
            state.first.get_or_insert(seen.row);
        }
        let far = u32::from(state.today.far) + u32::from(state.before.far);
        let all = far + u32::from(state.today.near) + u32::from(state.before.near);
        let is_enough =
            far >= u32::from(VISITS) && state.handsets.len() >= HANDSETS && 100 * far >= SHARE * all;
        if !is_far || !is_enough || !state.pace.may(cx.now) {
            return;
        }
        let (partial, handsets) = (*partial, (state.handsets.len(), vec![row.subscriber]));
        let rows = state.first.take().into_iter().chain([seen.row]).collect();
        let Some(key) = cx.cell(step.cell) else { return };
        let what = format!(
            "{far} of {all} visits came from or went to macro cells that do not reach its site, the last {} km off",
            step.beyond_km()
        );
        let confidence = u8::try_from((60 + far).min(95)).unwrap_or(95);
        cx.find(Draft {
            key,
            what,
            rows,
            cells: vec![step.cell],
            units: Vec::new(),
            handsets,
            confidence,
            partial,
        });
    }

    fn glance(&self, cell: CellId, _world: &World) {
        black_box(self.cells.get(cell).map(|Entry { last, state, .. }| (*last, state.handsets.glance())));
    }

    fn evicted(&self) -> u64 {
        self.cells.evicted()
    }
}
