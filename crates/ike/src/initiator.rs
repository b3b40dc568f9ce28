use crate::{
    IkeSaId, InitiatorConfig, Output, Path, Peer, Refusal, Ticket, Timer, crypto::CryptoProvider,
    output::Outputs,
};
use ids::Spi;
use std::{sync::Arc, time::Instant};

/// How an [`Initiator`] re-authenticates (RFC 7296 §2.8.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reauthentication {
    /// The old IKE SA is deleted, then a new one begun.
    BreakBeforeMake,
    /// The new IKE SA is established, then the old one deleted.
    MakeBeforeBreak,
}

/// A femtocell's side of IKEv2: one gateway, no I/O. Same contract as [`Responder`](crate::Responder).
pub struct Initiator {
    _config: Arc<InitiatorConfig>,
    _crypto: Arc<dyn CryptoProvider>,
    outputs: Outputs,
}

impl Initiator {
    /// An initiator that has not begun yet.
    pub fn new(config: InitiatorConfig, crypto: Arc<dyn CryptoProvider>, now: Instant) -> Self {
        let _ = now;
        Self { _config: Arc::new(config), _crypto: crypto, outputs: Outputs::default() }
    }

    /// Begins IKE_SA_INIT, unless an attempt is under way. Ends in
    /// [`Event::Connected`](crate::Event::Connected) or
    /// [`Event::ConnectFailed`](crate::Event::ConnectFailed).
    pub fn connect(&mut self, now: Instant) {
        let _ = now;
    }

    /// One IKE datagram, without non-ESP marker, from anyone.
    pub fn handle_datagram(&mut self, path: Path, bytes: &[u8], now: Instant) {
        let _ = (path, bytes, now);
    }

    /// The answer to [`Output::AskPeer`], here about the gateway.
    pub fn handle_peer(&mut self, ticket: Ticket, peer: Result<Peer, Refusal>, now: Instant) {
        let _ = (ticket, peer, now);
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

    /// The IKE SA in use.
    pub fn ike_sa(&self) -> Option<IkeSaId> {
        None
    }

    /// Another attach under the same identity, in place of the present one.
    pub fn reauthenticate(&mut self, how: Reauthentication, now: Instant) {
        let _ = (how, now);
    }

    /// Asks for a further CHILD SA with the same selectors.
    pub fn create_child_sa(&mut self, now: Instant) {
        let _ = now;
    }

    /// Renews the CHILD SA that receives on `spi_in`.
    pub fn rekey_child_sa(&mut self, spi_in: Spi, now: Instant) {
        let _ = (spi_in, now);
    }

    /// Renews the IKE SA.
    pub fn rekey_ike_sa(&mut self, now: Instant) {
        let _ = now;
    }

    /// Deletes one CHILD SA.
    pub fn delete_child_sa(&mut self, spi_in: Spi, now: Instant) {
        let _ = (spi_in, now);
    }

    /// Asks the gateway whether it lives, as [`Responder::probe`](crate::Responder::probe) does.
    pub fn probe(&mut self, now: Instant) {
        let _ = now;
    }

    /// Fresh authenticated ESP came in.
    pub fn heard(&mut self, now: Instant) {
        let _ = now;
    }

    /// Moves to other local addresses, as a NAT or a new lease does to a unit that does not notice:
    /// nothing is said, the next messages just come from there.
    pub fn rebind(&mut self, path: Path, natt_path: Path) {
        let _ = (path, natt_path);
    }

    /// Deletes the IKE SA and gives up any attempt.
    pub fn close(&mut self, now: Instant) {
        let _ = now;
    }
}
