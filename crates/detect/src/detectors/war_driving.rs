use super::{
    Detector,
    pace::{Pace, Window},
};
use crate::{
    about::{About, Benign, Memory, Threshold},
    few::{Few, tag},
    keyed::{Entry, Keyed},
    seen::{Context, Draft, RowId, Seen, What},
    step::Step,
    world::{CellId, Site, World},
};
use ids::{Position, SubscriberKey};
use serde::{Deserialize, Serialize};
use std::{hint::black_box, time::Duration};

/// A cell that strangers pass through while the macro cells around it change: it drives.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct WarDriving {
    cells: Keyed<CellId, State>,
}

/// Of one hour, but for the handsets that were there before.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct State {
    window: Window,
    handsets: Few<HANDSETS>,
    strangers: u16,
    known: Known,
    around: Option<Around>,
    first: Option<RowId>,
    pace: Pace,
}

/// Who was here before: a Bloom filter of 1024 bits with 3 of them for each. 100 handsets are taken for known wrongly in 1.7 % of cases;
/// of a cell with thousands of visitors nobody is a stranger.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Known([u64; 16]);

/// The rectangle around the macro cells that handsets came from or went to, in 1e-7 degrees, and the widest reach among them.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Around {
    south_west: (i32, i32),
    north_east: (i32, i32),
    radius_m: u32,
}

const CELLS: usize = 262_144;
const HOUR: Duration = Duration::from_secs(3600);
const HANDSETS: usize = 64;
const STRANGERS: u16 = 20;
const SHARE: usize = 90;
const APART_S: u32 = 60;
/// 60 km/h for 60 s.
const WAY_M: u64 = 1_000;

impl Default for WarDriving {
    fn default() -> Self {
        Self { cells: Keyed::new(CELLS) }
    }
}

impl Detector for WarDriving {
    const ABOUT: About = About {
        id: "war_driving",
        version: 2,
        sees: "a cell that is no macro cell, to which within an hour many handsets come that were never there, from macro cells further apart than a cell that stands still can have around it",
        benign: &[
            Benign {
                cause: "a flat above a bus stop, a shop, a stadium, a hotel",
                told: "they stand still: the macro cells around them are the same few",
            },
            Benign {
                cause: "a courier's van with the unit switched on",
                told: "with an order confidence is 30",
            },
            Benign {
                cause: "a femtocell on a ship or a train, which the carrier knows",
                told: "not told: such units want a class of their own",
            },
        ],
        clause: "in the case the boxes were driven past blocks of flats in the small hours, and each cell had some 1,100 subscribers",
        thresholds: &[
            Threshold {
                name: "strangers",
                value: STRANGERS as u64,
                unit: "handsets in one hour",
                why: "more than the 16 that a home unit serves at once",
            },
            Threshold {
                name: "share",
                value: SHARE as u64,
                unit: "% of the hour's handsets",
                why: "a unit at home has its household among them",
            },
            Threshold {
                name: "apart",
                value: APART_S as u64,
                unit: "s between the records at cell and macro cell",
                why: "at 60 km/h, in a street, that is 1 km",
            },
            Threshold {
                name: "drift",
                value: 2 * WAY_M,
                unit: "m, and twice the widest macro cell's reach",
                why: "around a cell that stands still all macro cells are within their reach and that km, to either side; with 2 km for 120 km/h a car that turns at 25 km/h went unseen",
            },
        ],
        memory: Memory { per: "cell", keys: CELLS, octets: Keyed::<CellId, State>::OCTETS },
    };

    fn see(&mut self, seen: &Seen<'_>, cx: &mut Context<'_>) {
        let What::Access { row, cell, is_macro, step, .. } = seen.what else { return };
        if let Some(step) = step.filter(|step| step.apart_s <= APART_S) {
            self.surround(&step, cx);
        }
        if !is_macro && row.event.is_arrival() {
            self.visit(cell, row.subscriber, seen, cx);
        }
    }

