use super::{Secret, prf::PrfAlgorithm};
use crate::suite::IkeSuite;
use ids::IkeSpi;
use zeroize::Zeroizing;

/// The keys of one IKE SA (RFC 7296 §2.14). `i` is used by its initiator, `r` by its responder.
pub(crate) struct IkeKeys {
    pub(crate) sk_d: Secret,
    pub(crate) sk_ai: Secret,
    pub(crate) sk_ar: Secret,
    pub(crate) sk_ei: Secret,
    pub(crate) sk_er: Secret,
    pub(crate) sk_pi: Secret,
    pub(crate) sk_pr: Secret,
}

impl IkeKeys {
    /// {SK_d | SK_ai | SK_ar | SK_ei | SK_er | SK_pi | SK_pr} = prf+ (SKEYSEED, Ni | Nr | SPIi | SPIr).
    pub(crate) fn derive(
        suite: &IkeSuite,
        skeyseed: &[u8],
        nonces: (&[u8], &[u8]),
        spis: (IkeSpi, IkeSpi),
    ) -> Self {
        let (prf, auth, encr) = (suite.prf.len(), suite.cipher.integ_key_len(), suite.cipher.keymat_len());
        let (spi_i, spi_r) = (spis.0.0.to_be_bytes(), spis.1.0.to_be_bytes());
        let seed: [&[u8]; 4] = [nonces.0, nonces.1, &spi_i, &spi_r];
        let stream = suite.prf.key(skeyseed).expand(&seed, 3 * prf + 2 * auth + 2 * encr);
        let mut rest = stream.as_slice();
        let mut take = |count: usize| {
            let (head, tail) = rest.split_at_checked(count).unwrap_or_default();
            rest = tail;
            Zeroizing::new(head.to_vec())
        };
        Self {
            sk_d: take(prf),
            sk_ai: take(auth),
            sk_ar: take(auth),
            sk_ei: take(encr),
            sk_er: take(encr),
            sk_pi: take(prf),
            sk_pr: take(prf),
        }
    }
}

/// SKEYSEED = prf (Ni | Nr, g^ir) (RFC 7296 §2.14).
pub(crate) fn skeyseed(prf: PrfAlgorithm, nonces: (&[u8], &[u8]), shared_secret: &[u8]) -> Secret {
    let key = Zeroizing::new([nonces.0, nonces.1].concat());
    prf.key(&key).apply(&[shared_secret])
}

/// SKEYSEED of a rekeyed IKE SA = prf (SK_d (old), g^ir (new) | Ni | Nr), with the old SA's PRF
/// (RFC 7296 §2.18).
pub(crate) fn rekeyed_skeyseed(
    prf: PrfAlgorithm,
    sk_d: &[u8],
    shared_secret: &[u8],
    nonces: (&[u8], &[u8]),
) -> Secret {
    prf.key(sk_d).apply(&[shared_secret, nonces.0, nonces.1])
}

/// KEYMAT = prf+ (SK_d, [g^ir (new) |] Ni | Nr) (RFC 7296 §2.17); `shared_secret` is empty without PFS.
pub(crate) fn child_keymat(
    prf: PrfAlgorithm,
    sk_d: &[u8],
    shared_secret: &[u8],
    nonces: (&[u8], &[u8]),
    length: usize,
) -> Secret {
    prf.key(sk_d).expand(&[shared_secret, nonces.0, nonces.1], length)
}
