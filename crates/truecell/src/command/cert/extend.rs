use crate::{
    control::Control,
    failure::Failure,
    output::{Output, seconds},
};
use api::{
    Reason,
    certificate::{CertificateExtension, EndExtension, ExtendCertificates},
};
use clap::Args;
use ids::UnixTime;

#[derive(Debug, Args)]
pub(crate) struct Extend {
    /// Until when, 30 days ahead at most, as in 2026-01-31T23:59:59Z
    #[arg(long, value_name = "TIME", required_unless_present = "end")]
    until: Option<UnixTime>,
    /// Who else agreed: one of `approvers` in `[control]`, and not you
    #[arg(long, value_name = "NAME", required_unless_present = "end")]
    approver: Option<String>,
    /// Certificates count no longer than they say, from now on
    #[arg(long, conflicts_with_all = ["until", "approver"])]
    end: bool,
    /// The reason, for the record
    #[arg(long, value_name = "TEXT")]
    why: Reason,
    /// A word of your own for this request: sent again with the same word, it is not done again
    #[arg(long, value_name = "WORD")]
    request_id: Option<String>,
}

impl Extend {
    pub(super) async fn run(&self, control: &mut Control, output: &Output) -> Result<(), Failure> {
        let (request_id, why) = (self.request_id.clone(), self.why.clone());
        let extension: CertificateExtension = match (self.until, self.approver.clone()) {
            (Some(until), Some(approver)) => {
                let request = ExtendCertificates { request_id, until, why, approver };
                control.client().post("/v1/certificates/extension", &request).await?
            }
            (_, _) => {
                let request = EndExtension { request_id, why };
                control.client().post("/v1/certificates/extension/end", &request).await?
            }
        };
        output.answer(&extension, |extension| match &extension.ended {
            Some(ended) => {
                format!("the extension until {} is ended, by {}", seconds(extension.until), ended.by)
            }
            None => in_force(extension),
        })
    }
}

/// For people.
pub(super) fn in_force(extension: &CertificateExtension) -> String {
    let CertificateExtension { by, approver, why, .. } = extension;
    let (from, until) = (seconds(extension.from()), seconds(extension.until));
    format!(
        "certificates of units that end from {from} on count until {until}, by {by} and {approver}: {why}"
    )
}
