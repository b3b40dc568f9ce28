use crate::{
    Admission, CookiePolicy, Event, ExchangeType, Header, IkeSaId, ObservedFingerprint, Output, Path, Peer,
    Reason, Refusal, ResponderConfig, Stats, Ticket, Timer,
    await_admission::AwaitAdmission,
    await_ike_auth::AwaitIkeAuth,
    await_peer::AwaitPeer,
    config::SaTimes,
    context::Context,
    cookie::CookieJar,
    costly::{self, CostlyQuota},
    crypto::{CryptoProvider, Ephemeral},
    ending::Ending,
    established::{Established, Fate, Want},
    event::DeletedBy,
    exchange::{
        Contents,
        create_child_sa::invalid_ke,
        ike_sa_init::{Abilities, IkeSaInitRequest},
    },
    handshake::{Agreement, Handshake},
    message::{MAX_MESSAGE, parse_plain, write_plain},
    nat_detection,
    output::Outputs,
    payload::{
        CertEncoding, CertificateRequest, Identification, KeyExchange, Malformed, NotifyType, Payload,
        PayloadType,
    },
    quota::{HalfOpenQuota, Prefix},
    spis::Spis,
    timers::{Entry, Timers},
};
use ids::{CertSha256, IkeSpi, Spi};
use std::{
    collections::{HashMap, VecDeque, hash_map::RandomState},
    hash::BuildHasher as _,
    net::SocketAddr,
    sync::Arc,
    time::Instant,
};

/// The gateway's side of IKEv2: many peers, no I/O.
///
/// The contract: hand in one input, drain [`Self::poll_output`] to `None`, sleep until
/// [`Self::poll_timeout`] or the next input. `now` never goes back.
pub struct Responder {
    config: Arc<ResponderConfig>,
    crypto: Arc<dyn CryptoProvider>,
    out: Outputs,
    stats: Stats,
    spis: Spis,
    cookies: CookieJar,
    quota: HalfOpenQuota,
    costly: CostlyQuota,
    /// IKE_SA_INIT requests that were answered, as long as their IKE SAs are half-open.
    inits: HashMap<InitKey, IkeSaId>,
    init_hash: RandomState,
    /// Attempts that were refused, the oldest first. Each keeps its answer for a repetition until a newcomer
    /// needs the room; some are gone already.
    refused: VecDeque<IkeSaId>,
    slots: HashMap<IkeSaId, Slot>,
    timers: Timers,
    last_id: u64,
}

/// Finds the half-open IKE SA that a repeated IKE_SA_INIT request made.
type InitKey = (SocketAddr, u64);

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

/// Longest IKE_SA_INIT that is looked at: room for every proposal in use, and far below what would
/// make a half-open IKE SA dear.
const MAX_INIT: usize = 4096;
const NONCE: usize = 32;

impl Responder {
    /// A responder without any IKE SA.
    pub fn new(config: ResponderConfig, crypto: Arc<dyn CryptoProvider>, now: Instant) -> Self {
        Self {
            cookies: CookieJar::new(crypto.as_ref(), now),
            config: Arc::new(config),
            crypto,
            out: Outputs::default(),
            stats: Stats::default(),
            spis: Spis::default(),
            quota: HalfOpenQuota::default(),
            costly: CostlyQuota::new(now),
            inits: HashMap::new(),
            init_hash: RandomState::new(),
            refused: VecDeque::new(),
            slots: HashMap::new(),
            timers: Timers::default(),
            last_id: 0,
        }
    }

    /// Takes another configuration for everything that begins from now on.
    pub fn reconfigure(&mut self, config: ResponderConfig) {
        self.config = Arc::new(config);
    }

    /// One IKE datagram, without non-ESP marker, from anyone.
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

    /// The answer to [`Output::AskPeer`].
    pub fn handle_peer(&mut self, ticket: Ticket, peer: Result<Peer, Refusal>, now: Instant) {
        let has_room = self.has_room_for(ticket.sa(), &peer, now);
        self.step(ticket.sa(), now, |state, config, cx| {
            let IkeSaState::AwaitPeer(waiting) = state else { return Some(state) };
            if waiting.ticket != ticket {
                return Some(IkeSaState::AwaitPeer(waiting));
            }
            if !has_room {
                return waiting.put_off(cx);
            }
            waiting.on_peer(peer, config, cx)
        });
    }

