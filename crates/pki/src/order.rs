use crate::{FileKey, KeyAlgorithm, PkiError, PrivateKey, profile};
use cmp::Possession;
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
    /// How long; `None` means [`crate::DEFAULT_VALIDITY`]. The books say whether policy allows it.
    pub validity: Option<Duration>,
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
    /// A key whose holder asked for the certificate by CMP or EST and proved to hold it.
    Proven(Possession),
}

impl DeviceOrder {
    /// From notBefore to notAfter, both counted.
    pub(crate) fn span(&self) -> Result<Duration, PkiError> {
        let span = self.validity.unwrap_or(profile::DEFAULT_VALIDITY);
        match span < profile::SHORTEST {
            true => Err(PkiError::Order("a certificate is valid for 1 hour at least")),
            false => Ok(span),
        }
    }
}

/// A key to be certified, and what is known about who holds it.
pub(crate) struct Subject {
    pub(crate) spki: Vec<u8>,
    pub(crate) private: Option<PrivateKey>,
    pub(crate) possession: &'static str,
}

impl Subject {
    /// A fresh key, and its public half.
    pub(crate) fn generate(algorithm: KeyAlgorithm) -> Result<(FileKey, Self), PkiError> {
        let private = PrivateKey::generate(algorithm)?;
        let key = FileKey::new(&private)?;
        let spki = rcgen::PublicKeyData::subject_public_key_info(&key);
        Ok((key, Self { spki, private: Some(private), possession: "generated" }))
    }
}

impl KeySource {
    /// Makes or checks the key. `names`: what a request may ask for, at most.
    pub(crate) fn subject(&self, names: &[String]) -> Result<Subject, PkiError> {
        match self {
            Self::Generate(algorithm) => Subject::generate(*algorithm).map(|(_, subject)| subject),
            Self::Request(der) => {
                let request = x509::verify_request(der)?;
                let agrees = |asked: &String| names.iter().any(|name| name.eq_ignore_ascii_case(asked));
                if !request.dns_names().iter().all(agrees) || request.name_count() > request.dns_names().len()
                {
                    return Err(PkiError::Order("the request asks for another name than was ordered"));
                }
                Ok(Subject { spki: request.spki().to_vec(), private: None, possession: "request" })
            }
            Self::Proven(possession) => {
                let (spki, possession) = (possession.spki().to_vec(), possession.proof());
                Ok(Subject { spki, private: None, possession })
            }
        }
    }
}
