//! IKE_SA_INIT: it waits for its turn once a cookie that is asked for has come back, and makes a half-open IKE SA.

use super::{HalfOpen, IkeSaState, InitKey, Responder, Slot};
use crate::{
    CookiePolicy, Event, ExchangeType, Header, IkeSaId, ObservedFingerprint, Path, Reason, Timer,
    await_ike_auth::AwaitIkeAuth,
    costly,
    crypto::Ephemeral,
    exchange::{
        Contents,
        create_child_sa::invalid_ke,
        ike_sa_init::{Abilities, IkeSaInitRequest},
    },
    handshake::{Agreement, Handshake},
    lobby::Waiting,
    message::{parse_plain, write_plain},
    nat_detection,
    payload::{CertEncoding, CertificateRequest, KeyExchange, Malformed, NotifyType, Payload, PayloadType},
    quota::Prefix,
};
use ids::IkeSpi;
use std::{hash::BuildHasher as _, time::Instant};

/// Longest IKE_SA_INIT that is looked at: room for every proposal in use, and far below what would
/// make a half-open IKE SA dear.
pub(super) const MAX_INIT: usize = 4096;
const NONCE: usize = 32;

impl Responder {
    /// INVALID_MAJOR_VERSION for a version above ours, if the answer is no longer than what came
    /// (RFC 7296 §2.5); silence for everything else.
    pub(super) fn on_bad_header(&mut self, path: Path, bytes: &[u8], malformed: Malformed) {
        self.stats.count(Reason::from(malformed));
        let Some(answer) = major_version_answer(bytes, malformed) else { return };
        if answer.len() <= bytes.len() {
            self.out.transmit(path, &[answer]);
        }
    }

    pub(super) fn on_ike_sa_init(&mut self, path: Path, header: &Header, bytes: &[u8], now: Instant) {
        let is_first = header.from_initiator
            && !header.is_response
            && header.message_id == 0
            && header.spi_r == IkeSpi(0);
        if !is_first {
            return self.stats.count(Reason::UnexpectedExchange);
        }
        let init = (path.peer, self.init_hash.hash_one(bytes));
        if self.is_answered_again(init, path, bytes, now) || self.lobby.is_heard_again(&init, now) {
            return;
        }
        if let Err(reason) = self.let_wait(path, header, bytes, init, now) {
            self.stats.count(reason);
        }
        self.stats.waiting_now = self.lobby.len();
    }

    /// A request that comes again gets the same octets again (RFC 7296 §2.1).
    fn is_answered_again(&mut self, init: InitKey, path: Path, bytes: &[u8], now: Instant) -> bool {
        let slot = self.inits.get(&init).and_then(|id| self.slots.get_mut(id));
        let Some(handshake) = slot.and_then(|slot| slot.state.handshake_mut()) else { return false };
        let is_same = handshake.init_request == bytes;
        if is_same {
            let since = now.saturating_duration_since(handshake.answered_at);
            handshake.fingerprint.saw_again_after(since);
            self.stats.answered_again += 1;
            self.out.transmit(path, std::slice::from_ref(&handshake.init_response));
        }
        is_same
    }

    /// Gives a request its place in the lobby, once it has its cookie where one is due.
    fn let_wait(
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
        let waiting = Waiting { path, init, datagram: bytes.into() };
        self.lobby.enter(waiting, &self.config.half_open, now)
    }

    /// Asks for a cookie if one is due and has not come; a wrong one counts as none (RFC 7296 §2.6).
    fn asks_cookie(&mut self, path: Path, header: &Header, request: &IkeSaInitRequest, now: Instant) -> bool {
        let is_due = match self.config.cookies {
            CookiePolicy::Always => true,
            CookiePolicy::Above(threshold) => {
                let limits = &self.config.half_open;
                let prefix = Prefix::of(path.peer.ip(), limits);
                let (all, of_prefix) =
                    (self.quota.total() + self.lobby.len(), self.quota.of(&prefix) + self.lobby.of(&prefix));
                let is_crowded = all >= limits.total / 2 || self.lobby.is_half_full();
                all >= threshold || is_crowded || of_prefix >= limits.per_prefix / 2
            }
        };
        let is_asked = self.asking.goes_on(is_due, now);
        let is_asked_as_costly = costly::is_costly_method(request.ke.method) && {
            let is_due = self.costly.is_half_used(path.peer.ip(), &self.config.half_open, now);
            self.asking_costly.goes_on(is_due, now)
        };
        if !is_asked && !is_asked_as_costly {
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

    /// Chooses a suite and makes a half-open IKE SA; or says why not, and keeps nothing. The request is parsed once
    /// more: what waits is its octets alone, whose bound is known.
    pub(super) fn begin(&mut self, waiting: Waiting, now: Instant) -> Result<(), Reason> {
        let Waiting { path, init, datagram } = waiting;
        let header = &Header::parse(&datagram)?;
        let request = IkeSaInitRequest::parse(parse_plain(header, &datagram).and_then(Contents::sort)?)?;
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
        let prefix = Prefix::of(path.peer.ip(), &self.config.half_open);
        self.find_place(prefix, now)?;
        let ephemeral = self.key_pair_for(path, &request.ke, now)?;
        let id = self.next_id();
        self.count_begun(prefix, id);
        self.make_room(now);
        let spi_r = self.spis.draw_ike(id, self.crypto.as_ref());
        let spis = (header.spi_i, spi_r);
        let mut nonce = vec![0; NONCE];
        self.crypto.random(&mut nonce);
        let ke = KeyExchange { method: suite.key_exchange, data: ephemeral.public_value().to_vec() };
        let mut answer = vec![Payload::Sa(vec![chosen]), Payload::Ke(ke), Payload::Nonce(nonce.clone())];
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
            init_request: datagram.into_vec(),
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
