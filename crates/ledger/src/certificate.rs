//! Certificates that our own CAs signed. A row is written before anybody gets the certificate, and stays as it is: what
//! becomes of a unit's certificate is in its [`Credential`], which there is once the unit has confirmed it. Until then it
//! lets nobody attach. Only a certificate that is nobody's credential has that in its own row: [`Standing`] is the one
//! truth about each.

use crate::{
    Approval, Credential, Device, Ledger, LedgerError, LifeCycle, Origin, Row, Tx, book::Rows,
    credential::Revoked, life_cycle::bars, transaction::Because,
};
use base64ct::{Base64, Encoding};
use ids::{CertSha256, CrlReason, DeviceId, DeviceName, OrderId, Sha256, UnixTime};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
use std::net::IpAddr;

/// A certificate that one of our own CAs signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CertificateRecord {
    /// Which issuing CA: `devices` or `gateways`; of a later generation with its number, as `devices-2`.
    pub issuer: String,
    /// Serial number, lower-case hex; unique among all that our CAs sign.
    pub serial: String,
    /// SHA-256 over the certificate: the name of its credential.
    pub cert_sha256: CertSha256,
    /// SHA-256 over its SubjectPublicKeyInfo.
    pub spki_sha256: Sha256,
    /// Whom it is for: `device`, `gateway`, `ocsp_signer`, `registration_authority`.
    pub kind: String,
    /// Which unit, where it is for one.
    pub device: Option<DeviceId>,
    /// The first dNSName; the common name where there is none.
    pub name: String,
    /// First second of validity.
    pub not_before: UnixTime,
    /// Last second of validity.
    pub not_after: UnixTime,
    /// How possession of the key was proven: `generated`, `request` or `cmp`; `unknown` of one from before this was
    /// written down.
    pub possession: String,
    /// The named exception of the carrier's policy without which it would be valid for too long.
    pub exception: Option<String>,
    /// Who had it issued.
    pub by: String,
    /// When.
    pub issued_at: UnixTime,
    /// By what leave.
    pub leave: Leave,
    /// Who has to confirm it; none for what counts at once.
    pub transaction: Option<Transaction>,
    /// It came to nothing before it was confirmed, or it is nobody's credential and counts no more.
    pub revoked: Option<Revoked>,
    /// The certificate in DER.
    pub der: Octets,
}

/// By what leave a certificate was issued.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Leave {
    /// An install order.
    Order(OrderId),
    /// The unit's certificate of before, which asked for it.
    Parent(CertSha256),
    /// Truecell's own need, or the word of whoever holds the data directory.
    Word,
    /// The word of whoever had it issued, and of this second person.
    Approved(Approval),
}

/// The enrolment that a certificate waits in for the word of its unit (RFC 9810 §5.3.18).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Transaction {
    /// transactionID.
    pub id: Octets,
    /// The certificate of whoever asked, in DER: the confirmation is protected by it too.
    pub signer: Octets,
    /// The nonce of our answer, which the confirmation repeats.
    pub nonce: Octets,
    /// From where it was asked for.
    pub from: IpAddr,
    /// A confirmation that comes later comes too late.
    pub until: UnixTime,
}

/// What a certificate of ours is good for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It counts, until it ends.
    Counts,
    /// It is for a unit and not yet its credential: the unit has not confirmed it.
    Waits,
    /// It counts no more.
    Revoked(Revoked),
}

/// Whose a key is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyHolder {
    /// Which unit; none for others.
    pub device: Option<DeviceId>,
    /// The name in its certificate.
    pub name: String,
}

/// A certificate that counts no more, for a list of such.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RevokedCertificate {
    /// Serial number, lower-case hex.
    pub serial: String,
    /// Since when.
    pub at: UnixTime,
    /// Why, where that is known.
    pub reason: Option<CrlReason>,
}

/// Octets, as Base64 (RFC 4648 §4) in a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Octets(pub Vec<u8>);

impl Serialize for Octets {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&Base64::encode_string(&self.0))
    }
}

