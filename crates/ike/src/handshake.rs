use crate::{
    Context, Event, ExchangeType, IkeSaId, ObservedFingerprint, Path, Reason,
    crypto::{Ephemeral, IkeKeys, Secret, SignatureHashes, skeyseed},
    ending::{Ending, EndingSa},
    exchange::ike_auth::signed_octets,
    fragments::Fragments,
    ike_sa::{IkeSa, Origin},
    payload::{Identification, NotifyType, Payload},
    reason::Answer,
    suite::IkeSuite,
};
use ids::IkeSpi;
use std::time::{Duration, Instant};

/// What a responder keeps between its IKE_SA_INIT response and the end of IKE_AUTH.
pub(crate) struct Handshake {
    pub(crate) id: IkeSaId,
    pub(crate) path: Path,
    pub(crate) spis: (IkeSpi, IkeSpi),
    pub(crate) init_request: Vec<u8>,
    pub(crate) init_response: Vec<u8>,
    pub(crate) nonces: (Vec<u8>, Vec<u8>),
    pub(crate) peer_hashes: SignatureHashes,
    pub(crate) fingerprint: ObservedFingerprint,
    pub(crate) agreement: Agreement,
    pub(crate) answered_at: Instant,
    pub(crate) deadline: Instant,
    /// Questions asked so far, which also tells tickets apart.
    pub(crate) questions: u8,
}

/// The key exchange, which is finished only when IKE_AUTH comes: an initiator that never goes on
/// costs one key pair and no agreement.
pub(crate) enum Agreement {
    Open { suite: IkeSuite, ephemeral: Box<dyn Ephemeral>, public_value: Vec<u8>, speaks_fragments: bool },
    Keys(Box<HandshakeKeys>),
    Failed,
}

/// The IKE SA and the keys that only AUTH needs.
pub(crate) struct HandshakeKeys {
    pub(crate) sa: IkeSa,
    pub(crate) sk_pi: Secret,
    pub(crate) sk_pr: Secret,
}

/// Derives the IKE SA of an IKE_SA_INIT and the keys of AUTH (RFC 7296 §2.14).
pub(crate) fn derive(
    suite: IkeSuite,
    shared_secret: &[u8],
    nonces: (&[u8], &[u8]),
    spis: (IkeSpi, IkeSpi),
    origin: Origin,
    speaks_fragments: bool,
) -> HandshakeKeys {
    let skeyseed = skeyseed(suite.prf, nonces, shared_secret);
    let keys = IkeKeys::derive(&suite, &skeyseed, nonces, spis);
    let sa = IkeSa::new(suite, &keys, spis, origin, Fragments::spoken(speaks_fragments));
    HandshakeKeys { sa, sk_pi: keys.sk_pi, sk_pr: keys.sk_pr }
}

impl Handshake {
    /// The keys, agreed on now if they were not before.
    ///
    /// # Errors
    /// [`Reason::PublicValue`]: there will never be keys.
    pub(crate) fn keys(&mut self) -> Result<&mut HandshakeKeys, Reason> {
        self.agreement = match std::mem::replace(&mut self.agreement, Agreement::Failed) {
            Agreement::Open { suite, ephemeral, public_value, speaks_fragments } => {
                let secret = ephemeral.agree(&public_value).map_err(|_| Reason::PublicValue)?;
                let nonces = (self.nonces.0.as_slice(), self.nonces.1.as_slice());
                let origin = Origin::ResponderOfInit;
                Agreement::Keys(Box::new(derive(suite, &secret, nonces, self.spis, origin, speaks_fragments)))
            }
            done @ (Agreement::Keys(_) | Agreement::Failed) => done,
        };
        match &mut self.agreement {
            Agreement::Keys(keys) => Ok(keys),
            Agreement::Open { .. } | Agreement::Failed => Err(Reason::PublicValue),
        }
    }

    /// What the initiator's AUTH signs.
    ///
    /// # Errors
    /// [`Reason::PublicValue`]
    pub(crate) fn octets_of_initiator(&mut self, id_i: &Identification) -> Result<Vec<u8>, Reason> {
        self.keys()?;
        let Agreement::Keys(keys) = &self.agreement else { return Err(Reason::PublicValue) };
        Ok(signed_octets(keys.sa.prf(), &self.init_request, &self.nonces.1, &keys.sk_pi, id_i))
    }

    /// What our AUTH signs.
    ///
    /// # Errors
    /// [`Reason::PublicValue`]
    pub(crate) fn octets_of_responder(&mut self, id_r: &Identification) -> Result<Vec<u8>, Reason> {
        self.keys()?;
        let Agreement::Keys(keys) = &self.agreement else { return Err(Reason::PublicValue) };
        Ok(signed_octets(keys.sa.prf(), &self.init_response, &self.nonces.0, &keys.sk_pr, id_r))
    }

    /// Says what of `reason` the peer may learn, and keeps the answer for its repetition.
    pub(crate) fn refuse(
        self,
        reason: Reason,
        idi: Option<Identification>,
        data: &[u8],
        keep: Duration,
        cx: &mut Context<'_>,
    ) -> Option<Ending> {
        self.report(reason, idi, cx);
        let Answer::Notify(kind) = reason.answer() else {
            self.release(cx);
            return None;
        };
        let path = self.path;
        let Agreement::Keys(keys) = self.agreement else {
            self.release(cx);
            return None;
        };
        let mut sa = keys.sa;
        sa.respond(ExchangeType::IKE_AUTH, &[Payload::notify(kind, data)], path, cx);
        Some(Ending::new(path, vec![EndingSa::answering(sa, keep, cx)]))
    }

    pub(crate) fn report(&self, reason: Reason, idi: Option<Identification>, cx: &mut Context<'_>) {
        cx.stats.count(reason);
        cx.out.event(Event::Refused { path: self.path, spi_i: self.spis.0, reason, idi });
    }

    pub(crate) fn release(&self, cx: &mut Context<'_>) {
        cx.spis.release_ike(self.spis.1);
    }

    /// A notification was seen.
    pub(crate) fn saw_notifies(&mut self, notifies: &[NotifyType]) {
        notifies.iter().for_each(|kind| self.fingerprint.saw_notify(*kind));
    }
}
