//! Certificates of the embedded CA as the API shows them, and those that other CAs issued.

mod import;

pub(crate) use import::import;
pub use import::{
    CertificateWarning, ForeignCertificate, ImportCertificates, ImportedCertificates, RefusedCertificate,
};

use crate::{Caller, Problem, Reason, Services, device::unknown, page::Asked};
use axum::{
    Extension, Json,
    extract::{Path, Query, State},
    http::StatusCode,
};
use ids::DeviceId;
use ledger::Credential;
use pki::{Ca, CertificateInfo, DeviceOrder, KeyAlgorithm, KeySource, PkiError};
use rustls_pki_types::{CertificateSigningRequestDer, pem::PemObject};
use serde::{Deserialize, Serialize};
use std::{sync::Arc, time::Duration};
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

/// Some certificates, in the order of their serials.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificatePage {
    /// The certificates.
    pub certificates: Vec<CertificateInfo>,
    /// Ask with `after` = this for more; absent when these were the last.
    pub next: Option<String>,
}

/// One certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificateDetail {
    /// Its facts.
    pub certificate: CertificateInfo,
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
}

pub(crate) async fn list(
    State(services): State<Arc<Services>>,
    Query(asked): Query<Asked<String>>,
) -> Result<Json<CertificatePage>, Problem> {
    let limit = asked.limit.get();
    let certificates =
        services.blocking(move |services| Ok(services.ca()?.list(asked.after.as_deref(), limit)?)).await?;
    let next = certificates.last().filter(|_| certificates.len() == limit).map(|info| info.serial.clone());
    Ok(Json(CertificatePage { certificates, next }))
}

pub(crate) async fn show(
    State(services): State<Arc<Services>>,
    Path(serial): Path<String>,
) -> Result<Json<CertificateDetail>, Problem> {
    let (certificate, pem) = services.blocking(move |services| Ok(services.ca()?.show(&serial)?)).await?;
    Ok(Json(CertificateDetail { certificate, pem }))
}

pub(crate) async fn issue(
    State(services): State<Arc<Services>>,
    Extension(caller): Extension<Caller>,
    Json(request): Json<IssueCertificate>,
) -> Result<Json<IssuedCertificate>, Problem> {
    let order = request.order(caller.name)?;
    let work = services.blocking(move |services| {
        let ca = services.ca()?;
        if services.ledger.device(order.device)?.is_none() {
            return Err(unknown(order.device));
        }
        let issued = ca.issue(&order, &services.books(), services.now())?;
        Ok(IssuedCertificate {
            chain: issued.chain_pem(),
            root: root_pem(ca)?,
            key: issued.private_key.as_ref().map(pki::PrivateKey::pem),
            certificate: issued.info,
        })
    });
    services.requests.once(request.request_id.as_deref(), &request, work).await.map(Json)
}

/// `name`: SHA-256 of a certificate in the ledger, or serial number of one of the embedded CA. A session
/// that was authenticated with it ends.
pub(crate) async fn revoke(
    State(services): State<Arc<Services>>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
    Json(request): Json<RevokeCertificate>,
) -> Result<Json<Credential>, Problem> {
    let request_id = request.request_id.as_ref().map(|id| format!("{name} {id}"));
    let why = request.why.clone();
    let work = services.blocking(move |services| {
        let certificate = match name.parse() {
            Ok(sha256) => sha256,
            Err(_) => services.ca()?.show(&name)?.0.sha256,
        };
        let revoked = services.ledger.revoke(certificate, &caller.name, &why, services.now())?;
        services.gateway.iter().for_each(|gateway| gateway.device_changed(revoked.device));
        Ok(revoked)
    });
    services.requests.once(request_id.as_deref(), &request, work).await.map(Json)
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
    fn ca(&self) -> Result<&Ca, Problem> {
        self.ca.as_deref().ok_or_else(|| {
            Problem::not_found("there is no embedded CA in this data directory")
                .next("certificates come from the carrier's own CA; or begin anew with a [ca] section")
        })
    }
}

impl From<PkiError> for Problem {
    fn from(error: PkiError) -> Self {
        let (status, next) = match &error {
            PkiError::NotFound(_) => (StatusCode::NOT_FOUND, "list them with `truecell cert list`"),
            PkiError::Forbidden(_) => {
                (StatusCode::CONFLICT, "look at the device with `truecell device show`")
            }
            PkiError::Books(_) => {
                (StatusCode::SERVICE_UNAVAILABLE, "mend ledger or journal; what was signed is finished then")
            }
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
