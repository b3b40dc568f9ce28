//! Leave to renew: the certificate of before, its lineage, and where the unit is.

use super::{Ask, Denied, NoCertificate};
use crate::{
    Credential, Device, Doubt, DoubtKind, Enrolment, Leave, LedgerError, Superseded, Tx, allows,
    transaction::Because,
};
use ids::UnixTime;
use serde_json::{Value, json};

impl Tx<'_> {
    /// By what leave a unit gets a successor of the certificate by which it asks. What waited as one is over.
    ///
    /// # Errors
    /// [`NoCertificate`]. What a denial wrote stands with the transaction.
    pub fn leave_to_renew(&mut self, ask: &Ask<'_>, now: UnixTime) -> Result<Leave, NoCertificate> {
        self.transaction_is_new(ask)?;
        let parent = self.credential(ask.by_cert)?.ok_or(Denied::UnknownCertificate)?;
        if parent.device != ask.device {
            return Err(Denied::UnknownCertificate.into());
        }
        if parent.revoked.is_some() {
            return Err(Denied::Revoked.into());
        }
        let device = self.device(ask.device)?.ok_or(Denied::UnknownCertificate)?;
        self.key_is_new(ask)?;
        self.has_no_successor(ask, &parent, now)?;
        let is_held = device.enrolment == Enrolment::Held;
        if is_held && !self.is_held_for_claim(&parent)? {
            return Err(Denied::Held.into());
        }
        if !allows(device.state, Enrolment::Enrolled).enrol {
            return Err(Denied::Barred.into());
        }
        let has_ended = now > parent.not_after && !self.is_extended(&parent, now)?;
        match (self.is_at_home(&device, ask)?, has_ended) {
            (Some(false), _) => return Err(Denied::OtherLine.into()),
            (None, _) if is_held => return Err(Denied::Held.into()),
            (None, true) => return Err(Denied::Expired.into()),
            (Some(true), _) | (None, false) => {}
        }
        let leave = Leave::Parent(ask.by_cert);
        self.end_waiting(&leave, now)?;
        Ok(leave)
    }

    /// Whether it asks from behind its line, or through its tunnel; `None` when nobody knows.
    fn is_at_home(&mut self, device: &Device, ask: &Ask<'_>) -> Result<Option<bool>, LedgerError> {
        let inner = [device.inner_v4.map(Into::into), device.inner_v6.map(Into::into)];
        if inner.contains(&Some(ask.from.to_canonical())) {
            return Ok(Some(true));
        }
        match &device.access_line {
            Some(line) => self.is_behind(line, ask.from),
            None => Ok(None),
        }
    }

    /// A second successor is a fork, if it was certainly asked for after the first one counted.
    fn has_no_successor(
        &mut self,
        ask: &Ask<'_>,
        parent: &Credential,
        now: UnixTime,
    ) -> Result<(), NoCertificate> {
        match &parent.superseded {
            None => Ok(()),
            Some(superseded) if ask.is_said_after(superseded.at, now) => self.fork(ask, parent, now),
            Some(_) => Err(Denied::Fork.into()),
        }
    }

    /// Nothing more is issued, the successors are in doubt, and the older one goes on counting.
    fn fork(&mut self, ask: &Ask<'_>, parent: &Credential, now: UnixTime) -> Result<(), NoCertificate> {
        let because = Because::new("enrolment", Denied::Fork.as_str());
        self.hold(ask.device, Denied::Fork.as_str(), now)?;
        let mut lines: Vec<Value> = Vec::new();
        for successor in self.successors(parent)? {
            let from = self.came_from(&successor)?;
            lines.push(json!({ "certificate": successor.cert_sha256, "since": successor.issued_at, "asked_from": from }));
            let why = format!("{} asked for a second successor of {}", ask.device, parent.cert_sha256);
            let doubt = Some(Doubt { kind: DoubtKind::Unsure, since: now, why });
            self.put_row(&Credential { doubt, ..successor }, &because, now)?;
        }
        self.put_row(&Credential { superseded: None, ..parent.clone() }, &because, now)?;
        self.tell_of_fork(ask, &lines, now)?;
        Err(Denied::Fork.into())
    }

    /// All that came of a certificate, the nearest first.
    fn successors(&mut self, parent: &Credential) -> Result<Vec<Credential>, LedgerError> {
        let (mut successors, mut next) = (Vec::new(), parent.superseded.clone());
        while let Some(Superseded { by, .. }) = next {
            let Some(successor) = self.credential(by)? else { break };
            next = successor.superseded.clone();
            successors.push(successor);
        }
        Ok(successors)
    }
}
