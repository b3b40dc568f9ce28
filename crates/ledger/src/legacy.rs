//! Legacy groups: estates whose units all have one vendor key, by which each of them may still get a certificate of its
//! own.
//!
//! The rule that a vendor's key is one unit's ([`Sighting`](crate::Sighting)) does not hold for the key of a group. In its place:
//! - **the group is named, ends within a year, and is two people's word**;
//! - **the key is good for one thing**: an install order that names the group, from behind the line of that order and no
//!   other. Nobody enrols by it otherwise, and after the group's end nobody at all;
//! - **each use is written down**, a row for each unit: who came, from where, and what was refused; a bounded number of times,
//!   and none after the group's end;
//! - **what comes of it is on probation**, as whoever has the key and is behind the line might have come in the unit's place.

use crate::{Approval, CertificateRecord, KeyUse, Ledger, LedgerError, Page, Row, Tx, transaction::Because};
use ids::{AccessLine, CertSha256, DeviceId, Label, Realm, Sha256, UnixTime};
use serde::{Deserialize, Serialize};
use std::{collections::HashMap, net::IpAddr, time::Duration};

/// Units that share one vendor key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LegacyGroup {
    /// What people call it.
    pub name: Label,
    /// The vendor's realm.
    pub realm: Realm,
    /// SHA-256 over the SubjectPublicKeyInfo that they share.
    pub spki_sha256: Sha256,
    /// The certificate that they share, or that one of them has: it is known by this alone, whoever issued it and until
    /// whenever.
    pub certificate: CertSha256,
    /// Its subject, for people.
    pub subject: String,
    /// Until when the group's units may enrol by the key.
    pub until: UnixTime,
    /// Why.
    pub why: String,
    /// Who named it.
    pub by: String,
    /// Who agreed.
    pub approver: Approval,
    /// Since when.
    pub since: UnixTime,
}

/// A legacy group to be named, or to end at another time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewLegacyGroup {
    /// What people call it.
    pub name: Label,
    /// The vendor's realm.
    pub realm: Realm,
    /// SHA-256 over the SubjectPublicKeyInfo that its units share.
    pub spki_sha256: Sha256,
    /// The certificate that they share.
    pub certificate: CertSha256,
    /// Its subject.
    pub subject: String,
    /// Until when.
    pub until: UnixTime,
}

/// What came of one unit of a group: a row for each, and bounded, as whoever has the key can say that they are any.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LegacyUse {
    /// Which group's key.
    pub group: Label,
    /// Which unit it was said to be.
    pub device: DeviceId,
    /// Each certificate and address once; [`Self::MAX_USES`] at most.
    pub uses: Vec<KeyUse>,
    /// For each reason the newest denial from its line, written anew once a day at most, and the first from elsewhere.
    pub denials: Vec<LegacyDenial>,
}

/// A unit of a group was denied a certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LegacyDenial {
    /// The word of the reason.
    pub reason: String,
    /// Whether it asked from behind the unit's line: elsewhere it need not have been the unit.
    pub at_home: bool,
    /// From where.
    pub from: IpAddr,
    /// When.
    pub at: UnixTime,
}

/// By an order for a unit of a legacy group the unit enrols by the group's key, and by no other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ByLegacy {
    /// Which group.
    pub group: Label,
    /// Which migration opened the order; none of one by hand.
    pub migration: Option<Label>,
    /// In which of its waves, from 0.
    pub wave: Option<u32>,
}

impl LegacyGroup {
    /// A group ends after so long, at the latest.
    pub const LONGEST: Duration = Duration::from_secs(366 * 24 * 3600);
    const KEY: &'static str = "spki";
    const CERTIFICATE: &'static str = "certificate";

    /// Whether its units may enrol by the key now.
    pub fn is_in_force(&self, now: UnixTime) -> bool {
        now <= self.until
    }
}

impl Row for LegacyGroup {
    const TABLE: &'static str = "legacy_group";

    fn key(&self) -> String {
        self.name.to_string()
    }

    fn entries(&self) -> Vec<(&'static str, String)> {
        vec![(Self::KEY, self.spki_sha256.to_string()), (Self::CERTIFICATE, self.certificate.to_string())]
    }
}

impl LegacyUse {
    /// Uses of one unit that are written down.
    pub const MAX_USES: usize = 8;
    /// A denial from its line that is the same as before is written down again after this.
    /// From elsewhere never: that need not have been the unit.
    const AGAIN: Duration = Duration::from_secs(24 * 3600);
    const GROUP: &'static str = "group";
    pub(crate) const DEVICE: &'static str = "device";

