mod beginning;
mod places;

use crate::{
    Admission, Event, ExchangeType, Header, IkeSaId, Output, Path, Peer, Reason, Refusal, ResponderConfig,
    Stats, Ticket, Timer,
    await_admission::AwaitAdmission,
    await_ike_auth::AwaitIkeAuth,
    await_peer::AwaitPeer,
    config::SaTimes,
    context::Context,
    cookie::{Asking, CookieJar},
    costly::CostlyQuota,
    crypto::CryptoProvider,
    ending::Ending,
    established::{Established, Fate, Want},
    event::DeletedBy,
    handshake::Handshake,
    lobby::Lobby,
    message::MAX_MESSAGE,
    output::Outputs,
    payload::Identification,
    quota::{HalfOpenQuota, Prefix},
    spis::Spis,
    timers::{Entry, Timers},
};
use ids::{CertSha256, Spi};
use std::{
    collections::{HashMap, VecDeque, hash_map::RandomState},
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::{Duration, Instant},
};

/// The gateway's side of IKEv2: many peers, no I/O.
///
/// The contract: hand in one input, drain [`Self::poll_output`] to `None`; when there is no other input, the same
/// with [`Self::take_turn`] until it says no; sleep until [`Self::poll_timeout`] or the next input. `now` never goes
/// back.
pub struct Responder {
    config: Arc<ResponderConfig>,
    crypto: Arc<dyn CryptoProvider>,
    out: Outputs,
    stats: Stats,
    spis: Spis,
    cookies: CookieJar,
    /// Everybody for a cookie, and whoever wants a costly key exchange.
    asking: Asking,
    asking_costly: Asking,
    lobby: Lobby,
    quota: HalfOpenQuota,
    costly: CostlyQuota,
    /// IKE_SA_INIT requests that were answered, as long as their IKE SAs are half-open.
    inits: HashMap<InitKey, IkeSaId>,
    init_hash: RandomState,
    /// Those that began, the oldest first, until their IKE_AUTH has come; some are gone already.
    begun: VecDeque<IkeSaId>,
    /// Attempts that were refused, the oldest first. Each keeps its answer for a repetition until a newcomer
    /// needs the room; some are gone already.
    refused: VecDeque<IkeSaId>,
    slots: HashMap<IkeSaId, Slot>,
    timers: Timers,
    last_id: u64,
    deaf_until: Option<Instant>,
}

/// Finds what a repeated IKE_SA_INIT request made: a half-open IKE SA, or a place to wait.
pub(crate) type InitKey = (SocketAddr, u64);

/// One IKE SA, from IKE_SA_INIT to the last answer.
struct Slot {
    state: IkeSaState,
    half_open: Option<Box<HalfOpen>>,
    armed: Option<Entry>,
}

/// How an IKE SA counts as long as it is not established.
struct HalfOpen {
    prefix: Prefix,
    init: InitKey,
}

/// The states of an IKE SA, each with what it knows and nothing else.
pub(crate) enum IkeSaState {
    /// IKE_AUTH has not come.
    HalfOpen(Box<AwaitIkeAuth>),
    /// Who is it?
    AwaitPeer(Box<AwaitPeer>),
    /// May it attach?
    AwaitAdmission(Box<AwaitAdmission>),
    /// A tunnel.
    Established(Box<Established>),
    /// What is left of one, or of an attempt that was refused.
    Deleting(Box<Ending>),
}

/// A probe's time, and up to 2 s until a loss is noticed.
const DEAF: Duration = Duration::from_secs(8);

impl Responder {
    /// A responder without any IKE SA.
    pub fn new(config: ResponderConfig, crypto: Arc<dyn CryptoProvider>, now: Instant) -> Self {
        Self {
            cookies: CookieJar::new(crypto.as_ref(), now),
            asking: Asking::default(),
            asking_costly: Asking::default(),
            config: Arc::new(config),
            crypto,
            out: Outputs::default(),
            stats: Stats::default(),
            spis: Spis::default(),
            lobby: Lobby::default(),
            quota: HalfOpenQuota::default(),
            costly: CostlyQuota::new(now),
            inits: HashMap::new(),
            init_hash: RandomState::new(),
            begun: VecDeque::new(),
            refused: VecDeque::new(),
            slots: HashMap::new(),
            timers: Timers::default(),
            last_id: 0,
            deaf_until: None,
        }
    }

