//! Leave to enrol: the order, the line, the vendor's key, the new key.

use super::{Ask, Denied, NoCertificate};
use crate::{
    CertificateRecord, Credential, Device, Enrolment, InstallOrder, KeyUse, Leave, LedgerError, OrderState,
    Revoked, Tx, allows, transaction::Because,
};
use ids::{AccessLine, CrlReason, DeviceId, Sha256, UnixTime};
use std::net::IpAddr;

impl Tx<'_> {
    /// By what leave a unit is enrolled that asks by its vendor's certificate. What waited by the same leave is over.
    /// Where the answer is no, that is written down for a person, once while it is open.
    ///
    /// # Errors
    /// [`NoCertificate`]. What a denial wrote stands with the transaction.
    pub fn leave_to_enrol(&mut self, ask: &Ask<'_>, now: UnixTime) -> Result<Leave, NoCertificate> {
        self.transaction_is_new(ask)?;
        let granted = self.order_for(ask, now);
        match granted {
            Ok(order) => {
                let leave = Leave::Order(order.id);
                self.end_waiting(&leave, now)?;
                Ok(leave)
            }
            // A person has said so for all of them; and whoever has a vendor's CA can name any number.
            Err(NoCertificate::Denied(denied @ (Denied::VendorDistrusted | Denied::NoSuchUnit))) => {
                Err(denied.into())
            }
            Err(NoCertificate::Denied(denied)) => {
                match self.legacy_group_of(ask.by_spki)? {
                    Some(group) => self.tell_of_legacy(&group, ask, denied, now)?,
                    None => self.tell(ask, denied, now)?,
                }
                Err(denied.into())
            }
            Err(error) => Err(error),
        }
    }

    /// A message that is played again tells nobody anything.
    pub(super) fn transaction_is_new(&mut self, ask: &Ask<'_>) -> Result<(), NoCertificate> {
        match self.in_transaction(ask.transaction)? {
            Some(_) => Err(Denied::TransactionInUse.into()),
            None => Ok(()),
        }
    }

    fn order_for(&mut self, ask: &Ask<'_>, now: UnixTime) -> Result<InstallOrder, NoCertificate> {
        if self.is_distrusted(ask.realm)? {
            return Err(Denied::VendorDistrusted.into());
        }
        let device = self.device(ask.device)?;
        let group = self.legacy_group_of(ask.by_spki)?;
        match &group {
            Some(group) => self.used_by_legacy(group, ask, device.is_some(), now)?,
            None => self.vendor_key_is_one_units(ask, device.is_some(), now)?,
        }
        let device = device.ok_or(Denied::NoSuchUnit)?;
        self.key_is_new(ask)?;
        let standing = self.orders_standing(ask.device)?;
        let group = group.map(|group| group.name);
        let is_for =
            |order: &InstallOrder| order.state(now) == OrderState::Open && order.group() == group.as_ref();
        let open = standing.into_iter().find(is_for);
        let Some(order) = open else { return Err(self.without_order(&device, now)?.into()) };
        if !allows(device.state, Enrolment::Ordered).enrol {
            return Err(Denied::Barred.into());
        }
        if order.vendor_key.is_some_and(|key| key != ask.by_spki) {
            return Err(Denied::OtherVendorKey.into());
        }
        if group.is_some()
            && !(self.is_line_of_one(&order.line, device.id)?
                && self.is_behind_alone(&order.line, ask.from)?)
        {
            return Err(Denied::OtherLine.into());
        }
        // Where nobody knows what is behind the line, nobody can say that it is there.
        match self.is_behind(&order.line, ask.from)? {
            Some(true) => Ok(order),
            Some(false) | None => Err(Denied::OtherLine.into()),
        }
    }

    /// `is_ours`: the unit is in the ledger. Of others only what shows a unit of ours is written down.
    fn vendor_key_is_one_units(
        &mut self,
        ask: &Ask<'_>,
        is_ours: bool,
        now: UnixTime,
    ) -> Result<(), NoCertificate> {
        let Ask { device, by_cert: cert_sha256, from, .. } = *ask;
        let (realm, by) = (Some(ask.realm.clone()), ask.protocol.to_owned());
        let new = KeyUse { device, cert_sha256, realm, from, by, at: now };
        let shared_since = match is_ours || self.sighting(ask.by_spki)?.is_some() {
            true => self.sighted(ask.by_spki, new, now)?.shared_since(),
            false => None,
        };
        let certified =
            self.key_holders(ask.by_spki)?.into_iter().any(|holder| holder.device != Some(device));
        let is_its_own = match shared_since {
            None => true,
            Some(since) => self.two_vouch_for(ask, since, now)?,
        };
        match is_its_own && !certified {
            true => Ok(()),
            false => Err(Denied::SharedCredential.into()),
        }
    }

    /// Whether an order says that this unit comes by the key all the same.
    fn two_vouch_for(
        &mut self,
        ask: &Ask<'_>,
        shared_since: UnixTime,
        now: UnixTime,
    ) -> Result<bool, LedgerError> {
        let orders = self.orders_standing(ask.device)?.into_iter();
        let mut open = orders.filter(|order| order.state(now) == OrderState::Open);
        Ok(open.any(|order| order.vouches_for(ask.by_spki, shared_since)))
    }

    /// Nobody ever had the key to be certified, but this unit itself where it came to nothing.
    pub(super) fn key_is_new(&mut self, ask: &Ask<'_>) -> Result<(), NoCertificate> {
        let seen = self.sighting(ask.spki)?.is_some();
        let counted = !self.with_key::<Credential>(Credential::KEY, ask.spki)?.is_empty();
        let mut signed = self.with_key::<CertificateRecord>(CertificateRecord::KEY, ask.spki)?.into_iter();
        match seen || counted || signed.any(|signed| signed.device != Some(ask.device)) {
            true => Err(Denied::KnownKey.into()),
            false => Ok(()),
        }
    }

    fn with_key<R: crate::Row>(&mut self, name: &str, spki: Sha256) -> Result<Vec<R>, LedgerError> {
        self.all(Some((name, &spki.to_string())))
    }

    /// Whether an address is behind a line; `None` when nobody knows.
    pub(super) fn is_behind(&mut self, line: &AccessLine, from: IpAddr) -> Result<Option<bool>, LedgerError> {
        Ok(self.line(line)?.and_then(|line| line.covers(from)))
    }

    /// A unit whose certificates have all ended may have been reset, and has none to lose.
    fn without_order(&mut self, device: &Device, now: UnixTime) -> Result<Denied, LedgerError> {
        Ok(match device.enrolment {
            Enrolment::Enrolled if self.newest(device.id, now)?.is_some() => Denied::AlreadyEnrolled,
            Enrolment::Held => Denied::Held,
            Enrolment::None | Enrolment::Ordered | Enrolment::Enrolled => Denied::NoOrder,
        })
    }

    /// The certificate of a unit that counts and has no successor.
    pub(super) fn newest(
        &mut self,
        device: DeviceId,
        now: UnixTime,
    ) -> Result<Option<Credential>, LedgerError> {
        let all = self.all::<Credential>(Some(("device", &device.to_string())))?.into_iter();
        let mut heads = all.filter(|one| one.revoked.is_none() && one.superseded.is_none());
        Ok(heads.find(|head| now <= head.not_after))
    }

    /// What was issued by a leave and not confirmed comes to nothing.
    pub(super) fn end_waiting(&mut self, leave: &Leave, now: UnixTime) -> Result<(), LedgerError> {
        let entry = leave.entry();
        let open = entry.map_or(Ok(Vec::new()), |entry| self.all(Some((Leave::OPEN, &entry))))?;
        open.into_iter()
            .try_for_each(|certificate| self.never_confirmed(certificate, "the unit began anew", now))
    }

    /// Nobody has confirmed it, and from now on nobody can.
    pub(super) fn never_confirmed(
        &mut self,
        mut certificate: CertificateRecord,
        why: &str,
        now: UnixTime,
    ) -> Result<(), LedgerError> {
        // Of one that was confirmed, the credential says what became of it.
        if certificate.revoked.is_some() || self.credential(certificate.cert_sha256)?.is_some() {
            return Ok(());
        }
        let until = certificate.transaction.as_ref().map_or(now, |transaction| transaction.until);
        let reason = Some(CrlReason::CessationOfOperation);
        certificate.revoked = Some(Revoked { at: now.min(until), reason, why: why.to_owned() });
        self.has_revoked();
        self.put_row(&certificate, &Because::new("enrolment", why), now).map(drop)
    }
}

/// Units in the order of their names, each once.
pub(super) fn sorted(mut devices: Vec<DeviceId>) -> Vec<DeviceId> {
    devices.sort_unstable();
    devices.dedup();
    devices
}
