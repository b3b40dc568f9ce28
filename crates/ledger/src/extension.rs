//! An extension: while nobody can get a certificate here, two people let certificates that have ended count for longer.
//! One at a time, and it ends by itself.

use crate::{
    Approval, Credential, DoubtKind, Enrolment, Ledger, LedgerError, Origin, Row, Sighting, Tx,
    transaction::Because,
};
use ids::{CertSha256, DeviceId, UnixTime};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// So long an extension lasts at most, and so long before it was said a certificate may have ended.
pub const LONGEST_EXTENSION: Duration = Duration::from_secs(30 * 24 * 3600);

/// Certificates of units count until a time, though they end before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Extension {
    /// The issuing CAs that signed them.
    pub cas: Vec<CertSha256>,
    /// Until when they count.
    pub until: UnixTime,
    /// When that was said.
    pub at: UnixTime,
    /// Who said so.
    pub by: String,
    /// Who else agreed.
    pub approver: Approval,
    /// Why.
    pub why: String,
    /// It was ended before its time.
    pub ended: Option<ExtensionEnded>,
}

/// An extension holds no more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExtensionEnded {
    /// Since when.
    pub at: UnixTime,
    /// Who ended it.
    pub by: String,
    /// Why.
    pub why: String,
}

impl Extension {
    /// The key of its row: whose certificates are extended.
    const KEY: &'static str = "devices";

    /// Whether it holds now.
    pub fn is_in_force(&self, now: UnixTime) -> bool {
        self.ended.is_none() && now <= self.until
    }

    /// What ended before then is not extended.
    pub fn from(&self) -> UnixTime {
        self.at.before(LONGEST_EXTENSION)
    }

    /// Whether a certificate ends in the time that it is about.
    fn is_about(&self, credential: &Credential) -> bool {
        (self.from()..=self.until).contains(&credential.not_after)
    }
}

impl Row for Extension {
    const TABLE: &'static str = "extension";

    fn key(&self) -> String {
        Self::KEY.to_owned()
    }
}

impl Tx<'_> {
    /// What was said last, also where that is over.
    ///
    /// # Errors
    /// As [`Self::device`].
    pub fn extension(&mut self) -> Result<Option<Extension>, LedgerError> {
        Ok(self.row(Extension::KEY)?.map(|(extension, _)| extension))
    }

    /// Whether a certificate counts now though it may have ended. Never one that another CA signed, or that is revoked or
    /// superseded, or whose holder may be a copy; nor one of a unit that is held, or whose vendor is distrusted.
    ///
    /// # Errors
    /// As [`Self::device`].
    pub fn is_extended(&mut self, credential: &Credential, now: UnixTime) -> Result<bool, LedgerError> {
        let Some(extension) = self.extension()?.filter(|extension| extension.is_in_force(now)) else {
            return Ok(false);
        };
        let is_unsure = credential.doubt.as_ref().is_some_and(|doubt| doubt.kind == DoubtKind::Unsure);
        let is_good = credential.origin == Origin::Issued && credential.is_last() && !is_unsure;
        if !is_good || !extension.is_about(credential) {
            return Ok(false);
        }
        let device = self.device(credential.device)?;
        let is_held = device.is_none_or(|device| device.enrolment == Enrolment::Held);
        Ok(!is_held && !self.is_of_distrusted(credential.device)?)
    }

    /// Whether a vendor who is distrusted vouched for a unit.
    fn is_of_distrusted(&mut self, device: DeviceId) -> Result<bool, LedgerError> {
        let keys: Vec<Sighting> = self.all(Some((Sighting::DEVICE, &device.to_string())))?;
        let uses = keys.into_iter().flat_map(|key| key.uses);
        // At the gate no vendor vouches for anybody.
        let uses = uses.filter(|one| one.device == device && one.by != "ike");
        for realm in uses.filter_map(|one| one.realm) {
            if self.is_distrusted(&realm)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn extend(
        &mut self,
        (cas, until): (Vec<CertSha256>, UnixTime),
        because: &Because<'_>,
        now: UnixTime,
    ) -> Result<Extension, LedgerError> {
        let approver = because.approval(|| "certificates that have ended".to_owned())?;
        let wrong = |why: String| Err(LedgerError::Conflict(why));
        if until <= now {
            return wrong(format!("the extension would have ended at {until}"));
        }
        if until > now.after(LONGEST_EXTENSION) {
            return wrong(format!(
                "an extension lasts 30 days at most, until {}",
                now.after(LONGEST_EXTENSION)
            ));
        }
        if let Some(stands) = self.extension()?.filter(|extension| extension.is_in_force(now)) {
            return wrong(format!("an extension until {} is in force: end it first", stands.until));
        }
        let (by, why) = (because.by.to_owned(), because.why.to_owned());
        let extension = Extension { cas, until, at: now, by, approver, why, ended: None };
        self.put_row(&extension, because, now)?;
        Ok(extension)
    }

    fn end_extension(&mut self, because: &Because<'_>, now: UnixTime) -> Result<Extension, LedgerError> {
        let stands = self.extension()?.filter(|extension| extension.is_in_force(now));
        let none = || LedgerError::NotFound { table: Extension::TABLE, key: Extension::KEY.to_owned() };
        let mut extension = stands.ok_or_else(none)?;
        let (by, why) = (because.by.to_owned(), because.why.to_owned());
        extension.ended = Some(ExtensionEnded { at: now, by, why });
        self.put_row(&extension, because, now)?;
        Ok(extension)
    }
}

impl Ledger {
    /// Lets certificates of units that these issuing CAs signed count until `until`, where they end before; by the word of two
    /// people.
    ///
    /// # Errors
    /// [`LedgerError::NeedsApprover`]; [`LedgerError::Conflict`] for a time that is over or more than
    /// [`LONGEST_EXTENSION`] ahead, and while one is in force; and as [`Self::device`].
    pub fn extend(
        &self,
        (cas, until): (Vec<CertSha256>, UnixTime),
        by: &str,
        why: &str,
        approver: &str,
        now: UnixTime,
    ) -> Result<Extension, LedgerError> {
        let because = Because { by, why, approver: Some(approver) };
        self.change(|tx| tx.extend((cas, until), &because, now))
    }

    /// Ends the extension before its time; that takes one.
    ///
    /// # Errors
    /// [`LedgerError::NotFound`] where none is in force; and as [`Self::device`].
    pub fn end_extension(&self, by: &str, why: &str, now: UnixTime) -> Result<Extension, LedgerError> {
        self.change(|tx| tx.end_extension(&Because::new(by, why), now))
    }

    /// What was said last, also where that is over.
    ///
    /// # Errors
    /// As [`Self::device`].
    pub fn extension(&self) -> Result<Option<Extension>, LedgerError> {
        self.row(Extension::KEY)
    }
}
