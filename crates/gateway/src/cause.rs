use esp::{Barred, Dropped, Unsealed};
use std::sync::{
    OnceLock,
    atomic::{AtomicU64, Ordering::Relaxed},
};

/// Why the data thread dropped a packet. Each has a counter for the gateway, and one for the session
/// where there is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    /// ESP, but what came in is no good.
    Inbound(Dropped),
    /// ESP with an SPI that nothing listens to.
    UnknownSpi,
    /// From a unit whose tunnel is not open: a second claim that is still being settled, or a unit on hold.
    UplinkBlocked,
    /// For a unit whose tunnel is not open.
    DownlinkBlocked,
    /// From a unit, but nothing that it may reach, or with headers that nobody may send.
    Uplink(Barred),
    /// For a unit, but from nowhere that it may reach, or with headers that nobody may send.
    Downlink(Barred),
    /// From a place where the unit has not proven to be, though it was asked there.
    UnprovenPath,
    /// From one unit for another (TS 33.320 clause 4.4.3 filters), and the two are no pair.
    Lateral,
    /// From the core, but with an inner address of a unit as its source.
    FromPool,
    /// From the core, but for no unit here.
    NoTunnel,
    /// For a unit that has no CHILD SA for it.
    NoChildSa,
    /// For a unit, but not sealed.
    Outbound(Unsealed),
    /// For a unit, and too long for the way to it: its sender was told.
    TooBig,
    /// A datagram that found the receive buffer of the NAT-T port full.
    ReceiveBufferFull,
    /// A datagram too short for anything.
    Runt,
    /// IKE on the NAT-T port while the IKE thread had no room.
    IkeQueueFull,
    /// IKE_SA_INIT on the NAT-T port while the IKE thread had half of its room left, which is for others.
    InitQueueFull,
    /// The socket did not take it.
    NotSent,
    /// The core had no room for it.
    CoreFull,
    /// The core handed over what is no whole packet.
    CoreUnfit,
    /// It came in on another shard's side, and that shard had no room for it.
    ShardFull,
}

const INBOUND: usize = Dropped::ALL.len();
const OUTBOUND: [Unsealed; 4] =
    [Unsealed::SequenceExhausted, Unsealed::InnerMalformed, Unsealed::OutsideSelectors, Unsealed::Crypto];
const REST: [Cause; 17] = [
    Cause::UnknownSpi,
    Cause::UplinkBlocked,
    Cause::DownlinkBlocked,
    Cause::UnprovenPath,
    Cause::Lateral,
    Cause::FromPool,
    Cause::NoTunnel,
    Cause::NoChildSa,
    Cause::TooBig,
    Cause::ReceiveBufferFull,
    Cause::Runt,
    Cause::IkeQueueFull,
    Cause::InitQueueFull,
    Cause::NotSent,
    Cause::CoreFull,
    Cause::CoreUnfit,
    Cause::ShardFull,
];
const BARRED: usize = Barred::ALL.len();
/// Where each group begins.
const UPLINK: usize = INBOUND + OUTBOUND.len();
const DOWNLINK: usize = UPLINK + BARRED;
const OTHER: usize = DOWNLINK + BARRED;
const COUNT: usize = OTHER + REST.len();

impl Cause {
    /// Every cause.
    pub fn all() -> impl Iterator<Item = Self> {
        let inbound = Dropped::ALL.into_iter().map(Self::Inbound);
        let outbound = OUTBOUND.into_iter().map(Self::Outbound);
        let (uplink, downlink) = (Barred::ALL.map(Self::Uplink), Barred::ALL.map(Self::Downlink));
        inbound.chain(outbound).chain(uplink).chain(downlink).chain(REST)
    }

