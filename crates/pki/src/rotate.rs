//! Another key for an issuing CA.
//!
//! 1. [`Ca::prepare`] makes the key, once, and a PKCS#10 request for it. Nothing holds yet.
//! 2. Whoever has the key of the CA above certifies it, here by [`certify`], or elsewhere with other tools.
//! 3. [`Ca::examine`] looks whether the certificate is what was asked for; [`Ca::take_up`] makes it hold: its file is written,
//!    and from then on the new generation certifies. What was cut off before is done again with the same key.

use crate::certificate::certificate_pem;
use crate::issuing::{IssuingCa, certificate_file};
use crate::key::KeptKey;
use crate::order::Subject;
use crate::profile::{self, Window};
use crate::{Ca, CaSpec, Generation, Issuing, KeyAlgorithm, KeyError, KeyPlace, PkiError, StatusUris, file};
use der::Decode;
use der::pem::{self, LineEnding};
use ids::{DeviceId, DeviceName, UnixTime};
use rcgen::{CertificateParams, Issuer, PublicKeyData, SubjectPublicKeyInfo};
use rustls_pki_types::CertificateDer;
use std::fmt;
use std::sync::{MutexGuard, PoisonError};
use std::time::Duration;
use x509::{Certificate, DevicePolicy, GatewayName, verify_device, verify_gateway};
use x509_cert::der::asn1::Ia5String;
use x509_cert::ext::pkix::constraints::name::GeneralSubtree;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{KeyUsage, NameConstraints};

/// The next generation of an issuing CA, to be certified.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Which.
    pub generation: Generation,
    /// The PKCS#10 request in DER, signed by the new key. It has the subject; what else its certificate has to say is the
    /// [profile](certify)'s.
    pub request: Vec<u8>,
    /// The certificate, in DER, of the CA above, which is to certify it.
    pub above: Vec<u8>,
}

/// A certificate of the next generation that has been [examined](Ca::examine).
pub struct Examined {
    next: IssuingCa,
}

impl Ca {
    /// Makes the key of the next generation, unless an attempt before has.
    ///
    /// # Errors
    /// [`PkiError::Key`], [`PkiError::Signing`].
    pub fn prepare(&self, issuing: Issuing) -> Result<Wanted, PkiError> {
        let _one = self.rotating();
        let generation = self.current(issuing).next();
        let place = self.keys.place(self.directory(), generation);
        let key = match KeptKey::at(place.clone()) {
            // What is there then counts: another process may have made it.
            Err(KeyError::Missing { .. }) => match place.make(self.spec.key) {
                Ok(_) | Err(KeyError::Exists { .. }) => KeptKey::at(place)?,
                Err(error) => return Err(error.into()),
            },
            found => found?,
        };
        let mut params = CertificateParams::default();
        params.distinguished_name = profile::subject(&self.spec.holder(&self.spec.issuing_name(generation)))?;
        let signed = params.serialize_request(&key);
        let request = signed.map_err(|_| key.trouble().map_or(PkiError::Signing, PkiError::Key))?;
        let above = self.above.first().unwrap_or(&self.root).clone();
        Ok(Wanted { generation, request: request.der().to_vec(), above })
    }

    /// Looks at a certificate for the key that [`Self::prepare`] made: whether it is that key's, says what a certificate of an
    /// issuing CA has to say, and makes chains that peers will take.
    ///
    /// # Errors
    /// [`PkiError::Certificate`] with what is wrong; [`PkiError::Key`].
    pub fn examine(&self, issuing: Issuing, der: &[u8], now: UnixTime) -> Result<Examined, PkiError> {
        let _one = self.rotating();
        let wrong = PkiError::Certificate;
        let generation = self.current(issuing).next();
        let certificate = Certificate::from_der(der).map_err(|_| wrong("it is no certificate"))?;
        let key = KeptKey::at(self.keys.place(self.directory(), generation))?;
        if key.subject_public_key_info() != certificate.spki() {
            return Err(wrong("it is for another key than the one that was made for the next generation"));
        }
        if self.every().iter().any(|ca| ca.certificate.subject_der() == certificate.subject_der()) {
            return Err(wrong("it has the name of an issuing CA that there is"));
        }
        says_what_it_has_to(der, self.spec.domain(issuing).to_string().as_str())?;
        let next = IssuingCa::new(generation, der.to_vec(), key, &self.above)
            .map_err(|_| wrong("it is no certificate of a CA"))?;
        self.try_out(&next, now)?;
        Ok(Examined { next })
    }

    /// From now on the next generation certifies; `status`: where its certificates say that their status is found. On an error
    /// nothing has changed.
    ///
    /// # Errors
    /// [`PkiError::Io`]; [`PkiError::Order`] as [`Ca::set_status_uris`]; [`PkiError::Key`] when the key that was examined is
    /// not there any more.
    pub fn take_up(&self, examined: Examined, status: StatusUris) -> Result<Generation, PkiError> {
        let Examined { next } = examined;
        let _one = self.rotating();
        status.check()?;
        next.set_status_uris(status);
        let generation = next.generation;
        let file = certificate_file(self.directory(), generation);
        let mut all =
            self.generations_of(generation.issuing()).write().unwrap_or_else(PoisonError::into_inner);
        if all.current.generation.next() != generation {
            return Err(PkiError::Certificate("another one was taken up meanwhile"));
        }
        KeptKey::of(next.issuer.key().place().clone(), next.certificate.spki())?.open()?;
        file::write(&file, file::PUBLIC, certificate_pem(next.der()).as_bytes())?;
        *all = all.with(next);
        Ok(generation)
    }

