//! CREATE_CHILD_SA (RFC 7296 §1.3): a further CHILD SA, new keys for one, new keys for the IKE SA.
//!
//! Where both sides rekey the same SA at once, each answers TEMPORARY_FAILURE (§2.25) and tries again
//! at its own time, instead of keeping two and sorting them out by nonce (§2.8.1): one SA too many
//! is never installed.

use crate::{
    ChildSa, Event,
    channel::{Channel, Role},
    child_sa::{ChildKeys, EspKeys, draw_spi},
    crypto::{IkeKeys, rekeyed_skeyseed},
    header::ExchangeType,
    ike_sa::{ChildExchange, Context, IkeExchange, IkeSa, Purpose, Task},
    payload::{
        KeyExchange, KeyExchangeMethod, Notify, NotifyType, Payload, Proposal, ProtocolId, TrafficSelector,
        narrow,
    },
    suite::{ChosenEsp, EspSuite, IkeSuite},
};
use ids::{IkeSpi, Spi};

/// What a CREATE_CHILD_SA message holds, request and response alike.
#[derive(Default)]
struct Parts<'a> {
    proposals: Option<&'a [Proposal]>,
    nonce: Option<&'a [u8]>,
    ke: Option<&'a KeyExchange>,
    ts_i: Option<&'a [TrafficSelector]>,
    ts_r: Option<&'a [TrafficSelector]>,
    rekey: Option<&'a Notify>,
    error: Option<&'a Notify>,
}

impl<'a> Parts<'a> {
    fn of(payloads: &'a [Payload]) -> Self {
        let mut parts = Self::default();
        for payload in payloads {
            match payload {
                Payload::Sa(proposals) => parts.proposals = Some(proposals),
                Payload::Nonce(nonce) => parts.nonce = Some(nonce),
                Payload::Ke(ke) => parts.ke = Some(ke),
                Payload::TsI(selectors) => parts.ts_i = Some(selectors),
                Payload::TsR(selectors) => parts.ts_r = Some(selectors),
                Payload::Notify(notify) if notify.kind == NotifyType::REKEY_SA => parts.rekey = Some(notify),
                Payload::Notify(notify) if notify.kind.is_error() => parts.error = Some(notify),
                _ => {}
            }
        }
        parts
    }
}

/// Why a request is answered with an error; the IKE SA stays as it is.
struct Refused(NotifyType, Vec<u8>);

impl From<NotifyType> for Refused {
    fn from(kind: NotifyType) -> Self {
        Self(kind, Vec::new())
    }
}

fn invalid_ke(wanted: KeyExchangeMethod) -> Refused {
    Refused(NotifyType::INVALID_KE_PAYLOAD, wanted.0.to_be_bytes().to_vec())
}

impl IkeSa {
    /// Answers a request of the peer.
    pub(crate) fn on_create_child_sa(&mut self, payloads: &[Payload], cx: &mut Context<'_>) {
        let parts = Parts::of(payloads);
        let is_ike =
            parts.proposals.and_then(<[_]>::first).is_some_and(|first| first.protocol == ProtocolId::IKE);
        if is_ike {
            return match self.answer_ike_rekey(&parts, cx) {
                Ok((answer, channel)) => {
                    self.respond(true, ExchangeType::CREATE_CHILD_SA, &answer, cx);
                    self.replace_channel(channel, cx);
                }
                Err(refused) => self.refuse_child(&refused, cx),
            };
        }
        match self.answer_child(&parts, cx) {
            Ok((answer, child)) => {
                self.respond(true, ExchangeType::CREATE_CHILD_SA, &answer, cx);
                self.install_following(child, cx);
            }
            Err(refused) => self.refuse_child(&refused, cx),
        }
    }

    fn refuse_child(&mut self, refused: &Refused, cx: &mut Context<'_>) {
        let answer = [Payload::notify(refused.0, &refused.1)];
        self.respond(true, ExchangeType::CREATE_CHILD_SA, &answer, cx);
    }

