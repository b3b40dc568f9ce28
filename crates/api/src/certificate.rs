//! Certificates of the embedded CA as the API shows them, and those that other CAs issued.

mod expiring;
pub(crate) mod extension;
mod import;

pub(crate) use expiring::expiring;
pub use expiring::{EndingDay, ExpiringCertificate, ExpiringPage, ca_down};
pub use extension::{CertificateExtension, EndExtension, ExtendCertificates};
pub(crate) use import::import;
pub use import::{
    CertificateWarning, ForeignCertificate, ImportCertificates, ImportedCertificates, RefusedCertificate,
};

use crate::{
    Caller, Problem, Reason, Services, device::unknown, ledger_check::Finding, lineage::LineageNode,
    page::Asked,
};
use axum::{
    Extension, Json,
    extract::{Path, Query, State},
    http::StatusCode,
};
use ids::{CertSha256, CrlReason, DeviceId, DeviceName};
use ledger::{CertificateRecord, Kin, Ledger, LedgerError, Revoked, Row, Standing};
use pki::{
    Ca, CertificateInfo, DeviceOrder, Generation, Issuing, KeyAlgorithm, KeySource, Kind, PkiError,
    certificate_pem,
};
use rustls_pki_types::{CertificateSigningRequestDer, pem::PemObject};
use serde::{Deserialize, Serialize};
use std::{sync::Arc, time::Duration};
use x509::Certificate;
use zeroize::Zeroizing;

/// Asks for a device's certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IssueCertificate {
    /// Makes a repeated request harmless: the answer, with the key, is the first one's.
    #[serde(default)]
    pub request_id: Option<String>,
    /// Which unit; it must be in the ledger.
    pub device: DeviceId,
    /// Who else agreed.
    pub approver: String,
    /// PKCS#10 request as PEM. Absent: the CA makes the key and hands it out once.
    #[serde(default)]
    pub request: Option<String>,
    /// From notBefore to notAfter. Absent: 30. What the policy of admission allows, with its named
    /// exceptions, and no more.
    #[serde(default)]
    pub days: Option<u32>,
}

/// A certificate fresh from the CA.
#[derive(Serialize, Deserialize)]
pub struct IssuedCertificate {
    /// Its facts.
    pub certificate: CertificateInfo,
    /// The chain as PEM, end entity first, without the root.
    pub chain: String,
    /// The root as PEM: what the unit must trust to know the gateway.
    pub root: String,
    /// The private key as PEM, if the CA made it; kept nowhere else, but for a request that names itself:
    /// with that, in memory and until this process ends.
    #[serde(default)]
    pub key: Option<Zeroizing<String>>,
}

/// Some certificates, by issuing CA and serial.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificatePage {
    /// The certificates.
    pub certificates: Vec<ListedCertificate>,
    /// Rows between them that were tampered with.
    #[serde(default)]
    pub tampered: Vec<Finding>,
    /// Ask with `after` = this for more; absent when these were the last. `<issuing CA>/<serial>`.
    pub next: Option<String>,
}

/// One certificate that the embedded CA issued, and what it is good for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListedCertificate {
    /// What it says.
    #[serde(flatten)]
    pub certificate: CertificateInfo,
    /// Its unit has not confirmed it: it lets nobody attach yet.
    pub waits: bool,
    /// It counts no more.
    pub revoked: Option<Revoked>,
}

/// One certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificateDetail {
    /// Its facts.
    pub certificate: ListedCertificate,
    /// How it came about, and what became of it.
    pub lineage: LineageNode,
    /// Itself as PEM.
    pub pem: String,
}

/// Asks that a certificate counts no more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RevokeCertificate {
    /// Makes a repeated request harmless.
    #[serde(default)]
    pub request_id: Option<String>,
    /// The reason, for the record.
    pub why: Reason,
    /// The reason as OCSP and revocation lists tell it to everybody, where that is known.
    #[serde(default)]
    pub reason: Option<CrlReason>,
}

/// A certificate that counts no more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevokedCertificate {
    /// SHA-256 over it.
    pub cert_sha256: CertSha256,
    /// Serial number, lower-case hex.
    pub serial: String,
    /// Which unit's; none for others.
    pub device: Option<DeviceId>,
    /// The name in it.
    pub name: String,
    /// Since when, and why: as it was first revoked.
    pub revoked: Revoked,
    /// It was so before: nothing changed.
    #[serde(default)]
    pub before: bool,
}

