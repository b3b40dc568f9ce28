//! Which certificates of units end when. All of it is found by the index, so that nobody waits however many there are, and
//! the writer least of all.

use crate::{
    CertificateRecord, Credential, Finding, Ledger, LedgerError, Origin, Row,
    page::{Page, has},
};
use ids::{CertSha256, UnixTime};
use std::{fmt, str::FromStr};

/// Some certificates of units that count until they end, the first to end first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ending {
    /// Those that hold.
    pub rows: Vec<Credential>,
    /// Those that do not.
    pub tampered: Vec<Finding>,
    /// Behind which there may be more.
    pub next: Option<EndingPlace>,
}

/// A place in the order in which certificates end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndingPlace {
    not_after: UnixTime,
    origin: Origin,
    cert_sha256: CertSha256,
}

/// How many certificates of units count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counting {
    /// Of those that our CA signed.
    pub issued: u64,
    /// Of those that others did.
    pub imported: u64,
}

/// Octets of a value that are its day, and its origin.
const DAY: std::ops::Range<usize> = 0..10;
const ORIGIN: std::ops::Range<usize> = 28..40;

impl Ledger {
    /// Up to `limit` certificates of units that count and end between two times, both included, behind `after`.
    ///
    /// # Errors
    /// The transient ones.
    pub fn ending(
        &self,
        from: UnixTime,
        until: UnixTime,
        after: Option<&EndingPlace>,
        limit: usize,
    ) -> Result<Ending, LedgerError> {
        self.rely_on_index::<Credential>()?;
        let (value, key) = after.map_or((from.to_string(), String::new()), EndingPlace::entry);
        let found = self.read(|store| {
            let place = (value.as_str(), key.as_str());
            store.find_up_to(Credential::TABLE, Credential::ENDS, place, &behind(until), limit)
        })?;
        let last = found.last().filter(|_| found.len() == limit);
        let next = last.and_then(|(value, row)| EndingPlace::of(value, &row.key));
        let mut ending = Ending { next, ..Ending::default() };
        for (value, row) in &found {
            match self.inner().row_key.unseal::<Credential>(row) {
                Ok(credential) if has(&credential, Some((Credential::ENDS, value))) => {
                    ending.rows.push(credential);
                }
                Ok(_) => {}
                Err(error) => ending.tampered.push(Finding::of(&error).ok_or(error)?),
            }
        }
        Ok(ending)
    }

    /// Every row with a value of that name that begins with a time, from `since` on.
    pub(crate) fn every_since<R: Row>(&self, name: &str, since: UnixTime) -> Result<Page<R>, LedgerError> {
        const PAGE: usize = 1000;
        let (mut every, mut place) = (Page::none(), (since.to_string(), String::new()));
        loop {
            let after = (place.0.as_str(), place.1.as_str());
            let found = self.read(|store| store.find_up_to(R::TABLE, name, after, LAST, PAGE))?;
            for (value, row) in &found {
                match self.inner().row_key.unseal::<R>(row) {
                    Ok(row) if has(&row, Some((name, value))) => every.rows.push(row),
                    Ok(_) => {}
                    Err(error) => every.tampered.push(Finding::of(&error).ok_or(error)?),
                }
            }
            match found.last().filter(|_| found.len() == PAGE) {
                Some((value, row)) => place = (value.clone(), row.key.clone()),
                None => return Ok(every),
            }
        }
    }

    /// How many of them there are, by the day on which they end, as in `2026-01-31`. As the index has it: one unit may have
    /// several.
    ///
    /// # Errors
    /// The transient ones.
    pub fn ending_by_day(&self, from: UnixTime, until: UnixTime) -> Result<Vec<(String, u64)>, LedgerError> {
        self.count_ends(from, until, DAY)
    }

    /// How many certificates of units count at a time, by the index.
    ///
    /// # Errors
    /// The transient ones.
    pub fn counting(&self, now: UnixTime) -> Result<Counting, LedgerError> {
        self.counting_until(now, UnixTime::from_secs(i64::MAX))
    }

    /// How many of these end by a time.
    ///
    /// # Errors
    /// The transient ones.
    pub fn counting_until(&self, now: UnixTime, until: UnixTime) -> Result<Counting, LedgerError> {
        let by_origin = self.count_ends(now, until, ORIGIN)?;
        let of = |origin: Origin| {
            by_origin.iter().find(|(found, _)| found == origin.as_str()).map_or(0, |(_, count)| *count)
        };
        Ok(Counting { issued: of(Origin::Issued), imported: of(Origin::Imported) })
    }

    /// How many certificates our CAs signed, by the index.
    ///
    /// # Errors
    /// The transient ones.
    pub fn issued(&self) -> Result<u64, LedgerError> {
        let (table, name) = (CertificateRecord::TABLE, CertificateRecord::KEY);
        let counts = self.read(|store| store.count_by(table, name, "", "~", 0..0))?;
        Ok(counts.iter().map(|(_, count)| count).sum())
    }

    /// Whether the unit of a certificate has another one that counts for longer.
    ///
    /// # Errors
    /// The transient ones.
    pub fn has_a_later_one(&self, credential: &Credential) -> Result<bool, LedgerError> {
        let others = self.credentials_of(credential.device)?.rows;
        Ok(others.iter().any(|other| other.is_last() && other.not_after > credential.not_after))
    }

    fn count_ends(
        &self,
        from: UnixTime,
        until: UnixTime,
        part: std::ops::Range<usize>,
    ) -> Result<Vec<(String, u64)>, LedgerError> {
        let (first, last) = (from.to_string(), behind(until));
        self.read(|store| store.count_by(Credential::TABLE, Credential::ENDS, &first, &last, part))
    }
}

/// Behind every value that begins with a time.
const LAST: &str = "~";

/// Behind every value of that time.
fn behind(until: UnixTime) -> String {
    format!("{until} ~")
}

impl EndingPlace {
    fn entry(&self) -> (String, String) {
        (format!("{} {}", self.not_after, self.origin), self.cert_sha256.to_string())
    }

    fn of(value: &str, key: &str) -> Option<Self> {
        let (not_after, origin) = value.split_once(' ')?;
        let (not_after, cert_sha256) = (not_after.parse().ok()?, key.parse().ok()?);
        Some(Self { not_after, origin: origin_of(origin)?, cert_sha256 })
    }
}

fn origin_of(text: &str) -> Option<Origin> {
    [Origin::Issued, Origin::Imported].into_iter().find(|origin| origin.as_str() == text)
}

/// `<seconds since 1970>-<origin>-<SHA-256>`
impl fmt::Display for EndingPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}-{}", self.not_after.secs(), self.origin, self.cert_sha256)
    }
}

/// The text names no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no place in a list of certificates that end")]
pub struct ParsePlaceError;

impl FromStr for EndingPlace {
    type Err = ParsePlaceError;

    fn from_str(text: &str) -> Result<Self, ParsePlaceError> {
        let parse = || {
            let (secs, rest) = text.split_once('-')?;
            let (origin, sha256) = rest.split_once('-')?;
            Some(Self {
                not_after: UnixTime::from_secs(secs.parse().ok()?),
                origin: origin_of(origin)?,
                cert_sha256: sha256.parse().ok()?,
            })
        };
        parse().ok_or(ParsePlaceError)
    }
}

#[cfg(test)]
mod tests;
