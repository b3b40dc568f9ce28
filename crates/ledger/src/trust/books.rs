//! What is written about the trust in cells, and read of it.

use super::{
    CellTrust, CellTrustChange, Reading, Signal, SignalKind, TrustEvidence, TrustState, history, rules::steps,
};
use crate::{Device, Finding, Ledger, LedgerError, NewIncident, Page, Row, Tx, transaction::Because};
use ids::{CellKey, DeviceId, UnixTime};
use std::collections::BTreeSet;

/// What is said of all cells of a unit at once: by whom, when, and where it is written down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// When it was so.
    pub at: UnixTime,
    /// Up to when whoever says it knows what happened.
    pub data_at: UnixTime,
    /// Which stage says so.
    pub source: String,
    /// Where it is written down.
    pub evidence: TrustEvidence,
    /// In words.
    pub detail: String,
}

impl Said {
    /// Said of what is so now.
    pub fn now(source: &str, evidence: TrustEvidence, detail: &str, now: UnixTime) -> Self {
        Self { at: now, data_at: now, source: source.to_owned(), evidence, detail: detail.to_owned() }
    }

    pub(super) fn signal(&self, kind: SignalKind, device: DeviceId) -> Signal {
        let Self { at, data_at, source, evidence, detail } = self.clone();
        Signal { kind, device: Some(device), at, data_at, source, evidence, detail }
    }
}

impl Tx<'_> {
    /// A signal about one cell; its trust from then on. A row that was tampered with is written anew: the cell is suspect then,
    /// and a person is told.
    ///
    /// # Errors
    /// As [`Self::device`], but for rows of trust that were tampered with; also [`LedgerError::Journal`].
    pub fn cell_signal(
        &mut self,
        cell: CellKey,
        signal: &Signal,
        now: UnixTime,
    ) -> Result<TrustState, LedgerError> {
        self.cell_signal_each(cell, std::slice::from_ref(signal), now)
    }

    /// The same signals about each cell of a unit: one row for each cell at most, and none where they change nothing. Good
    /// signals change something once a day.
    ///
    /// # Errors
    /// As [`Self::cell_signal`].
    pub fn cell_signals(
        &mut self,
        device: &Device,
        kinds: &[SignalKind],
        said: &Said,
        now: UnixTime,
    ) -> Result<(), LedgerError> {
        let signals: Vec<_> = kinds.iter().map(|kind| said.signal(*kind, device.id)).collect();
        device.cells.iter().try_for_each(|cell| self.cell_signal_each(*cell, &signals, now).map(drop))
    }

    pub(crate) fn cell_signal_each(
        &mut self,
        cell: CellKey,
        signals: &[Signal],
        now: UnixTime,
    ) -> Result<TrustState, LedgerError> {
        let (before, tampered) = self.trust_of(cell, now)?;
        let Some(first) = signals.first() else { return Ok(before.state) };
        let tampered = tampered.map(|why| Signal {
            kind: SignalKind::RowTampered,
            device: None,
            detail: why,
            ..first.known_at(now)
        });
        let (mut trust, mut because) = (before.clone(), first);
        for signal in tampered.iter().chain(signals) {
            for step in steps(&trust, signal, now) {
                let mut next = trust.with(&step, now);
                if is_news(&trust, &next) {
                    next.changes += 1;
                    self.write_change(&trust, &next, step, now)?;
                    because = signal;
                }
                trust = next;
            }
        }
        if trust != before {
            let why = because.why(cell);
            self.put_row_anyway(&trust, &Because::new(&because.source, &why), now)?;
        }
        Ok(trust.state)
    }

    /// What is known of a cell; what is wrong with its row, if something is, and then nothing is known.
    pub(super) fn trust_of(
        &mut self,
        cell: CellKey,
        now: UnixTime,
    ) -> Result<(CellTrust, Option<String>), LedgerError> {
        let mut unknown = CellTrust::unknown(cell, now);
        match self.row(&unknown.key()) {
            Ok(known) => Ok((known.map_or(unknown, |(trust, _)| trust), None)),
            Err(error) => {
                let found = Finding::of(&error).ok_or(error)?;
                let why = found.why.clone();
                let told = NewIncident::of_row(&found);
                if !self.is_open(&told)? {
                    self.open_incident(told, "cell trust", now)?;
                }
                unknown.changes =
                    self.changes_of(cell)?.iter().map(|change| change.number).max().unwrap_or(0);
                Ok((unknown, Some(why)))
            }
        }
    }

    fn write_change(
        &mut self,
        before: &CellTrust,
        after: &CellTrust,
        signal: Signal,
        now: UnixTime,
    ) -> Result<(), LedgerError> {
        let (by, why) = (signal.source.clone(), signal.why(after.cell));
        let (mut from, mut to) = (before.state, after.state);
        let at = if to < from { now } else { signal.at };
        if before.changes > 0 && at < before.since {
            // It has its place before what is known already, and made nothing better there.
            from = history::read(after.cell, &self.changes_of(after.cell)?, at).state;
            to = signal.kind.rule().falls_to.map_or(from, |state| state.max(from));
        }
        let CellTrust { cell, changes: number, data_at, rules, .. } = *after;
        let change = CellTrustChange { cell, number, at, from, to, signal, known_at: now, data_at, rules };
        self.put_row_anyway(&change, &Because::new(&by, &why), now).map(drop)
    }

    /// The changes that are kept of a cell; one that was tampered with is none.
    fn changes_of(&mut self, cell: CellKey) -> Result<Vec<CellTrustChange>, LedgerError> {
        let mut changes = Vec::new();
        for slot in 0..CellTrustChange::KEPT {
            match self.row(&format!("{}{slot:02}", CellTrustChange::before(cell))) {
                Ok(change) => changes.extend(change.map(|(change, _)| change)),
                Err(error) => drop(Finding::of(&error).ok_or(error)?),
            }
        }
        Ok(changes)
    }
}

