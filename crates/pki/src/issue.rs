use crate::certificate::certificate_pem;
use crate::issuing::IssuingCa;
use crate::order::Subject;
use crate::profile::{self, Holder, Window};
use crate::{
    Books, Ca, CertificateInfo, DeviceOrder, GatewayOrder, Generation, Issuing, Kind, LONGEST_GATEWAY,
    Particulars, PkiError, PrivateKey,
};
use ids::{DeviceName, Hex, Realm, Sha256, UnixTime};
use rcgen::CertificateParams;
use std::fmt;
use std::path::Path;
use x509::{Certificate, DevicePolicy, GatewayName, verify_device, verify_gateway};

/// A certificate fresh from the CA. It is nobody's before the transaction of its [`Books`] is committed.
pub struct Issued {
    /// Its facts.
    pub info: CertificateInfo,
    /// The certificate and the issuers below the root, as DER, in the order in which a peer sends them.
    pub chain: Vec<Vec<u8>>,
    /// Its private key, when the CA made it; kept nowhere else.
    pub private_key: Option<PrivateKey>,
}

impl fmt::Debug for Issued {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Issued").field("info", &self.info).finish_non_exhaustive()
    }
}

impl Issued {
    /// The chain as PEM, end entity first.
    pub fn chain_pem(&self) -> String {
        self.chain.iter().map(|der| certificate_pem(der)).collect()
    }

    /// Writes `<name>.pem` (the chain) and, if the CA made the key, `<name>.key` (mode 0600).
    ///
    /// # Errors
    /// [`PkiError::Io`].
    pub fn write(&self, directory: &Path, name: &str) -> Result<(), PkiError> {
        if let Some(key) = &self.private_key {
            key.write(&directory.join(format!("{name}.key")))?;
        }
        let path = directory.join(format!("{name}.pem"));
        crate::file::write(&path, crate::file::PUBLIC, self.chain_pem().as_bytes())
    }
}

impl Ca {
    /// Issues a device's certificate: permission, signature, the check that a peer will make, record.
    ///
    /// # Errors
    /// [`PkiError`]. Nobody has seen a certificate then.
    pub fn issue(
        &self,
        order: &DeviceOrder,
        books: &mut dyn Books,
        now: UnixTime,
    ) -> Result<Issued, PkiError> {
        let name = DeviceName { device: order.device, realm: self.spec.realm.clone() }.to_string();
        let ca = self.issuing(Issuing::Devices);
        let window = ca.window(order.span()?, now)?;
        let subject = order.key.subject(std::slice::from_ref(&name))?;
        let serial = profile::serial()?;
        let params = profile::device(&self.holder(&name), serial, window, &ca.status_uris())?;
        let what = Particulars {
            device: Some(order.device),
            ..particulars(ca.generation, Kind::Device, &name, serial, window, &subject, &order.by, now)
        };
        let check = |chain: &[&[u8]]| {
            verify_device(&self.anchors, &DevicePolicy::default(), name.as_bytes(), chain, now).map(|_| ())
        };
        ca.carry_out(what, &params, subject, books, now, check)
    }

    /// Issues a gateway's certificate.
    ///
    /// # Errors
    /// As [`Ca::issue`].
    pub fn issue_gateway(
        &self,
        order: &GatewayOrder,
        books: &mut dyn Books,
        now: UnixTime,
    ) -> Result<Issued, PkiError> {
        let first = order.names.first().ok_or(PkiError::Order("a gateway needs a name"))?;
        order.names.iter().try_for_each(|name| self.check_gateway_name(name))?;
        let span = order.validity.unwrap_or(LONGEST_GATEWAY);
        if span > LONGEST_GATEWAY || span < profile::SHORTEST {
            return Err(PkiError::Order("a gateway's certificate is valid 1 hour to 398 days"));
        }
        let ca = self.issuing(Issuing::Gateways);
        let window = ca.window(span, now)?;
        let subject = order.key.subject(&order.names)?;
        let serial = profile::serial()?;
        let holder = self.holder(first);
        let (names, status) = (&order.names, &ca.status_uris());
        let params = profile::gateway(&holder, names, &order.addresses, serial, window, status)?;
        let kind = Kind::Gateway;
        let what = particulars(ca.generation, kind, first, serial, window, &subject, &order.by, now);
        let check = |chain: &[&[u8]]| {
            verify_gateway(&self.gateway_anchors, &GatewayName::Fqdn(first.clone()), chain, now).map(|_| ())
        };
        ca.carry_out(what, &params, subject, books, now, check)
    }

    /// A gateway is never named like a device: that would be a device's certificate past the ledger.
    fn check_gateway_name(&self, name: &str) -> Result<(), PkiError> {
        if name.parse::<Realm>().is_err() {
            return Err(PkiError::Order(
                "a gateway is named by a domain name, without wildcard or trailing dot",
            ));
        }
        if name.parse::<DeviceName>().is_ok() {
            return Err(PkiError::Order("a gateway cannot be named like a device"));
        }
        match self.spec.permits_gateway(name) {
            true => Ok(()),
            false => Err(PkiError::OutsideDomains { name: name.to_owned() }),
        }
    }

    pub(crate) fn holder<'a>(&'a self, common_name: &'a str) -> Holder<'a> {
        self.spec.holder(common_name)
    }
}

impl IssuingCa {
    /// Permission, signature, record.
    pub(crate) fn carry_out(
        &self,
        mut what: Particulars,
        params: &CertificateParams,
        subject: Subject,
        books: &mut dyn Books,
        now: UnixTime,
        check: impl Fn(&[&[u8]]) -> Result<(), x509::PathError>,
    ) -> Result<Issued, PkiError> {
        what.exception = books.may_issue(&what)?;
        let der = self.sign(params, &subject, check)?;
        let certificate = Certificate::from_der(&der).map_err(|_| PkiError::Signing)?;
        books.issued(&what, &certificate, &der, now)?;
        let info = CertificateInfo::of(&certificate, what.kind, what.device);
        let chain = std::iter::once(der).chain(self.chain.iter().cloned()).collect();
        Ok(Issued { info, chain, private_key: subject.private })
    }
}

#[expect(clippy::too_many_arguments, reason = "all that is known of a certificate before it is signed")]
pub(crate) fn particulars(
    issuing: Generation,
    kind: Kind,
    name: &str,
    serial: [u8; 16],
    window: Window,
    subject: &Subject,
    by: &str,
    now: UnixTime,
) -> Particulars {
    Particulars {
        issuing,
        serial: Hex(&serial).to_string(),
        kind,
        device: None,
        name: name.to_owned(),
        spki_sha256: Sha256::of(&subject.spki),
        not_before: window.not_before,
        not_after: window.not_after,
        possession: subject.possession,
        exception: None,
        by: by.to_owned(),
        ordered_at: now,
    }
}
