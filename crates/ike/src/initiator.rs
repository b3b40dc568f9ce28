use crate::{
    ConnectFailure, DeletedBy, Event, Header, IkeSaId, InitiatorConfig, Output, Path, Peer, Reason, Refusal,
    Stats, Ticket, Timer,
    await_auth_answer::AwaitAuthAnswer,
    await_gateway::AwaitGateway,
    await_init_answer::AwaitInitAnswer,
    context::Context,
    crypto::CryptoProvider,
    ending::Ending,
    established::{Established, Fate, Want},
    output::Outputs,
    spis::Spis,
};
use ids::Spi;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

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
    config: Arc<InitiatorConfig>,
    crypto: Arc<dyn CryptoProvider>,
    out: Outputs,
    stats: Stats,
    spis: Spis,
    attempt: Option<Attempt>,
    tunnel: Option<Box<Established>>,
    ending: Vec<Ending>,
    /// Begin anew once the last tunnel's DELETE is answered.
    reconnects: bool,
    keepalive_at: Option<Instant>,
    last_id: u64,
    questions: u64,
}

/// An attempt to attach, as far as it has come.
pub(crate) enum Attempt {
    /// IKE_SA_INIT was sent.
    Init(Box<AwaitInitAnswer>),
    /// IKE_AUTH was sent.
    Auth(Box<AwaitAuthAnswer>),
    /// The gateway has answered; is it the gateway?
    Gateway(Box<AwaitGateway>),
}

/// What a step of an attempt leads to.
pub(crate) enum Step {
    /// It goes on.
    On(Attempt),
    /// A tunnel stands.
    Connected(Box<Established>),
    /// It is over; an IKE SA may be left to end.
    Failed(ConnectFailure, Option<Ending>),
}

impl Initiator {
    /// An initiator that has not begun yet.
    pub fn new(config: InitiatorConfig, crypto: Arc<dyn CryptoProvider>, now: Instant) -> Self {
        let _ = now;
        Self {
            config: Arc::new(config),
            crypto,
            out: Outputs::default(),
            stats: Stats::default(),
            spis: Spis::default(),
            attempt: None,
            tunnel: None,
            ending: Vec::new(),
            reconnects: false,
            keepalive_at: None,
            last_id: 0,
            questions: 0,
        }
    }

    /// Begins IKE_SA_INIT, unless an attempt is under way. Ends in [`Event::Connected`] or
    /// [`Event::ConnectFailed`].
    pub fn connect(&mut self, now: Instant) {
        if self.attempt.is_some() {
            return;
        }
        self.last_id += 1;
        let id = IkeSaId(self.last_id);
        let step = self.with_context(now, |config, cx| AwaitInitAnswer::begin(id, config, cx));
        self.take(step, now);
    }

    /// One IKE datagram, without non-ESP marker, from anyone.
    pub fn handle_datagram(&mut self, path: Path, bytes: &[u8], now: Instant) {
        self.stats.datagrams += 1;
        let header = match Header::parse(bytes) {
            Ok(header) => header,
            Err(malformed) => return self.stats.count(Reason::from(malformed)),
        };
        let own_spi = if header.from_initiator { header.spi_r } else { header.spi_i };
        let owner = self.spis.find(own_spi);
        if owner.is_some() && owner == self.attempt.as_ref().map(Attempt::id) {
            self.on_attempt_datagram(&header, bytes, now);
        } else if owner.is_some() && owner == self.ike_sa() {
            self.on_tunnel(now, |tunnel, cx| tunnel.on_datagram(path, &header, bytes, cx));
        } else {
            self.on_ending_datagram(path, &header, bytes, now);
        }
    }

    fn on_attempt_datagram(&mut self, header: &Header, bytes: &[u8], now: Instant) {
        let Some(attempt) = self.attempt.take() else { return };
        let ticket = Ticket(self.questions + 1);
        let step = self.with_context(now, |config, cx| match attempt {
            Attempt::Init(waiting) => waiting.on_datagram(header, bytes, config, cx),
            Attempt::Auth(waiting) => waiting.on_datagram(header, bytes, ticket, config, cx),
            Attempt::Gateway(waiting) => Step::On(Attempt::Gateway(waiting)),
        });
        self.take(step, now);
    }

    fn on_ending_datagram(&mut self, path: Path, header: &Header, bytes: &[u8], now: Instant) {
        let mut ending = std::mem::take(&mut self.ending);
        let index = ending.iter().position(|ending| ending.has(header));
        self.with_context(now, |_, cx| match index.and_then(|index| ending.get_mut(index)) {
            Some(ending) => ending.on_datagram(path, header, bytes, cx),
            None => cx.stats.count(Reason::UnknownSpi),
        });
        self.ending = ending;
        self.tidy(now);
    }

