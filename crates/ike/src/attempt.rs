//! One attempt of an initiator, and the IKE SA that comes of it (RFC 7296).

use crate::{
    AskPeer, AuthVerified, ChildSa, ConnectFailure, DeletedBy, Event, IkeSaId, InitiatorConfig, Output, Path,
    Peer, Refusal, SaTimes, Stats, Ticket,
    auth_verified::Unverified,
    channel::{Overdue, Received, Role},
    child_sa::{ChildKeys, draw_spi},
    crypto::{CryptoProvider, Ephemeral, Secret},
    exchange::{
        ike_auth::{self, Parts},
        ike_sa_init::{self, IkeSaInit},
    },
    half_open::{InitFacts, Keys},
    header::{ExchangeType, Header},
    ike_sa::{Context, IkeSa, Purpose, Selectors, Task},
    message,
    output::Outputs,
    payload::{
        Attribute, AttributeType, CertEncoding, CertificateRequest, Configuration, ConfigurationType,
        KeyExchange, KeyExchangeMethod, Notify, NotifyType, Payload, TrafficSelector,
    },
    suite::IkeSuite,
};
use ids::{IkeSpi, Spi};
use std::{
    collections::HashSet,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    time::Instant,
};

/// One IKE SA from the first message to the last.
pub(crate) struct Attempt {
    pub(crate) id: IkeSaId,
    state: State,
}

/// What an attempt works with while it handles one input.
pub(crate) struct Means<'a> {
    pub(crate) config: &'a InitiatorConfig,
    pub(crate) paths: (Path, Path),
    pub(crate) crypto: &'a dyn CryptoProvider,
    pub(crate) esp_spis: &'a mut HashSet<Spi>,
    pub(crate) out: &'a mut Outputs,
    pub(crate) stats: &'a mut Stats,
    pub(crate) now: Instant,
}

impl Means<'_> {
    fn context(&mut self) -> Context<'_> {
        Context {
            times: &self.config.times,
            suites: &self.config.suites,
            crypto: self.crypto,
            esp_spis: self.esp_spis,
            out: self.out,
            stats: self.stats,
            now: self.now,
        }
    }

    fn random(&self, length: usize) -> Vec<u8> {
        let mut octets = vec![0; length];
        self.crypto.random(&mut octets);
        octets
    }

    fn agrees_to(&self, method: KeyExchangeMethod) -> bool {
        self.config.suites.key_exchanges.contains(&method)
    }
}

enum State {
    AwaitInit(Box<AwaitInit>),
    AwaitAuth(Box<AwaitAuth>),
    AwaitPeer(Box<AwaitPeer>),
    Established(Box<IkeSa>),
    Over,
}

struct AwaitInit {
    spi_i: IkeSpi,
    nonce: Vec<u8>,
    ephemeral: Box<dyn Ephemeral>,
    method: KeyExchangeMethod,
    cookie: Option<Vec<u8>>,
    request: Vec<u8>,
    repeated: u8,
    rounds: u8,
    again_at: Instant,
}

struct AwaitAuth {
    init: InitFacts,
    keys: Keys,
    spi_in: Spi,
}

struct AwaitPeer {
    waiting: AwaitAuth,
    parts: Parts,
    proof: Unverified,
}

impl Attempt {
    /// Begins with IKE_SA_INIT.
    pub(crate) fn begin(id: IkeSaId, means: &mut Means<'_>) -> Self {
        let mut this = Self { id, state: State::Over };
        let method = means.config.suites.key_exchanges.first().copied().unwrap_or(KeyExchangeMethod(0));
        let Some(ephemeral) = means.crypto.key_exchange(method) else {
            this.fail(ConnectFailure::BadAnswer, means);
            return this;
        };
        let spi = means.random(8).first_chunk().map_or(1, |octets| u64::from_be_bytes(*octets).max(1));
        let init = AwaitInit {
            spi_i: IkeSpi(spi),
            nonce: means.random(means.config.nonce_length.clamp(16, 256)),
            ephemeral,
            method,
            cookie: None,
            request: Vec::new(),
            repeated: 0,
            rounds: 0,
            again_at: means.now + means.config.times.retransmission.first,
        };
        this.send_init(init, means);
        this
    }