impl<'de> Deserialize<'de> for Octets {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        Base64::decode_vec(&text).map(Self).map_err(D::Error::custom)
    }
}

/// What of a [`CertificateRecord`] says what it is good for.
#[derive(Deserialize)]
struct Signed {
    cert_sha256: CertSha256,
    device: Option<DeviceId>,
    issued_at: UnixTime,
    revoked: Option<Revoked>,
}

impl Signed {
    fn standing(self, rows: &mut Rows<'_>, now: UnixTime) -> Result<Standing, LedgerError> {
        let credential: Option<Credential> = rows.get(Credential::TABLE, &self.cert_sha256.to_string())?;
        let is_credential = credential.is_some();
        let revoked = match credential {
            Some(credential) => match credential.ended(now) {
                None => {
                    let unit: Option<Device> = rows.get(Device::TABLE, &credential.device.to_string())?;
                    unit.and_then(|unit| unit.barred())
                }
                ended => ended,
            },
            None => self.revoked,
        };
        Ok(match revoked {
            Some(revoked) => Standing::Revoked(revoked),
            None if is_credential || self.device.is_none() => Standing::Counts,
            None => Standing::Waits,
        })
    }
}

impl CertificateRecord {
    /// The name of the value by which certificates are found that certify a key.
    pub(crate) const KEY: &'static str = "spki";

    /// Its key: `<issuer>/<serial>`.
    pub fn key_of(issuer: &str, serial: &str) -> String {
        format!("{issuer}/{serial}")
    }
}

impl Leave {
    /// The name of the value by which certificates are found that were issued by one leave.
    pub(crate) const ENTRY: &'static str = "leave";
    /// The same of those that did not come to nothing: of one leave there are two at most, however often its unit begins anew.
    pub(crate) const OPEN: &'static str = "open";

    /// Who agreed, where it took two people.
    pub(crate) fn approver(&self) -> Option<&str> {
        match self {
            Self::Approved(approval) => Some(approval.as_str()),
            Self::Order(_) | Self::Parent(_) | Self::Word => None,
        }
    }

    /// That value; none for a word, which nobody looks for.
    pub(crate) fn entry(&self) -> Option<String> {
        match self {
            Self::Order(order) => Some(format!("order {order}")),
            Self::Parent(parent) => Some(format!("parent {parent}")),
            Self::Word | Self::Approved(_) => None,
        }
    }
}

impl Transaction {
    /// The name of the value by which the certificate of a transaction is found.
    pub(crate) const ENTRY: &'static str = "transaction";

    /// That value, of the transaction with this transactionID.
    pub(crate) fn entry(id: &[u8]) -> String {
        Base64::encode_string(id)
    }
}

impl Row for CertificateRecord {
    const TABLE: &'static str = "certificate";

    fn key(&self) -> String {
        Self::key_of(&self.issuer, &self.serial)
    }

    fn entries(&self) -> Vec<(&'static str, String)> {
        let mut entries = vec![(Self::KEY, self.spki_sha256.to_string())];
        let leave = self.leave.entry();
        entries.extend(leave.clone().filter(|_| self.revoked.is_none()).map(|leave| (Leave::OPEN, leave)));
        entries.extend(leave.map(|leave| (Leave::ENTRY, leave)));
        let id = self.transaction.as_ref().map(|transaction| Transaction::entry(&transaction.id.0));
        entries.extend(id.map(|id| (Transaction::ENTRY, id)));
        entries.extend(self.revoked.as_ref().map(|_| (Revoked::ENTRY, self.issuer.clone())));
        entries
    }
}

