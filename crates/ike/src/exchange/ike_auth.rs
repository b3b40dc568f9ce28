//! IKE_AUTH (RFC 7296 §1.2): who each side is, and the first CHILD SA.

use super::Contents;
use crate::{
    Reason,
    crypto::{PrfAlgorithm, Secret},
    payload::{
        Attribute, AuthMethod, Authentication, CertEncoding, Certificate, Configuration, ConfigurationType,
        Identification, NotifyType, Proposal, TrafficSelector,
    },
};

/// SK { IDi, CERT+, AUTH, [CP(CFG_REQUEST)], [SAi2, TSi, TSr], notifications }.
pub(crate) struct IkeAuthRequest {
    pub(crate) id_i: Identification,
    pub(crate) certificates: Vec<Vec<u8>>,
    pub(crate) auth: Authentication,
    pub(crate) cfg_request: Option<Vec<Attribute>>,
    pub(crate) child: Option<ChildSaOffer>,
    pub(crate) initial_contact: bool,
    pub(crate) ppk_id: Option<Vec<u8>>,
    pub(crate) notifies: Vec<NotifyType>,
    pub(crate) vendor_ids: Vec<Vec<u8>>,
}

/// SA, TSi, TSr of a first CHILD SA.
#[derive(Clone)]
pub(crate) struct ChildSaOffer {
    pub(crate) proposals: Vec<Proposal>,
    pub(crate) ts_i: Vec<TrafficSelector>,
    pub(crate) ts_r: Vec<TrafficSelector>,
}

const MAX_CERTIFICATES: usize = 8;
const MAX_CERTIFICATE: usize = 4096;

/// What was said before a rule was broken: for the log.
pub(crate) struct RefusedIkeAuth {
    pub(crate) reason: Reason,
    pub(crate) id_i: Option<Identification>,
}

impl IkeAuthRequest {
    /// # Errors
    /// Everything that is refused whoever the peer is, with its [`Reason`].
    pub(crate) fn parse(contents: Contents) -> Result<Self, RefusedIkeAuth> {
        let id_i = contents.id_i.clone();
        Self::read(contents).map_err(|reason| RefusedIkeAuth { reason, id_i })
    }

    fn read(contents: Contents) -> Result<Self, Reason> {
        let notifies = contents.notifies.iter().map(|notify| notify.kind).collect();
        let initial_contact = contents.has(NotifyType::INITIAL_CONTACT);
        let ppk_id = contents.notify(NotifyType::PPK_IDENTITY).map(|notify| notify.data.clone());
        let id_i = contents.id_i.ok_or(Reason::NoIdentity)?;
        let auth = contents.auth.filter(|_| !contents.eap).ok_or(Reason::EapOnly)?;
        check_method(auth.method)?;
        let cfg_request = contents.cp.filter(|cp| cp.kind == ConfigurationType::REQUEST);
        Ok(Self {
            id_i,
            certificates: certificates(contents.certs)?,
            auth,
            cfg_request: cfg_request.map(|cp| cp.attributes),
            child: ChildSaOffer::read(contents.sa, contents.ts_i, contents.ts_r)?,
            initial_contact,
            ppk_id,
            notifies,
            vendor_ids: contents.vendor_ids,
        })
    }
}

impl ChildSaOffer {
    fn read(
        sa: Option<Vec<Proposal>>,
        ts_i: Option<Vec<TrafficSelector>>,
        ts_r: Option<Vec<TrafficSelector>>,
    ) -> Result<Option<Self>, Reason> {
        match (sa, ts_i, ts_r) {
            (None, None, None) => Ok(None),
            (Some(proposals), Some(ts_i), Some(ts_r)) => Ok(Some(Self { proposals, ts_i, ts_r })),
            _ => Err(Reason::Malformed),
        }
    }
}

/// Signatures alone: no shared key, no NULL, nothing unknown. Whether method 1 is taken is decided with
/// the peer's profile.
fn check_method(method: AuthMethod) -> Result<(), Reason> {
    match method {
        AuthMethod::DIGITAL_SIGNATURE
        | AuthMethod::ECDSA_SHA256_P256
        | AuthMethod::ECDSA_SHA384_P384
        | AuthMethod::RSA_SHA1 => Ok(()),
        _ => Err(Reason::AuthMethod),
    }
}

/// X.509 certificates by value; Hash-and-URL, raw keys and the rest would make us fetch or trust
/// something else.
pub(crate) fn certificates(certs: Vec<Certificate>) -> Result<Vec<Vec<u8>>, Reason> {
    if certs.is_empty() {
        return Err(Reason::NoCertificate);
    }
    if certs.iter().any(|cert| cert.encoding != CertEncoding::X509_SIGNATURE) {
        return Err(Reason::CertificateEncoding);
    }
    if certs.len() > MAX_CERTIFICATES || certs.iter().any(|cert| cert.data.len() > MAX_CERTIFICATE) {
        return Err(Reason::CertificateSize);
    }
    Ok(certs.into_iter().map(|cert| cert.data).collect())
}

/// SK { IDr, CERT+, AUTH, [CP(CFG_REPLY)], [SAr2, TSi, TSr], notifications }, or an error.
pub(crate) enum IkeAuthAnswer {
    Refused(NotifyType),
    Accepted(Box<AuthAccepted>),
}

pub(crate) struct AuthAccepted {
    pub(crate) id_r: Identification,
    pub(crate) certificates: Vec<Vec<u8>>,
    pub(crate) auth: Authentication,
    pub(crate) cfg_reply: Vec<Attribute>,
    pub(crate) child: Option<ChildSaOffer>,
    /// Why there is no CHILD SA.
    pub(crate) child_error: Option<NotifyType>,
    pub(crate) auth_lifetime: Option<u32>,
}

impl IkeAuthAnswer {
    /// # Errors
    /// A [`Reason`] for an answer that is neither.
    pub(crate) fn parse(contents: Contents) -> Result<Self, Reason> {
        let error = contents.error().map(|notify| notify.kind);
        if let (Some(kind), None) = (error, &contents.auth) {
            return Ok(Self::Refused(kind));
        }
        let auth_lifetime = contents.notify(NotifyType::AUTH_LIFETIME);
        let auth_lifetime = auth_lifetime.and_then(|notify| notify.data.as_slice().try_into().ok());
        let cfg_reply = contents.cp.filter(|cp| cp.kind == ConfigurationType::REPLY);
        Ok(Self::Accepted(Box::new(AuthAccepted {
            id_r: contents.id_r.ok_or(Reason::NoIdentity)?,
            certificates: certificates(contents.certs)?,
            auth: contents.auth.ok_or(Reason::EapOnly)?,
            cfg_reply: cfg_reply.map(|cp| cp.attributes).unwrap_or_default(),
            child: ChildSaOffer::read(contents.sa, contents.ts_i, contents.ts_r)?,
            child_error: error,
            auth_lifetime: auth_lifetime.map(u32::from_be_bytes),
        })))
    }
}

/// What AUTH signs (§2.15): the signer's first message, the other side's nonce, prf (SK_p, ID').
pub(crate) fn signed_octets(
    prf: PrfAlgorithm,
    first_message: &[u8],
    nonce: &[u8],
    sk_p: &Secret,
    id: &Identification,
) -> Vec<u8> {
    let maced_id = prf.key(sk_p).apply(&[&id.signed_octets()]);
    [first_message, nonce, &maced_id].concat()
}

/// A CP payload.
pub(crate) fn configuration(kind: ConfigurationType, attributes: Vec<Attribute>) -> Configuration {
    Configuration { kind, attributes }
}
