use super::{
    Detector,
    pace::{DAY, Pace, Window},
};
use crate::{
    about::{About, Benign, Memory, Threshold},
    engine::is_encrypted,
    few::Few,
    keyed::{Entry, Keyed},
    seen::{Context, Draft, RowId, Seen, What},
    world::{CellId, World},
};
use ids::SubscriberKey;
use records::row::{ImsEvent, NasCipher};
use serde::{Deserialize, Serialize};
use std::hint::black_box;

/// Handsets lose their protection towards the core at one cell, and have it elsewhere.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct ProtectionLost {
    cells: Cells,
    elsewhere: Elsewhere,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Cells(Keyed<CellId, State>);

/// Of one day.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct State {
    window: Window,
    ims: Compared,
    nas: Compared,
    level: Compared,
    pace: Pace,
}

/// Handsets that are compared, and those of them that have no protection here.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Compared {
    all: u16,
    without: u16,
    handsets: Few<LEVEL_HANDSETS>,
    some: Vec<SubscriberKey>,
    first: Option<RowId>,
}

/// Registrations at macro cells, of this day and the one before.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Elsewhere {
    window: Window,
    today: (u64, u64),
    before: (u64, u64),
    /// Of those that had it at a macro cell before, the newest 8 to 16, and which of them lack it now.
    newest: (u32, u32),
}

const CELLS: usize = 262_144;
const HANDSETS: usize = 3;
const SHARE: u32 = 80;
const LEVEL_HANDSETS: usize = 8;
const LEVEL_ROWS: u64 = 1_000;
const LEVEL_SHARE: u64 = 95;
const NEWEST: u32 = 16;
const CHANGED_SHARE: u32 = 5;

impl Default for Cells {
    fn default() -> Self {
        Self(Keyed::new(CELLS))
    }
}

impl Detector for ProtectionLost {
    const ABOUT: About = About {
        id: "protection_lost",
        version: 2,
        sees: "a cell that is no macro cell, where handsets register with IMS without encryption or get no NAS ciphering, while the same handsets had it when last seen at a macro cell (change); or where handsets that were never seen elsewhere all lack it, while nearly everybody at macro cells has it (level)",
        benign: &[
            Benign {
                cause: "handsets of a kind that never have it",
                told: "compared with themselves elsewhere: who lacks it there does not count",
            },
            Benign {
                cause: "an IMS that omits the header",
                told: "a row that does not say is not counted; where handsets lose it at macro cells as well, nothing is said; in one region of a large carrier it is not told",
            },
            Benign {
                cause: "emergency calls without a SIM, which have no ciphering",
                told: "3 subscribers, and 4 of 5 of all, are asked for",
            },
            Benign {
                cause: "a change of the whole network",
                told: "macro cells change with it: the handsets lack it there, too",
            },
        ],
        clause: "TS 33.203 §7, TS 24.301 §9.9.3.23; in the case the protection of texts and calls between handset and core was switched off at the illegal cells",
        thresholds: &[
            Threshold {
                name: "handsets",
                value: HANDSETS as u64,
                unit: "handsets in a day, for a change",
                why: "one has a fault, two are of one household and may be of one kind",
            },
            Threshold {
                name: "share",
                value: SHARE as u64,
                unit: "% of the rows compared",
                why: "a unit that switches it off does so for nearly all",
            },
            Threshold {
                name: "changing",
                value: CHANGED_SHARE as u64,
                unit: "% of the newest 8 to 16 registrations at macro cells lack what their handsets had",
                why: "hardly any do while IMS and its records stay as they are; one that does is forgotten after 15 others",
            },
            Threshold {
                name: "level handsets",
                value: LEVEL_HANDSETS as u64,
                unit: "handsets in a day, for a level",
                why: "without their own past more of them are needed: more than a household",
            },
            Threshold {
                name: "level share",
                value: LEVEL_SHARE,
                unit: "% encrypted at macro cells",
                why: "where a twentieth lacks it, 8 of 8 by chance are 4e-11",
            },
            Threshold {
                name: "level rows",
                value: LEVEL_ROWS,
                unit: "registrations at macro cells in 24 to 48 h",
                why: "below it that share is not known to a hundredth",
            },
        ],
        memory: Memory {
            per: "cell",
            keys: CELLS,
            octets: Keyed::<CellId, State>::OCTETS + 3 * 16 * HANDSETS,
        },
    };

