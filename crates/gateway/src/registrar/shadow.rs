//! Which reasons to refuse are enforced, whom the others would have hit, and the breaker.

use super::Registrar;
use crate::{
    breaker::{GOOD_FOR, Hits, Tripped},
    contest::Outcome,
    hand_off::Work,
};
use admission::{Modes, Reason};
use crossbeam_channel::{Receiver, TryRecvError, bounded};
use events::{
    Record,
    admission::{Admitted, ContestResolved, Voided},
    journal::{Tail, TailError},
};
use ids::{DeviceId, UnixTime};
use ledger::{LedgerError, NewIncident};
use serde_json::json;
use std::{
    collections::{BTreeSet, HashMap},
    path::Path,
    thread,
    time::Instant,
};

/// Units that were good, and when they attached last.
type Good = HashMap<DeviceId, UnixTime>;

/// What the registrar keeps of the shadow mode.
#[derive(Default)]
pub(super) struct Shadow {
    pub(super) modes: Modes,
    hits: Hits,
    /// Where the units that were good before the start come from, until they have.
    recalled: Option<Receiver<Good>>,
    /// Who would be refused, and why: as the ledger has it, or will once `unwritten` is written.
    observed: HashMap<DeviceId, Vec<Reason>>,
    unwritten: BTreeSet<DeviceId>,
    /// The ledger was asked who would be refused.
    is_read: bool,
}

impl Shadow {
    /// What would refuse a unit that attached, or stays.
    pub(super) fn note(&mut self, device: DeviceId, reasons: &[Reason]) {
        if self.observed.get(&device).map_or(&[][..], Vec::as_slice) == reasons {
            return;
        }
        if reasons.is_empty() {
            self.observed.remove(&device);
        } else {
            self.observed.insert(device, reasons.to_vec());
        }
        self.unwritten.insert(device);
    }

    pub(super) fn is_written(&self) -> bool {
        self.unwritten.is_empty()
    }

    /// How many units are not written down.
    pub(super) fn unwritten(&self) -> usize {
        self.unwritten.len()
    }

    /// Why the breaker's alarm stands, if it does.
    pub(super) fn trouble(&self) -> Option<String> {
        let tripped = self.modes.tripped();
        if tripped.is_empty() {
            return None;
        }
        let codes: Vec<_> = tripped.iter().map(|reason| reason.code()).collect();
        Some(format!("{} hit too many good units at once, and refuses nobody now", codes.join(", ")))
    }
}

impl Registrar {
    /// A unit was let in, though these reasons speak against it.
    pub(super) fn let_in(&mut self, device: DeviceId, observed: &[Reason], now: UnixTime) {
        if observed.is_empty() {
            self.shadow.hits.note_good(device, now);
        }
        self.shadow.note(device, observed);
    }

    /// A reason speaks against a unit that is attached, or is not and wants to be. A second claim beside a live one
    /// says nothing about the lists.
    pub(super) fn hit(&mut self, reason: Reason, device: DeviceId, now: UnixTime) {
        if !reason.is_soft() {
            return;
        }
        if let Some(tripped) = self.shadow.hits.hit(reason, device, now, Instant::now()) {
            let (code, hits, good) = (reason.code(), tripped.hits.len(), tripped.good);
            tracing::error!(reason = code, hits, good, "too many good units at once: it refuses nobody now");
            self.shadow.modes.trip(reason);
            self.undone.push_back(Work::Tripped(tripped));
        }
    }

    /// The breaker's row; then whoever was hit is looked at again. Also without the row it stays tripped until the
    /// next start.
    pub(super) fn tripped(&mut self, tripped: &Tripped) -> Result<(), LedgerError> {
        let now = self.clock.now();
        let row = || {
            let mut tx = self.ledger.begin()?;
            tx.trip(&tripped.as_row(now), now)?;
            tx.commit()
        };
        match row() {
            Err(error) if error.is_transient() => return Err(error),
            Err(error) => self.policy_tampered(&error),
            Ok(()) => {}
        }
        self.shadow.modes.trip(tripped.reason);
        self.reviews.extend(&tripped.hits);
        Ok(())
    }

    /// Reads the rules anew, and judges those to whom they may mean something else now: who would be refused, and
    /// who is held. What can't be believed changes nothing.
    pub(super) fn reread_modes(&mut self) -> Result<(), LedgerError> {
        match self.read_modes() {
            Err(error) if error.is_transient() => return Err(error),
            Err(error) => self.policy_tampered(&error),
            Ok(modes) => self.apply(modes),
        }
        if !self.shadow.is_read {
            self.read_observed()?;
        }
        let observed: Vec<_> = self.shadow.observed.keys().copied().collect();
        self.reviews.extend(observed.into_iter().filter(|device| self.sessions.is_attached(*device)));
        self.reviews.extend(self.sessions.held());
        Ok(())
    }

    fn read_modes(&self) -> Result<Modes, LedgerError> {
        let mut tx = self.ledger.begin()?;
        let (rules, breakers) = tx.policy()?;
        tx.commit()?;
        Ok(Modes::new(rules, &breakers))
    }

