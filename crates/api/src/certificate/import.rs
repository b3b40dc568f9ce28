use crate::{Caller, Problem, Services};
use axum::{Extension, Json, extract::State};
use ids::{DeviceId, DeviceName, Sha256, UnixTime};
use ledger::{Credential, Origin};
use rustls_pki_types::{CertificateDer, pem::PemObject};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use x509::{Anchors, CertPathVerified, Certificate, DevicePolicy, Warning, verify_device};

/// Asks to record certificates that other CAs issued: all of them, or none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImportCertificates {
    /// Makes a repeated request harmless.
    #[serde(default)]
    pub request_id: Option<String>,
    /// Only says what would become of them.
    #[serde(default)]
    pub check: bool,
    /// The certificates.
    pub rows: Vec<ForeignCertificate>,
}

/// A certificate that another CA issued to a unit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ForeignCertificate {
    /// Where it was found; names it in the answer.
    pub from: String,
    /// To which unit; it must be in the ledger.
    pub device: DeviceId,
    /// PEM: its own certificate first, then the issuers below the anchor of its realm.
    pub chain: String,
}

/// What became of an import.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportedCertificates {
    /// Certificates that are new.
    pub recorded: u64,
    /// Certificates that were recorded already.
    pub unchanged: u64,
    /// Certificates that were not taken; then none is new.
    pub refused: Vec<RefusedCertificate>,
    /// What a person should see about those that could be taken.
    #[serde(default)]
    pub warnings: Vec<CertificateWarning>,
}

/// Something odd about a certificate that refuses nobody.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificateWarning {
    /// Where it was found.
    pub from: String,
    /// What is odd.
    pub what: String,
}

/// A certificate that was not taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusedCertificate {
    /// Where it was found.
    pub from: String,
    /// For which unit, as it was written.
    pub device: String,
    /// Why not.
    pub why: String,
}

/// Certificates of one request at most: each request is one transaction.
const ROWS: usize = 1_000;

pub(crate) async fn import(
    State(services): State<Arc<Services>>,
    Extension(caller): Extension<Caller>,
    Json(request): Json<ImportCertificates>,
) -> Result<Json<ImportedCertificates>, Problem> {
    if request.rows.len() > ROWS {
        let problem = Problem::invalid(format!("more than {ROWS} certificates at once"));
        return Err(problem.next("send them in parts"));
    }
    let wanted = request.clone();
    let work = services.blocking(move |services| wanted.carry_out(services, &caller.name));
    services.requests.once(request.request_id.as_deref(), &request, work).await.map(Json)
}

impl ImportCertificates {
    /// Names all that is wrong at once, also what the ledger says about the others.
    fn carry_out(&self, services: &Services, by: &str) -> Result<ImportedCertificates, Problem> {
        let (now, anchors) = (services.now(), services.configured.anchors());
        let (mut rows, mut credentials, mut refused) = (Vec::new(), Vec::new(), Vec::new());
        let mut warnings = Vec::new();
        for (place, row) in self.rows.iter().enumerate() {
            match row.verified(&anchors, now) {
                Ok(verified) => {
                    rows.push(place);
                    warnings.extend(row.warnings(&verified));
                    credentials.push(credential(&verified, now));
                }
                Err(why) => refused.push((place, why)),
            }
        }
        let done = if self.check || !refused.is_empty() {
            services.ledger.check_credentials(&credentials)?
        } else {
            services.ledger.import_credentials(&credentials, by, now)?
        };
        let by_ledger =
            done.refused.iter().filter_map(|(at, error)| Some((*rows.get(*at)?, error.to_string())));
        refused.extend(by_ledger);
        refused.sort();
        let recorded = if refused.is_empty() { done.recorded } else { 0 };
        let refused = refused.into_iter().filter_map(|(place, why)| Some(self.rows.get(place)?.refused(why)));
        Ok(ImportedCertificates { recorded, unchanged: done.unchanged, refused: refused.collect(), warnings })
    }
}

impl ForeignCertificate {
    /// The path to an anchor of the realm; else why there is none.
    fn verified(&self, anchors: &Anchors, now: UnixTime) -> Result<CertPathVerified, String> {
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(self.chain.as_bytes()).collect();
        let chain = chain.map_err(|error| format!("no certificates in PEM: {error}"))?;
        let chain: Vec<&[u8]> = chain.iter().map(AsRef::as_ref).collect();
        let name = self.name(chain.first().ok_or("no certificate in PEM")?)?;
        let verified = verify_device(anchors, &DevicePolicy::default(), name.as_bytes(), &chain, now);
        verified.map_err(|error| format!("{error}: {}", error.next()))
    }

    fn warnings(&self, verified: &CertPathVerified) -> impl Iterator<Item = CertificateWarning> {
        let warning = |what: &Warning| CertificateWarning { from: self.from.clone(), what: what.to_string() };
        verified.warnings().iter().map(warning)
    }

    /// The dNSName of the unit's own certificate, which has to be one of this unit.
    fn name(&self, der: &[u8]) -> Result<String, String> {
        let certificate = Certificate::from_der(der).map_err(|error| error.to_string())?;
        let names = certificate.dns_names();
        let is_own = |name: &str| name.parse().is_ok_and(|name: DeviceName| name.device == self.device);
        match names {
            [name] if is_own(name) => Ok(name.clone()),
            [] => Err("it has no dNSName; a common name does not count".into()),
            _ => Err(format!("its dNSName is {}, not {}.<realm>", names.join(" "), self.device)),
        }
    }

    fn refused(&self, why: String) -> RefusedCertificate {
        RefusedCertificate { from: self.from.clone(), device: self.device.to_string(), why }
    }
}

fn credential(certificate: &CertPathVerified, now: UnixTime) -> Credential {
    let DeviceName { device, realm } = certificate.name().clone();
    Credential {
        cert_sha256: certificate.cert_sha256(),
        device,
        realm,
        serial: certificate.serial(),
        spki_sha256: Sha256::of(certificate.spki()),
        not_before: certificate.not_before(),
        not_after: certificate.not_after(),
        issued_at: now,
        origin: Origin::Imported,
        parent: None,
        superseded: None,
        doubt: None,
        revoked: None,
    }
}

#[cfg(test)]
mod tests;