pub(crate) async fn list(
    State(services): State<Arc<Services>>,
    Extension(caller): Extension<Caller>,
    Query(asked): Query<Asked<String>>,
) -> Result<Json<CertificatePage>, Problem> {
    let after = asked.after.unwrap_or_default();
    if !after.is_empty() && !is_key(&after) {
        return Err(
            Problem::invalid("`after` is <issuing CA>/<serial>").next("write it as `next` of a page says")
        );
    }
    let work = services.blocking(move |services| {
        let page = services.ledger.certificates(&after, asked.limit.get())?;
        let last = page.rows.last().map(Row::key);
        let next = page.next.and_then(|key| if is_key(&key) { Some(key) } else { last });
        let mut bad = page.tampered;
        let (mut certificates, now) = (Vec::new(), services.now());
        for row in &page.rows {
            match services.ledger.standing(row, now).and_then(|standing| listed(row, standing)) {
                Ok(listed) => certificates.push(listed),
                Err(LedgerError::Tampered { table, key, why }) => {
                    bad.push(ledger::Finding { table, key, why: why.to_owned() });
                }
                Err(error) => return Err(error.into()),
            }
        }
        let tampered = services.told(bad, &caller);
        Ok(CertificatePage { certificates, tampered, next })
    });
    work.await.map(Json)
}

/// Whether it is the key of a certificate's row, as those of the embedded CA are.
fn is_key(text: &str) -> bool {
    let is_serial =
        |serial: &str| !serial.is_empty() && serial.bytes().all(|octet| octet.is_ascii_hexdigit());
    text.split_once('/').is_some_and(|(ca, serial)| ca.parse::<Generation>().is_ok() && is_serial(serial))
}

fn listed(row: &CertificateRecord, standing: Standing) -> Result<ListedCertificate, LedgerError> {
    let odd = |why| LedgerError::Tampered { table: CertificateRecord::TABLE.to_owned(), key: row.key(), why };
    let kind = Kind::named(&row.kind).ok_or_else(|| odd("its kind is none"))?;
    let certificate = Certificate::from_der(&row.der.0).map_err(|_| odd("its certificate is none"))?;
    let (waits, revoked) = match standing {
        Standing::Counts => (false, None),
        Standing::Waits => (true, None),
        Standing::Revoked(revoked) => (false, Some(revoked)),
    };
    Ok(ListedCertificate { certificate: CertificateInfo::of(&certificate, kind, row.device), waits, revoked })
}

/// The certificate of this serial, from whichever issuing CA: a serial is one certificate's.
fn find(services: &Services, serial: &str) -> Result<CertificateRecord, Problem> {
    let generations = services
        .ca
        .as_ref()
        .map_or_else(|| Issuing::ALL.map(Generation::first).into(), |ca| ca.generations());
    for generation in generations {
        if let Some(found) = services.ledger.certificate(&generation.to_string(), serial)? {
            return Ok(found);
        }
    }
    Err(Problem::not_found(format!("no certificate {serial} was issued here"))
        .next("list them with `truecell cert list`"))
}

pub(crate) async fn show(
    State(services): State<Arc<Services>>,
    Path(serial): Path<String>,
) -> Result<Json<CertificateDetail>, Problem> {
    let work = services.blocking(move |services| {
        let row = find(services, &serial)?;
        let now = services.now();
        let certificate = listed(&row, services.ledger.standing(&row, now)?)?;
        let (credential, pem) = (services.ledger.credential(row.cert_sha256)?, certificate_pem(&row.der.0));
        let unit =
            credential.as_ref().map(|credential| services.ledger.device(credential.device)).transpose()?;
        let barred = unit.flatten().and_then(|unit| unit.barred());
        let kin = Kin { credential, record: Some(row) };
        let lineage =
            LineageNode::of(kin, barred.as_ref(), now).ok_or_else(|| Problem::ours("a row of nothing"))?;
        Ok(CertificateDetail { certificate, lineage, pem })
    });
    work.await.map(Json)
}

pub(crate) async fn issue(
    State(services): State<Arc<Services>>,
    Extension(caller): Extension<Caller>,
    Json(request): Json<IssueCertificate>,
) -> Result<Json<IssuedCertificate>, Problem> {
    let order = request.order(caller.name)?;
    let approver = request.approver.clone();
    let work = services.blocking(move |services| {
        let approver = services.configured.rules().approval(&approver, &order.by)?;
        let ca = services.ca()?;
        if services.ledger.device(order.device)?.is_none() {
            return Err(unknown(order.device));
        }
        let now = services.now();
        let issued = services.office().issue_approved(approver, |books| ca.issue(&order, books, now))?;
        Ok(IssuedCertificate {
            chain: issued.chain_pem(),
            root: root_pem(ca)?,
            key: issued.private_key.as_ref().map(pki::PrivateKey::pem),
            certificate: issued.info,
        })
    });
    services.requests.once(request.request_id.as_deref(), &request, work).await.map(Json)
}

/// `name`: SHA-256 of a unit's certificate, or serial number of one of the embedded CA. A session
/// that was authenticated with it ends.
pub(crate) async fn revoke(
    State(services): State<Arc<Services>>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
    Json(request): Json<RevokeCertificate>,
) -> Result<Json<RevokedCertificate>, Problem> {
    let request_id = request.request_id.as_ref().map(|id| format!("{name} {id}"));
    let (why, reason) = (String::from(request.why.clone()), request.reason);
    let work = services.blocking(move |services| {
        let revoked = Revoked { at: services.now(), why, reason };
        let revoked = match name.parse() {
            Ok(sha256) => revoke_units(&services.ledger, sha256, &revoked, &caller.name)?,
            Err(_) => revoke_ours(services, &name, &revoked, &caller.name)?,
        };
        if let Some(device) = revoked.device {
            services.gateway.iter().for_each(|gateway| gateway.device_changed(device));
        }
        services.revocations.tell();
        Ok(revoked)
    });
    services.requests.once(request_id.as_deref(), &request, work).await.map(Json)
}

