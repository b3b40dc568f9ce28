use crate::PkiError;
use der::Encode;
use der::asn1::{Ia5String, ObjectIdentifier};
use rcgen::{CertificateParams, CrlDistributionPoint, CustomExtension};
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{AccessDescription, AuthorityInfoAccessSyntax};

/// id-pe-authorityInfoAccess (RFC 5280 §4.2.2.1).
const AUTHORITY_INFO_ACCESS: &[u64] = &[1, 3, 6, 1, 5, 5, 7, 1, 1];
/// id-ad-ocsp.
const OCSP: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.48.1");
/// id-ad-caIssuers.
const CA_ISSUERS: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.48.2");
/// Octets of one URI.
const MAX_URI: usize = 256;

/// Where an issuing CA's certificates say that their status, and the CA itself, is found. Nothing is said of what is
/// `None`.
///
/// All are `http` URIs: over TLS, finding out whether a certificate is revoked would begin with finding out
/// whether the server's is (RFC 5280 §8).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StatusUris {
    /// The responder, in authorityInfoAccess with id-ad-ocsp (RFC 6960 §3.1).
    pub ocsp: Option<String>,
    /// The issuing CA's revocation list, in cRLDistributionPoints (RFC 5280 §4.2.1.13).
    pub crl: Option<String>,
    /// The issuing CA's certificate, in authorityInfoAccess with id-ad-caIssuers.
    pub issuer: Option<String>,
}

impl StatusUris {
    pub(crate) fn check(&self) -> Result<(), PkiError> {
        [&self.ocsp, &self.crl, &self.issuer].into_iter().flatten().try_for_each(|uri| check(uri))
    }

    /// Adds the extensions, neither of them critical.
    pub(crate) fn write(&self, params: &mut CertificateParams) -> Result<(), PkiError> {
        let points = self.crl.iter().map(|uri| CrlDistributionPoint { uris: vec![uri.clone()] });
        params.crl_distribution_points.extend(points);
        if self.ocsp.is_some() || self.issuer.is_some() {
            let content = self.authority_info_access().map_err(|_| PkiError::Signing)?;
            params.custom_extensions.push(CustomExtension::from_oid_content(AUTHORITY_INFO_ACCESS, content));
        }
        Ok(())
    }

    fn authority_info_access(&self) -> der::Result<Vec<u8>> {
        let methods = [(OCSP, &self.ocsp), (CA_ISSUERS, &self.issuer)];
        let found = methods.into_iter().filter_map(|(method, uri)| Some((method, uri.as_ref()?)));
        let described = found.map(|(access_method, uri)| {
            let access_location = GeneralName::UniformResourceIdentifier(Ia5String::new(uri)?);
            Ok(AccessDescription { access_method, access_location })
        });
        AuthorityInfoAccessSyntax(described.collect::<der::Result<_>>()?).to_der()
    }
}

fn check(uri: &str) -> Result<(), PkiError> {
    let host = uri.strip_prefix("http://").unwrap_or_default();
    let named = host.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '[');
    match named && uri.len() <= MAX_URI && uri.bytes().all(|octet| octet.is_ascii_graphic()) {
        true => Ok(()),
        false => Err(PkiError::Order(
            "the status of certificates is found at an http URI of at most 256 ASCII characters",
        )),
    }
}
