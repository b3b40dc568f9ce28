//! A carrier's hierarchy, and ways to bend it.

use ids::{Realm, UnixTime};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, SanType, SignatureAlgorithm, date_time_ymd,
};
use std::time::Duration;
use x509::{Anchor, Anchors, CertPathVerified, DevicePolicy, PathError, verify_device};

pub(crate) const REALM: &str = "femto.example";
pub(crate) const NAME: &str = "00aabbccddee.femto.example";
pub(crate) const DAY: u64 = 86_400;

/// When every test judges unless it says otherwise: 2026-12-01T00:00:00Z.
pub(crate) fn now() -> UnixTime {
    UnixTime::from_secs(1_796_083_200)
}

/// A certificate and its key.
pub(crate) struct Cert {
    pub(crate) params: CertificateParams,
    pub(crate) key: KeyPair,
    pub(crate) der: Vec<u8>,
}

pub(crate) fn key(algorithm: &'static SignatureAlgorithm) -> KeyPair {
    KeyPair::generate_for(algorithm).unwrap()
}

fn named(common_name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::OrganizationName, "Example Telecom");
    params.distinguished_name.push(DnType::CommonName, common_name);
    valid(&mut params, -1, 29);
    params
}

/// Sets the validity to whole days from [`now`].
pub(crate) fn valid(params: &mut CertificateParams, from: i64, to: i64) {
    let at = |days: i64| {
        let days = now().secs() / 86_400 + days;
        date_time_ymd(1970, 1, 1) + Duration::from_secs(u64::try_from(days).unwrap() * DAY)
    };
    params.not_before = at(from);
    params.not_after = at(to);
}

pub(crate) fn ca_params(common_name: &str) -> CertificateParams {
    let mut params = named(common_name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    valid(&mut params, -100, 1000);
    params
}

pub(crate) fn device_params(name: &str) -> CertificateParams {
    let mut params = named(name);
    params.is_ca = IsCa::ExplicitNoCa;
    params.subject_alt_names = vec![dns(name)];
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ipsec_ike()];
    params.use_authority_key_identifier_extension = true;
    params
}

pub(crate) fn dns(name: &str) -> SanType {
    SanType::DnsName(name.try_into().unwrap())
}

pub(crate) fn ipsec_ike() -> ExtendedKeyUsagePurpose {
    ExtendedKeyUsagePurpose::Other(vec![1, 3, 6, 1, 5, 5, 7, 3, 17])
}

pub(crate) fn ike_intermediate() -> ExtendedKeyUsagePurpose {
    ExtendedKeyUsagePurpose::Other(vec![1, 3, 6, 1, 5, 5, 8, 2, 2])
}

/// A root of its own.
pub(crate) fn root(common_name: &str, bend: impl FnOnce(&mut CertificateParams)) -> Cert {
    root_with(common_name, key(&PKCS_ECDSA_P256_SHA256), bend)
}

pub(crate) fn root_with(common_name: &str, key: KeyPair, bend: impl FnOnce(&mut CertificateParams)) -> Cert {
    let mut params = ca_params(common_name);
    bend(&mut params);
    let der = params.self_signed(&key).unwrap().der().to_vec();
    Cert { params, key, der }
}

impl Cert {
    /// What this CA signs when asked to.
    pub(crate) fn sign(&self, params: CertificateParams, key: KeyPair) -> Cert {
        let issuer = Issuer::from_params(&self.params, &self.key);
        let der = params.signed_by(&key, &issuer).unwrap().der().to_vec();
        Cert { params, key, der }
    }

    pub(crate) fn ca(&self, common_name: &str, bend: impl FnOnce(&mut CertificateParams)) -> Cert {
        self.ca_with(common_name, key(&PKCS_ECDSA_P256_SHA256), bend)
    }

    pub(crate) fn ca_with(
        &self,
        common_name: &str,
        key: KeyPair,
        bend: impl FnOnce(&mut CertificateParams),
    ) -> Cert {
        let mut params = ca_params(common_name);
        params.use_authority_key_identifier_extension = true;
        bend(&mut params);
        self.sign(params, key)
    }

    pub(crate) fn device(&self, bend: impl FnOnce(&mut CertificateParams)) -> Cert {
        self.device_with(key(&PKCS_ECDSA_P256_SHA256), bend)
    }

    pub(crate) fn device_with(&self, key: KeyPair, bend: impl FnOnce(&mut CertificateParams)) -> Cert {
        let mut params = device_params(NAME);
        bend(&mut params);
        self.sign(params, key)
    }
}

/// root -> issuing, and an anchor for [`REALM`].
pub(crate) struct World {
    pub(crate) root: Cert,
    pub(crate) issuing: Cert,
    pub(crate) anchors: Anchors,
}

pub(crate) fn realm(text: &str) -> Realm {
    text.parse().unwrap()
}

pub(crate) fn anchors(realm_name: &str, der: &[u8]) -> Anchors {
    let mut anchors = Anchors::new();
    anchors.insert(realm(realm_name), Anchor::from_der(der).unwrap());
    anchors
}

impl World {
    pub(crate) fn new() -> Self {
        let root = root("Example root", |_| {});
        let issuing = root.ca("Example issuing CA", |_| {});
        let anchors = anchors(REALM, &root.der);
        Self { root, issuing, anchors }
    }

    pub(crate) fn verify(&self, idi: &str, chain: &[&[u8]]) -> Result<CertPathVerified, PathError> {
        verify(&self.anchors, idi, chain)
    }

    /// What comes of a device's certificate that the issuing CA signed with one thing bent.
    pub(crate) fn bent(
        &self,
        bend: impl FnOnce(&mut CertificateParams),
    ) -> Result<CertPathVerified, PathError> {
        let device = self.issuing.device(bend);
        self.verify(NAME, &[&device.der, &self.issuing.der])
    }

    /// The same for the issuing CA's own certificate.
    pub(crate) fn bent_issuer(
        &self,
        bend: impl FnOnce(&mut CertificateParams),
    ) -> Result<CertPathVerified, PathError> {
        let issuing = self.root.ca("Bent CA", bend);
        let device = issuing.device(|_| {});
        self.verify(NAME, &[&device.der, &issuing.der])
    }
}

pub(crate) fn verify(anchors: &Anchors, idi: &str, chain: &[&[u8]]) -> Result<CertPathVerified, PathError> {
    verify_device(anchors, &DevicePolicy::default(), idi.as_bytes(), chain, now())
}
