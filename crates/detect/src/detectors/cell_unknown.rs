use super::{Detector, pace::Pace};
use crate::{
    about::{About, Benign, Memory, Threshold},
    few::Few,
    keyed::{Entry, Keyed},
    seen::{Context, Draft, RowId, Seen, What},
    world::CellId,
};
use serde::{Deserialize, Serialize};

/// A cell of the core's records that nobody registered.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct CellUnknown {
    cells: Keyed<CellId, State>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct State {
    first: Option<RowId>,
    handsets: Few<MANY>,
    pace: Pace,
}

const MANY: usize = 5;
const CELLS: usize = 65_536;

impl Default for CellUnknown {
    fn default() -> Self {
        Self { cells: Keyed::new(CELLS) }
    }
}

impl Detector for CellUnknown {
    const ABOUT: About = About {
        id: "cell_unknown",
        version: 1,
        sees: "an access record of a cell that is neither a unit's by the ledger nor in the plan of macro cells; at the first record, and each day again",
        benign: &[
            Benign {
                cause: "a new macro cell that the plan does not have yet",
                told: "by its inner address, where the records have one; otherwise not",
            },
            Benign {
                cause: "a unit whose cells nobody wrote into the ledger",
                told: "its tunnel is named: the inner address is that of a known unit",
            },
        ],
        clause: "the carrier of the case found 20 such cells in its records, in batch, 11 months after the first was used",
        thresholds: &[Threshold {
            name: "handsets",
            value: MANY as u64,
            unit: "handsets in all",
            why: "from so many on a mistyped record is no explanation: confidence 85 instead of 70",
        }],
        memory: Memory { per: "cell", keys: CELLS, octets: Keyed::<CellId, State>::OCTETS },
    };

    fn see(&mut self, seen: &Seen<'_>, cx: &mut Context<'_>) {
        let What::Access { row, cell, is_macro, .. } = seen.what else { return };
        if is_macro || cx.world.unit_of(cell).is_some() {
            return;
        }
        let carrier = row.inner.and_then(|inner| cx.world.at_inner(inner));
        let can_tell = cx.world.knows_units() && (cx.world.knows_plan() || carrier.is_some());
        if !can_tell {
            return;
        }
        let Entry { partial, state, .. } = self.cells.touch(cell, cx.now);
        state.handsets.add(row.subscriber);
        let first = *state.first.get_or_insert(seen.row);
        if !state.pace.may(cx.now) {
            return;
        }
        let (confidence, through) = match (carrier, state.handsets.len()) {
            (Some(_), _) => (95, ", through the tunnel of a known unit"),
            (None, MANY..) => (85, ""),
            (None, _) => (70, ""),
        };
        let (partial, handsets) = (*partial, state.handsets.len());
        let Some(key) = cx.cell(cell) else { return };
        let what = format!("a handset at a cell that nobody registered{through}");
        let mut rows = vec![seen.row, first];
        rows.dedup();
        let units = carrier.into_iter().collect();
        let handsets = (handsets, vec![row.subscriber]);
        cx.find(Draft { key, what, rows, cells: vec![cell], units, handsets, confidence, partial });
    }

    fn evicted(&self) -> u64 {
        self.cells.evicted()
    }
}
