//! CREATE_CHILD_SA (RFC 7296 §1.3): a new CHILD SA, a renewed one, or a renewed IKE SA.

use super::Contents;
use crate::{
    child_sa::EspKeys,
    crypto::{Ephemeral, IkeKeys, Secret, child_keymat, rekeyed_skeyseed},
    ike_sa::{IkeSa, Origin},
    payload::{KeyExchange, KeyExchangeMethod, Notify, NotifyType, Proposal, ProtocolId, TrafficSelector},
    suite::{EspSuite, IkeSuite, SuitePolicy},
};
use ids::{IkeSpi, Spi};
use zeroize::Zeroizing;

/// What a CREATE_CHILD_SA request asks for.
pub(crate) enum CreateChildSaRequest {
    ChildSa(ChildSaRequest),
    IkeSa(IkeSaRequest),
}

/// SA, Ni, KEi, TSi, TSr, and N(REKEY_SA) when it renews.
pub(crate) struct ChildSaRequest {
    /// The SPI that its sender receives on.
    pub(crate) rekeys: Option<Spi>,
    pub(crate) proposals: Vec<Proposal>,
    pub(crate) nonce: Vec<u8>,
    pub(crate) ke: Option<KeyExchange>,
    pub(crate) ts_i: Vec<TrafficSelector>,
    pub(crate) ts_r: Vec<TrafficSelector>,
}

/// SA, Ni, KEi.
pub(crate) struct IkeSaRequest {
    pub(crate) proposals: Vec<Proposal>,
    pub(crate) nonce: Vec<u8>,
    pub(crate) ke: KeyExchange,
}

impl CreateChildSaRequest {
    /// `None` when a payload is missing: INVALID_SYNTAX.
    pub(crate) fn parse(contents: Contents) -> Option<Self> {
        let rekeys = match contents.notify(NotifyType::REKEY_SA) {
            Some(notify) => Some(rekeyed_spi(notify)?),
            None => None,
        };
        let (proposals, nonce) = (contents.sa?, contents.nonce?);
        let for_ike = proposals.first()?.protocol == ProtocolId::IKE;
        match (contents.ts_i, contents.ts_r) {
            (None, None) if for_ike && rekeys.is_none() => {
                Some(Self::IkeSa(IkeSaRequest { proposals, nonce, ke: contents.ke? }))
            }
            (Some(ts_i), Some(ts_r)) => {
                Some(Self::ChildSa(ChildSaRequest { rekeys, proposals, nonce, ke: contents.ke, ts_i, ts_r }))
            }
            _ => None,
        }
    }
}

fn rekeyed_spi(notify: &Notify) -> Option<Spi> {
    let spi = notify.spi.as_slice().try_into().ok().map(u32::from_be_bytes)?;
    (notify.protocol == ProtocolId::ESP).then_some(Spi(spi))
}

/// What we remember of a CHILD SA that we asked for.
pub(crate) struct AskedChildSa {
    /// The SPI that we will receive on.
    pub(crate) spi_in: Spi,
    pub(crate) nonce: Vec<u8>,
    pub(crate) ephemeral: Box<dyn Ephemeral>,
    pub(crate) method: KeyExchangeMethod,
    /// What was offered: the configuration may change before the answer comes.
    pub(crate) offered: SuitePolicy,
    /// The SPI that we receive on now, when it renews.
    pub(crate) rekeys: Option<Spi>,
    pub(crate) ts_local: Vec<TrafficSelector>,
    pub(crate) ts_remote: Vec<TrafficSelector>,
    /// The peer renewed the same CHILD SA meanwhile (§2.8.1): its lower nonce.
    pub(crate) rival_nonce: Option<Vec<u8>>,
    /// INVALID_KE_PAYLOAD has been followed once already.
    pub(crate) is_second_try: bool,
}

/// What we remember of an IKE SA that we asked for.
pub(crate) struct AskedIkeSa {
    pub(crate) spi: IkeSpi,
    pub(crate) nonce: Vec<u8>,
    pub(crate) ephemeral: Box<dyn Ephemeral>,
    pub(crate) method: KeyExchangeMethod,
    /// What was offered: the configuration may change before the answer comes.
    pub(crate) offered: SuitePolicy,
    pub(crate) is_second_try: bool,
}

/// SA, Nr, KEr and for a CHILD SA TSi, TSr; or why not.
pub(crate) enum CreateChildSaAnswer {
    Accepted(Accepted),
    Refused(Notify),
}

pub(crate) struct Accepted {
    pub(crate) proposals: Vec<Proposal>,
    pub(crate) nonce: Vec<u8>,
    pub(crate) ke: KeyExchange,
    pub(crate) ts_i: Vec<TrafficSelector>,
    pub(crate) ts_r: Vec<TrafficSelector>,
}

