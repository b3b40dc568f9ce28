//! What is otherwise where a unit asks by the key of a legacy group. Thousands have that key, so that asking by it says
//! nothing of who asks; only the line does. From elsewhere nobody can have a unit held, nor an incident opened for it: that
//! would let whoever has the key stop them all.

use super::{Ask, Denied, NoCertificate};
use crate::{
    Credential, Doubt, DoubtKind, KeyUse, Leave, LedgerError, LegacyDenial, LegacyGroup, NewIncident, Row,
    Tx, transaction::Because,
};
use ids::{Label, UnixTime};
use serde_json::json;

/// The key of a group is used from where none of its units may be.
const MISUSED: &str = "legacy-key-misused";
/// Two came for one unit, from behind its line.
const SECOND: &str = "legacy-second-claim";

impl Tx<'_> {
    /// Counts the use of a group's key, which is good until the group ends: after that nothing is written for a unit.
    /// `is_ours`: the unit is in the ledger.
    pub(super) fn used_by_legacy(
        &mut self,
        group: &LegacyGroup,
        ask: &Ask<'_>,
        is_ours: bool,
        now: UnixTime,
    ) -> Result<(), NoCertificate> {
        if !group.is_in_force(now) {
            return Err(Denied::LegacyOver.into());
        }
        if is_ours {
            let Ask { device, by_cert: cert_sha256, from, .. } = *ask;
            let (realm, by) = (Some(ask.realm.clone()), ask.protocol.to_owned());
            self.legacy_used(group, KeyUse { device, cert_sha256, realm, from, by, at: now }, now)?;
        }
        Ok(())
    }

    /// Tells a person of a denial. A second claim for a unit that is enrolled by the group's key, from behind its line and
    /// no other, holds the unit, and leaves the first in doubt. A unit that is enrolled otherwise was never of the group:
    /// its key says nothing of that one.
    pub(super) fn tell_of_legacy(
        &mut self,
        group: &LegacyGroup,
        ask: &Ask<'_>,
        denied: Denied,
        now: UnixTime,
    ) -> Result<(), LedgerError> {
        if denied == Denied::LegacyOver {
            return self.tell_of_misuse(group, ask, denied, now);
        }
        let (at_home, reason) = (self.claims_from_home(ask)?, denied.as_str().to_owned());
        let denial = LegacyDenial { reason, at_home, from: ask.from, at: now };
        self.legacy_denied(&group.name, ask.device, denial)?;
        if !at_home {
            return self.tell_of_misuse(group, ask, denied, now);
        }
        let newest = self.newest(ask.device, now)?;
        let Some(first) = newest.filter(|_| denied == Denied::AlreadyEnrolled) else {
            return self.tell(ask, denied, now);
        };
        if self.group_of(&first)?.as_ref() != Some(&group.name) {
            return self.tell_of_misuse(group, ask, denied, now);
        }
        match ask.is_said_after(first.issued_at, now) {
            true => self.second_claim(group, ask, first, now),
            false => self.tell(ask, denied, now),
        }
    }

    /// The group by whose key the unit first came that has this certificate. None where it came otherwise, and where a
    /// certificate of before goes on counting, or has another successor.
    fn group_of(&mut self, certificate: &Credential) -> Result<Option<Label>, LedgerError> {
        let mut first = certificate.clone();
        while let Some(parent) = first.parent {
            let Some(parent) = self.credential(parent)? else { return Ok(None) };
            if parent.superseded.as_ref().is_none_or(|superseded| superseded.by != first.cert_sha256) {
                return Ok(None);
            }
            first = parent;
        }
        let Some(Leave::Order(order)) = self.certificate_of(&first)?.map(|issued| issued.leave) else {
            return Ok(None);
        };
        Ok(self.order(&order)?.and_then(|order| order.group().cloned()))
    }

    /// Whether a unit is held for a second claim alone, and this is its one certificate that counts. It may be renewed from
    /// behind the unit's line, and what comes of it is in doubt as well: a copy of the group's key has not the key of
    /// that, and is no switch for the genuine unit. After a fork two count, or have a predecessor that does.
    pub(super) fn is_held_for_claim(&mut self, head: &Credential) -> Result<bool, LedgerError> {
        if !head.doubt.as_ref().is_some_and(|doubt| doubt.kind == DoubtKind::Unsure) {
            return Ok(false);
        }
        let all = self.all::<Credential>(Some(("device", &head.device.to_string())))?;
        let is_only = all.iter().filter(|one| one.is_last()).all(|one| one.cert_sha256 == head.cert_sha256);
        Ok(is_only && self.group_of(head)?.is_some())
    }

    /// Whether it asks from behind the unit's line and no other, as its order or the ledger has it.
    fn claims_from_home(&mut self, ask: &Ask<'_>) -> Result<bool, LedgerError> {
        let own = self.device(ask.device)?.and_then(|device| device.access_line);
        let ordered = self.orders_standing(ask.device)?.into_iter().map(|order| order.line);
        for line in ordered.chain(own) {
            if self.is_behind_alone(&line, ask.from)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn second_claim(
        &mut self,
        group: &LegacyGroup,
        ask: &Ask<'_>,
        first: Credential,
        now: UnixTime,
    ) -> Result<(), LedgerError> {
        let because = Because::new("enrolment", SECOND);
        self.hold(ask.device, SECOND, now)?;
        let why = format!("another came for {} by the key of legacy group {}", ask.device, group.name);
        let evidence = json!({
            "group": group.name,
            "first": { "certificate": first.cert_sha256, "since": first.issued_at, "asked_from": self.came_from(&first)? },
            "second": { "certificate": ask.by_cert, "asks_from": ask.from, "key": ask.spki },
        });
        let doubt = Some(Doubt { kind: DoubtKind::Unsure, since: now, why });
        self.put_row(&Credential { doubt, ..first }, &because, now)?;
        let summary = format!(
            "two came for {} by the key of legacy group {}, the second from {}: both are held",
            ask.device, group.name, ask.from
        );
        let devices = vec![ask.device];
        self.tell_once(NewIncident { kind: SECOND, devices, summary, evidence, more: 0 }, now)
    }

    /// One incident for each group, while it is open.
    fn tell_of_misuse(
        &mut self,
        group: &LegacyGroup,
        ask: &Ask<'_>,
        denied: Denied,
        now: UnixTime,
    ) -> Result<(), LedgerError> {
        let (device, from, reason) = (ask.device, ask.from, denied.as_str());
        let summary = format!(
            "the key of legacy group {} was used from {from}, in the name of {device}: {reason}",
            group.name
        );
        let evidence = json!({
            "table": LegacyGroup::TABLE,
            "key": group.name,
            "reason": reason,
            "device": device,
            "from": from,
            "protocol": ask.protocol,
            "certificate": ask.by_cert,
        });
        let new = NewIncident { kind: MISUSED, devices: Vec::new(), summary, evidence, more: 0 };
        match self.is_open(&new)? {
            true => Ok(()),
            false => self.open_incident(new, "enrolment", now).map(drop),
        }
    }
}
