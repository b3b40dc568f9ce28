use crate::{
    ConnectFailure, Context, ExchangeType, Header, IkeSaId, InitiatorConfig, Path, Reason,
    await_auth_answer::AwaitAuthAnswer,
    crypto::Ephemeral,
    exchange::{
        Contents,
        ike_sa_init::{Abilities, IkeSaInitAnswer, InitAccepted},
    },
    handshake::derive,
    ike_sa::Origin,
    initiator::{Attempt, Step},
    message::{parse_plain, write_plain},
    nat_detection,
    payload::{KeyExchange, KeyExchangeMethod, NotifyType, Payload, PayloadType},
    retransmission::Schedule,
    suite::IkeSuite,
};
use ids::IkeSpi;

/// An initiator's IKE_SA_INIT is on its way.
pub(crate) struct AwaitInitAnswer {
    pub(crate) id: IkeSaId,
    pub(crate) spi_i: IkeSpi,
    pub(crate) schedule: Schedule,
    path: Path,
    nonce: Vec<u8>,
    ephemeral: Box<dyn Ephemeral>,
    method: KeyExchangeMethod,
    cookie: Option<Vec<u8>>,
    request: Vec<u8>,
    /// COOKIE and INVALID_KE_PAYLOAD that were followed.
    turns: u8,
}

/// A responder that never has enough is left.
const MAX_TURNS: u8 = 6;

impl AwaitInitAnswer {
    pub(crate) fn begin(id: IkeSaId, config: &InitiatorConfig, cx: &mut Context<'_>) -> Step {
        let method = cx.suites.key_exchanges.first().copied();
        let Some((method, ephemeral)) =
            method.and_then(|method| Some((method, cx.crypto.key_exchange(method)?)))
        else {
            return Step::Failed(ConnectFailure::BadAnswer, None);
        };
        let mut waiting = Box::new(Self {
            id,
            spi_i: cx.spis.draw_ike(id, cx.crypto),
            schedule: Schedule::start(&cx.times.retransmission, cx.now),
            path: config.path,
            nonce: cx.random(config.nonce_length),
            ephemeral,
            method,
            cookie: None,
            request: Vec::new(),
            turns: 0,
        });
        waiting.send(config, cx);
        Step::On(Attempt::Init(waiting))
    }

    /// [N(COOKIE)], SAi1, KEi, Ni, N(NAT_DETECTION_*), N(IKEV2_FRAGMENTATION_SUPPORTED), ...
    fn send(&mut self, config: &InitiatorConfig, cx: &mut Context<'_>) {
        let cookie = self.cookie.as_ref().map(|cookie| Payload::notify(NotifyType::COOKIE, cookie));
        let mut payloads: Vec<Payload> = cookie.into_iter().collect();
        payloads.extend([
            Payload::Sa(cx.suites.offer_ike(&[])),
            Payload::Ke(KeyExchange { method: self.method, data: self.ephemeral.public_value().to_vec() }),
            Payload::Nonce(self.nonce.clone()),
        ]);
        let spis = (self.spi_i, IkeSpi(0));
        payloads.extend(nat_detection::notifies(spis, self.path.local, self.path.peer));
        payloads.extend(Abilities::ours(false));
        payloads.extend(config.vendor_ids.iter().cloned().map(Payload::VendorId));
        let header = Header {
            spi_i: self.spi_i,
            spi_r: IkeSpi(0),
            first_payload: PayloadType::NONE,
            exchange: ExchangeType::IKE_SA_INIT,
            from_initiator: true,
            is_response: false,
            message_id: 0,
        };
        self.request = write_plain(header, &payloads);
        self.schedule = Schedule::start(&cx.times.retransmission, cx.now);
        cx.out.transmit(self.path, std::slice::from_ref(&self.request));
    }

    pub(crate) fn on_datagram(
        mut self: Box<Self>,
        header: &Header,
        datagram: &[u8],
        config: &InitiatorConfig,
        cx: &mut Context<'_>,
    ) -> Step {
        let answers = header.exchange == ExchangeType::IKE_SA_INIT
            && header.is_response
            && !header.from_initiator
            && header.message_id == 0;
        let answer =
            parse_plain(header, datagram).and_then(Contents::sort).ok().and_then(IkeSaInitAnswer::parse);
        let (true, Some(answer)) = (answers, answer) else {
            cx.stats.count(Reason::Malformed);
            return Step::On(Attempt::Init(self));
        };
        match answer {
            IkeSaInitAnswer::Cookie(cookie) => self.on_cookie(cookie, config, cx),
            IkeSaInitAnswer::InvalidKe(method) if method == self.method => Step::On(Attempt::Init(self)),
            IkeSaInitAnswer::InvalidKe(method) => match self.change_method(method, cx) {
                Some(()) => self.again(config, cx),
                None => self.fail(ConnectFailure::BadAnswer, cx),
            },
            IkeSaInitAnswer::Refused(notify) => self.fail(ConnectFailure::Notify(notify), cx),
            IkeSaInitAnswer::Accepted(accepted) if header.spi_r != IkeSpi(0) => {
                self.finish(header.spi_r, *accepted, datagram, config, cx)
            }
            IkeSaInitAnswer::Accepted(_) => self.fail(ConnectFailure::BadAnswer, cx),
        }
    }