    /// Takes another configuration for everything that begins from now on.
    pub fn reconfigure(&mut self, config: ResponderConfig) {
        self.config = Arc::new(config);
    }

    /// One IKE datagram, without non-ESP marker, from anyone. An IKE_SA_INIT waits for [`Self::take_turn`].
    pub fn handle_datagram(&mut self, path: Path, bytes: &[u8], now: Instant) {
        self.stats.datagrams += 1;
        if bytes.len() > MAX_MESSAGE {
            return self.stats.count(Reason::Malformed);
        }
        let header = match Header::parse(bytes) {
            Ok(header) => header,
            Err(malformed) => return self.on_bad_header(path, bytes, malformed),
        };
        if header.exchange == ExchangeType::IKE_SA_INIT {
            return self.on_ike_sa_init(path, &header, bytes, now);
        }
        let own_spi = if header.from_initiator { header.spi_r } else { header.spi_i };
        let Some(id) = self.spis.find(own_spi) else { return self.stats.count(Reason::UnknownSpi) };
        self.step(id, now, |state, config, cx| state.on_datagram(path, &header, bytes, config, cx));
    }

    /// Answers the IKE_SA_INIT whose turn it is; false when none waits, or there is no place for one. Networks that
    /// are known go first.
    pub fn take_turn(&mut self, now: Instant) -> bool {
        let Some(next) = self.has_turn(now).then(|| self.lobby.next(now)).flatten() else { return false };
        if let Err(reason) = next.and_then(|waiting| self.begin(waiting, now)) {
            self.stats.count(reason);
        }
        self.stats.waiting_now = self.lobby.len();
        true
    }

    /// Whether [`Self::take_turn`] would say yes.
    pub fn has_turn(&self, now: Instant) -> bool {
        let has_place = || {
            self.quota.total() < self.config.half_open.total
                || self.oldest().is_some_and(|oldest| self.has_had_time(oldest, now))
        };
        self.lobby.len() > 0 && has_place()
    }

    /// Datagrams of peers may have been lost on our side. For the next 8 s nobody's silence counts: no probe and no
    /// liveness check ends by it, they are asked again.
    pub fn deaf(&mut self, now: Instant) {
        self.deaf_until = Some(now + DEAF);
    }

    /// A unit was good at `address`: who comes from its network (as for the half-open limits) goes first. The last
    /// 262,144 networks are kept.
    pub fn know(&mut self, address: IpAddr) {
        self.lobby.know(address, &self.config.half_open);
        self.stats.known_now = self.lobby.known();
    }

    /// The answer to [`Output::AskPeer`].
    pub fn handle_peer(&mut self, ticket: Ticket, peer: Result<Peer, Refusal>, now: Instant) {
        self.step(ticket.sa(), now, |state, config, cx| {
            let IkeSaState::AwaitPeer(waiting) = state else { return Some(state) };
            if waiting.ticket != ticket {
                return Some(IkeSaState::AwaitPeer(waiting));
            }
            waiting.on_peer(peer, config, cx)
        });
    }

    /// The answer to [`Output::AskAdmission`]. False when nothing came of a [`Admission::Grant`]: the
    /// peer was given up meanwhile, or our own signature failed; the grant is void then.
    pub fn handle_admission(&mut self, ticket: Ticket, answer: Admission, now: Instant) -> bool {
        let established = self.stats.established;
        self.step(ticket.sa(), now, |state, config, cx| {
            let IkeSaState::AwaitAdmission(waiting) = state else { return Some(state) };
            if waiting.ticket != ticket {
                return Some(IkeSaState::AwaitAdmission(waiting));
            }
            waiting.on_admission(answer, config, cx)
        });
        self.stats.established > established
    }

