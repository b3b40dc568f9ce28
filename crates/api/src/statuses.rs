use crate::public::StatusBooks;
use ids::{CrlReason, UnixTime};
use ledger::{Ledger, LedgerError, Standing};
use pki::{
    Generation,
    crl::Entry,
    ocsp::{OutOfReach, Status, Statuses},
};

/// The ledger as the book that OCSP answers from and revocation lists are made of.
#[derive(Clone)]
pub struct LedgerStatuses(pub Ledger);

impl StatusBooks for LedgerStatuses {
    fn revoked(
        &self,
        issuing: Generation,
        ends_after: UnixTime,
        now: UnixTime,
    ) -> Result<Vec<Entry>, OutOfReach> {
        let revoked = self.0.revoked(&issuing.to_string(), ends_after, now).map_err(|error| {
            tracing::error!(%error, "no revocation list can be made");
            OutOfReach
        })?;
        let entry =
            |one: ledger::RevokedCertificate| Entry { serial: one.serial, at: one.at, reason: one.reason };
        Ok(revoked.into_iter().map(entry).collect())
    }
}

impl LedgerStatuses {
    fn find(&self, issuing: Generation, serial: &str, now: UnixTime) -> Result<Status, LedgerError> {
        let standing = self.0.standing_of(&issuing.to_string(), serial, now)?;
        Ok(match standing {
            None => Status::NotIssued,
            Some((Standing::Counts, _)) => Status::Good,
            Some((Standing::Waits, issued_at)) => {
                Status::Revoked { at: issued_at, reason: Some(CrlReason::CertificateHold) }
            }
            Some((Standing::Revoked(revoked), _)) => {
                Status::Revoked { at: revoked.at, reason: revoked.reason }
            }
        })
    }
}

impl Statuses for LedgerStatuses {
    fn status(&self, issuing: Generation, serial: &str, now: UnixTime) -> Result<Status, OutOfReach> {
        self.find(issuing, serial, now).map_err(|error| {
            // Strangers ask: what is wrong with the ledger is told where it is found to be, once.
            tracing::debug!(%error, "the status of a certificate cannot be told");
            OutOfReach
        })
    }
}

#[cfg(test)]
mod tests;
