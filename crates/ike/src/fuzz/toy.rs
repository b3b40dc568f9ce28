use crate::{
    crypto::{CryptoProvider, Ephemeral, PrivateAuthKey, SeededProvider, SignatureHashes},
    payload::{AuthMethod, Authentication, KeyExchangeMethod},
};

/// Seeded randomness, and signatures that anyone can make but that fit one key and one text alone: what a
/// sequence does follows from its octets.
pub(crate) struct Toy(SeededProvider);

impl Toy {
    pub(crate) fn new(seed: u64) -> Self {
        Self(SeededProvider::new(seed))
    }
}

impl CryptoProvider for Toy {
    fn random(&self, out: &mut [u8]) {
        self.0.random(out);
    }

    fn key_exchange(&self, method: KeyExchangeMethod) -> Option<Box<dyn Ephemeral>> {
        self.0.key_exchange(method)
    }

    fn verify_auth(&self, spki: &[u8], authentication: &Authentication, octets: &[u8], _: bool) -> bool {
        authentication.data == signature(spki, octets)
    }
}

/// The key whose certificate and public key are its octets.
pub(crate) struct ToyKey(pub(crate) Vec<u8>);

impl PrivateAuthKey for ToyKey {
    fn sign(&self, octets: &[u8], _: SignatureHashes) -> Option<Authentication> {
        Some(Authentication { method: AuthMethod::DIGITAL_SIGNATURE, data: signature(&self.0, octets) })
    }
}

/// What [`ToyKey`] signs and [`Toy`] verifies.
pub(crate) fn signature(key: &[u8], octets: &[u8]) -> Vec<u8> {
    let mut context = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
    context.update(key);
    context.update(octets);
    context.finish().as_ref().to_vec()
}