    /// The answer to [`Output::AskPeer`], here about the gateway.
    pub fn handle_peer(&mut self, ticket: Ticket, peer: Result<Peer, Refusal>, now: Instant) {
        let asked =
            |attempt: &mut Attempt| matches!(attempt, Attempt::Gateway(waiting) if waiting.ticket == ticket);
        let Some(Attempt::Gateway(waiting)) = self.attempt.take_if(asked) else { return };
        let step = self.with_context(now, |config, cx| waiting.on_peer(peer, config, cx));
        self.take(step, now);
    }

    /// Does what is due; harmless when nothing is.
    pub fn handle_timeout(&mut self, now: Instant) {
        if let Some(attempt) = self.attempt.take() {
            let step = self.with_context(now, |config, cx| attempt.on_timeout(config, cx));
            self.take(step, now);
        }
        self.on_tunnel(now, Established::on_timeout);
        let mut ending = std::mem::take(&mut self.ending);
        self.with_context(now, |_, cx| ending.iter_mut().for_each(|ending| ending.on_timeout(cx)));
        self.ending = ending;
        self.tidy(now);
        self.keep_alive(now);
    }

    fn keep_alive(&mut self, now: Instant) {
        if self.keepalive_at.is_none_or(|at| now < at) {
            return;
        }
        self.keepalive_at = None;
        if let Some(tunnel) = &self.tunnel
            && tunnel.path().encapsulated
        {
            self.out.push(Output::Keepalive { path: tunnel.path() });
            self.arm_keepalive(now);
        }
    }

    fn arm_keepalive(&mut self, now: Instant) {
        let is_on = !self.config.keepalive.is_zero() && self.tunnel.is_some();
        self.keepalive_at = is_on.then(|| now + self.config.keepalive);
    }