impl CreateChildSaAnswer {
    /// `None` when it is neither.
    pub(crate) fn parse(contents: Contents) -> Option<Self> {
        if let Some(error) = contents.error() {
            return Some(Self::Refused(error.clone()));
        }
        Some(Self::Accepted(Accepted {
            proposals: contents.sa?,
            nonce: contents.nonce?,
            ke: contents.ke?,
            ts_i: contents.ts_i.unwrap_or_default(),
            ts_r: contents.ts_r.unwrap_or_default(),
        }))
    }
}

/// N(INVALID_KE_PAYLOAD) that asks for `method` (§1.3, §3.10.1).
pub(crate) fn invalid_ke(method: KeyExchangeMethod) -> Notify {
    Notify::new(NotifyType::INVALID_KE_PAYLOAD, &method.0.to_be_bytes())
}

/// The method that an INVALID_KE_PAYLOAD asks for.
pub(crate) fn wanted_method(notify: &Notify) -> Option<KeyExchangeMethod> {
    notify.data.as_slice().try_into().ok().map(u16::from_be_bytes).map(KeyExchangeMethod)
}

/// SPI of the other side in an IKE proposal; never zero.
pub(crate) fn ike_spi(proposal: &Proposal) -> Option<IkeSpi> {
    let spi = proposal.spi.as_slice().try_into().ok().map(u64::from_be_bytes)?;
    (spi != 0).then_some(IkeSpi(spi))
}

/// The lower of the two nonces of an exchange, which decides between two that collided (§2.8.1): octets
/// are compared one by one, and the shorter is the lower when it begins the other.
pub(crate) fn lower_nonce(a: &[u8], b: &[u8]) -> Vec<u8> {
    a.min(b).to_vec()
}

/// Who sends on which half of KEYMAT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ExchangeRole {
    /// We sent the request.
    Initiator,
    /// We sent the response.
    Responder,
}

/// Keys of a CHILD SA: of what we receive, and of what we send (§2.17). `shared_secret` is empty for
/// the one of IKE_AUTH.
pub(crate) fn esp_keys(
    ike_sa: &IkeSa,
    suite: EspSuite,
    shared_secret: &[u8],
    nonces: (&[u8], &[u8]),
    role: ExchangeRole,
) -> (EspKeys, EspKeys) {
    let (encr, integ) = (suite.cipher.keymat_len(), suite.cipher.integ_key_len());
    let keymat = child_keymat(ike_sa.prf(), ike_sa.sk_d(), shared_secret, nonces, 2 * (encr + integ));
    let (from_initiator, from_responder) = keymat.split_at(encr + integ);
    let keys = |octets: &[u8]| {
        let (encr, integ) = octets.split_at(encr);
        EspKeys { encr: secret(encr), integ: secret(integ) }
    };
    match role {
        ExchangeRole::Initiator => (keys(from_responder), keys(from_initiator)),
        ExchangeRole::Responder => (keys(from_initiator), keys(from_responder)),
    }
}

/// Makes the IKE SA that `asked` for and the peer `accepted`, with the lower nonce of the exchange;
/// `None` when the answer chooses what was not offered or its public value fails.
pub(crate) fn finish_ike_sa(old: &IkeSa, asked: AskedIkeSa, accepted: &Accepted) -> Option<(IkeSa, Vec<u8>)> {
    let suite = IkeSuite::from_answer(&accepted.proposals, &asked.offered)?;
    if suite.key_exchange != asked.method || accepted.ke.method != asked.method {
        return None;
    }
    let spis = (asked.spi, ike_spi(accepted.proposals.first()?)?);
    let shared_secret = asked.ephemeral.agree(&accepted.ke.data).ok()?;
    let nonces = (asked.nonce.as_slice(), accepted.nonce.as_slice());
    let new = rekeyed_ike_sa(old, suite, &shared_secret, nonces, spis, ExchangeRole::Initiator);
    Some((new, lower_nonce(nonces.0, nonces.1)))
}

fn secret(octets: &[u8]) -> Secret {
    Zeroizing::new(octets.to_vec())
}

/// The IKE SA that takes over from `old` (§2.18). `spis` and `nonces`: those of the initiator of this
/// exchange first.
pub(crate) fn rekeyed_ike_sa(
    old: &IkeSa,
    suite: IkeSuite,
    shared_secret: &[u8],
    nonces: (&[u8], &[u8]),
    spis: (IkeSpi, IkeSpi),
    role: ExchangeRole,
) -> IkeSa {
    let skeyseed = rekeyed_skeyseed(old.prf(), old.sk_d(), shared_secret, nonces);
    let keys = IkeKeys::derive(&suite, &skeyseed, nonces, spis);
    let origin = match role {
        ExchangeRole::Initiator => Origin::InitiatorOfRekey,
        ExchangeRole::Responder => Origin::ResponderOfRekey,
    };
    IkeSa::new(suite, &keys, spis, origin, old.fragments())
}