    /// The first cookie is sent back. The same one again is an echo. Another one means that the first
    /// is too old; then everything begins anew under another SPI, because an answer does not say which of
    /// our requests it answers, and AUTH must sign that one.
    fn on_cookie(
        mut self: Box<Self>,
        cookie: Vec<u8>,
        config: &InitiatorConfig,
        cx: &mut Context<'_>,
    ) -> Step {
        match &self.cookie {
            Some(known) if *known == cookie => return Step::On(Attempt::Init(self)),
            Some(_) => {
                cx.spis.release_ike(self.spi_i);
                self.spi_i = cx.spis.draw_ike(self.id, cx.crypto);
                self.nonce = cx.random(config.nonce_length);
                self.cookie = None;
            }
            None => self.cookie = Some(cookie),
        }
        self.again(config, cx)
    }

    /// Another method of our own offer (RFC 7296 §1.2, §2.6.1).
    fn change_method(&mut self, method: KeyExchangeMethod, cx: &Context<'_>) -> Option<()> {
        if !cx.suites.key_exchanges.contains(&method) {
            return None;
        }
        (self.method, self.ephemeral) = (method, cx.crypto.key_exchange(method)?);
        Some(())
    }

    fn again(mut self: Box<Self>, config: &InitiatorConfig, cx: &mut Context<'_>) -> Step {
        self.turns += 1;
        if self.turns > MAX_TURNS {
            return self.fail(ConnectFailure::BadAnswer, cx);
        }
        self.send(config, cx);
        Step::On(Attempt::Init(self))
    }

    fn finish(
        self: Box<Self>,
        spi_r: IkeSpi,
        accepted: InitAccepted,
        datagram: &[u8],
        config: &InitiatorConfig,
        cx: &mut Context<'_>,
    ) -> Step {
        let suite = IkeSuite::from_answer(&accepted.proposals, cx.suites);
        let suite =
            suite.filter(|suite| suite.key_exchange == self.method && accepted.ke.method == self.method);
        let Some(suite) = suite else { return self.fail(ConnectFailure::BadAnswer, cx) };
        let Self { id, spi_i, path, nonce, ephemeral, request, .. } = *self;
        let Ok(secret) = ephemeral.agree(&accepted.ke.data) else {
            cx.spis.release_ike(spi_i);
            return Step::Failed(ConnectFailure::BadAnswer, None);
        };
        let spis = (spi_i, spi_r);
        let traverses = nat_detection::sees_nat(&accepted.notifies, spis, path.local, path.peer);
        let nonces = (nonce.as_slice(), accepted.nonce.as_slice());
        let fragments = accepted.abilities.fragments;
        let keys = derive(suite, &secret, nonces, spis, Origin::InitiatorOfInit, fragments);
        let waiting = AwaitAuthAnswer {
            id,
            path: if traverses { config.natt_path } else { path },
            keys,
            init_request: request,
            init_response: datagram.to_vec(),
            nonces: (nonce, accepted.nonce),
            abilities: accepted.abilities,
            child_spi: None,
        };
        waiting.send(config, cx)
    }

    pub(crate) fn on_timeout(mut self: Box<Self>, _: &InitiatorConfig, cx: &mut Context<'_>) -> Step {
        if cx.now < self.schedule.due() {
            return Step::On(Attempt::Init(self));
        }
        if !self.schedule.again(&cx.times.retransmission, cx.now) {
            return self.fail(ConnectFailure::TimedOut, cx);
        }
        cx.stats.retransmitted += 1;
        cx.out.transmit(self.path, std::slice::from_ref(&self.request));
        Step::On(Attempt::Init(self))
    }

    fn fail(self: Box<Self>, why: ConnectFailure, cx: &mut Context<'_>) -> Step {
        cx.spis.release_ike(self.spi_i);
        Step::Failed(why, None)
    }
}
