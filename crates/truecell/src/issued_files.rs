//! Certificates that an older Truecell kept as files in DATA/ca/issued become rows of the ledger, once.

use ids::{DeviceName, Sha256, UnixTime};
use ledger::{CertificateRecord, Leave, Ledger, Octets, Tx};
use pki::{BACKDATE, Ca, Issuing, Kind, read_certificate};
use std::{fs, io, path::Path};
use x509::Certificate;

/// Takes in what is there, folder by folder, each gone once its rows are durable: what is cut off goes on at the next
/// start. What was only intended goes with it, as nobody has it. How many became rows.
///
/// # Errors
/// A file or the ledger is out of reach, or a file is no certificate.
pub(crate) fn take_in(ca: &Ca, ledger: &Ledger, now: UnixTime) -> anyhow::Result<u64> {
    let (issued, mut taken) = (ca.directory().join("issued"), 0);
    for folder in entries(&issued)? {
        let mut tx = ledger.begin()?;
        for file in entries(&folder)?.iter().filter(|file| file.extension().is_some_and(|end| end == "pem")) {
            let record = record(ca, &read_certificate(file)?, &mut tx)?;
            if tx.certificate(&record.issuer, &record.serial)?.is_none() {
                tx.record_certificate(&record, now)?;
                taken += 1;
            }
        }
        tx.commit()?;
        fs::remove_dir_all(folder)?;
    }
    for folder in [issued, ca.directory().join("pending")].iter().filter(|folder| folder.exists()) {
        fs::remove_dir_all(folder)?;
    }
    Ok(taken)
}

/// What is in a folder; nothing where there is none.
fn entries(folder: &Path) -> io::Result<Vec<std::path::PathBuf>> {
    match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        entries => entries?.map(|entry| Ok(entry?.path())).collect(),
    }
}

/// It was a unit's or a gateway's, by its name; nothing else was issued then.
fn record(ca: &Ca, der: &[u8], tx: &mut Tx<'_>) -> anyhow::Result<CertificateRecord> {
    let certificate = Certificate::from_der(der)?;
    let name = certificate.dns_names().first().cloned().unwrap_or_default();
    let unit: Option<DeviceName> = name.parse().ok().filter(|name: &DeviceName| name.realm == *ca.realm());
    let (issuing, kind) = match unit {
        Some(_) => (Issuing::Devices, Kind::Device),
        None => (Issuing::Gateways, Kind::Gateway),
    };
    let recorded = tx.credential(certificate.sha256())?.map(|credential| credential.issued_at);
    Ok(CertificateRecord {
        issuer: issuing.name().to_owned(),
        serial: certificate.serial(),
        cert_sha256: certificate.sha256(),
        spki_sha256: Sha256::of(certificate.spki()),
        kind: kind.name().to_owned(),
        device: unit.map(|name| name.device),
        name,
        not_before: certificate.not_before(),
        not_after: certificate.not_after(),
        possession: "unknown".to_owned(),
        exception: None,
        by: "truecell".to_owned(),
        issued_at: recorded.unwrap_or_else(|| certificate.not_before().after(BACKDATE)),
        leave: Leave::Word,
        transaction: None,
        revoked: None,
        der: Octets(der.to_vec()),
    })
}

#[cfg(test)]
mod tests;