impl Tx<'_> {
    /// Writes down a certificate that was signed and that nobody has yet.
    ///
    /// # Errors
    /// [`LedgerError::Exists`] for a serial that was used; [`LedgerError::NeedsApprover`] where who had it issued is the
    /// second person too; and the transient ones.
    pub fn record_certificate(
        &mut self,
        certificate: &CertificateRecord,
        now: UnixTime,
    ) -> Result<(), LedgerError> {
        if self.row::<CertificateRecord>(&certificate.key())?.is_some() {
            return Err(LedgerError::Exists { table: CertificateRecord::TABLE, key: certificate.key() });
        }
        let approver = certificate.leave.approver();
        let because = Because { approver, ..Because::new(&certificate.by, "issued") };
        if approver.is_some() {
            because.approval(|| format!("a certificate for {}", certificate.name))?;
        }
        self.put_row_behind(None, certificate, &because, now).map(drop)
    }

    /// One certificate that our CAs signed.
    ///
    /// # Errors
    /// As [`Self::device`].
    pub fn certificate(
        &mut self,
        issuer: &str,
        serial: &str,
    ) -> Result<Option<CertificateRecord>, LedgerError> {
        Ok(self.row(&CertificateRecord::key_of(issuer, serial))?.map(|(certificate, _)| certificate))
    }

    /// The certificate of which this is the credential, whichever of our CAs signed it; none of one that another CA did.
    ///
    /// # Errors
    /// As [`Self::device`].
    pub(crate) fn certificate_of(
        &mut self,
        credential: &Credential,
    ) -> Result<Option<CertificateRecord>, LedgerError> {
        let key = credential.spki_sha256.to_string();
        let of_key: Vec<CertificateRecord> = self.all(Some((CertificateRecord::KEY, &key)))?;
        Ok(of_key.into_iter().find(|certificate| certificate.cert_sha256 == credential.cert_sha256))
    }

    /// Whose a key is, or was: all that are known to have a certificate of it, whichever CA signed that and whatever
    /// became of it. One that has several is there as often.
    ///
    /// # Errors
    /// As [`Self::device`].
    pub fn key_holders(&mut self, spki: Sha256) -> Result<Vec<KeyHolder>, LedgerError> {
        let key = spki.to_string();
        let issued: Vec<CertificateRecord> = self.all(Some((CertificateRecord::KEY, &key)))?;
        let recorded: Vec<Credential> = self.all(Some((Credential::KEY, &key)))?;
        let issued =
            issued.into_iter().map(|CertificateRecord { device, name, .. }| KeyHolder { device, name });
        let recorded = recorded.into_iter().map(|Credential { device, realm, .. }| KeyHolder {
            device: Some(device),
            name: DeviceName { device, realm }.to_string(),
        });
        Ok(issued.chain(recorded).collect())
    }

    /// A certificate of ours counts no more: says so in its credential, where it has one, in its own row otherwise. One that
    /// was revoked before stays so since then.
    ///
    /// # Errors
    /// [`LedgerError::NotFound`]; and as [`Self::device`].
    pub fn revoke_certificate(
        &mut self,
        issuer: &str,
        serial: &str,
        revoked: &Revoked,
        by: &str,
    ) -> Result<CertificateRecord, LedgerError> {
        let key = CertificateRecord::key_of(issuer, serial);
        let known = self.certificate(issuer, serial)?;
        let mut certificate = known.ok_or(LedgerError::NotFound { table: CertificateRecord::TABLE, key })?;
        let because = Because::new(by, &revoked.why);
        if self.credential(certificate.cert_sha256)?.is_some() {
            self.revoke(certificate.cert_sha256, revoked.reason, &because, revoked.at)?;
        } else if certificate.revoked.is_none() {
            certificate.revoked = Some(revoked.clone());
            self.put_row(&certificate, &because, revoked.at)?;
        }
        Ok(certificate)
    }
}

impl Ledger {
    /// [`Tx::revoke_certificate`] in a transaction of its own.
    ///
    /// # Errors
    /// As that.
    pub fn revoke_certificate(
        &self,
        issuer: &str,
        serial: &str,
        revoked: &Revoked,
        by: &str,
    ) -> Result<CertificateRecord, LedgerError> {
        self.change(|tx| tx.revoke_certificate(issuer, serial, revoked, by))
    }

