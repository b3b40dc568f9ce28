//! The gateway's side (RFC 7296).

use crate::{
    Admission, Answer, AuthVerified, ChildSa, CookiePolicy, DeletedBy, Event, Grant, IkeSaId, Output, Path,
    Peer, Reason, Refusal, Ticket, Timer,
    channel::Received,
    child_sa::{ChildKeys, draw_spi},
    config::{HalfOpenLimits, ResponderConfig},
    cookie::Cookies,
    crypto::CryptoProvider,
    exchange::{
        ike_auth::{self, FirstChild, IkeAuthRequest},
        ike_sa_init::{self, IkeSaInit},
    },
    half_open::{HalfOpen, InitFacts, KeyAgreement, Keys, Stage},
    header::{ExchangeType, Header},
    ike_sa::{Context, IkeSa, Purpose, Selectors, Task},
    message,
    output::Outputs,
    payload::{Identification, KeyExchange, Malformed, NotifyType, Payload},
    stats::Stats,
    timers::Timers,
};
use ids::{IkeSpi, Spi};
use std::{
    collections::{HashMap, HashSet},
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::{Duration, Instant},
};

/// IKEv2 responder for any number of peers.
///
/// One input at a time: a datagram, an answer, a command or a timeout. After each, drain
/// [`Self::poll_output`] to `None`, then sleep until [`Self::poll_timeout`] or the next input.
///
/// Memory: once [`CookiePolicy`] asks for cookies, nothing is kept of a peer before its cookie came
/// back; [`HalfOpenLimits`] bounds what is kept then.
pub struct Responder {
    config: ResponderConfig,
    crypto: Arc<dyn CryptoProvider>,
    half_open: HashMap<IkeSpi, Box<HalfOpen>>,
    inits: HashMap<InitKey, IkeSpi>,
    prefixes: HashMap<IpAddr, usize>,
    sas: HashMap<IkeSaId, Box<IkeSa>>,
    spis: HashMap<IkeSpi, IkeSaId>,
    esp_spis: HashSet<Spi>,
    timers: Timers<Owner>,
    cookies: Cookies,
    next_id: u64,
    out: Outputs,
    stats: Stats,
}

/// Recognises an IKE_SA_INIT request that comes again.
type InitKey = (IkeSpi, SocketAddr, [u8; 16]);

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Owner {
    HalfOpen(IkeSpi),
    IkeSa(IkeSaId),
}

impl Responder {
    /// Begins without any peer.
    pub fn new(config: ResponderConfig, crypto: Arc<dyn CryptoProvider>, now: Instant) -> Self {
        let cookies = Cookies::new(&*crypto, now);
        Self {
            config,
            crypto,
            half_open: HashMap::new(),
            inits: HashMap::new(),
            prefixes: HashMap::new(),
            sas: HashMap::new(),
            spis: HashMap::new(),
            esp_spis: HashSet::new(),
            timers: Timers::new(),
            cookies,
            next_id: 1,
            out: Outputs::default(),
            stats: Stats::default(),
        }
    }