    fn rotating(&self) -> MutexGuard<'_, ()> {
        self.rotating.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A certificate that nobody gets, judged as peers will judge those to come.
    fn try_out(&self, next: &IssuingCa, now: UnixTime) -> Result<(), PkiError> {
        let (_, subject) = Subject::generate(KeyAlgorithm::P256)?;
        let window = next.window(TRIAL, now)?;
        let (serial, status) = (profile::serial()?, next.status_uris());
        let signed = match next.generation.issuing() {
            Issuing::Devices => {
                let name = DeviceName { device: DeviceId::eui48([0; 6]), realm: self.spec.realm.clone() };
                let name = name.to_string();
                let params = profile::device(&self.holder(&name), serial, window, &status)?;
                next.sign(&params, &subject, |chain| {
                    let policy = DevicePolicy::default();
                    verify_device(&self.anchors, &policy, name.as_bytes(), chain, now).map(drop)
                })
            }
            Issuing::Gateways => {
                let name = self.spec.gateway_domain.to_string();
                let holder = self.holder(&name);
                let params =
                    profile::gateway(&holder, std::slice::from_ref(&name), &[], serial, window, &status)?;
                next.sign(&params, &subject, |chain| {
                    let name = GatewayName::Fqdn(name.clone());
                    verify_gateway(&self.gateway_anchors, &name, chain, now).map(drop)
                })
            }
        };
        if matches!(signed, Err(PkiError::Signing)) {
            return Err(PkiError::Certificate(
                "no chain with it leads to the root: see who signed it, its dates, and that it is a CA of path length 0",
            ));
        }
        signed.map(drop)
    }
}

/// How long a certificate would be that is tried out.
const TRIAL: Duration = Duration::from_secs(3600);

/// keyCertSign, cRLSign, and one permitted domain (RFC 5280 §4.2.1.3, §4.2.1.10). Path validation sees to the rest.
fn says_what_it_has_to(der: &[u8], domain: &str) -> Result<(), PkiError> {
    let wrong = PkiError::Certificate;
    let certificate = x509_cert::Certificate::from_der(der).map_err(|_| wrong("it is no certificate"))?;
    let certificate = certificate.tbs_certificate;
    let usage = certificate.get::<KeyUsage>().ok().flatten().map(|(_, usage)| usage);
    if !usage.is_some_and(|usage| usage.key_cert_sign() && usage.crl_sign()) {
        return Err(wrong("its keyUsage lacks keyCertSign or cRLSign"));
    }
    let expected = Ia5String::new(domain).map_err(|_| PkiError::Signing)?;
    let expected = GeneralSubtree { base: GeneralName::DnsName(expected), minimum: 0, maximum: None };
    let constraints = certificate.get::<NameConstraints>().ok().flatten();
    let only_ours = |found: &NameConstraints| {
        found.permitted_subtrees.as_deref() == Some(&[expected]) && found.excluded_subtrees.is_none()
    };
    match constraints {
        Some((true, found)) if only_ours(&found) => Ok(()),
        Some(_) | None => {
            Err(wrong("its nameConstraints are not critical, or permit other than the one domain of this CA"))
        }
    }
}

/// Certifies an issuing CA's key by that of the CA above: what the profile has such a certificate say, for 20 years or until the
/// CA above ends.
///
/// # Errors
/// [`PkiError::Request`] for a request whose signature does not verify; [`PkiError::Key`] for a key that is not that of
/// `above`, or cannot be had.
pub fn certify(spec: &CaSpec, wanted: &Wanted, key: &KeyPlace, now: UnixTime) -> Result<Vec<u8>, PkiError> {
    let Wanted { generation, request, above } = wanted;
    let request = x509::verify_request(request)?;
    let certificate =
        Certificate::from_der(above).map_err(|_| PkiError::Certificate("the CA above has none"))?;
    let key = KeptKey::of(key.clone(), certificate.spki())?;
    key.open()?;
    let params = spec.issuing(*generation, Window::issuing(now).until(certificate.not_after()))?;
    let public = SubjectPublicKeyInfo::from_der(request.spki()).map_err(|_| PkiError::Signing)?;
    let issuer = Issuer::from_ca_cert_der(&CertificateDer::from(above.as_slice()), key);
    let issuer = issuer.map_err(|_| PkiError::Signing)?;
    Ok(params.signed_by(&public, &issuer).map_err(|_| PkiError::Signing)?.der().to_vec())
}

impl Wanted {
    /// The request as PEM.
    pub fn request_pem(&self) -> String {
        pem::encode_string("CERTIFICATE REQUEST", LineEnding::LF, &self.request).unwrap_or_default()
    }
}

impl CaSpec {
    /// What the certificate of an issuing CA has to say beside its subject, as an extension file of openssl.
    pub fn extensions(&self, issuing: Issuing) -> String {
        format!(
            "basicConstraints = critical, CA:TRUE, pathlen:0\nkeyUsage = critical, keyCertSign, cRLSign\n\
             nameConstraints = critical, permitted;DNS:{}\nsubjectKeyIdentifier = hash\nauthorityKeyIdentifier = keyid\n",
            self.domain(issuing)
        )
    }
}

impl Examined {
    /// Which generation.
    pub fn generation(&self) -> Generation {
        self.next.generation
    }

    /// Its certificate.
    pub fn certificate(&self) -> &Certificate {
        &self.next.certificate
    }
}

impl fmt::Debug for Examined {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Examined({})", self.next.generation)
    }
}