fn revoke_units(
    ledger: &Ledger,
    sha256: CertSha256,
    revoked: &Revoked,
    by: &str,
) -> Result<RevokedCertificate, Problem> {
    let credential = ledger.revoke(sha256, revoked.reason, by, &revoked.why, revoked.at)?;
    let (device, realm) = (credential.device, credential.realm);
    Ok(RevokedCertificate {
        cert_sha256: sha256,
        serial: credential.serial,
        device: Some(device),
        name: DeviceName { device, realm }.to_string(),
        before: credential.revoked.as_ref().is_some_and(|stands| stands != revoked),
        revoked: credential.revoked.unwrap_or_else(|| revoked.clone()),
    })
}

fn revoke_ours(
    services: &Services,
    serial: &str,
    revoked: &Revoked,
    by: &str,
) -> Result<RevokedCertificate, Problem> {
    let (ledger, issuer) = (&services.ledger, find(services, serial)?.issuer);
    let row = ledger.revoke_certificate(&issuer, serial, revoked, by)?;
    let stands = match ledger.standing(&row, revoked.at)? {
        Standing::Revoked(stands) => stands,
        Standing::Counts | Standing::Waits => revoked.clone(),
    };
    let before = stands != *revoked;
    let CertificateRecord { cert_sha256, serial, device, name, .. } = row;
    Ok(RevokedCertificate { cert_sha256, serial, device, name, revoked: stands, before })
}

fn root_pem(ca: &Ca) -> Result<String, Problem> {
    let path = ca.directory().join("root.pem");
    std::fs::read_to_string(&path)
        .map_err(|error| Problem::ours(format!("{} cannot be read", path.display())).because(error))
}

impl IssueCertificate {
    fn order(&self, by: String) -> Result<DeviceOrder, Problem> {
        let validity = self.days.map(|days| Duration::from_secs(u64::from(days) * 24 * 3600));
        let key = match &self.request {
            Some(pem) => KeySource::Request(request_in(pem)?),
            None => KeySource::Generate(KeyAlgorithm::P256),
        };
        Ok(DeviceOrder { device: self.device, key, validity, by })
    }
}

fn request_in(pem: &str) -> Result<Vec<u8>, Problem> {
    let found = CertificateSigningRequestDer::from_pem_slice(pem.as_bytes());
    found.map(|der| der.to_vec()).map_err(|error| {
        Problem::invalid("this is no certificate request in PEM")
            .because(error)
            .next("make one with `openssl req -new`")
    })
}

impl Services {
    pub(crate) fn ca(&self) -> Result<&Ca, Problem> {
        self.ca.as_deref().ok_or_else(|| {
            Problem::not_found("there is no embedded CA in this data directory")
                .next("certificates come from the carrier's own CA; or begin anew with a [ca] section")
        })
    }
}

impl From<PkiError> for Problem {
    fn from(error: PkiError) -> Self {
        let (status, next) = match &error {
            PkiError::Forbidden(_) => {
                (StatusCode::CONFLICT, "look at the device with `truecell device show`")
            }
            PkiError::Certificate(_) => (
                StatusCode::CONFLICT,
                "have the request of `truecell ca rotate --request` certified as docs/cli.md says",
            ),
            PkiError::Key(error) => (StatusCode::SERVICE_UNAVAILABLE, error.next()),
            PkiError::Books(_) => (StatusCode::SERVICE_UNAVAILABLE, "mend ledger or journal, and ask again"),
            PkiError::Order(_) | PkiError::OutsideDomains { .. } => (
                StatusCode::UNPROCESSABLE_ENTITY,
                "ask for a day or more, and for no other name than the unit's",
            ),
            PkiError::TooLong { .. } => (
                StatusCode::UNPROCESSABLE_ENTITY,
                "order fewer days, or add an exception that expires to [[admission.validity_exceptions]]",
            ),
            PkiError::Request(_) => (
                StatusCode::UNPROCESSABLE_ENTITY,
                "make one with `openssl req -new`: P-256, P-384, or RSA of 2048 to 4096 bits, signed with SHA-256 or better",
            ),
            PkiError::Exists(_)
            | PkiError::NoCa(_)
            | PkiError::File { .. }
            | PkiError::Io { .. }
            | PkiError::Signing => {
                (StatusCode::INTERNAL_SERVER_ERROR, "see what the system says about the CA's files")
            }
        };
        let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
        Self::new(status, error.code(), error.to_string()).because(cause).next(next)
    }
}
