use crate::{
    Admission, IkeSaId, Output, Path, Peer, Refusal, ResponderConfig, Stats, Ticket, Timer,
    crypto::CryptoProvider, output::Outputs,
};
use ids::Spi;
use std::{sync::Arc, time::Instant};

/// The gateway's side of IKEv2: many peers, no I/O.
///
/// The contract: hand in one input, drain [`Self::poll_output`] to `None`, sleep until
/// [`Self::poll_timeout`] or the next input. `now` never goes back.
pub struct Responder {
    _config: Arc<ResponderConfig>,
    _crypto: Arc<dyn CryptoProvider>,
    outputs: Outputs,
    stats: Stats,
}

impl Responder {
    /// A responder without any IKE SA.
    pub fn new(config: ResponderConfig, crypto: Arc<dyn CryptoProvider>, now: Instant) -> Self {
        let _ = now;
        Self {
            _config: Arc::new(config),
            _crypto: crypto,
            outputs: Outputs::default(),
            stats: Stats::default(),
        }
    }

    /// Takes another configuration for everything that begins from now on.
    pub fn reconfigure(&mut self, config: ResponderConfig) {
        self._config = Arc::new(config);
    }

    /// One IKE datagram, without non-ESP marker, from anyone.
    pub fn handle_datagram(&mut self, path: Path, bytes: &[u8], now: Instant) {
        let _ = (path, bytes, now);
    }

    /// The answer to [`Output::AskPeer`].
    pub fn handle_peer(&mut self, ticket: Ticket, peer: Result<Peer, Refusal>, now: Instant) {
        let _ = (ticket, peer, now);
    }

    /// The answer to [`Output::AskAdmission`].
    pub fn handle_admission(&mut self, ticket: Ticket, answer: Admission, now: Instant) {
        let _ = (ticket, answer, now);
    }

    /// Does what is due; harmless when nothing is.
    pub fn handle_timeout(&mut self, now: Instant) {
        let _ = now;
    }

    /// The next thing to do for the caller.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop()
    }

    /// When [`Self::handle_timeout`] is to be called, and why.
    pub fn poll_timeout(&self) -> Option<(Instant, Timer)> {
        None
    }

    /// Asks the peer whether it lives: an empty INFORMATIONAL, sent at most 3 times. Within 6 s comes
    /// [`Event::ProbeAnswered`](crate::Event::ProbeAnswered) or
    /// [`Event::ProbeSilent`](crate::Event::ProbeSilent), unless the SA ends first. An unknown `sa` is
    /// silent at once.
    pub fn probe(&mut self, sa: IkeSaId, now: Instant) {
        let _ = (sa, now);
    }

    /// Ends a tunnel: its CHILD SAs are removed at once, the peer is told, and the state is gone after
    /// its answer or all retransmissions.
    pub fn delete(&mut self, sa: IkeSaId, now: Instant) {
        let _ = (sa, now);
    }

    /// Renews the CHILD SA that receives on `spi_in`, for instance because of its volume.
    pub fn rekey_child_sa(&mut self, sa: IkeSaId, spi_in: Spi, now: Instant) {
        let _ = (sa, spi_in, now);
    }

    /// Renews the IKE SA.
    pub fn rekey_ike_sa(&mut self, sa: IkeSaId, now: Instant) {
        let _ = (sa, now);
    }

    /// Fresh authenticated ESP came in: the peer need not be asked whether it lives.
    pub fn heard(&mut self, sa: IkeSaId, now: Instant) {
        let _ = (sa, now);
    }

    /// Counters by cause.
    pub fn stats(&self) -> &Stats {
        &self.stats
    }
}
