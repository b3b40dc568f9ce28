//! Vendors whose certificates let nobody enrol any more, by a person's word. Units that are certified stay so.

use crate::{Ledger, LedgerError, Page, Row, Sighting, Tx, transaction::Because};
use ids::{Realm, UnixTime};
use serde::{Deserialize, Serialize};

/// Nobody who shows a certificate of this realm enrols.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Distrust {
    /// The vendor's realm.
    pub realm: Realm,
    /// What its CA vouched for since then is in question.
    pub since: UnixTime,
    /// When that was said.
    pub at: UnixTime,
    /// Who said so.
    pub by: String,
    /// Why.
    pub why: String,
    /// It was taken back.
    pub ended: Option<TrustedAgain>,
}

/// A vendor's units enrol again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrustedAgain {
    /// Since when.
    pub at: UnixTime,
    /// Who said so.
    pub by: String,
    /// Why.
    pub why: String,
}

impl Row for Distrust {
    const TABLE: &'static str = "distrust";

    fn key(&self) -> String {
        self.realm.to_string()
    }
}

impl Tx<'_> {
    fn distrust_of(&mut self, realm: &Realm) -> Result<Option<Distrust>, LedgerError> {
        Ok(self.row(realm.as_str())?.map(|(distrust, _)| distrust))
    }

    /// Whether nobody of this realm enrols.
    pub(crate) fn is_distrusted(&mut self, realm: &Realm) -> Result<bool, LedgerError> {
        Ok(self.distrust_of(realm)?.is_some_and(|distrust| distrust.ended.is_none()))
    }
}

impl Ledger {
    /// From now on nobody who shows a certificate of this realm enrols. Said again, it holds with the newer words.
    ///
    /// # Errors
    /// As [`Self::device`].
    pub fn distrust(
        &self,
        realm: &Realm,
        since: UnixTime,
        by: &str,
        why: &str,
        now: UnixTime,
    ) -> Result<Distrust, LedgerError> {
        let (realm, by, why) = (realm.clone(), by.to_owned(), why.to_owned());
        let distrust = Distrust { realm, since, at: now, by, why, ended: None };
        self.change(|tx| tx.put_row(&distrust, &Because::new(&distrust.by, &distrust.why), now))?;
        Ok(distrust)
    }

    /// They enrol again.
    ///
    /// # Errors
    /// [`LedgerError::NotFound`] where nobody said otherwise; and as [`Self::device`].
    pub fn trust(&self, realm: &Realm, by: &str, why: &str, now: UnixTime) -> Result<Distrust, LedgerError> {
        self.change(|tx| {
            let stands = tx.distrust_of(realm)?.filter(|distrust| distrust.ended.is_none());
            let none = || LedgerError::NotFound { table: Distrust::TABLE, key: realm.to_string() };
            let mut distrust = stands.ok_or_else(none)?;
            distrust.ended = Some(TrustedAgain { at: now, by: by.to_owned(), why: why.to_owned() });
            tx.put_row(&distrust, &Because::new(by, why), now)?;
            Ok(distrust)
        })
    }

    /// What was said of a realm, also where it was taken back.
    ///
    /// # Errors
    /// As [`Self::device`].
    pub fn distrust_of(&self, realm: &Realm) -> Result<Option<Distrust>, LedgerError> {
        self.row(realm.as_str())
    }

    /// What was said of every realm, up to 1,000.
    ///
    /// # Errors
    /// The transient ones.
    pub fn distrusts(&self) -> Result<Page<Distrust>, LedgerError> {
        self.list(None, "", 1000)
    }

    /// Up to `limit` keys behind `after` that certificates of a realm vouched for, by key.
    ///
    /// # Errors
    /// The transient ones.
    pub fn vouched_for(
        &self,
        realm: &Realm,
        after: &str,
        limit: usize,
    ) -> Result<Page<Sighting>, LedgerError> {
        self.list(Some((Sighting::REALM, realm.as_str())), after, limit)
    }
}
