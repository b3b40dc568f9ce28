//! How long a packet may be on its way to a unit, so that none is fragmented outside: path MTU discovery
//! (RFC 1191, RFC 8201), as RFC 4301 §8.2 has it for tunnels.
//!
//! Over IPv4 ESP goes without DF, so that it arrives even where ICMP does not. What tells the MTU is a dummy
//! packet with DF, sent from time to time to the units that get long packets.

use ike::Path;
use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// What is known of one tunnel's way.
#[derive(Default)]
pub(crate) struct PathMtu {
    /// Octets of ESP in one datagram; `None` until it was looked at.
    datagram: Option<usize>,
    /// Long packets went out since the last look.
    is_used: bool,
    /// It stands in the [`PathMtuQueue`].
    is_queued: bool,
    looked: Option<Instant>,
    probed: Option<Instant>,
    told: Option<Instant>,
}

/// Tunnels that get long packets, by their turn to be looked at.
pub(crate) struct PathMtuQueue<T>(VecDeque<T>);

/// Tunnels that are looked at in a row: 512 x 5 us of system calls = 2.5 ms.
const LOOKS: usize = 512;

impl<T> Default for PathMtuQueue<T> {
    fn default() -> Self {
        Self(VecDeque::new())
    }
}

impl<T> PathMtuQueue<T> {
    /// A packet went to `tunnel`. If it was long, its turn comes.
    pub(crate) fn add(&mut self, tunnel: T, mtu: &mut PathMtu) {
        if mtu.is_used && !std::mem::replace(&mut mtu.is_queued, true) {
            self.0.push_back(tunnel);
        }
    }

    /// Whose turn it is.
    pub(crate) fn next(&mut self) -> Vec<T> {
        self.0.drain(..self.0.len().min(LOOKS)).collect()
    }

    /// It was looked at lately, or could not be: later, if it is in use.
    pub(crate) fn add_again(&mut self, tunnel: T, mtu: &mut PathMtu) {
        mtu.is_queued = false;
        self.add(tunnel, mtu);
    }
}

/// Shorter ESP than this passes everywhere: the least that an IPv4 path need carry in practice (RFC 791), less
/// its headers and those of UDP.
const LEAST_V4: usize = 576 - V4_UDP;
/// The same for IPv6 (RFC 8200 §5).
const LEAST_V6: usize = 1280 - V6_UDP;
const V4_UDP: usize = 20 + 8;
const V6_UDP: usize = 40 + 8;

/// How often the way of a tunnel in use is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// How often it is probed: the kernel forgets what routers said after 10 min (net.ipv4.route.mtu_expires).
const PROBE_EVERY: Duration = Duration::from_secs(300);
/// The sender of packets that are too long is told so often at most (RFC 1812 §4.3.2.8).
const TELL_EVERY: Duration = Duration::from_millis(10);

impl PathMtu {
    /// Octets of ESP that go as one, if known.
    pub(crate) fn datagram(&self) -> Option<usize> {
        self.datagram
    }

    /// ESP of so many octets goes out.
    pub(crate) fn uses(&mut self, octets: usize) {
        self.is_used |= octets > LEAST_V4;
    }

    /// Whether it is time to look: [`Self::found`] comes next.
    pub(crate) fn is_due(&self, now: Instant) -> bool {
        let rests = |since: Option<Instant>, time| since.is_some_and(|at| now.duration_since(at) < time);
        // The answer to a probe is awaited by the next look, whenever that is.
        self.is_used && (self.looked <= self.probed || !rests(self.looked, LOOK_EVERY))
    }

    /// `mtu`: of the path, octets of IP packet. Returns how long a probe should be, if one is due: octets of
    /// ESP.
    pub(crate) fn found(&mut self, path: &Path, mtu: usize, now: Instant) -> Option<usize> {
        let datagram = if path.peer.is_ipv4() {
            mtu.saturating_sub(V4_UDP).max(LEAST_V4)
        } else {
            mtu.saturating_sub(V6_UDP).max(LEAST_V6)
        };
        (self.datagram, self.looked) = (Some(datagram), Some(now));
        (self.is_used, self.is_queued) = (false, false);
        let is_due = self.probed.is_none_or(|at| now.duration_since(at) >= PROBE_EVERY);
        if is_due {
            self.probed = Some(now);
        }
        // Over IPv6 every long packet is a probe.
        (is_due && path.peer.is_ipv4()).then_some(datagram)
    }

    /// Whether the sender of a packet that is too long is to be told.
    pub(crate) fn may_tell(&mut self, now: Instant) -> bool {
        let may = self.told.is_none_or(|at| now.duration_since(at) >= TELL_EVERY);
        if may {
            self.told = Some(now);
        }
        may
    }
}
