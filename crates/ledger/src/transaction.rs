use crate::{
    AccessLineRecord, Approval, Credential, Device, Enrolment, Incident, IncidentState, Lease, LedgerError,
    NewIncident, Pair, Removed, Revoked, Row,
    access_line::Lines,
    book::{Inner, Writer},
    page::has,
    store::{Entry, Store, StoreError},
    tables::row_of,
    trust::{Said, TrustEvidence},
};
use events::{
    Durability,
    ledger::{Committed, RowChanged},
};
use ids::{AccessLine, CertSha256, CrlReason, DeviceId, EventRef, Label, SessionId, UnixTime};
use serde_json::value::{RawValue, to_raw_value};
use std::{
    collections::BTreeSet,
    net::{Ipv4Addr, Ipv6Addr},
    sync::{Arc, MutexGuard},
};

/// One transaction: reads and changes that stand together or not at all. Dropped without
/// [`Self::commit`] it changes nothing.
///
/// Admission puts many claims into one: the cost of a commit is shared.
pub struct Tx<'a> {
    inner: &'a Inner,
    writer: MutexGuard<'a, Writer>,
    intents: Option<Intents>,
    /// Why what is recorded here may never stand: a row of it was not written.
    failed: Option<StoreError>,
    committed: bool,
    revoked: bool,
    /// Lines are otherwise here than in what is committed.
    wrote_line: bool,
}

/// What a transaction has recorded: its first record, and when the last one was.
#[derive(Clone, Copy)]
struct Intents {
    from: u64,
    at: UnixTime,
}

/// On whose behalf, and why, something changes.
pub(crate) struct Because<'a> {
    pub(crate) by: &'a str,
    pub(crate) why: &'a str,
    pub(crate) approver: Option<&'a str>,
}

/// A revision that a row may have in truth: one change a second for a century is less.
const BELIEVED: u64 = 1 << 32;

impl<'a> Because<'a> {
    pub(crate) fn new(by: &'a str, why: &'a str) -> Self {
        Self { by, why, approver: None }
    }

    /// The second person's word on `what`.
    ///
    /// # Errors
    /// [`LedgerError::NeedsApprover`]
    pub(crate) fn approval(&self, what: impl FnOnce() -> String) -> Result<Approval, LedgerError> {
        Approval::of(self.approver, self.by, what)
    }
}

impl<'a> Tx<'a> {
    /// How many units can still be added; `None` without a pool of inner addresses.
    pub(crate) fn room(&self) -> Option<u64> {
        self.writer.addresses.room()
    }

    /// Free inner addresses, one of each family that has a pool.
    pub(crate) fn draw_addresses(&mut self) -> Result<(Option<Ipv4Addr>, Option<Ipv6Addr>), LedgerError> {
        self.writer.addresses.draw()
    }

    pub(crate) fn new(inner: &'a Inner, writer: MutexGuard<'a, Writer>) -> Self {
        Self {
            inner,
            writer,
            intents: None,
            failed: None,
            committed: false,
            revoked: false,
            wrote_line: false,
        }
    }

    /// Makes everything stand: the intents on disk first, with the word that they stand, then the rows.
    ///
    /// # Errors
    /// [`LedgerError::Unfinished`]: it stands, and its rows are written later. Otherwise [`LedgerError::Unreachable`] or
    /// [`LedgerError::Journal`]: nothing has changed, unless the journal is [lost](events::JournalError::Lost), as then
    /// only a start can tell.
    pub fn commit(mut self) -> Result<(), LedgerError> {
        if let Some(source) = self.failed.take() {
            return Err(source.into());
        }
        match self.intents {
            Some(intents) => self.commit_intents(intents)?,
            None => self.writer.store.commit()?,
        }
        self.writer.seen.commit();
        self.committed = true;
        Ok(())
    }

    fn commit_intents(&mut self, Intents { from, at }: Intents) -> Result<(), LedgerError> {
        let journal = &self.inner.journal;
        // Until the rows are written, what the journal has decides.
        self.writer.unfinished = true;
        let event = journal.append(&Committed { from }, at, Durability::Durable)?;
        let written = self.mark().and_then(|()| self.writer.store.commit());
        written.map_err(|source| LedgerError::Unfinished { event, source })?;
        self.writer.unfinished = false;
        Ok(())
    }

