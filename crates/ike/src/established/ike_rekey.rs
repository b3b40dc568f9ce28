use super::{Established, Want, child_sas::retry_at};
use crate::{
    Context, Event, ExchangeType, Header, Path, Reason,
    ending::EndingSa,
    exchange::{
        Asked, Contents,
        create_child_sa::{
            AskedIkeSa, CreateChildSaAnswer, ExchangeRole, IkeSaRequest, finish_ike_sa, ike_spi, invalid_ke,
            lower_nonce, rekeyed_ike_sa, wanted_method,
        },
        informational::InformationalRequest,
    },
    ike_sa::{IkeSa, Received},
    payload::{KeyExchange, KeyExchangeMethod, Malformed, Notify, NotifyType, Payload},
};

const NONCE: usize = 32;
/// Old IKE SAs of one tunnel that are kept for lost answers, where the peer decides how many there are.
const MAX_ENDING: usize = 8;

/// The IKE SA that a rekey of the peer made while ours is on its way (RFC 7296 §2.8.2).
pub(super) struct Candidate {
    pub(super) sa: IkeSa,
    lower_nonce: Vec<u8>,
}

impl Established {
    /// A rekey of the IKE SA is on its way, so no CHILD SA can be made (§2.25.2).
    pub(super) fn is_rekeying(&self) -> bool {
        self.current.pending().is_some_and(|pending| matches!(pending.asked, Asked::IkeSa(_)))
    }

    /// `method`: the one that INVALID_KE_PAYLOAD asked for.
    pub(super) fn ask_ike_sa(&mut self, method: Option<KeyExchangeMethod>, cx: &mut Context<'_>) {
        let (is_second_try, method) = (method.is_some(), method.unwrap_or(self.key_exchange_to_offer(cx)));
        let Some(ephemeral) = cx.crypto.key_exchange(method) else { return };
        let spi = cx.spis.draw_ike(self.id, cx.crypto);
        let nonce = cx.random(NONCE);
        let payloads = [
            Payload::Sa(cx.suites.offer_ike(&spi.0.to_be_bytes())),
            Payload::Nonce(nonce.clone()),
            Payload::Ke(KeyExchange { method, data: ephemeral.public_value().to_vec() }),
        ];
        let offered = cx.suites.clone();
        let asked = AskedIkeSa { spi, nonce, ephemeral, method, offered, is_second_try };
        let asked = Asked::IkeSa(Box::new(asked));
        self.current.request(ExchangeType::CREATE_CHILD_SA, &payloads, asked, self.path, cx);
    }

    pub(super) fn on_ike_sa_request(&mut self, request: IkeSaRequest, path: Path, cx: &mut Context<'_>) {
        match self.accept_ike_sa(&request, cx) {
            Err(refused) => self.respond(ExchangeType::CREATE_CHILD_SA, &[refused], path, cx),
            Ok((candidate, answer)) => {
                self.respond(ExchangeType::CREATE_CHILD_SA, &answer, path, cx);
                if self.is_rekeying() {
                    self.candidate = Some(Box::new(candidate));
                } else {
                    let old = self.switch_to(candidate.sa, cx);
                    self.ending.push(EndingSa::answering(old, cx.times.response_kept, cx));
                }
            }
        }
    }

