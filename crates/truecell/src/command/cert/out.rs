//! The folder that receives what the CA issued: made, writable and free before anything is asked for, so
//! that no key is made that could not be kept.

use crate::failure::{Failure, Problem};
use api::certificate::IssuedCertificate;
use ids::DeviceId;
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// A folder in which the files of one unit can be written and replace no other.
pub(super) struct Out<'a> {
    dir: &'a Path,
    device: DeviceId,
}

impl<'a> Out<'a> {
    /// Makes `dir` where it is missing and tries it; `key` says whether a private key will be written.
    ///
    /// # Errors
    /// The folder cannot be written, or holds a file of one of the names.
    pub(super) fn ready(dir: &'a Path, device: DeviceId, key: bool) -> Result<Self, Failure> {
        let out = Self { dir, device };
        fs::create_dir_all(dir)
            .and_then(|()| pki::replace_file(&out.trial(), 0o600, b""))
            .and_then(|()| fs::remove_file(out.trial()))
            .map_err(|error| unwritable(dir, &error))?;
        let names = [key.then(|| out.key()), Some(out.chain())];
        match names.into_iter().flatten().find(|path| path.exists()) {
            Some(path) => Err(taken(&path)),
            None => Ok(out),
        }
    }

    /// Writes what was issued; the names of the files.
    pub(super) fn write(&self, issued: &IssuedCertificate) -> io::Result<Vec<PathBuf>> {
        let mut files = Vec::new();
        let mut write = |path: PathBuf, mode, text: &str| {
            pki::replace_file(&path, mode, text.as_bytes())?;
            files.push(path);
            io::Result::Ok(())
        };
        if let Some(key) = &issued.key {
            write(self.key(), 0o600, key)?;
        }
        write(self.chain(), 0o644, &issued.chain)?;
        write(self.root(&issued.root)?, 0o644, &issued.root)?;
        Ok(files)
    }

    fn key(&self) -> PathBuf {
        self.dir.join(format!("{}.key", self.device))
    }

    fn chain(&self) -> PathBuf {
        self.dir.join(format!("{}.pem", self.device))
    }

    /// `root.pem`; where another carrier's root has that name, the unit's own stands in front.
    fn root(&self, root: &str) -> io::Result<PathBuf> {
        let path = self.dir.join("root.pem");
        match fs::read(&path) {
            Ok(other) if other != root.as_bytes() => Ok(self.dir.join(format!("{}.root.pem", self.device))),
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            Ok(_) | Err(_) => Ok(path),
        }
    }

    fn trial(&self) -> PathBuf {
        self.dir.join(format!(".truecell-{}", std::process::id()))
    }
}

fn unwritable(dir: &Path, error: &io::Error) -> Failure {
    let problem = Problem::new("out", format!("{} cannot be written; nothing was issued", dir.display()));
    Failure::Usage(problem.because(error).next("choose a folder that you may write, with --out DIR"))
}

fn taken(path: &Path) -> Failure {
    let problem = Problem::new("exists", format!("{} is there already; nothing was issued", path.display()));
    Failure::No(problem.next("choose another --out DIR, or move it away"))
}
