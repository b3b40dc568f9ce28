mod expiring;
mod extend;
mod import;
mod lineage;
mod out;

use crate::{
    cli::Cli,
    command::tampered,
    control::Control,
    failure::{Failure, Problem},
    output::{Output, facts, seconds},
    table::Table,
};
use api::{
    Reason,
    certificate::{
        CertificateDetail, CertificatePage, IssueCertificate, IssuedCertificate, ListedCertificate,
        RevokeCertificate, RevokedCertificate,
    },
};
use clap::{
    Args, Subcommand,
    builder::{PossibleValuesParser, TypedValueParser},
};
use expiring::Expiring;
use extend::Extend;
use ids::{CrlReason, DeviceId};
use import::Import;
use lineage::Lineage;
use out::Out;
use serde::Serialize;
use std::{
    convert::Infallible,
    fs, io,
    path::{Path, PathBuf},
};

#[derive(Debug, Subcommand)]
pub(crate) enum Cert {
    /// Have the embedded CA certify a unit's key
    Issue(Issue),
    /// Record certificates that another CA issued as those of units
    Import(Import),
    /// List what the embedded CA issued
    List(List),
    /// Show one certificate
    Show(Show),
    /// Show all certificates of a unit as a tree: which asked for which, and what became of each
    Lineage(Lineage),
    /// List units whose newest certificate ends soon
    Expiring(Expiring),
    /// Let units' certificates that end count for longer, while nobody can get a new one: two people's word, until a day
    Extend(Extend),
    /// A certificate counts no more: a tunnel that it opened ends, and it opens none again
    Revoke(Revoke),
}

#[derive(Debug, Args)]
pub(crate) struct Issue {
    /// Which unit; it must be in the ledger
    #[arg(value_parser = DeviceId::typed)]
    device: DeviceId,
    /// Who else agreed: one of `approvers` in `[control]`, and not you
    #[arg(long, value_name = "NAME")]
    approver: String,
    /// PKCS#10 request, PEM. Without it the CA makes the key
    #[arg(long, value_name = "FILE")]
    request: Option<PathBuf>,
    /// Days from notBefore to notAfter, as many as [admission] allows; 30 unless given
    #[arg(long)]
    days: Option<u32>,
    /// A word of your own for this request: sent again with the same word, it has the same answer, with the same key
    #[arg(long, value_name = "WORD")]
    request_id: Option<String>,
    /// Folder for ID.pem (the chain), ID.key (if the CA made the key) and root.pem
    #[arg(long, value_name = "DIR", default_value = ".")]
    out: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct List {
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = super::rows())]
    limit: u32,
    /// Only those behind this one, as `more` named it
    #[arg(long, value_name = "CA/SERIAL")]
    after: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Show {
    /// Serial number, as listed
    #[arg(value_parser = as_listed)]
    serial: String,
}

#[derive(Debug, Args)]
pub(crate) struct Revoke {
    /// SHA-256 of a unit's certificate, as `device show` lists it, or the serial number of one of the embedded CA
    #[arg(value_parser = as_listed)]
    certificate: String,
    /// The reason, for the record
    #[arg(long, value_name = "TEXT")]
    why: Reason,
    /// The reason, as OCSP and revocation lists tell it to everybody
    #[arg(long, value_parser = reasons())]
    reason: Option<CrlReason>,
    /// A word of your own for this request: sent again with the same word, it is not done again
    #[arg(long, value_name = "WORD")]
    request_id: Option<String>,
}

/// Digits as this program writes them; openssl has capitals, and colons between.
fn as_listed(typed: &str) -> Result<String, Infallible> {
    Ok(typed.replace(':', "").to_ascii_lowercase())
}

fn reasons() -> impl TypedValueParser<Value = CrlReason> {
    PossibleValuesParser::new(CrlReason::ALL.map(CrlReason::as_str)).try_map(|reason| reason.parse())
}

impl Cert {
    pub(crate) async fn run(&self, cli: &Cli, output: &Output) -> Result<(), Failure> {
        match self {
            Self::Issue(issue) => {
                let request = issue.request()?;
                let out = Out::ready(&issue.out, issue.device, request.is_none())?;
                let mut control = Control::open(&cli.data_dir()?, "cert issue").await?;
                issue.run(request, &out, &mut control, output).await
            }
            Self::Import(import) => import.run(cli, output).await,
            Self::List(list) => {
                list.run(&mut Control::open(&cli.data_dir()?, "cert list").await?, output).await
            }
            Self::Show(one) => {
                one.run(&mut Control::open(&cli.data_dir()?, "cert show").await?, output).await
            }
            Self::Lineage(lineage) => {
                lineage.run(&mut Control::open(&cli.data_dir()?, "cert lineage").await?, output).await
            }
            Self::Expiring(expiring) => {
                expiring.run(&mut Control::open(&cli.data_dir()?, "cert expiring").await?, output).await
            }
            Self::Extend(extend) => {
                extend.run(&mut Control::open(&cli.data_dir()?, "cert extend").await?, output).await
            }
            Self::Revoke(revoke) => {
                revoke.run(&mut Control::open(&cli.data_dir()?, "cert revoke").await?, output).await
            }
        }
    }
}

#[derive(Serialize)]
struct Written {
    certificate: pki::CertificateInfo,
    files: Vec<PathBuf>,
}