    /// A certificate counts no more from now on.
    pub(crate) fn has_revoked(&mut self) {
        self.revoked = true;
    }

    /// Whether a certificate of ours has been revoked here, or came to nothing: revocation lists are behind then.
    pub fn revokes(&self) -> bool {
        self.revoked
    }

    /// What is written now will be found again; and how far the journal goes is remembered.
    pub(crate) fn check(&mut self) -> Result<(), LedgerError> {
        self.writer.store.check()?;
        Ok(self.mark()?)
    }

    /// The rows are written up to what the journal has on disk: no transaction that stands has a part before that and
    /// another behind it, as there is one at a time, and an unfinished one is finished before the next begins.
    fn mark(&mut self) -> Result<(), StoreError> {
        let journal = &self.inner.journal;
        self.writer.store.set_applied(journal.node(), &journal.on_disk())
    }

    /// What is committed, and the last record that can explain it: nobody writes meanwhile.
    pub(crate) fn snapshot(self) -> Result<(Box<dyn Store>, u64), LedgerError> {
        Ok((self.writer.store.snapshot()?, self.inner.journal.head()))
    }

    pub(crate) fn row<R: Row>(&mut self, key: &str) -> Result<Option<(R, u64)>, LedgerError> {
        let Some(sealed) = self.writer.store.get(R::TABLE, key)? else {
            return self.writer.seen.read_none(R::TABLE, key).map(|()| None);
        };
        let row = self.inner.row_key.unseal(&sealed)?;
        self.writer.seen.read(&sealed)?;
        Ok(Some((row, sealed.revision)))
    }

    /// One unit.
    ///
    /// # Errors
    /// [`LedgerError::Tampered`] when its HMAC does not fit, or it is older than one seen before or gone;
    /// [`LedgerError::Unreachable`]. So all that read here.
    pub fn device(&mut self, id: DeviceId) -> Result<Option<Device>, LedgerError> {
        Ok(self.row(&id.to_string())?.map(|(device, _)| device))
    }

    /// One certificate's record.
    ///
    /// # Errors
    /// As [`Self::device`].
    pub fn credential(&mut self, cert: CertSha256) -> Result<Option<Credential>, LedgerError> {
        Ok(self.row(&cert.to_string())?.map(|(credential, _)| credential))
    }

    /// One access line.
    ///
    /// # Errors
    /// As [`Self::device`].
    pub fn line(&mut self, line: &AccessLine) -> Result<Option<AccessLineRecord>, LedgerError> {
        Ok(self.row(&line.to_string())?.map(|(line, _)| line))
    }

    pub(crate) fn kept_lines(&self) -> Option<Arc<Lines>> {
        self.writer.lines.clone()
    }

    pub(crate) fn keep_lines(&mut self, lines: &Arc<Lines>) {
        if !self.wrote_line {
            self.writer.lines = Some(lines.clone());
        }
    }

    /// Whether one more denial of a group's units may be written anew now.
    pub(crate) fn may_rewrite(&mut self, group: &Label, now: UnixTime) -> bool {
        self.writer.rewrites.admit(group, now)
    }

    /// All pairs that are listed.
    ///
    /// # Errors
    /// As [`Self::device`].
    pub fn pairs(&mut self) -> Result<Vec<Pair>, LedgerError> {
        let mut pairs: Vec<Pair> = self.all(Some(("state", Pair::LISTED)))?;
        pairs.retain(|pair| pair.removed.is_none());
        Ok(pairs)
    }

    /// All rows of a table, or those with that other value.
    pub(crate) fn all<R: Row>(&mut self, found_by: Option<(&str, &str)>) -> Result<Vec<R>, LedgerError> {
        const PAGE: usize = 1000;
        let (mut all, mut after) = (Vec::new(), String::new());
        loop {
            let rows = match found_by {
                Some((name, value)) => self.writer.store.find(R::TABLE, name, value, &after, PAGE)?,
                None => self.writer.store.page(R::TABLE, &after, PAGE)?,
            };
            for sealed in &rows {
                let row = self.inner.row_key.unseal(sealed)?;
                self.writer.seen.read(sealed)?;
                if has(&row, found_by) {
                    all.push(row);
                }
            }
            match rows.last() {
                Some(last) if rows.len() == PAGE => after.clone_from(&last.key),
                Some(_) | None => return Ok(all),
            }
        }
    }

