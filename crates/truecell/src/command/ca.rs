mod init;
mod rotate;

use crate::{
    cli::Cli,
    command::tampered,
    control::Control,
    failure::Failure,
    output::{Output, count, facts, seconds},
    table::Table,
};
use api::{
    Client, ClientError, Reason,
    ca::{CaLevel, CaView, DistrustVendor, TrustVendor, Vouched, VouchedPage},
};
use clap::{Args, Subcommand};
use ids::{Realm, UnixTime};
use ledger::Distrust;

#[derive(Debug, Subcommand)]
pub(crate) enum Ca {
    /// Show root, CAs between, issuing CAs, and which vendors are distrusted
    Show,
    /// Make the embedded CA of a node that was made without one, its root's key in a folder that leaves the machine
    ///
    /// While no `serve` runs, which has the CA from its next start on.
    Init(init::Init),
    /// Give an issuing CA another key; what the one of before certified stays good
    ///
    /// The key is made here and certified by that of the CA above, wherever that is kept. It takes two people. Cut off in
    /// between, the key of before goes on certifying, and the same command finishes what was begun.
    Rotate(rotate::Rotate),
    /// Nobody of a vendor enrols from now on; lists the units for which its CA vouched. Those that are certified stay up
    Distrust(DistrustArgs),
    /// A vendor's units enrol again
    Trust(TrustArgs),
}

#[derive(Debug, Args)]
pub(crate) struct DistrustArgs {
    /// The vendor's realm, as in `[[vendor]]`
    realm: Realm,
    /// Since when its CA is in question, as in 2026-01-31T00:00:00Z
    #[arg(long)]
    since: UnixTime,
    /// The reason, for the record
    #[arg(long, value_name = "TEXT")]
    why: Reason,
    /// A word of your own for this request: sent again with the same word, it is not done again
    #[arg(long, value_name = "WORD")]
    request_id: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct TrustArgs {
    /// The vendor's realm
    realm: Realm,
    /// The reason, for the record
    #[arg(long, value_name = "TEXT")]
    why: Reason,
    /// A word of your own for this request: sent again with the same word, it is not done again
    #[arg(long, value_name = "WORD")]
    request_id: Option<String>,
}

impl Ca {
    pub(crate) async fn run(&self, cli: &Cli, output: &Output) -> Result<(), Failure> {
        if let Self::Init(init) = self {
            return init.run(cli, output);
        }
        let mut control = Control::open(&cli.data_dir()?, self.word()).await?;
        match self {
            Self::Show => show(control.client(), output).await,
            Self::Rotate(rotate) => rotate.run(control.client(), output).await,
            Self::Init(_) => Ok(()),
            Self::Distrust(distrust) => distrust.run(control.client(), output).await,
            Self::Trust(trust) => trust.run(control.client(), output).await,
        }
    }

    fn word(&self) -> &'static str {
        match self {
            Self::Show => "ca show",
            Self::Init(_) => "ca init",
            Self::Rotate(_) => "ca rotate",
            Self::Distrust(_) => "ca distrust",
            Self::Trust(_) => "ca trust",
        }
    }
}

async fn show(client: &mut Client, output: &Output) -> Result<(), Failure> {
    let view: CaView = client.get("/v1/ca").await?;
    output.answer(&view, |view| {
        let mut parts: Vec<_> = view.ca.iter().flat_map(|ca| ca.levels.iter().map(level)).collect();
        if view.ca.is_none() {
            parts.push("no embedded CA: certificates come from the carrier's own\n".to_owned());
        }
        if !view.distrusted.is_empty() {
            parts.push(distrusted(&view.distrusted));
        }
        parts.join("\n") + &tampered::below(&view.tampered)
    })?;
    tampered::conclude(&view.tampered, output)
}

fn level(level: &CaLevel) -> String {
    let mut pairs = vec![
        ("CA", level.name.clone()),
        ("subject", level.subject.clone()),
        ("serial", level.serial.clone()),
        ("key", level.key.clone()),
        ("not before", seconds(level.not_before)),
        ("not after", seconds(level.not_after)),
        ("kept in", kept_in(level)),
    ];
    pairs.extend(level.key_trouble.clone().map(|trouble| ("cannot sign", trouble)));
    pairs.extend(level.ocsp.clone().map(|uri| ("OCSP", uri)));
    pairs.extend(level.crl.clone().map(|uri| ("CRL", uri)));
    if let (Some(issued), Some(counting)) = (level.issued, level.counting) {
        pairs.push(("certificates", format!("{issued} issued, {counting} of them count")));
    }
    facts(&pairs)
}

