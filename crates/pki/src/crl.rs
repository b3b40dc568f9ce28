//! Revocation lists of the issuing CAs (RFC 5280 §5).
//!
//! - **Shape.** Version 2, complete, for all certificates of one issuing CA: authorityKeyIdentifier and
//!   cRLNumber, neither critical; no issuingDistributionPoint, no delta CRLs, no indirect entries. Signed by the
//!   issuing CA itself, whose keyUsage has cRLSign, with its own signature algorithm. An entry is serial,
//!   revocationDate and reasonCode; the reason is left out where none is known (§5.3.1 has that rather than
//!   `unspecified`). Dates are UTCTime until 2049, then GeneralizedTime (§5.1.2.4), in whole seconds.
//! - **cRLNumber** is the caller's: it grows with each list of an issuing CA (§5.2.3) and is written down
//!   before the list is handed out, or a restart would give one number to two lists.
//! - **What stands on it** is the caller's too: a revoked certificate stays on the list until one list that
//!   was made after its notAfter has had it (§3.3). An empty list is a list.
//!
//! No list is made of what the root signed: the root's key may be off the machine.

use crate::{Ca, Generation, PkiError};
use ids::{CrlReason, UnixTime};
use rcgen::{
    CertificateRevocationListParams, KeyIdMethod, RevocationReason, RevokedCertParams, SerialNumber,
    date_time_ymd,
};
use std::time::Duration;

/// One revoked certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its serial number, lower-case hex, at most 20 octets.
    pub serial: String,
    /// When it was revoked; whole seconds are written.
    pub at: UnixTime,
    /// Why, where that is known.
    pub reason: Option<CrlReason>,
}

impl Ca {
    /// The revocation list of a generation in DER. `number`: its cRLNumber; `period`: from thisUpdate, which is
    /// `now`, to nextUpdate, at least 1 s.
    ///
    /// # Errors
    /// [`PkiError::Order`] for a serial that is none, for no period, or for no generation of this CA; [`PkiError::Key`],
    /// [`PkiError::Signing`].
    pub fn crl(
        &self,
        generation: Generation,
        revoked: &[Entry],
        number: u64,
        now: UnixTime,
        period: Duration,
    ) -> Result<Vec<u8>, PkiError> {
        if period < Duration::from_secs(1) {
            return Err(PkiError::Order("a revocation list is good for 1 second at least"));
        }
        let ca = self.generation(generation)?;
        let date = |time: UnixTime| {
            date_time_ymd(1970, 1, 1) + Duration::from_secs(u64::try_from(time.secs()).unwrap_or(0))
        };
        let entry = |entry: &Entry| {
            Ok(RevokedCertParams {
                serial_number: serial(&entry.serial)?,
                revocation_time: date(entry.at),
                reason_code: entry.reason.map(reason_code),
                invalidity_date: None,
            })
        };
        let ski = ca.certificate.ski().ok_or(PkiError::Signing)?;
        let list = CertificateRevocationListParams {
            this_update: date(now),
            next_update: date(now.after(period)),
            crl_number: SerialNumber::from(number),
            issuing_distribution_point: None,
            revoked_certs: revoked.iter().map(entry).collect::<Result<_, PkiError>>()?,
            key_identifier_method: KeyIdMethod::PreSpecified(ski.to_vec()),
        };
        let list = list.signed_by(&ca.issuer).map_err(|_| ca.not_signed())?;
        Ok(list.der().to_vec())
    }
}

const fn reason_code(reason: CrlReason) -> RevocationReason {
    match reason {
        CrlReason::KeyCompromise => RevocationReason::KeyCompromise,
        CrlReason::CaCompromise => RevocationReason::CaCompromise,
        CrlReason::AffiliationChanged => RevocationReason::AffiliationChanged,
        CrlReason::Superseded => RevocationReason::Superseded,
        CrlReason::CessationOfOperation => RevocationReason::CessationOfOperation,
        CrlReason::CertificateHold => RevocationReason::CertificateHold,
        CrlReason::PrivilegeWithdrawn => RevocationReason::PrivilegeWithdrawn,
    }
}

fn serial(hex: &str) -> Result<SerialNumber, PkiError> {
    let octet = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let digits = hex.bytes().all(|digit| digit.is_ascii_hexdigit()) && hex.len().is_multiple_of(2);
    let octets: Option<Vec<u8>> = hex.as_bytes().chunks(2).map(octet).collect();
    let octets = octets.filter(|octets| digits && (1..=20).contains(&octets.len()));
    octets.map(SerialNumber::from).ok_or(PkiError::Order("a serial number is 1 to 20 octets in hex"))
}
