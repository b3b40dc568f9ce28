use crate::{
    Context, Event, IkeSaId, InitiatorConfig, Peer, Refusal, Ticket,
    auth_verified::{AuthVerified, Unverified},
    await_auth_answer::{AwaitAuthAnswer, offered_ts_i},
    ending::Ending,
    established::{Established, NewChild, Standing, Want},
    exchange::{
        create_child_sa::{ExchangeRole, esp_keys},
        ike_auth::{AuthAccepted, ChildSaOffer, signed_octets},
    },
    initiator::Step,
    payload::{Attribute, AttributeType, NotifyType, TrafficSelector},
    suite::ChosenEsp,
};
use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    time::{Duration, Instant},
};

/// IKE_AUTH is answered; whether the certificate is the gateway's was asked.
pub(crate) struct AwaitGateway {
    pub(crate) id: IkeSaId,
    pub(crate) ticket: Ticket,
    pub(crate) deadline: Instant,
    pub(crate) sent: AwaitAuthAnswer,
    pub(crate) accepted: AuthAccepted,
}

impl AwaitGateway {
    pub(crate) fn on_peer(
        self: Box<Self>,
        answer: Result<Peer, Refusal>,
        config: &InitiatorConfig,
        cx: &mut Context<'_>,
    ) -> Step {
        match answer.ok().and_then(|peer| self.verify(peer, cx)) {
            Some(auth) => self.connect(&auth, config, cx),
            None => self.sent.not_authentic(cx),
        }
    }

    pub(crate) fn delete(self, cx: &mut Context<'_>) -> Ending {
        self.sent.delete(cx)
    }

    fn verify(&self, peer: Peer, cx: &Context<'_>) -> Option<AuthVerified> {
        let (sent, accepted) = (&self.sent, &self.accepted);
        let (prf, sk_pr) = (sent.keys.sa.prf(), &sent.keys.sk_pr);
        let octets = signed_octets(prf, &sent.init_response, &sent.nonces.0, sk_pr, &accepted.id_r);
        let unverified = Unverified {
            id: accepted.id_r.clone(),
            certificates: accepted.certificates.clone(),
            authentication: accepted.auth.clone(),
            path: sent.path,
            spis: sent.keys.sa.spis(),
            initial_contact: false,
        };
        unverified.verify(peer, &octets, cx.crypto)
    }

    fn connect(self: Box<Self>, auth: &AuthVerified, config: &InitiatorConfig, cx: &mut Context<'_>) -> Step {
        let Self { id: sa, sent, accepted, .. } = *self;
        let assigned = Assigned::read(&accepted.cfg_reply);
        let child = accepted.child.as_ref().zip(sent.child_spi);
        let standing = match &child {
            Some((child, _)) => Standing::of_gateway(auth.digest(), child.ts_i.clone(), child.ts_r.clone()),
            None => Standing::of_gateway(auth.digest(), assigned.ts_i(config), config.ts_r.clone()),
        };
        if child.is_none() {
            sent.release_child(cx);
        }
        let mut tunnel = Box::new(Established::new(sa, standing, sent.path, sent.keys.sa, cx));
        let Assigned { inner_v4, inner_v6, dns } = assigned;
        let auth_lifetime = accepted.auth_lifetime.map(|seconds| Duration::from_secs(seconds.into()));
        cx.out.event(Event::Connected { sa, inner_v4, inner_v6, dns, auth_lifetime });
        match child {
            Some((child, spi_in)) => {
                let nonces = (sent.nonces.0.as_slice(), sent.nonces.1.as_slice());
                if !install_first(&mut tunnel, child, spi_in, nonces, config, cx) {
                    cx.spis.release_esp(spi_in);
                    cx.out.event(Event::ChildFailed { sa, notify: NotifyType::NO_PROPOSAL_CHOSEN });
                }
            }
            None => match accepted.child_error {
                Some(notify) => cx.out.event(Event::ChildFailed { sa, notify }),
                None => tunnel.want(Want::CreateChildSa, cx),
            },
        }
        Step::Connected(tunnel)
    }
}

/// False when the answer chooses what was not offered.
fn install_first(
    tunnel: &mut Established,
    child: &ChildSaOffer,
    spi_in: ids::Spi,
    nonces: (&[u8], &[u8]),
    config: &InitiatorConfig,
    cx: &mut Context<'_>,
) -> bool {
    let Some(chosen) = chosen_as_offered(child, config, cx) else { return false };
    let keys = esp_keys(tunnel.current(), chosen.suite, &[], nonces, ExchangeRole::Initiator);
    let (ts_local, ts_remote) = (child.ts_i.clone(), child.ts_r.clone());
    let new = NewChild {
        spi_in,
        chosen,
        ts_local,
        ts_remote,
        keys,
        replaces: None,
        peer_is_ready: true,
        is_confirmed: true,
    };
    tunnel.install(new, cx);
    true
}

fn chosen_as_offered(child: &ChildSaOffer, config: &InitiatorConfig, cx: &Context<'_>) -> Option<ChosenEsp> {
    let [_] = child.proposals.as_slice() else { return None };
    let within = |narrowed: &[TrafficSelector], offered: &[TrafficSelector]| {
        !narrowed.is_empty()
            && narrowed.iter().all(|ts| offered.iter().any(|offer| offer.intersect(ts) == Some(*ts)))
    };
    let as_offered = within(&child.ts_i, &offered_ts_i(config)) && within(&child.ts_r, &config.ts_r);
    cx.suites.choose_esp(&child.proposals, None).filter(|_| as_offered)
}

/// What a CFG_REPLY assigns.
#[derive(Default)]
struct Assigned {
    inner_v4: Option<Ipv4Addr>,
    inner_v6: Option<(Ipv6Addr, u8)>,
    dns: Vec<IpAddr>,
}

impl Assigned {
    fn read(attributes: &[Attribute]) -> Self {
        let mut assigned = Self::default();
        for Attribute { kind, value } in attributes {
            let v4 = <[u8; 4]>::try_from(value.as_slice()).ok().map(Ipv4Addr::from);
            let v6 = value.first_chunk::<16>().copied().map(Ipv6Addr::from);
            match *kind {
                AttributeType::INTERNAL_IP4_ADDRESS => assigned.inner_v4 = v4,
                AttributeType::INTERNAL_IP6_ADDRESS => {
                    assigned.inner_v6 = v6.zip(value.get(16).copied());
                }
                AttributeType::INTERNAL_IP4_DNS => assigned.dns.extend(v4.map(IpAddr::from)),
                AttributeType::INTERNAL_IP6_DNS => assigned.dns.extend(v6.map(IpAddr::from)),
                _ => {}
            }
        }
        assigned
    }

    /// The assigned addresses; without any, what was offered.
    fn ts_i(&self, config: &InitiatorConfig) -> Vec<TrafficSelector> {
        let v4 = self.inner_v4.map(|address| TrafficSelector::host(address.into()));
        let v6 = self.inner_v6.map(|(address, _)| TrafficSelector::host(address.into()));
        let hosts: Vec<_> = v4.into_iter().chain(v6).collect();
        if hosts.is_empty() { offered_ts_i(config) } else { hosts }
    }
}
