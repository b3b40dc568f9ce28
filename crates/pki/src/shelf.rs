use crate::{Intent, PkiError, file};
use der::pem::{self, LineEnding};
use ids::{CertSha256, DeviceId, DeviceName, Realm, Sha256, UnixTime};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::{Path, PathBuf};
use x509::Certificate;

/// Whom a certificate is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A femtocell.
    Device,
    /// A security gateway.
    Gateway,
}

/// One certificate that this CA issued, for lists.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificateInfo {
    /// Serial number, lower-case hex.
    pub serial: String,
    /// For a device or a gateway.
    pub kind: Kind,
    /// Which device; none for gateways.
    pub device: Option<DeviceId>,
    /// The dNSNames.
    pub names: Vec<String>,
    /// The subject, for people.
    pub subject: String,
    /// The issuer, for people.
    pub issuer: String,
    /// SHA-256 over the certificate, its name in the ledger.
    pub sha256: CertSha256,
    /// SHA-256 over the SubjectPublicKeyInfo.
    pub spki_sha256: Sha256,
    /// Kind of key, such as `P-256`.
    pub key: String,
    /// First second of validity.
    pub not_before: UnixTime,
    /// Last second of validity.
    pub not_after: UnixTime,
}

impl CertificateInfo {
    pub(crate) fn of(certificate: &Certificate, realm: &Realm) -> Self {
        let device = match certificate.dns_names() {
            [name] => name.parse().ok().filter(|name: &DeviceName| name.realm == *realm),
            _ => None,
        };
        Self {
            serial: certificate.serial(),
            kind: if device.is_some() { Kind::Device } else { Kind::Gateway },
            device: device.map(|name| name.device),
            names: certificate.dns_names().to_vec(),
            subject: certificate.subject(),
            issuer: certificate.issuer(),
            sha256: certificate.sha256(),
            spki_sha256: Sha256::of(certificate.spki()),
            key: certificate.key().map_or_else(|error| error.to_string(), |key| key.to_string()),
            not_before: certificate.not_before(),
            not_after: certificate.not_after(),
        }
    }
}

/// The files of what was issued and of what is about to be.
#[derive(Clone, Debug)]
pub(crate) struct Shelf {
    issued: PathBuf,
    pending: PathBuf,
}

impl Shelf {
    /// `directory`: the CA's.
    pub(crate) fn at(directory: &Path) -> Self {
        Self { issued: directory.join("issued"), pending: directory.join("pending") }
    }

    pub(crate) fn create(&self) -> Result<(), PkiError> {
        file::create_directory(&self.issued)?;
        file::create_directory(&self.pending)
    }

    /// 256 folders, so that none grows beyond a thousand files for a large carrier.
    fn folder(&self, serial: &str) -> PathBuf {
        self.issued.join(serial.get(..2).unwrap_or("00"))
    }

    fn certificate_path(&self, serial: &str) -> PathBuf {
        self.folder(serial).join(format!("{serial}.pem"))
    }

    fn pending_path(&self, serial: &str) -> PathBuf {
        self.pending.join(format!("{serial}.json"))
    }

    pub(crate) fn put(&self, serial: &str, der: &[u8]) -> Result<(), PkiError> {
        file::create_directory(&self.folder(serial))?;
        file::write(&self.certificate_path(serial), file::PUBLIC, certificate_pem(der).as_bytes())
    }

    /// Takes away what was signed and never handed out.
    pub(crate) fn withdraw(&self, serial: &str) -> Result<(), PkiError> {
        file::remove(&self.certificate_path(serial))
    }

    /// The certificate as DER, if it was issued.
    pub(crate) fn get(&self, serial: &str) -> Result<Option<Vec<u8>>, PkiError> {
        let path = self.certificate_path(serial);
        if !is_serial(serial) || !path.exists() {
            return Ok(None);
        }
        read_certificate(&path).map(Some)
    }

    /// Serials in order, those after `after` only, at most `limit`.
    pub(crate) fn serials(&self, after: Option<&str>, limit: usize) -> Result<Vec<String>, PkiError> {
        let mut serials = Vec::new();
        for folder in sorted(&self.issued)? {
            let first = after.and_then(|serial| serial.get(..2)).unwrap_or("");
            if folder.as_str() < first || serials.len() >= limit {
                continue;
            }
            let files = sorted(&self.issued.join(&folder))?;
            let names = files.iter().filter_map(|name| name.strip_suffix(".pem"));
            serials
                .extend(names.filter(|serial| after.is_none_or(|after| *serial > after)).map(str::to_owned));
        }
        serials.truncate(limit);
        Ok(serials)
    }

    pub(crate) fn intend(&self, intent: &Intent) -> Result<(), PkiError> {
        let path = self.pending_path(&intent.serial);
        let json = serde_json::to_vec(intent).map_err(|_| PkiError::file(&path, "cannot be written"))?;
        file::write(&path, file::PUBLIC, &json)
    }

    pub(crate) fn settled(&self, serial: &str) -> Result<(), PkiError> {
        file::remove(&self.pending_path(serial))
    }

    /// What a crash left half-done.
    pub(crate) fn pending(&self) -> Result<Vec<Intent>, PkiError> {
        let files = sorted(&self.pending)?;
        let whole = files.iter().filter(|name| name.ends_with(".json"));
        whole.map(|name| read_intent(&self.pending.join(name))).collect()
    }
}

fn read_intent(path: &Path) -> Result<Intent, PkiError> {
    serde_json::from_slice(&file::read(path)?).map_err(|_| PkiError::file(path, "no intent of version 1"))
}

fn sorted(directory: &Path) -> Result<Vec<String>, PkiError> {
    let io = || PkiError::io(directory);
    let entries = fs::read_dir(directory).map_err(io())?;
    let mut names = Vec::new();
    for entry in entries {
        names.extend(entry.map_err(io())?.file_name().into_string());
    }
    names.sort_unstable();
    Ok(names)
}

fn is_serial(text: &str) -> bool {
    (2..=64).contains(&text.len()) && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

pub(crate) fn read_certificate(path: &Path) -> Result<Vec<u8>, PkiError> {
    let pem = file::read(path)?;
    let der = CertificateDer::from_pem_slice(&pem).map_err(|_| PkiError::file(path, "no PEM certificate"))?;
    Ok(der.to_vec())
}

/// A certificate in DER, as PEM.
pub fn certificate_pem(der: &[u8]) -> String {
    pem::encode_string("CERTIFICATE", LineEnding::LF, der).unwrap_or_default()
}
