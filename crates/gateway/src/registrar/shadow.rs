//! Which reasons to refuse are enforced, whom the others would have hit, and the breaker.

use super::Registrar;
use crate::{
    breaker::{GOOD_FOR, Good, Hits, Tripped},
    contest::Outcome,
    hand_off::{Answer, Work},
};
use admission::{Modes, Reason, Verdict};
use crossbeam_channel::{Receiver, TryRecvError, bounded};
use events::{
    Record,
    admission::{Admitted, ContestResolved, Contested, Weighed},
    journal::{Tail, TailError},
};
use ids::{DeviceId, SessionId, UnixTime};
use ledger::{Finding, LedgerError, NewIncident, PolicyRule, Row};
use std::{
    collections::{BTreeSet, HashMap},
    net::IpAddr,
    path::Path,
    thread,
    time::Instant,
};

/// Units that were good, and where.
type Recalled = HashMap<DeviceId, Good>;

/// What the registrar keeps of the shadow mode.
#[derive(Default)]
pub(super) struct Shadow {
    pub(super) modes: Modes,
    hits: Hits,
    /// Where the units that were good before the start come from, until they have.
    recalled: Option<Receiver<Recalled>>,
    /// Who would be refused, and why: as the ledger has it, or will once `unwritten` is written.
    observed: HashMap<DeviceId, Vec<Reason>>,
    unwritten: BTreeSet<DeviceId>,
    /// Rows of the policy as they were read last: none is ever removed.
    rows: usize,
    /// The ledger was asked who would be refused.
    is_read: bool,
}

/// How a unit was let in.
#[derive(Clone, Debug)]
pub(super) struct LetIn {
    /// Reasons against it that were not enforced.
    pub(super) observed: Vec<Reason>,
    /// One of them is one that is not believed now.
    pub(super) on_probation: bool,
    /// From where it came.
    pub(super) outer: IpAddr,
}

impl LetIn {
    pub(super) fn new(verdict: &Verdict, outer: IpAddr) -> Self {
        let Verdict { observed, on_probation, .. } = verdict;
        Self { observed: observed.clone(), on_probation: *on_probation, outer }
    }
}

impl Shadow {
    /// Where a unit was good lately.
    pub(super) fn home(&self, device: DeviceId) -> Option<IpAddr> {
        self.hits.home(device)
    }

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
        Some(format!("{} hit too many good units at once, and refuses none of them now", codes.join(", ")))
    }
}

impl Registrar {
    /// A unit was let in, though these reasons speak against it. A reason that is not believed leaves it good.
    pub(super) fn let_in(&mut self, device: DeviceId, let_in: &LetIn, now: UnixTime) {
        if let_in.observed.is_empty() || let_in.on_probation {
            self.shadow.hits.note_good(device, Good { at: now, home: let_in.outer });
            self.answer(Answer::Known(vec![let_in.outer]));
        }
        self.shadow.note(device, &let_in.observed);
    }

    /// A reason speaks against a unit that is attached, or is not and wants to be. A second claim beside a live one
    /// says nothing about the lists.
    pub(super) fn hit(&mut self, reason: Reason, device: DeviceId, outer: IpAddr, now: UnixTime) {
        if !reason.is_soft() {
            return;
        }
        let here = Good { at: now, home: outer };
        if let Some(tripped) = self.shadow.hits.hit(reason, device, here, Instant::now()) {
            let (code, hits, good) = (reason.code(), tripped.hits.len(), tripped.good);
            tracing::error!(reason = code, hits, good, "too many good units at once: it is not believed now");
            self.shadow.modes.trip(reason);
            self.undone.push_back(Work::Tripped(tripped));
        }
    }

    /// Whether a refusal may be a wrong one that is not known as such yet.
    pub(super) fn is_too_early(&self, reason: Reason) -> bool {
        let needs_recall = reason.is_soft() || reason == Reason::RevocationUnknown;
        needs_recall && self.shadow.hits.recalls()
    }

    /// The breaker's row; then whoever was hit is looked at again.
    pub(super) fn tripped(&mut self, tripped: &Tripped) -> Result<(), LedgerError> {
        let now = self.clock.now();
        let row = || {
            let mut tx = self.ledger.begin()?;
            let tampered = tx.trip(&tripped.as_row(now), now)?;
            tx.commit().map(|()| tampered)
        };
        match row() {
            Err(error) if error.is_transient() => return Err(error),
            Err(error) | Ok(Some(error)) => self.policy_tampered(&error),
            Ok(None) => {}
        }
        self.shadow.modes.trip(tripped.reason);
        self.reviews.extend(tripped.hits.iter().copied());
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

    fn read_modes(&mut self) -> Result<Modes, LedgerError> {
        let mut tx = self.ledger.begin()?;
        let (rules, breakers) = tx.policy()?;
        tx.commit()?;
        let rows = rules.len() + breakers.len();
        if rows < self.shadow.rows {
            let (table, key) = (PolicyRule::TABLE.to_owned(), "*".to_owned());
            return Err(LedgerError::Tampered { table, key, why: "rows of the policy were removed" });
        }
        self.shadow.rows = rows;
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
        let Some(found) = Finding::of(error) else { return };
        let new = NewIncident { devices: Vec::new(), ..NewIncident::of_row(&found) };
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
            Err(TryRecvError::Disconnected) => Recalled::new(),
            Ok(good) => good,
        };
        self.shadow.recalled = None;
        self.answer(Answer::Known(good.values().map(|good| good.home).collect()));
        for (reason, device, here) in self.shadow.hits.recalled(good) {
            self.hit(reason, device, here.home, here.at);
        }
    }
}

fn good_since(dir: &Path, since: UnixTime) -> Result<Recalled, TailError> {
    let mut tail = Tail::since(dir, since)?;
    let (mut good, mut newcomers) = (Recalled::new(), HashMap::new());
    while let Some(record) = tail.next_record()? {
        if record.at >= since {
            recall(&record, &mut good, &mut newcomers);
        }
    }
    Ok(good)
}

/// A record that can't be read makes nobody good. `newcomers`: where those came from whose contests are not over.
fn recall(record: &Record, good: &mut Recalled, newcomers: &mut HashMap<SessionId, IpAddr>) {
    let is_good = |weighed: &Weighed| weighed.observed.is_empty() || weighed.on_probation;
    let at = |outer: IpAddr| Good { at: record.at, home: outer };
    let mut note = |device, here: Good| {
        good.entry(device).and_modify(|known| known.again(here)).or_insert(here);
    };
    if let Ok(Some(admitted)) = record.read::<Admitted>() {
        if is_good(&admitted.weighed) {
            note(admitted.device, at(admitted.outer.ip()));
        }
    } else if let Ok(Some(contested)) = record.read::<Contested>() {
        newcomers.insert(contested.newcomer, contested.newcomer_outer.ip());
    } else if let Ok(Some(resolved)) = record.read::<ContestResolved>() {
        let came_in = [Outcome::HolderMadeRoom, Outcome::HolderSilent, Outcome::HolderEnded];
        let came_in = came_in.iter().any(|outcome| outcome.code() == resolved.how);
        let outer =
            [Some(resolved.goes), resolved.stays].into_iter().flatten().find_map(|s| newcomers.remove(&s));
        if let Some(outer) =
            outer.filter(|_| came_in && resolved.reason.is_none() && is_good(&resolved.weighed))
        {
            note(resolved.device, at(outer));
        }
    }
}

#[cfg(test)]
mod tests;