    /// When [`Self::handle_timeout`] is due.
    pub(crate) fn next_timeout(&self, times: &SaTimes) -> Option<Instant> {
        match &self.state {
            State::AwaitInit(init) => Some(init.again_at),
            State::AwaitAuth(auth) => auth.keys.channel.next_timeout(),
            State::AwaitPeer(_) | State::Over => None,
            State::Established(sa) => Some(sa.next_timeout(times)),
        }
    }

    pub(crate) fn is_established(&self) -> bool {
        matches!(&self.state, State::Established(sa) if !sa.is_announced())
    }

    pub(crate) fn is_over(&self) -> bool {
        matches!(self.state, State::Over)
    }

    /// A message with these SPIs is for this attempt.
    pub(crate) fn owns(&self, header: &Header) -> bool {
        match &self.state {
            State::AwaitInit(init) => init.spi_i == header.spi_i,
            State::AwaitAuth(waiting) => waiting.init.spi_i == header.spi_i,
            State::AwaitPeer(asked) => asked.waiting.init.spi_i == header.spi_i,
            State::Established(sa) => sa.own_spis().any(|spi| spi == header.spi_i || spi == header.spi_r),
            State::Over => false,
        }
    }

    // --> IKE_SA_INIT { [N(COOKIE)], SAi1, KEi, Ni, N(...) }
    fn send_init(&mut self, mut init: AwaitInit, means: &mut Means<'_>) {
        let mut payloads = Vec::new();
        payloads.extend(init.cookie.as_ref().map(|cookie| Payload::notify(NotifyType::COOKIE, cookie)));
        payloads.extend([
            Payload::Sa(means.config.suites.offer_ike(&[])),
            Payload::Ke(KeyExchange { method: init.method, data: init.ephemeral.public_value().to_vec() }),
            Payload::Nonce(init.nonce.clone()),
        ]);
        payloads.extend(ike_sa_init::notifies((init.spi_i, IkeSpi(0)), &means.paths.0));
        payloads.extend(means.config.vendor_ids.iter().cloned().map(Payload::VendorId));
        init.request = message::write_plain(ike_sa_init::header(init.spi_i, IkeSpi(0), false), &payloads);
        means.out.transmit(means.paths.0, std::slice::from_ref(&init.request));
        self.state = State::AwaitInit(Box::new(init));
    }

    fn fail(&mut self, why: ConnectFailure, means: &mut Means<'_>) {
        self.state = State::Over;
        means.out.event(Event::ConnectFailed { why });
    }

    fn refused(&mut self, kind: NotifyType, means: &mut Means<'_>) {
        self.fail(ConnectFailure::Notify(kind), means);
    }

    /// An IKE message that [`Self::owns`] said is for this attempt.
    pub(crate) fn handle_datagram(
        &mut self,
        header: &Header,
        path: Path,
        datagram: &[u8],
        means: &mut Means<'_>,
    ) {
        match std::mem::replace(&mut self.state, State::Over) {
            State::AwaitInit(init) => self.on_init_response(*init, header, datagram, means),
            State::AwaitAuth(waiting) => self.on_auth_response(*waiting, header, datagram, means),
            State::Established(mut sa) => {
                sa.handle(header, datagram, path, &mut means.context());
                self.keep(sa, means);
            }
            other => self.state = other,
        }
    }

    /// Puts the IKE SA back, or ends with it.
    fn keep(&mut self, mut sa: Box<IkeSa>, means: &mut Means<'_>) {
        match sa.ended() {
            Some(by) => sa.release(by, &mut means.context()),
            None => self.state = State::Established(sa),
        }
    }