    pub(crate) fn finds_any<R: Row>(&mut self, name: &str, value: &str) -> Result<bool, LedgerError> {
        Ok(self.first::<R>(name, value)?.is_some())
    }

    /// The first row with that other value, by key.
    fn first<R: Row>(&mut self, name: &str, value: &str) -> Result<Option<R>, LedgerError> {
        let mut after = String::new();
        loop {
            let found = self.writer.store.find(R::TABLE, name, value, &after, 1)?;
            let Some(sealed) = found.first() else { return Ok(None) };
            let row = self.inner.row_key.unseal(sealed)?;
            if has(&row, Some((name, value))) {
                return Ok(Some(row));
            }
            after.clone_from(&sealed.key);
        }
    }

    /// The values that a row is found by are those that it has; none where there is no such row. One that was tampered
    /// with says nothing of them.
    pub(crate) fn index_anew(&mut self, table: &str, key: &str) -> Result<(), StoreError> {
        let entries = match self.writer.store.get(table, key)? {
            None => Vec::new(),
            Some(row) if self.inner.row_key.check(&row).is_err() => return Ok(()),
            Some(row) => {
                let body = serde_json::from_str(&row.body).unwrap_or_default();
                row_of(table, &body).entries
            }
        };
        self.writer.store.put_entries(table, key, &entries)
    }

    /// The values of a name that the row with a key has, as it stands there and by the index, though neither may be
    /// true: `most` of each.
    pub(crate) fn as_written<R: Row>(
        &mut self,
        key: &str,
        name: &str,
        most: usize,
    ) -> Result<BTreeSet<String>, StoreError> {
        let (table, store) = (R::TABLE, &mut self.writer.store);
        let before = Entry { key: key.to_owned(), name: name.to_owned(), value: String::new() };
        let indexed = store.entries(table, &before, most)?.into_iter();
        let indexed = indexed.filter(|entry| entry.key == key && entry.name == name).map(|entry| entry.value);
        let body = store.get(table, key)?.and_then(|row| serde_json::from_str(&row.body).ok());
        let there = body.map(|body| row_of(table, &body).entries).unwrap_or_default().into_iter();
        let there = there.filter(|(other, _)| *other == name).map(|(_, value)| value).take(most);
        Ok(indexed.chain(there).collect())
    }

    /// The lease of a unit, unless a newer start of its node voids it.
    ///
    /// # Errors
    /// As [`Self::device`].
    pub fn lease(&mut self, device: DeviceId) -> Result<Option<Lease>, LedgerError> {
        let lease: Option<(Lease, u64)> = self.row(&device.to_string())?;
        Ok(lease.map(|(lease, _)| lease).filter(|lease| self.is_in_force(lease)))
    }

    fn is_in_force(&self, lease: &Lease) -> bool {
        &lease.node != self.inner.journal.node() || lease.epoch == self.inner.epoch()
    }

    /// Gives a unit's lease to a session, where it is free or held by the session that this one
    /// `replaces`; `event` is the record of the admission that explains it.
    ///
    /// # Errors
    /// [`LedgerError::Conflict`] when another session holds it; else as [`Self::device`].
    pub fn take_lease(
        &mut self,
        lease: &Lease,
        replaces: Option<SessionId>,
        event: EventRef,
    ) -> Result<(), LedgerError> {
        let before: Option<(Lease, u64)> = self.row(&lease.key())?;
        let held = before.iter().map(|(held, _)| held).find(|held| self.is_in_force(held));
        if let Some(held) = held.filter(|held| Some(held.session) != replaces) {
            let text = format!("the lease of {} is held by session {}", lease.device, held.session);
            return Err(LedgerError::Conflict(text));
        }
        let revision = before.map_or(1, |(_, revision)| revision + 1);
        let sealed = self.inner.row_key.seal(lease, revision, event);
        self.writer.store.put(&sealed, &[], false)?;
        self.writer.seen.wrote(&sealed);
        Ok(())
    }

