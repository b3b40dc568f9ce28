use super::{
    Detector,
    pace::{DAY, Pace, Window},
};
use crate::{
    about::{About, Benign, Memory, Threshold},
    few::Few,
    finding::Subject,
    keyed::{Entry, Hashed, Key, Keyed},
    seen::{Context, Draft, RowId, Seen, What},
    world::CellId,
};
use ids::{SubscriberKey, UnixTime};
use records::row::Code;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, time::Duration};

/// Something that has to be there beside what is there, and is not.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ExpectedAbsent {
    codes: Keyed<CodeKey, Option<Waiting>>,
    next: u64,
    cells: Keyed<CellId, State>,
    services: BTreeMap<String, (u64, u64)>,
    pace: Keyed<SubscriberKey, Pace>,
}

/// A code that waits for an access record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
struct CodeKey(u64);

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Waiting {
    subscriber: SubscriberKey,
    at: UnixTime,
    row: RowId,
    cell: Option<CellId>,
    /// No access record came; it is left to see whether that is a gap's doing.
    is_absent: bool,
}

/// Codes of one day through one cell, and those of them that nobody had asked for.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct State {
    window: Window,
    all: u16,
    without: u16,
    handsets: Few<HANDSETS>,
    some: Vec<SubscriberKey>,
    first: Option<RowId>,
    pace: Pace,
}

const CODES: usize = 65_536;
const CELLS: usize = 262_144;
const SERVICES: usize = 256;
const SINCE: Duration = Duration::from_secs(3 * 3600);
const UNTIL: Duration = Duration::from_secs(600);
const WITHOUT: u16 = 3;
const HANDSETS: usize = 2;
const KNOWN: u64 = 100;
const SHARE: u64 = 95;
const HERE: u32 = 20;
const SILENCE: Duration = Duration::from_secs(3600);

impl Key for CodeKey {
    type Index = Hashed<Self>;

    fn number(self) -> u64 {
        self.0
    }
}

impl Key for SubscriberKey {
    type Index = Hashed<Self>;

    fn number(self) -> u64 {
        let [a, b, c, d, e, f, g, h, ..] = self.octets();
        u64::from_le_bytes([a, b, c, d, e, f, g, h])
    }
}

impl Default for ExpectedAbsent {
    fn default() -> Self {
        let (codes, cells, pace) = (Keyed::new(CODES), Keyed::new(CELLS), Keyed::new(CODES));
        Self { codes, next: 0, cells, services: BTreeMap::new(), pace }
    }
}

impl Detector for ExpectedAbsent {
    const ABOUT: About = About {
        id: "expected_absent",
        version: 2,
        sees: "a one-time code that reached a handset of which there is no access record; or, at a cell that is no macro cell, codes of several subscribers that none of them had asked for",
        benign: &[
            Benign {
                cause: "access records are late or lost",
                told: "600 s are waited for them, and an hour for a gap to be known, in which nothing is said; records that are lost without a trace are not told",
            },
            Benign {
                cause: "a handset with a longer periodic update than usual",
                told: "not told: give it by its class",
            },
            Benign {
                cause: "a carrier that feeds records of femtocells only",
                told: "then a code through a macro cell, or through none that is named, says nothing",
            },
            Benign {
                cause: "somebody mistyped a number, or a service that sends codes by itself",
                told: "2 subscribers, 3 codes a day and a fifth of all at one cell; only of services of which nearly all requests are known",
            },
        ],
        clause: "in the case, some whose payments were fraud had no access record at all, and codes came to people who had asked for none",
        thresholds: &[
            Threshold {
                name: "since",
                value: SINCE.as_secs() / 60,
                unit: "min before the code",
                why: "three periodic updates, of 54 min by default (T3412, TS 24.008), and some 20 min beside",
            },
            Threshold {
                name: "until",
                value: UNTIL.as_secs(),
                unit: "s after the code",
                why: "clocks of core and message centre differ, and rows are written when a procedure ends",
            },
            Threshold {
                name: "silence",
                value: SILENCE.as_secs(),
                unit: "s after the code, until a missing record is said",
                why: "a gap is known once its feed speaks again or has been silent for as long as its terms say, 3600 s in most",
            },
            Threshold {
                name: "codes",
                value: WITHOUT as u64,
                unit: "codes a day at one cell, without own request",
                why: "the case had 2.1 payments for each victim",
            },
            Threshold {
                name: "subscribers",
                value: HANDSETS as u64,
                unit: "of them",
                why: "one may be somebody's mistake",
            },
            Threshold {
                name: "share here",
                value: HERE as u64,
                unit: "% of the cell's codes that day",
                why: "four times what a service may lack: in a stadium three of hundreds are nothing",
            },
            Threshold {
                name: "known",
                value: KNOWN,
                unit: "codes of the service before",
                why: "below it the share is not known to a hundredth",
            },
            Threshold {
                name: "share",
                value: SHARE,
                unit: "% of the service's codes with a known request",
                why: "else a missing one is nothing to remark",
            },
        ],
        memory: Memory {
            per: "cell",
            keys: CELLS,
            octets: Keyed::<CellId, State>::OCTETS
                + 16 * HANDSETS
                + Keyed::<CodeKey, Option<Waiting>>::OCTETS
                + Keyed::<SubscriberKey, Pace>::OCTETS,
        },
    };