    fn on_init_response(&mut self, init: AwaitInit, header: &Header, datagram: &[u8], means: &mut Means<'_>) {
        let is_answer =
            header.exchange == ExchangeType::IKE_SA_INIT && header.is_response && header.message_id == 0;
        let payloads = message::parse_plain(header, datagram).ok().filter(|_| is_answer);
        let Some(payloads) = payloads else { return self.state = State::AwaitInit(Box::new(init)) };
        let said = payloads.iter().find_map(|payload| match payload {
            Payload::Notify(notify) if notify.kind.is_error() || notify.kind == NotifyType::COOKIE => {
                Some(notify)
            }
            _ => None,
        });
        if let Some(notify) = said.filter(|_| header.spi_r == IkeSpi(0)) {
            return self.on_init_notify(init, &notify.clone(), means);
        }
        let agreed =
            IkeSaInit::parse(payloads).ok().and_then(|parsed| agree(&init, parsed, header, datagram, means));
        match agreed {
            Some((facts, secret)) => self.send_auth(facts, &secret, means),
            None => self.state = State::AwaitInit(Box::new(init)),
        }
    }

    /// COOKIE and INVALID_KE_PAYLOAD make us ask again (§2.6.1), a few times; all else ends the attempt.
    fn on_init_notify(&mut self, mut init: AwaitInit, notify: &Notify, means: &mut Means<'_>) {
        init.rounds += 1;
        match notify.kind {
            kind if init.rounds > 5 => return self.refused(kind, means),
            NotifyType::COOKIE if (1..=64).contains(&notify.data.len()) => {
                init.cookie = Some(notify.data.clone())
            }
            NotifyType::INVALID_KE_PAYLOAD => {
                let wanted = notify.data.as_slice().try_into().map(u16::from_be_bytes).map(KeyExchangeMethod);
                let wanted = wanted.ok().filter(|method| means.agrees_to(*method));
                let pair = wanted.and_then(|method| Some((method, means.crypto.key_exchange(method)?)));
                let Some(pair) = pair else { return self.refused(notify.kind, means) };
                (init.method, init.ephemeral) = pair;
            }
            kind => return self.refused(kind, means),
        }
        self.send_init(init, means);
    }

    // --> IKE_AUTH { IDi, CERT+, CERTREQ, IDr, AUTH, CP(CFG_REQUEST), SAi2, TSi, TSr, N(...) }
    fn send_auth(&mut self, init: InitFacts, secret: &[u8], means: &mut Means<'_>) {
        let mut keys = init.keys(secret, Role::Initiator);
        let identity = &means.config.identity;
        let octets = ike_auth::signed_octets(
            &init.suite,
            &init.request,
            &init.nonce_r,
            &keys.secrets.sk_pi,
            &identity.id,
        );
        let Some((certificates, auth)) = ike_auth::own_proof(identity, &octets, init.hashes) else {
            return self.refused(NotifyType::AUTHENTICATION_FAILED, means);
        };
        let spi_in = draw_spi(means.esp_spis, means.crypto);
        let mut payloads = vec![Payload::IdI(identity.id.clone())];
        payloads.extend(certificates);
        payloads.push(Payload::CertReq(CertificateRequest {
            encoding: CertEncoding::X509_SIGNATURE,
            authorities: means.config.authorities.concat(),
        }));
        payloads.extend([Payload::IdR(means.config.gateway_id.clone()), auth]);
        payloads.extend(configuration_request(means.config));
        let is_childless = means.config.childless && init.peer_is_childless;
        if !is_childless {
            payloads.extend([
                Payload::Sa(means.config.suites.offer_esp(spi_in, false)),
                Payload::TsI(everything(means.config)),
                Payload::TsR(means.config.ts_r.clone()),
            ]);
        }
        payloads
            .extend(means.config.initial_contact.then(|| Payload::notify(NotifyType::INITIAL_CONTACT, &[])));
        let limit = init.takes_fragments.then_some(means.config.times.fragment_limit);
        let context = (&means.config.times, limit, means.crypto);
        let datagrams =
            keys.channel.request(ExchangeType::IKE_AUTH, &payloads, Purpose::IkeAuth, context, means.now);
        means.out.transmit(means.paths.1, &datagrams);
        self.state = State::AwaitAuth(Box::new(AwaitAuth { init, keys, spi_in }));
    }

