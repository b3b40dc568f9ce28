//! What is otherwise where a unit asks by the key of a legacy group. Thousands have that key, so that asking by it says
//! nothing of who asks; only the line does. From elsewhere nobody can have a unit held, nor an incident opened for it: that
//! would let whoever has the key stop them all.

use super::{Ask, Denied, NoCertificate};
use crate::{
    Credential, Doubt, DoubtKind, KeyUse, LedgerError, LegacyDenial, LegacyGroup, NewIncident, Row, Tx,
    transaction::Because,
};
use ids::UnixTime;
use serde_json::json;

/// The key of a group is used from where none of its units may be.
const MISUSED: &str = "legacy-key-misused";
/// Two came for one unit, from behind its line.
const SECOND: &str = "legacy-second-claim";

impl Tx<'_> {
    /// Counts the use of a group's key, which is good until the group ends. `is_ours`: the unit is in the ledger.
    pub(super) fn used_by_legacy(
        &mut self,
        group: &LegacyGroup,
        ask: &Ask<'_>,
        is_ours: bool,
        now: UnixTime,
    ) -> Result<(), NoCertificate> {
        if is_ours {
            let Ask { device, by_cert: cert_sha256, from, .. } = *ask;
            let (realm, by) = (Some(ask.realm.clone()), ask.protocol.to_owned());
            self.legacy_used(group, KeyUse { device, cert_sha256, realm, from, by, at: now }, now)?;
        }
        match group.is_in_force(now) {
            true => Ok(()),
            false => Err(Denied::LegacyOver.into()),
        }
    }

    /// Tells a person of a denial. A second claim for a unit that is enrolled, from behind its line, holds the unit, and
    /// leaves the first in doubt.
    pub(super) fn tell_of_legacy(
        &mut self,
        group: &LegacyGroup,
        ask: &Ask<'_>,
        denied: Denied,
        now: UnixTime,
    ) -> Result<(), LedgerError> {
        let (at_home, reason) = (self.claims_from_home(ask)?, denied.as_str().to_owned());
        let denial = LegacyDenial { reason, at_home, from: ask.from, at: now };
        self.legacy_denied(&group.name, ask.device, denial)?;
        if !at_home || denied == Denied::LegacyOver {
            return self.tell_of_misuse(group, ask, denied, now);
        }
        match (denied, self.newest(ask.device, now)?) {
            (Denied::AlreadyEnrolled, Some(first)) if ask.is_said_after(first.issued_at, now) => {
                self.second_claim(group, ask, first, now)
            }
            (_, _) => self.tell(ask, denied, now),
        }
    }

    /// Whether it asks from behind the unit's line, as its order or the ledger has it.
    fn claims_from_home(&mut self, ask: &Ask<'_>) -> Result<bool, LedgerError> {
        let own = self.device(ask.device)?.and_then(|device| device.access_line);
        let ordered = self.orders_standing(ask.device)?.into_iter().map(|order| order.line);
        for line in ordered.chain(own) {
            if self.is_behind(&line, ask.from)? == Some(true) {
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