    /// Frees a unit's lease if `lease` is still the one that holds.
    ///
    /// # Errors
    /// As [`Self::device`].
    pub fn release_lease(&mut self, lease: &Lease) -> Result<bool, LedgerError> {
        let holds = self
            .row::<Lease>(&lease.key())?
            .is_some_and(|(held, _)| held.session == lease.session && held.node == lease.node);
        if holds {
            self.writer.store.remove(Lease::TABLE, &lease.key())?;
            self.writer.seen.removed(Lease::TABLE, &lease.key());
        }
        Ok(holds)
    }

    /// Records the intent, then writes the row.
    pub(crate) fn put_row<R: Row>(
        &mut self,
        row: &R,
        because: &Because<'_>,
        now: UnixTime,
    ) -> Result<EventRef, LedgerError> {
        let before = self.row(&row.key())?;
        self.put_row_behind(before, row, because, now)
    }

    /// The same for who has read here what the row is until now, with its revision; `None` where there is none.
    pub(crate) fn put_row_behind<R: Row>(
        &mut self,
        before: Option<(R, u64)>,
        row: &R,
        because: &Because<'_>,
        now: UnixTime,
    ) -> Result<EventRef, LedgerError> {
        let (before, revision) = before.unzip();
        self.write_row(row, (before, revision.unwrap_or(0)), because, now)
    }

    /// The same also where the row that is there was tampered with; says then what is wrong with that one.
    pub(crate) fn put_row_anyway<R: Row>(
        &mut self,
        row: &R,
        because: &Because<'_>,
        now: UnixTime,
    ) -> Result<Option<LedgerError>, LedgerError> {
        match self.put_row(row, because, now) {
            Err(tampered @ LedgerError::Tampered { .. }) => {
                let says = self.writer.store.get(R::TABLE, &row.key())?.map_or(0, |sealed| sealed.revision);
                let seen = self.writer.seen.highest(R::TABLE, &row.key());
                self.write_row(row, (None, seen.max(says.min(BELIEVED))), because, now)?;
                Ok(Some(tampered))
            }
            written => written.map(|_| None),
        }
    }

    /// Records that a row goes, whether or not it holds, and removes it.
    pub(crate) fn remove_row<R: Row>(
        &mut self,
        key: &str,
        because: &Because<'_>,
        now: UnixTime,
    ) -> Result<(), LedgerError> {
        let Some(sealed) = self.writer.store.get(R::TABLE, key)? else { return Ok(()) };
        let before = self.inner.row_key.unseal::<R>(&sealed).ok();
        let changed = RowChanged {
            table: R::TABLE.to_owned(),
            key: key.to_owned(),
            revision: self.writer.seen.highest(R::TABLE, key).max(sealed.revision.min(BELIEVED)) + 1,
            before: before.as_ref().and_then(|row| to_raw_value(row).ok()),
            after: None,
            by: because.by.to_owned(),
            why: because.why.to_owned(),
            approver: None,
            effective_at: now,
        };
        self.record(&changed, now)?;
        let removed = self.writer.store.remove(R::TABLE, key);
        removed.inspect_err(|source| self.failed = Some(source.clone()))?;
        self.writer.seen.removed(R::TABLE, key);
        Ok(())
    }

    pub(crate) fn store(&mut self) -> &mut dyn Store {
        &mut *self.writer.store
    }

    fn record(
        &mut self,
        changed: &RowChanged<Box<RawValue>>,
        now: UnixTime,
    ) -> Result<EventRef, LedgerError> {
        let event = self.inner.journal.append(changed, now, Durability::Grouped)?;
        let from = self.intents.map_or(event.seq, |intents| intents.from);
        self.intents = Some(Intents { from, at: now });
        Ok(event)
    }

