use crate::{
    control::Control,
    failure::{Failure, Problem},
    output::{Output, seconds},
};
use api::{Reason, legacy::NameGroup};
use clap::Args;
use ids::{Label, Realm, UnixTime};
use ledger::LegacyGroup;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(crate) struct Group {
    /// What people call it: 1 to 32 lower-case letters, digits and hyphens
    name: Label,
    /// PEM of the certificate that its units share, or that one of them has, without its issuers
    #[arg(long, value_name = "FILE")]
    certificate: PathBuf,
    /// The vendor's realm
    #[arg(long)]
    realm: Realm,
    /// Until when its units may enrol by the key, a year ahead at most
    #[arg(long)]
    until: UnixTime,
    /// The reason, for the record
    #[arg(long)]
    why: Reason,
    /// Who else agreed: one of `approvers` in `[control]`, and not you
    #[arg(long, value_name = "NAME")]
    approver: Option<String>,
    /// A word of your own for this request: sent again with the same word, it is not done again
    #[arg(long, value_name = "WORD")]
    request_id: Option<String>,
}

impl Group {
    pub(super) async fn run(&self, control: &mut Control, output: &Output) -> Result<(), Failure> {
        let certificate = std::fs::read_to_string(&self.certificate).map_err(|error| {
            let what = format!("{} cannot be read", self.certificate.display());
            Failure::Usage(Problem::new("unreadable", what).because(error).next("name a file in PEM"))
        })?;
        let request = NameGroup {
            request_id: self.request_id.clone(),
            name: self.name.clone(),
            realm: self.realm.clone(),
            certificate,
            until: self.until,
            why: self.why.clone(),
            approver: self.approver.clone(),
        };
        let group: LegacyGroup = control.client().post("/v1/legacy-groups", &request).await?;
        output.answer(&group, |group| {
            let (name, until, key) = (&group.name, seconds(group.until), group.spki_sha256);
            if !group.is_in_force(UnixTime::now()) {
                return format!("{name}: ended at {until}, nobody enrols by the key {key}");
            }
            format!("{name}: until {until} its units may enrol by the key {key}, each by an order from its own line")
        })
    }
}
