use crate::{KeyAlgorithm, PkiError, PrivateKey, profile};
use ids::DeviceId;
use std::net::IpAddr;
use std::time::Duration;

/// An order for one device's certificate.
#[derive(Debug)]
pub struct DeviceOrder {
    /// Which unit; its name is `<device>.<realm of the CA>`.
    pub device: DeviceId,
    /// Whose key is certified.
    pub key: KeySource,
    /// How long.
    pub validity: Validity,
    /// Who ordered it, for the record.
    pub by: String,
}

/// An order for a gateway's certificate.
#[derive(Debug)]
pub struct GatewayOrder {
    /// The names by which femtocells are configured to know it; at least one.
    pub names: Vec<String>,
    /// Addresses, for units that are configured by address only.
    pub addresses: Vec<IpAddr>,
    /// Whose key is certified.
    pub key: KeySource,
    /// How long, at most [`crate::LONGEST_GATEWAY`]; `None` means that.
    pub validity: Option<Duration>,
    /// Who ordered it, for the record.
    pub by: String,
}

/// Where the key to be certified comes from.
#[derive(Debug)]
pub enum KeySource {
    /// Made here and handed out with the certificate.
    Generate(KeyAlgorithm),
    /// A PKCS#10 request in DER, whose signature proves possession.
    Request(Vec<u8>),
    /// A bare SubjectPublicKeyInfo in DER. Possession is **not** proven here: who calls has done so
    /// by other means, and the record says so.
    PublicKey(Vec<u8>),
}

/// How long a device's certificate is to be valid, from notBefore to notAfter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Validity {
    /// [`crate::DEFAULT_VALIDITY`].
    Default,
    /// Up to [`crate::LONGEST_DEVICE`].
    For(Duration),
    /// Longer than policy, with the reason for the record. Admission still judges it.
    Exception {
        /// The whole span.
        span: Duration,
        /// Why, and who allowed it.
        why: String,
    },
}

impl Validity {
    /// The span, if the policy allows it.
    pub(crate) fn span(&self) -> Result<Duration, PkiError> {
        let span = match self {
            Self::Default => profile::DEFAULT_VALIDITY,
            Self::For(span) | Self::Exception { span, .. } => *span,
        };
        let exception = self.exception();
        if exception.is_some_and(|why| why.trim().is_empty()) {
            return Err(PkiError::Order("an exception from the longest validity needs its reason"));
        }
        if span < profile::SHORTEST {
            return Err(PkiError::Order("a certificate is valid for 1 hour at least"));
        }
        if span > profile::LONGEST_DEVICE && exception.is_none() {
            return Err(PkiError::Order("above 90 days a device's certificate needs an exception"));
        }
        Ok(span)
    }

    pub(crate) fn exception(&self) -> Option<&str> {
        match self {
            Self::Exception { why, .. } => Some(why),
            Self::Default | Self::For(_) => None,
        }
    }
}

/// A key to be certified, and what is known about who holds it.
pub(crate) struct Subject {
    pub(crate) spki: Vec<u8>,
    pub(crate) private: Option<PrivateKey>,
    pub(crate) possession: &'static str,
}

impl KeySource {
    /// Makes or checks the key. `names`: what a request may ask for, at most.
    pub(crate) fn subject(&self, names: &[String]) -> Result<Subject, PkiError> {
        match self {
            Self::Generate(algorithm) => {
                let private = PrivateKey::generate(*algorithm)?;
                let public = crate::FileKey::new(&private)?;
                let spki = rcgen::PublicKeyData::subject_public_key_info(&public);
                Ok(Subject { spki, private: Some(private), possession: "generated" })
            }
            Self::Request(der) => {
                let request = x509::verify_request(der)?;
                let agrees = |asked: &String| names.iter().any(|name| name.eq_ignore_ascii_case(asked));
                if !request.dns_names().iter().all(agrees) || request.name_count() > request.dns_names().len()
                {
                    return Err(PkiError::Order("the request asks for another name than was ordered"));
                }
                Ok(Subject { spki: request.spki().to_vec(), private: None, possession: "request" })
            }
            Self::PublicKey(spki) => {
                x509::KeyKind::of_spki(spki)?;
                Ok(Subject { spki: spki.clone(), private: None, possession: "not_proven" })
            }
        }
    }
}