    fn on_auth_response(
        &mut self,
        mut waiting: AwaitAuth,
        header: &Header,
        datagram: &[u8],
        means: &mut Means<'_>,
    ) {
        match waiting.keys.channel.receive(header, datagram, means.now) {
            Received::Response { payloads: Ok(payloads), .. } => {
                self.on_auth_payloads(waiting, payloads, means)
            }
            Received::Response { payloads: Err(_), .. } => self.fail(ConnectFailure::BadAnswer, means),
            _ => self.state = State::AwaitAuth(Box::new(waiting)),
        }
    }

    fn on_auth_payloads(&mut self, waiting: AwaitAuth, payloads: Vec<Payload>, means: &mut Means<'_>) {
        let mut parts = Parts::of(payloads);
        let proof = (parts.id_r.take(), parts.auth.take(), parts.certificates());
        let (Some(id), Some(authentication), Ok(certificates)) = proof else {
            let said = parts.notifies.iter().find(|kind| kind.is_error());
            let why = said.map_or(ConnectFailure::BadAnswer, |kind| ConnectFailure::Notify(*kind));
            return self.fail(why, means);
        };
        if id != means.config.gateway_id {
            return self.fail(ConnectFailure::GatewayNotAuthentic, means);
        }
        let ticket = Ticket(waiting.init.spi_i.0);
        let path = means.paths.1;
        let ask = AskPeer { idi: id.clone(), certificates: certificates.clone(), ppk_id: None, path };
        means.out.push(Output::AskPeer { ticket, ask });
        let spis = (waiting.init.spi_i, waiting.init.spi_r);
        let proof = Unverified { id, certificates, authentication, path, spis, initial_contact: false };
        self.state = State::AwaitPeer(Box::new(AwaitPeer { waiting, parts, proof }));
    }

    /// The answer to [`Output::AskPeer`]: whether the gateway is the one that we mean to talk to.
    pub(crate) fn handle_peer(&mut self, ticket: Ticket, peer: Result<Peer, Refusal>, means: &mut Means<'_>) {
        match std::mem::replace(&mut self.state, State::Over) {
            State::AwaitPeer(asked) if Ticket(asked.waiting.init.spi_i.0) == ticket => {
                self.on_peer(*asked, peer, means);
            }
            other => self.state = other,
        }
    }

    fn on_peer(&mut self, asked: AwaitPeer, peer: Result<Peer, Refusal>, means: &mut Means<'_>) {
        let AwaitPeer { waiting, parts, proof } = asked;
        let init = &waiting.init;
        let octets = ike_auth::signed_octets(
            &init.suite,
            &init.response,
            &init.nonce_i,
            &waiting.keys.secrets.sk_pr,
            &proof.id,
        );
        match peer.ok().and_then(|peer| proof.verify(peer, &octets, means.crypto)) {
            Some(auth) => self.establish(waiting, parts, &auth, means),
            None => self.fail(ConnectFailure::GatewayNotAuthentic, means),
        }
    }

