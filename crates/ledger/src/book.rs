use crate::{
    AccessLineRecord, CertificateRecord, Credential, Device, DeviceChange, Incident, InstallOrder, Lease,
    LedgerError, LegacyGroup, LifeCycle, NewDevice, NewIncident, Outside, Page, Pair, Pools, Row, RowKey, Tx,
    access_line::Lines,
    index::Compared,
    legacy::Rewrites,
    pool::Addresses,
    redo::{device_of, is_explained_by, redo},
    seen::Seen,
    store::{Store, StoreError},
    transaction::Because,
};
use events::{Durability, Journal, JournalError, ledger::Opened};
use ids::{AccessLine, CellKey, CertSha256, CrlReason, DeviceId, Epoch, NodeId, UnixTime};
use serde::de::DeserializeOwned;
use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, TryLockError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

/// The ledger, open. Clones share it.
///
/// Changes go through one writer, one transaction at a time; reads for lists and for strangers go over
/// connections of their own and don't hold up admissions.
#[derive(Clone)]
pub struct Ledger(Arc<Inner>);

pub(crate) struct Inner {
    writer: Mutex<Writer>,
    /// As many as OCSP requests are answered at once.
    readers: [Mutex<Box<dyn Store>>; 2],
    pub(crate) journal: Journal,
    pub(crate) row_key: RowKey,
    /// 0 before one is begun.
    epoch: AtomicU64,
    pub(crate) compared: Compared,
}

pub(crate) struct Writer {
    pub(crate) store: Box<dyn Store>,
    pub(crate) seen: Seen,
    pub(crate) addresses: Addresses,
    /// The journal may have a transaction that stands and whose rows are not written.
    pub(crate) unfinished: bool,
    /// Units of which rows were written later than their transaction stood, until someone asks.
    finished: BTreeSet<DeviceId>,
    /// Where the lines are, as the rows of the store have it.
    pub(crate) lines: Option<Arc<Lines>>,
    pub(crate) rewrites: Rewrites,
}

/// The rows as they are at one moment.
pub(crate) struct Rows<'a> {
    store: &'a mut dyn Store,
    row_key: &'a RowKey,
}

impl Ledger {
    /// Opens the ledger, and finishes what a crash left half done: `<table> <key>` of each row whose transaction stood
    /// in the journal alone so far. Where there is nothing to finish, nothing is written.
    ///
    /// # Errors
    /// [`LedgerError`]; [`LedgerError::AnotherNode`] and [`events::JournalError::Missing`] when this is
    /// not the journal that explains its rows.
    pub fn open(
        mut store: Box<dyn Store>,
        journal: Journal,
        row_key: RowKey,
        pools: Pools,
        now: UnixTime,
    ) -> Result<(Self, Vec<String>), LedgerError> {
        is_explained_by(&mut *store, &journal)?;
        let finished = redo(&mut *store, &journal, &row_key)?;
        let finished: Vec<_> =
            finished.iter().map(|changed| format!("{} {}", changed.table, changed.key)).collect();
        let addresses = Addresses::open(pools, &mut *store)?;
        let readers = [Mutex::new(store.reader()?), Mutex::new(store.reader()?)];
        let writer = Mutex::new(Writer {
            store,
            seen: Seen::default(),
            addresses,
            unfinished: false,
            finished: BTreeSet::new(),
            lines: None,
            rewrites: Rewrites::default(),
        });
        let ledger = Self(Arc::new(Inner {
            writer,
            readers,
            journal,
            row_key,
            epoch: AtomicU64::new(0),
            compared: Compared::default(),
        }));
        if !finished.is_empty() {
            ledger.next_epoch(finished.clone(), now)?;
        }
        Ok((ledger, finished))
    }

    /// A start of the node: from now on leases of its earlier epochs are void. For who gives leases.
    ///
    /// # Errors
    /// The transient ones.
    pub fn begin_epoch(&self, now: UnixTime) -> Result<(), LedgerError> {
        self.next_epoch(Vec::new(), now)
    }

    fn next_epoch(&self, finished: Vec<String>, now: UnixTime) -> Result<(), LedgerError> {
        let at_least = self.journal().next_epoch()?.max(Epoch(self.epoch().0 + 1));
        let epoch = in_transaction(&mut *lock(&self.0.writer).store, |store| {
            store.skip_epochs(self.node(), at_least)?;
            store.next_epoch(self.node())
        })?;
        self.journal().append(&Opened { epoch: epoch.0, finished }, now, Durability::Durable)?;
        self.0.epoch.store(epoch.0, Relaxed);
        Ok(())
    }

