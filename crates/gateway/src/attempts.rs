//! What a unit tries against others, as it is told: packets with another's inner source address, and packets for
//! other units.

use crate::{cause::Cause, shard::Notice};
use esp::Dropped;
use ike::IkeSaId;
use std::{
    net::IpAddr,
    time::{Duration, Instant},
};

/// At most one [`Notice::Spoofed`] and one [`Notice::Lateral`] for a session in this time.
const TELL_EVERY: Duration = Duration::from_secs(60);

/// The attempts of one tunnel that has made some.
#[derive(Default)]
pub(crate) struct Attempts {
    spoofed: Untold,
    lateral: Untold,
    /// Where the last packet for another unit was to go.
    lateral_to: Option<IpAddr>,
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

    /// What there is to tell by now.
    pub(crate) fn tell(&mut self, sa: IkeSaId, now: Instant) -> [Option<Notice>; 2] {
        let spoofed = self.spoofed.take(now);
        let lateral = self.lateral.take(now).zip(self.lateral_to);
        [
            spoofed.map(|packets| Notice::Spoofed { sa, packets }),
            lateral.map(|(packets, to)| Notice::Lateral { sa, packets, to }),
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
