use crate::{
    Admission, Context, Event, ExchangeType, Grant, Reason, ResponderConfig, Ticket,
    auth_verified::VerifiedPeer,
    await_peer::stay_silent,
    established::{Established, NewChild, Standing, negotiate},
    exchange::{
        create_child_sa::{ExchangeRole, esp_keys},
        ike_auth::{ChildSaOffer, configuration},
    },
    handshake::{Agreement, Handshake},
    payload::{Attribute, AttributeType, CertEncoding, Certificate, ConfigurationType, NotifyType, Payload},
    responder::IkeSaState,
};
use std::{
    net::{IpAddr, SocketAddr},
    time::{Duration, Instant},
};

/// Deciding, second question: AUTH has verified, and whether the peer may attach was asked.
pub(crate) struct AwaitAdmission {
    pub(crate) ticket: Ticket,
    pub(crate) handshake: Handshake,
    pub(crate) peer: VerifiedPeer,
    pub(crate) certificate_ends: Instant,
    pub(crate) cfg_request: Option<Vec<Attribute>>,
    pub(crate) child: Option<ChildSaOffer>,
}

/// Full re-authentication is due after a day at the latest. The certificate's end is not said so: charon
/// authenticates anew at once, and again and again, when less than its `over_time` (24 minutes) is left.
const MAX_AUTH_LIFETIME: Duration = Duration::from_secs(24 * 3600);

impl AwaitAdmission {
    pub(crate) fn on_admission(
        self: Box<Self>,
        answer: Admission,
        config: &ResponderConfig,
        cx: &mut Context<'_>,
    ) -> Option<IkeSaState> {
        match answer {
            Admission::Grant(grant) => self.establish(&grant, config, cx),
            Admission::Refuse => self.refuse(Reason::AdmissionRefused, config, cx),
            Admission::Drop => {
                let idi = self.peer.id().clone();
                stay_silent(self.handshake, Reason::AdmissionUnavailable, idi, cx)
            }
        }
    }

    fn refuse(
        self: Box<Self>,
        reason: Reason,
        config: &ResponderConfig,
        cx: &mut Context<'_>,
    ) -> Option<IkeSaState> {
        let idi = Some(self.peer.id().clone());
        let ending = self.handshake.refuse(reason, idi, &[], config.half_open.lifetime, cx)?;
        Some(IkeSaState::Deleting(Box::new(ending)))
    }

    /// SK { IDr, CERT+, AUTH, [CP(CFG_REPLY)], [SAr2, TSi, TSr] or why not, N(AUTH_LIFETIME) }
    fn establish(
        mut self: Box<Self>,
        grant: &Grant,
        config: &ResponderConfig,
        cx: &mut Context<'_>,
    ) -> Option<IkeSaState> {
        let Some(mut answer) = self.authenticate(config) else {
            return self.refuse(Reason::OurFault, config, cx);
        };
        let Self { handshake, peer, certificate_ends, cfg_request, child, .. } = *self;
        let Agreement::Keys(keys) = handshake.agreement else { return None };
        let ends_at = certificate_ends.min(cx.after(grant.expires_in));
        let standing = Standing::granted(peer, grant, ends_at);
        let mut tunnel = Established::new(handshake.id, standing, handshake.path, keys.sa, cx);
        let (spi_i, spi_r) = handshake.spis;
        let (sa, path, childless) = (handshake.id, handshake.path, child.is_none());
        cx.out.event(Event::SaEstablished { sa, path, spi_i, spi_r, childless });
        let addresses = cfg_request.as_deref().map(|asked| cfg_reply(asked, grant, path.peer));
        let no_address = addresses.as_ref().is_some_and(|addresses| !addresses.is_enough);
        answer.extend(addresses.filter(|_| !no_address).map(|addresses| addresses.payload));
        if let Some(offer) = child {
            let result = if no_address {
                Err(NotifyType::INTERNAL_ADDRESS_FAILURE)
            } else {
                first_child(&mut tunnel, &offer, (&handshake.nonces.0, &handshake.nonces.1), cx)
            };
            answer.extend(result.unwrap_or_else(|notify| {
                cx.out.event(Event::ChildFailed { sa, notify });
                vec![Payload::notify(notify, &[])]
            }));
        }
        answer.push(auth_lifetime(grant.auth_lifetime.min(MAX_AUTH_LIFETIME)));
        tunnel.respond(ExchangeType::IKE_AUTH, &answer, tunnel.path(), cx);
        Some(IkeSaState::Established(Box::new(tunnel)))
    }

