//! What a unit says of the certificate that it was given, and what that makes of it.

use super::{Denied, NoCertificate};
use crate::{
    CertificateRecord, Closed, Credential, Device, Doubt, DoubtKind, Enrolment, InstallOrder, Leave, Ledger,
    LedgerError, LifeCycle, OrderState, Origin, Superseded, Transaction, Tx, allows,
    transaction::Because,
    trust::{Said, SignalKind, TrustEvidence},
};
use ids::{CrlReason, DeviceId, OrderId, Realm, UnixTime};
use std::net::IpAddr;

/// How far the enrolment is that a certificate was issued in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The unit may still confirm it.
    Waiting,
    /// It has.
    Confirmed,
    /// It has not and can't any more, or what it confirmed was revoked.
    Over,
}

const BY: &str = "enrolment";
/// Why a certificate came to nothing whose time to be confirmed is over.
const LATE: &str = "the unit did not confirm it in time";

impl Tx<'_> {
    /// The certificate that was issued in a transaction, and how far that is.
    ///
    /// # Errors
    /// As [`Self::device`].
    pub fn enrolment(
        &mut self,
        id: &[u8],
        now: UnixTime,
    ) -> Result<Option<(CertificateRecord, Stage)>, LedgerError> {
        let Some(certificate) = self.in_transaction(id)? else { return Ok(None) };
        let credential = self.credential(certificate.cert_sha256)?;
        let stage = Stage::of(&certificate, credential.as_ref(), now);
        Ok(Some((certificate, stage)))
    }

    pub(super) fn in_transaction(&mut self, id: &[u8]) -> Result<Option<CertificateRecord>, LedgerError> {
        let found = self.all(Some((Transaction::ENTRY, &Transaction::entry(id))))?;
        Ok(found.into_iter().next())
    }

    /// The unit has its certificate: it counts from now on, in `realm`. Its order is used, the certificate of before is
    /// superseded.
    ///
    /// # Errors
    /// [`NoCertificate`]: also [`Denied::Over`] where the leave was taken back meanwhile.
    pub fn confirm(&mut self, id: &[u8], realm: &Realm, now: UnixTime) -> Result<Credential, NoCertificate> {
        let (certificate, stage) = self.enrolment(id, now)?.ok_or(Denied::NoTransaction)?;
        match stage {
            Stage::Waiting => self.count(certificate, realm, now),
            Stage::Confirmed => Ok(self.credential(certificate.cert_sha256)?.ok_or(Denied::NoTransaction)?),
            Stage::Over => {
                self.never_confirmed(certificate, LATE, now)?;
                Err(Denied::Over.into())
            }
        }
    }

    /// What its unit did not confirm in time comes to nothing, for good.
    ///
    /// # Errors
    /// As [`Self::device`].
    pub fn lapse(&mut self, id: &[u8], now: UnixTime) -> Result<(), LedgerError> {
        match self.enrolment(id, now)? {
            Some((certificate, Stage::Over)) => self.never_confirmed(certificate, LATE, now),
            Some((_, Stage::Waiting | Stage::Confirmed)) | None => Ok(()),
        }
    }

    /// The unit does not want it.
    ///
    /// # Errors
    /// [`NoCertificate`]
    pub fn reject(&mut self, id: &[u8], now: UnixTime) -> Result<(), NoCertificate> {
        match self.enrolment(id, now)?.ok_or(Denied::NoTransaction)? {
            (_, Stage::Confirmed) => Err(Denied::Over.into()),
            (certificate, _) => Ok(self.never_confirmed(certificate, "the unit rejected it", now)?),
        }
    }

    /// Of a certificate that waits, which is no credential yet.
    fn count(
        &mut self,
        certificate: CertificateRecord,
        realm: &Realm,
        now: UnixTime,
    ) -> Result<Credential, NoCertificate> {
        let id = certificate.device.ok_or(Denied::NoTransaction)?;
        let device = self.device(id)?.ok_or(Denied::Over)?;
        let mut credential = credential_of(&certificate, id, realm, now);
        let carrier = device.clone();
        let anew;
        match &certificate.leave {
            Leave::Order(order) => {
                let order = self.order_of(&device, order)?.ok_or(Denied::Over)?;
                let is_open = order.state(certificate.issued_at) == OrderState::Open;
                if !(is_open && allows(device.state, Enrolment::Ordered).enrol) {
                    return Err(Denied::Over.into());
                }
                credential.doubt = by_legacy(&order, &certificate);
                anew = order.legacy.as_ref().map(|_| SignalKind::Migrated);
                self.use_order(order, device, &credential, now)?;
            }
            Leave::Parent(parent) => {
                let parent = self.credential(*parent)?.ok_or(Denied::Over)?;
                let is_excused = device.enrolment == Enrolment::Held && self.is_held_for_claim(&parent)?;
                let enrolment = if is_excused { Enrolment::Enrolled } else { device.enrolment };
                may_still_renew(device.state, enrolment, &parent)?;
                let is_extended = self.is_extended(&parent, now)?;
                let returned = returned(&parent, &certificate).filter(|_| !is_extended);
                anew = returned.as_ref().map(|_| SignalKind::Returned);
                credential.doubt = parent.doubt.clone().filter(|_| is_excused).or(returned);
                credential.parent = Some(parent.cert_sha256);
                self.supersede(parent, &credential, now)?;
            }
            Leave::Word | Leave::Approved(_) => return Err(Denied::NoTransaction.into()),
        }
        let event = self.put_row_behind(None, &credential, &Because::new(BY, "confirmed"), now)?;
        let why = credential.doubt.as_ref().map_or("", |doubt| &doubt.why);
        let said = Said::now(BY, TrustEvidence::Event(event), why, now);
        self.cell_signals(&carrier, anew.as_slice(), &said, now)?;
        Ok(credential)
    }

    /// An order of the unit that is not closed.
    fn order_of(&mut self, device: &Device, id: &OrderId) -> Result<Option<InstallOrder>, LedgerError> {
        Ok(self.orders_standing(device.id)?.into_iter().find(|order| order.id == *id))
    }

    /// The unit is installed where its order says, and enrolled. It comes anew: what it had before counts no more.
    fn use_order(
        &mut self,
        mut order: InstallOrder,
        device: Device,
        credential: &Credential,
        now: UnixTime,
    ) -> Result<(), LedgerError> {
        let because = Because::new(BY, "enrolled by its order");
        for before in self.all::<Credential>(Some(("device", &device.id.to_string())))? {
            self.revoke(before.cert_sha256, Some(CrlReason::Superseded), &because, now)?;
        }
        let arrives = matches!(device.state, LifeCycle::Made | LifeCycle::Shipped);
        let (state, state_since) = match arrives {
            true => (LifeCycle::Installed, now),
            false => (device.state, device.state_since),
        };
        let site = if order.site.is_empty() { device.site } else { order.site.clone() };
        let access_line = Some(order.line.clone());
        let enrolment = Enrolment::Enrolled;
        self.put_row(&Device { state, state_since, site, access_line, enrolment, ..device }, &because, now)?;
        let (by, why) = (because.by.to_owned(), because.why.to_owned());
        order.closed = Some(Closed { at: now, by, why, certificate: Some(credential.cert_sha256) });
        self.put_row(&order, &because, now).map(drop)
    }

    fn supersede(
        &mut self,
        parent: Credential,
        credential: &Credential,
        now: UnixTime,
    ) -> Result<(), LedgerError> {
        let superseded = Some(Superseded { at: now, by: credential.cert_sha256 });
        let because = Because::new(BY, "its successor counts");
        self.put_row(&Credential { superseded, ..parent }, &because, now).map(drop)
    }

    /// From where the unit asked for a certificate.
    pub(super) fn came_from(&mut self, credential: &Credential) -> Result<Option<IpAddr>, LedgerError> {
        let issued = self.certificate_of(credential)?;
        Ok(issued.and_then(|issued| issued.transaction).map(|transaction| transaction.from))
    }
}

