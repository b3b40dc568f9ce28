//! The embedded CA as the API shows it, and vendors whose CA nobody trusts any more.

mod rotation;

pub use rotation::{NotWanted, PrepareRotation, RotatedCa, TakeUpCertificate, WantedCertificate};
pub(crate) use rotation::{prepare, take_up};

use crate::{
    Caller, Problem, Reason, Services,
    ledger_check::Finding,
    page::{Asked, continued},
};
use axum::{
    Extension, Json,
    extract::{Path, Query, State},
};
use ids::{CertSha256, DeviceId, Realm, Sha256, UnixTime};
use ledger::{CertificateRecord, Distrust, Enrolment, KeyUse, Ledger, LedgerError, LifeCycle, Row};
use pki::{Ca, CertificateInfo, Generation, Issuing, KeyError, Kind, Level, PrivateKey};
use serde::{Deserialize, Serialize};
use std::{
    os::unix::fs::PermissionsExt,
    path::{Path as File, PathBuf},
    sync::Arc,
};

/// The embedded CA, and whom it was told not to trust.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaView {
    /// The embedded CA, where there is one.
    pub ca: Option<EmbeddedCa>,
    /// Vendors of whom nobody enrols.
    pub distrusted: Vec<Distrust>,
    /// Rows between them that were tampered with.
    #[serde(default)]
    pub tampered: Vec<Finding>,
}

/// The embedded CA.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EmbeddedCa {
    /// The realm whose units it names.
    pub realm: Realm,
    /// Every CA, the root first.
    pub levels: Vec<CaLevel>,
}

/// One CA of the hierarchy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaLevel {
    /// `root`, `between-<n>`, `devices` or `gateways`, and `devices-2` for a later generation.
    pub name: String,
    /// The subject, for people.
    pub subject: String,
    /// Serial number, lower-case hex.
    pub serial: String,
    /// SHA-256 over its certificate.
    pub sha256: CertSha256,
    /// Kind of key, such as `P-256`.
    pub key: String,
    /// First second of validity.
    pub not_before: UnixTime,
    /// Last second of validity.
    pub not_after: UnixTime,
    /// Where its key is: a file, or a token's URI (RFC 7512).
    pub key_place: String,
    /// That file, where it is one.
    pub key_file: Option<PathBuf>,
    /// Its permissions, such as `0600`; none where the key is not there.
    pub key_mode: Option<String>,
    /// It is opened by a passphrase.
    pub key_encrypted: bool,
    /// What keeps it from signing, as it was when it was last used or looked for.
    pub key_trouble: Option<String>,
    /// Where its certificates say that their status is found.
    pub ocsp: Option<String>,
    /// Where they say that its revocation list is.
    pub crl: Option<String>,
    /// How many certificates it issued, where it certifies end entities.
    pub issued: Option<u64>,
    /// How many of units and gateways among them count now.
    pub counting: Option<u64>,
}

/// Asks that nobody of a vendor enrols.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DistrustVendor {
    /// Makes a repeated request harmless.
    #[serde(default)]
    pub request_id: Option<String>,
    /// The vendor's realm, as in `[[vendor]]`.
    pub realm: Realm,
    /// What its CA vouched for since then is in question.
    pub since: UnixTime,
    /// The reason, for the record.
    pub why: Reason,
}

/// Asks that a vendor's units enrol again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrustVendor {
    /// Makes a repeated request harmless.
    #[serde(default)]
    pub request_id: Option<String>,
    /// The vendor's realm.
    pub realm: Realm,
    /// The reason, for the record.
    pub why: Reason,
}

/// What a vendor's CA vouched for since the time that is in question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VouchedPage {
    /// What was said of the vendor.
    pub distrust: Distrust,
    /// The realms of every `[[vendor]]` here.
    #[serde(default)]
    pub vendors: Vec<Realm>,
    /// Units that asked for a certificate by one of the vendor's.
    pub vouched: Vec<Vouched>,
    /// Rows between them that were tampered with.
    #[serde(default)]
    pub tampered: Vec<Finding>,
    /// Ask with `after` = this for more; absent when these were the last. A SHA-256.
    pub next: Option<Sha256>,
}