    fn establish(
        &mut self,
        waiting: AwaitAuth,
        mut parts: Parts,
        auth: &AuthVerified,
        means: &mut Means<'_>,
    ) {
        let AwaitAuth { init, keys, spi_in } = waiting;
        let offer = parts.offer();
        let inner = inner_addresses(&parts.configuration);
        let hosts = inner.0.map(IpAddr::V4).into_iter().chain(inner.1.map(|(v6, _)| IpAddr::V6(v6)));
        let selectors = Selectors {
            local: offer
                .as_ref()
                .map_or_else(|| hosts.map(TrafficSelector::host).collect(), |o| o.ts_i.clone()),
            remote: offer.as_ref().map_or_else(|| means.config.ts_r.clone(), |o| o.ts_r.clone()),
        };
        let path = means.paths.1;
        let chosen = offer.as_ref().and_then(|offer| means.config.suites.choose_esp(&offer.proposals, None));
        let nonces = (init.nonce_i.as_slice(), init.nonce_r.as_slice());
        let child = offer.zip(chosen).map(|(offer, chosen)| {
            let keys = ChildKeys::derive(chosen.suite, init.suite.prf, &keys.channel.sk_d, &[], nonces);
            let (keys_in, keys_out) = (keys.from_responder, keys.from_initiator);
            let (ts_local, ts_remote) = (offer.ts_i, offer.ts_r);
            let (spi_out, suite) = (chosen.peer_spi, chosen.suite);
            ChildSa {
                spi_in,
                spi_out,
                suite,
                keys_in,
                keys_out,
                ts_local,
                ts_remote,
                path,
                replaces: None,
                peer_is_ready: true,
            }
        });
        let (sa, auth_lifetime) = (self.id, parts.auth_lifetime);
        let dns = name_servers(&parts.configuration);
        means.out.event(Event::Connected { sa, inner_v4: inner.0, inner_v6: inner.1, dns, auth_lifetime });
        means.stats.established += 1;
        let creates_later = child.is_none() && means.config.childless && init.peer_is_childless;
        let mut cx = means.context();
        let mut sa =
            IkeSa::new(self.id, path, keys.channel, selectors, init.takes_fragments, auth.digest(), &cx);
        let refused = parts.notifies.into_iter().find(|kind| kind.is_error());
        match (child, refused) {
            (Some(child), _) => sa.install(child, &mut cx),
            (None, Some(notify)) => cx.out.event(Event::ChildFailed { sa: self.id, notify }),
            (None, None) if creates_later => sa.add_task(Task::CreateChild, &mut cx),
            (None, None) => {}
        }
        self.state = State::Established(Box::new(sa));
    }

    /// Does what is due.
    pub(crate) fn handle_timeout(&mut self, means: &mut Means<'_>) {
        match std::mem::replace(&mut self.state, State::Over) {
            State::AwaitInit(mut init) if init.again_at <= means.now => {
                init.repeated += 1;
                if init.repeated >= means.config.times.retransmission.tries {
                    return self.fail(ConnectFailure::TimedOut, means);
                }
                init.again_at = means.now + means.config.times.retransmission.wait_after(init.repeated);
                means.out.transmit(means.paths.0, std::slice::from_ref(&init.request));
                self.state = State::AwaitInit(init);
            }
            State::AwaitAuth(mut waiting) => {
                match waiting.keys.channel.overdue(&means.config.times, means.now) {
                    Some(Overdue::Unreachable) => self.fail(ConnectFailure::TimedOut, means),
                    Some(Overdue::Again(datagrams)) => {
                        means.out.transmit(means.paths.1, &datagrams);
                        self.state = State::AwaitAuth(waiting);
                    }
                    None => self.state = State::AwaitAuth(waiting),
                }
            }
            State::Established(mut sa) => {
                sa.handle_timeout(&mut means.context());
                self.keep(sa, means);
            }
            other => self.state = other,
        }
    }

    /// Does something with the IKE SA, if there is one.
    pub(crate) fn with_sa(&mut self, means: &mut Means<'_>, step: impl FnOnce(&mut IkeSa, &mut Context<'_>)) {
        match std::mem::replace(&mut self.state, State::Over) {
            State::Established(mut sa) => {
                step(&mut sa, &mut means.context());
                self.keep(sa, means);
            }
            other => self.state = other,
        }
    }

    /// The tunnel is over; only its DELETE is on its way.
    pub(crate) fn is_closing(&self) -> bool {
        matches!(&self.state, State::Established(sa) if sa.is_announced())
    }

    /// Later messages go along this path.
    pub(crate) fn rebind(&mut self, path: Path) {
        if let State::Established(sa) = &mut self.state {
            sa.path = path;
        }
    }

    /// Ends in good order: deletes the IKE SA, or gives the attempt up.
    pub(crate) fn close(&mut self, by: DeletedBy, means: &mut Means<'_>) {
        match &self.state {
            State::Established(sa) if sa.is_announced() => {}
            State::Established(_) => self.with_sa(means, |sa, cx| sa.delete(by, cx)),
            State::Over => {}
            State::AwaitInit(_) | State::AwaitAuth(_) | State::AwaitPeer(_) => {
                self.fail(ConnectFailure::Closed, means)
            }
        }
    }
}

