use crate::{
    AskPeer, ConnectFailure, Context, ExchangeType, Header, IkeSaId, InitiatorConfig, Path, Ticket,
    await_gateway::AwaitGateway,
    ending::{Ending, EndingSa},
    exchange::{
        Asked, Contents,
        ike_auth::{AuthAccepted, IkeAuthAnswer, configuration, signed_octets},
        ike_sa_init::Abilities,
    },
    handshake::HandshakeKeys,
    ike_sa::Received,
    initiator::{Attempt, GATEWAY_TIME, Step},
    output::Output,
    payload::{
        Attribute, AttributeType, CertEncoding, Certificate, CertificateRequest, ConfigurationType,
        Malformed, NotifyType, Payload, TrafficSelector,
    },
};
use ids::Spi;

/// An initiator's IKE_AUTH is on its way.
pub(crate) struct AwaitAuthAnswer {
    pub(crate) id: IkeSaId,
    pub(crate) path: Path,
    pub(crate) keys: HandshakeKeys,
    pub(crate) init_request: Vec<u8>,
    pub(crate) init_response: Vec<u8>,
    pub(crate) nonces: (Vec<u8>, Vec<u8>),
    pub(crate) abilities: Abilities,
    /// Where we will receive; `None` when childless.
    pub(crate) child_spi: Option<Spi>,
}

impl AwaitAuthAnswer {
    /// SK { IDi, CERT+, [CERTREQ], IDr, AUTH, [N(INITIAL_CONTACT)], CP(CFG_REQUEST), [SAi2, TSi, TSr] }
    pub(crate) fn send(mut self, config: &InitiatorConfig, cx: &mut Context<'_>) -> Step {
        let identity = &config.identity;
        let (init, nonce_r, prf) = (&self.init_request, &self.nonces.1, self.keys.sa.prf());
        let octets = signed_octets(prf, init, nonce_r, &self.keys.sk_pi, &identity.id);
        let Some(auth) = identity.key.sign(&octets, self.abilities.hashes) else {
            cx.spis.release_ike(self.keys.sa.own_spi());
            return Step::Failed(ConnectFailure::BadAnswer, None);
        };
        let certificate = |data: &Vec<u8>| {
            Payload::Cert(Certificate { encoding: CertEncoding::X509_SIGNATURE, data: data.clone() })
        };
        let mut payloads = vec![Payload::IdI(identity.id.clone())];
        payloads.extend(identity.certificates.iter().map(certificate));
        payloads.extend(certificate_request(config));
        payloads.push(Payload::IdR(config.gateway_id.clone()));
        payloads.push(Payload::Auth(auth));
        if config.initial_contact {
            payloads.push(Payload::notify(NotifyType::INITIAL_CONTACT, &[]));
        }
        payloads.extend(cfg_request(config));
        payloads.extend(self.child_offer(config, cx));
        let path = self.path;
        self.keys.sa.request(ExchangeType::IKE_AUTH, &payloads, Asked::Auth, path, cx);
        Step::On(Attempt::Auth(Box::new(self)))
    }

    /// SA, TSi, TSr; nothing when childless is wanted and allowed (RFC 6023).
    fn child_offer(&mut self, config: &InitiatorConfig, cx: &mut Context<'_>) -> Vec<Payload> {
        if config.childless && self.abilities.childless {
            return Vec::new();
        }
        let spi = cx.spis.draw_esp(self.id, cx.crypto);
        self.child_spi = Some(spi);
        vec![
            Payload::Sa(cx.suites.offer_esp(spi, false)),
            Payload::TsI(offered_ts_i(config)),
            Payload::TsR(config.ts_r.clone()),
        ]
    }

    pub(crate) fn on_datagram(
        mut self: Box<Self>,
        header: &Header,
        datagram: &[u8],
        ticket: Ticket,
        config: &InitiatorConfig,
        cx: &mut Context<'_>,
    ) -> Step {
        match self.keys.sa.receive(header, datagram, cx.now) {
            Ok(Received::Response(_, payloads)) => self.on_answer(payloads, ticket, config, cx),
            Ok(Received::Request(_) | Received::Part | Received::Again) => Step::On(Attempt::Auth(self)),
            Err(reason) => {
                cx.stats.count(reason);
                Step::On(Attempt::Auth(self))
            }
        }
    }