    /// This start of the node; 0 before one was begun.
    pub fn epoch(&self) -> Epoch {
        self.0.epoch()
    }

    /// Units whose inner addresses are in none of these pools.
    ///
    /// # Errors
    /// [`LedgerError::Unreachable`]
    pub fn outside(&self, pools: &Pools) -> Result<Vec<Outside>, LedgerError> {
        let outside = self.read(|store| pools.outside(store))?;
        if outside.is_empty() {
            return Ok(outside);
        }
        self.rely_on_index::<Device>()?;
        self.read(|store| pools.outside(store))
    }

    /// Which addresses are free, from the index as it is now.
    pub(crate) fn read_addresses(&self) -> Result<(), LedgerError> {
        let mut writer = lock(&self.0.writer);
        let Writer { store, addresses, .. } = &mut *writer;
        Ok(addresses.read(&mut **store)?)
    }

    /// Whose journal explains the rows.
    pub fn node(&self) -> &NodeId {
        self.0.journal.node()
    }

    /// The journal that changes are written to.
    pub fn journal(&self) -> &Journal {
        &self.0.journal
    }

    /// Begins a transaction; other writers wait until it is over.
    ///
    /// # Errors
    /// [`LedgerError::Unreachable`]
    pub fn begin(&self) -> Result<Tx<'_>, LedgerError> {
        let mut writer = lock(&self.0.writer);
        if writer.unfinished {
            let finished = redo(&mut *writer.store, &self.0.journal, &self.0.row_key)?;
            writer.finished.extend(finished.iter().filter_map(device_of));
            writer.unfinished = false;
            writer.lines = None;
        }
        writer.store.begin()?;
        Ok(Tx::new(&self.0, writer))
    }

    /// [`Self::begin`] for who issues certificates: what nobody may have twice is looked for by the index.
    ///
    /// # Errors
    /// The transient ones.
    pub fn begin_issuing(&self) -> Result<Tx<'_>, LedgerError> {
        self.rely_on_index::<InstallOrder>()?;
        self.rely_on_index::<CertificateRecord>()?;
        self.rely_on_index::<Credential>()?;
        self.rely_on_index::<LegacyGroup>()?;
        self.begin()
    }

    /// The ledger can be read and written now.
    ///
    /// # Errors
    /// [`LedgerError::Unreachable`]
    pub fn check(&self) -> Result<(), LedgerError> {
        let mut tx = self.begin()?;
        tx.check()?;
        tx.commit()
    }

    /// The units of which a row was written later than its transaction stood since this was asked last: what is
    /// attached must be looked at anew.
    pub fn take_finished(&self) -> BTreeSet<DeviceId> {
        std::mem::take(&mut lock(&self.0.writer).finished)
    }

    /// Closes the journal, and remembers its end.
    ///
    /// # Errors
    /// [`JournalError`]: not all of it is on disk.
    pub fn close(&self) -> Result<(), JournalError> {
        self.0.journal.close()?;
        if let Err(error) = self.check() {
            tracing::warn!(%error, "the end of the journal is not remembered");
        }
        Ok(())
    }

    pub(crate) fn change<T>(
        &self,
        work: impl FnOnce(&mut Tx<'_>) -> Result<T, LedgerError>,
    ) -> Result<T, LedgerError> {
        let mut tx = self.begin()?;
        let done = work(&mut tx)?;
        tx.commit()?;
        Ok(done)
    }

    /// Puts a unit into the ledger and binds inner addresses to it.
    ///
    /// # Errors
    /// [`LedgerError::Exists`], [`LedgerError::PoolExhausted`], [`LedgerError::Conflict`] for a cell that is another unit's,
    /// [`LedgerError::TooLong`], and the transient ones.
    pub fn add_device(&self, new: NewDevice, by: &str, now: UnixTime) -> Result<Device, LedgerError> {
        self.rely_on_index::<Device>()?;
        self.change(|tx| tx.add_device(new, &Because::new(by, "added"), now))
    }

    /// Moves a unit to another state, by [`Move::ALL`](crate::Move::ALL).
    ///
    /// # Errors
    /// [`LedgerError::NotFound`], [`LedgerError::NoSuchMove`], [`LedgerError::NeedsApprover`], and the
    /// transient ones.
    pub fn move_device(
        &self,
        id: DeviceId,
        to: LifeCycle,
        by: &str,
        why: &str,
        approver: Option<&str>,
        now: UnixTime,
    ) -> Result<Device, LedgerError> {
        let because = Because { by, why, approver };
        self.change(|tx| tx.move_device(id, to, &because, now))
    }

    /// Changes what is known about a unit.
    ///
    /// # Errors
    /// [`LedgerError::NotFound`]; [`LedgerError::NeedsApprover`] for another line of a unit that may attach from behind its
    /// own; [`LedgerError::Conflict`] for a cell that is another unit's; [`LedgerError::TooLong`]; and the transient ones.
    pub fn set_device(
        &self,
        id: DeviceId,
        set: DeviceChange,
        by: &str,
        why: &str,
        approver: Option<&str>,
        now: UnixTime,
    ) -> Result<Device, LedgerError> {
        if set.cells.is_some() {
            self.rely_on_index::<Device>()?;
        }
        self.change(|tx| tx.set_device(id, set, &Because { by, why, approver }, now))
    }

    /// Lists two units as a pair.
    ///
    /// # Errors
    /// [`LedgerError::NotFound`] without one of the units, [`LedgerError::Exists`] when they are listed,
    /// [`LedgerError::Conflict`] for a unit with itself, and the transient ones.
    pub fn add_pair(
        &self,
        devices: [DeviceId; 2],
        by: &str,
        why: &str,
        now: UnixTime,
    ) -> Result<Pair, LedgerError> {
        self.change(|tx| tx.add_pair(devices, &Because::new(by, why), now))
    }

    /// Takes two units off the list of pairs.
    ///
    /// # Errors
    /// [`LedgerError::NotFound`] when they are not listed, and the transient ones.
    pub fn remove_pair(
        &self,
        devices: [DeviceId; 2],
        by: &str,
        why: &str,
        now: UnixTime,
    ) -> Result<Pair, LedgerError> {
        self.change(|tx| tx.remove_pair(devices, &Because::new(by, why), now))
    }

    /// Adds an access line.
    ///
    /// # Errors
    /// [`LedgerError::Exists`], and the transient ones.
    pub fn add_line(&self, line: &AccessLineRecord, by: &str, now: UnixTime) -> Result<(), LedgerError> {
        self.add_lines(std::slice::from_ref(line), by, now)
    }

    /// Adds many access lines in one transaction, or none.
    ///
    /// # Errors
    /// As [`Self::add_line`].
    pub fn add_lines(&self, lines: &[AccessLineRecord], by: &str, now: UnixTime) -> Result<(), LedgerError> {
        self.change(|tx| {
            lines.iter().try_for_each(|line| match tx.line(&line.line)? {
                Some(_) => Err(LedgerError::Exists { table: AccessLineRecord::TABLE, key: line.key() }),
                None => tx.put_row(line, &Because::new(by, "line added"), now).map(drop),
            })
        })
    }

    /// Changes what is known about an access line; how it was, and how it is now.
    ///
    /// # Errors
    /// [`LedgerError::NotFound`], and the transient ones.
    pub fn set_line(
        &self,
        line: &AccessLine,
        set: impl FnOnce(&mut AccessLineRecord),
        by: &str,
        now: UnixTime,
    ) -> Result<(AccessLineRecord, AccessLineRecord), LedgerError> {
        self.change(|tx| {
            let not_found =
                || LedgerError::NotFound { table: AccessLineRecord::TABLE, key: line.to_string() };
            let was = tx.line(line)?.ok_or_else(not_found)?;
            let mut is = was.clone();
            set(&mut is);
            tx.put_row(&is, &Because::new(by, "line set"), now)?;
            Ok((was, is))
        })
    }

    /// Records a certificate as issued to a unit, which is enrolled from now on, unless its enrolment is
    /// held.
    ///
    /// # Errors
    /// [`LedgerError::NotFound`] without the unit, [`LedgerError::Conflict`] when the certificate or
    /// its key is another unit's.
    pub fn record_credential(
        &self,
        credential: &Credential,
        by: &str,
        now: UnixTime,
    ) -> Result<(), LedgerError> {
        self.rely_on_index::<Credential>()?;
        self.change(|tx| tx.record_credential(credential, by, "issued", now))
    }

    /// A unit's certificate counts no more. One that was revoked before stays so since then.
    ///
    /// # Errors
    /// [`LedgerError::NotFound`]
    pub fn revoke(
        &self,
        cert: CertSha256,
        reason: Option<CrlReason>,
        by: &str,
        why: &str,
        now: UnixTime,
    ) -> Result<Credential, LedgerError> {
        self.change(|tx| tx.revoke(cert, reason, &Because::new(by, why), now))
    }

    /// Opens an incident, or counts once more on the open one of the same kind about the same units.
    ///
    /// # Errors
    /// The transient ones.
    pub fn open_incident(&self, new: NewIncident, by: &str, now: UnixTime) -> Result<Incident, LedgerError> {
        self.change(|tx| tx.open_incident(new, by, now))
    }

    /// Opens an incident unless one of the same kind about the same units is open.
    ///
    /// # Errors
    /// As [`Self::device`].
    pub fn open_incident_once(&self, new: NewIncident, by: &str, now: UnixTime) -> Result<(), LedgerError> {
        self.change(|tx| match tx.is_open(&new)? {
            true => Ok(()),
            false => tx.open_incident(new, by, now).map(drop),
        })
    }

    pub(crate) fn read<T>(
        &self,
        work: impl FnOnce(&mut dyn Store) -> Result<T, StoreError>,
    ) -> Result<T, LedgerError> {
        Ok(work(&mut **self.reader())?)
    }

    /// The first connection, or, while somebody else reads by it, the second.
    fn reader(&self) -> MutexGuard<'_, Box<dyn Store>> {
        let [first, second] = &self.0.readers;
        match first.try_lock() {
            Ok(free) => free,
            Err(TryLockError::Poisoned(broken)) => broken.into_inner(),
            Err(TryLockError::WouldBlock) => lock(second),
        }
    }

    /// Rows of one moment.
    pub(crate) fn read_rows<T>(
        &self,
        work: impl FnOnce(&mut Rows<'_>) -> Result<T, LedgerError>,
    ) -> Result<T, LedgerError> {
        let mut reader = self.reader();
        reader.begin_reading()?;
        work(&mut Rows { store: &mut **reader, row_key: &self.0.row_key })
    }

    pub(crate) fn row<R: Row>(&self, key: &str) -> Result<Option<R>, LedgerError> {
        let row = self.read(|store| store.get(R::TABLE, key))?;
        row.map(|row| self.0.row_key.unseal(&row)).transpose()
    }

    /// Up to `limit` rows with keys behind `after`, by key; only those with that other value, if given.
    pub(crate) fn list<R: Row>(
        &self,
        found_by: Option<(&str, &str)>,
        after: &str,
        limit: usize,
    ) -> Result<Page<R>, LedgerError> {
        if found_by.is_some() {
            self.rely_on_index::<R>()?;
        }
        let rows = self.read(|store| match found_by {
            Some((name, value)) => store.find(R::TABLE, name, value, after, limit),
            None => store.page(R::TABLE, after, limit),
        })?;
        Page::unseal(&rows, found_by, limit, &self.0.row_key)
    }

    /// All rows of a table, or those with that other value.
    pub(crate) fn every<R: Row>(&self, found_by: Option<(&str, &str)>) -> Result<Page<R>, LedgerError> {
        const PAGE: usize = 1000;
        let mut every = self.list(found_by, "", PAGE)?;
        while let Some(after) = every.next.take() {
            let page = self.list(found_by, &after, PAGE)?;
            every.rows.extend(page.rows);
            every.tampered.extend(page.tampered);
            every.next = page.next;
        }
        Ok(every)
    }

    /// One unit.
    ///
    /// # Errors
    /// [`LedgerError::Tampered`], and the transient ones; so all that read.
    pub fn device(&self, id: DeviceId) -> Result<Option<Device>, LedgerError> {
        self.row(&id.to_string())
    }

    /// Up to `limit` units with keys behind `after`, by identity; only those in `state`, if given.
    ///
    /// # Errors
    /// The transient ones.
    pub fn devices(
        &self,
        after: &str,
        state: Option<LifeCycle>,
        limit: usize,
    ) -> Result<Page<Device>, LedgerError> {
        self.list(state.map(|state| ("state", state.as_str())), after, limit)
    }

    /// Up to `limit` units behind a line, those with keys behind `after`, by identity.
    ///
    /// # Errors
    /// The transient ones.
    pub fn devices_behind(
        &self,
        line: &AccessLine,
        after: &str,
        limit: usize,
    ) -> Result<Page<Device>, LedgerError> {
        self.list(Some((Device::LINE, &line.to_string())), after, limit)
    }

    /// The units that may carry a cell: one, and those that are retired.
    ///
    /// # Errors
    /// The transient ones.
    pub fn devices_of_cell(&self, cell: CellKey) -> Result<Page<Device>, LedgerError> {
        self.every(Some((Device::CELL, &cell.to_string())))
    }

    /// One access line.
    ///
    /// # Errors
    /// As [`Self::device`].
    pub fn line(&self, line: &AccessLine) -> Result<Option<AccessLineRecord>, LedgerError> {
        self.row(&line.to_string())
    }

    /// Up to `limit` access lines behind `after`, by name.
    ///
    /// # Errors
    /// The transient ones.
    pub fn lines(&self, after: &str, limit: usize) -> Result<Page<AccessLineRecord>, LedgerError> {
        self.list(None, after, limit)
    }

    /// Up to `limit` pairs that are listed, behind `after`, by their units.
    ///
    /// # Errors
    /// The transient ones.
    pub fn pairs(&self, after: Option<[DeviceId; 2]>, limit: usize) -> Result<Page<Pair>, LedgerError> {
        let after = after.map(Pair::key_of).unwrap_or_default();
        self.list(Some(("state", Pair::LISTED)), &after, limit)
    }

    /// One certificate's record.
    ///
    /// # Errors
    /// As [`Self::device`].
    pub fn credential(&self, cert: CertSha256) -> Result<Option<Credential>, LedgerError> {
        self.row(&cert.to_string())
    }

    /// The certificates issued to a unit, up to 1,000.
    ///
    /// # Errors
    /// The transient ones.
    pub fn credentials_of(&self, device: DeviceId) -> Result<Page<Credential>, LedgerError> {
        self.list(Some(("device", &device.to_string())), "", 1000)
    }

    /// Up to `limit` certificates' records behind `after`, by SHA-256.
    ///
    /// # Errors
    /// The transient ones.
    pub fn credentials(
        &self,
        after: Option<CertSha256>,
        limit: usize,
    ) -> Result<Page<Credential>, LedgerError> {
        let after = after.map(|sha| sha.to_string()).unwrap_or_default();
        self.list(None, &after, limit)
    }

    /// One certificate that our CAs signed.
    ///
    /// # Errors
    /// As [`Self::device`].
    pub fn certificate(&self, issuer: &str, serial: &str) -> Result<Option<CertificateRecord>, LedgerError> {
        self.row(&CertificateRecord::key_of(issuer, serial))
    }

    /// Up to `limit` certificates that our CAs signed, with keys (`<issuer>/<serial>`) behind `after`.
    ///
    /// # Errors
    /// The transient ones.
    pub fn certificates(&self, after: &str, limit: usize) -> Result<Page<CertificateRecord>, LedgerError> {
        self.list(None, after, limit)
    }

    /// The lease of a unit, whether or not its epoch still counts.
    ///
    /// # Errors
    /// As [`Self::device`].
    pub fn lease(&self, device: DeviceId) -> Result<Option<Lease>, LedgerError> {
        self.row(&device.to_string())
    }

    /// One incident.
    ///
    /// # Errors
    /// As [`Self::device`].
    pub fn incident(&self, number: u64) -> Result<Option<Incident>, LedgerError> {
        self.row(&Incident::key_of(number))
    }

    /// Up to `limit` incidents with numbers above `after`.
    ///
    /// # Errors
    /// The transient ones.
    pub fn incidents(&self, after: u64, limit: usize) -> Result<Page<Incident>, LedgerError> {
        self.list(None, &Incident::key_of(after), limit)
    }

    pub(crate) fn inner(&self) -> &Inner {
        &self.0
    }
}

impl Rows<'_> {
    /// A row, or as much of it as `R` has.
    pub(crate) fn get<R: DeserializeOwned>(
        &mut self,
        table: &str,
        key: &str,
    ) -> Result<Option<R>, LedgerError> {
        let row = self.store.get(table, key)?;
        row.map(|row| self.row_key.unseal(&row)).transpose()
    }
}

impl Drop for Rows<'_> {
    fn drop(&mut self) {
        self.store.roll_back();
    }
}

impl Inner {
    pub(crate) fn epoch(&self) -> Epoch {
        Epoch(self.epoch.load(Relaxed))
    }
}

fn in_transaction<T>(
    store: &mut dyn Store,
    work: impl FnOnce(&mut dyn Store) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    store.begin()?;
    match work(store) {
        Ok(done) => store.commit().map(|()| done),
        Err(error) => {
            store.roll_back();
            Err(error)
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