    /// IDr, CERT+, AUTH; `None` when our key can't sign what the peer can verify.
    fn authenticate(&mut self, config: &ResponderConfig) -> Option<Vec<Payload>> {
        let identity = &config.identity;
        let octets = self.handshake.octets_of_responder(&identity.id).ok()?;
        let auth = identity.key.sign(&octets, self.handshake.peer_hashes)?;
        let certificate = |data: &Vec<u8>| {
            Payload::Cert(Certificate { encoding: CertEncoding::X509_SIGNATURE, data: data.clone() })
        };
        let mut payloads = vec![Payload::IdR(identity.id.clone())];
        payloads.extend(identity.certificates.iter().map(certificate));
        payloads.push(Payload::Auth(auth));
        Some(payloads)
    }
}

/// The CHILD SA of IKE_AUTH: SA, TSi, TSr, or the notification that says why there is none.
fn first_child(
    tunnel: &mut Established,
    offer: &ChildSaOffer,
    nonces: (&[u8], &[u8]),
    cx: &mut Context<'_>,
) -> Result<Vec<Payload>, NotifyType> {
    let agreed = negotiate(&offer.proposals, &offer.ts_i, &offer.ts_r, None, tunnel.standing(), cx.suites)?;
    let keys = esp_keys(tunnel.current(), agreed.chosen.suite, &[], nonces, ExchangeRole::Responder);
    let spi_in = cx.spis.draw_esp(tunnel.id(), cx.crypto);
    let answer = vec![
        Payload::Sa(vec![agreed.chosen.answer(spi_in)]),
        Payload::TsI(agreed.ts_remote.clone()),
        Payload::TsR(agreed.ts_local.clone()),
    ];
    let new = NewChild {
        spi_in,
        chosen: agreed.chosen,
        ts_local: agreed.ts_local,
        ts_remote: agreed.ts_remote,
        keys,
        replaces: None,
        peer_is_ready: false,
        is_confirmed: true, // requests wait until the peer has our IKE_AUTH response
    };
    tunnel.install(new, cx);
    Ok(answer)
}

fn auth_lifetime(lifetime: Duration) -> Payload {
    let seconds = u32::try_from(lifetime.as_secs()).unwrap_or(u32::MAX);
    Payload::notify(NotifyType::AUTH_LIFETIME, &seconds.to_be_bytes())
}

struct CfgReply {
    payload: Payload,
    /// No address was asked for, or there is one of a family that was.
    is_enough: bool,
}

/// Answers the attributes of a CFG_REQUEST that we know, each at most once (RFC 7296 §3.15.1).
fn cfg_reply(asked: &[Attribute], grant: &Grant, peer: SocketAddr) -> CfgReply {
    let wants = |kind: AttributeType| asked.iter().any(|attribute| attribute.kind == kind);
    let (want_v4, want_v6) =
        (wants(AttributeType::INTERNAL_IP4_ADDRESS), wants(AttributeType::INTERNAL_IP6_ADDRESS));
    let v4 = grant.inner_v4.filter(|_| want_v4);
    let v6 = grant.inner_v6.filter(|_| want_v6);
    let mut attributes = Vec::new();
    let mut say = |kind, value: &[u8]| attributes.push(Attribute { kind, value: value.to_vec() });
    if let Some(address) = v4 {
        say(AttributeType::INTERNAL_IP4_ADDRESS, &address.octets());
    }
    if let Some((address, prefix_len)) = v6 {
        say(AttributeType::INTERNAL_IP6_ADDRESS, &[&address.octets()[..], &[prefix_len]].concat());
    }
    for server in &grant.dns {
        match server {
            IpAddr::V4(v4) if wants(AttributeType::INTERNAL_IP4_DNS) => {
                say(AttributeType::INTERNAL_IP4_DNS, &v4.octets());
            }
            IpAddr::V6(v6) if wants(AttributeType::INTERNAL_IP6_DNS) => {
                say(AttributeType::INTERNAL_IP6_DNS, &v6.octets());
            }
            IpAddr::V4(_) | IpAddr::V6(_) => {}
        }
    }
    // Where the unit truly comes from, as seen here (TS 29.139).
    if let (IpAddr::V4(v4), true) = (peer.ip(), wants(AttributeType::EXTERNAL_SOURCE_IP4_NAT_INFO)) {
        let value = [&v4.octets()[..], &peer.port().to_be_bytes()].concat();
        say(AttributeType::EXTERNAL_SOURCE_IP4_NAT_INFO, &value);
    }
    let payload = Payload::Cp(configuration(ConfigurationType::REPLY, attributes));
    CfgReply { payload, is_enough: v4.is_some() || v6.is_some() || !(want_v4 || want_v6) }
}