    /// The next thing to do for the caller.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.out.pop()
    }

    /// When [`Self::handle_timeout`] is to be called, and why.
    pub fn poll_timeout(&self) -> Option<(Instant, Timer)> {
        let ending = self.ending.iter().filter_map(Ending::next_timeout);
        let attempt = self.attempt.as_ref().and_then(Attempt::next_timeout);
        let keepalive = self.keepalive_at.map(|at| (at, Timer::Keepalive));
        let tunnel = self.tunnel.as_ref().and_then(|tunnel| tunnel.next_timeout(&self.config.times));
        ending.chain(attempt).chain(keepalive).chain(tunnel).min()
    }

    /// The IKE SA in use.
    pub fn ike_sa(&self) -> Option<IkeSaId> {
        self.tunnel.as_ref().map(|tunnel| tunnel.id())
    }

    /// Inbound SPIs of its CHILD SAs.
    pub fn child_sas(&self) -> Vec<Spi> {
        self.tunnel.as_ref().map(|tunnel| tunnel.child_spis().collect()).unwrap_or_default()
    }

    /// Counters.
    pub fn stats(&self) -> &Stats {
        &self.stats
    }

    /// Another attach under the same identity, in place of the present one.
    pub fn reauthenticate(&mut self, how: Reauthentication, now: Instant) {
        match how {
            Reauthentication::MakeBeforeBreak => self.connect(now),
            Reauthentication::BreakBeforeMake => {
                self.reconnects = true;
                self.end_tunnel(DeletedBy::Us, now);
                self.tidy(now);
            }
        }
    }

    /// Asks for a further CHILD SA with the same selectors.
    pub fn create_child_sa(&mut self, now: Instant) {
        self.want(Want::CreateChildSa, now);
    }

    /// Renews the CHILD SA that receives on `spi_in`.
    pub fn rekey_child_sa(&mut self, spi_in: Spi, now: Instant) {
        self.want(Want::RekeyChildSa(spi_in), now);
    }

    /// Renews the IKE SA.
    pub fn rekey_ike_sa(&mut self, now: Instant) {
        self.want(Want::RekeyIkeSa, now);
    }

    /// Deletes one CHILD SA.
    pub fn delete_child_sa(&mut self, spi_in: Spi, now: Instant) {
        self.want(Want::DeleteChildSa(spi_in), now);
    }

    fn want(&mut self, want: Want, now: Instant) {
        self.on_tunnel(now, |tunnel, cx| {
            tunnel.want(want, cx);
            Fate::Stays
        });
    }

    /// Asks the gateway whether it lives, as [`Responder::probe`](crate::Responder::probe) does.
    pub fn probe(&mut self, now: Instant) {
        self.on_tunnel(now, |tunnel, cx| {
            tunnel.probe(cx);
            Fate::Stays
        });
    }

    /// Fresh authenticated ESP came in.
    pub fn heard(&mut self, now: Instant) {
        if let Some(tunnel) = &mut self.tunnel {
            tunnel.heard(now);
        }
    }

    /// Moves to other local addresses, as a NAT or a new lease does to a unit that does not notice:
    /// nothing is said, the next messages just come from there.
    pub fn rebind(&mut self, path: Path, natt_path: Path) {
        let mut config = (*self.config).clone();
        (config.path, config.natt_path) = (path, natt_path);
        self.config = Arc::new(config);
        if let Some(tunnel) = &mut self.tunnel {
            tunnel.rebind(if tunnel.path().encapsulated { natt_path } else { path });
        }
    }

    /// Deletes the IKE SA and gives up any attempt.
    pub fn close(&mut self, now: Instant) {
        self.reconnects = false;
        if let Some(attempt) = self.attempt.take() {
            let step = self.with_context(now, |_, cx| attempt.give_up(ConnectFailure::Closed, cx));
            self.take(step, now);
        }
        self.end_tunnel(DeletedBy::Us, now);
        self.tidy(now);
    }

    fn end_tunnel(&mut self, by: DeletedBy, now: Instant) {
        let Some(tunnel) = self.tunnel.take() else { return };
        let ending = self.with_context(now, |_, cx| tunnel.close(by, cx));
        self.ending.push(ending);
    }

    fn on_tunnel(&mut self, now: Instant, act: impl FnOnce(&mut Established, &mut Context<'_>) -> Fate) {
        let Some(mut tunnel) = self.tunnel.take() else { return };
        let fate = self.with_context(now, |_, cx| act(&mut tunnel, cx));
        self.tunnel = Some(tunnel);
        if let Fate::Over(by) = fate {
            self.end_tunnel(by, now);
            self.tidy(now);
        }
    }

    /// Forgets what has ended, and begins anew if that was waited for.
    fn tidy(&mut self, now: Instant) {
        let is_asking = self.ending.last().is_some_and(Ending::is_asking);
        self.ending.retain(|ending| !ending.is_over());
        if self.reconnects && !is_asking {
            self.reconnects = false;
            self.connect(now);
        }
    }

    fn take(&mut self, step: Step, now: Instant) {
        match step {
            Step::On(attempt) => {
                if let Attempt::Gateway(waiting) = &attempt {
                    self.questions = self.questions.max(waiting.ticket.0);
                }
                self.attempt = Some(attempt);
            }
            Step::Connected(tunnel) => {
                self.end_tunnel(DeletedBy::Reauthenticated, now);
                self.tunnel = Some(tunnel);
                self.arm_keepalive(now);
            }
            Step::Failed(why, ending) => {
                self.out.event(Event::ConnectFailed { why });
                self.ending.extend(ending);
            }
        }
    }

    fn with_context<T>(
        &mut self,
        now: Instant,
        act: impl FnOnce(&InitiatorConfig, &mut Context<'_>) -> T,
    ) -> T {
        let config = Arc::clone(&self.config);
        let mut cx = Context {
            now,
            crypto: self.crypto.as_ref(),
            suites: &config.suites,
            times: &config.times,
            out: &mut self.out,
            stats: &mut self.stats,
            spis: &mut self.spis,
            is_deaf: false,
        };
        act(&config, &mut cx)
    }
}

/// How long the answer to our question about the gateway may take.
pub(crate) const GATEWAY_TIME: Duration = Duration::from_secs(30);

impl Attempt {
    fn id(&self) -> IkeSaId {
        match self {
            Self::Init(waiting) => waiting.id,
            Self::Auth(waiting) => waiting.id,
            Self::Gateway(waiting) => waiting.id,
        }
    }

    fn next_timeout(&self) -> Option<(Instant, Timer)> {
        match self {
            Self::Init(waiting) => Some((waiting.schedule.due(), Timer::Retransmit)),
            Self::Auth(waiting) => waiting.keys.sa.retransmit_at().map(|at| (at, Timer::Retransmit)),
            Self::Gateway(waiting) => Some((waiting.deadline, Timer::Forget)),
        }
    }

    fn on_timeout(self, config: &InitiatorConfig, cx: &mut Context<'_>) -> Step {
        match self {
            Self::Init(waiting) => waiting.on_timeout(config, cx),
            Self::Auth(waiting) => waiting.on_timeout(config, cx),
            Self::Gateway(waiting) if waiting.deadline <= cx.now => {
                Self::Gateway(waiting).give_up(ConnectFailure::TimedOut, cx)
            }
            Self::Gateway(waiting) => Step::On(Self::Gateway(waiting)),
        }
    }

    /// Forgets the attempt; a gateway that has answered IKE_AUTH already is told DELETE.
    fn give_up(self, why: ConnectFailure, cx: &mut Context<'_>) -> Step {
        match self {
            Self::Init(waiting) => {
                cx.spis.release_ike(waiting.spi_i);
                Step::Failed(why, None)
            }
            Self::Auth(waiting) => Step::Failed(why, Some(waiting.delete(cx))),
            Self::Gateway(waiting) => Step::Failed(why, Some(waiting.delete(cx))),
        }
    }
}
