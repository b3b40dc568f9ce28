//! A person is told, and where it may be a copy nothing more is issued until one has looked.

use super::{Ask, Denied, leave::sorted};
use crate::{
    Closed, Device, Enrolment, LedgerError, NewIncident, Tx, sighting::SHARED, transaction::Because,
};
use ids::{DeviceId, UnixTime};
use serde_json::{Value, json};

/// Kinds of incidents that an enrolment opens.
const DENIED: &str = "enrolment-denied";
const FORK: &str = "lineage-fork";

impl Tx<'_> {
    /// Tells a person of a denial, and holds the unit where another may hold its keys.
    pub(super) fn tell(&mut self, ask: &Ask<'_>, denied: Denied, now: UnixTime) -> Result<(), LedgerError> {
        let sighting = self.sighting(ask.by_spki)?;
        let uses = sighting.as_ref().map(|sighting| json!(sighting.uses)).unwrap_or_default();
        let evidence = json!({
            "reason": denied.as_str(),
            "from": ask.from,
            "protocol": ask.protocol,
            "certificate": ask.by_cert,
            "uses_of_its_key": uses,
        });
        let shared = sighting.filter(|_| denied == Denied::SharedCredential);
        // One incident for each key: of whom it was first, and who came second.
        let (kind, devices) = match shared {
            Some(sighting) => (SHARED, sorted(sighting.devices().into_iter().take(2).collect())),
            None => (DENIED, vec![ask.device]),
        };
        if self.is_evidence(ask, denied, now)? {
            for device in devices.iter().chain([&ask.device]) {
                self.hold(*device, denied.as_str(), now)?;
            }
        }
        let (device, from, why) = (ask.device, ask.from, denied.as_str());
        let summary = match kind {
            SHARED => format!("one vendor key vouched for more than one unit: {device}, from {from}"),
            _ => format!("{device} asked for a certificate from {from} and got none: {why}"),
        };
        self.tell_once(NewIncident { kind, devices, summary, evidence, more: 0 }, now)
    }

    /// Whether another may hold the unit's keys.
    fn is_evidence(&mut self, ask: &Ask<'_>, denied: Denied, now: UnixTime) -> Result<bool, LedgerError> {
        match denied {
            Denied::SharedCredential | Denied::OtherVendorKey => Ok(true),
            Denied::AlreadyEnrolled => {
                let newest = self.newest(ask.device, now)?;
                Ok(newest.is_some_and(|newest| ask.is_said_after(newest.issued_at)))
            }
            Denied::NoSuchUnit
            | Denied::NoOrder
            | Denied::OtherLine
            | Denied::KnownKey
            | Denied::LegacyOver
            | Denied::Held
            | Denied::Barred
            | Denied::Fork
            | Denied::UnknownCertificate
            | Denied::Expired
            | Denied::Revoked
            | Denied::VendorDistrusted
            | Denied::TransactionInUse
            | Denied::NoTransaction
            | Denied::Over => Ok(false),
        }
    }

    pub(super) fn tell_of_fork(
        &mut self,
        ask: &Ask<'_>,
        successors: &[Value],
        now: UnixTime,
    ) -> Result<(), LedgerError> {
        let older = json!({ "certificate": ask.by_cert, "asks_from": ask.from, "key": ask.spki });
        let summary = format!(
            "{} asked from {} for a second successor of one certificate: one of two holders is a copy",
            ask.device, ask.from
        );
        let evidence = json!({ "older": older, "successors": successors, "protocol": ask.protocol });
        let fork = NewIncident { kind: FORK, devices: vec![ask.device], summary, evidence, more: 0 };
        self.tell_once(fork, now)
    }

    pub(super) fn tell_once(&mut self, new: NewIncident, now: UnixTime) -> Result<(), LedgerError> {
        match self.incident_that_is_open(new.kind, &new.devices)? {
            Some(_) => Ok(()),
            None => self.open_incident(new, "enrolment", now).map(drop),
        }
    }

    /// Nothing more is issued for a unit before a person has looked: an order from after this is that person's word.
    pub(super) fn hold(&mut self, id: DeviceId, why: &str, now: UnixTime) -> Result<(), LedgerError> {
        let because = Because::new("enrolment", why);
        let Some(device) = self.device(id)?.filter(|device| device.enrolment != Enrolment::Held) else {
            return Ok(());
        };
        for mut order in self.orders_standing(id)? {
            let (by, why) = (because.by.to_owned(), format!("the enrolment of the unit is held: {why}"));
            order.closed = Some(Closed { at: now, by, why, certificate: None });
            self.put_row(&order, &because, now)?;
        }
        self.put_row(&Device { enrolment: Enrolment::Held, ..device }, &because, now).map(drop)
    }
}