    /// What a certificate of ours is good for. One that was not revoked counts no more once another one has its place, and
    /// while its unit's life bars it.
    ///
    /// # Errors
    /// As [`Self::device`].
    pub fn standing(&self, certificate: &CertificateRecord, now: UnixTime) -> Result<Standing, LedgerError> {
        let CertificateRecord { cert_sha256, device, issued_at, revoked, .. } = certificate;
        let (cert_sha256, device, issued_at, revoked) = (*cert_sha256, *device, *issued_at, revoked.clone());
        let certificate = Signed { cert_sha256, device, issued_at, revoked };
        self.read_rows(|rows| certificate.standing(rows, now))
    }

    /// The same of the certificate with this serial number, and when it was issued; none where there is no such. It is what a
    /// stranger may ask at any time: no more is read than that takes.
    ///
    /// # Errors
    /// As [`Self::device`].
    pub fn standing_of(
        &self,
        issuer: &str,
        serial: &str,
        now: UnixTime,
    ) -> Result<Option<(Standing, UnixTime)>, LedgerError> {
        let key = CertificateRecord::key_of(issuer, serial);
        self.read_rows(|rows| {
            let Some(certificate) = rows.get::<Signed>(CertificateRecord::TABLE, &key)? else {
                return Ok(None);
            };
            let issued_at = certificate.issued_at;
            Ok(Some((certificate.standing(rows, now)?, issued_at)))
        })
    }

    /// The certificates of an issuing CA that count no more by [`Self::standing`], but for those that ended before `since`.
    /// They are for its revocation list: with the time of the list before, each is on one list at least that was made after
    /// its end (RFC 5280 §3.3).
    ///
    /// # Errors
    /// [`LedgerError::Tampered`] when one of the rows was: a list without it would say that it counts. And the transient
    /// ones.
    pub fn revoked(
        &self,
        issuer: &str,
        since: UnixTime,
        now: UnixTime,
    ) -> Result<Vec<RevokedCertificate>, LedgerError> {
        self.rely_on_index::<Credential>()?;
        let mut revoked = Vec::new();
        let mut add = |serial, not_after, why: Option<Revoked>| {
            let why = why.filter(|_| not_after >= since);
            revoked.extend(why.map(|Revoked { at, reason, .. }| RevokedCertificate { serial, at, reason }));
        };
        for certificate in self.every::<CertificateRecord>(Some((Revoked::ENTRY, issuer)))?.whole()? {
            add(certificate.serial, certificate.not_after, certificate.revoked);
        }
        let mut credentials =
            self.every::<Credential>(Some((Revoked::ENTRY, Origin::Issued.as_str())))?.whole()?;
        credentials.extend(self.credentials_of_barred(now)?);
        credentials.extend(self.superseded(since, now)?);
        for Credential { serial, not_after, revoked, .. } in credentials {
            if self.certificate(issuer, &serial)?.is_some() {
                add(serial, not_after, revoked);
            }
        }
        Ok(revoked)
    }

    /// The certificates of units that may not attach, as if each had been revoked when it was barred.
    fn credentials_of_barred(&self, now: UnixTime) -> Result<Vec<Credential>, LedgerError> {
        let mut credentials = Vec::new();
        for state in LifeCycle::ALL.into_iter().filter(|state| bars(*state).is_some()) {
            for unit in self.every::<Device>(Some(("state", state.as_str())))?.whole()? {
                let barred = unit.barred();
                let of_unit = self.every::<Credential>(Some(("device", &unit.id.to_string())))?.whole()?;
                let counting = of_unit.into_iter().filter(|credential| credential.ended(now).is_none());
                credentials
                    .extend(counting.map(|credential| Credential { revoked: barred.clone(), ..credential }));
            }
        }
        Ok(credentials)
    }

    /// The certificates that we issued whose grace is over, as if each had been revoked then.
    fn superseded(&self, since: UnixTime, now: UnixTime) -> Result<Vec<Credential>, LedgerError> {
        let mut superseded = self.every_since::<Credential>(Credential::SUPERSEDED, since)?.whole()?;
        superseded.retain(|credential| credential.origin == Origin::Issued);
        let ended = superseded.into_iter().map(|credential| {
            let revoked = credential.ended(now);
            Credential { revoked, ..credential }
        });
        Ok(ended.collect())
    }
}

#[cfg(test)]
mod tests;