    /// Installs a CHILD SA; the one that it replaces waits for its DELETE (§2.8).
    fn install_following(&mut self, child: ChildSa, cx: &mut Context<'_>) {
        if let Some(old) = self.children.iter_mut().find(|old| Some(old.spi_in) == child.replaces) {
            old.replaced = true;
        }
        self.install(child, cx);
    }

    fn answer_ike_rekey(
        &mut self,
        parts: &Parts<'_>,
        cx: &mut Context<'_>,
    ) -> Result<(Vec<Payload>, Channel<Purpose>), Refused> {
        if self.is_creating() || self.retiring.is_some() {
            return Err(NotifyType::TEMPORARY_FAILURE.into());
        }
        let (Some(offer), Some(peer_nonce), Some(ke)) = (parts.proposals, parts.nonce, parts.ke) else {
            return Err(NotifyType::INVALID_SYNTAX.into());
        };
        let chosen = cx.suites.choose_ike(offer, ke.method);
        let (suite, mut proposal) = chosen.ok_or(NotifyType::NO_PROPOSAL_CHOSEN)?;
        if suite.key_exchange != ke.method {
            return Err(invalid_ke(suite.key_exchange));
        }
        let offered = offer.iter().find(|offered| offered.number == proposal.number);
        let peer_spi =
            offered.and_then(|offered| offered.spi.as_slice().try_into().ok()).map(u64::from_be_bytes);
        let peer_spi = peer_spi.filter(|spi| *spi != 0).ok_or(NotifyType::INVALID_SYNTAX)?;
        let own = cx.crypto.key_exchange(ke.method).ok_or(NotifyType::NO_PROPOSAL_CHOSEN)?;
        let own_value = own.public_value().to_vec();
        let secret = own.agree(&ke.data).map_err(|_| NotifyType::INVALID_SYNTAX)?;
        let own_spi = draw_ike_spi(cx);
        let nonce = draw_nonce(cx);
        proposal.spi = own_spi.0.to_be_bytes().to_vec();
        let spis = (IkeSpi(peer_spi), own_spi);
        let channel = self.rekeyed_channel(suite, &secret, (peer_nonce, &nonce), spis, Role::Responder);
        let answer = vec![
            Payload::Sa(vec![proposal]),
            Payload::Nonce(nonce),
            Payload::Ke(KeyExchange { method: ke.method, data: own_value }),
        ];
        Ok((answer, channel))
    }

    fn rekeyed_channel(
        &self,
        suite: IkeSuite,
        secret: &[u8],
        nonces: (&[u8], &[u8]),
        spis: (IkeSpi, IkeSpi),
        role: Role,
    ) -> Channel<Purpose> {
        let seed = rekeyed_skeyseed(self.channel.suite.prf, &self.channel.sk_d, secret, nonces);
        Channel::new(suite, IkeKeys::derive(&suite, &seed, nonces, spis), spis, role)
    }

    fn is_creating(&self) -> bool {
        matches!(
            self.channel.purpose(),
            Some(Purpose::CreateChild(_) | Purpose::RekeyIke(_) | Purpose::DeleteIke)
        )
    }

