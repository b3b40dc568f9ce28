//! Certificate authorities and end-entity certificates of scenarios that run without Truecell's own CA.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_RSA_SHA256, RsaKeySize, SanType,
};

/// id-kp-ipsecIKE (RFC 4945 5.1.3.12).
const IPSEC_IKE: [u64; 9] = [1, 3, 6, 1, 5, 5, 7, 3, 17];

/// How long certificates made here are valid: as long as the gateway admits without a named exception.
const VALIDITY: Duration = Duration::from_secs(30 * 86_400);

/// Kind of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// ECDSA on P-256 with SHA-256.
    P256,
    /// ECDSA on P-384 with SHA-384.
    P384,
    /// RSA of 2048 bit with SHA-256.
    Rsa2048,
    /// RSA of 3072 bit with SHA-256.
    Rsa3072,
}

impl KeyKind {
    /// A new key of this kind.
    ///
    /// # Errors
    /// When the provider cannot make it.
    pub fn generate(self) -> Result<KeyPair> {
        Ok(match self {
            Self::P256 => KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?,
            Self::P384 => KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384)?,
            Self::Rsa2048 => KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048)?,
            Self::Rsa3072 => KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_3072)?,
        })
    }
}

/// A certificate authority: a root, or one below another.
#[derive(Debug)]
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    /// PEM of the authorities between this one and the root, this one first; empty for a root.
    intermediates: Vec<String>,
    root: String,
}

/// A certificate with its key and the intermediates that lead to the root.
#[derive(Clone, Debug)]
pub struct Credential {
    /// The end-entity certificate, PEM.
    pub certificate: String,
    /// Its private key, PKCS #8 in PEM.
    pub key: String,
    /// Intermediates in PEM, the issuer first.
    pub intermediates: Vec<String>,
}

impl Authority {
    /// A self-signed root with a P-256 key.
    ///
    /// # Errors
    /// When the provider refuses.
    pub fn root(name: &str) -> Result<Self> {
        let issuer = CertifiedIssuer::self_signed(authority_params(name)?, KeyKind::P256.generate()?)?;
        let root = issuer.pem();
        Ok(Self { issuer, intermediates: Vec::new(), root })
    }

    /// An authority below this one.
    ///
    /// # Errors
    /// When the provider refuses.
    pub fn below(&self, name: &str) -> Result<Self> {
        let issuer =
            CertifiedIssuer::signed_by(authority_params(name)?, KeyKind::P256.generate()?, &self.issuer)?;
        let mut intermediates = vec![issuer.pem()];
        intermediates.extend(self.intermediates.iter().cloned());
        Ok(Self { issuer, intermediates, root: self.root.clone() })
    }

    /// A certificate for the DNS name `name`, for digital signatures in IKE, with a new key.
    ///
    /// # Errors
    /// When the provider refuses.
    pub fn issue(&self, name: &str, kind: KeyKind) -> Result<Credential> {
        self.sign(end_entity_params(name)?, kind)
    }

    /// The same, which ends so much `later` than now.
    ///
    /// # Errors
    /// When the provider refuses.
    pub fn issue_until(&self, name: &str, kind: KeyKind, later: Duration) -> Result<Credential> {
        let mut params = end_entity_params(name)?;
        params.not_after = params.not_before + BACKDATE + later;
        self.sign(params, kind)
    }

    fn sign(&self, params: CertificateParams, kind: KeyKind) -> Result<Credential> {
        let key = kind.generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        Ok(Credential {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
            intermediates: self.intermediates.clone(),
        })
    }

    /// The certificate of its root, PEM.
    #[must_use]
    pub fn anchor(&self) -> &str {
        &self.root
    }
}

impl Credential {
    /// From a chain in PEM, the end entity first.
    ///
    /// # Errors
    /// When there is no certificate in it.
    pub fn from_chain(chain: &str, key: String) -> Result<Self> {
        let mut certificates = split(chain).into_iter();
        let certificate = certificates.next().context("an empty chain")?;
        Ok(Self { certificate, key, intermediates: certificates.collect() })
    }

    /// Writes `NAME.pem` (end entity), `NAME.key` and `NAME-N.pem` for each intermediate into three directories laid out
    /// as swanctl wants them: `x509`, `private`, `x509ca` below `dir`.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn install(&self, dir: &Path, name: &str) -> Result<()> {
        write(&dir.join("x509"), &format!("{name}.pem"), &self.certificate)?;
        write(&dir.join("private"), &format!("{name}.key"), &self.key)?;
        for (n, pem) in self.intermediates.iter().enumerate() {
            write(&dir.join("x509ca"), &format!("{name}-{n}.pem"), pem)?;
        }
        Ok(())
    }
}

/// A new key and a PKCS #10 request for it, both PEM.
///
/// # Errors
/// When the provider refuses.
pub fn request(name: &str, kind: KeyKind) -> Result<(String, String)> {
    let key = kind.generate()?;
    let mut params = CertificateParams::new(vec![name.to_owned()])?;
    params.distinguished_name.push(DnType::CommonName, name);
    Ok((key.serialize_pem(), params.serialize_request(&key)?.pem()?))
}

/// The certificates of a PEM file, one by one: swanctl reads only the first of a file.
#[must_use]
pub fn split(pem: &str) -> Vec<String> {
    const END: &str = "-----END CERTIFICATE-----";
    let starts = |part: &&str| part.contains("-----BEGIN CERTIFICATE-----");
    pem.split(END).filter(starts).map(|part| format!("{}{END}\n", part.trim_start())).collect()
}

/// Writes a file, making its directory first.
///
/// # Errors
/// When the directory or the file cannot be written.
pub fn write(dir: &Path, name: &str, text: &str) -> Result<()> {
    fs::create_dir_all(dir)?;
    fs::write(dir.join(name), text).with_context(|| format!("{}/{name}", dir.display()))
}

fn authority_params(name: &str) -> Result<CertificateParams> {
    let mut params = dated_params()?;
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(params)
}

fn end_entity_params(name: &str) -> Result<CertificateParams> {
    let mut params = dated_params()?;
    params.distinguished_name.push(DnType::CommonName, name);
    params.subject_alt_names = vec![SanType::DnsName(name.try_into()?)];
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::Other(IPSEC_IKE.to_vec())];
    params.use_authority_key_identifier_extension = true;
    Ok(params)
}

/// notBefore is so long ago, for clocks that differ by a little.
const BACKDATE: Duration = Duration::from_secs(60);

fn dated_params() -> Result<CertificateParams> {
    let mut params = CertificateParams::default();
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    params.not_before = rcgen::date_time_ymd(1970, 1, 1) + (now - BACKDATE);
    params.not_after = params.not_before + VALIDITY;
    Ok(params)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_is_split_into_end_entity_and_intermediates() {
        let issuer = Authority::root("Root").unwrap().below("Issuing CA").unwrap();
        let issued = issuer.issue("unit.example", KeyKind::P256).unwrap();
        let chain = issued.certificate.clone() + &issued.intermediates.concat();
        let read = Credential::from_chain(&chain, issued.key.clone()).unwrap();
        assert_eq!(read.intermediates.len(), 1);
        let lines = |pem: &str| pem.lines().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(lines(&read.certificate), lines(&issued.certificate));
        assert!(Credential::from_chain("no certificate", String::new()).is_err());
    }
}