    fn see(&mut self, seen: &Seen<'_>, cx: &mut Context<'_>) {
        match seen.what {
            What::Ims { row, cell: Some(cell), is_macro, before } if row.event == ImsEvent::Register => {
                let Some(has_it) = is_encrypted(row) else { return };
                if is_macro {
                    return self.elsewhere.count(has_it, before.protection.ims == Some(true), cx);
                }
                match before.protection.ims {
                    Some(true) => {
                        self.count(cell, row.subscriber, has_it, |state| &mut state.ims, seen, cx);
                    }
                    None if !cx.world.is_forgotten(row.subscriber) => {
                        self.count(cell, row.subscriber, has_it, |state| &mut state.level, seen, cx);
                    }
                    Some(false) | None => {}
                }
            }
            What::Access { row, cell, is_macro: false, before, .. }
                if before.protection.nas == Some(true) =>
            {
                let Some(cipher) = row.cipher.filter(|_| row.event.is_arrival()) else { return };
                let has_it = cipher != NasCipher::NULL;
                self.count(cell, row.subscriber, has_it, |state| &mut state.nas, seen, cx);
            }
            What::Ims { .. } | What::Access { .. } | What::Code { .. } => {}
            What::Unit { .. } | What::Session { .. } | What::Gap(_) | What::Other(_) => {}
        }
    }

    fn glance(&self, cell: CellId, _world: &World) {
        let read = |Entry { last, state, .. }: &Entry<State>| (*last, state.window, state.nas.all);
        black_box(self.cells.0.get(cell).map(read));
    }

    fn evicted(&self) -> u64 {
        self.cells.0.evicted()
    }
}

impl ProtectionLost {
    fn count(
        &mut self,
        cell: CellId,
        who: SubscriberKey,
        has_it: bool,
        which: fn(&mut State) -> &mut Compared,
        seen: &Seen<'_>,
        cx: &mut Context<'_>,
    ) {
        let (is_usual, is_changing) = (self.elsewhere.is_usual(), self.elsewhere.is_changing());
        let Entry { partial, state, .. } = self.cells.0.touch(cell, cx.now);
        if state.window.is_over(cx.now, DAY) {
            (state.ims, state.nas, state.level) = Default::default();
        }
        which(state).add(who, has_it, seen.row);
        let Some((what, of, confidence)) = state.lost(is_usual, is_changing).filter(|_| !has_it) else {
            return;
        };
        let (all, without, some) = (of.all, of.without, of.some.clone());
        let (handsets, rows) = (of.handsets.len(), of.first.into_iter().chain([seen.row]).collect());
        if !state.pace.may(cx.now) {
            return;
        }
        let Some(key) = cx.cell(cell) else { return };
        let what = format!("{without} of {all} {what}, {handsets} handsets or more");
        let (partial, handsets) = (*partial, (handsets, some));
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
    /// What is lost here: in words, what shows it, and how sure.
    fn lost(&self, is_usual: bool, is_changing: bool) -> Option<(&'static str, &Compared, u8)> {
        let changes = [
            (&self.ims, is_changing, "registrations without encryption, of handsets that have it elsewhere"),
            (&self.nas, false, "contacts without ciphering, of handsets that have it elsewhere"),
        ];
        let change =
            changes.into_iter().find(|(of, is_everywhere, _)| of.is_lost(HANDSETS) && !is_everywhere);
        let sure = |of: &Compared| if of.handsets.len() >= LEVEL_HANDSETS { 95 } else { 85 };
        if let Some((of, _, what)) = change {
            return Some((what, of, sure(of)));
        }
        let is_level = is_usual
            && !is_changing
            && self.level.is_lost(LEVEL_HANDSETS)
            && self.level.all == self.level.without;
        let what = "registrations without encryption, which nearly all have at macro cells";
        is_level.then_some((what, &self.level, 60))
    }
}

impl Compared {
    fn add(&mut self, who: SubscriberKey, has_it: bool, row: RowId) {
        self.all = self.all.saturating_add(1);
        if has_it {
            return;
        }
        self.without = self.without.saturating_add(1);
        self.first.get_or_insert(row);
        if self.handsets.add(who) && self.some.len() < HANDSETS {
            self.some.push(who);
        }
    }

    fn is_lost(&self, handsets: usize) -> bool {
        self.handsets.len() >= handsets && 100 * u32::from(self.without) >= SHARE * u32::from(self.all)
    }
}

impl Elsewhere {
    fn count(&mut self, has_it: bool, had_it: bool, cx: &Context<'_>) {
        if self.window.is_over(cx.now, DAY) {
            (self.before, self.today) = (self.today, (0, 0));
        }
        self.today.0 += 1;
        self.today.1 += u64::from(has_it);
        if had_it {
            let (all, lost) = self.newest;
            self.newest = (all + 1, lost + u32::from(!has_it));
            if self.newest.0 >= NEWEST {
                self.newest = (self.newest.0 / 2, self.newest.1 / 2);
            }
        }
    }

    /// Whether handsets lose it at macro cells as well: then IMS or its records change.
    fn is_changing(&self) -> bool {
        let (all, lost) = self.newest;
        100 * lost > CHANGED_SHARE * all
    }

    /// Whether nearly all have it.
    fn is_usual(&self) -> bool {
        let (all, with) = (self.today.0 + self.before.0, self.today.1 + self.before.1);
        all >= LEVEL_ROWS && 100 * with >= LEVEL_SHARE * all
    }
}