    /// Metric labels: direction, and cause.
    pub fn labels(self) -> (&'static str, &'static str) {
        match self {
            Self::Inbound(dropped) => ("uplink", dropped.label()),
            Self::Outbound(unsealed) => ("downlink", unsealed.label()),
            Self::Uplink(barred) => ("uplink", barred.label()),
            Self::Downlink(barred) => ("downlink", barred.label()),
            Self::UnknownSpi => ("uplink", "unknown_spi"),
            Self::UplinkBlocked => ("uplink", "blocked"),
            Self::DownlinkBlocked => ("downlink", "blocked"),
            Self::UnprovenPath => ("uplink", "unproven_path"),
            Self::Lateral => ("uplink", "lateral"),
            Self::FromPool => ("downlink", "lateral"),
            Self::NoTunnel => ("downlink", "no_tunnel"),
            Self::NoChildSa => ("downlink", "no_child_sa"),
            Self::TooBig => ("downlink", "too_big"),
            Self::ReceiveBufferFull => ("uplink", "receive_buffer_full"),
            Self::Runt => ("uplink", "runt"),
            Self::IkeQueueFull => ("uplink", "ike_queue_full"),
            Self::InitQueueFull => ("uplink", "ike_init_queue_full"),
            Self::NotSent => ("downlink", "not_sent"),
            Self::CoreFull => ("uplink", "core_full"),
            Self::CoreUnfit => ("downlink", "core_unfit"),
            Self::ShardFull => ("downlink", "shard_full"),
        }
    }

    fn index(self) -> usize {
        match self {
            Self::Inbound(dropped) => dropped as usize,
            Self::Outbound(unsealed) => INBOUND + unsealed as usize,
            Self::Uplink(barred) => UPLINK + barred as usize,
            Self::Downlink(barred) => DOWNLINK + barred as usize,
            Self::UnknownSpi => OTHER,
            Self::UplinkBlocked => OTHER + 1,
            Self::DownlinkBlocked => OTHER + 2,
            Self::UnprovenPath => OTHER + 3,
            Self::Lateral => OTHER + 4,
            Self::FromPool => OTHER + 5,
            Self::NoTunnel => OTHER + 6,
            Self::NoChildSa => OTHER + 7,
            Self::TooBig => OTHER + 8,
            Self::ReceiveBufferFull => OTHER + 9,
            Self::Runt => OTHER + 10,
            Self::IkeQueueFull => OTHER + 11,
            Self::InitQueueFull => OTHER + 12,
            Self::NotSent => OTHER + 13,
            Self::CoreFull => OTHER + 14,
            Self::CoreUnfit => OTHER + 15,
            Self::ShardFull => OTHER + 16,
        }
    }
}

/// Drops by cause.
pub(crate) struct Drops([AtomicU64; COUNT]);

/// Drops by cause of one session; most have none, and take no room for them.
#[derive(Default)]
pub(crate) struct SessionDrops(OnceLock<Box<Drops>>);

impl Default for Drops {
    fn default() -> Self {
        Self(std::array::from_fn(|_| AtomicU64::new(0)))
    }
}

impl Drops {
    pub(crate) fn count(&self, cause: Cause) {
        self.add(cause, 1);
    }

    pub(crate) fn add(&self, cause: Cause, packets: usize) {
        if let Some(counter) = self.0.get(cause.index()).filter(|_| packets > 0) {
            counter.fetch_add(packets as u64, Relaxed);
        }
    }

    pub(crate) fn of(&self, cause: Cause) -> u64 {
        self.0.get(cause.index()).map_or(0, |counter| counter.load(Relaxed))
    }
}

impl SessionDrops {
    pub(crate) fn count(&self, cause: Cause) {
        self.0.get_or_init(Box::default).count(cause);
    }

    pub(crate) fn of(&self, cause: Cause) -> u64 {
        self.0.get().map_or(0, |drops| drops.of(cause))
    }

    /// Of every cause.
    pub(crate) fn total(&self) -> u64 {
        self.0.get().map_or(0, |drops| drops.0.iter().map(|counter| counter.load(Relaxed)).sum())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_cause_has_its_own_counter_and_labels() {
        let (indices, labels): (BTreeSet<_>, BTreeSet<_>) =
            Cause::all().map(|cause| (cause.index(), cause.labels())).unzip();
        assert_eq!((indices.len(), labels.len()), (COUNT, COUNT));
        assert_eq!(indices.last(), Some(&(COUNT - 1)));
        let (drops, session) = (Drops::default(), SessionDrops::default());
        drops.count(Cause::UplinkBlocked);
        session.count(Cause::UplinkBlocked);
        let counted = |cause| (drops.of(cause), session.of(cause));
        assert_eq!((counted(Cause::UplinkBlocked), counted(Cause::Lateral)), ((1, 1), (0, 0)));
    }
}
