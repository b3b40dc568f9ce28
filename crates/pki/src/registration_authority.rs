use crate::certificate::{certificate_pem, read_certificate};
use crate::issue::particulars;
use crate::order::Subject;
use crate::profile::{self, RA_RENEWAL, RA_VALIDITY};
use crate::{Books, Ca, FileKey, Issued, Issuing, Kind, PkiError, PrivateKey, file};
use cmp::{ProtectionKey, Signer};
use ids::UnixTime;
use rcgen::{PublicKeyData, SigningKey};
use x509::{Anchor, Anchors, verify_registration_authority};

impl ProtectionKey for FileKey {
    fn spki(&self) -> Vec<u8> {
        self.subject_public_key_info()
    }

    fn sign(&self, octets: &[u8]) -> Option<Vec<u8>> {
        SigningKey::sign(self, octets).ok()
    }
}

impl Ca {
    /// The registration authority under this CA, of `ra.key` and `ra.pem`; none when they are missing, do not belong
    /// together or to the issuing CA of now, or end within 90 days: then [one is issued](Self::issue_registration_authority).
    ///
    /// # Errors
    /// [`PkiError::File`], [`PkiError::Io`].
    pub fn registration_authority(&self, now: UnixTime) -> Result<Option<Signer>, PkiError> {
        let (certificate, key) = (self.directory().join("ra.pem"), self.directory().join("ra.key"));
        if !certificate.exists() || !key.exists() {
            return Ok(None);
        }
        let der = read_certificate(&certificate)?;
        let ca = self.issuing(Issuing::Devices);
        let chain: Vec<&[u8]> =
            [der.as_slice()].into_iter().chain(ca.chain.iter().map(Vec::as_slice)).collect();
        // One from an issuing CA of before is replaced.
        if verify_registration_authority(&self.gateway_anchors, &chain, now).is_err() {
            return Ok(None);
        }
        let signer = self.signer(&PrivateKey::read(&key)?, der).ok();
        let lasts = |signer: &Signer| signer.certificate().not_after() > now.after(RA_RENEWAL);
        Ok(signer.filter(lasts))
    }

    /// Issues a registration authority's certificate, to be [kept](Self::keep_registration_authority) once the transaction
    /// of its books is committed.
    ///
    /// # Errors
    /// As [`Ca::issue`].
    pub fn issue_registration_authority(
        &self,
        books: &mut dyn Books,
        now: UnixTime,
    ) -> Result<Issued, PkiError> {
        let (_, subject) = Subject::generate(self.spec.key)?;
        let name = format!("{} registration authority", self.spec.realm);
        let ca = self.issuing(Issuing::Devices);
        let window = ca.window(RA_VALIDITY, now)?;
        let serial = profile::serial()?;
        let params = profile::registration_authority(&self.holder(&name), serial, window)?;
        let kind = Kind::RegistrationAuthority;
        let what = particulars(ca.generation, kind, &name, serial, window, &subject, "truecell", now);
        let check =
            |chain: &[&[u8]]| verify_registration_authority(&self.gateway_anchors, chain, now).map(|_| ());
        ca.carry_out(what, &params, subject, books, now, check)
    }

    /// Writes `ra.key` and `ra.pem`: what was issued is the registration authority from now on.
    ///
    /// # Errors
    /// [`PkiError::Order`] for what was issued to somebody else, [`PkiError::Io`].
    pub fn keep_registration_authority(&self, issued: &Issued) -> Result<Signer, PkiError> {
        let none = PkiError::Order("no certificate of a registration authority");
        let (Some(private), Some(der)) = (&issued.private_key, issued.chain.first()) else {
            return Err(none);
        };
        if issued.info.kind != Kind::RegistrationAuthority {
            return Err(none);
        }
        private.write(&self.directory().join("ra.key"))?;
        file::write(&self.directory().join("ra.pem"), file::PUBLIC, certificate_pem(der).as_bytes())?;
        self.signer(private, der.clone())
    }

    fn signer(&self, key: &PrivateKey, der: Vec<u8>) -> Result<Signer, PkiError> {
        let ca = self.issuing(Issuing::Devices);
        let chain = std::iter::once(der).chain(ca.chain.iter().cloned()).chain([self.root().to_vec()]);
        Signer::new(Box::new(FileKey::new(key)?), chain.collect())
            .map_err(|_| PkiError::Order("the certificate is not the key's"))
    }

    /// The generations of the issuing CA for devices as the only anchors of its realm: whom a kur must come from. A
    /// certificate that another CA under the same root issued is none of ours.
    ///
    /// # Errors
    /// [`PkiError::File`] when its certificate is no CA's.
    pub fn device_anchors(&self) -> Result<Anchors, PkiError> {
        let bad = |_| PkiError::file(self.directory(), "the issuing CA's certificate is no CA's");
        let mut anchors = Anchors::new();
        for ca in self.every().iter().filter(|ca| ca.generation.issuing() == Issuing::Devices) {
            anchors.insert(self.realm().clone(), Anchor::from_der(ca.der()).map_err(bad)?);
        }
        Ok(anchors)
    }
}
