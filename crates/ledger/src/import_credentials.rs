use crate::{Credential, Ledger, LedgerError, Tx};
use ids::UnixTime;

/// What became of certificates that other CAs issued.
#[derive(Debug, Default)]
pub struct ImportedCredentials {
    /// Certificates that are new.
    pub recorded: u64,
    /// Certificates that were recorded already.
    pub unchanged: u64,
    /// Place in the list, and why not. With one of these, nothing is recorded.
    pub refused: Vec<(usize, LedgerError)>,
}

impl Ledger {
    /// Records certificates that other CAs issued, all or none; their paths were verified before.
    ///
    /// # Errors
    /// The transient ones.
    pub fn import_credentials(
        &self,
        credentials: &[Credential],
        by: &str,
        now: UnixTime,
    ) -> Result<ImportedCredentials, LedgerError> {
        self.rely_on_index::<Credential>()?;
        let mut tx = self.begin()?;
        let (mut imported, new) = judge(&mut tx, credentials)?;
        if !imported.refused.is_empty() {
            imported.recorded = 0;
            return Ok(imported);
        }
        for credential in new {
            tx.record_credential(credential, by, "imported", now)?;
        }
        tx.commit()?;
        Ok(imported)
    }

    /// What [`Self::import_credentials`] would do. Changes nothing.
    ///
    /// # Errors
    /// The transient ones.
    pub fn check_credentials(&self, credentials: &[Credential]) -> Result<ImportedCredentials, LedgerError> {
        self.rely_on_index::<Credential>()?;
        judge(&mut self.begin()?, credentials).map(|(imported, _)| imported)
    }
}

/// Looks at all of them and writes nothing.
fn judge<'a>(
    tx: &mut Tx<'_>,
    credentials: &'a [Credential],
) -> Result<(ImportedCredentials, Vec<&'a Credential>), LedgerError> {
    let (mut imported, mut new) = (ImportedCredentials::default(), Vec::new());
    for (place, credential) in credentials.iter().enumerate() {
        let known = tx.may_import(credential).and_then(|known| Ok(known || is_among(&new, credential)?));
        match known {
            Ok(true) => imported.unchanged += 1,
            Ok(false) => {
                imported.recorded += 1;
                new.push(credential);
            }
            Err(error) if error.is_transient() => return Err(error),
            Err(error) => imported.refused.push((place, error)),
        }
    }
    Ok((imported, new))
}

fn is_among(new: &[&Credential], credential: &Credential) -> Result<bool, LedgerError> {
    new.iter().try_for_each(|other| other.has_no_key_of(credential))?;
    Ok(new.iter().any(|other| other.cert_sha256 == credential.cert_sha256))
}