    fn answer_child(
        &mut self,
        parts: &Parts<'_>,
        cx: &mut Context<'_>,
    ) -> Result<(Vec<Payload>, ChildSa), Refused> {
        let replaces = self.replaced_by(parts.rekey)?;
        let (Some(offer), Some(peer_nonce)) = (parts.proposals, parts.nonce) else {
            return Err(NotifyType::INVALID_SYNTAX.into());
        };
        let (Some(ts_i), Some(ts_r)) = (parts.ts_i, parts.ts_r) else {
            return Err(NotifyType::INVALID_SYNTAX.into());
        };
        // PFS is obligatory: without a KE payload nothing is chosen, with a wrong one we say which.
        let ke = parts.ke;
        let sent = ke.map_or(KeyExchangeMethod(0), |ke| ke.method);
        let chosen = cx.suites.choose_esp(offer, Some(sent)).ok_or(NotifyType::NO_PROPOSAL_CHOSEN)?;
        let wanted = chosen.key_exchange.unwrap_or(sent);
        let ke = ke.filter(|ke| ke.method == wanted).ok_or_else(|| invalid_ke(wanted))?;
        let ts_remote = narrow(ts_i, &self.selectors.remote);
        let ts_local = narrow(ts_r, &self.selectors.local);
        if ts_remote.is_empty() || ts_local.is_empty() {
            return Err(NotifyType::TS_UNACCEPTABLE.into());
        }
        let own = cx.crypto.key_exchange(wanted).ok_or(NotifyType::NO_PROPOSAL_CHOSEN)?;
        let own_value = own.public_value().to_vec();
        let secret = own.agree(&ke.data).map_err(|_| NotifyType::INVALID_SYNTAX)?;
        let nonce = draw_nonce(cx);
        let spi_in = draw_spi(cx.esp_spis, cx.crypto);
        let keys = self.child_keys(chosen.suite, &secret, (peer_nonce, &nonce));
        let answer = vec![
            Payload::Sa(vec![chosen.answer(spi_in)]),
            Payload::Nonce(nonce),
            Payload::Ke(KeyExchange { method: wanted, data: own_value }),
            Payload::TsI(ts_remote.clone()),
            Payload::TsR(ts_local.clone()),
        ];
        let child = self.child(
            spi_in,
            chosen,
            (keys.from_initiator, keys.from_responder),
            (ts_local, ts_remote),
            replaces,
        );
        Ok((answer, child))
    }

    /// Our inbound SPI of the CHILD SA that REKEY_SA names by the peer's inbound SPI.
    fn replaced_by(&self, rekey: Option<&Notify>) -> Result<Option<Spi>, Refused> {
        if self
            .channel
            .purpose()
            .is_some_and(|purpose| matches!(purpose, Purpose::RekeyIke(_) | Purpose::DeleteIke))
        {
            return Err(NotifyType::TEMPORARY_FAILURE.into());
        }
        let Some(rekey) = rekey else { return Ok(None) };
        let spi = rekey
            .spi
            .as_slice()
            .try_into()
            .map(u32::from_be_bytes)
            .map_err(|_| NotifyType::INVALID_SYNTAX)?;
        let known = self.children.iter().find(|child| child.spi_out == Spi(spi) && !child.replaced);
        let old = known.ok_or(NotifyType::CHILD_SA_NOT_FOUND)?.spi_in;
        match self.channel.purpose() {
            Some(Purpose::CreateChild(own)) if own.replaces == Some(old) => {
                Err(NotifyType::TEMPORARY_FAILURE.into())
            }
            Some(Purpose::DeleteChild(closing)) if *closing == old => {
                Err(NotifyType::TEMPORARY_FAILURE.into())
            }
            _ => Ok(Some(old)),
        }
    }

    fn child_keys(&self, suite: EspSuite, secret: &[u8], nonces: (&[u8], &[u8])) -> ChildKeys {
        ChildKeys::derive(suite, self.channel.suite.prf, &self.channel.sk_d, secret, nonces)
    }

    /// `keys` are (in, out), `selectors` (local, remote).
    fn child(
        &self,
        spi_in: Spi,
        chosen: ChosenEsp,
        keys: (EspKeys, EspKeys),
        selectors: (Vec<TrafficSelector>, Vec<TrafficSelector>),
        replaces: Option<Spi>,
    ) -> ChildSa {
        ChildSa {
            spi_in,
            spi_out: chosen.peer_spi,
            suite: chosen.suite,
            keys_in: keys.0,
            keys_out: keys.1,
            ts_local: selectors.0,
            ts_remote: selectors.1,
            path: self.path,
            replaces,
            peer_is_ready: false,
        }
    }

