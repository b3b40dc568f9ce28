//! What a unit tries, or somebody with its keys, as it is told: packets with another's inner source address, packets
//! for other units, and packets from where the unit has not proven to be.

use crate::{cause::Cause, shard::Notice};
use esp::Dropped;
use ike::IkeSaId;
use std::{
    net::{IpAddr, SocketAddr},
    time::{Duration, Instant},
};

/// At most one notice of each kind for a session in this time.
const TELL_EVERY: Duration = Duration::from_secs(60);

/// The attempts of one tunnel that has made some.
#[derive(Default)]
pub(crate) struct Attempts {
    spoofed: Untold,
    lateral: Untold,
    /// Where the last packet for another unit was to go.
    lateral_to: Option<IpAddr>,
    unproven: Untold,
    /// Where the last packet from an unproven place came from.
    unproven_from: Option<SocketAddr>,
}

impl Attempts {
    /// Whether a packet dropped for `cause` is an attempt.
    pub(crate) fn are(cause: Cause) -> bool {
        matches!(cause, Cause::Lateral | Cause::Inbound(Dropped::SpoofedSource))
    }

    /// One more, for `destination`.
    pub(crate) fn see(&mut self, cause: Cause, destination: Option<IpAddr>) {
        if cause == Cause::Lateral {
            self.lateral.packets += 1;
            self.lateral_to = destination;
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
    pub(crate) fn tell(&mut self, sa: IkeSaId, now: Instant) -> [Option<Notice>; 3] {
        let spoofed = self.spoofed.take(now);
        let lateral = self.lateral.take(now).zip(self.lateral_to);
        let unproven = self.unproven.take(now).zip(self.unproven_from);
        [
            spoofed.map(|packets| Notice::Spoofed { sa, packets }),
            lateral.map(|(packets, to)| Notice::Lateral { sa, packets, to }),
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
    fn take(&mut self, now: Instant) -> Option<u64> {
        let lately = self.told.is_some_and(|told| now.duration_since(told) < TELL_EVERY);
        if self.packets == 0 || lately {
            return None;
        }
        self.told = Some(now);
        Some(std::mem::take(&mut self.packets))
    }
}
