//! Which certificates are taken though they have ended, as the ledger has it.

use super::Registrar;
use crate::hand_off::Answer;
use ledger::{Finding, LedgerError, NewIncident};

impl Registrar {
    /// Reads it anew, and judges those who are attached by one. A row that can't be believed extends nothing.
    pub(super) fn reread_extension(&mut self) -> Result<(), LedgerError> {
        // In a transaction, before which whatever stands in the journal is finished.
        let ledger = self.ledger.clone();
        let extension = match ledger.begin()?.extension() {
            Err(error) if error.is_transient() => return Err(error),
            Err(error) => {
                self.extension_tampered(&error);
                None
            }
            Ok(extension) => extension.filter(|extension| extension.ended.is_none()),
        };
        self.answer(Answer::Extension(extension.map(|extension| x509::Extension {
            issuers: extension.cas.clone(),
            from: extension.from(),
            until: extension.until,
        })));
        let extended = self.claims.values().filter(|claim| claim.extended);
        self.reviews.extend(extended.map(|claim| claim.device));
        Ok(())
    }

    fn extension_tampered(&self, error: &LedgerError) {
        tracing::error!(%error, "no certificate that has ended is taken");
        let Some(found) = Finding::of(error) else { return };
        let new = NewIncident { devices: Vec::new(), ..NewIncident::of_row(&found) };
        if let Err(error) = self.ledger.open_incident(new, "admission", self.clock.now()) {
            tracing::error!(%error, "no incident could be opened for that");
        }
    }
}
