//! IKE_AUTH (RFC 7296 §1.2, §2.15): who the two are, and the first CHILD SA.

use crate::{
    AskPeer, Grant, ObservedFingerprint, Path,
    attach_request::AttachRequest,
    auth_verified::Unverified,
    child_sa::ChildKeys,
    config::LocalIdentity,
    crypto::{IkeKeys, PrivateAuthKey, Secret, SignatureHashes},
    ike_sa::Selectors,
    payload::{
        Attribute, AttributeType, AuthMethod, Authentication, CertEncoding, Certificate, Configuration,
        ConfigurationType, Identification, NotifyType, Payload, Proposal, TrafficSelector, narrow,
    },
    reason::Reason,
    suite::{ChosenEsp, IkeSuite, SuitePolicy},
};
use ids::IkeSpi;
use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

/// Certificates read from one peer at most.
const MAX_CERTIFICATES: usize = 8;
/// Octets of one of them at most.
const MAX_CERTIFICATE: usize = 4096;

/// What an IKE_AUTH request says.
pub(crate) struct IkeAuthRequest {
    pub(crate) ask: AskPeer,
    pub(crate) auth: Authentication,
    pub(crate) offer: Option<ChildOffer>,
    pub(crate) configuration: Vec<Attribute>,
    pub(crate) notifies: Vec<NotifyType>,
    pub(crate) vendor_ids: Vec<Vec<u8>>,
}

/// The CHILD SA asked for.
pub(crate) struct ChildOffer {
    pub(crate) proposals: Vec<Proposal>,
    pub(crate) ts_i: Vec<TrafficSelector>,
    pub(crate) ts_r: Vec<TrafficSelector>,
}

/// What any IKE_AUTH message may hold.
#[derive(Default)]
pub(crate) struct Parts {
    pub(crate) id_i: Option<Identification>,
    pub(crate) id_r: Option<Identification>,
    certificates: Vec<Certificate>,
    pub(crate) auth: Option<Authentication>,
    proposals: Option<Vec<Proposal>>,
    ts_i: Option<Vec<TrafficSelector>>,
    ts_r: Option<Vec<TrafficSelector>>,
    pub(crate) configuration: Vec<Attribute>,
    pub(crate) notifies: Vec<NotifyType>,
    vendor_ids: Vec<Vec<u8>>,
    ppk_id: Option<Vec<u8>>,
    pub(crate) auth_lifetime: Option<Duration>,
}

impl Parts {
    pub(crate) fn of(payloads: Vec<Payload>) -> Self {
        let mut parts = Self::default();
        for payload in payloads {
            match payload {
                Payload::IdI(id) => parts.id_i = Some(id),
                Payload::IdR(id) => parts.id_r = Some(id),
                Payload::Cert(certificate) => parts.certificates.push(certificate),
                Payload::Auth(auth) => parts.auth = Some(auth),
                Payload::Sa(proposals) => parts.proposals = Some(proposals),
                Payload::TsI(selectors) => parts.ts_i = Some(selectors),
                Payload::TsR(selectors) => parts.ts_r = Some(selectors),
                Payload::Cp(configuration) => parts.configuration = configuration.attributes,
                Payload::Notify(notify) => {
                    parts.notifies.push(notify.kind);
                    match notify.kind {
                        NotifyType::PPK_IDENTITY => parts.ppk_id = Some(notify.data),
                        NotifyType::AUTH_LIFETIME => parts.auth_lifetime = seconds(&notify.data),
                        _ => {}
                    }
                }
                Payload::VendorId(id) => parts.vendor_ids.push(id),
                _ => {}
            }
        }
        parts
    }

    /// DER certificates in the order sent; never a URL to fetch one from (encodings 12, 13).
    pub(crate) fn certificates(&mut self) -> Result<Vec<Vec<u8>>, Reason> {
        let sent = std::mem::take(&mut self.certificates);
        if sent.is_empty() {
            return Err(Reason::NoCertificate);
        }
        if sent.len() > MAX_CERTIFICATES || sent.iter().any(|cert| cert.data.len() > MAX_CERTIFICATE) {
            return Err(Reason::CertificateSize);
        }
        if sent.iter().any(|cert| cert.encoding != CertEncoding::X509_SIGNATURE) {
            return Err(Reason::CertificateEncoding);
        }
        Ok(sent.into_iter().map(|cert| cert.data).collect())
    }