fn kept_in(level: &CaLevel) -> String {
    let state = match &level.key_mode {
        None if level.key_file.is_none() => return level.key_place.clone(),
        None => "not there".to_owned(),
        Some(mode) if level.key_encrypted => format!("mode {mode}, encrypted"),
        Some(mode) => format!("mode {mode}"),
    };
    format!("{}, {state}", level.key_place)
}

fn distrusted(all: &[Distrust]) -> String {
    let mut table = Table::new(&["DISTRUSTED VENDOR", "IN QUESTION SINCE", "SAID AT", "WHY"]);
    for one in all {
        table.row([one.realm.to_string(), seconds(one.since), seconds(one.at), one.why.clone()]);
    }
    table.to_string()
}

impl DistrustArgs {
    async fn run(&self, client: &mut Client, output: &Output) -> Result<(), Failure> {
        let (request_id, realm, why) = (self.request_id.clone(), self.realm.clone(), self.why.clone());
        let request = DistrustVendor { request_id, realm, since: self.since, why };
        let _: Distrust = client.post("/v1/ca/distrust", &request).await?;
        let all = vouched(client, &self.realm).await?;
        output.answer(&all, listed)?;
        if let (Some(unknown), false) = (unknown(&all), output.is_json()) {
            output.note(&unknown);
        }
        tampered::conclude(&all.tampered, output)
    }
}

/// That the vendor is none of those that are configured: its realm may be a slip of the pen, and stop nobody.
fn unknown(page: &VouchedPage) -> Option<String> {
    let (realm, vendors) = (&page.distrust.realm, &page.vendors);
    if vendors.contains(realm) {
        return None;
    }
    let known = vendors.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let known = if known.is_empty() { "there is none".to_owned() } else { format!("those are: {known}") };
    Some(format!("note: no [[vendor]] {realm} is configured here; {known}"))
}

/// All pages as one.
async fn vouched(client: &mut Client, realm: &Realm) -> Result<VouchedPage, ClientError> {
    let path = format!("/v1/ca/distrust/{realm}");
    let mut all: VouchedPage = client.get(&path).await?;
    while let Some(after) = all.next.take() {
        let page: VouchedPage = client.get(&format!("{path}?after={after}")).await?;
        all.vouched.extend(page.vouched);
        all.tampered.extend(page.tampered);
        all.next = page.next;
    }
    Ok(all)
}

fn listed(page: &VouchedPage) -> String {
    let Distrust { realm, since, .. } = &page.distrust;
    let uses = count(page.vouched.len() as u64, "use");
    let mut text = format!(
        "nobody of {realm} enrols from now on; {uses} of its certificates since {}\n",
        seconds(*since)
    );
    if !page.vouched.is_empty() {
        let mut table = Table::new(&["DEVICE", "STATE", "ENROLMENT", "CERTIFICATE", "FROM", "SINCE"]);
        for Vouched { used, state, enrolment, .. } in &page.vouched {
            table.row([
                used.device.to_string(),
                state.map(|state| state.to_string()).unwrap_or_default(),
                enrolment.map(|enrolment| enrolment.to_string()).unwrap_or_default(),
                used.cert_sha256.to_string(),
                used.from.to_string(),
                seconds(used.at),
            ]);
        }
        text += &format!("\n{table}");
    }
    text + &tampered::below(&page.tampered)
}

impl TrustArgs {
    async fn run(&self, client: &mut Client, output: &Output) -> Result<(), Failure> {
        let (request_id, realm, why) = (self.request_id.clone(), self.realm.clone(), self.why.clone());
        let trusted: Distrust = client.post("/v1/ca/trust", &TrustVendor { request_id, realm, why }).await?;
        output.answer(&trusted, |trusted| format!("units of {} enrol again", trusted.realm))
    }
}
