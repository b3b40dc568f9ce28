use super::{
    Detector,
    pace::{DAY, Pace},
};
use crate::{
    about::{About, Benign, Memory, Threshold},
    few::{Few, tag},
    keyed::{Entry, Keyed},
    seen::{Context, Draft, RowId, Seen, What},
    world::{CellId, World},
};
use ids::SubscriberKey;
use serde::{Deserialize, Serialize};
use std::hint::black_box;

/// The handsets that were at a unit's cell day after day come no more, and others do.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct RegularsReplaced {
    cells: Keyed<CellId, State>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct State {
    day: u16,
    habits: [Habit; HABITS],
    others: Few<OTHERS>,
    has_regular: bool,
    /// Days in a row with enough others and no regular.
    replaced: u8,
    first: Option<RowId>,
    pace: Pace,
}

/// On how many days a handset was here, and the last of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Habit {
    tag: u32,
    days: u8,
    last: u16,
}

const CELLS: usize = 262_144;
const HABITS: usize = 12;
const REGULAR_DAYS: u8 = 5;
const REGULARS: usize = 2;
const OTHERS: usize = 5;
const DAYS: u8 = 3;
const FORGOTTEN_DAYS: u16 = 28;

impl Default for RegularsReplaced {
    fn default() -> Self {
        Self { cells: Keyed::new(CELLS) }
    }
}

impl Detector for RegularsReplaced {
    const ABOUT: About = About {
        id: "regulars_replaced",
        version: 1,
        sees: "a unit's cell to which, for days in a row, several handsets come that have no habit of it, and none of those that have",
        benign: &[
            Benign {
                cause: "the unit moves by order",
                told: "within an order's time and 8 h around it nothing is said, and its regulars are forgotten",
            },
            Benign {
                cause: "the household is on holiday",
                told: "then few or none come: 5 others a day are asked for",
            },
            Benign {
                cause: "guests while the household is away, a flat that is let by the week, new tenants",
                told: "not told: confidence 45",
            },
            Benign {
                cause: "a shop, a stadium, a hotel",
                told: "who works there is a regular; a cell without two of them is not judged",
            },
        ],
        clause: "the population of a cell is evidence of place that needs no plan of macro cells; in the case one unit's identity served strangers for 10 months",
        thresholds: &[
            Threshold {
                name: "regular",
                value: REGULAR_DAYS as u64,
                unit: "days on which a handset was here, less than 28 apart",
                why: "more than a week's guest is there by chance of the week",
            },
            Threshold {
                name: "regulars",
                value: REGULARS as u64,
                unit: "regulars before",
                why: "one may get another number, or leave",
            },
            Threshold {
                name: "others",
                value: OTHERS as u64,
                unit: "others a day",
                why: "more than guests of a household",
            },
            Threshold {
                name: "days",
                value: DAYS as u64,
                unit: "days in a row",
                why: "a weekend and a day: a party is over by then",
            },
        ],
        memory: Memory { per: "cell", keys: CELLS, octets: Keyed::<CellId, State>::OCTETS },
    };

    fn see(&mut self, seen: &Seen<'_>, cx: &mut Context<'_>) {
        let What::Access { row, cell, is_macro: false, .. } = seen.what else { return };
        if !row.event.is_arrival() || cx.world.unit_of(cell).is_none() {
            return;
        }
        if cx.world.is_booked(cell, cx.now) {
            return self.cells.remove(cell);
        }
        let day = u16::try_from(cx.world.watched(cx.now).as_secs() / DAY.as_secs()).unwrap_or(u16::MAX);
        let Entry { partial, state, .. } = self.cells.touch(cell, cx.now);
        state.begin(day);
        state.visit(row.subscriber, seen.row);
        if state.replaced < DAYS || !state.pace.may(cx.now) {
            return;
        }
        let (days, regulars) = (state.replaced, state.regulars());
        let (partial, rows) = (*partial, state.first.take().into_iter().chain([seen.row]).collect());
        let Some(key) = cx.cell(cell) else { return };
        let what = format!(
            "for {days} days {OTHERS} or more strangers came a day, and none of its {regulars} regulars"
        );
        let handsets = (OTHERS, vec![row.subscriber]);
        cx.find(Draft {
            key,
            what,
            rows,
            cells: vec![cell],
            units: Vec::new(),
            handsets,
            confidence: 45,
            partial,
        });
    }

    fn glance(&self, cell: CellId, _world: &World) {
        let read = |Entry { last, state, .. }: &Entry<State>| (*last, state.day, ends(&state.habits));
        black_box(self.cells.get(cell).map(read));
    }

    fn evicted(&self) -> u64 {
        self.cells.evicted()
    }
}

fn ends(habits: &[Habit; HABITS]) -> [u32; 2] {
    [habits[0].tag, habits[HABITS - 1].tag]
}

impl State {
    /// A day that is another one is judged, and the next begins.
    fn begin(&mut self, day: u16) {
        if day == self.day {
            return;
        }
        if self.has_regular {
            (self.replaced, self.first) = (0, None);
        } else if self.others.len() >= OTHERS && self.regulars() >= REGULARS {
            self.replaced = self.replaced.saturating_add(1);
        }
        self.others.clear();
        (self.day, self.has_regular) = (day, false);
    }

    fn visit(&mut self, who: SubscriberKey, row: RowId) {
        let (tag, day) = (tag(who), self.day);
        let is_regular = match self.habits.iter_mut().find(|habit| habit.days > 0 && habit.tag == tag) {
            Some(habit) => {
                habit.visit(day);
                habit.is_regular()
            }
            None => {
                // The weakest habit goes, unless it is one by now and not forgotten yet.
                let weakest = self.habits.iter_mut().min_by_key(|habit| (habit.days, habit.last, habit.tag));
                let free = weakest.filter(|habit| !habit.is_regular() || habit.is_forgotten(day));
                free.into_iter().for_each(|habit| *habit = Habit { tag, days: 1, last: day });
                false
            }
        };
        self.has_regular |= is_regular;
        if !is_regular && self.others.add(who) && self.replaced == 0 && self.first.is_none() {
            self.first = Some(row);
        }
    }

    fn regulars(&self) -> usize {
        self.habits.iter().filter(|habit| habit.is_regular() && !habit.is_forgotten(self.day)).count()
    }
}

impl Habit {
    fn visit(&mut self, day: u16) {
        if self.is_forgotten(day) {
            self.days = 0;
        }
        if self.days == 0 || self.last != day {
            (self.days, self.last) = (self.days.saturating_add(1), day);
        }
    }

    fn is_regular(self) -> bool {
        self.days >= REGULAR_DAYS
    }

    fn is_forgotten(self, day: u16) -> bool {
        day.saturating_sub(self.last) > FORGOTTEN_DAYS
    }
}