    pub(crate) fn offer(&mut self) -> Option<ChildOffer> {
        let (proposals, ts_i, ts_r) = (self.proposals.take()?, self.ts_i.take()?, self.ts_r.take()?);
        Some(ChildOffer { proposals, ts_i, ts_r })
    }
}

/// Data of AUTH_LIFETIME (RFC 4478 §3).
fn seconds(data: &[u8]) -> Option<Duration> {
    let octets = data.try_into().ok()?;
    Some(Duration::from_secs(u32::from_be_bytes(octets).into()))
}

impl IkeAuthRequest {
    /// Reads a request. Whoever does not sign with a certificate's key ends here: EAP (no AUTH),
    /// shared key, NULL.
    pub(crate) fn parse(payloads: Vec<Payload>, path: Path) -> Result<Self, Reason> {
        let mut parts = Parts::of(payloads);
        let id = parts.id_i.take().ok_or(Reason::NoIdentity)?;
        let auth = parts.auth.take().ok_or(Reason::EapOnly)?;
        let accepted = [
            AuthMethod::DIGITAL_SIGNATURE,
            AuthMethod::ECDSA_SHA256_P256,
            AuthMethod::ECDSA_SHA384_P384,
            AuthMethod::RSA_SHA1,
        ];
        if !accepted.contains(&auth.method) {
            return Err(Reason::AuthMethod);
        }
        let certificates = parts.certificates()?;
        let offer = parts.offer();
        let ask = AskPeer { idi: id, certificates, ppk_id: parts.ppk_id, path };
        let Parts { configuration, notifies, vendor_ids, .. } = parts;
        Ok(Self { ask, auth, offer, configuration, notifies, vendor_ids })
    }

    /// What is verified with the key that the answer to the question names.
    pub(crate) fn unverified(&self, spis: (IkeSpi, IkeSpi)) -> Unverified {
        Unverified {
            id: self.ask.idi.clone(),
            certificates: self.ask.certificates.clone(),
            authentication: self.auth.clone(),
            path: self.ask.path,
            spis,
            initial_contact: self.notifies.contains(&NotifyType::INITIAL_CONTACT),
        }
    }

    /// What it asks for, with all that was seen of its maker's hand.
    pub(crate) fn attach_request(&self, mut fingerprint: ObservedFingerprint) -> AttachRequest {
        self.notifies.iter().for_each(|kind| fingerprint.saw_notify(*kind));
        self.vendor_ids.iter().for_each(|id| fingerprint.saw_vendor_id(id));
        let offer = self.offer.as_ref();
        if let Some(offer) = offer {
            fingerprint.saw_child_proposals(&offer.proposals);
        }
        AttachRequest {
            initial_contact: self.notifies.contains(&NotifyType::INITIAL_CONTACT),
            cfg_request: self.configuration.clone(),
            ts_i: offer.map(|offer| offer.ts_i.clone()).unwrap_or_default(),
            ts_r: offer.map(|offer| offer.ts_r.clone()).unwrap_or_default(),
            childless: offer.is_none(),
            fingerprint,
        }
    }

    pub(crate) fn asks_for(&self, kind: AttributeType) -> bool {
        self.configuration.iter().any(|attribute| attribute.kind == kind)
    }
}

/// What both sides need to make and check AUTH.
pub(crate) struct AuthSecrets {
    pub(crate) sk_pi: Secret,
    pub(crate) sk_pr: Secret,
}

impl AuthSecrets {
    pub(crate) fn take(keys: &mut IkeKeys) -> Self {
        Self { sk_pi: std::mem::take(&mut keys.sk_pi), sk_pr: std::mem::take(&mut keys.sk_pr) }
    }
}