    fn write_row<R: Row>(
        &mut self,
        row: &R,
        (before, revision): (Option<R>, u64),
        because: &Because<'_>,
        now: UnixTime,
    ) -> Result<EventRef, LedgerError> {
        if R::TABLE == AccessLineRecord::TABLE {
            (self.writer.lines, self.wrote_line) = (None, true);
        }
        let revision = revision + 1;
        // A row is a struct of plain fields: writing it as JSON can't fail.
        let json = |row: &R| to_raw_value(row).ok();
        let changed = RowChanged {
            table: R::TABLE.to_owned(),
            key: row.key(),
            revision,
            before: before.as_ref().and_then(json),
            after: json(row),
            by: because.by.to_owned(),
            why: because.why.to_owned(),
            approver: because.approver.map(str::to_owned),
            effective_at: now,
        };
        let event = self.record(&changed, now)?;
        let body = changed.after.map(Box::<str>::from).map(String::from).unwrap_or_default();
        let sealed = self.inner.row_key.seal_json(changed.table, changed.key, revision, event.clone(), body);
        let put = self.writer.store.put(&sealed, &row.entries(), true);
        put.inspect_err(|source| self.failed = Some(source.clone()))?;
        self.writer.seen.wrote(&sealed);
        Ok(event)
    }

    pub(crate) fn add_pair(
        &mut self,
        [a, b]: [DeviceId; 2],
        because: &Because<'_>,
        now: UnixTime,
    ) -> Result<Pair, LedgerError> {
        if a == b {
            return Err(LedgerError::Conflict(format!("{a} alone is no pair")));
        }
        let devices = [self.known_device(a.min(b))?.id, self.known_device(a.max(b))?.id];
        let (why, by) = (because.why.to_owned(), because.by.to_owned());
        let pair = Pair { devices, why, by, since: now, removed: None };
        if self.listed_pair(&pair.key())?.is_some() {
            return Err(LedgerError::Exists { table: Pair::TABLE, key: pair.key() });
        }
        self.put_row(&pair, because, now)?;
        Ok(pair)
    }

    pub(crate) fn remove_pair(
        &mut self,
        devices: [DeviceId; 2],
        because: &Because<'_>,
        now: UnixTime,
    ) -> Result<Pair, LedgerError> {
        let key = Pair::key_of(devices);
        let listed = self.listed_pair(&key)?;
        let mut pair = listed.ok_or(LedgerError::NotFound { table: Pair::TABLE, key })?;
        let (by, why) = (because.by.to_owned(), because.why.to_owned());
        pair.removed = Some(Removed { at: now, by, why });
        self.put_row(&pair, because, now)?;
        Ok(pair)
    }

    fn listed_pair(&mut self, key: &str) -> Result<Option<Pair>, LedgerError> {
        Ok(self.row::<Pair>(key)?.map(|(pair, _)| pair).filter(|pair| pair.removed.is_none()))
    }

    /// Records a certificate as its unit's, which is enrolled from then on unless it is held.
    ///
    /// # Errors
    /// [`LedgerError::NotFound`] without the unit, [`LedgerError::Conflict`] when the certificate or its key is another
    /// unit's: then nothing was written. And as [`Self::device`].
    pub fn record_credential(
        &mut self,
        credential: &Credential,
        by: &str,
        why: &str,
        now: UnixTime,
    ) -> Result<(), LedgerError> {
        let because = &Because::new(by, why);
        let mut device = self.known_device(credential.device)?;
        if self.recorded(credential)?.is_some() {
            return Ok(());
        }
        match device.enrolment {
            Enrolment::None | Enrolment::Ordered => {
                device.enrolment = Enrolment::Enrolled;
                self.put_row(&device, because, now)?;
            }
            // Only a person ends a hold.
            Enrolment::Enrolled | Enrolment::Held => (),
        }
        self.put_row(credential, because, now).map(drop)
    }

    /// Whether a certificate of another CA is its unit's already; refused where it can't become so.
    pub(crate) fn may_import(&mut self, credential: &Credential) -> Result<bool, LedgerError> {
        let device = self.known_device(credential.device)?;
        let Some(known) = self.recorded(credential)? else {
            return device.may_be_certified().map(|()| false);
        };
        match known.revoked {
            None => Ok(true),
            Some(Revoked { at, why, .. }) => {
                let key = known.cert_sha256;
                Err(LedgerError::Conflict(format!("certificate {key} was revoked at {at}: {why}")))
            }
        }
    }

