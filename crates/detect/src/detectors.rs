//! The detectors, one file each.

mod cell_unknown;
mod cell_without_tunnel;
mod expected_absent;
mod feed_gap;
mod handset_trail;
mod impossible_movement;
mod lost_unit_returns;
mod many_behind_one;
mod pace;
mod protection_lost;
mod regulars_replaced;
mod shared_handsets;
mod war_driving;

use crate::{
    about::About,
    finding::Finding,
    seen::{Context, Seen},
    timers::Timers,
    world::{CellId, World},
};
use ids::UnixTime;
use serde::{Deserialize, Serialize};

/// One thing that can be found.
trait Detector {
    /// What it says of itself.
    const ABOUT: About;

    /// Something happened. The world has what was before it, but for changes of the ledger, which it has already.
    fn see(&mut self, seen: &Seen<'_>, cx: &mut Context<'_>);

    /// A time has come that it asked for.
    fn timer(&mut self, _key: u64, _cx: &mut Context<'_>) {}

    /// Reads what a row of that cell will need, which comes soon; a unit may carry it.
    fn glance(&self, _cell: CellId, _world: &World) {}

    /// States that were evicted so far.
    fn evicted(&self) -> u64 {
        0
    }
}

macro_rules! detectors {
    ($($owner:literal $name:ident: $type:ty,)*) => {
        /// What each detector says of itself, in the order in which they are asked.
        pub const ABOUT: [&About; [$($owner),*].len()] = [$(&<$type as Detector>::ABOUT),*];

        /// All of them, with what they know.
        #[derive(Clone, Debug, Default, Serialize, Deserialize)]
        pub(crate) struct Detectors {
            $($name: $type,)*
        }

        impl Detectors {
            pub(crate) fn see(
                &mut self, seen: &Seen<'_>, world: &World, timers: &mut Timers, found: &mut Vec<Finding>,
            ) {
                let mut cx = Context { world, now: seen.at, owner: 0, about: ABOUT[0], timers, found };
                $(
                    (cx.owner, cx.about) = ($owner, ABOUT[$owner - 1]);
                    self.$name.see(seen, &mut cx);
                )*
            }

            pub(crate) fn timer(
                &mut self, owner: u8, key: u64, now: UnixTime, world: &World, timers: &mut Timers,
                found: &mut Vec<Finding>,
            ) {
                match owner {
                    $($owner => {
                        let about = ABOUT[$owner - 1];
                        self.$name.timer(key, &mut Context { world, now, owner, about, timers, found });
                    })*
                    _ => {}
                }
            }

            pub(crate) fn glance(&self, cell: CellId, world: &World) {
                $(self.$name.glance(cell, world);)*
            }

            pub(crate) fn evicted(&self) -> Vec<(&'static str, u64)> {
                vec![$((ABOUT[$owner - 1].id, self.$name.evicted())),*]
            }
        }
    };
}

detectors! {
    1 feed_gap: feed_gap::FeedGap,
    2 cell_unknown: cell_unknown::CellUnknown,
    3 cell_without_tunnel: cell_without_tunnel::CellWithoutTunnel,
    4 lost_unit_returns: lost_unit_returns::LostUnitReturns,
    5 impossible_movement: impossible_movement::ImpossibleMovement,
    6 handset_trail: handset_trail::HandsetTrail,
    7 war_driving: war_driving::WarDriving,
    8 protection_lost: protection_lost::ProtectionLost,
    9 expected_absent: expected_absent::ExpectedAbsent,
    10 shared_handsets: shared_handsets::SharedHandsets,
    11 many_behind_one: many_behind_one::ManyBehindOne,
    12 regulars_replaced: regulars_replaced::RegularsReplaced,
}