    /// Does what is due; harmless when nothing is.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(id) = self.timers.pop_due(now) {
            let Some(slot) = self.slots.get_mut(&id) else { continue };
            slot.armed = None;
            self.step(id, now, |state, _, cx| state.on_timeout(cx));
        }
    }

    /// The next thing to do for the caller.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.out.pop()
    }

    /// When [`Self::handle_timeout`] is to be called, and why.
    pub fn poll_timeout(&self) -> Option<(Instant, Timer)> {
        self.timers.next()
    }

    /// Asks the peer whether it lives: an empty INFORMATIONAL, sent at most 3 times. Within 6 s comes
    /// [`Event::ProbeAnswered`] or [`Event::ProbeSilent`], or [`Event::SaDeleted`] if the SA ends first. An
    /// unknown `sa` is silent at once. Two probes at a time are one.
    pub fn probe(&mut self, sa: IkeSaId, now: Instant) {
        if !self.on_tunnel(sa, now, Established::probe) {
            self.out.event(Event::ProbeSilent { sa });
        }
    }

    /// Fresh authenticated ESP came over `path`: if that is another than the known one, the peer is asked there,
    /// and [`Event::PathChanged`] says when it has answered from there. At most one path is asked at a time, and
    /// one a second; what comes meanwhile is left out.
    pub fn probe_path(&mut self, sa: IkeSaId, path: Path, now: Instant) {
        self.on_tunnel(sa, now, |tunnel, cx| tunnel.probe_path(path, cx));
    }

    /// Ends a tunnel: its CHILD SAs are removed at once, the peer is told, and the state is gone after
    /// its answer or all retransmissions.
    pub fn delete(&mut self, sa: IkeSaId, now: Instant) {
        self.step(sa, now, |state, _, cx| {
            let IkeSaState::Established(tunnel) = state else { return Some(state) };
            Some(IkeSaState::Deleting(Box::new(tunnel.close(DeletedBy::Us, cx))))
        });
    }

    /// The peer has this much time and no more, whatever it was granted: the IKE SA ends then, if it stands that long.
    pub fn end_within(&mut self, sa: IkeSaId, time: Duration, now: Instant) {
        self.on_tunnel(sa, now, |tunnel, cx| tunnel.end_by(cx.after(time)));
    }

    /// Renews the CHILD SA that receives on `spi_in`, for instance because of its volume.
    pub fn rekey_child_sa(&mut self, sa: IkeSaId, spi_in: Spi, now: Instant) {
        self.on_tunnel(sa, now, |tunnel, cx| tunnel.want(Want::RekeyChildSa(spi_in), cx));
    }

    /// Renews the IKE SA.
    pub fn rekey_ike_sa(&mut self, sa: IkeSaId, now: Instant) {
        self.on_tunnel(sa, now, |tunnel, cx| tunnel.want(Want::RekeyIkeSa, cx));
    }

    /// Fresh authenticated ESP came in: the peer need not be asked whether it lives.
    pub fn heard(&mut self, sa: IkeSaId, now: Instant) {
        if let Some(Slot { state: IkeSaState::Established(tunnel), .. }) = self.slots.get_mut(&sa) {
            tunnel.heard(now);
        }
    }

    /// Who has proven to be at the other end of a tunnel: identity and end-entity certificate.
    pub fn authenticated(&self, sa: IkeSaId) -> Option<(&Identification, CertSha256)> {
        let Some(Slot { state: IkeSaState::Established(tunnel), .. }) = self.slots.get(&sa) else {
            return None;
        };
        let peer = tunnel.standing().peer();
        Some((peer.id(), peer.cert_sha256()))
    }

    /// Counters by cause.
    pub fn stats(&self) -> &Stats {
        &self.stats
    }

    /// IKE SAs in any state, IKE SPIs and ESP SPIs that are held. All are zero once every peer is gone.
    pub fn held(&self) -> (usize, usize, usize) {
        let (ike, esp) = self.spis.in_use();
        (self.slots.len(), ike, esp)
    }

    /// Runs `act` on a tunnel; false when `sa` is none.
    fn on_tunnel(
        &mut self,
        sa: IkeSaId,
        now: Instant,
        act: impl FnOnce(&mut Established, &mut Context<'_>),
    ) -> bool {
        let mut was_tunnel = false;
        self.step(sa, now, |mut state, _, cx| {
            if let IkeSaState::Established(tunnel) = &mut state {
                was_tunnel = true;
                act(tunnel, cx);
            }
            Some(state)
        });
        was_tunnel
    }

    /// Takes one IKE SA from a state to the next, and sees to what depends on it.
    fn step(
        &mut self,
        id: IkeSaId,
        now: Instant,
        act: impl FnOnce(IkeSaState, &ResponderConfig, &mut Context<'_>) -> Option<IkeSaState>,
    ) {
        let Some(slot) = self.slots.remove(&id) else { return };
        let config = Arc::clone(&self.config);
        let mut cx = Context {
            now,
            crypto: self.crypto.as_ref(),
            suites: &config.suites,
            times: &config.times,
            out: &mut self.out,
            stats: &mut self.stats,
            spis: &mut self.spis,
            is_deaf: self.deaf_until.is_some_and(|until| now < until),
        };
        let next = act(slot.state, &config, &mut cx);
        let due = next.as_ref().and_then(|state| state.next_timeout(&config.times));
        let half_open = self.settle(id, slot.half_open, next.as_ref());
        let Some(state) = next else { return self.timers.disarm(slot.armed) };
        let armed = self.timers.arm(id, slot.armed, due);
        self.slots.insert(id, Slot { state, half_open, armed });
    }

    /// An IKE SA that is established, refused or gone no longer counts as half-open.
    fn settle(
        &mut self,
        id: IkeSaId,
        half_open: Option<Box<HalfOpen>>,
        next: Option<&IkeSaState>,
    ) -> Option<Box<HalfOpen>> {
        let half_open = half_open?;
        match next {
            Some(IkeSaState::HalfOpen(_) | IkeSaState::AwaitPeer(_) | IkeSaState::AwaitAdmission(_)) => {
                return Some(half_open);
            }
            Some(IkeSaState::Deleting(_)) => self.refused.push_back(id),
            Some(IkeSaState::Established(_)) | None => {}
        }
        self.quota.leave(half_open.prefix, id);
        self.inits.remove(&half_open.init);
        self.stats.half_open_now = self.quota.total();
        None
    }
}

impl IkeSaState {
    fn on_datagram(
        self,
        path: Path,
        header: &Header,
        datagram: &[u8],
        config: &ResponderConfig,
        cx: &mut Context<'_>,
    ) -> Option<Self> {
        match self {
            Self::HalfOpen(half_open) => half_open.on_datagram(path, header, datagram, config, cx),
            Self::AwaitPeer(mut waiting) => {
                waiting.handshake.fingerprint.saw_again();
                Some(Self::AwaitPeer(waiting))
            }
            Self::AwaitAdmission(waiting) => Some(Self::AwaitAdmission(waiting)),
            Self::Established(mut tunnel) => match tunnel.on_datagram(path, header, datagram, cx) {
                Fate::Stays => Some(Self::Established(tunnel)),
                Fate::Over(by) => Self::ending(tunnel.close(by, cx)),
            },
            Self::Deleting(mut ending) => {
                ending.on_datagram(path, header, datagram, cx);
                Self::ending(*ending)
            }
        }
    }

    fn on_timeout(self, cx: &mut Context<'_>) -> Option<Self> {
        match self {
            Self::HalfOpen(half_open) => {
                still_waits(&half_open.handshake, cx).then_some(Self::HalfOpen(half_open))
            }
            Self::AwaitPeer(waiting) => {
                still_waits(&waiting.handshake, cx).then_some(Self::AwaitPeer(waiting))
            }
            Self::AwaitAdmission(waiting) => {
                still_waits(&waiting.handshake, cx).then_some(Self::AwaitAdmission(waiting))
            }
            Self::Established(mut tunnel) => match tunnel.on_timeout(cx) {
                Fate::Stays => Some(Self::Established(tunnel)),
                Fate::Over(by) => Self::ending(tunnel.close(by, cx)),
            },
            Self::Deleting(mut ending) => {
                ending.on_timeout(cx);
                Self::ending(*ending)
            }
        }
    }

    fn ending(ending: Ending) -> Option<Self> {
        (!ending.is_over()).then(|| Self::Deleting(Box::new(ending)))
    }

    fn next_timeout(&self, times: &SaTimes) -> Option<(Instant, Timer)> {
        match self {
            Self::HalfOpen(half_open) => Some((half_open.handshake.deadline, Timer::Forget)),
            Self::AwaitPeer(waiting) => Some((waiting.handshake.deadline, Timer::Forget)),
            Self::AwaitAdmission(waiting) => Some((waiting.handshake.deadline, Timer::Forget)),
            Self::Established(tunnel) => tunnel.next_timeout(times),
            Self::Deleting(ending) => ending.next_timeout(),
        }
    }
}

/// False once the deadline has come: the handshake's SPI is given back then.
fn still_waits(handshake: &Handshake, cx: &mut Context<'_>) -> bool {
    let waits = cx.now < handshake.deadline;
    if !waits {
        cx.stats.count(Reason::HalfOpenTimeout);
        handshake.release(cx);
    }
    waits
}

#[cfg(test)]
mod tests;
