//! What ECDSA on P-256 costs by itself, on one processor: the limit of whatever signs and verifies with it.

use super::Runs;
use anyhow::anyhow;
use aws_lc_rs::{
    rand::SystemRandom,
    signature::{
        ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair, UnparsedPublicKey,
    },
};
use rustix::time::{ClockId, clock_gettime};
use std::time::Duration;

/// As long as a certificate, about.
const OCTETS: [u8; 600] = [7; 600];
const RUNS: usize = 9;
/// In each of them.
const TIMES: u32 = 200;

/// What is done for one unit, or one answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Signatures {
    pub(super) made: u32,
    pub(super) verified: u32,
}

impl Signatures {
    /// For how many units, or answers, one processor has time in a second that does nothing else.
    ///
    /// # Errors
    /// The key does not sign.
    pub(super) fn a_second(self) -> anyhow::Result<Runs> {
        (0..RUNS)
            .map(|_| Ok(1.0 / self.each()?.as_secs_f64()))
            .collect::<anyhow::Result<Vec<_>>>()
            .map(Runs::from_iter)
    }

    fn each(self) -> anyhow::Result<Duration> {
        let failed = |_| anyhow!("P-256 does not work here");
        let random = SystemRandom::new();
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random).map_err(failed)?;
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, pkcs8.as_ref())
            .map_err(|error| anyhow!("{error}"))?;
        let public = UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, key.public_key().as_ref());
        let signature = key.sign(&random, &OCTETS).map_err(failed)?;
        let began = spent();
        for _ in 0..TIMES {
            for _ in 0..self.made {
                std::hint::black_box(key.sign(&random, &OCTETS).map_err(failed)?);
            }
            for _ in 0..self.verified {
                public.verify(&OCTETS, signature.as_ref()).map_err(failed)?;
            }
        }
        Ok((spent() - began) / TIMES)
    }
}

/// CPU time of this thread.
fn spent() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.try_into().unwrap_or(0), time.tv_nsec.try_into().unwrap_or(0))
}