/// The state is another one, or one more thing keeps it down.
fn is_news(before: &CellTrust, after: &CellTrust) -> bool {
    let stands = |trust: &CellTrust| -> BTreeSet<_> {
        trust.standing().map(|fall| (fall.signal.kind, fall.signal.device)).collect()
    };
    before.state != after.state || !stands(after).is_subset(&stands(before))
}

impl Ledger {
    /// How far a cell can be trusted now, for whoever decides by it. A cell that nobody knows is
    /// [`TrustState::Unknown`]; what cannot be read is no trust either.
    ///
    /// # Errors
    /// [`LedgerError::Tampered`], and the transient ones.
    pub fn cell_trust(&self, cell: CellKey, now: UnixTime) -> Result<Reading, LedgerError> {
        let row = self.row::<CellTrust>(&cell.to_string())?;
        Ok(row
            .map_or_else(|| Reading::no_data(cell, now, "no unit has been seen at it"), |row| row.read(now)))
    }

    /// The same at a time in the past, as far as the changes go that rows keep: as it is known by now, so that what came
    /// late counts.
    ///
    /// # Errors
    /// As [`Self::cell_trust`].
    pub fn cell_trust_at(&self, cell: CellKey, at: UnixTime) -> Result<Reading, LedgerError> {
        let Some(row) = self.row::<CellTrust>(&cell.to_string())? else {
            return Ok(Reading::no_data(cell, at, "no unit has been seen at it"));
        };
        Ok(row.read_at(&self.cell_trust_changes(cell)?.whole()?, at))
    }

    /// The last [`CellTrustChange::KEPT`] changes of the trust in a cell, in the order in which they became known.
    ///
    /// # Errors
    /// The transient ones.
    pub fn cell_trust_changes(&self, cell: CellKey) -> Result<Page<CellTrustChange>, LedgerError> {
        let kept = usize::try_from(CellTrustChange::KEPT).unwrap_or(usize::MAX);
        let mut page = self.list::<CellTrustChange>(None, &CellTrustChange::before(cell), kept)?;
        page.rows.retain(|change| change.cell == cell);
        page.tampered.retain(|found| found.key.starts_with(&CellTrustChange::before(cell)));
        page.rows.sort_by_key(|change| change.number);
        page.next = None;
        Ok(page)
    }

    /// Up to `limit` cells behind `after` of which something is known, by their keys; only those that are written down as in
    /// `state`, if given.
    ///
    /// # Errors
    /// The transient ones.
    pub fn cells(
        &self,
        after: Option<CellKey>,
        state: Option<TrustState>,
        limit: usize,
    ) -> Result<Page<CellTrust>, LedgerError> {
        let after = after.map(|cell| cell.to_string()).unwrap_or_default();
        self.list(state.map(|state| (CellTrust::STATE, state.as_str())), &after, limit)
    }
}