    /// The record of a certificate; refused if it or its key is another unit's.
    fn recorded(&mut self, credential: &Credential) -> Result<Option<Credential>, LedgerError> {
        let (key, spki) = (credential.key(), credential.spki_sha256.to_string());
        if let Some(known) = self.credential(credential.cert_sha256)? {
            let is_same = known.device == credential.device;
            let conflict =
                || LedgerError::Conflict(format!("certificate {key} is recorded for {}", known.device));
            return if is_same { Ok(Some(known)) } else { Err(conflict()) };
        }
        let same_key: Vec<Credential> = self.all(Some(("spki", &spki)))?;
        same_key.iter().try_for_each(|other| other.has_no_key_of(credential))?;
        Ok(None)
    }

    pub(crate) fn revoke(
        &mut self,
        cert: CertSha256,
        reason: Option<CrlReason>,
        because: &Because<'_>,
        now: UnixTime,
    ) -> Result<Credential, LedgerError> {
        let known = self.credential(cert)?;
        let mut credential =
            known.ok_or_else(|| LedgerError::NotFound { table: Credential::TABLE, key: cert.to_string() })?;
        if credential.revoked.is_none() {
            credential.revoked = Some(Revoked { at: now, why: because.why.to_owned(), reason });
            self.put_row(&credential, because, now)?;
            self.has_revoked();
        }
        Ok(credential)
    }

    /// The highest number of rows whose keys are numbers; 0 without any.
    pub(crate) fn last_number<R: Row>(&mut self) -> Result<u64, LedgerError> {
        let last = self.writer.store.last(R::TABLE)?;
        Ok(last.and_then(|row| row.key.parse().ok()).unwrap_or(0))
    }

    /// Number of the open incident of a kind about these units.
    ///
    /// # Errors
    /// As [`Self::device`].
    pub fn incident_that_is_open(
        &mut self,
        kind: &str,
        devices: &[DeviceId],
    ) -> Result<Option<u64>, LedgerError> {
        let open = self.first::<Incident>("open", &NewIncident::group_of(kind, devices))?;
        Ok(open.map(|incident| incident.number))
    }

    /// The same of the one on which this would count.
    pub(crate) fn is_open(&mut self, new: &NewIncident) -> Result<bool, LedgerError> {
        self.finds_any::<Incident>("open", &new.group())
    }

    /// Opens an incident, or counts once more on the open one of the same kind about the same units. One about a unit
    /// whose row was tampered with is told its cells.
    ///
    /// # Errors
    /// As [`Self::device`].
    pub fn open_incident(
        &mut self,
        new: NewIncident,
        by: &str,
        now: UnixTime,
    ) -> Result<Incident, LedgerError> {
        let incident = match self.first::<Incident>("open", &new.group())? {
            Some(mut incident) => {
                (incident.repeats, incident.last_at) = (incident.repeats + 1 + new.more, now);
                incident
            }
            None => {
                let number = self.last_number::<Incident>()? + 1;
                let NewIncident { kind, devices, summary, evidence, more } = new;
                Incident {
                    number,
                    kind: kind.to_owned(),
                    devices,
                    opened_at: now,
                    state: IncidentState::Open,
                    summary,
                    evidence,
                    repeats: more,
                    last_at: now,
                    closed: None,
                }
            }
        };
        self.put_row(&incident, &Because::new(by, "seen"), now)?;
        if incident.kind == LedgerError::TAMPERED {
            let said = Said::now(by, TrustEvidence::Incident(incident.number), &incident.summary, now);
            for device in &incident.devices {
                self.unit_tampered(*device, &said, now)?;
            }
        }
        Ok(incident)
    }
}

impl Drop for Tx<'_> {
    fn drop(&mut self) {
        if !self.committed {
            self.writer.store.roll_back();
            self.writer.seen.roll_back();
        }
    }
}

#[cfg(test)]
mod tests;
