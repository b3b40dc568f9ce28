use crate::{Path, payload::Identification};
use std::time::Duration;

/// First question about a peer: do these certificates make this identity, and with which key?
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AskPeer {
    /// IDi as sent; for an [`Initiator`](crate::Initiator) that asks, IDr.
    pub idi: Identification,
    /// DER, end entity first, as sent: at most 8 of at most 4096 octets each; never empty.
    pub certificates: Vec<Vec<u8>>,
    /// PPK_ID of PPK_IDENTITY (RFC 8784 §3), if the peer sent one. PPKs are not used yet.
    pub ppk_id: Option<Vec<u8>>,
    /// Where the message came from.
    pub path: Path,
}

/// The peer's certificates have a path to an anchor for its identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// SubjectPublicKeyInfo of the validated end entity, DER: AUTH must verify with it.
    pub public_key_spki: Vec<u8>,
    /// From now until the certificate's notAfter; no tunnel outlives it.
    pub not_after: Duration,
    /// AUTH method 1 (RSA with SHA-1) is taken too: only where a named legacy profile says so.
    pub allow_sha1_signature: bool,
}

/// There is no [`Peer`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The identity or path is no good: the peer is told AUTHENTICATION_FAILED.
    Final,
    /// It could not be judged now (clock not trusted, overload): silence, so that the peer tries again.
    Transient,
}
