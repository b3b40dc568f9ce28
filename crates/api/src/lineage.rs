//! All certificates of one unit as the API shows them: by what leave each was issued, and what became of it.

use crate::{Caller, Problem, Services, device::unknown, ledger_check::Finding};
use axum::{
    Extension, Json,
    extract::{Path, State},
};
use ids::{CertSha256, DeviceId, UnixTime};
use ledger::{Doubt, Enrolment, Kin, Leave, LegacyUse, LifeCycle, Origin, Revoked, Sighting, Superseded};
use serde::{Deserialize, Serialize};
use std::{net::IpAddr, sync::Arc};

/// The certificates of one unit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lineage {
    /// Which unit's.
    pub device: DeviceId,
    /// Where it is in its life: what bars the unit bars its certificates.
    pub state: LifeCycle,
    /// Whether it is enrolled, or held.
    pub enrolment: Enrolment,
    /// Its certificates, oldest first; `parent` makes a tree of them.
    pub certificates: Vec<LineageNode>,
    /// The keys of vendors' certificates that name it, each with all that it was used for.
    pub vendor_keys: Vec<Sighting>,
    /// What came of it by the keys of legacy groups.
    #[serde(default)]
    pub legacy: Vec<LegacyUse>,
    /// Rows between them that were tampered with.
    #[serde(default)]
    pub tampered: Vec<Finding>,
}

/// How one certificate came about, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineageNode {
    /// SHA-256 over it.
    pub cert_sha256: CertSha256,
    /// Serial number, lower-case hex.
    pub serial: String,
    /// First second of validity.
    pub not_before: UnixTime,
    /// Last second of validity.
    pub not_after: UnixTime,
    /// Whether the embedded CA signed it.
    pub origin: Origin,
    /// When it was issued; of an imported one, when it was recorded.
    pub issued_at: UnixTime,
    /// Who had it issued, where the embedded CA signed it.
    pub by: Option<String>,
    /// By what leave, where the embedded CA signed it.
    pub leave: Option<Leave>,
    /// From where the unit asked for it.
    pub from: Option<IpAddr>,
    /// Until when the unit could confirm it, where it had to.
    pub confirm_until: Option<UnixTime>,
    /// When it did.
    pub confirmed_at: Option<UnixTime>,
    /// What it is good for now.
    pub state: LineageState,
    /// The certificate that asked for it.
    pub parent: Option<CertSha256>,
    /// It has a successor.
    pub superseded: Option<Superseded>,
    /// It counts no more, or not while its unit's life bars it.
    pub revoked: Option<Revoked>,
    /// What is not certain about its holder.
    pub doubt: Option<Doubt>,
}

/// What a certificate is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LineageState {
    /// Its unit may still confirm it.
    Waits,
    /// Its unit has not, and can't any more.
    Over,
    /// It counts, until it ends.
    Counts,
    /// Another one has its place.
    Superseded,
    /// It counts no more.
    Revoked,
}

impl LineageState {
    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waits => "waits",
            Self::Over => "over",
            Self::Counts => "counts",
            Self::Superseded => "superseded",
            Self::Revoked => "revoked",
        }
    }
}

pub(crate) async fn show(
    State(services): State<Arc<Services>>,
    Extension(caller): Extension<Caller>,
    Path(device): Path<DeviceId>,
) -> Result<Json<Lineage>, Problem> {
    let work = services.blocking(move |services| {
        let unit = services.ledger.device(device)?.ok_or_else(|| unknown(device))?;
        let now = services.now();
        let ledger::Lineage { certificates, keys, legacy, tampered } = services.ledger.lineage(device)?;
        let barred = unit.barred();
        let certificates =
            certificates.into_iter().filter_map(|kin| LineageNode::of(kin, barred.as_ref(), now)).collect();
        let tampered = services.told(tampered, &caller);
        let (state, enrolment) = (unit.state, unit.enrolment);
        Ok(Lineage { device, state, enrolment, certificates, vendor_keys: keys, legacy, tampered })
    });
    work.await.map(Json)
}

impl LineageNode {
    /// None of a certificate that is in neither table. `barred`: why its unit's life bars it, as [`ledger::Ledger::standing`]
    /// has it.
    pub(crate) fn of(kin: Kin, barred: Option<&Revoked>, now: UnixTime) -> Option<Self> {
        let (issued_at, cert_sha256) = (kin.issued_at(), kin.cert_sha256()?);
        let Kin { credential, record } = kin;
        let (serial, not_before, not_after) = match (&record, &credential) {
            (Some(record), _) => (record.serial.clone(), record.not_before, record.not_after),
            (None, Some(credential)) => {
                (credential.serial.clone(), credential.not_before, credential.not_after)
            }
            (None, None) => return None,
        };
        let origin = credential.as_ref().map_or(Origin::Issued, |credential| credential.origin);
        let transaction = record.as_ref().and_then(|record| record.transaction.as_ref());
        let confirm_until = transaction.map(|transaction| transaction.until);
        let from = transaction.map(|transaction| transaction.from);
        let confirmed_at = confirm_until.and(credential.as_ref()).map(|credential| credential.issued_at);
        let leave = record.as_ref().map(|record| record.leave.clone());
        let by_leave = match &leave {
            Some(Leave::Parent(parent)) => Some(*parent),
            Some(Leave::Order(_) | Leave::Word | Leave::Approved(_)) | None => None,
        };
        let counts_by_itself = record.as_ref().is_some_and(|record| record.device.is_none());
        let (revoked, superseded, doubt) = match &credential {
            Some(credential) => {
                let barred = barred.filter(|_| credential.ended(now).is_none());
                let revoked = credential.revoked.as_ref().or(barred).cloned();
                (revoked, credential.superseded.clone(), credential.doubt.clone())
            }
            None => (record.as_ref().and_then(|record| record.revoked.clone()), None, None),
        };
        let state = if revoked.is_some() {
            LineageState::Revoked
        } else if superseded.is_some() {
            LineageState::Superseded
        } else if credential.is_some() || counts_by_itself {
            LineageState::Counts
        } else if confirm_until.is_some_and(|until| now <= until) {
            LineageState::Waits
        } else {
            LineageState::Over
        };
        Some(Self {
            cert_sha256,
            serial,
            not_before,
            not_after,
            origin,
            issued_at,
            by: record.map(|record| record.by),
            leave,
            from,
            confirm_until,
            confirmed_at,
            state,
            parent: credential.and_then(|credential| credential.parent).or(by_leave),
            superseded,
            revoked,
            doubt,
        })
    }
}
