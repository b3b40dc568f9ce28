use crate::{
    cli::Cli,
    control::Control,
    failure::{Failure, Problem},
    node::Node,
    output::Output,
    table::Table,
};
use api::{
    Client, ClientError,
    certificate::{ForeignCertificate, ImportCertificates, ImportedCertificates, RefusedCertificate},
};
use clap::Args;
use ids::DeviceId;
use rustls_pki_types::{CertificateDer, pem::PemObject};
use serde::Deserialize;
use std::{
    fmt::Display,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};
use x509::{Certificate, MAX_CHAIN_OCTETS, PathError};

/// Record certificates that another CA issued as those of units
///
/// Each must lead to an anchor of its `[[realm]]` and name its unit. If one is refused, none is recorded.
#[derive(Debug, Args)]
pub(crate) struct Import {
    /// Which unit; it must be in the ledger
    #[arg(required_unless_present = "list", requires = "files", value_parser = DeviceId::typed)]
    device: Option<DeviceId>,
    /// Its certificates: PEM, each with the issuers below the anchor behind it, or DER
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// CSV with the head line `device,file`, for many units; files start at its folder. `-` reads standard input
    #[arg(long, value_name = "CSV", conflicts_with_all = ["device", "files"])]
    list: Option<PathBuf>,
}

/// A line of the list.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    device: String,
    file: PathBuf,
}

/// What was found, and what cannot be sent because it cannot be read.
#[derive(Default)]
struct Found {
    rows: Vec<ForeignCertificate>,
    refused: Vec<RefusedCertificate>,
}

/// Certificates sent at once: the longest chains of so many fit into the 2 MiB that a request may have.
const BATCH: usize = 50;

impl Import {
    pub(super) async fn run(&self, cli: &Cli, output: &Output) -> Result<(), Failure> {
        let found = self.find()?;
        let mut control =
            Control::open_with(&cli.data_dir()?, "cert import", |node| trust(cli, node)).await?;
        let mut sum = send(control.client(), &found.rows, true).await?;
        sum.refused.extend(found.refused);
        if sum.refused.is_empty() {
            sum = send(control.client(), &found.rows, false).await?;
        } else {
            sum.recorded = 0;
        }
        output.answer(&sum, imported)?;
        let warnings = sum.warnings.iter().filter(|_| !output.is_json());
        warnings.for_each(|warning| output.note(&format!("warning: {}: {}", warning.from, warning.what)));
        if sum.refused.is_empty() { Ok(()) } else { Err(Failure::answered()) }
    }

    fn find(&self) -> Result<Found, Failure> {
        let mut found = Found::default();
        if let Some(device) = self.device {
            let device = device.to_string();
            self.files.iter().for_each(|file| found.add(file.display().to_string(), &device, file));
        }
        if let Some(list) = &self.list {
            found.add_list(list).map_err(|error| unreadable(list, &error))?;
        }
        Ok(found)
    }
}

/// The anchors of the realms come from the configuration, where there is one.
fn trust(cli: &Cli, node: &Node) -> Result<(), Failure> {
    match cli.config_file() {
        Ok(_) => node.trust(&cli.read_config()?),
        Err(_) => Ok(()),
    }
}

async fn send(
    client: &mut Client,
    rows: &[ForeignCertificate],
    check: bool,
) -> Result<ImportedCertificates, ClientError> {
    let mut sum = ImportedCertificates::default();
    for batch in rows.chunks(BATCH) {
        let request = ImportCertificates { request_id: None, check, rows: batch.to_vec() };
        let answer: ImportedCertificates = client.post("/v1/certificates/import", &request).await?;
        sum.recorded += answer.recorded;
        sum.unchanged += answer.unchanged;
        sum.refused.extend(answer.refused);
        sum.warnings.extend(answer.warnings);
    }
    Ok(sum)
}

fn imported(sum: &ImportedCertificates) -> String {
    let mut text =
        format!("{} recorded, {} unchanged, {} refused\n", sum.recorded, sum.unchanged, sum.refused.len());
    if !sum.refused.is_empty() {
        let mut table = Table::new(&["FROM", "DEVICE", "WHY"]);
        for row in &sum.refused {
            table.row([row.from.clone(), row.device.clone(), row.why.clone()]);
        }
        text += &table.to_string();
    }
    text
}

impl Found {
    fn add_list(&mut self, list: &Path) -> Result<(), String> {
        let source: Box<dyn io::Read> = match list == Path::new("-") {
            true => Box::new(io::stdin()),
            false => Box::new(File::open(list).map_err(text)?),
        };
        let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(source);
        let head = reader.headers().map_err(text)?.clone();
        let folder = list.parent().unwrap_or(Path::new(""));
        for record in reader.records() {
            let record = record.map_err(text)?;
            let number = record.position().map_or(0, csv::Position::line);
            let line: Line = record.deserialize(Some(&head)).map_err(text)?;
            self.add(format!("{}:{number}", list.display()), &line.device, &folder.join(line.file));
        }
        Ok(())
    }

    fn add(&mut self, from: String, device: &str, file: &Path) {
        let id = DeviceId::typed(device).map_err(|error| error.to_string());
        match id.and_then(|id| Ok((id, chain_in(file)?))) {
            Ok((device, chain)) => self.rows.push(ForeignCertificate { from, device, chain }),
            Err(why) => self.refused.push(RefusedCertificate { from, device: device.to_owned(), why }),
        }
    }
}

/// The certificates of a file as PEM, and nothing else that is in it.
fn chain_in(file: &Path) -> Result<String, String> {
    let named = |what: &dyn Display| format!("{}: {what}", file.display());
    let octets = fs::read(file).map_err(|error| named(&error))?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&octets).collect();
    let mut chain = found.map_err(|error| named(&error))?;
    if chain.is_empty() {
        Certificate::from_der(&octets).map_err(|_| named(&"no certificate, neither in PEM nor in DER"))?;
        chain.push(CertificateDer::from(octets));
    }
    if chain.iter().map(|der| der.len()).sum::<usize>() > MAX_CHAIN_OCTETS {
        return Err(named(&PathError::TooLarge));
    }
    Ok(chain.iter().map(|der| pki::certificate_pem(der)).collect())
}

fn text(error: impl Display) -> String {
    error.to_string()
}

fn unreadable(list: &Path, error: &dyn Display) -> Failure {
    Failure::Usage(
        Problem::new("import-file", format!("{} cannot be imported", list.display()))
            .because(error)
            .next("give a CSV file whose first line is `device,file`"),
    )
}
