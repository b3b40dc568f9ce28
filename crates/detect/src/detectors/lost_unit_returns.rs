use super::{
    Detector,
    pace::{DAY, Pace},
};
use crate::{
    about::{About, Benign, Memory, Threshold},
    keyed::{Entry, Keyed},
    seen::{Context, Draft, Seen, What},
    world::{CellId, UnitId, World},
};
use ids::{LifeCycle, SubscriberKey, UnixTime};
use serde::{Deserialize, Serialize};
use std::{hint::black_box, time::Duration};

/// A unit that should be gone is there.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct LostUnitReturns {
    units: Keyed<UnitId, State>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct State {
    heard: Option<UnixTime>,
    pace: Pace,
}

const UNITS: usize = 262_144;
const SILENT: Duration = Duration::from_secs(90 * 86_400);
const GRACE: Duration = Duration::from_secs(300);

impl Default for LostUnitReturns {
    fn default() -> Self {
        Self { units: Keyed::new(UNITS) }
    }
}

impl Detector for LostUnitReturns {
    const ABOUT: About = About {
        id: "lost_unit_returns",
        version: 1,
        sees: "a handset at a cell, or a session, of a unit that is lost, stolen, suspended or retired; or of one in service that nobody heard for long",
        benign: &[
            Benign {
                cause: "it was found and plugged in, and nobody said so",
                told: "not told: a person asks",
            },
            Benign {
                cause: "reported lost while it was on",
                told: "heard within a day before: confidence 60 instead of 95",
            },
            Benign {
                cause: "a home that is lived in for part of the year",
                told: "by its state: a unit in service that was silent has confidence 40",
            },
            Benign {
                cause: "it has just been retired and its last handsets are going",
                told: "within 300 s of the change nothing is said",
            },
        ],
        clause: "in the case the certificate was that of a unit lost about January 2020 and used from October 2024; 43,506 units had been silent for more than 3 months, a quarter of them lost",
        thresholds: &[
            Threshold {
                name: "silent",
                value: SILENT.as_secs() / 86_400,
                unit: "days",
                why: "the time after which that carrier counted a unit as unlinked: 3 months",
            },
            Threshold {
                name: "grace",
                value: GRACE.as_secs(),
                unit: "s since its state changed",
                why: "as of `cell_without_tunnel`: what the core still has of it ends by then",
            },
        ],
        memory: Memory { per: "unit", keys: UNITS, octets: Keyed::<UnitId, State>::OCTETS },
    };

    fn see(&mut self, seen: &Seen<'_>, cx: &mut Context<'_>) {
        match seen.what {
            What::Access { row, cell, .. } if row.event.is_arrival() => {
                let unit = cx.world.unit_of(cell);
                unit.into_iter().for_each(|unit| self.hear(unit, Some(row.subscriber), seen, cx));
            }
            What::Session { unit, .. }
                if cx.world.unit(unit).is_some_and(|state| state.session.is_some()) =>
            {
                self.hear(unit, None, seen, cx);
            }
            What::Access { .. } | What::Session { .. } | What::Ims { .. } | What::Code { .. } => {}
            What::Unit { .. } | What::Gap(_) | What::Other(_) => {}
        }
    }

    fn glance(&self, cell: CellId, world: &World) {
        black_box(world.unit_of(cell).and_then(|unit| self.units.get(unit)).map(|entry| entry.last));
    }

    fn evicted(&self) -> u64 {
        self.units.evicted()
    }
}

impl LostUnitReturns {
    fn hear(&mut self, unit: UnitId, who: Option<SubscriberKey>, seen: &Seen<'_>, cx: &mut Context<'_>) {
        let Some(known) = cx.world.unit(unit) else { return };
        let Entry { partial, state, .. } = self.units.touch(unit, cx.now);
        let before = state.heard.replace(cx.now);
        let quiet = cx.now.since(before.unwrap_or(known.since));
        let was_on = before.is_some() && quiet < DAY;
        let days = quiet.as_secs() / 86_400;
        let (what, confidence) = match known.unit.state {
            LifeCycle::Lost | LifeCycle::Stolen | LifeCycle::Retired | LifeCycle::Suspended
                if cx.now.since(known.since) <= GRACE =>
            {
                return;
            }
            LifeCycle::Lost | LifeCycle::Stolen => {
                ("it was reported lost or stolen", if was_on { 60 } else { 95 })
            }
            LifeCycle::Retired => ("it is retired", 90),
            LifeCycle::Suspended => ("it is suspended", 60),
            LifeCycle::Live | LifeCycle::Silent if quiet >= SILENT => ("it was silent", 40),
            LifeCycle::Live | LifeCycle::Silent => return,
            LifeCycle::Made | LifeCycle::Shipped | LifeCycle::Installed => return,
        };
        if !state.pace.may(cx.now) {
            return;
        }
        let (partial, key) = (*partial, crate::finding::Subject::Device(known.unit.device));
        let what = format!("{what}, and is heard again after {days} days");
        let (rows, handsets) = (vec![seen.row], (usize::from(who.is_some()), who.into_iter().collect()));
        cx.find(Draft {
            key,
            what,
            rows,
            cells: Vec::new(),
            units: vec![unit],
            handsets,
            confidence,
            partial,
        });
    }
}
