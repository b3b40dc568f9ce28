use crate::{Ca, Issuing, PkiError, StatusUris};
use std::path::PathBuf;
use x509::Certificate;

/// One CA of the hierarchy, for people to look at.
#[derive(Debug)]
pub struct Level {
    /// Its name, which is also that of its files: `root`, `between-<n>`, `devices`, `gateways`.
    pub name: String,
    /// Its certificate.
    pub certificate: Certificate,
    /// Where its key is unless somebody moved it off the machine.
    pub key_file: PathBuf,
    /// Which of the two that certify end entities it is.
    pub issuing: Option<Issuing>,
    /// Where its certificates say that their status is found.
    pub status_uris: StatusUris,
}

impl Ca {
    /// Every CA, the root first.
    ///
    /// # Errors
    /// [`PkiError::File`]
    pub fn hierarchy(&self) -> Result<Vec<Level>, PkiError> {
        let mut levels = vec![self.level("root", &self.root, None)?];
        // Behind the issuing CA's own, the nearest first.
        let between = self.devices.chain.iter().skip(1).rev();
        for (number, der) in (1..).zip(between) {
            levels.push(self.level(&format!("between-{number}"), der, None)?);
        }
        for issuing in Issuing::ALL {
            levels.push(self.level(issuing.name(), self.issuing_der(issuing), Some(issuing))?);
        }
        Ok(levels)
    }

    fn level(&self, name: &str, der: &[u8], issuing: Option<Issuing>) -> Result<Level, PkiError> {
        let file = self.directory().join(name);
        let certificate = Certificate::from_der(der)
            .map_err(|_| PkiError::file(&file.with_extension("pem"), "no certificate of a CA"))?;
        let status_uris = issuing.map(|which| self.issuing(which).status_uris.clone()).unwrap_or_default();
        let key_file = file.with_extension("key");
        Ok(Level { name: name.to_owned(), certificate, key_file, issuing, status_uris })
    }
}