    fn on_answer(
        self: Box<Self>,
        payloads: Result<Vec<Payload>, Malformed>,
        ticket: Ticket,
        config: &InitiatorConfig,
        cx: &mut Context<'_>,
    ) -> Step {
        let answer = payloads.and_then(Contents::sort).map_err(Into::into).and_then(IkeAuthAnswer::parse);
        match answer {
            Ok(IkeAuthAnswer::Accepted(accepted)) if accepted.id_r == config.gateway_id => {
                self.ask_peer(*accepted, ticket, cx)
            }
            Ok(IkeAuthAnswer::Accepted(_)) => self.not_authentic(cx),
            Ok(IkeAuthAnswer::Refused(notify)) => {
                self.release(cx);
                Step::Failed(ConnectFailure::Notify(notify), None)
            }
            Err(_) => Step::Failed(ConnectFailure::BadAnswer, Some(self.delete(cx))),
        }
    }

    fn ask_peer(self: Box<Self>, accepted: AuthAccepted, ticket: Ticket, cx: &mut Context<'_>) -> Step {
        let ask = AskPeer {
            idi: accepted.id_r.clone(),
            certificates: accepted.certificates.clone(),
            ppk_id: None,
            path: self.path,
        };
        cx.out.push(Output::AskPeer { ticket, ask });
        let (id, deadline) = (self.id, cx.now + GATEWAY_TIME);
        Step::On(Attempt::Gateway(Box::new(AwaitGateway { id, ticket, deadline, sent: *self, accepted })))
    }

    pub(crate) fn on_timeout(mut self: Box<Self>, _: &InitiatorConfig, cx: &mut Context<'_>) -> Step {
        self.keys.sa.tidy(cx.now);
        if self.keys.sa.retransmit(self.path, cx) {
            return Step::On(Attempt::Auth(self));
        }
        self.release(cx);
        Step::Failed(ConnectFailure::TimedOut, None)
    }

    /// The gateway is told that it is not believed.
    pub(crate) fn not_authentic(self, cx: &mut Context<'_>) -> Step {
        self.release_child(cx);
        let ending = EndingSa::not_authentic(self.keys.sa, self.path, cx);
        Step::Failed(ConnectFailure::GatewayNotAuthentic, Some(Ending::new(self.path, vec![ending])))
    }

    /// The gateway is told DELETE, as soon as IKE_AUTH has been answered.
    pub(crate) fn delete(self, cx: &mut Context<'_>) -> Ending {
        self.release_child(cx);
        let ending = EndingSa::deleting(self.keys.sa, self.path, cx);
        Ending::new(self.path, vec![ending])
    }

    pub(crate) fn release_child(&self, cx: &mut Context<'_>) {
        if let Some(spi) = self.child_spi {
            cx.spis.release_esp(spi);
        }
    }

    fn release(&self, cx: &mut Context<'_>) {
        self.release_child(cx);
        cx.spis.release_ike(self.keys.sa.own_spi());
    }
}

/// Everything, of the families that an address is asked for: the gateway narrows it to the address.
pub(crate) fn offered_ts_i(config: &InitiatorConfig) -> Vec<TrafficSelector> {
    let v4 = config.want_v4.then_some(TrafficSelector::ALL_V4);
    let v6 = config.want_v6.then_some(TrafficSelector::ALL_V6);
    v4.into_iter().chain(v6).collect()
}

fn certificate_request(config: &InitiatorConfig) -> Option<Payload> {
    let authorities = config.authorities.concat();
    let request = CertificateRequest { encoding: CertEncoding::X509_SIGNATURE, authorities };
    (!config.authorities.is_empty()).then_some(Payload::CertReq(request))
}

fn cfg_request(config: &InitiatorConfig) -> Option<Payload> {
    let mut kinds = Vec::new();
    if config.want_v4 {
        kinds.extend([
            AttributeType::INTERNAL_IP4_ADDRESS,
            AttributeType::INTERNAL_IP4_DNS,
            AttributeType::EXTERNAL_SOURCE_IP4_NAT_INFO,
        ]);
    }
    if config.want_v6 {
        kinds.extend([AttributeType::INTERNAL_IP6_ADDRESS, AttributeType::INTERNAL_IP6_DNS]);
    }
    let attributes: Vec<_> = kinds.into_iter().map(|kind| Attribute { kind, value: Vec::new() }).collect();
    (!attributes.is_empty()).then(|| Payload::Cp(configuration(ConfigurationType::REQUEST, attributes)))
}
