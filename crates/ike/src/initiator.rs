use crate::{
    DeletedBy, IkeSaId, InitiatorConfig, Output, Path, Peer, Refusal, Stats, Ticket, Timer,
    attempt::{Attempt, Means},
    crypto::CryptoProvider,
    header::Header,
    ike_sa::{Context, IkeSa, Task},
    output::Outputs,
};
use ids::Spi;
use std::{collections::HashSet, sync::Arc, time::Instant};

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
    config: InitiatorConfig,
    crypto: Arc<dyn CryptoProvider>,
    /// Oldest first; more than one only while re-authenticating.
    attempts: Vec<Attempt>,
    connect_after: bool,
    next_id: u64,
    esp_spis: HashSet<Spi>,
    outputs: Outputs,
    stats: Stats,
    /// When something was last sent, for NAT-keepalives.
    last_sent: Instant,
}

impl Initiator {
    /// An initiator that has not begun yet.
    pub fn new(config: InitiatorConfig, crypto: Arc<dyn CryptoProvider>, now: Instant) -> Self {
        Self {
            config,
            crypto,
            attempts: Vec::new(),
            connect_after: false,
            next_id: 1,
            esp_spis: HashSet::new(),
            outputs: Outputs::default(),
            stats: Stats::default(),
            last_sent: now,
        }
    }

    /// Begins IKE_SA_INIT, unless an attempt is under way. Ends in
    /// [`Event::Connected`](crate::Event::Connected) or
    /// [`Event::ConnectFailed`](crate::Event::ConnectFailed).
    pub fn connect(&mut self, now: Instant) {
        if self.attempts.is_empty() {
            self.begin(now);
        }
    }

    fn begin(&mut self, now: Instant) {
        let id = IkeSaId(self.next_id);
        self.next_id += 1;
        let attempt = Attempt::begin(id, &mut self.means(now).1);
        self.attempts.push(attempt);
        self.tidy(now);
    }

    /// The attempts, and what they work with.
    fn means(&mut self, now: Instant) -> (&mut Vec<Attempt>, Means<'_>) {
        let means = Means {
            config: &self.config,
            paths: (self.config.path, self.config.natt_path),
            crypto: &*self.crypto,
            esp_spis: &mut self.esp_spis,
            out: &mut self.outputs,
            stats: &mut self.stats,
            now,
        };
        (&mut self.attempts, means)
    }

    /// Forgets what is over, and goes on with a re-authentication.
    fn tidy(&mut self, now: Instant) {
        self.attempts.retain(|attempt| !attempt.is_over());
        if self.attempts.is_empty() && std::mem::take(&mut self.connect_after) {
            return self.begin(now);
        }
        let newest_stands = self.attempts.last().is_some_and(Attempt::is_established);
        if self.attempts.len() > 1 && newest_stands {
            let (attempts, mut means) = self.means(now);
            let older = attempts.len() - 1;
            for attempt in attempts.iter_mut().take(older).filter(|attempt| !attempt.is_closing()) {
                attempt.close(DeletedBy::Reauthenticated, &mut means);
            }
        }
    }

    /// One IKE datagram, without non-ESP marker, from anyone.
    pub fn handle_datagram(&mut self, _path: Path, bytes: &[u8], now: Instant) {
        let Ok(header) = Header::parse(bytes) else { return };
        let natt_path = self.config.natt_path;
        let (attempts, mut means) = self.means(now);
        if let Some(attempt) = attempts.iter_mut().find(|attempt| attempt.owns(&header)) {
            attempt.handle_datagram(&header, natt_path, bytes, &mut means);
        }
        self.tidy(now);
    }

    /// The answer to [`Output::AskPeer`], here about the gateway.
    pub fn handle_peer(&mut self, ticket: Ticket, peer: Result<Peer, Refusal>, now: Instant) {
        let (attempts, mut means) = self.means(now);
        attempts.iter_mut().for_each(|attempt| attempt.handle_peer(ticket, peer.clone(), &mut means));
        self.tidy(now);
    }

