use super::{CryptoProvider, Ephemeral, aws_lc, modp::Modp2048};
use crate::payload::KeyExchangeMethod;
use aws_lc_rs::{agreement, digest};
use std::sync::{Mutex, PoisonError};

/// For tests only: real algorithms, but every random octet follows from a seed, so a run can be
/// repeated to the bit. ECDSA signatures still draw their own randomness.
///
/// Anyone who knows the seed knows every key.
pub struct SeededProvider(Mutex<(u64, u64)>);

impl SeededProvider {
    /// Starts the sequence that belongs to `seed`.
    pub fn new(seed: u64) -> Self {
        Self(Mutex::new((seed, 0)))
    }

    fn block(&self) -> digest::Digest {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.1 += 1;
        let input = [state.0.to_be_bytes(), state.1.to_be_bytes()].concat();
        digest::digest(&digest::SHA256, &input)
    }
}

impl CryptoProvider for SeededProvider {
    fn random(&self, out: &mut [u8]) {
        for chunk in out.chunks_mut(32) {
            let block = self.block();
            chunk.iter_mut().zip(block.as_ref()).for_each(|(octet, drawn)| *octet = *drawn);
        }
    }

    fn key_exchange(&self, method: KeyExchangeMethod) -> Option<Box<dyn Ephemeral>> {
        if method == KeyExchangeMethod::MODP_2048 {
            return Some(Box::new(Modp2048::new(|out| self.random(out))?));
        }
        let algorithm = aws_lc::algorithm(method)?;
        let mut scalar = vec![0; if method == KeyExchangeMethod::ECP_384 { 48 } else { 32 }];
        // A drawn scalar is out of range once in 2^32 draws at most.
        let key = std::iter::repeat_with(|| {
            self.random(&mut scalar);
            agreement::PrivateKey::from_private_key(algorithm, &scalar)
        });
        Some(Box::new(aws_lc::Ecdh::new(key.take(4).find_map(Result::ok)?)?))
    }
}
