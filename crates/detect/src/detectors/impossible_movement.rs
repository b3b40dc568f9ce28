use super::{
    Detector,
    pace::{DAY, Pace, Window},
};
use crate::{
    about::{About, Benign, Memory, Threshold},
    few::Few,
    keyed::{Entry, Keyed},
    seen::{Context, Draft, RowId, Seen, What},
    world::CellId,
};
use ids::SubscriberKey;
use serde::{Deserialize, Serialize};

/// Handsets are at a unit's cell sooner than anybody could be at its registered site.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ImpossibleMovement {
    cells: Keyed<CellId, State>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct State {
    window: Window,
    handsets: Few<ENOUGH>,
    some: Vec<SubscriberKey>,
    rows: Vec<RowId>,
    pace: Pace,
}

const CELLS: usize = 65_536;
const ENOUGH: usize = 3;
const KMH: u64 = 1_000;

impl Default for ImpossibleMovement {
    fn default() -> Self {
        Self { cells: Keyed::new(CELLS) }
    }
}

impl Detector for ImpossibleMovement {
    const ABOUT: About = About {
        id: "impossible_movement",
        version: 1,
        sees: "handsets that go between a unit's cell and a macro cell faster than an airliner would from the unit's registered site",
        benign: &[
            Benign {
                cause: "the unit moves by order, or the ledger has its old site",
                told: "within an order's time and 8 h around it nothing is said; without an order, not",
            },
            Benign {
                cause: "a subscription that two handsets use",
                told: "three different subscribers within a day are asked for",
            },
            Benign {
                cause: "a wrong position in the plan",
                told: "not told: the macro cell is named in the rows",
            },
        ],
        clause: "TS 33.320 Annex B (where a unit is, by macro cells); in the case nobody compared a unit's place with its registered site",
        thresholds: &[
            Threshold {
                name: "speed",
                value: KMH,
                unit: "km/h beyond the macro cell's reach and 1 km",
                why: "nothing that a subscriber travels in is faster",
            },
            Threshold {
                name: "handsets",
                value: ENOUGH as u64,
                unit: "handsets in 24 h",
                why: "one is a copied SIM or a wrong record, two are a couple of them",
            },
        ],
        memory: Memory {
            per: "cell",
            keys: CELLS,
            octets: Keyed::<CellId, State>::OCTETS + ENOUGH * (16 + size_of::<RowId>()),
        },
    };

    fn see(&mut self, seen: &Seen<'_>, cx: &mut Context<'_>) {
        let What::Access { row, step: Some(step), .. } = seen.what else { return };
        if !step.is_beyond(KMH) || cx.world.is_booked(step.cell, cx.now) {
            return;
        }
        let Entry { partial, state, .. } = self.cells.touch(step.cell, cx.now);
        if state.window.is_over(cx.now, DAY) {
            (state.handsets, state.some, state.rows) = Default::default();
        }
        if state.handsets.add(row.subscriber) {
            state.some.push(row.subscriber);
            state.rows.push(seen.row);
        }
        if state.handsets.len() < ENOUGH || !state.pace.may(cx.now) {
            return;
        }
        let (partial, rows, some) = (*partial, state.rows.clone(), state.some.clone());
        let Some(key) = cx.cell(step.cell) else { return };
        let what = format!(
            "{ENOUGH} handsets within a day came from or went to macro cells where they cannot have been, the last {} km off, {} s apart",
            step.beyond_km(),
            step.apart_s
        );
        let (cells, units, handsets) = (vec![step.cell], Vec::new(), (ENOUGH, some));
        cx.find(Draft { key, what, rows, cells, units, handsets, confidence: 90, partial });
    }

    fn evicted(&self) -> u64 {
        self.cells.evicted()
    }
}
