//! Units whose certificates end soon.

use crate::{Caller, Problem, Services, ledger_check::Finding, page::Limit};
use axum::{
    Extension, Json,
    extract::{Query, State},
};
use ids::{CertSha256, DeviceId, UnixTime};
use ledger::{EndingPlace, LifeCycle};
use pki::{Ca, Issuing};
use serde::{Deserialize, Serialize};
use std::{sync::Arc, time::Duration};

/// Units whose newest certificate ends within a time, the first to end first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExpiringPage {
    /// The end of that time.
    pub until: UnixTime,
    /// Why nobody gets a new one here now.
    pub not_issuing: Option<String>,
    /// By this, certificates that have ended count for longer now.
    #[serde(default)]
    pub extension: Option<ledger::Extension>,
    /// Certificates by the day on which they end, all of them. A unit may have several.
    pub days: Vec<EndingDay>,
    /// Some of the units.
    pub certificates: Vec<ExpiringCertificate>,
    /// Rows between them that were tampered with.
    #[serde(default)]
    pub tampered: Vec<Finding>,
    /// Ask with `after` = this for more; absent when these were the last.
    pub next: Option<String>,
}

/// What ends on one day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndingDay {
    /// As in `2026-01-31`, UTC.
    pub day: String,
    /// How many.
    pub certificates: u64,
}

/// The newest certificate of a unit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExpiringCertificate {
    /// Which unit's.
    pub device: DeviceId,
    /// Where that is in its life; none where its row was tampered with or is gone.
    pub state: Option<LifeCycle>,
    /// Serial number, lower-case hex.
    pub serial: String,
    /// SHA-256 over it.
    pub cert_sha256: CertSha256,
    /// Its last second.
    pub not_after: UnixTime,
}

/// Within which time, and which rows.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Asked {
    within_s: Option<u64>,
    after: Option<String>,
    #[serde(default)]
    limit: Limit,
}

/// Unless somebody asks for another time, in seconds: a unit that renews in time is never among these.
const WITHIN_S: u64 = 10 * 24 * 3600;

pub(crate) async fn expiring(
    State(services): State<Arc<Services>>,
    Extension(caller): Extension<Caller>,
    Query(asked): Query<Asked>,
) -> Result<Json<ExpiringPage>, Problem> {
    let after = asked.after.as_deref().map(place).transpose()?;
    let within = Duration::from_secs(asked.within_s.unwrap_or(WITHIN_S));
    let work = services.blocking(move |services| {
        let (ledger, now) = (&services.ledger, services.now());
        let until = now.after(within);
        let ending = ledger.ending(now, until, after.as_ref(), asked.limit.get())?;
        let mut certificates = Vec::new();
        for credential in &ending.rows {
            if ledger.has_a_later_one(credential)? {
                continue;
            }
            let device = credential.device;
            certificates.push(ExpiringCertificate {
                device,
                state: ledger.device(device).ok().flatten().map(|device| device.state),
                serial: credential.serial.clone(),
                cert_sha256: credential.cert_sha256,
                not_after: credential.not_after,
            });
        }
        let days = ledger.ending_by_day(now, until)?.into_iter();
        let days = days.map(|(day, certificates)| EndingDay { day, certificates }).collect();
        let tampered = services.told(ending.tampered, &caller);
        let next = ending.next.map(|place| place.to_string());
        Ok(ExpiringPage {
            until,
            not_issuing: services.why_not_issuing(now),
            extension: ledger.extension()?.filter(|extension| extension.is_in_force(now)),
            days,
            certificates,
            tampered,
            next,
        })
    });
    work.await.map(Json)
}

fn place(text: &str) -> Result<EndingPlace, Problem> {
    text.parse().map_err(|_| {
        Problem::invalid(format!("`{text}` is no place in this list"))
            .next("write it as `next` of a page says")
    })
}

impl Services {
    /// Why units get no certificate here now.
    fn why_not_issuing(&self, now: UnixTime) -> Option<String> {
        let by_itself = ca_down(self.ca.as_deref(), now);
        by_itself.or_else(|| self.gateway.as_ref()?.health().why_not_issuing())
    }
}

/// Why an embedded CA issues nothing to units at that time; nothing while it does.
pub fn ca_down(ca: Option<&Ca>, now: UnixTime) -> Option<String> {
    let Some(ca) = ca else { return Some("there is no embedded CA here".into()) };
    let end = ca.issuing_certificate(Issuing::Devices).not_after();
    let ended = (now > end).then(|| format!("the certificate of its issuing CA ended at {end}"));
    ended.or_else(|| ca.certifying_trouble(Issuing::Devices).map(|trouble| trouble.to_string()))
}