/// The octets that one side signs: its IKE_SA_INIT message, the other's nonce, and its identity under
/// its SK_p (RFC 7296 §2.15).
pub(crate) fn signed_octets(
    suite: &IkeSuite,
    own_init: &[u8],
    other_nonce: &[u8],
    sk_p: &[u8],
    id: &Identification,
) -> Vec<u8> {
    let maced = suite.prf.key(sk_p).apply(&[&id.signed_octets()]);
    [own_init, other_nonce, &maced].concat()
}

/// ID, CERT and AUTH of one side.
pub(crate) fn own_proof(
    identity: &LocalIdentity,
    octets: &[u8],
    hashes: SignatureHashes,
) -> Option<(Vec<Payload>, Payload)> {
    let key: &dyn PrivateAuthKey = &*identity.key;
    let auth = key.sign(octets, hashes)?;
    let cert = |data: &Vec<u8>| {
        Payload::Cert(Certificate { encoding: CertEncoding::X509_SIGNATURE, data: data.clone() })
    };
    Some((identity.certificates.iter().map(cert).collect(), Payload::Auth(auth)))
}

/// The CHILD SA that an IKE_AUTH agreed on; its keys follow from the IKE SA's own nonces (§2.17).
pub(crate) struct FirstChild {
    pub(crate) chosen: ChosenEsp,
    pub(crate) keys: ChildKeys,
    pub(crate) ts_i: Vec<TrafficSelector>,
    pub(crate) ts_r: Vec<TrafficSelector>,
}

/// Chooses and narrows the CHILD SA of a granted request; the error is said beside the IKE SA.
pub(crate) fn choose_child(
    offer: &ChildOffer,
    policy: &SuitePolicy,
    allowed: &Selectors,
) -> Result<(ChosenEsp, Vec<TrafficSelector>, Vec<TrafficSelector>), NotifyType> {
    let chosen = policy.choose_esp(&offer.proposals, None).ok_or(NotifyType::NO_PROPOSAL_CHOSEN)?;
    let (ts_i, ts_r) = (narrow(&offer.ts_i, &allowed.remote), narrow(&offer.ts_r, &allowed.local));
    if ts_i.is_empty() || ts_r.is_empty() {
        return Err(NotifyType::TS_UNACCEPTABLE);
    }
    Ok((chosen, ts_i, ts_r))
}

/// CFG_REPLY to what was asked for (§3.15), from the grant and from what we see; `None` when nothing
/// was asked.
pub(crate) fn configuration_reply(request: &IkeAuthRequest, grant: &Grant, path: &Path) -> Option<Payload> {
    if request.configuration.is_empty() {
        return None;
    }
    let attribute = |kind, value: Vec<u8>| Attribute { kind, value };
    let mut attributes = Vec::new();
    if request.asks_for(AttributeType::INTERNAL_IP4_ADDRESS) {
        attributes.extend(
            grant.inner_v4.map(|v4| attribute(AttributeType::INTERNAL_IP4_ADDRESS, v4.octets().to_vec())),
        );
    }
    if request.asks_for(AttributeType::INTERNAL_IP6_ADDRESS) {
        attributes.extend(grant.inner_v6.map(|(v6, prefix)| {
            attribute(AttributeType::INTERNAL_IP6_ADDRESS, [v6.octets().as_slice(), &[prefix]].concat())
        }));
    }
    for server in &grant.dns {
        let (kind, value) = match server {
            IpAddr::V4(v4) => (AttributeType::INTERNAL_IP4_DNS, v4.octets().to_vec()),
            IpAddr::V6(v6) => (AttributeType::INTERNAL_IP6_DNS, v6.octets().to_vec()),
        };
        if request.asks_for(kind) {
            attributes.push(attribute(kind, value));
        }
    }
    if request.asks_for(AttributeType::EXTERNAL_SOURCE_IP4_NAT_INFO)
        && let SocketAddr::V4(seen) = path.peer
    {
        let value = [seen.ip().octets().as_slice(), &seen.port().to_be_bytes()].concat();
        attributes.push(attribute(AttributeType::EXTERNAL_SOURCE_IP4_NAT_INFO, value));
    }
    Some(Payload::Cp(Configuration { kind: ConfigurationType::REPLY, attributes }))
}
