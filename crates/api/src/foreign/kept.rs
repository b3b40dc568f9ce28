//! The last good revocation list of each CA, one file in DER.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};
use x509::{Anchor, Crl, MAX_CRL};

pub(super) fn file(folder: &Path, anchor: &Anchor) -> PathBuf {
    folder.join(format!("{}.crl", anchor.certificate().sha256()))
}

/// What was kept, if it is a list of that CA.
pub(super) fn recall(folder: &Path, anchor: &Anchor) -> Option<Crl> {
    Crl::verify(anchor, &read(&file(folder, anchor)).ok()?).ok()
}

/// At most one octet more than a list may have.
pub(super) fn read(file: &Path) -> io::Result<Vec<u8>> {
    let mut der = Vec::new();
    File::open(file)?.take(MAX_CRL as u64 + 1).read_to_end(&mut der)?;
    Ok(der)
}

/// Whole or not at all.
pub(super) fn write(file: &Path, der: &[u8]) -> io::Result<()> {
    fs::create_dir_all(file.parent().unwrap_or(Path::new("")))?;
    let new = file.with_extension("new");
    let mut options = OpenOptions::new();
    let mut written = options.write(true).create(true).truncate(true).mode(0o600).open(&new)?;
    written.write_all(der)?;
    written.sync_all()?;
    fs::rename(&new, file)
}