    fn accept_ike_sa(
        &mut self,
        request: &IkeSaRequest,
        cx: &mut Context<'_>,
    ) -> Result<(Candidate, Vec<Payload>), Payload> {
        let refuse = |kind| Payload::notify(kind, &[]);
        if self.can_not_rekey() {
            return Err(refuse(NotifyType::TEMPORARY_FAILURE));
        }
        let (suite, mut answer) = cx
            .suites
            .choose_ike(&request.proposals, request.ke.method)
            .ok_or(refuse(NotifyType::NO_PROPOSAL_CHOSEN))?;
        if suite.key_exchange != request.ke.method {
            cx.stats.count(Reason::InvalidKe);
            return Err(Payload::Notify(invalid_ke(suite.key_exchange)));
        }
        let offered = request.proposals.iter().find(|proposal| proposal.number == answer.number);
        let spi_i = offered.and_then(ike_spi).ok_or(refuse(NotifyType::INVALID_SYNTAX))?;
        let ephemeral =
            cx.crypto.key_exchange(suite.key_exchange).ok_or(refuse(NotifyType::NO_PROPOSAL_CHOSEN))?;
        let ke = KeyExchange { method: suite.key_exchange, data: ephemeral.public_value().to_vec() };
        let shared_secret =
            ephemeral.agree(&request.ke.data).map_err(|_| refuse(NotifyType::INVALID_SYNTAX))?;
        let nonce = cx.random(NONCE);
        let nonces = (request.nonce.as_slice(), nonce.as_slice());
        let spi_r = cx.spis.draw_ike(self.id, cx.crypto);
        let spis = (spi_i, spi_r);
        let sa = rekeyed_ike_sa(&self.current, suite, &shared_secret, nonces, spis, ExchangeRole::Responder);
        answer.spi = spi_r.0.to_be_bytes().to_vec();
        let candidate = Candidate { sa, lower_nonce: lower_nonce(nonces.0, nonces.1) };
        Ok((candidate, vec![Payload::Sa(vec![answer]), Payload::Nonce(nonce), Payload::Ke(ke)]))
    }

    /// A CHILD SA is being made, renewed or closed by us (§2.25.2), or the peer has rekeyed already, or so
    /// often that more than enough old IKE SAs wait for their end.
    fn can_not_rekey(&self) -> bool {
        let child_exchange = self
            .current
            .pending()
            .is_some_and(|pending| matches!(pending.asked, Asked::ChildSa(_) | Asked::DeleteChildSa(_)));
        child_exchange || self.candidate.is_some() || self.ending.len() >= MAX_ENDING
    }

    /// `new` takes over with all CHILD SAs; returns the old one. A liveness check or a path probe that was on
    /// its way is made again on the new one.
    fn switch_to(&mut self, new: IkeSa, cx: &mut Context<'_>) -> IkeSa {
        self.put_off_path_probe(cx);
        let mut old = std::mem::replace(&mut self.current, new);
        let was_asking = old.pending().is_some_and(|pending| matches!(pending.asked, Asked::Liveness));
        if was_asking {
            old.forget_pending();
            match &mut self.probe {
                Some(probe) => probe.is_sent = false,
                None => self.want_at(cx.now, Want::Liveness),
            }
        }
        self.wants.retain(|(_, want)| *want != Want::RekeyIkeSa);
        self.rekey_at = cx.jittered(cx.times.rekey.ike_sa);
        let (spi_i, spi_r) = self.current.spis();
        cx.stats.ike_rekeyed += 1;
        cx.out.event(Event::IkeRekeyed { sa: self.id, spi_i, spi_r });
        old
    }

    pub(super) fn on_ike_sa_answer(&mut self, asked: AskedIkeSa, contents: Contents, cx: &mut Context<'_>) {
        let spi = asked.spi;
        match CreateChildSaAnswer::parse(contents) {
            Some(CreateChildSaAnswer::Accepted(accepted)) => {
                match finish_ike_sa(&self.current, asked, &accepted) {
                    Some((new, our_lower_nonce)) => self.finish_rekey(new, &our_lower_nonce, cx),
                    None => self.ike_sa_failed(spi, NotifyType::NO_PROPOSAL_CHOSEN, cx),
                }
            }
            Some(CreateChildSaAnswer::Refused(notify)) => self.ike_sa_refused(&asked, &notify, cx),
            None => self.ike_sa_failed(spi, NotifyType::INVALID_SYNTAX, cx),
        }
    }

