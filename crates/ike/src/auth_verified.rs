use crate::{
    Path,
    ask_peer::Peer,
    crypto::CryptoProvider,
    payload::{AuthMethod, Authentication, Identification},
};
use ids::{CertSha256, IkeSpi};

/// Evidence that the peer of one IKE SA holds the private key of the end-entity certificate it sent.
///
/// Only this crate makes one, and only when AUTH has verified (RFC 7296 §2.15) with the key that a
/// [`Peer`] names. It says nothing about whether the peer may attach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthVerified {
    idi: Identification,
    certificates: Vec<Vec<u8>>,
    public_key_spki: Vec<u8>,
    method: AuthMethod,
    path: Path,
    spis: (IkeSpi, IkeSpi),
    initial_contact: bool,
}

/// What is known of a peer before its AUTH is looked at.
pub(crate) struct Unverified {
    pub(crate) id: Identification,
    pub(crate) certificates: Vec<Vec<u8>>,
    pub(crate) authentication: Authentication,
    pub(crate) path: Path,
    pub(crate) spis: (IkeSpi, IkeSpi),
    pub(crate) initial_contact: bool,
}

impl Unverified {
    /// Verifies AUTH over `signed_octets`; `None` when it does not.
    pub(crate) fn verify(
        self,
        peer: Peer,
        signed_octets: &[u8],
        crypto: &dyn CryptoProvider,
    ) -> Option<AuthVerified> {
        let valid = crypto.verify_auth(
            &peer.public_key_spki,
            &self.authentication,
            signed_octets,
            peer.allow_sha1_signature,
        );
        valid.then_some(AuthVerified {
            idi: self.id,
            certificates: self.certificates,
            public_key_spki: peer.public_key_spki,
            method: self.authentication.method,
            path: self.path,
            spis: self.spis,
            initial_contact: self.initial_contact,
        })
    }
}

impl AuthVerified {
    /// The identity that the signature covers.
    pub fn idi(&self) -> &Identification {
        &self.idi
    }

    /// DER of the end-entity certificate.
    pub fn certificate(&self) -> &[u8] {
        self.certificates.first().map(Vec::as_slice).unwrap_or_default()
    }

    /// DER, end entity first, as sent.
    pub fn certificates(&self) -> &[Vec<u8>] {
        &self.certificates
    }

    /// SHA-256 over the end-entity certificate.
    pub fn cert_sha256(&self) -> CertSha256 {
        CertSha256::of(self.certificate())
    }

    /// The key that verified AUTH: SubjectPublicKeyInfo, DER.
    pub fn public_key_spki(&self) -> &[u8] {
        &self.public_key_spki
    }

    /// How AUTH was made.
    pub fn method(&self) -> AuthMethod {
        self.method
    }

    /// Where IKE_AUTH came from.
    pub fn path(&self) -> Path {
        self.path
    }

    /// SPI of the side that began the IKE SA.
    pub fn spi_i(&self) -> IkeSpi {
        self.spis.0
    }

    /// SPI of the other side.
    pub fn spi_r(&self) -> IkeSpi {
        self.spis.1
    }

    /// INITIAL_CONTACT came with it (RFC 7296 §2.4): a claim, nothing was done about it.
    pub fn initial_contact(&self) -> bool {
        self.initial_contact
    }

    /// What an established SA keeps of this evidence.
    pub(crate) fn digest(&self) -> VerifiedPeer {
        VerifiedPeer { id: self.idi.clone(), cert_sha256: self.cert_sha256() }
    }
}

/// What is kept of an [`AuthVerified`] for the life of an IKE SA: identity and certificate digest. It
/// is made from an [`AuthVerified`] alone, so an SA that holds one was authenticated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct VerifiedPeer {
    id: Identification,
    cert_sha256: CertSha256,
}

impl VerifiedPeer {
    pub(crate) fn id(&self) -> &Identification {
        &self.id
    }

    pub(crate) fn cert_sha256(&self) -> CertSha256 {
        self.cert_sha256
    }
}