    /// Whether AUTH may be verified now with the key of the stranger at the other end of `sa`.
    fn has_room_for(&mut self, sa: IkeSaId, peer: &Result<Peer, Refusal>, now: Instant) -> bool {
        let is_costly = peer.as_ref().is_ok_and(|peer| costly::is_costly_key(&peer.public_key_spki));
        let Some(Slot { state: IkeSaState::AwaitPeer(waiting), .. }) = self.slots.get(&sa) else {
            return true;
        };
        !is_costly || self.costly.take(waiting.handshake.path.peer.ip(), &self.config.half_open, now)
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
        self.quota.leave(half_open.prefix);
        self.inits.remove(&half_open.init);
        self.stats.half_open_now = self.quota.total();
        None
    }

    /// Forgets refused attempts, the oldest first, until they and the half-open IKE SAs together are no
    /// more than may be half-open.
    fn make_room(&mut self, now: Instant) {
        while self.quota.total() + self.refused.len() > self.config.half_open.total {
            let Some(oldest) = self.refused.pop_front() else { return };
            self.step(oldest, now, |state, _, cx| match state {
                IkeSaState::Deleting(ending) => {
                    ending.release(cx);
                    None
                }
                other @ (IkeSaState::HalfOpen(_)
                | IkeSaState::AwaitPeer(_)
                | IkeSaState::AwaitAdmission(_)
                | IkeSaState::Established(_)) => Some(other),
            });
        }
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

/// IKE_SA_INIT: nothing is kept before a cookie that is asked for has come back.
impl Responder {
    /// INVALID_MAJOR_VERSION for a version above ours, if the answer is no longer than what came
    /// (RFC 7296 §2.5); silence for everything else.
    fn on_bad_header(&mut self, path: Path, bytes: &[u8], malformed: Malformed) {
        self.stats.count(Reason::from(malformed));
        let Some(answer) = major_version_answer(bytes, malformed) else { return };
        if answer.len() <= bytes.len() {
            self.out.transmit(path, &[answer]);
        }
    }

    fn on_ike_sa_init(&mut self, path: Path, header: &Header, bytes: &[u8], now: Instant) {
        let is_first = header.from_initiator
            && !header.is_response
            && header.message_id == 0
            && header.spi_r == IkeSpi(0);
        if !is_first {
            return self.stats.count(Reason::UnexpectedExchange);
        }
        let init = (path.peer, self.init_hash.hash_one(bytes));
        if self.is_answered_again(init, path, bytes) {
            return;
        }
        if let Err(reason) = self.answer_init(path, header, bytes, init, now) {
            self.stats.count(reason);
        }
    }

    /// A request that comes again gets the same octets again (RFC 7296 §2.1).
    fn is_answered_again(&mut self, init: InitKey, path: Path, bytes: &[u8]) -> bool {
        let slot = self.inits.get(&init).and_then(|id| self.slots.get_mut(id));
        let Some(handshake) = slot.and_then(|slot| slot.state.handshake_mut()) else { return false };
        let is_same = handshake.init_request == bytes;
        if is_same {
            handshake.fingerprint.saw_again();
            self.stats.answered_again += 1;
            self.out.transmit(path, std::slice::from_ref(&handshake.init_response));
        }
        is_same
    }

    fn answer_init(
        &mut self,
        path: Path,
        header: &Header,
        bytes: &[u8],
        init: InitKey,
        now: Instant,
    ) -> Result<(), Reason> {
        if bytes.len() > MAX_INIT {
            return Err(Reason::Malformed);
        }
        let contents = match parse_plain(header, bytes).and_then(Contents::sort) {
            Ok(contents) => contents,
            Err(malformed) => {
                if let Malformed::UnknownCritical(kind) = malformed {
                    let refused = Payload::notify(NotifyType::UNSUPPORTED_CRITICAL_PAYLOAD, &[kind.0]);
                    self.say(path, header, &[refused]);
                }
                return Err(Reason::from(malformed));
            }
        };
        let request = IkeSaInitRequest::parse(contents)?;
        if self.asks_cookie(path, header, &request, now) {
            return Ok(());
        }
        self.begin(path, header, bytes, request, init, now)
    }

    /// Asks for a cookie if one is due and has not come; a wrong one counts as none (RFC 7296 §2.6).
    fn asks_cookie(&mut self, path: Path, header: &Header, request: &IkeSaInitRequest, now: Instant) -> bool {
        let is_due = match self.config.cookies {
            CookiePolicy::Always => true,
            CookiePolicy::Above(threshold) => {
                self.quota.total() >= threshold
                    || self.quota.is_half_used(path.peer.ip(), &self.config.half_open)
            }
        };
        let is_costly = costly::is_costly_method(request.ke.method)
            && self.costly.is_half_used(path.peer.ip(), &self.config.half_open, now);
        if !is_due && !is_costly {
            return false;
        }
        self.cookies.rotate(self.crypto.as_ref(), now);
        let (address, spi_i) = (path.peer.ip(), header.spi_i);
        let has_come = request
            .cookie
            .as_ref()
            .is_some_and(|cookie| self.cookies.is_ours(cookie, &request.nonce, address, spi_i));
        if !has_come {
            let cookie = self.cookies.bake(&request.nonce, address, spi_i);
            self.stats.cookies_asked += 1;
            self.say(path, header, &[Payload::notify(NotifyType::COOKIE, &cookie)]);
        }
        !has_come
    }

    /// Chooses a suite and makes a half-open IKE SA; or says why not, and keeps nothing.
    fn begin(
        &mut self,
        path: Path,
        header: &Header,
        bytes: &[u8],
        request: IkeSaInitRequest,
        init: InitKey,
        now: Instant,
    ) -> Result<(), Reason> {
        let Some((suite, chosen)) = self.config.suites.choose_ike(&request.proposals, request.ke.method)
        else {
            self.say(path, header, &[Payload::notify(NotifyType::NO_PROPOSAL_CHOSEN, &[])]);
            let (spi_i, reason) = (header.spi_i, Reason::NoProposalChosen);
            self.out.event(Event::Refused { path, spi_i, reason, idi: None });
            return Err(reason);
        };
        if suite.key_exchange != request.ke.method {
            self.say(path, header, &[Payload::Notify(invalid_ke(suite.key_exchange))]);
            return Err(Reason::InvalidKe);
        }
        let prefix = self.quota.enter(path.peer.ip(), &self.config.half_open)?;
        let ephemeral = match self.key_pair_for(path, &request.ke, now) {
            Ok(ephemeral) => ephemeral,
            Err(reason) => {
                self.quota.leave(prefix);
                return Err(reason);
            }
        };
        self.make_room(now);
        let id = self.next_id();
        let spi_r = self.spis.draw_ike(id, self.crypto.as_ref());
        let spis = (header.spi_i, spi_r);
        let mut nonce = vec![0; NONCE];
        self.crypto.random(&mut nonce);
        let public_value =
            KeyExchange { method: suite.key_exchange, data: ephemeral.public_value().to_vec() };
        let mut answer =
            vec![Payload::Sa(vec![chosen]), Payload::Ke(public_value), Payload::Nonce(nonce.clone())];
        answer.extend(nat_detection::notifies_that_make_encapsulate(spis, path.peer));
        answer.push(self.certificate_request());
        answer.extend(Abilities::ours(true));
        let init_response = write_plain(Header { spi_r, ..answer_header(header) }, &answer);
        self.out.transmit(path, std::slice::from_ref(&init_response));
        self.stats.init_answered += 1;
        let deadline = now + self.config.half_open.lifetime;
        let handshake = Handshake {
            id,
            path,
            spis,
            init_request: bytes.to_vec(),
            init_response,
            fingerprint: fingerprint(&request),
            peer_hashes: request.abilities.hashes,
            nonces: (request.nonce, nonce),
            agreement: Agreement::Open {
                suite,
                ephemeral,
                public_value: request.ke.data,
                speaks_fragments: request.abilities.fragments,
            },
            answered_at: now,
            deadline,
            questions: 0,
        };
        let armed = self.timers.arm(id, None, Some((deadline, Timer::Forget)));
        let state = IkeSaState::HalfOpen(Box::new(AwaitIkeAuth { handshake }));
        self.slots.insert(id, Slot { state, half_open: Some(Box::new(HalfOpen { prefix, init })), armed });
        self.inits.insert(init, id);
        self.stats.half_open_now = self.quota.total();
        Ok(())
    }

    /// A key pair of the method that `theirs` belongs to.
    ///
    /// # Errors
    /// [`Reason::PublicValue`] for another length than the method's, [`Reason::CostlyQuota`], [`Reason::OurFault`].
    fn key_pair_for(
        &mut self,
        path: Path,
        theirs: &KeyExchange,
        now: Instant,
    ) -> Result<Box<dyn Ephemeral>, Reason> {
        if theirs.method.public_value_len() != Some(theirs.data.len()) {
            return Err(Reason::PublicValue);
        }
        let is_costly = costly::is_costly_method(theirs.method);
        if is_costly && !self.costly.take(path.peer.ip(), &self.config.half_open, now) {
            return Err(Reason::CostlyQuota);
        }
        self.crypto.key_exchange(theirs.method).ok_or(Reason::OurFault)
    }

    fn certificate_request(&self) -> Payload {
        Payload::CertReq(CertificateRequest {
            encoding: CertEncoding::X509_SIGNATURE,
            authorities: self.config.authorities.concat(),
        })
    }

    /// Answers IKE_SA_INIT without keeping anything: the responder's SPI stays zero.
    fn say(&mut self, path: Path, header: &Header, payloads: &[Payload]) {
        let datagram = write_plain(answer_header(header), payloads);
        self.out.transmit(path, &[datagram]);
    }

    fn next_id(&mut self) -> IkeSaId {
        self.last_id += 1;
        IkeSaId(self.last_id)
    }
}

impl IkeSaState {
    fn handshake_mut(&mut self) -> Option<&mut Handshake> {
        match self {
            Self::HalfOpen(half_open) => Some(&mut half_open.handshake),
            Self::AwaitPeer(waiting) => Some(&mut waiting.handshake),
            Self::AwaitAdmission(waiting) => Some(&mut waiting.handshake),
            Self::Established(_) | Self::Deleting(_) => None,
        }
    }
}

fn answer_header(request: &Header) -> Header {
    Header { from_initiator: false, is_response: true, first_payload: PayloadType::NONE, ..*request }
}

fn fingerprint(request: &IkeSaInitRequest) -> ObservedFingerprint {
    let mut fingerprint = ObservedFingerprint {
        proposals: request.proposals.clone(),
        key_exchange: Some(request.ke.method),
        nonce_length: u16::try_from(request.nonce.len()).unwrap_or(u16::MAX),
        ..ObservedFingerprint::default()
    };
    request.vendor_ids.iter().for_each(|vendor_id| fingerprint.saw_vendor_id(vendor_id));
    request.notifies.iter().for_each(|kind| fingerprint.saw_notify(*kind));
    fingerprint
}

/// N(INVALID_MAJOR_VERSION) for a request of a later version, whose header is read as far as all
/// versions agree.
fn major_version_answer(bytes: &[u8], malformed: Malformed) -> Option<Vec<u8>> {
    let Malformed::MajorVersion(3..) = malformed else { return None };
    let octets = |range: std::ops::Range<usize>| bytes.get(range);
    let spi = |range| Some(IkeSpi(u64::from_be_bytes(octets(range)?.try_into().ok()?)));
    let (exchange, flags) = (bytes.get(18)?, bytes.get(19)?);
    let header = Header {
        spi_i: spi(0..8).filter(|spi_i| *spi_i != IkeSpi(0))?,
        spi_r: spi(8..16)?,
        first_payload: PayloadType::NONE,
        exchange: ExchangeType(*exchange),
        from_initiator: flags & 0x08 == 0,
        is_response: true,
        message_id: u32::from_be_bytes(octets(20..24)?.try_into().ok()?),
    };
    let is_request = flags & 0x20 == 0;
    is_request.then(|| write_plain(header, &[Payload::notify(NotifyType::INVALID_MAJOR_VERSION, &[2])]))
}

#[cfg(test)]
mod tests;