impl Ledger {
    /// As [`Tx::enrolment`], of what is committed.
    ///
    /// # Errors
    /// As [`Self::device`].
    pub fn enrolment(
        &self,
        id: &[u8],
        now: UnixTime,
    ) -> Result<Option<(CertificateRecord, Stage)>, LedgerError> {
        let found = self.every::<CertificateRecord>(Some((Transaction::ENTRY, &Transaction::entry(id))))?;
        let Some(certificate) = found.whole()?.into_iter().next() else { return Ok(None) };
        let credential = self.credential(certificate.cert_sha256)?;
        let stage = Stage::of(&certificate, credential.as_ref(), now);
        Ok(Some((certificate, stage)))
    }
}

impl Stage {
    /// `credential`: what the confirmation made of the certificate.
    fn of(certificate: &CertificateRecord, credential: Option<&Credential>, now: UnixTime) -> Self {
        let in_time = certificate.transaction.as_ref().is_some_and(|transaction| now <= transaction.until);
        match credential {
            Some(credential) if credential.revoked.is_none() => Self::Confirmed,
            None if in_time && certificate.revoked.is_none() => Self::Waiting,
            Some(_) | None => Self::Over,
        }
    }
}

/// What can have changed between question and confirmation.
fn may_still_renew(state: LifeCycle, enrolment: Enrolment, parent: &Credential) -> Result<(), Denied> {
    let is_ours = parent.revoked.is_none() && parent.superseded.is_none();
    match is_ours && allows(state, enrolment).enrol {
        true => Ok(()),
        false => Err(Denied::Over),
    }
}

/// A unit that comes back after its certificate has expired is watched.
fn returned(parent: &Credential, certificate: &CertificateRecord) -> Option<Doubt> {
    let at = certificate.issued_at;
    (at > parent.not_after).then(|| Doubt {
        kind: DoubtKind::Probation,
        since: at,
        why: format!("it renewed a certificate that had expired at {}", parent.not_after),
    })
}

/// Whoever has a key that many have is watched.
fn by_legacy(order: &InstallOrder, certificate: &CertificateRecord) -> Option<Doubt> {
    let (kind, since) = (DoubtKind::Probation, certificate.issued_at);
    order.legacy.as_ref().map(|legacy| Doubt { kind, since, why: legacy.doubt() })
}

fn credential_of(
    certificate: &CertificateRecord,
    device: DeviceId,
    realm: &Realm,
    now: UnixTime,
) -> Credential {
    Credential {
        cert_sha256: certificate.cert_sha256,
        device,
        realm: realm.clone(),
        serial: certificate.serial.clone(),
        spki_sha256: certificate.spki_sha256,
        not_before: certificate.not_before,
        not_after: certificate.not_after,
        issued_at: now,
        origin: Origin::Issued,
        parent: None,
        superseded: None,
        doubt: None,
        revoked: None,
    }
}
