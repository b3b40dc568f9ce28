use admission::Policy;
use cmp::Signer;
use ids::{DeviceId, DeviceName, Sha256, UnixTime};
use ledger::{
    Approval, CertificateRecord, Credential, Leave, Ledger, LedgerError, Octets, Origin, Transaction, Tx,
};
use pki::{Books, Ca, Particulars, PkiError};
use x509::Certificate;

/// Where certificates of our CAs are issued, by the policy by which admission will judge them.
#[derive(Clone)]
pub struct Office {
    /// With its journal.
    pub ledger: Ledger,
    /// What the carrier allows.
    pub policy: Policy,
}

impl Office {
    /// Has certificates issued for Truecell's own need, or by the word of whoever holds the data directory: hands out what `work` made of them once all of it is durable, and nothing before. It is one
    /// transaction and one wait for the disk for however many there are, and other writers wait meanwhile. `work` keeps
    /// what it has issued to itself.
    ///
    /// # Errors
    /// What `work` returns. [`PkiError::Books`] when ledger or journal cannot take it.
    pub fn issue<T>(
        &self,
        work: impl FnOnce(&mut LedgerBooks<'_, '_>) -> Result<T, PkiError>,
    ) -> Result<T, PkiError> {
        self.issue_by(Leave::Word, work)
    }

    /// The same by the word of two people: of whoever orders it, and of whoever agreed.
    ///
    /// # Errors
    /// As [`Self::issue`]; [`PkiError::Forbidden`] where both are one.
    pub fn issue_approved<T>(
        &self,
        approval: Approval,
        work: impl FnOnce(&mut LedgerBooks<'_, '_>) -> Result<T, PkiError>,
    ) -> Result<T, PkiError> {
        self.issue_by(Leave::Approved(approval), work)
    }

    fn issue_by<T>(
        &self,
        leave: Leave,
        work: impl FnOnce(&mut LedgerBooks<'_, '_>) -> Result<T, PkiError>,
    ) -> Result<T, PkiError> {
        let mut tx = self.ledger.begin_issuing().map_err(refused)?;
        let mut books = LedgerBooks::new(&mut tx, &self.policy, leave, None);
        let done = work(&mut books)?;
        books.hold()?;
        tx.commit().map_err(refused)?;
        Ok(done)
    }

    /// The registration authority under a CA, whose certificate is issued now where it has none that lasts.
    ///
    /// # Errors
    /// As [`Ca::issue_registration_authority`] and [`Ca::keep_registration_authority`].
    pub fn registration_authority(&self, ca: &Ca, now: UnixTime) -> Result<Signer, PkiError> {
        if let Some(signer) = ca.registration_authority(now)? {
            return Ok(signer);
        }
        let issued = self.issue(|books| ca.issue_registration_authority(books, now))?;
        ca.keep_registration_authority(&issued)
    }
}

/// The CA's books in one transaction of the ledger: a certificate's row and, where nobody has to confirm it, its unit's
/// credential behind it.
pub struct LedgerBooks<'a, 'tx> {
    tx: &'a mut Tx<'tx>,
    policy: &'a Policy,
    leave: Leave,
    transaction: Option<Transaction>,
    /// What was written may not be committed.
    broken: Option<String>,
}

impl<'a, 'tx> LedgerBooks<'a, 'tx> {
    /// `leave`: by what leave the certificates are issued. `transaction`: who has to confirm them before they are
    /// credentials.
    pub fn new(
        tx: &'a mut Tx<'tx>,
        policy: &'a Policy,
        leave: Leave,
        transaction: Option<Transaction>,
    ) -> Self {
        Self { tx, policy, leave, transaction, broken: None }
    }

    /// What was written may be committed: ledger and journal took all of it.
    ///
    /// # Errors
    /// [`PkiError::Books`]: drop the transaction.
    pub fn hold(&self) -> Result<(), PkiError> {
        self.broken.clone().map_or(Ok(()), |why| Err(PkiError::Books(why)))
    }

