//! IKE_SA_INIT (RFC 7296 §1.2): suites, key exchange, nonces, and what each side can do.

use super::{Contents, create_child_sa::wanted_method};
use crate::{
    Reason,
    crypto::SignatureHashes,
    payload::{KeyExchange, KeyExchangeMethod, Notify, NotifyType, Payload, Proposal},
};

/// HDR, [N(COOKIE)], SAi1, KEi, Ni, notifications.
pub(crate) struct IkeSaInitRequest {
    pub(crate) proposals: Vec<Proposal>,
    pub(crate) ke: KeyExchange,
    pub(crate) nonce: Vec<u8>,
    pub(crate) cookie: Option<Vec<u8>>,
    pub(crate) abilities: Abilities,
    pub(crate) vendor_ids: Vec<Vec<u8>>,
    pub(crate) notifies: Vec<NotifyType>,
}

/// What the sender of IKE_SA_INIT can do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Abilities {
    /// Hashes of RFC 7427 signatures; none when it does not speak them.
    pub(crate) hashes: SignatureHashes,
    /// RFC 7383.
    pub(crate) fragments: bool,
    /// RFC 6023; a responder says so.
    pub(crate) childless: bool,
}

impl Abilities {
    fn of(contents: &Contents) -> Self {
        let hashes = contents.notify(NotifyType::SIGNATURE_HASH_ALGORITHMS);
        Self {
            hashes: hashes.map(|notify| SignatureHashes::parse(&notify.data)).unwrap_or_default(),
            fragments: contents.has(NotifyType::IKEV2_FRAGMENTATION_SUPPORTED),
            childless: contents.has(NotifyType::CHILDLESS_IKEV2_SUPPORTED),
        }
    }

    /// The notifications that say what we can do. MOBIKE is never among them.
    pub(crate) fn ours(responder: bool) -> Vec<Payload> {
        let mut payloads = vec![
            Payload::notify(NotifyType::IKEV2_FRAGMENTATION_SUPPORTED, &[]),
            Payload::notify(NotifyType::SIGNATURE_HASH_ALGORITHMS, &SignatureHashes::OURS.to_data()),
        ];
        if responder {
            payloads.push(Payload::notify(NotifyType::CHILDLESS_IKEV2_SUPPORTED, &[]));
        }
        payloads
    }
}

impl IkeSaInitRequest {
    /// # Errors
    /// [`Reason::Malformed`] when SA, KE or Nonce is missing.
    pub(crate) fn parse(contents: Contents) -> Result<Self, Reason> {
        let abilities = Abilities::of(&contents);
        let cookie = contents.notify(NotifyType::COOKIE).map(|notify| notify.data.clone());
        let notifies = contents.notifies.iter().map(|notify| notify.kind);
        Ok(Self {
            abilities,
            cookie,
            notifies: notifies.filter(|kind| *kind != NotifyType::COOKIE).collect(),
            proposals: contents.sa.ok_or(Reason::Malformed)?,
            ke: contents.ke.ok_or(Reason::Malformed)?,
            nonce: contents.nonce.ok_or(Reason::Malformed)?,
            vendor_ids: contents.vendor_ids,
        })
    }
}

/// What a responder made of our IKE_SA_INIT.
pub(crate) enum IkeSaInitAnswer {
    /// Again, with this cookie first (§2.6).
    Cookie(Vec<u8>),
    /// Again, with this key exchange method (§1.2).
    InvalidKe(KeyExchangeMethod),
    /// No.
    Refused(NotifyType),
    /// Yes.
    Accepted(Box<InitAccepted>),
}

/// HDR, SAr1, KEr, Nr, notifications.
pub(crate) struct InitAccepted {
    pub(crate) proposals: Vec<Proposal>,
    pub(crate) ke: KeyExchange,
    pub(crate) nonce: Vec<u8>,
    pub(crate) abilities: Abilities,
    pub(crate) notifies: Vec<Notify>,
}

impl IkeSaInitAnswer {
    /// `None` when it is none of them.
    pub(crate) fn parse(contents: Contents) -> Option<Self> {
        if let Some(error) = contents.error() {
            return match error.kind {
                NotifyType::INVALID_KE_PAYLOAD => wanted_method(error).map(Self::InvalidKe),
                kind => Some(Self::Refused(kind)),
            };
        }
        if let (Some(cookie), None) = (contents.notify(NotifyType::COOKIE), &contents.sa) {
            return (1..=64).contains(&cookie.data.len()).then(|| Self::Cookie(cookie.data.clone()));
        }
        Some(Self::Accepted(Box::new(InitAccepted {
            abilities: Abilities::of(&contents),
            proposals: contents.sa?,
            ke: contents.ke?,
            nonce: contents.nonce?,
            notifies: contents.notifies,
        })))
    }
}