    /// Our rekey has succeeded. If the peer's has too, the IKE SA with the lowest nonce goes, deleted by
    /// the side that asked for it; the side whose IKE SA stays deletes the old one (§2.8.2).
    fn finish_rekey(&mut self, new: IkeSa, our_lower_nonce: &[u8], cx: &mut Context<'_>) {
        let keep = cx.times.response_kept;
        match self.candidate.take() {
            Some(candidate) if our_lower_nonce < candidate.lower_nonce.as_slice() => {
                let old = self.switch_to(candidate.sa, cx);
                self.ending.push(EndingSa::answering(old, keep, cx));
                self.ending.push(EndingSa::deleting(new, self.path, cx));
            }
            rival => {
                let old = self.switch_to(new, cx);
                self.ending.push(EndingSa::deleting(old, self.path, cx));
                if let Some(candidate) = rival {
                    self.ending.push(EndingSa::answering(candidate.sa, keep, cx));
                }
            }
        }
    }

    fn ike_sa_refused(&mut self, asked: &AskedIkeSa, notify: &Notify, cx: &mut Context<'_>) {
        let wanted = wanted_method(notify).filter(|method| cx.suites.key_exchanges.contains(method));
        match (notify.kind, wanted) {
            (NotifyType::INVALID_KE_PAYLOAD, Some(method))
                if !asked.is_second_try && self.candidate.is_none() =>
            {
                cx.spis.release_ike(asked.spi);
                self.ask_ike_sa(Some(method), cx);
            }
            (kind, _) => self.ike_sa_failed(asked.spi, kind, cx),
        }
    }

    /// Ours came to nothing: the peer's stands if there is one, else we try again later.
    fn ike_sa_failed(&mut self, spi: ids::IkeSpi, why: NotifyType, cx: &mut Context<'_>) {
        cx.spis.release_ike(spi);
        if !self.adopt_candidate(cx) {
            self.rekey_at = retry_at(why, cx);
        }
    }

    /// Switches to what the peer's rekey made, if there is such; our own is given up.
    pub(super) fn adopt_candidate(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(candidate) = self.candidate.take() else { return false };
        let old = self.switch_to(candidate.sa, cx);
        self.ending.push(EndingSa::answering(old, cx.times.response_kept, cx));
        true
    }

    /// The peer uses what its rekey made before we know whether ours succeeds. Deleting it is answered
    /// (it lost); everything but creation is agreed to.
    pub(super) fn on_candidate(
        &mut self,
        path: Path,
        header: &Header,
        datagram: &[u8],
        cx: &mut Context<'_>,
    ) {
        let Some(candidate) = &mut self.candidate else { return };
        match candidate.sa.receive(header, datagram, cx.now) {
            Err(reason) => cx.stats.count(reason),
            Ok(Received::Part) | Ok(Received::Response(..)) => {}
            Ok(Received::Again) => candidate.sa.respond_again(self.path, path, cx),
            Ok(Received::Request(payloads)) => self.on_candidate_request(header.exchange, payloads, path, cx),
        }
    }

    fn on_candidate_request(
        &mut self,
        exchange: ExchangeType,
        payloads: Result<Vec<Payload>, Malformed>,
        path: Path,
        cx: &mut Context<'_>,
    ) {
        self.fresh_from(path, cx);
        let contents = payloads.and_then(Contents::sort).unwrap_or_default();
        let asks = (exchange == ExchangeType::INFORMATIONAL).then(|| InformationalRequest::parse(&contents));
        let is_deleted = matches!(
            asks,
            Some(InformationalRequest::DeleteIkeSa | InformationalRequest::AuthenticationFailed)
        );
        let answer = match asks {
            Some(InformationalRequest::DeleteChildSas(spis)) => self.delete_children_of_peer(&spis, cx),
            Some(InformationalRequest::DeleteIkeSa | InformationalRequest::AuthenticationFailed) => {
                Vec::new()
            }
            None => vec![Payload::notify(NotifyType::TEMPORARY_FAILURE, &[])],
        };
        let Some(mut candidate) = self.candidate.take() else { return };
        candidate.sa.respond(exchange, &answer, self.answer_path(path), cx);
        if is_deleted {
            self.ending.push(EndingSa::answering(candidate.sa, cx.times.response_kept, cx));
        } else {
            self.candidate = Some(candidate);
        }
    }
}