    /// One key is one unit's.
    fn key_is_free(&mut self, device: Option<DeviceId>, spki: Sha256) -> Result<(), LedgerError> {
        let holders = self.tx.key_holders(spki)?;
        match holders.into_iter().find(|holder| holder.device != device) {
            None => Ok(()),
            Some(other) => {
                let whose = other.device.map_or(other.name, |device| device.to_string());
                let why = format!("the key is that of a certificate of {whose}: two units never share one");
                Err(LedgerError::Conflict(why))
            }
        }
    }

    fn unit_may_have(&mut self, id: DeviceId) -> Result<(), LedgerError> {
        let none = || LedgerError::Conflict(format!("there is no device {id} in the ledger"));
        self.tx.device(id)?.ok_or_else(none)?.may_be_certified()
    }

    fn write(
        &mut self,
        what: &Particulars,
        certificate: &Certificate,
        der: &[u8],
        now: UnixTime,
    ) -> Result<(), LedgerError> {
        let record = CertificateRecord {
            issuer: what.issuing.to_string(),
            serial: what.serial.clone(),
            cert_sha256: certificate.sha256(),
            spki_sha256: what.spki_sha256,
            kind: what.kind.name().to_owned(),
            device: what.device,
            name: what.name.clone(),
            not_before: what.not_before,
            not_after: what.not_after,
            possession: what.possession.to_owned(),
            exception: what.exception.clone(),
            by: what.by.clone(),
            issued_at: now,
            leave: self.leave.clone(),
            transaction: self.transaction.clone(),
            revoked: None,
            der: Octets(der.to_vec()),
        };
        self.tx.record_certificate(&record, now)?;
        match (&self.transaction, what.name.parse()) {
            (None, Ok(name)) if what.device.is_some() => {
                self.tx.record_credential(&credential(record, name), &what.by, "issued", now)
            }
            (_, _) => Ok(()),
        }
    }

    fn noted<T>(&mut self, done: Result<T, LedgerError>) -> Result<T, PkiError> {
        done.map_err(|error| {
            if error.is_transient() {
                self.broken = Some(error.to_string());
            }
            refused(error)
        })
    }
}

impl Books for LedgerBooks<'_, '_> {
    fn may_issue(&mut self, wanted: &Particulars) -> Result<Option<String>, PkiError> {
        let is_by_word = matches!(self.leave, Leave::Word | Leave::Approved(_));
        if let Some(id) = wanted.device.filter(|_| is_by_word) {
            let may_have = self.unit_may_have(id);
            self.noted(may_have)?;
        }
        let key_is_free = self.key_is_free(wanted.device, wanted.spki_sha256);
        self.noted(key_is_free)?;
        let Some(device) = wanted.device else { return Ok(None) };
        let validity = wanted.not_after.since(wanted.not_before);
        let name: DeviceName = wanted.name.parse().map_err(|_| PkiError::Order("a device's name is none"))?;
        self.policy
            .allows_validity(device, Some(&name.realm), validity, wanted.ordered_at)
            .map(|exception| exception.map(str::to_owned))
            .map_err(|longest| PkiError::TooLong { device, longest })
    }

    fn issued(
        &mut self,
        what: &Particulars,
        certificate: &Certificate,
        der: &[u8],
        now: UnixTime,
    ) -> Result<(), PkiError> {
        let written = self.write(what, certificate, der, now);
        self.noted(written)
    }
}

fn credential(record: CertificateRecord, name: DeviceName) -> Credential {
    Credential {
        cert_sha256: record.cert_sha256,
        device: name.device,
        realm: name.realm,
        serial: record.serial,
        spki_sha256: record.spki_sha256,
        not_before: record.not_before,
        not_after: record.not_after,
        issued_at: record.issued_at,
        origin: Origin::Issued,
        parent: None,
        superseded: None,
        doubt: None,
        revoked: None,
    }
}

fn refused(error: LedgerError) -> PkiError {
    if error.is_transient() {
        PkiError::Books(error.to_string())
    } else {
        PkiError::Forbidden(error.to_string())
    }
}

#[cfg(test)]
mod tests;