    fn glance(&self, cell: CellId, _world: &World) {
        let read = |Entry { last, state, .. }: &Entry<State>| {
            (*last, state.window, state.around.map(|around| around.radius_m), state.handsets.glance())
        };
        black_box(self.cells.get(cell).map(read));
    }

    fn evicted(&self) -> u64 {
        self.cells.evicted()
    }
}

impl WarDriving {
    fn surround(&mut self, step: &Step, cx: &Context<'_>) {
        let state = &mut self.cells.touch(step.cell, cx.now).state;
        state.begin_anew(cx);
        state.around = Some(Around::with(state.around, step.site));
    }

    fn visit(&mut self, cell: CellId, who: SubscriberKey, seen: &Seen<'_>, cx: &mut Context<'_>) {
        let Entry { partial, state, .. } = self.cells.touch(cell, cx.now);
        state.begin_anew(cx);
        if !state.handsets.add(who) {
            return;
        }
        if state.known.add(who) {
            state.strangers += 1;
            state.first.get_or_insert(seen.row);
        }
        let (strangers, all) = (state.strangers, state.handsets.len());
        let are_strangers = strangers >= STRANGERS && 100 * usize::from(strangers) >= SHARE * all;
        let Some(around) = state.around.filter(|_| are_strangers) else { return };
        let wide_m = around.wide_m();
        if wide_m <= (2 * (u64::from(around.radius_m) + WAY_M)) as f64 || !state.pace.may(cx.now) {
            return;
        }
        let (partial, first) = (*partial, state.first);
        let Some(key) = cx.cell(cell) else { return };
        let what = format!(
            "{strangers} strangers of {all} handsets within the hour, with macro cells {} km apart around it",
            (wide_m / 1000.0).round()
        );
        let confidence = if cx.world.is_booked(cell, cx.now) { 30 } else { 90 };
        let rows = first.into_iter().chain([seen.row]).collect();
        let handsets = (all, vec![who]);
        cx.find(Draft {
            key,
            what,
            rows,
            cells: vec![cell],
            units: Vec::new(),
            handsets,
            confidence,
            partial,
        });
    }
}

impl State {
    fn begin_anew(&mut self, cx: &Context<'_>) {
        if self.window.is_over(cx.now, HOUR) {
            self.handsets.clear();
            (self.strangers, self.around, self.first) = (0, None, None);
        }
    }
}

impl Known {
    /// Adds one; whether it is surely new.
    fn add(&mut self, who: SubscriberKey) -> bool {
        let tag = tag(who);
        let mut is_new = false;
        for shift in [0, 10, 20] {
            let at = (tag >> shift & 1023) as usize;
            if let Some(word) = self.0.get_mut(at / 64) {
                is_new |= *word & 1 << (at % 64) == 0;
                *word |= 1 << (at % 64);
            }
        }
        is_new
    }
}

impl Around {
    fn with(before: Option<Self>, Site { position, radius_m }: Site) -> Self {
        let (lat, lon) = (position.lat(), position.lon());
        let Some(Self { south_west, north_east, radius_m: widest }) = before else {
            return Self { south_west: (lat, lon), north_east: (lat, lon), radius_m };
        };
        Self {
            south_west: (south_west.0.min(lat), south_west.1.min(lon)),
            north_east: (north_east.0.max(lat), north_east.1.max(lon)),
            radius_m: widest.max(radius_m),
        }
    }

    /// Metres along the longer side: never more than two of the macro cells are apart.
    fn wide_m(&self) -> f64 {
        let at = |lat, lon| Position::new(lat, lon);
        let (south, west, north, east) =
            (self.south_west.0, self.south_west.1, self.north_east.0, self.north_east.1);
        let side = |a: Option<Position>, b: Option<Position>| a.zip(b).map_or(0.0, |(a, b)| a.distance_m(b));
        let tall = side(at(south, west), at(north, west));
        // Of the two sides from west to east the shorter one.
        let poleward = if south.abs() > north.abs() { south } else { north };
        tall.max(side(at(poleward, west), at(poleward, east)))
    }
}
