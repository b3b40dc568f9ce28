//! IKE_SA_INIT (RFC 7296 §1.2): suites, nonces, public values; nobody is authenticated yet.

use crate::{
    ObservedFingerprint, Path,
    crypto::SignatureHashes,
    header::{ExchangeType, Header},
    message, nat,
    payload::{CertEncoding, CertificateRequest, KeyExchange, NotifyType, Payload, PayloadType, Proposal},
    reason::Reason,
};
use ids::IkeSpi;

/// What an IKE_SA_INIT message says, request and response alike.
pub(crate) struct IkeSaInit {
    pub(crate) proposals: Vec<Proposal>,
    pub(crate) ke: KeyExchange,
    pub(crate) nonce: Vec<u8>,
    pub(crate) cookie: Option<Vec<u8>>,
    pub(crate) takes_fragments: bool,
    pub(crate) childless: bool,
    pub(crate) hashes: SignatureHashes,
    pub(crate) fingerprint: ObservedFingerprint,
}

impl IkeSaInit {
    /// Reads the payloads of a message that is no error notification.
    pub(crate) fn parse(payloads: Vec<Payload>) -> Result<Self, Reason> {
        let (mut proposals, mut ke, mut nonce) = (None, None, None);
        let mut notifies = Vec::new();
        let mut fingerprint = ObservedFingerprint::default();
        for payload in payloads {
            match payload {
                Payload::Sa(offer) => proposals = Some(offer),
                Payload::Ke(value) => ke = Some(value),
                Payload::Nonce(octets) => nonce = Some(octets),
                Payload::Notify(notify) => {
                    fingerprint.saw_notify(notify.kind);
                    notifies.push(notify);
                }
                Payload::VendorId(id) => fingerprint.saw_vendor_id(&id),
                _ => {}
            }
        }
        let data =
            |kind| notifies.iter().find(|notify| notify.kind == kind).map(|notify| notify.data.as_slice());
        let proposals = proposals.ok_or(Reason::Malformed)?;
        let nonce = nonce.ok_or(Reason::Malformed)?;
        fingerprint.proposals.clone_from(&proposals);
        fingerprint.nonce_length = u16::try_from(nonce.len()).unwrap_or(u16::MAX);
        fingerprint.key_exchange = ke.as_ref().map(|ke| ke.method);
        let cookie = data(NotifyType::COOKIE);
        if cookie.is_some_and(|cookie| !(1..=64).contains(&cookie.len())) {
            return Err(Reason::Malformed);
        }
        Ok(Self {
            proposals,
            ke: ke.ok_or(Reason::Malformed)?,
            nonce,
            cookie: cookie.map(<[u8]>::to_vec),
            takes_fragments: data(NotifyType::IKEV2_FRAGMENTATION_SUPPORTED).is_some(),
            childless: data(NotifyType::CHILDLESS_IKEV2_SUPPORTED).is_some(),
            hashes: data(NotifyType::SIGNATURE_HASH_ALGORITHMS)
                .map(SignatureHashes::parse)
                .unwrap_or_default(),
            fingerprint,
        })
    }
}

/// Header of an IKE_SA_INIT message; its Message ID is 0.
pub(crate) fn header(spi_i: IkeSpi, spi_r: IkeSpi, is_response: bool) -> Header {
    Header {
        spi_i,
        spi_r,
        first_payload: PayloadType::NONE,
        exchange: ExchangeType::IKE_SA_INIT,
        from_initiator: !is_response,
        is_response,
        message_id: 0,
    }
}

/// The notifications that both sides send: NAT detection, fragmentation, signature hashes, childless.
pub(crate) fn notifies(spis: (IkeSpi, IkeSpi), path: &Path) -> Vec<Payload> {
    let mut notifies = nat::notifies(spis, path).to_vec();
    notifies.extend([
        Payload::notify(NotifyType::IKEV2_FRAGMENTATION_SUPPORTED, &[]),
        Payload::notify(NotifyType::SIGNATURE_HASH_ALGORITHMS, &SignatureHashes::OURS.to_data()),
        Payload::notify(NotifyType::CHILDLESS_IKEV2_SUPPORTED, &[]),
    ]);
    notifies
}

/// The response that accepts.
pub(crate) fn response(
    spis: (IkeSpi, IkeSpi),
    path: &Path,
    chosen: Proposal,
    ke: KeyExchange,
    nonce: Vec<u8>,
    authorities: &[[u8; 20]],
) -> Vec<u8> {
    let mut payloads = vec![Payload::Sa(vec![chosen]), Payload::Ke(ke), Payload::Nonce(nonce)];
    payloads.extend(notifies(spis, path));
    payloads.push(Payload::CertReq(CertificateRequest {
        encoding: CertEncoding::X509_SIGNATURE,
        authorities: authorities.concat(),
    }));
    message::write_plain(header(spis.0, spis.1, true), &payloads)
}

/// A response that is one notification: COOKIE, INVALID_KE_PAYLOAD, NO_PROPOSAL_CHOSEN ...; it sets
/// up nothing, so the responder's SPI stays zero.
pub(crate) fn notification(spi_i: IkeSpi, kind: NotifyType, data: &[u8]) -> Vec<u8> {
    message::write_plain(header(spi_i, IkeSpi(0), true), &[Payload::notify(kind, data)])
}