    /// Asks for a CHILD SA, in place of `replaces` if given; `method` after INVALID_KE_PAYLOAD.
    pub(crate) fn request_child(
        &mut self,
        replaces: Option<Spi>,
        method: Option<KeyExchangeMethod>,
        cx: &mut Context<'_>,
    ) {
        let old = replaces
            .map(|spi_in| self.children.iter().find(|child| child.spi_in == spi_in && !child.replaced));
        if matches!(old, Some(None)) {
            return;
        }
        let method = method.unwrap_or(self.channel.suite.key_exchange);
        let Some(ephemeral) = cx.crypto.key_exchange(method) else { return };
        let rekey = old.flatten().map(|old| Notify::about_esp(NotifyType::REKEY_SA, old.spi_in));
        let spi_in = draw_spi(cx.esp_spis, cx.crypto);
        let nonce = draw_nonce(cx);
        let mut payloads: Vec<_> = rekey.map(Payload::Notify).into_iter().collect();
        payloads.extend([
            Payload::Sa(cx.suites.offer_esp(spi_in, true)),
            Payload::Nonce(nonce.clone()),
            Payload::Ke(KeyExchange { method, data: ephemeral.public_value().to_vec() }),
            Payload::TsI(self.selectors.local.clone()),
            Payload::TsR(self.selectors.remote.clone()),
        ]);
        let purpose = Purpose::CreateChild(Box::new(ChildExchange { replaces, spi_in, nonce, ephemeral }));
        self.request(ExchangeType::CREATE_CHILD_SA, &payloads, purpose, cx);
    }

    /// The response to [`Self::request_child`].
    pub(crate) fn on_child_created(
        &mut self,
        exchange: ChildExchange,
        payloads: &[Payload],
        cx: &mut Context<'_>,
    ) {
        let (spi_in, replaces) = (exchange.spi_in, exchange.replaces);
        let parts = Parts::of(payloads);
        if let Some(child) = self.created(exchange, &parts, cx) {
            let replaced = child.replaces;
            self.install_following(child, cx);
            return self.tasks.extend(replaced.map(Task::DeleteChild));
        }
        cx.esp_spis.remove(&spi_in);
        let said = parts.error.map_or(NotifyType::NO_PROPOSAL_CHOSEN, |error| error.kind);
        match (said, replaces) {
            (NotifyType::INVALID_KE_PAYLOAD, _) => {
                if let Some(method) = wanted_method(parts.error, cx) {
                    self.request_child(replaces, Some(method), cx);
                }
            }
            (NotifyType::CHILD_SA_NOT_FOUND, Some(old)) => self.remove_child(old, cx),
            _ => cx.out.event(Event::ChildFailed { sa: self.id, notify: said }),
        }
    }

    fn created(&self, exchange: ChildExchange, parts: &Parts<'_>, cx: &Context<'_>) -> Option<ChildSa> {
        let ke = parts.ke?;
        let chosen = cx.suites.choose_esp(parts.proposals?, Some(ke.method))?;
        let ts_local = narrow(parts.ts_i?, &self.selectors.local);
        let ts_remote = narrow(parts.ts_r?, &self.selectors.remote);
        if ts_local.is_empty() || ts_remote.is_empty() {
            return None;
        }
        let secret = exchange.ephemeral.agree(&ke.data).ok()?;
        let keys = self.child_keys(chosen.suite, &secret, (&exchange.nonce, parts.nonce?));
        let keys = (keys.from_responder, keys.from_initiator);
        let child = self.child(exchange.spi_in, chosen, keys, (ts_local, ts_remote), exchange.replaces);
        Some(ChildSa { peer_is_ready: true, ..child })
    }

