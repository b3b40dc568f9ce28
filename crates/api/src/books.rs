use admission::Policy;
use events::{
    Durability, Recorded,
    pki::{IssueAbandoned, IssueIntended, Issued},
};
use ids::{DeviceId, DeviceName, Sha256, UnixTime};
use ledger::{Credential, Ledger, LedgerError, Origin};
use pki::{Books, Intent, PkiError};
use x509::Certificate;

/// The CA's books: intents and outcomes in the journal, credentials in the ledger; the policy by which
/// admission will judge what is issued.
#[derive(Clone)]
pub struct LedgerBooks {
    /// With its journal.
    pub ledger: Ledger,
    /// What the carrier allows.
    pub policy: Policy,
}

impl LedgerBooks {
    fn append(&self, event: &impl Recorded, at: UnixTime) -> Result<(), PkiError> {
        let appended = self.ledger.journal().append(event, at, Durability::Durable);
        appended.map(drop).map_err(|error| PkiError::Books(error.to_string()))
    }

    /// One key is one unit's.
    fn key_is_free(&self, device: DeviceId, spki: Sha256) -> Result<(), PkiError> {
        let known = self.ledger.credentials_with_key(spki).map_err(refused)?;
        match known.iter().find(|credential| credential.device != device) {
            Some(other) => Err(PkiError::Forbidden(format!(
                "the key is that of a certificate of {}: two units never share one",
                other.device
            ))),
            None => Ok(()),
        }
    }

    fn record(&self, credential: &Credential, by: &str, at: UnixTime) -> Result<(), PkiError> {
        self.ledger.record_credential(credential, by, at).map_err(refused)
    }
}

impl Books for LedgerBooks {
    fn may_issue(&self, wanted: &Intent) -> Result<Option<String>, PkiError> {
        let Some(id) = wanted.device else { return Ok(None) };
        let device = self.ledger.device(id).map_err(refused)?;
        let device =
            device.ok_or_else(|| PkiError::Forbidden(format!("there is no device {id} in the ledger")))?;
        device.may_be_certified().map_err(refused)?;
        self.key_is_free(id, wanted.spki_sha256)?;
        let validity = wanted.not_after.since(wanted.not_before);
        let name = device_name(wanted)?;
        self.policy
            .allows_validity(id, Some(&name.realm), validity, wanted.ordered_at)
            .map(|exception| exception.map(str::to_owned))
            .map_err(|longest| PkiError::TooLong { device: id, longest })
    }

    fn intended(&self, intent: &Intent) -> Result<(), PkiError> {
        let event = IssueIntended {
            order: intent.serial.clone(),
            device: intent.device,
            name: intent.name.clone(),
            serial: intent.serial.clone(),
            not_after: intent.not_after,
            by: intent.by.clone(),
        };
        self.append(&event, intent.ordered_at)
    }

    fn issued(&self, intent: &Intent, certificate: &Certificate, at: UnixTime) -> Result<(), PkiError> {
        let cert_sha256 = certificate.sha256();
        if let Some(device) = intent.device {
            let name = device_name(intent)?;
            let credential = Credential {
                cert_sha256,
                device,
                realm: name.realm,
                serial: intent.serial.clone(),
                spki_sha256: intent.spki_sha256,
                not_before: intent.not_before,
                not_after: intent.not_after,
                issued_at: at,
                origin: Origin::Issued,
                revoked: None,
            };
            self.record(&credential, &intent.by, at)?;
        }
        self.append(&Issued { order: intent.serial.clone(), cert_sha256 }, at)
    }

    fn abandoned(&self, intent: &Intent, why: &str, at: UnixTime) -> Result<(), PkiError> {
        self.append(&IssueAbandoned { order: intent.serial.clone(), why: why.to_owned() }, at)
    }
}

fn device_name(intent: &Intent) -> Result<DeviceName, PkiError> {
    intent.name.parse().map_err(|_| PkiError::Order("a device's name is none"))
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
