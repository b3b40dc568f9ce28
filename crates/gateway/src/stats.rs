use crate::{sessions::Amount, spread::Spread};
use std::{
    collections::BTreeMap,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
};

/// Plain counters since start, and sizes as of now.
#[derive(Clone, Debug, Default)]
pub struct Stats {
    /// The IKE responder's.
    pub ike: ike::Stats,
    /// Sessions, now.
    pub sessions: usize,
    /// Contests that run, now.
    pub contests: usize,
    /// Inner packets from units, passed on.
    pub uplink: Amount,
    /// Inner packets to units.
    pub downlink: Amount,
    /// NAT-keepalives received.
    pub keepalives: u64,
    /// Packets dropped, by direction and cause.
    pub drops: BTreeMap<(&'static str, &'static str), u64>,
    /// Claims answered with silence because the registrar had no room.
    pub claims_dropped: u64,
    /// Refusals before authentication that no event tells of.
    pub refusals_untold: u64,
    /// IKE datagrams that the socket did not take.
    pub ike_not_sent: u64,
    /// Datagrams that found the receive buffer of the IKE port full.
    pub ike_overflowed: u64,
    /// Attaches by outcome: `admitted`, `contested`, `quarantined`, and reason codes of refusals and silences.
    pub attaches: BTreeMap<&'static str, u64>,
    /// Ended sessions by reason code.
    pub closed: BTreeMap<&'static str, u64>,
    /// Sessions in quarantine, now.
    pub quarantined: usize,
    /// Sessions that were to be quarantined: `begun`, and `full` where there was no quarantine or no place in it.
    pub quarantines: BTreeMap<&'static str, u64>,
    /// Orders to management systems by what is concluded here: what was ordered, and what became of it.
    pub management_orders: BTreeMap<&'static str, u64>,
    /// Contests by outcome.
    pub contests_settled: BTreeMap<&'static str, u64>,
    /// Commits of the registrar to the ledger, and claims in them.
    pub batches: u64,
    /// Claims judged.
    pub claims_judged: u64,
    /// From a claim's arrival at the registrar until it was told what became of it: how many took at most so many
    /// microseconds, and longer than the step before.
    pub claim_times: Vec<(u64, u64)>,
}

/// What the IKE thread publishes.
#[derive(Default)]
pub(crate) struct Control {
    ike: Mutex<(ike::Stats, usize)>,
    claims_dropped: AtomicU64,
    refusals_untold: AtomicU64,
    not_sent: AtomicU64,
    overflowed: AtomicU64,
}

impl Control {
    pub(crate) fn publish(&self, ike: &ike::Stats, contests: usize) {
        let mut published = self.ike.lock().unwrap_or_else(PoisonError::into_inner);
        published.0.clone_from(ike);
        published.1 = contests;
    }

    pub(crate) fn claim_dropped(&self) {
        self.claims_dropped.fetch_add(1, Relaxed);
    }

    pub(crate) fn refusal_untold(&self) {
        self.refusals_untold.fetch_add(1, Relaxed);
    }

    pub(crate) fn not_sent(&self) {
        self.not_sent.fetch_add(1, Relaxed);
    }

    pub(crate) fn overflowed(&self, datagrams: u64) {
        self.overflowed.fetch_add(datagrams, Relaxed);
    }

    pub(crate) fn fill(&self, stats: &mut Stats) {
        let published = self.ike.lock().unwrap_or_else(PoisonError::into_inner).clone();
        (stats.ike, stats.contests) = published;
        stats.claims_dropped = self.claims_dropped.load(Relaxed);
        stats.refusals_untold = self.refusals_untold.load(Relaxed);
        stats.ike_not_sent = self.not_sent.load(Relaxed);
        stats.ike_overflowed = self.overflowed.load(Relaxed);
    }
}

/// Counts by code. One writer, read by anyone.
#[derive(Default)]
pub(crate) struct Tally(Mutex<BTreeMap<&'static str, u64>>);

impl Tally {
    pub(crate) fn count(&self, code: &'static str) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(code).or_default() += 1;
    }

    pub(crate) fn view(&self) -> BTreeMap<&'static str, u64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// What the registrar counts.
#[derive(Default)]
pub(crate) struct Tallies {
    pub(crate) attaches: Tally,
    pub(crate) closed: Tally,
    pub(crate) settled: Tally,
    pub(crate) quarantines: Tally,
    pub(crate) orders: Tally,
    quarantined: AtomicUsize,
    batches: AtomicU64,
    claims: AtomicU64,
    pub(crate) times: Spread,
}

impl Tallies {
    pub(crate) fn batch(&self, claims: usize) {
        self.batches.fetch_add(1, Relaxed);
        self.claims.fetch_add(claims as u64, Relaxed);
    }

    pub(crate) fn in_quarantine(&self, sessions: usize) {
        self.quarantined.store(sessions, Relaxed);
    }

    pub(crate) fn fill(&self, stats: &mut Stats) {
        stats.quarantines = self.quarantines.view();
        stats.management_orders = self.orders.view();
        stats.quarantined = self.quarantined.load(Relaxed);
        stats.attaches = self.attaches.view();
        stats.closed = self.closed.view();
        stats.contests_settled = self.settled.view();
        stats.batches = self.batches.load(Relaxed);
        stats.claims_judged = self.claims.load(Relaxed);
        stats.claim_times = self.times.view();
    }
}