/// A unit that asked for a certificate by one of a vendor's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vouched {
    /// SHA-256 over the key (SubjectPublicKeyInfo) that the vendor certified.
    pub spki_sha256: Sha256,
    /// For whom, by which certificate, from where, and when.
    pub used: KeyUse,
    /// Where the unit is in its life; none where there is no such unit.
    pub state: Option<LifeCycle>,
    /// Whether it is enrolled.
    pub enrolment: Option<Enrolment>,
}

pub(crate) async fn show(
    State(services): State<Arc<Services>>,
    Extension(caller): Extension<Caller>,
) -> Result<Json<CaView>, Problem> {
    let work = services.blocking(move |services| {
        let embedded = services.ca.as_deref().map(|ca| {
            let levels = ca.hierarchy()?.into_iter();
            let tallies = tallies(&services.ledger, ca, services.now())?;
            let levels = levels.map(|level| shown(&tallies, level)).collect();
            Ok::<_, Problem>(EmbeddedCa { realm: ca.realm().clone(), levels })
        });
        let page = services.ledger.distrusts()?;
        let distrusted = page.rows.into_iter().filter(|distrust| distrust.ended.is_none()).collect();
        let tampered = services.told(page.tampered, &caller);
        Ok(CaView { ca: embedded.transpose()?, distrusted, tampered })
    });
    work.await.map(Json)
}

fn shown(tallies: &[(Generation, Tally)], level: Level) -> CaLevel {
    let Level { name, certificate, key, trouble, generation, status_uris } = level;
    let tally = tallies.iter().find(|(of, _)| Some(*of) == generation).map(|(_, tally)| tally);
    let file = key.file();
    // Of a key that was taken away nothing is wrong.
    let trouble = trouble.filter(|trouble| !matches!(trouble, KeyError::Missing { .. }));
    CaLevel {
        name,
        subject: certificate.subject(),
        serial: certificate.serial(),
        sha256: certificate.sha256(),
        key: CertificateInfo::kind_of_key(&certificate),
        not_before: certificate.not_before(),
        not_after: certificate.not_after(),
        key_mode: file.and_then(mode),
        key_encrypted: file.is_some_and(PrivateKey::is_encrypted),
        key_file: file.map(Into::into),
        key_place: key.to_string(),
        key_trouble: trouble.map(|trouble| trouble.to_string()),
        ocsp: status_uris.ocsp,
        crl: status_uris.crl,
        issued: tally.map(|tally| tally.issued),
        counting: tally.map(|tally| tally.counting),
    }
}

fn mode(file: &File) -> Option<String> {
    let permissions = std::fs::metadata(file).ok()?.permissions();
    Some(format!("{:04o}", permissions.mode() & 0o7777))
}

/// How many an issuing CA issued, and how many of units and gateways among them count: who signs for OCSP and who answers
/// CMP end with its key.
#[derive(Clone, Copy, Default)]
struct Tally {
    issued: u64,
    counting: u64,
}

/// Those of units are many and counted by the index, but for those of earlier generations, which are looked at one by one as
/// are the gateways'.
fn tallies(ledger: &Ledger, ca: &Ca, now: UnixTime) -> Result<Vec<(Generation, Tally)>, LedgerError> {
    let current = ca.current(Issuing::Devices);
    let mut rest = Tally { issued: ledger.issued()?, counting: ledger.counting(now)?.issued };
    let mut tallies = Vec::new();
    for generation in ca.generations().into_iter().filter(|generation| *generation != current) {
        let tally = tally(ledger, generation, now)?;
        rest.issued = rest.issued.saturating_sub(tally.issued);
        if generation.issuing() == Issuing::Devices {
            rest.counting = rest.counting.saturating_sub(tally.counting);
        }
        tallies.push((generation, tally));
    }
    tallies.push((current, rest));
    Ok(tallies)
}

