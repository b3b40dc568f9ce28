//! Which reasons to refuse are enforced, whom the others would have hit, and the breaker.

use super::Registrar;
use crate::{
    breaker::{Breaker, GOOD_FOR, Tripped},
    hand_off::Work,
};
use admission::{Effect, Modes, Reason, Verdict};
use events::{
    Record,
    admission::{Admitted, ContestResolved},
    journal::Tail,
};
use ids::{DeviceId, UnixTime};
use ledger::{LedgerError, NewIncident};
use serde_json::json;
use std::{
    collections::{BTreeSet, HashMap},
    time::Instant,
};

/// What the registrar keeps of the shadow mode.
#[derive(Default)]
pub(super) struct Shadow {
    pub(super) modes: Modes,
    breaker: Breaker,
    /// Who would be refused, and why: as the ledger has it, or will once `unwritten` is written.
    observed: HashMap<DeviceId, Vec<Reason>>,
    unwritten: BTreeSet<DeviceId>,
    /// The ledger was asked who would be refused.
    is_read: bool,
}

impl Shadow {
    /// A unit attached, or stays.
    fn note(&mut self, device: DeviceId, reasons: &[Reason]) {
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
    /// A claim was let in.
    pub(super) fn let_in(&mut self, device: DeviceId, verdict: &Verdict, now: UnixTime) {
        if verdict.observed.is_empty() {
            self.shadow.breaker.is_good(device, now);
        }
        self.shadow.note(device, &verdict.observed);
    }

    /// A session that stands was judged anew.
    pub(super) fn stays(&mut self, device: DeviceId, verdict: &Verdict) {
        self.shadow.note(device, &verdict.observed);
    }

    /// A reason speaks against a unit that is attached, or is not and wants to be. A second claim beside a live one
    /// says nothing about the lists.
    pub(super) fn hit(&mut self, reason: Reason, device: DeviceId, now: UnixTime) {
        if !reason.is_soft() {
            return;
        }
        if let Some(tripped) = self.shadow.breaker.hit(reason, device, now, Instant::now()) {
            let (code, hits, good) = (reason.code(), tripped.hits.len(), tripped.good);
            tracing::error!(reason = code, hits, good, "too many good units at once: it refuses nobody now");
            self.shadow.modes.trip(reason);
            self.undone.push_back(Work::Tripped(tripped));
        }
    }

    /// The breaker's row; then whoever was hit is looked at again.
    pub(super) fn tripped(&mut self, tripped: &Tripped) -> Result<(), LedgerError> {
        let now = self.clock.now();
        let mut tx = self.ledger.begin()?;
        tx.trip(&tripped.as_row(now), now)?;
        tx.commit()?;
        self.review_all(&tripped.hits);
        Ok(())
    }

    fn review_all(&mut self, devices: &[DeviceId]) {
        let attached = devices.iter().filter(|device| !self.sessions.of_device(**device).is_empty());
        self.undone.extend(attached.map(|device| Work::Review(*device)));
    }

    /// Reads the rules anew, and judges those who are attached and would be refused by others. What can't be
    /// believed changes nothing.
    pub(super) fn policy(&mut self) -> Result<(), LedgerError> {
        if let Err(error) = self.read_policy() {
            if error.is_transient() {
                return Err(error);
            }
            self.policy_tampered(&error);
        }
        let observed: Vec<_> = self.shadow.observed.keys().copied().collect();
        self.review_all(&observed);
        Ok(())
    }

    fn read_policy(&mut self) -> Result<(), LedgerError> {
        let mut tx = self.ledger.begin()?;
        let (rules, breakers) = tx.policy()?;
        let modes = Modes::new(rules, &breakers);
        let set_back = self.shadow.modes.tripped().iter().filter(|reason| !modes.tripped().contains(reason));
        set_back.for_each(|reason| self.shadow.breaker.forget(*reason));
        self.shadow.modes = modes;
        if !self.shadow.is_read {
            let known = |code: &str| Reason::from_code(code);
            for observation in tx.observations()? {
                let reasons = observation.reasons.iter().filter_map(|observed| known(&observed.reason));
                self.shadow.observed.insert(observation.device, reasons.collect());
            }
            self.shadow.is_read = true;
        }
        tx.commit()
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

    /// Whether a unit that is not on its line any more is to be treated as such.
    pub(super) fn leaves_line(&self, device: Option<&ledger::Device>) -> bool {
        self.shadow.modes.effect(Reason::ForeignNetwork, device) == Effect::Refused
    }

    /// Learns from the journal which units were good lately. Without it the breaker begins with nobody.
    pub(super) fn recall_good(&mut self) {
        let now = self.clock.now();
        let since = now.before(GOOD_FOR);
        let mut tail = match Tail::since(&self.ledger.journal().dir(), since) {
            Ok(tail) => tail,
            Err(error) => return tracing::warn!(%error, "which units were good lately is not known"),
        };
        loop {
            match tail.next_record() {
                Ok(None) => return,
                Ok(Some(record)) => self.recall(&record),
                Err(error) => return tracing::warn!(%error, "which units were good lately is not known"),
            }
        }
    }

    fn recall(&mut self, record: &Record) {
        let attached = record.read::<Admitted>().ok().flatten().map(|event| (event.device, event.weighed));
        let (device, weighed) = match attached {
            Some(attached) => attached,
            None => match record.read::<ContestResolved>() {
                Ok(Some(event)) if event.stays.is_some() && event.reason.is_none() => {
                    (event.device, event.weighed)
                }
                Ok(_) | Err(_) => return,
            },
        };
        if weighed.observed.is_empty() {
            self.shadow.breaker.is_good(device, record.at);
        }
    }
}
