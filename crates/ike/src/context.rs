use crate::{Stats, SuitePolicy, config::SaTimes, crypto::CryptoProvider, output::Outputs, spis::Spis};
use std::time::{Duration, Instant};

/// What a step of any state machine may use: time, randomness, configuration, and where its outputs go.
pub(crate) struct Context<'a> {
    pub(crate) now: Instant,
    pub(crate) crypto: &'a dyn CryptoProvider,
    pub(crate) suites: &'a SuitePolicy,
    pub(crate) times: &'a SaTimes,
    pub(crate) out: &'a mut Outputs,
    pub(crate) stats: &'a mut Stats,
    pub(crate) spis: &'a mut Spis,
    /// What a peer sent may have been lost on our side: its silence says nothing now.
    pub(crate) is_deaf: bool,
}

/// A span that no clock here outlives; what is further away counts as this.
const FOR_GOOD: Duration = Duration::from_secs(100 * 365 * 86_400);

impl Context<'_> {
    /// So long from now, be it until the year 9999 or later.
    pub(crate) fn after(&self, span: Duration) -> Instant {
        self.now + span.min(FOR_GOOD)
    }

    /// `length` random octets.
    pub(crate) fn random(&self, length: usize) -> Vec<u8> {
        let mut octets = vec![0; length];
        self.crypto.random(&mut octets);
        octets
    }

    /// `time` from now, less up to a tenth at random, so that both sides and many units do not act at
    /// the same moment.
    pub(crate) fn jittered(&self, time: Duration) -> Instant {
        let mut octets = [0; 2];
        self.crypto.random(&mut octets);
        self.now + time - time / 10 * u32::from(u16::from_be_bytes(octets)) / u32::from(u16::MAX)
    }
}
