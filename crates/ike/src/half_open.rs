//! An IKE SA between IKE_SA_INIT and the answer to IKE_AUTH, on the responder's side.

use crate::{
    AuthVerified, IkeSaId, ObservedFingerprint, Path,
    channel::{Channel, Role},
    crypto::{Ephemeral, IkeKeys, SignatureHashes, skeyseed},
    exchange::ike_auth::{AuthSecrets, IkeAuthRequest},
    ike_sa::Purpose,
    reason::Reason,
    suite::IkeSuite,
};
use ids::IkeSpi;
use std::time::Instant;

pub(crate) struct HalfOpen {
    /// Where IKE_SA_INIT came from: what quotas and retransmissions are kept by.
    pub(crate) first_path: Path,
    /// Where the peer is now.
    pub(crate) path: Path,
    /// The handle given out with the question for admission.
    pub(crate) promised: Option<IkeSaId>,
    pub(crate) init: InitFacts,
    pub(crate) stage: Stage,
    pub(crate) give_up_at: Instant,
    /// No tunnel outlives this: the certificate's end, from the answer to who the peer is.
    pub(crate) not_after: Option<Instant>,
}

/// What IKE_SA_INIT left.
pub(crate) struct InitFacts {
    pub(crate) spi_i: IkeSpi,
    pub(crate) spi_r: IkeSpi,
    pub(crate) request: Vec<u8>,
    pub(crate) response: Vec<u8>,
    pub(crate) nonce_i: Vec<u8>,
    pub(crate) nonce_r: Vec<u8>,
    pub(crate) suite: IkeSuite,
    pub(crate) hashes: SignatureHashes,
    pub(crate) takes_fragments: bool,
    pub(crate) peer_is_childless: bool,
    pub(crate) fingerprint: ObservedFingerprint,
    /// When `response` went out first.
    pub(crate) answered_at: Instant,
}

/// How far IKE_AUTH is. A stage holds only what it knows.
pub(crate) enum Stage {
    /// Nothing came. The shared secret is not computed before something does.
    AwaitIkeAuth(KeyAgreement),
    /// Keys are there; a complete IKE_AUTH is not.
    AwaitRequest(Keys),
    /// Asked who the peer is.
    AwaitPeer(Keys, Box<IkeAuthRequest>),
    /// AUTH has verified; asked for admission.
    AwaitAdmission(Keys, Box<IkeAuthRequest>, AuthVerified),
    /// Refused; the answer is kept for retransmissions.
    Refused(Channel<Purpose>),
    /// Only while a step is under way.
    Moving,
}

/// Our key pair and the peer's public value.
pub(crate) struct KeyAgreement {
    pub(crate) ephemeral: Box<dyn Ephemeral>,
    pub(crate) peer_value: Vec<u8>,
}

pub(crate) struct Keys {
    pub(crate) channel: Channel<Purpose>,
    pub(crate) secrets: AuthSecrets,
}

impl InitFacts {
    /// IKE_SA_INIT came once more.
    pub(crate) fn saw_again(&mut self) {
        self.fingerprint.retransmissions = self.fingerprint.retransmissions.saturating_add(1);
    }

    /// IKE_AUTH is complete; `octets` of its last datagram.
    pub(crate) fn saw_ike_auth(&mut self, octets: usize, now: Instant) {
        if !self.fingerprint.fragment_sizes.is_empty() {
            self.fingerprint.saw_fragment(octets);
        }
        self.fingerprint.init_to_auth = now.saturating_duration_since(self.answered_at);
    }

    /// Computes the shared secret and all keys (RFC 7296 §2.14).
    pub(crate) fn agree(&self, agreement: KeyAgreement) -> Result<Keys, Reason> {
        let secret = agreement.ephemeral.agree(&agreement.peer_value).map_err(|_| Reason::PublicValue)?;
        Ok(self.keys(&secret, Role::Responder))
    }

    pub(crate) fn keys(&self, secret: &[u8], role: Role) -> Keys {
        let nonces = (self.nonce_i.as_slice(), self.nonce_r.as_slice());
        let spis = (self.spi_i, self.spi_r);
        let seed = skeyseed(self.suite.prf, nonces, secret);
        let mut keys = IkeKeys::derive(&self.suite, &seed, nonces, spis);
        let secrets = AuthSecrets::take(&mut keys);
        Keys { channel: Channel::new(self.suite, keys, spis, role).after_init(), secrets }
    }
}