    fn key_of(group: &Label, device: DeviceId) -> String {
        format!("{group}/{device}")
    }

    /// The newest denial of whoever asked from behind the unit's line, since a time.
    pub fn denied_at_home(&self, since: UnixTime) -> Option<&LegacyDenial> {
        let at_home = self.denials.iter().filter(|denial| denial.at_home && denial.at >= since);
        at_home.max_by_key(|denial| denial.at)
    }
}

impl Row for LegacyUse {
    const TABLE: &'static str = "legacy_use";

    fn key(&self) -> String {
        Self::key_of(&self.group, self.device)
    }

    fn entries(&self) -> Vec<(&'static str, String)> {
        vec![(Self::GROUP, self.group.to_string()), (Self::DEVICE, self.device.to_string())]
    }
}

/// How many denials were written anew for each group, in which hour.
#[derive(Default)]
pub(crate) struct Rewrites(HashMap<Label, (u64, u32)>);

impl Rewrites {
    /// Denials that are written anew in an hour, of all units of a group.
    const MOST: u32 = 1000;

    pub(crate) fn admit(&mut self, group: &Label, now: UnixTime) -> bool {
        let hour = now.since(UnixTime::from_secs(0)).as_secs() / 3600;
        let (of, count) = self.0.entry(group.clone()).or_insert((hour, 0));
        if *of != hour {
            (*of, *count) = (hour, 0);
        }
        *count = count.saturating_add(1);
        *count <= Self::MOST
    }
}

impl ByLegacy {
    /// What the certificate that comes of it is doubted for.
    pub(crate) fn doubt(&self) -> String {
        let group = &self.group;
        match &self.migration {
            Some(migration) => {
                format!("it enrolled by the key of legacy group {group}, in migration {migration}")
            }
            None => format!("it enrolled by the key of legacy group {group}"),
        }
    }
}

impl Tx<'_> {
    /// The group whose key this is, also after its end.
    pub(crate) fn legacy_group_of(&mut self, spki: Sha256) -> Result<Option<LegacyGroup>, LedgerError> {
        Ok(self.all(Some((LegacyGroup::KEY, &spki.to_string())))?.into_iter().next())
    }

    fn legacy_group(&mut self, name: &Label) -> Result<Option<LegacyGroup>, LedgerError> {
        Ok(self.row(name.as_str())?.map(|(group, _)| group))
    }

    /// A group that is in force.
    pub(crate) fn legacy_group_in_force(
        &mut self,
        name: &Label,
        now: UnixTime,
    ) -> Result<LegacyGroup, LedgerError> {
        let none = || LedgerError::NotFound { table: LegacyGroup::TABLE, key: name.to_string() };
        let group = self.legacy_group(name)?.ok_or_else(none)?;
        match group.is_in_force(now) {
            true => Ok(group),
            false => Err(LedgerError::Conflict(format!("legacy group {name} ended at {}", group.until))),
        }
    }

    fn name_legacy_group(
        &mut self,
        new: NewLegacyGroup,
        because: &Because<'_>,
        now: UnixTime,
    ) -> Result<LegacyGroup, LedgerError> {
        let NewLegacyGroup { name, realm, spki_sha256, certificate, subject, until } = new;
        let approver = because.approval(|| format!("legacy group {name}"))?;
        let wrong = |why: String| Err(LedgerError::Conflict(why));
        if until > now.after(LegacyGroup::LONGEST) {
            return wrong(format!("the group would end at {until}: a year ahead is the longest"));
        }
        let known = self.legacy_group(&name)?;
        if let Some(known) = known.filter(|known| known.spki_sha256 != spki_sha256) {
            return wrong(format!("legacy group {name} has another key, {}", known.spki_sha256));
        }
        if let Some(other) = self.legacy_group_of(spki_sha256)?.filter(|other| other.name != name) {
            return wrong(format!("the key is that of legacy group {}", other.name));
        }
        let issued: Vec<CertificateRecord> =
            self.all(Some((CertificateRecord::KEY, &spki_sha256.to_string())))?;
        if let Some(issued) = issued.first() {
            return wrong(format!("the key is that of {}, which a CA of ours certified", issued.name));
        }
        let (why, by) = (because.why.to_owned(), because.by.to_owned());
        let group = LegacyGroup {
            name,
            realm,
            spki_sha256,
            certificate,
            subject,
            until,
            why,
            by,
            approver,
            since: now,
        };
        self.put_row(&group, because, now)?;
        Ok(group)
    }

    fn legacy_use(&mut self, group: &Label, device: DeviceId) -> Result<LegacyUse, LedgerError> {
        let known = self.row(&LegacyUse::key_of(group, device))?.map(|(row, _)| row);
        let none = || LegacyUse { group: group.clone(), device, uses: Vec::new(), denials: Vec::new() };
        Ok(known.unwrap_or_else(none))
    }

    /// The key of a group was used in the name of a unit of ours.
    pub(crate) fn legacy_used(
        &mut self,
        group: &LegacyGroup,
        new: KeyUse,
        now: UnixTime,
    ) -> Result<(), LedgerError> {
        let mut row = self.legacy_use(&group.name, new.device)?;
        if row.uses.len() >= LegacyUse::MAX_USES || row.uses.iter().any(|known| known.is(&new)) {
            return Ok(());
        }
        let by = new.by.clone();
        row.uses.push(new);
        self.put_row(&row, &Because::new(&by, "key of a legacy group used"), now).map(drop)
    }

    /// Somebody was denied a certificate for a unit of ours that they asked for by the key of a group.
    pub(crate) fn legacy_denied(
        &mut self,
        group: &Label,
        device: DeviceId,
        new: LegacyDenial,
    ) -> Result<(), LedgerError> {
        let mut row = self.legacy_use(group, device)?;
        let is_same =
            |known: &&mut LegacyDenial| (&known.reason, known.at_home) == (&new.reason, new.at_home);
        let (why, now) = (new.reason.clone(), new.at);
        match row.denials.iter_mut().find(is_same) {
            Some(known) if !new.at_home || now <= known.at.after(LegacyUse::AGAIN) => return Ok(()),
            Some(_) if !self.may_rewrite(group, now) => return Ok(()),
            Some(known) => *known = new,
            None => row.denials.push(new),
        }
        self.put_row(&row, &Because::new("enrolment", &why), now).map(drop)
    }

    /// Whether the open orders by which units of legacy groups enrol from behind a line are those of one unit alone.
    pub(crate) fn is_line_of_one(&mut self, line: &AccessLine, unit: DeviceId) -> Result<bool, LedgerError> {
        let orders = self.orders_by_legacy_behind(line)?;
        Ok(orders.iter().all(|order| order.device == unit))
    }

    /// Whether an address is behind a line, and behind no other.
    pub(crate) fn is_behind_alone(&mut self, line: &AccessLine, from: IpAddr) -> Result<bool, LedgerError> {
        let covers = self.line(line)?.and_then(|record| record.covers(from));
        Ok(covers == Some(true) && self.lines()?.is_alone_at(line, from))
    }
}

