use events::{
    Durability, Recorded,
    pki::{IssueAbandoned, IssueIntended, Issued},
};
use ids::{DeviceId, DeviceName, UnixTime};
use ledger::{Credential, Ledger, LedgerError, Origin};
use pki::{Books, Intent, PkiError};
use x509::Certificate;

/// The CA's books: intents and outcomes in the journal, credentials in the ledger.
#[derive(Clone)]
pub struct LedgerBooks(pub Ledger);

impl LedgerBooks {
    fn append(&self, event: &impl Recorded, at: UnixTime) -> Result<(), PkiError> {
        let appended = self.0.journal().append(event, at, Durability::Durable);
        appended.map(drop).map_err(|error| PkiError::Books(error.to_string()))
    }

    fn record(&self, credential: &Credential, by: &str, at: UnixTime) -> Result<(), PkiError> {
        self.0.record_credential(credential, by, at).map_err(refused)
    }
}

impl Books for LedgerBooks {
    fn may_issue(&self, device: DeviceId) -> Result<(), PkiError> {
        let found = self.0.device(device).map_err(refused)?;
        let Some(found) = found else {
            return Err(PkiError::Forbidden(format!("there is no device {device} in the ledger")));
        };
        found.may_be_certified().map_err(refused)
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
            let name: DeviceName =
                intent.name.parse().map_err(|_| PkiError::Order("a device's name is none"))?;
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

    fn abandoned(&self, intent: &Intent, at: UnixTime) -> Result<(), PkiError> {
        let why = "nothing was signed before the process ended".to_owned();
        self.append(&IssueAbandoned { order: intent.serial.clone(), why }, at)
    }
}

fn refused(error: LedgerError) -> PkiError {
    if error.is_transient() {
        PkiError::Books(error.to_string())
    } else {
        PkiError::Forbidden(error.to_string())
    }
}
