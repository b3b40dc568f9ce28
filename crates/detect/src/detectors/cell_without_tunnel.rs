use super::{Detector, pace::Pace};
use crate::{
    about::{About, Benign, Memory, Threshold},
    keyed::{Entry, Keyed},
    seen::{Context, Draft, Seen, What},
    world::{CellId, UnitId, UnitState},
};
use serde::{Deserialize, Serialize};
use std::{net::IpAddr, time::Duration};

/// A unit's cell serves handsets, and the unit has no tunnel here, or not that one.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct CellWithoutTunnel {
    cells: Keyed<CellId, Pace>,
}

const CELLS: usize = 262_144;
const SETTLED: Duration = Duration::from_secs(300);
const WHOLE: Duration = Duration::from_secs(3600);

impl Default for CellWithoutTunnel {
    fn default() -> Self {
        Self { cells: Keyed::new(CELLS) }
    }
}

impl Detector for CellWithoutTunnel {
    const ABOUT: About = About {
        id: "cell_without_tunnel",
        version: 1,
        sees: "a handset that comes to a cell of a unit that has no tunnel, or that speaks from another unit's inner address or from nobody's; at the first record, and each day again",
        benign: &[
            Benign {
                cause: "the unit's tunnel ends at a gateway that does not tell its sessions here",
                told: "by its inner address, if no unit's; otherwise not",
            },
            Benign {
                cause: "clocks of core and gateway differ, or the tunnel has just ended",
                told: "within 300 s of a change of the session nothing is said",
            },
            Benign {
                cause: "the feed of sessions has a gap",
                told: "confidence is halved and the finding is partial",
            },
        ],
        clause: "TS 33.320 §4.4: a cell reaches the core through its own unit's tunnel alone; in the case the boxes stood inside the core with valid certificates",
        thresholds: &[Threshold {
            name: "settled",
            value: SETTLED.as_secs(),
            unit: "s since the session changed",
            why: "an SCTP association outlives its path by up to 5 retransmissions of 60 s at most (RFC 9260 §16), and the core's contexts with it",
        }],
        memory: Memory { per: "cell", keys: CELLS, octets: Keyed::<CellId, Pace>::OCTETS },
    };

    fn see(&mut self, seen: &Seen<'_>, cx: &mut Context<'_>) {
        let What::Access { row, cell, .. } = seen.what else { return };
        let unit = cx.world.unit_of(cell).filter(|_| row.event.is_arrival() && cx.world.knows_sessions());
        let Some((unit, state)) = unit.and_then(|unit| Some((unit, cx.world.unit(unit)?))) else { return };
        let Some((what, other, confidence)) = wrong(unit, state, row.inner, cx) else { return };
        let Entry { partial, state: pace, .. } = self.cells.touch(cell, cx.now);
        if !pace.may(cx.now) {
            return;
        }
        let is_whole = cx.world.gaps().is_whole(cx.now.before(WHOLE), cx.now);
        let Some(key) = cx.cell(cell) else { return };
        cx.find(Draft {
            key,
            what: what.to_owned(),
            rows: vec![seen.row],
            cells: vec![cell],
            units: other.into_iter().collect(),
            handsets: (1, vec![row.subscriber]),
            confidence: if is_whole { confidence } else { confidence / 2 },
            partial: *partial || !is_whole,
        });
    }

    fn evicted(&self) -> u64 {
        self.cells.evicted()
    }
}

/// What is wrong with the way by which a cell reached the core: in words, whose it is, and how sure.
fn wrong(
    unit: UnitId,
    state: &UnitState,
    inner: Option<IpAddr>,
    cx: &Context<'_>,
) -> Option<(&'static str, Option<UnitId>, u8)> {
    let is_settled = state.session_at.is_none_or(|at| cx.now.since(at) > SETTLED);
    let is_watched = cx.world.watched(cx.now) > SETTLED;
    match (inner.map(|inner| cx.world.at_inner(inner)), &state.session) {
        (Some(Some(other)), _) if other == unit => None,
        (Some(Some(other)), _) => {
            // The address may have been this unit's until just now.
            let is_new = cx.world.unit(other)?.session_at.is_some_and(|at| cx.now.since(at) <= SETTLED);
            (!is_new).then_some(("its cell speaks from another unit's inner address", Some(other), 95))
        }
        _ if !is_settled || !is_watched => None,
        (Some(None), Some(_)) => Some(("its cell speaks from an inner address that no tunnel has", None, 80)),
        (Some(None) | None, None) => Some(("its unit has no tunnel here", None, 75)),
        (None, Some(_)) => None,
    }
}