    /// A trip whose row is not written yet is one all the same.
    fn apply(&mut self, mut modes: Modes) {
        for work in &self.undone {
            if let Work::Tripped(tripped) = work {
                modes.trip(tripped.reason);
            }
        }
        let before = std::mem::replace(&mut self.shadow.modes, modes);
        for reason in before.tripped() {
            if !self.shadow.modes.tripped().contains(reason) {
                self.shadow.hits.forget(*reason);
            }
        }
    }

    fn read_observed(&mut self) -> Result<(), LedgerError> {
        let mut tx = self.ledger.begin()?;
        let observations = tx.observations();
        tx.commit()?;
        let observations = match observations {
            Err(error) if error.is_transient() => return Err(error),
            Err(error) => {
                self.policy_tampered(&error);
                Vec::new()
            }
            Ok(observations) => observations,
        };
        for observation in observations {
            let codes = observation.reasons.iter().map(|observed| observed.reason.as_str());
            let reasons = codes.filter_map(Reason::from_code).collect();
            // Who has attached since then is known better.
            if !self.shadow.unwritten.contains(&observation.device) {
                self.shadow.observed.insert(observation.device, reasons);
            }
        }
        self.shadow.is_read = true;
        Ok(())
    }

    fn policy_tampered(&self, error: &LedgerError) {
        tracing::error!(%error, "the policy stays as it was read last");
        let new = NewIncident {
            kind: Reason::RowTampered.code(),
            devices: Vec::new(),
            summary: error.to_string(),
            evidence: json!({}),
            more: 0,
        };
        if let Err(error) = self.ledger.open_incident(new, "admission", self.clock.now()) {
            tracing::error!(%error, "no incident could be opened for that");
        }
    }

    /// Whom the reasons that are not enforced would have hit: what has changed, in one transaction.
    pub(super) fn write_observed(&mut self) -> Result<(), LedgerError> {
        if self.shadow.unwritten.is_empty() {
            return Ok(());
        }
        let now = self.clock.now();
        let mut tx = self.ledger.begin()?;
        for device in &self.shadow.unwritten {
            let reasons = self.shadow.observed.get(device).map_or(&[][..], Vec::as_slice);
            let codes: Vec<_> = reasons.iter().map(|reason| reason.code()).collect();
            match tx.observe(*device, &codes, now) {
                Err(error) if error.is_transient() => return Err(error),
                Err(error) => tracing::error!(%device, %error, "who would be refused is not known"),
                Ok(()) => {}
            }
        }
        tx.commit()?;
        self.shadow.unwritten.clear();
        Ok(())
    }

    /// Begins to learn from the journal which units were good lately.
    pub(super) fn recall_good(&mut self) {
        let (dir, since) = (self.ledger.journal().dir(), self.clock.now().before(GOOD_FOR));
        let (send, receive) = bounded(1);
        self.shadow.hits.recall();
        self.shadow.recalled = Some(receive);
        let read = move || match good_since(&dir, since) {
            // Nobody waits for it any more once the gateway has stopped.
            Ok(good) => drop(send.send(good)),
            Err(error) => tracing::warn!(%error, "which units were good lately is not known"),
        };
        if let Err(error) = thread::Builder::new().name("recall".into()).spawn(read) {
            tracing::warn!(%error, "which units were good lately is not known");
        }
    }

    /// Takes what was learnt; without it the breaker begins with nobody.
    pub(super) fn take_recalled(&mut self) {
        let Some(recalled) = &self.shadow.recalled else { return };
        let good = match recalled.try_recv() {
            Err(TryRecvError::Empty) => return,
            Err(TryRecvError::Disconnected) => Good::new(),
            Ok(good) => good,
        };
        self.shadow.recalled = None;
        self.shadow.hits.recalled(good);
    }
}

fn good_since(dir: &Path, since: UnixTime) -> Result<Good, TailError> {
    let mut tail = Tail::since(dir, since)?;
    let mut good = Good::new();
    while let Some(record) = tail.next_record()? {
        if record.at >= since {
            recall(&record, &mut good);
        }
    }
    Ok(good)
}

/// A record that can't be read makes nobody good.
fn recall(record: &Record, good: &mut Good) {
    if let Ok(Some(Voided { device, .. })) = record.read() {
        good.remove(&device);
    } else if let Ok(Some(admitted)) = record.read::<Admitted>() {
        if admitted.weighed.observed.is_empty() {
            good.insert(admitted.device, record.at);
        }
    } else if let Ok(Some(resolved)) = record.read::<ContestResolved>() {
        let came_in = [Outcome::HolderMadeRoom, Outcome::HolderSilent, Outcome::HolderEnded];
        let came_in = came_in.iter().any(|outcome| outcome.code() == resolved.how);
        if came_in && resolved.reason.is_none() && resolved.weighed.observed.is_empty() {
            good.insert(resolved.device, record.at);
        }
    }
}

#[cfg(test)]
mod tests;