    /// What there is to do next; `None` when all is done.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.out.pop()
    }

    /// When [`Self::handle_timeout`] is due, and for what.
    pub fn poll_timeout(&self) -> Option<(Instant, Timer)> {
        self.timers.first().map(|(at, owner)| match owner {
            Owner::HalfOpen(_) => (at, Timer::HalfOpen),
            Owner::IkeSa(_) => (at, Timer::IkeSa),
        })
    }

    /// Counters by cause, and sizes as of now.
    pub fn stats(&self) -> &Stats {
        &self.stats
    }

    /// Takes another configuration for everything that begins from now on.
    pub fn reconfigure(&mut self, config: ResponderConfig) {
        self.config = config;
    }

    /// An IKE message; the non-ESP marker is off already.
    pub fn handle_datagram(&mut self, path: Path, datagram: &[u8], now: Instant) {
        self.stats.datagrams += 1;
        let header = match Header::parse(datagram) {
            Ok(header) if datagram.len() <= message::MAX_MESSAGE => header,
            Err(Malformed::MajorVersion(_)) => return self.invalid_major_version(path, datagram),
            _ => return self.stats.count(Reason::Malformed),
        };
        if header.exchange == ExchangeType::IKE_SA_INIT {
            return self.on_ike_sa_init(&header, path, datagram, now);
        }
        let own_spi = if header.from_initiator { header.spi_r } else { header.spi_i };
        if let Some(id) = self.spis.get(&own_spi).copied() {
            self.with_sa(id, now, |sa, cx| sa.handle(&header, datagram, path, cx));
        } else if self.half_open.get(&own_spi).is_some_and(|half| half.init.spi_i == header.spi_i) {
            self.on_ike_auth(own_spi, &header, path, datagram, now);
        } else {
            // No INVALID_IKE_SPI (RFC 7296 §2.21.4 allows silence): nobody learns which SPIs live.
            self.stats.count(Reason::UnknownSpi);
        }
    }

    /// One octet of version is all that is told to speakers of another protocol version (§2.5).
    fn invalid_major_version(&mut self, path: Path, datagram: &[u8]) {
        self.stats.count(Reason::MajorVersion);
        let spi_i = datagram.first_chunk().map(|spi| IkeSpi(u64::from_be_bytes(*spi)));
        let is_request = datagram.get(19).is_some_and(|flags| flags & 0x20 == 0);
        let is_above_2 = datagram.get(17).is_some_and(|version| version >> 4 > 2);
        if let Some(spi_i) = spi_i.filter(|_| is_request && is_above_2) {
            self.notify_unprotected(path, spi_i, NotifyType::INVALID_MAJOR_VERSION, &[]);
        }
    }

    fn notify_unprotected(&mut self, path: Path, spi_i: IkeSpi, kind: NotifyType, data: &[u8]) {
        self.out.transmit(path, &[ike_sa_init::notification(spi_i, kind, data)]);
    }

    fn refused(&mut self, path: Path, spi_i: IkeSpi, reason: Reason, idi: Option<Identification>) {
        self.stats.count(reason);
        self.out.event(Event::Refused { path, spi_i, reason, idi });
    }

    // --> IKE_SA_INIT { SAi1, KEi, Ni, N(...) }
    // <-- IKE_SA_INIT { SAr1, KEr, Nr, CERTREQ, N(...) }
    fn on_ike_sa_init(&mut self, header: &Header, path: Path, datagram: &[u8], now: Instant) {
        if header.is_response || !header.from_initiator || header.spi_r != IkeSpi(0) || header.message_id != 0
        {
            return self.stats.count(Reason::UnexpectedExchange);
        }
        let parsed = message::parse_plain(header, datagram);
        if let Err(Malformed::UnknownCritical(kind)) = parsed {
            self.notify_unprotected(path, header.spi_i, NotifyType::UNSUPPORTED_CRITICAL_PAYLOAD, &[kind.0]);
        }
        let init = match parsed.map_err(Reason::from).and_then(IkeSaInit::parse) {
            Ok(init) => init,
            Err(reason) => return self.refused(path, header.spi_i, reason, None),
        };
        let Some(nonce_start) = init.nonce.first_chunk().copied() else { return };
        let key = (header.spi_i, path.peer, nonce_start);
        if let Some(half) = self.inits.get(&key).and_then(|spi_r| self.half_open.get_mut(spi_r)) {
            if half.init.request == datagram {
                half.init.saw_again();
                self.out.transmit(path, std::slice::from_ref(&half.init.response));
            }
            return;
        }
        if !self.may_keep_state(header.spi_i, path, &init, now) {
            return;
        }
        match self.accept_init(header.spi_i, path, init, datagram, now) {
            Ok(spi_r) => drop(self.inits.insert(key, spi_r)),
            Err(reason) => self.refused(path, header.spi_i, reason, None),
        }
    }

    /// A cookie first when many are half open, and no more than the limits allow.
    fn may_keep_state(&mut self, spi_i: IkeSpi, path: Path, init: &IkeSaInit, now: Instant) -> bool {
        let proven = init
            .cookie
            .as_ref()
            .is_some_and(|cookie| self.cookies.is_ours(cookie, &init.nonce, path.peer, spi_i));
        let asks = match self.config.cookies {
            CookiePolicy::Always => true,
            CookiePolicy::Above(threshold) => self.half_open.len() >= threshold,
        };
        if asks && !proven {
            let cookie = self.cookies.make(&init.nonce, path.peer, spi_i, &*self.crypto, now);
            self.stats.cookies_asked += 1;
            self.notify_unprotected(path, spi_i, NotifyType::COOKIE, &cookie);
            return false;
        }
        let limits = &self.config.half_open;
        let of_prefix = self.prefixes.get(&limits.prefix(path.peer.ip())).copied().unwrap_or(0);
        let over = if self.half_open.len() >= limits.total {
            Reason::HalfOpenFull
        } else if of_prefix >= limits.per_prefix {
            Reason::PrefixQuota
        } else {
            return true;
        };
        self.stats.count(over);
        false
    }

    fn accept_init(
        &mut self,
        spi_i: IkeSpi,
        path: Path,
        init: IkeSaInit,
        datagram: &[u8],
        now: Instant,
    ) -> Result<IkeSpi, Reason> {
        let Some((suite, proposal)) = self.config.suites.choose_ike(&init.proposals, init.ke.method) else {
            self.notify_unprotected(path, spi_i, NotifyType::NO_PROPOSAL_CHOSEN, &[]);
            return Err(Reason::NoProposalChosen);
        };
        if suite.key_exchange != init.ke.method {
            let wanted = suite.key_exchange.0.to_be_bytes();
            self.notify_unprotected(path, spi_i, NotifyType::INVALID_KE_PAYLOAD, &wanted);
            return Err(Reason::InvalidKe);
        }
        let ephemeral = self.crypto.key_exchange(suite.key_exchange).ok_or(Reason::OurFault)?;
        if ephemeral.public_value().len() != init.ke.data.len() {
            return Err(Reason::PublicValue);
        }
        let spi_r = self.draw_spi_r();
        let mut nonce_r = vec![0; 32];
        self.crypto.random(&mut nonce_r);
        let ke = KeyExchange { method: suite.key_exchange, data: ephemeral.public_value().to_vec() };
        let response = ike_sa_init::response(
            (spi_i, spi_r),
            &path,
            proposal,
            ke,
            nonce_r.clone(),
            &self.config.authorities,
        );
        self.out.transmit(path, std::slice::from_ref(&response));
        self.stats.init_answered += 1;
        let facts = InitFacts {
            spi_i,
            spi_r,
            request: datagram.to_vec(),
            response,
            nonce_i: init.nonce,
            nonce_r,
            suite,
            hashes: init.hashes,
            takes_fragments: init.takes_fragments,
            peer_is_childless: init.childless,
            fingerprint: init.fingerprint,
            answered_at: now,
        };
        let stage = Stage::AwaitIkeAuth(KeyAgreement { ephemeral, peer_value: init.ke.data });
        let give_up_at = now + self.config.half_open.lifetime;
        self.half_open.insert(
            spi_r,
            Box::new(HalfOpen {
                first_path: path,
                path,
                promised: None,
                init: facts,
                stage,
                give_up_at,
                not_after: None,
            }),
        );
        *self.prefixes.entry(self.config.half_open.prefix(path.peer.ip())).or_default() += 1;
        self.stats.half_open_now = self.half_open.len();
        self.timers.add(give_up_at, Owner::HalfOpen(spi_r));
        Ok(spi_r)
    }

    fn draw_spi_r(&self) -> IkeSpi {
        loop {
            let mut octets = [0; 8];
            self.crypto.random(&mut octets);
            let spi = IkeSpi(u64::from_be_bytes(octets));
            if spi.0 != 0 && !self.half_open.contains_key(&spi) && !self.spis.contains_key(&spi) {
                return spi;
            }
        }
    }

    // --> IKE_AUTH { IDi, CERT+, AUTH, SAi2, TSi, TSr, CP(CFG_REQUEST), N(...) }
    fn on_ike_auth(&mut self, spi_r: IkeSpi, header: &Header, path: Path, datagram: &[u8], now: Instant) {
        let Some(half) = self.half_open.get_mut(&spi_r) else { return };
        half.stage = match std::mem::replace(&mut half.stage, Stage::Moving) {
            Stage::AwaitIkeAuth(agreement) => match half.init.agree(agreement) {
                Ok(keys) => Stage::AwaitRequest(keys),
                Err(reason) => return self.give_up(spi_r, Some(reason)),
            },
            later => later,
        };
        let channel = match &mut half.stage {
            Stage::AwaitRequest(keys) | Stage::AwaitPeer(keys, _) | Stage::AwaitAdmission(keys, ..) => {
                &mut keys.channel
            }
            Stage::Refused(channel) => channel,
            Stage::AwaitIkeAuth(_) | Stage::Moving => return,
        };
        match channel.receive(header, datagram, now) {
            Received::Again(datagrams) => {
                self.stats.answered_again += 1;
                self.out.transmit(half.path, &datagrams);
            }
            Received::Request { exchange: ExchangeType::IKE_AUTH, payloads } => {
                half.path = path;
                half.init.saw_ike_auth(datagram.len(), now);
                self.on_ike_auth_request(spi_r, payloads, now);
            }
            Received::Request { .. } => self.give_up(spi_r, None),
            Received::Part => half.init.fingerprint.saw_fragment(datagram.len()),
            Received::Response { .. } | Received::Nothing => self.stats.count(Reason::NotAuthentic),
        }
    }

    fn on_ike_auth_request(
        &mut self,
        spi_r: IkeSpi,
        payloads: Result<Vec<Payload>, Malformed>,
        now: Instant,
    ) {
        let Some(half) = self.half_open.get_mut(&spi_r) else { return };
        let path = half.path;
        let request = match payloads.map(|payloads| IkeAuthRequest::parse(payloads, path)) {
            Ok(Ok(request)) => request,
            Ok(Err(reason)) => return self.refuse_auth(spi_r, reason, None, now),
            Err(Malformed::UnknownCritical(kind)) => {
                return self.refuse_auth(spi_r, Reason::UnknownCritical, Some(kind.0), now);
            }
            Err(malformed) => return self.refuse_auth(spi_r, malformed.into(), None, now),
        };
        let Stage::AwaitRequest(keys) = std::mem::replace(&mut half.stage, Stage::Moving) else { return };
        self.out.push(Output::AskPeer { ticket: Ticket(spi_r.0), ask: request.ask.clone() });
        half.stage = Stage::AwaitPeer(keys, Box::new(request));
    }

    /// The answer to [`Output::AskPeer`]: AUTH is verified with the peer's key, and admission asked for.
    pub fn handle_peer(&mut self, ticket: Ticket, peer: Result<Peer, Refusal>, now: Instant) {
        let spi_r = IkeSpi(ticket.0);
        let Some(half) = self.half_open.get_mut(&spi_r) else { return };
        let Stage::AwaitPeer(keys, request) = std::mem::replace(&mut half.stage, Stage::Moving) else {
            return;
        };
        let init = &half.init;
        let octets = ike_auth::signed_octets(
            &init.suite,
            &init.request,
            &init.nonce_r,
            &keys.secrets.sk_pi,
            &request.ask.idi,
        );
        let spis = (init.spi_i, spi_r);
        let not_after = peer.as_ref().ok().and_then(|peer| now.checked_add(peer.not_after));
        let verdict = match peer {
            Err(Refusal::Final) => Err(Reason::PeerRefused),
            Err(Refusal::Transient) => {
                half.stage = Stage::AwaitPeer(keys, request);
                return self.leave_unanswered(spi_r, Reason::PeerUnavailable, now);
            }
            Ok(peer) => {
                request.unverified(spis).verify(peer, &octets, &*self.crypto).ok_or(Reason::AuthMismatch)
            }
        };
        match verdict {
            Ok(auth) => {
                half.not_after = not_after;
                self.ask_admission(spi_r, keys, request, auth);
            }
            Err(reason) => {
                half.stage = Stage::AwaitPeer(keys, request);
                self.refuse_auth(spi_r, reason, None, now);
            }
        }
    }

    /// Silence: the same IKE_AUTH, sent again, is judged anew for as long as a peer goes on sending it.
    fn leave_unanswered(&mut self, spi_r: IkeSpi, reason: Reason, now: Instant) {
        let Some(half) = self.half_open.get_mut(&spi_r) else { return };
        half.stage = match std::mem::replace(&mut half.stage, Stage::Moving) {
            Stage::AwaitPeer(mut keys, _) | Stage::AwaitAdmission(mut keys, ..) => {
                keys.channel.forget_request();
                Stage::AwaitRequest(keys)
            }
            stage => stage,
        };
        half.give_up_at = now + self.config.times.response_kept;
        self.stats.count(reason);
    }

    fn ask_admission(&mut self, spi_r: IkeSpi, keys: Keys, request: Box<IkeAuthRequest>, auth: AuthVerified) {
        let Some(half) = self.half_open.get_mut(&spi_r) else { return };
        let sa = IkeSaId(self.next_id);
        self.next_id += 1;
        let attach = request.attach_request(half.init.fingerprint.clone());
        self.out.push(Output::AskAdmission {
            ticket: Ticket(spi_r.0),
            sa,
            auth: auth.clone(),
            request: attach,
        });
        half.stage = Stage::AwaitAdmission(keys, request, auth);
        half.promised = Some(sa);
    }

    /// The answer to [`Output::AskAdmission`].
    pub fn handle_admission(&mut self, ticket: Ticket, answer: Admission, now: Instant) {
        let spi_r = IkeSpi(ticket.0);
        let Some(half) = self.half_open.get_mut(&spi_r) else { return };
        match (answer, std::mem::replace(&mut half.stage, Stage::Moving)) {
            (Admission::Grant(grant), Stage::AwaitAdmission(keys, request, proof)) => {
                self.establish(spi_r, keys, &request, proof, &grant, now);
            }
            (Admission::Refuse, stage @ Stage::AwaitAdmission(..)) => {
                half.stage = stage;
                self.refuse_auth(spi_r, Reason::AdmissionRefused, None, now);
            }
            (Admission::Drop, stage @ Stage::AwaitAdmission(..)) => {
                half.stage = stage;
                self.leave_unanswered(spi_r, Reason::AdmissionUnavailable, now);
            }
            (_, stage) => half.stage = stage,
        }
    }

    /// Answers IKE_AUTH with an error, and keeps the answer for retransmissions.
    fn refuse_auth(&mut self, spi_r: IkeSpi, reason: Reason, critical: Option<u8>, now: Instant) {
        let Some(half) = self.half_open.get_mut(&spi_r) else { return };
        let (path, spi_i) = (half.path, half.init.spi_i);
        let (keys, idi) = match std::mem::replace(&mut half.stage, Stage::Moving) {
            Stage::AwaitRequest(keys) => (keys, None),
            Stage::AwaitPeer(keys, request) | Stage::AwaitAdmission(keys, request, _) => {
                (keys, Some(request.ask.idi))
            }
            stage => return half.stage = stage,
        };
        let mut channel = keys.channel;
        if let Answer::Notify(kind) = reason.answer() {
            let answer = [Payload::notify(kind, critical.as_slice())];
            let kept = self.config.times.response_kept;
            let datagrams = channel.respond(ExchangeType::IKE_AUTH, &answer, None, &*self.crypto, kept, now);
            self.out.transmit(path, &datagrams);
        }
        half.stage = Stage::Refused(channel);
        half.give_up_at = now + self.config.times.response_kept;
        self.refused(path, spi_i, reason, idi);
    }

    // <-- IKE_AUTH { IDr, CERT+, AUTH, CP(CFG_REPLY), SAr2, TSi, TSr, N(AUTH_LIFETIME) }
    fn establish(
        &mut self,
        spi_r: IkeSpi,
        mut keys: Keys,
        request: &IkeAuthRequest,
        proof: AuthVerified,
        grant: &Grant,
        now: Instant,
    ) {
        let Some(half) = self.forget_half_open(spi_r) else { return };
        let Some(id) = half.promised else { return };
        let identity = self.config.identity.clone();
        let octets = ike_auth::signed_octets(
            &half.init.suite,
            &half.init.response,
            &half.init.nonce_i,
            &keys.secrets.sk_pr,
            &identity.id,
        );
        let Some((certificates, auth)) = ike_auth::own_proof(&identity, &octets, half.init.hashes) else {
            // A peer whose list of hashes has none that our key signs with.
            return self.refused(
                half.path,
                half.init.spi_i,
                Reason::AuthMethod,
                Some(request.ask.idi.clone()),
            );
        };
        let lifetime = Self::lifetime(grant, half.not_after, now);
        let seconds = u32::try_from(lifetime.as_secs()).unwrap_or(u32::MAX);
        let selectors = Selectors { local: grant.ts_r.clone(), remote: grant.inner() };
        let child = request
            .offer
            .as_ref()
            .map(|offer| ike_auth::choose_child(offer, &self.config.suites, &selectors));
        let spi_in = matches!(child, Some(Ok(_))).then(|| draw_spi(&mut self.esp_spis, &*self.crypto));

        let mut answer = vec![Payload::IdR(identity.id)];
        answer.extend(certificates);
        answer.push(auth);
        answer.extend(ike_auth::configuration_reply(request, grant, &half.path));
        let first_child = match (child, spi_in) {
            (Some(Ok((chosen, ts_i, ts_r))), Some(spi_in)) => {
                answer.push(Payload::Sa(vec![chosen.answer(spi_in)]));
                answer.extend([Payload::TsI(ts_i.clone()), Payload::TsR(ts_r.clone())]);
                let nonces = (half.init.nonce_i.as_slice(), half.init.nonce_r.as_slice());
                let keys =
                    ChildKeys::derive(chosen.suite, half.init.suite.prf, &keys.channel.sk_d, &[], nonces);
                Some((spi_in, FirstChild { chosen, keys, ts_i, ts_r }))
            }
            (Some(Err(refused)), _) => {
                answer.push(Payload::notify(refused, &[]));
                None
            }
            _ => None,
        };
        answer.push(Payload::notify(NotifyType::AUTH_LIFETIME, &seconds.to_be_bytes()));

        let limit = half.init.takes_fragments.then_some(self.config.times.fragment_limit);
        let datagrams = keys.channel.respond(
            ExchangeType::IKE_AUTH,
            &answer,
            limit,
            &*self.crypto,
            self.config.times.response_kept,
            now,
        );
        self.stats.established += 1;
        let (path, spi_i, childless) = (half.path, half.init.spi_i, first_child.is_none());
        self.out.event(Event::SaEstablished { sa: id, path, spi_i, spi_r, childless });
        self.add_sa(id, half.path, keys.channel, selectors, half.init.takes_fragments, proof, now);
        self.with_sa(id, now, |sa, cx| {
            sa.expire_at(cx.now + lifetime);
            if let Some((spi_in, first)) = first_child {
                sa.install(first.into_responders(spi_in, sa.path), cx);
            }
            sa.transmit(&datagrams, cx);
        });
    }

    /// Until the unit must have authenticated again, or its certificate ends (RFC 4478): 24 h at most.
    fn lifetime(grant: &Grant, not_after: Option<Instant>, now: Instant) -> Duration {
        let of_certificate = not_after.map_or(Duration::MAX, |at| at.saturating_duration_since(now));
        grant.auth_lifetime.min(grant.expires_in).min(of_certificate).min(Duration::from_secs(86_400))
    }

    fn add_sa(
        &mut self,
        id: IkeSaId,
        path: Path,
        channel: crate::channel::Channel<Purpose>,
        selectors: Selectors,
        fragments: bool,
        proof: AuthVerified,
        now: Instant,
    ) {
        let cx = Context {
            times: &self.config.times,
            suites: &self.config.suites,
            crypto: &*self.crypto,
            esp_spis: &mut self.esp_spis,
            out: &mut self.out,
            stats: &mut self.stats,
            now,
        };
        let sa = IkeSa::new(id, path, channel, selectors, fragments, proof.digest(), &cx);
        self.sas.insert(id, Box::new(sa));
        self.stats.established_now = self.sas.len();
    }

    /// Runs one step of an IKE SA, then keeps its SPIs, its timer and its end in order.
    fn with_sa(&mut self, id: IkeSaId, now: Instant, step: impl FnOnce(&mut IkeSa, &mut Context<'_>)) {
        let Some(sa) = self.sas.get_mut(&id) else { return };
        let mut cx = Context {
            times: &self.config.times,
            suites: &self.config.suites,
            crypto: &*self.crypto,
            esp_spis: &mut self.esp_spis,
            out: &mut self.out,
            stats: &mut self.stats,
            now,
        };
        let before = sa.scheduled;
        step(sa, &mut cx);
        if let Some(by) = sa.ended() {
            sa.release(by, &mut cx);
            return self.remove_sa(id);
        }
        self.spis.extend(sa.own_spis().map(|spi| (spi, id)));
        for gone in sa.gone_spis.drain(..) {
            self.spis.remove(&gone);
        }
        let next = sa.next_timeout(&self.config.times);
        if before.is_none_or(|before| next < before || before <= now) {
            sa.scheduled = Some(next);
            self.timers.add(next, Owner::IkeSa(id));
        }
    }

    fn remove_sa(&mut self, id: IkeSaId) {
        let Some(sa) = self.sas.remove(&id) else { return };
        for spi in &sa.gone_spis {
            self.spis.remove(spi);
        }
        self.stats.established_now = self.sas.len();
    }

    fn forget_half_open(&mut self, spi_r: IkeSpi) -> Option<Box<HalfOpen>> {
        let half = self.half_open.remove(&spi_r)?;
        let nonce_start = half.init.nonce_i.first_chunk().copied().unwrap_or_default();
        self.inits.remove(&(half.init.spi_i, half.first_path.peer, nonce_start));
        let prefix = self.config.half_open.prefix(half.first_path.peer.ip());
        self.stats.half_open_now = self.half_open.len();
        if let Some(count) = self.prefixes.get_mut(&prefix) {
            *count -= 1;
            if *count == 0 {
                self.prefixes.remove(&prefix);
            }
        }
        Some(half)
    }

    fn give_up(&mut self, spi_r: IkeSpi, reason: Option<Reason>) {
        let Some(half) = self.forget_half_open(spi_r) else { return };
        if let Some(reason) = reason {
            self.refused(half.path, half.init.spi_i, reason, None);
        }
    }

    /// Does what is due by `now`.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(owner) = self.timers.due(now) {
            match owner {
                Owner::IkeSa(id) => self.with_sa(id, now, |sa, cx| sa.handle_timeout(cx)),
                Owner::HalfOpen(spi_r) => match self.half_open.get(&spi_r) {
                    Some(half) if half.give_up_at > now => self.timers.add(half.give_up_at, owner),
                    Some(half) => {
                        let silent = !matches!(half.stage, Stage::Refused(_));
                        self.give_up(spi_r, silent.then_some(Reason::HalfOpenTimeout));
                    }
                    None => {}
                },
            }
        }
    }

    /// Asks for proof of life; [`Event::ProbeAnswered`] or [`Event::ProbeSilent`] follows within 6 s.
    pub fn probe(&mut self, sa: IkeSaId, now: Instant) {
        if !self.sas.contains_key(&sa) {
            return self.out.event(Event::ProbeSilent { sa });
        }
        self.with_sa(sa, now, |sa, cx| sa.probe(cx));
    }

    /// Deletes an IKE SA: its CHILD SAs at once, the rest once the peer has answered or is silent.
    pub fn delete(&mut self, sa: IkeSaId, now: Instant) {
        self.with_sa(sa, now, |sa, cx| sa.delete(DeletedBy::Us, cx));
    }

    /// Replaces a CHILD SA's keys now, as when its volume is used up.
    pub fn rekey_child_sa(&mut self, sa: IkeSaId, spi_in: Spi, now: Instant) {
        self.with_sa(sa, now, |sa, cx| sa.add_task(Task::RekeyChild(spi_in), cx));
    }

    /// Replaces an IKE SA's keys now.
    pub fn rekey_ike_sa(&mut self, sa: IkeSaId, now: Instant) {
        self.with_sa(sa, now, |sa, cx| sa.add_task(Task::RekeyIke, cx));
    }

    /// ESP of this peer verified: it lives.
    pub fn heard(&mut self, sa: IkeSaId, now: Instant) {
        self.with_sa(sa, now, |sa, cx| sa.heard(cx));
    }
}

impl FirstChild {
    fn into_responders(self, spi_in: Spi, path: Path) -> ChildSa {
        ChildSa {
            spi_in,
            spi_out: self.chosen.peer_spi,
            suite: self.chosen.suite,
            keys_in: self.keys.from_initiator,
            keys_out: self.keys.from_responder,
            ts_local: self.ts_r,
            ts_remote: self.ts_i,
            path,
            replaces: None,
            peer_is_ready: false,
        }
    }
}

impl HalfOpenLimits {
    /// The prefix that an address is in, as its first address.
    fn prefix(&self, address: IpAddr) -> IpAddr {
        match address {
            IpAddr::V4(v4) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.prefix_v4.min(32))).unwrap_or(0);
                IpAddr::V4((v4.to_bits() & mask).into())
            }
            IpAddr::V6(v6) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.prefix_v6.min(128))).unwrap_or(0);
                IpAddr::V6((v6.to_bits() & mask).into())
            }
        }
    }
}
