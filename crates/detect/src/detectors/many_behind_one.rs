use super::{Detector, pace::Pace};
use crate::{
    about::{About, Benign, Memory, Threshold},
    finding::Subject,
    keyed::{Entry, Hashed, Key, Keyed},
    ledger_change::{Session, Unit},
    seen::{Context, Draft, RowId, Seen, What},
    world::UnitId,
};
use ids::SourceClass;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// Several units, each away from its own line, speak from one outer address: one box with many identities.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ManyBehindOne {
    addresses: Keyed<IpAddr, State>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct State {
    units: Vec<(UnitId, RowId)>,
    pace: Pace,
}

const ADDRESSES: usize = 65_536;
const UNITS: usize = 3;
/// More of one address are not told apart.
const MOST: usize = 16;

impl Key for IpAddr {
    type Index = Hashed<Self>;

    fn number(self) -> u64 {
        match self {
            Self::V4(address) => address.to_bits().into(),
            Self::V6(address) => (address.to_bits() >> 64) as u64 ^ address.to_bits() as u64,
        }
    }
}

impl Default for ManyBehindOne {
    fn default() -> Self {
        Self { addresses: Keyed::new(ADDRESSES) }
    }
}

impl Detector for ManyBehindOne {
    const ABOUT: About = About {
        id: "many_behind_one",
        version: 1,
        sees: "units that have a tunnel at the same time from one outer address, each of them away from its own access line: on another's line, or in a mobile, foreign, hosting or other carrier's network",
        benign: &[
            Benign {
                cause: "a CGNAT of the carrier's own lines",
                told: "each is on its own line: not counted; an address whose line and network nobody knows is not counted either",
            },
            Benign {
                cause: "a depot or an installer's bench",
                told: "units with an order, and 8 h around it, are not counted",
            },
            Benign {
                cause: "an outage, and several customers behind one mobile network's CGNAT",
                told: "not told: confidence 50 where it is a mobile network",
            },
            Benign {
                cause: "a feed of lines that gives one line's address to another",
                told: "not told from it here; admission weighs the feed's mistakes",
            },
        ],
        clause: "in the case 7 of the 20 cell identities were of one box, behind pocket routers of mobile networks, and the source address was not looked at; admission sees each attach alone",
        thresholds: &[Threshold {
            name: "units",
            value: UNITS as u64,
            unit: "units at once",
            why: "two may be neighbours of whom one lends the other a line",
        }],
        memory: Memory {
            per: "outer address",
            keys: ADDRESSES,
            octets: Keyed::<IpAddr, State>::OCTETS + MOST * size_of::<(UnitId, RowId)>(),
        },
    };

    fn see(&mut self, seen: &Seen<'_>, cx: &mut Context<'_>) {
        let What::Session { unit, before } = seen.what else { return };
        if let Some(before) = before {
            self.leave(before.outer, unit);
        }
        let known = cx.world.unit(unit);
        let Some((session, row)) = known.and_then(|state| Some((state.session.as_ref()?, &state.unit)))
        else {
            return;
        };
        if is_away(session, row) && !cx.world.is_unit_booked(unit, cx.now) {
            self.come(session, unit, seen, cx);
        }
    }

    fn evicted(&self) -> u64 {
        self.addresses.evicted()
    }
}

impl ManyBehindOne {
    fn leave(&mut self, outer: IpAddr, unit: UnitId) {
        let Some(entry) = self.addresses.get_mut(outer) else { return };
        entry.state.units.retain(|(other, _)| *other != unit);
        if entry.state.units.is_empty() {
            self.addresses.remove(outer);
        }
    }

    fn come(&mut self, session: &Session, unit: UnitId, seen: &Seen<'_>, cx: &mut Context<'_>) {
        let Entry { partial, state, .. } = self.addresses.touch(session.outer, cx.now);
        state.units.retain(|(other, _)| *other != unit);
        if state.units.len() < MOST {
            state.units.push((unit, seen.row));
        }
        if state.units.len() < UNITS || !state.pace.may(cx.now) {
            return;
        }
        let (units, rows): (Vec<_>, Vec<_>) = state.units.iter().rev().copied().unzip();
        let (partial, network) = (*partial, session.class.map_or("a network", SourceClass::as_str));
        cx.find(Draft {
            key: Subject::Device(session.device),
            what: format!("{} units away from their lines behind one address, in {network}", units.len()),
            rows,
            cells: Vec::new(),
            units,
            handsets: (0, Vec::new()),
            confidence: if session.class == Some(SourceClass::Mobile) { 50 } else { 75 },
            partial,
        });
    }
}

/// Whether a session is known not to come from its unit's own line.
fn is_away(session: &Session, unit: &Unit) -> bool {
    match (&session.line, &unit.line, session.class) {
        (Some(line), Some(own), _) => line != own,
        (Some(_), None, _) | (None, _, None | Some(SourceClass::OwnFixed)) => false,
        (None, _, Some(SourceClass::OtherFixed | SourceClass::Mobile)) => true,
        (None, _, Some(SourceClass::Foreign | SourceClass::Hosting)) => true,
    }
}
