//! Legacy groups as the API shows them: the ledger's own rows, and what came of their keys.

use crate::{Caller, Problem, Reason, Services, ledger_check::Finding};
use axum::{Extension, Json, extract::State};
use ids::{Label, Realm, Sha256, UnixTime};
use ledger::{Approval, LegacyGroup, NewLegacyGroup};
use rustls_pki_types::{CertificateDer, pem::PemObject};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use x509::Certificate;

/// Asks to name a legacy group, or to have one end at another time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NameGroup {
    /// Makes a repeated request harmless.
    #[serde(default)]
    pub request_id: Option<String>,
    /// What people call it.
    pub name: Label,
    /// The vendor's realm.
    pub realm: Realm,
    /// PEM: the certificate that its units share, or that one of them has, alone.
    pub certificate: String,
    /// Until when its units may enrol by the key.
    pub until: UnixTime,
    /// The reason, for the record.
    pub why: Reason,
    /// Who else agreed.
    #[serde(default)]
    pub approver: Option<String>,
}

/// A legacy group, and what came of its key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupView {
    /// Its units may enrol by the key.
    pub in_force: bool,
    /// Units of ours in whose names the key was used.
    pub used_by: u32,
    /// Those of them in whose names it was used from elsewhere than behind their line.
    pub misused_for: u32,
    /// The group.
    #[serde(flatten)]
    pub group: LegacyGroup,
}

/// All legacy groups, by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupPage {
    /// The groups.
    pub groups: Vec<GroupView>,
    /// Rows between them that were tampered with.
    #[serde(default)]
    pub tampered: Vec<Finding>,
}

type Answer<T> = Result<Json<T>, Problem>;

pub(crate) async fn list(
    State(services): State<Arc<Services>>,
    Extension(caller): Extension<Caller>,
) -> Answer<GroupPage> {
    let work = services.blocking(move |services| {
        let page = services.ledger.legacy_groups()?;
        let mut tampered = page.tampered;
        let mut groups = Vec::new();
        for group in page.rows {
            let uses = services.ledger.legacy_uses(&group.name)?;
            tampered.extend(uses.tampered);
            let count = |is: &dyn Fn(&ledger::LegacyUse) -> bool| {
                u32::try_from(uses.rows.iter().filter(|used| is(used)).count()).unwrap_or(u32::MAX)
            };
            let used_by = count(&|used| !used.uses.is_empty());
            let misused_for = count(&|used| used.denials.iter().any(|denial| !denial.at_home));
            groups.push(GroupView {
                in_force: group.is_in_force(services.now()),
                used_by,
                misused_for,
                group,
            });
        }
        Ok(GroupPage { groups, tampered: services.told(tampered, &caller) })
    });
    work.await.map(Json)
}

pub(crate) async fn name(
    State(services): State<Arc<Services>>,
    Extension(caller): Extension<Caller>,
    Json(request): Json<NameGroup>,
) -> Answer<LegacyGroup> {
    let NameGroup { name, realm, certificate, until, why, approver, .. } = request.clone();
    let work = services.blocking(move |services| {
        let certificate = only_certificate(&certificate)?;
        let new = NewLegacyGroup {
            name,
            realm,
            spki_sha256: Sha256::of(certificate.spki()),
            certificate: certificate.sha256(),
            subject: certificate.subject(),
            until,
        };
        let approver = services.second_person(approver.as_deref(), &caller)?;
        let now = services.now();
        Ok(services.ledger.name_legacy_group(
            new,
            &caller.name,
            &why,
            approver.as_ref().map(Approval::as_str),
            now,
        )?)
    });
    services.requests.once(request.request_id.as_deref(), &request, work).await.map(Json)
}

/// The one certificate of a PEM text, whose key CMP can verify.
fn only_certificate(pem: &str) -> Result<Certificate, Problem> {
    let next = "give the certificate that the units have, in PEM and without its issuers";
    let wrong = |why: String| Problem::invalid(why).next(next);
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    let all = all.map_err(|error| wrong(format!("no certificate in PEM: {error}")))?;
    let [der] = &all[..] else { return Err(wrong(format!("{} certificates, not one", all.len()))) };
    let certificate = Certificate::from_der(der).map_err(|error| wrong(error.to_string()))?;
    certificate.key().map_err(|error| wrong(format!("nobody can enrol by its key: {error}")))?;
    Ok(certificate)
}
