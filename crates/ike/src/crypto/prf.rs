use super::Secret;
use crate::payload::Prf;
use aws_lc_rs::hmac;
use zeroize::Zeroizing;

/// A negotiated PRF (RFC 7296 §2.13): HMAC with a SHA-2 hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PrfAlgorithm {
    HmacSha256,
    HmacSha384,
}

impl PrfAlgorithm {
    pub(crate) fn from_transform(prf: Prf) -> Option<Self> {
        match prf {
            Prf::HMAC_SHA2_256 => Some(Self::HmacSha256),
            Prf::HMAC_SHA2_384 => Some(Self::HmacSha384),
            _ => None,
        }
    }

    /// Octets of output, and of the preferred key (RFC 4868 §2.4).
    pub(crate) fn len(self) -> usize {
        match self {
            Self::HmacSha256 => 32,
            Self::HmacSha384 => 48,
        }
    }

    pub(crate) fn key(self, key: &[u8]) -> PrfKey {
        let algorithm = match self {
            Self::HmacSha256 => hmac::HMAC_SHA256,
            Self::HmacSha384 => hmac::HMAC_SHA384,
        };
        PrfKey(hmac::Key::new(algorithm, key))
    }
}

/// A PRF with its key set up.
pub(crate) struct PrfKey(hmac::Key);

impl PrfKey {
    /// prf(key, parts joined).
    pub(crate) fn apply(&self, parts: &[&[u8]]) -> Secret {
        let mut context = hmac::Context::with_key(&self.0);
        parts.iter().for_each(|part| context.update(part));
        Zeroizing::new(context.sign().as_ref().to_vec())
    }

    /// prf+ (RFC 7296 §2.13): `length` octets, at most 255 times the PRF's output.
    pub(crate) fn expand(&self, seed: &[&[u8]], length: usize) -> Secret {
        let mut out = Zeroizing::new(Vec::with_capacity(length + 64));
        let mut previous = Secret::default();
        for counter in 1..=u8::MAX {
            if out.len() >= length {
                break;
            }
            let mut context = hmac::Context::with_key(&self.0);
            context.update(&previous);
            seed.iter().for_each(|part| context.update(part));
            context.update(&[counter]);
            previous = Zeroizing::new(context.sign().as_ref().to_vec());
            out.extend_from_slice(&previous);
        }
        out.truncate(length);
        out
    }
}