    /// Does what is due; harmless when nothing is.
    pub fn handle_timeout(&mut self, now: Instant) {
        let (attempts, mut means) = self.means(now);
        attempts.iter_mut().for_each(|attempt| attempt.handle_timeout(&mut means));
        if self.keepalive_at().is_some_and(|at| at <= now) {
            self.last_sent = now;
            self.outputs.push(Output::Keepalive { path: self.config.natt_path });
        }
        self.tidy(now);
    }

    fn keepalive_at(&self) -> Option<Instant> {
        let wanted = self.ike_sa().is_some() && !self.config.keepalive.is_zero();
        wanted.then(|| self.last_sent + self.config.keepalive)
    }

    /// The next thing to do for the caller.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop()
    }

    /// When [`Self::handle_timeout`] is to be called, and why.
    pub fn poll_timeout(&self) -> Option<(Instant, Timer)> {
        let attempts = self.attempts.iter().filter_map(|attempt| attempt.next_timeout(&self.config.times));
        let attempts = attempts.map(|at| (at, Timer::IkeSa));
        attempts.chain(self.keepalive_at().map(|at| (at, Timer::Keepalive))).min()
    }

    /// The IKE SA in use.
    pub fn ike_sa(&self) -> Option<IkeSaId> {
        self.attempts.iter().rev().find(|attempt| attempt.is_established()).map(|attempt| attempt.id)
    }

    /// Another attach under the same identity, in place of the present one.
    pub fn reauthenticate(&mut self, how: Reauthentication, now: Instant) {
        match how {
            Reauthentication::MakeBeforeBreak => self.begin(now),
            Reauthentication::BreakBeforeMake => {
                self.connect_after = true;
                self.close_all(DeletedBy::Reauthenticated, now);
            }
        }
    }

    fn close_all(&mut self, by: DeletedBy, now: Instant) {
        let (attempts, mut means) = self.means(now);
        attempts.iter_mut().for_each(|attempt| attempt.close(by, &mut means));
        self.tidy(now);
    }

    fn with_sa(&mut self, now: Instant, step: impl FnOnce(&mut IkeSa, &mut Context<'_>)) {
        let (attempts, mut means) = self.means(now);
        if let Some(attempt) = attempts.iter_mut().rev().find(|attempt| attempt.is_established()) {
            attempt.with_sa(&mut means, step);
        }
        self.tidy(now);
    }

    /// Asks for a further CHILD SA with the same selectors.
    pub fn create_child_sa(&mut self, now: Instant) {
        self.with_sa(now, |sa, cx| sa.add_task(Task::CreateChild, cx));
    }

    /// Renews the CHILD SA that receives on `spi_in`.
    pub fn rekey_child_sa(&mut self, spi_in: Spi, now: Instant) {
        self.with_sa(now, |sa, cx| sa.add_task(Task::RekeyChild(spi_in), cx));
    }

    /// Renews the IKE SA.
    pub fn rekey_ike_sa(&mut self, now: Instant) {
        self.with_sa(now, |sa, cx| sa.add_task(Task::RekeyIke, cx));
    }

    /// Deletes one CHILD SA.
    pub fn delete_child_sa(&mut self, spi_in: Spi, now: Instant) {
        self.with_sa(now, |sa, cx| sa.add_task(Task::DeleteChild(spi_in), cx));
    }

    /// Asks the gateway whether it lives, as [`Responder::probe`](crate::Responder::probe) does.
    pub fn probe(&mut self, now: Instant) {
        self.with_sa(now, |sa, cx| sa.probe(cx));
    }

    /// Fresh authenticated ESP came in.
    pub fn heard(&mut self, now: Instant) {
        self.with_sa(now, |sa, cx| sa.heard(cx));
    }

    /// Moves to other local addresses, as a NAT or a new lease does to a unit that does not notice:
    /// nothing is said, the next messages just come from there.
    pub fn rebind(&mut self, path: Path, natt_path: Path) {
        self.config.path = path;
        self.config.natt_path = natt_path;
        self.attempts.iter_mut().for_each(|attempt| attempt.rebind(natt_path));
    }

    /// Deletes the IKE SA and gives up any attempt.
    pub fn close(&mut self, now: Instant) {
        self.close_all(DeletedBy::Us, now);
    }
}