    fn see(&mut self, seen: &Seen<'_>, cx: &mut Context<'_>) {
        let What::Code { row, cell } = seen.what else { return };
        self.wait(row, cell, seen, cx);
        self.ask(row, cell, seen, cx);
    }

    fn timer(&mut self, key: u64, cx: &mut Context<'_>) {
        let Some(waiting) = self.codes.get(CodeKey(key)).and_then(|entry| entry.state) else { return };
        let Waiting { subscriber, at, row, cell, is_absent } = waiting;
        if !is_absent && !is_recent(subscriber, at, cx) {
            self.codes.touch(CodeKey(key), cx.now).state = Some(Waiting { is_absent: true, ..waiting });
            return cx.at(at.after(SILENCE), key);
        }
        self.codes.remove(CodeKey(key));
        if !is_absent || !cx.world.gaps().is_whole(at.before(SINCE), at.after(UNTIL)) {
            return;
        }
        let Entry { partial, state: pace, .. } = self.pace.touch(subscriber, cx.now);
        if !pace.may(cx.now) {
            return;
        }
        let partial = *partial || cx.world.is_forgotten(subscriber);
        let minutes = SINCE.as_secs() / 60;
        cx.find(Draft {
            key: Subject::Subscriber(subscriber),
            what: format!(
                "a code reached a handset without an access record in the {minutes} min before and 10 after"
            ),
            rows: vec![row],
            cells: cell.into_iter().collect(),
            units: Vec::new(),
            handsets: (1, vec![subscriber]),
            confidence: if partial { 20 } else { 50 },
            partial,
        });
    }

    fn evicted(&self) -> u64 {
        self.codes.evicted() + self.cells.evicted() + self.pace.evicted()
    }
}

impl ExpectedAbsent {
    /// Where no access record is there yet, one has until a timer to come.
    fn wait(&mut self, row: &Code, cell: Option<CellId>, seen: &Seen<'_>, cx: &mut Context<'_>) {
        let is_fed = cx.world.knows_macro_rows()
            || cell.is_some_and(|cell| !cx.world.is_macro(cell, cx.now) && cx.world.knows_plan());
        let is_watched = cx.world.watched(cx.now) > SINCE;
        if !is_fed || !is_watched || is_recent(row.subscriber, cx.now, cx) {
            return;
        }
        let key = CodeKey(self.next);
        self.next += 1;
        let (subscriber, at, row) = (row.subscriber, cx.now, seen.row);
        let waiting = Waiting { subscriber, at, row, cell, is_absent: false };
        self.codes.touch(key, cx.now).state = Some(waiting);
        cx.at(cx.now.after(UNTIL), key.0);
    }

    /// Whether the subscriber had asked for it.
    fn ask(&mut self, row: &Code, cell: Option<CellId>, seen: &Seen<'_>, cx: &mut Context<'_>) {
        let service = row.service.as_str();
        if self.services.len() >= SERVICES && !self.services.contains_key(service) {
            return;
        }
        let (all, asked) = self.services.entry(service.to_owned()).or_default();
        let is_usual = *all >= KNOWN && 100 * *asked >= SHARE * *all;
        *all += 1;
        *asked += u64::from(row.requested.is_some());
        let cell = cell.filter(|cell| !cx.world.is_macro(*cell, cx.now) && cx.world.knows_plan());
        let Some(cell) = cell.filter(|_| is_usual) else { return };
        let Entry { partial, state, .. } = self.cells.touch(cell, cx.now);
        if state.window.is_over(cx.now, DAY) {
            (state.all, state.without, state.handsets, state.some, state.first) = Default::default();
        }
        state.all = state.all.saturating_add(1);
        if row.requested.is_some() {
            return;
        }
        state.without = state.without.saturating_add(1);
        state.first.get_or_insert(seen.row);
        if state.handsets.add(row.subscriber) {
            state.some.push(row.subscriber);
        }
        let is_much = 100 * u32::from(state.without) >= HERE * u32::from(state.all);
        let is_enough = state.without >= WITHOUT && state.handsets.len() >= HANDSETS && is_much;
        if !is_enough || !state.pace.may(cx.now) {
            return;
        }
        let (partial, handsets) = (*partial, (state.handsets.len(), state.some.clone()));
        let rows = state.first.into_iter().chain([seen.row]).collect();
        let what = format!("{} of {} codes within a day that nobody had asked for", state.without, state.all);
        let Some(key) = cx.cell(cell) else { return };
        cx.find(Draft {
            key,
            what,
            rows,
            cells: vec![cell],
            units: Vec::new(),
            handsets,
            confidence: 70,
            partial,
        });
    }
}

/// Whether a handset was seen at any cell not long before that time, or since.
fn is_recent(subscriber: SubscriberKey, at: UnixTime, cx: &Context<'_>) -> bool {
    let handset = cx.world.handset(subscriber).filter(|handset| handset.cell != CellId::NONE);
    handset.is_some_and(|handset| handset.at >= cx.world.secs(at.before(SINCE)))
}