fn tally(ledger: &Ledger, generation: Generation, now: UnixTime) -> Result<Tally, LedgerError> {
    let prefix = CertificateRecord::key_of(&generation.to_string(), "");
    let (mut tally, mut after) = (Tally::default(), prefix.clone());
    loop {
        let page = ledger.certificates(&after, 1000)?;
        for row in page.rows.iter().filter(|row| row.key().starts_with(&prefix)) {
            tally.issued += 1;
            tally.counting += u64::from(now <= row.not_after && counts(ledger, row)?);
        }
        match page.next.filter(|next| next.starts_with(&prefix)) {
            Some(next) => after = next,
            None => return Ok(tally),
        }
    }
}

fn counts(ledger: &Ledger, row: &CertificateRecord) -> Result<bool, LedgerError> {
    match ledger.credential(row.cert_sha256)? {
        Some(credential) => Ok(credential.is_last()),
        None => Ok(row.kind == Kind::Gateway.name() && row.revoked.is_none()),
    }
}

pub(crate) async fn distrust(
    State(services): State<Arc<Services>>,
    Extension(caller): Extension<Caller>,
    Json(request): Json<DistrustVendor>,
) -> Result<Json<Distrust>, Problem> {
    let asked = request.clone();
    let work = services.blocking(move |services| {
        let DistrustVendor { realm, since, why, .. } = asked;
        let now = services.now();
        if services.ca.as_ref().is_some_and(|ca| *ca.realm() == realm) {
            return Err(Problem::conflict("own-realm", format!("{realm} is the realm of the embedded CA"))
                .next(
                    "name the realm of a [[vendor]]; revoke certificates of ours with `truecell cert revoke`",
                ));
        }
        if since > now {
            return Err(Problem::invalid(format!("{since} is to come"))
                .next("say since when the vendor's CA is in question"));
        }
        Ok(services.ledger.distrust(&realm, since, &caller.name, &why, now)?)
    });
    services.requests.once(request.request_id.as_deref(), &request, work).await.map(Json)
}

pub(crate) async fn trust(
    State(services): State<Arc<Services>>,
    Extension(caller): Extension<Caller>,
    Json(request): Json<TrustVendor>,
) -> Result<Json<Distrust>, Problem> {
    let asked = request.clone();
    let work = services.blocking(move |services| {
        Ok(services.ledger.trust(&asked.realm, &caller.name, &asked.why, services.now())?)
    });
    services.requests.once(request.request_id.as_deref(), &request, work).await.map(Json)
}

pub(crate) async fn vouched(
    State(services): State<Arc<Services>>,
    Extension(caller): Extension<Caller>,
    Path(realm): Path<Realm>,
    Query(asked): Query<Asked<Sha256>>,
) -> Result<Json<VouchedPage>, Problem> {
    let after = asked.after.map(|key| key.to_string()).unwrap_or_default();
    let work = services.blocking(move |services| {
        let none = || LedgerError::NotFound { table: "distrust", key: realm.to_string() };
        let distrust = services.ledger.distrust_of(&realm)?.ok_or_else(none)?;
        let page = services.ledger.vouched_for(&realm, &after, asked.limit.get())?;
        let last = page.rows.last().map(|sighting| sighting.spki_sha256);
        let next = page.next.and_then(|key| continued(&key, last));
        let mut vouched = Vec::new();
        for sighting in page.rows {
            for used in sighting.uses {
                if used.realm.as_ref() == Some(&realm) && used.at >= distrust.since {
                    vouched.push(of_unit(&services.ledger, sighting.spki_sha256, used)?);
                }
            }
        }
        let (vendors, tampered) =
            (services.configured.rules().vendors, services.told(page.tampered, &caller));
        Ok(VouchedPage { distrust, vendors, vouched, tampered, next })
    });
    work.await.map(Json)
}

/// A unit whose row was tampered with is named all the same.
fn of_unit(ledger: &Ledger, spki_sha256: Sha256, used: KeyUse) -> Result<Vouched, LedgerError> {
    let device: DeviceId = used.device;
    let device = match ledger.device(device) {
        Err(LedgerError::Tampered { .. }) => None,
        read => read?,
    };
    let (state, enrolment) = device.map(|device| (device.state, device.enrolment)).unzip();
    Ok(Vouched { spki_sha256, used, state, enrolment })
}
