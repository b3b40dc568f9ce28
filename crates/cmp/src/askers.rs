use ids::UnixTime;
use x509::{
    Anchors, CertPathVerified, Certificate, DevicePolicy, PathError, Place, verify_device_by_certificate,
};

/// Whose certificates let ask for one: a vendor's to enrol, our own to renew. A certificate of one kind never does for
/// the other.
#[derive(Clone, Debug)]
pub struct Askers {
    vendors: Anchors,
    own: Anchors,
}

/// Who asks, by a certificate whose key they have yet to prove.
#[derive(Clone, Debug)]
pub struct Asker {
    /// The certificate and its path. Its name says which device asks.
    pub path: CertPathVerified,
    /// It has expired, and was good in its last second.
    pub expired: bool,
}

impl Askers {
    /// `vendors`: the anchors of those who enrol, for each vendor's realm. `own`: of those who renew, our issuing CA for
    /// devices alone.
    pub fn new(vendors: Anchors, own: Anchors) -> Self {
        Self { vendors, own }
    }

    /// Who may enrol, by this chain with the end entity's certificate first.
    ///
    /// # Errors
    /// [`PathError`]
    pub fn to_enrol(&self, chain: &[&[u8]], now: UnixTime) -> Result<Asker, PathError> {
        let path = verify_device_by_certificate(&self.vendors, &DevicePolicy::default(), chain, now)?;
        Ok(Asker { path, expired: false })
    }

    /// Who may renew. What has expired is judged as of its last second, and the register decides whether that will do.
    ///
    /// # Errors
    /// [`PathError`]
    pub fn to_renew(&self, chain: &[&[u8]], now: UnixTime) -> Result<Asker, PathError> {
        let at = |time| verify_device_by_certificate(&self.own, &DevicePolicy::default(), chain, time);
        let last_second = || {
            let own = chain.first().and_then(|der| Certificate::from_der(der).ok());
            own.map(|own| own.not_after()).ok_or(PathError::NoCertificate)
        };
        match at(now) {
            Err(PathError::Expired(Place::EndEntity)) => {
                at(last_second()?).map(|path| Asker { path, expired: true })
            }
            judged => judged.map(|path| Asker { path, expired: false }),
        }
    }

    /// The same under other anchors of vendors.
    #[must_use]
    pub fn with_vendors(&self, vendors: Anchors) -> Self {
        Self { vendors, own: self.own.clone() }
    }
}
