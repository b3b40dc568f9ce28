//! Cryptography that costs nothing and protects nothing: consistent, deterministic, for this test alone.
//! Symmetric work stays real.

use crate::draw::Draw;
use ike::{
    crypto::{CryptoProvider, Ephemeral, KeyExchangeError, PrivateAuthKey, Secret, SignatureHashes},
    payload::{AuthMethod, Authentication, KeyExchangeMethod},
};
use std::{
    hash::{DefaultHasher, Hasher as _},
    sync::Mutex,
};

/// Randomness from a seed, Diffie-Hellman in a group of 61 bits, signatures that anyone can make.
pub(crate) struct Toy(Mutex<Draw>);

impl Toy {
    pub(crate) fn new(draw: Draw) -> Self {
        Self(Mutex::new(draw))
    }
}

impl CryptoProvider for Toy {
    fn random(&self, out: &mut [u8]) {
        let mut draw = self.0.lock().unwrap();
        for chunk in out.chunks_mut(8) {
            let octets = draw.next().to_be_bytes();
            chunk.copy_from_slice(&octets[..chunk.len()]);
        }
    }

    fn key_exchange(&self, method: KeyExchangeMethod) -> Option<Box<dyn Ephemeral>> {
        let scalar = self.0.lock().unwrap().next() >> 4;
        let mut public = power(3, scalar).to_be_bytes().to_vec();
        public.resize(method.public_value_len()?, 0);
        Some(Box::new(ToyKey { scalar, public }))
    }

    fn verify_auth(&self, spki: &[u8], authentication: &Authentication, octets: &[u8], _: bool) -> bool {
        authentication.data == toy_signature(spki, octets)
    }
}

const PRIME: u64 = (1 << 61) - 1;

fn power(base: u64, mut exponent: u64) -> u64 {
    let times = |a: u64, b: u64| (u128::from(a) * u128::from(b) % u128::from(PRIME)) as u64;
    let (mut base, mut result) = (base % PRIME, 1);
    while exponent > 0 {
        if exponent & 1 == 1 {
            result = times(result, base);
        }
        base = times(base, base);
        exponent >>= 1;
    }
    result
}

struct ToyKey {
    scalar: u64,
    /// Eight octets, and zeros up to the length of the method.
    public: Vec<u8>,
}

impl Ephemeral for ToyKey {
    fn public_value(&self) -> &[u8] {
        &self.public
    }

    fn agree(&self, peer: &[u8]) -> Result<Secret, KeyExchangeError> {
        let (peer, _) = peer.split_first_chunk().ok_or(KeyExchangeError)?;
        let peer = u64::from_be_bytes(*peer);
        Ok(Secret::new(power(peer, self.scalar).to_be_bytes().to_vec()))
    }
}

/// The key whose "certificate" and public key are its name.
pub(crate) struct ToyAuthKey(pub(crate) Vec<u8>);

impl PrivateAuthKey for ToyAuthKey {
    fn sign(&self, octets: &[u8], _: SignatureHashes) -> Option<Authentication> {
        Some(Authentication { method: AuthMethod::DIGITAL_SIGNATURE, data: toy_signature(&self.0, octets) })
    }
}

fn toy_signature(key: &[u8], octets: &[u8]) -> Vec<u8> {
    let mut hasher = DefaultHasher::new();
    hasher.write(key);
    hasher.write(octets);
    hasher.finish().to_be_bytes().to_vec()
}
