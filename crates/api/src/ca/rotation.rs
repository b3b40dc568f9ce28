//! Another key for an issuing CA: made here, certified wherever the key of the CA above is.

use crate::{Caller, Problem, Reason, Services, public::status_uris};
use axum::{Extension, Json, extract::State};
use events::{Durability, pki::CaRotated};
use ids::{CertSha256, UnixTime};
use ledger::{Approval, LedgerError};
use pki::{Ca, CaSpec, Examined, Issuing, NoGeneration, Wanted, certificate_pem};
use rustls_pki_types::{CertificateDer, CertificateSigningRequestDer, pem::PemObject};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Asks for a request by which the next generation of an issuing CA can be certified. Its key is made with the first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PrepareRotation {
    /// Makes a repeated request harmless.
    #[serde(default)]
    pub request_id: Option<String>,
    /// Which issuing CA.
    pub ca: Issuing,
    /// The reason, for the record.
    pub why: Reason,
    /// Who else agreed.
    #[serde(default)]
    pub approver: Option<String>,
}

/// What is to be certified.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WantedCertificate {
    /// Which generation, such as `devices-2`.
    pub generation: String,
    /// PKCS#10 request as PEM, signed by the new key.
    pub request: String,
    /// The certificate, as PEM, of the CA above, whose key has to sign.
    pub above: String,
    /// What the CA is made for: it says the rest of the certificate.
    pub spec: CaSpec,
    /// The same as extension file of openssl.
    pub extensions: String,
}

/// Brings the certificate of the next generation, which certifies from then on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TakeUpCertificate {
    /// Makes a repeated request harmless.
    #[serde(default)]
    pub request_id: Option<String>,
    /// Which issuing CA.
    pub ca: Issuing,
    /// The certificate as PEM. That of the generation of now is taken as a repetition.
    pub certificate: String,
    /// The reason, for the record.
    pub why: Reason,
    /// Who else agreed.
    #[serde(default)]
    pub approver: Option<String>,
}

/// An issuing CA with a new key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RotatedCa {
    /// Which generation certifies now.
    pub generation: String,
    /// Its subject, for people.
    pub subject: String,
    /// SHA-256 over its certificate.
    pub sha256: CertSha256,
    /// First second of its validity.
    pub not_before: UnixTime,
    /// Last second of its validity.
    pub not_after: UnixTime,
}

pub(crate) async fn prepare(
    State(services): State<Arc<Services>>,
    Extension(caller): Extension<Caller>,
    Json(request): Json<PrepareRotation>,
) -> Result<Json<WantedCertificate>, Problem> {
    let asked = request.clone();
    let work = services.blocking(move |services| {
        two_people(services, asked.approver.as_deref(), &caller)?;
        let ca = services.ca()?;
        let wanted = ca.prepare(asked.ca)?;
        Ok(WantedCertificate {
            generation: wanted.generation.to_string(),
            request: wanted.request_pem(),
            above: certificate_pem(&wanted.above),
            spec: ca.spec().clone(),
            extensions: ca.spec().extensions(asked.ca),
        })
    });
    services.requests.once(request.request_id.as_deref(), &request, work).await.map(Json)
}

/// The journal has it, as something to come, before it holds.
pub(crate) async fn take_up(
    State(services): State<Arc<Services>>,
    Extension(caller): Extension<Caller>,
    Json(request): Json<TakeUpCertificate>,
) -> Result<Json<RotatedCa>, Problem> {
    let asked = request.clone();
    let work = services.blocking(move |services| {
        let approver = two_people(services, asked.approver.as_deref(), &caller)?;
        let ca = services.ca()?;
        let der = certificate_in(&asked.certificate)?;
        if ca.generation_der(ca.current(asked.ca)).as_ref() != Some(&der) {
            let examined = ca.examine(asked.ca, &der, services.now())?;
            services.announce(ca, asked.ca, &examined, (&caller.name, &approver, &asked.why))?;
            let url = services.configured.rules().status_url;
            let status = url.map(|url| status_uris(&url, examined.generation())).unwrap_or_default();
            ca.take_up(examined, status)?;
            // Whoever signs answers is certified anew, and has a list.
            services.revocations.tell();
        }
        Ok(RotatedCa::of(ca, asked.ca))
    });
    services.requests.once(request.request_id.as_deref(), &request, work).await.map(Json)
}

impl RotatedCa {
    fn of(ca: &Ca, issuing: Issuing) -> Self {
        let certificate = ca.issuing_certificate(issuing);
        Self {
            generation: ca.current(issuing).to_string(),
            subject: certificate.subject(),
            sha256: certificate.sha256(),
            not_before: certificate.not_before(),
            not_after: certificate.not_after(),
        }
    }
}

impl TryFrom<WantedCertificate> for Wanted {
    type Error = NotWanted;

    fn try_from(wanted: WantedCertificate) -> Result<Self, NotWanted> {
        let request = CertificateSigningRequestDer::from_pem_slice(wanted.request.as_bytes());
        let above = CertificateDer::from_pem_slice(wanted.above.as_bytes());
        Ok(Self {
            generation: wanted.generation.parse()?,
            request: request.map_err(|_| NotWanted::Pem)?.to_vec(),
            above: above.map_err(|_| NotWanted::Pem)?.to_vec(),
        })
    }
}

/// An answer that has none of what it should.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotWanted {
    /// The generation.
    #[error(transparent)]
    Generation(#[from] NoGeneration),
    /// Request or certificate.
    #[error("request or certificate is none in PEM")]
    Pem,
}

impl Services {
    fn announce(
        &self,
        ca: &Ca,
        issuing: Issuing,
        examined: &Examined,
        (by, approver, why): (&str, &Approval, &Reason),
    ) -> Result<(), Problem> {
        let certificate = examined.certificate();
        let event = CaRotated {
            before: ca.current(issuing).to_string(),
            generation: examined.generation().to_string(),
            cert_sha256: certificate.sha256(),
            subject: certificate.subject(),
            not_after: certificate.not_after(),
            by: by.to_owned(),
            why: why.to_string(),
            approver: approver.to_string(),
        };
        let told = self.ledger.journal().append(&event, self.now(), Durability::Durable);
        told.map(drop).map_err(|error| {
            Problem::unavailable(
                "journal-unwritable",
                "the journal cannot be written: the CA has the key of before",
            )
            .because(error)
            .next("see that its disk has room and works, and ask again")
        })
    }
}

/// Who agrees beside the caller.
fn two_people(services: &Services, named: Option<&str>, caller: &Caller) -> Result<Approval, Problem> {
    let second = services.second_person(named, caller)?;
    Ok(second.ok_or_else(|| LedgerError::NeedsApprover("another key for a CA".into()))?)
}

fn certificate_in(pem: &str) -> Result<Vec<u8>, Problem> {
    let found = CertificateDer::from_pem_slice(pem.as_bytes());
    found.map(|der| der.to_vec()).map_err(|error| {
        Problem::invalid("this is no certificate in PEM")
            .because(error)
            .next("bring what was made of the request, as with `openssl x509 -req`")
    })
}