fn agree(
    init: &AwaitInit,
    response: IkeSaInit,
    header: &Header,
    datagram: &[u8],
    means: &Means<'_>,
) -> Option<(InitFacts, Secret)> {
    let suite = IkeSuite::from_answer(&response.proposals, &means.config.suites)?;
    if suite.key_exchange != init.method || response.ke.method != init.method || header.spi_r == IkeSpi(0) {
        return None;
    }
    let secret = init.ephemeral.agree(&response.ke.data).ok()?;
    let facts = InitFacts {
        spi_i: init.spi_i,
        spi_r: header.spi_r,
        request: init.request.clone(),
        response: datagram.to_vec(),
        nonce_i: init.nonce.clone(),
        nonce_r: response.nonce,
        suite,
        hashes: response.hashes,
        takes_fragments: response.takes_fragments,
        peer_is_childless: response.childless,
        fingerprint: response.fingerprint,
        answered_at: means.now,
    };
    Some((facts, secret))
}

fn configuration_request(config: &InitiatorConfig) -> Option<Payload> {
    let asked = [
        (config.want_v4, AttributeType::INTERNAL_IP4_ADDRESS),
        (config.want_v4, AttributeType::INTERNAL_IP4_DNS),
        (config.want_v6, AttributeType::INTERNAL_IP6_ADDRESS),
        (config.want_v6, AttributeType::INTERNAL_IP6_DNS),
        (config.want_v4, AttributeType::EXTERNAL_SOURCE_IP4_NAT_INFO),
    ];
    let wanted = asked.into_iter().filter(|(wanted, _)| *wanted);
    let attributes: Vec<_> = wanted.map(|(_, kind)| Attribute { kind, value: Vec::new() }).collect();
    let configuration = Configuration { kind: ConfigurationType::REQUEST, attributes };
    (!configuration.attributes.is_empty()).then_some(Payload::Cp(configuration))
}

/// TSi of a unit that leaves the choice of its address to the gateway.
fn everything(config: &InitiatorConfig) -> Vec<TrafficSelector> {
    let families = [(config.want_v4, TrafficSelector::ALL_V4), (config.want_v6, TrafficSelector::ALL_V6)];
    families.into_iter().filter_map(|(wanted, all)| wanted.then_some(all)).collect()
}

/// INTERNAL_IP4_ADDRESS and INTERNAL_IP6_ADDRESS of a CFG_REPLY.
fn inner_addresses(configuration: &[Attribute]) -> (Option<Ipv4Addr>, Option<(Ipv6Addr, u8)>) {
    let value =
        |kind| configuration.iter().find(|attribute| attribute.kind == kind).map(|found| &found.value);
    let v4 = value(AttributeType::INTERNAL_IP4_ADDRESS)
        .and_then(|octets| <[u8; 4]>::try_from(octets.as_slice()).ok());
    let v6 = value(AttributeType::INTERNAL_IP6_ADDRESS).and_then(|octets| {
        let (address, prefix) = octets.split_first_chunk::<16>()?;
        Some((Ipv6Addr::from(*address), *prefix.first()?))
    });
    (v4.map(Ipv4Addr::from), v6)
}

fn name_servers(configuration: &[Attribute]) -> Vec<IpAddr> {
    let server = |attribute: &Attribute| match attribute.kind {
        AttributeType::INTERNAL_IP4_DNS => {
            <[u8; 4]>::try_from(attribute.value.as_slice()).ok().map(|octets| Ipv4Addr::from(octets).into())
        }
        AttributeType::INTERNAL_IP6_DNS => {
            <[u8; 16]>::try_from(attribute.value.as_slice()).ok().map(|octets| Ipv6Addr::from(octets).into())
        }
        _ => None,
    };
    configuration.iter().filter_map(server).collect()
}