impl Ledger {
    /// Names a legacy group, or has one that is there end at another time.
    ///
    /// # Errors
    /// [`LedgerError::NeedsApprover`] without a second person; [`LedgerError::Conflict`] for a time more than a year
    /// ahead, and for a key that is another group's or that our CA certified; and the transient ones.
    pub fn name_legacy_group(
        &self,
        new: NewLegacyGroup,
        by: &str,
        why: &str,
        approver: Option<&str>,
        now: UnixTime,
    ) -> Result<LegacyGroup, LedgerError> {
        self.rely_on_index::<LegacyGroup>()?;
        self.rely_on_index::<CertificateRecord>()?;
        self.change(|tx| tx.name_legacy_group(new, &Because { by, why, approver }, now))
    }

    /// The group whose units share this certificate, also after its end.
    ///
    /// # Errors
    /// As [`Self::device`].
    pub fn legacy_group_by(&self, certificate: CertSha256) -> Result<Option<LegacyGroup>, LedgerError> {
        let found = self.every::<LegacyGroup>(Some((LegacyGroup::CERTIFICATE, &certificate.to_string())))?;
        Ok(found.whole()?.into_iter().next())
    }

    /// One group.
    ///
    /// # Errors
    /// As [`Self::device`].
    pub fn legacy_group(&self, name: &Label) -> Result<Option<LegacyGroup>, LedgerError> {
        self.row(name.as_str())
    }

    /// All groups.
    ///
    /// # Errors
    /// The transient ones.
    pub fn legacy_groups(&self) -> Result<Page<LegacyGroup>, LedgerError> {
        self.every(None)
    }

    /// All that came of the key of a group, by unit.
    ///
    /// # Errors
    /// The transient ones.
    pub fn legacy_uses(&self, group: &Label) -> Result<Page<LegacyUse>, LedgerError> {
        self.every(Some((LegacyUse::GROUP, group.as_str())))
    }

    /// That of one unit and group.
    ///
    /// # Errors
    /// As [`Self::device`].
    pub fn legacy_use(&self, group: &Label, device: DeviceId) -> Result<Option<LegacyUse>, LedgerError> {
        self.row(&LegacyUse::key_of(group, device))
    }
}