    /// Asks for new keys of the IKE SA; `method` after INVALID_KE_PAYLOAD.
    pub(crate) fn request_rekey_ike(&mut self, method: Option<KeyExchangeMethod>, cx: &mut Context<'_>) {
        let method = method.unwrap_or(self.channel.suite.key_exchange);
        if self.retiring.is_some() {
            return;
        }
        let Some(ephemeral) = cx.crypto.key_exchange(method) else { return };
        let (spi, nonce) = (draw_ike_spi(cx), draw_nonce(cx));
        let payloads = [
            Payload::Sa(cx.suites.offer_ike(&spi.0.to_be_bytes())),
            Payload::Nonce(nonce.clone()),
            Payload::Ke(KeyExchange { method, data: ephemeral.public_value().to_vec() }),
        ];
        let purpose = Purpose::RekeyIke(Box::new(IkeExchange { spi, nonce, ephemeral }));
        self.request(ExchangeType::CREATE_CHILD_SA, &payloads, purpose, cx);
    }

    /// The response to [`Self::request_rekey_ike`].
    pub(crate) fn on_ike_rekeyed(
        &mut self,
        exchange: IkeExchange,
        payloads: &[Payload],
        cx: &mut Context<'_>,
    ) {
        let parts = Parts::of(payloads);
        if let Some(channel) = self.rekeyed(exchange, &parts, cx) {
            self.replace_channel(channel, cx);
            self.delete_retiring(cx);
        } else if parts.error.is_some_and(|error| error.kind == NotifyType::INVALID_KE_PAYLOAD)
            && let Some(method) = wanted_method(parts.error, cx)
        {
            self.request_rekey_ike(Some(method), cx);
        }
    }

    fn rekeyed(
        &self,
        exchange: IkeExchange,
        parts: &Parts<'_>,
        cx: &Context<'_>,
    ) -> Option<Channel<Purpose>> {
        let suite = IkeSuite::from_answer(parts.proposals?, &cx.suites)?;
        let peer_spi = parts.proposals?.first()?.spi.as_slice().try_into().ok().map(u64::from_be_bytes)?;
        let ke = parts.ke.filter(|ke| ke.method == suite.key_exchange)?;
        let secret = exchange.ephemeral.agree(&ke.data).ok()?;
        let spis = (exchange.spi, IkeSpi(peer_spi));
        Some(self.rekeyed_channel(suite, &secret, (&exchange.nonce, parts.nonce?), spis, Role::Initiator))
    }

    /// Whoever began the rekey deletes the old IKE SA, on its own channel (§2.8).
    fn delete_retiring(&mut self, cx: &mut Context<'_>) {
        let limit = self.fragment_limit(cx);
        let Some(retiring) = &mut self.retiring else { return };
        let delete = [Payload::Delete(crate::payload::Delete::IkeSa)];
        let context = (cx.times, limit, cx.crypto);
        let datagrams = retiring.channel.request(
            ExchangeType::INFORMATIONAL,
            &delete,
            Purpose::DeleteIke,
            context,
            cx.now,
        );
        self.transmit(&datagrams, cx);
    }
}

/// The method that INVALID_KE_PAYLOAD asks for, if it is one that we take.
fn wanted_method(error: Option<&Notify>, cx: &Context<'_>) -> Option<KeyExchangeMethod> {
    let data = error?.data.as_slice().try_into().ok()?;
    let wanted = KeyExchangeMethod(u16::from_be_bytes(data));
    cx.suites.key_exchanges.contains(&wanted).then_some(wanted)
}

pub(crate) fn draw_nonce(cx: &Context<'_>) -> Vec<u8> {
    let mut nonce = vec![0; 32];
    cx.crypto.random(&mut nonce);
    nonce
}

pub(crate) fn draw_ike_spi(cx: &Context<'_>) -> IkeSpi {
    loop {
        let mut octets = [0; 8];
        cx.crypto.random(&mut octets);
        match u64::from_be_bytes(octets) {
            0 => {}
            spi => return IkeSpi(spi),
        }
    }
}
