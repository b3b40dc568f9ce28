//! A person is told, and where it may be a copy nothing more is issued until one has looked.

use super::{Ask, Denied, leave::sorted};
use crate::{
    Closed, Credential, Device, Enrolment, InstallOrder, LedgerError, NewIncident, Sighting, Tx,
    sighting::SHARED, transaction::Because,
};
use ids::{DeviceId, UnixTime};
use serde_json::{Value, json};

/// Kinds of incidents that an enrolment opens.
const DENIED: &str = "enrolment-denied";
const FORK: &str = "lineage-fork";
const TOO_OFTEN: &str = "enrolment-too-often";

impl Tx<'_> {
    /// Tells a person of a denial, and holds the unit's enrolment where another may hold its vendor's key.
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
        let shared_since = sighting.as_ref().and_then(Sighting::shared_since);
        let shared = sighting.filter(|_| denied == Denied::SharedCredential);
        // One incident for each key: of whom it was first, and who came second.
        let (kind, devices) = match shared {
            Some(sighting) => (SHARED, sorted(sighting.devices().into_iter().take(2).collect())),
            None => (DENIED, vec![ask.device]),
        };
        if self.is_evidence(ask, denied, now)? {
            for device in devices.iter().chain([&ask.device]) {
                self.hold_enrolment(*device, ask, shared_since, denied, now)?;
            }
        }
        let (device, from, why) = (ask.device, ask.from, denied.as_str());
        let summary = match kind {
            SHARED => format!("one vendor key vouched for more than one unit: {device}, from {from}"),
            _ => format!("{device} asked for a certificate from {from} and got none: {why}"),
        };
        self.tell_once(NewIncident { kind, devices, summary, evidence, more: 0 }, now)
    }

    /// Whether another may hold the vendor's key of the unit.
    fn is_evidence(&mut self, ask: &Ask<'_>, denied: Denied, now: UnixTime) -> Result<bool, LedgerError> {
        match denied {
            Denied::SharedCredential | Denied::OtherVendorKey => Ok(true),
            Denied::AlreadyEnrolled => {
                let newest = self.newest(ask.device, now)?;
                Ok(newest.is_some_and(|newest| ask.is_said_after(newest.issued_at, now)))
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

    /// Somebody has the unit's certificates issued faster than a unit needs them: a copy that never confirms keeps the unit
    /// from its own. A person is told, once while that is open; nobody is held.
    ///
    /// # Errors
    /// As [`Self::device`].
    pub fn out_of_pace(&mut self, ask: &Ask<'_>, now: UnixTime) -> Result<(), LedgerError> {
        let (device, from) = (ask.device, ask.from);
        let summary = format!("certificates of {device} are asked for too often, now from {from}");
        let evidence = json!({ "from": from, "protocol": ask.protocol, "certificate": ask.by_cert });
        let new = NewIncident { kind: TOO_OFTEN, devices: vec![device], summary, evidence, more: 0 };
        self.tell_once(new, now)
    }

    pub(super) fn tell_once(&mut self, new: NewIncident, now: UnixTime) -> Result<(), LedgerError> {
        match self.incident_that_is_open(new.kind, &new.devices)? {
            Some(_) => Ok(()),
            None => self.open_incident(new, "enrolment", now).map(drop),
        }
    }

    /// Nobody enrols as this unit by its vendor's key before a person has looked: an order from after this is that person's
    /// word. A unit that has a certificate keeps it and renews it: whoever has copied the vendor's key has not the key of
    /// that. An order stands by which two people vouch for the key that others are known to have.
    fn hold_enrolment(
        &mut self,
        id: DeviceId,
        ask: &Ask<'_>,
        shared_since: Option<UnixTime>,
        denied: Denied,
        now: UnixTime,
    ) -> Result<(), LedgerError> {
        let Some(device) = self.unheld(id)? else { return Ok(()) };
        let (mut orders, why) = (self.orders_standing(id)?, denied.as_str());
        orders.retain(|order| !shared_since.is_some_and(|since| order.vouches_for(ask.by_spki, since)));
        self.close_held(orders, why, now)?;
        let certificates: Vec<Credential> = self.all(Some(("device", &id.to_string())))?;
        match certificates.iter().any(Credential::is_last) {
            true => Ok(()),
            false => self.put_held(device, why, now),
        }
    }

    /// Nothing more is issued for a unit at all before a person has looked.
    pub(super) fn hold(&mut self, id: DeviceId, why: &str, now: UnixTime) -> Result<(), LedgerError> {
        let Some(device) = self.unheld(id)? else { return Ok(()) };
        let orders = self.orders_standing(id)?;
        self.close_held(orders, why, now)?;
        self.put_held(device, why, now)
    }

    fn unheld(&mut self, id: DeviceId) -> Result<Option<Device>, LedgerError> {
        Ok(self.device(id)?.filter(|device| device.enrolment != Enrolment::Held))
    }

    fn close_held(&mut self, orders: Vec<InstallOrder>, why: &str, now: UnixTime) -> Result<(), LedgerError> {
        let because = Because::new("enrolment", why);
        for mut order in orders {
            let (by, why) = (because.by.to_owned(), format!("the enrolment of the unit is held: {why}"));
            order.closed = Some(Closed { at: now, by, why, certificate: None });
            self.put_row(&order, &because, now)?;
        }
        Ok(())
    }

    fn put_held(&mut self, device: Device, why: &str, now: UnixTime) -> Result<(), LedgerError> {
        let held = Device { enrolment: Enrolment::Held, ..device };
        self.put_row(&held, &Because::new("enrolment", why), now).map(drop)
    }
}