impl Issue {
    fn request(&self) -> Result<Option<String>, Failure> {
        let Some(file) = &self.request else { return Ok(None) };
        let read = fs::read_to_string(file);
        read.map(Some).map_err(|error| {
            Failure::Usage(
                Problem::new("request-file", format!("{} cannot be read", file.display()))
                    .because(error)
                    .next("give a PKCS#10 request in PEM; from DER: `openssl req -inform DER -in FILE -out FILE.pem`"),
            )
        })
    }

    async fn run(
        &self,
        request: Option<String>,
        out: &Out<'_>,
        control: &mut Control,
        output: &Output,
    ) -> Result<(), Failure> {
        let (request_id, approver) = (self.request_id.clone(), self.approver.clone());
        let order = IssueCertificate { request_id, device: self.device, approver, request, days: self.days };
        let issued: IssuedCertificate = control.client().post("/v1/certificates", &order).await?;
        let files = out.write(&issued).map_err(|error| self.lost(&issued, &error))?;
        output.answer(&Written { certificate: issued.certificate, files }, written)
    }

    fn lost(&self, issued: &IssuedCertificate, error: &io::Error) -> Failure {
        let (serial, dir) = (&issued.certificate.serial, self.out.display());
        let problem =
            Problem::new("out", format!("certificate {serial} was issued, and {dir} cannot be written"));
        Failure::Ours(problem.because(error).next("make room there, and have another one issued"))
    }
}

fn written(written: &Written) -> String {
    let files =
        written.files.iter().map(|file| Path::display(file).to_string()).collect::<Vec<_>>().join(" ");
    facts(&[certificate(&written.certificate).as_slice(), &[("files", files)]].concat())
}

impl List {
    async fn run(&self, control: &mut Control, output: &Output) -> Result<(), Failure> {
        let mut path = format!("/v1/certificates?limit={}", self.limit);
        if let Some(after) = &self.after {
            let parts: Result<Vec<_>, _> = after.split('/').map(super::query_value).collect();
            path += &format!("&after={}", parts?.join("%2F"));
        }
        let page: CertificatePage = control.client().get(&path).await?;
        output.answer(&page, list)?;
        if let (Some(next), false) = (&page.next, output.is_json()) {
            output.note(&format!("more: add --after {next}"));
        }
        tampered::conclude(&page.tampered, output)
    }
}

fn list(page: &CertificatePage) -> String {
    let mut table = Table::new(&["SERIAL", "FOR", "STATE", "NOT BEFORE", "NOT AFTER", "KEY"]);
    for listed in &page.certificates {
        let info = &listed.certificate;
        let names = [info.serial.clone(), holder(info), state(listed).to_owned()];
        let rest = [seconds(info.not_before), seconds(info.not_after), info.key.clone()];
        table.row(names.into_iter().chain(rest));
    }
    for row in &page.tampered {
        let cells = [row.key.clone(), String::new(), tampered::TAMPERED.to_owned()];
        table.row(cells.into_iter().chain(std::iter::repeat_n(String::new(), 3)));
    }
    table.to_string()
}

fn state(listed: &ListedCertificate) -> &'static str {
    match &listed.revoked {
        Some(_) => "revoked",
        None if listed.waits => "waits",
        None => "counts",
    }
}

/// Its names; the subject of who has none.
fn holder(info: &pki::CertificateInfo) -> String {
    if info.names.is_empty() { info.subject.clone() } else { info.names.join(" ") }
}

impl Show {
    async fn run(&self, control: &mut Control, output: &Output) -> Result<(), Failure> {
        let path = format!("/v1/certificates/{}", super::query_value(&self.serial)?);
        let detail: CertificateDetail = control.client().get(&path).await?;
        output.answer(&detail, |detail| format!("{}\n{}", shown(detail), detail.pem))
    }
}

fn shown(detail: &CertificateDetail) -> String {
    let node = &detail.lineage;
    let mut pairs = certificate(&detail.certificate.certificate);
    pairs.push(("state", lineage::state(node)));
    pairs.extend(lineage::particulars(node));
    facts(&pairs)
}

impl Revoke {
    async fn run(&self, control: &mut Control, output: &Output) -> Result<(), Failure> {
        let path = format!("/v1/certificates/{}/revoke", super::query_value(&self.certificate)?);
        let (request_id, why) = (self.request_id.clone(), self.why.clone());
        let request = RevokeCertificate { request_id, why, reason: self.reason };
        let revoked: RevokedCertificate = control.client().post(&path, &request).await?;
        output.answer(&revoked, |revoked| {
            let whose = revoked.device.map_or(revoked.name.clone(), |device| device.to_string());
            let (serial, since) = (&revoked.serial, lineage::since(&revoked.revoked));
            match revoked.before {
                true => format!("{serial} of {whose} was revoked already, on {since}; nothing changed"),
                false => format!("{serial} of {whose} is revoked"),
            }
        })
    }
}

fn certificate(info: &pki::CertificateInfo) -> Vec<(&'static str, String)> {
    vec![
        ("serial", info.serial.clone()),
        ("for", holder(info)),
        ("subject", info.subject.clone()),
        ("issuer", info.issuer.clone()),
        ("key", info.key.clone()),
        ("not before", seconds(info.not_before)),
        ("not after", seconds(info.not_after)),
        ("sha256", info.sha256.to_string()),
    ]
}
