//! What a unit tries, or somebody with its keys, as it is told: packets with another's inner source address, packets
//! for other units, packets for what it may not reach, and packets from where it has not proven to be.

use crate::{cause::Cause, shard::Notice};
use esp::{Barred, Destination, Dropped};
use ike::IkeSaId;
use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

/// At most one notice of each kind for a session in this time.
const TELL_EVERY: Duration = Duration::from_secs(60);
/// The same for what is out of reach: where a class lacks a destination, all its units go on asking for it.
const TELL_OUT_OF_REACH_EVERY: Duration = Duration::from_secs(3600);

/// The attempts of one tunnel that has made some.
#[derive(Default)]
pub(crate) struct Attempts {
    spoofed: Untold,
    lateral: Untold,
    /// Where the last packet for another unit was to go.
    lateral_to: Option<Destination>,
    out_of_reach: Untold,
    /// Where the last packet for what it may not reach was to go.
    out_of_reach_to: Option<Destination>,
    unproven: Untold,
    /// Where the last packet from an unproven place came from.
    unproven_from: Option<SocketAddr>,
}

const SPOOFED: Cause = Cause::Inbound(Dropped::SpoofedSource);
const OUT_OF_REACH: Cause = Cause::Uplink(Barred::OutOfReach);

impl Attempts {
    /// Whether a packet dropped for `cause` is an attempt.
    pub(crate) fn are(cause: Cause) -> bool {
        cause == Cause::Lateral || cause == SPOOFED || cause == OUT_OF_REACH
    }

    /// One more, for `to`.
    pub(crate) fn see(&mut self, cause: Cause, to: Option<Destination>) {
        if cause == Cause::Lateral {
            self.lateral.packets += 1;
            self.lateral_to = to;
        } else if cause == OUT_OF_REACH {
            self.out_of_reach.packets += 1;
            self.out_of_reach_to = to;
        } else {
            self.spoofed.packets += 1;
        }
    }

    /// One more, from where the unit has not proven to be.
    pub(crate) fn see_unproven(&mut self, from: SocketAddr) {
        self.unproven.packets += 1;
        self.unproven_from = Some(from);
    }

    /// What there is to tell by now.
    pub(crate) fn tell(&mut self, sa: IkeSaId, now: Instant) -> [Option<Notice>; 4] {
        let spoofed = self.spoofed.take(now, TELL_EVERY);
        let lateral = self.lateral.take(now, TELL_EVERY).zip(self.lateral_to);
        let out_of_reach = self.out_of_reach.take(now, TELL_OUT_OF_REACH_EVERY).zip(self.out_of_reach_to);
        let unproven = self.unproven.take(now, TELL_EVERY).zip(self.unproven_from);
        [
            spoofed.map(|packets| Notice::Spoofed { sa, packets }),
            lateral.map(|(packets, to)| Notice::Lateral { sa, packets, to }),
            out_of_reach.map(|(packets, to)| Notice::OutOfReach { sa, packets, to }),
            unproven.map(|(packets, from)| Notice::Unproven { sa, packets, from }),
        ]
    }
}

/// Packets that were not told yet.
#[derive(Default)]
struct Untold {
    packets: u64,
    told: Option<Instant>,
}

impl Untold {
    fn take(&mut self, now: Instant, every: Duration) -> Option<u64> {
        let lately = self.told.is_some_and(|told| now.duration_since(told) < every);
        if self.packets == 0 || lately {
            return None;
        }
        self.told = Some(now);
        Some(std::mem::take(&mut self.packets))
    }
}
