use crate::{Ca, Generation, KeyError, KeyPlace, PkiError, StatusUris};
use x509::Certificate;

/// One CA of the hierarchy, for people to look at.
#[derive(Debug)]
pub struct Level {
    /// Its name, which is also that of its files: `root`, `between-<n>`, `devices`, `gateways`,
    /// `devices-2`.
    pub name: String,
    /// Its certificate.
    pub certificate: Certificate,
    /// Where its key is unless somebody moved it off the machine.
    pub key: KeyPlace,
    /// What was wrong with the key when it was last used or looked for; of a CA that certifies end entities.
    pub trouble: Option<KeyError>,
    /// Which of those that certify end entities it is.
    pub generation: Option<Generation>,
    /// Where its certificates say that their status is found.
    pub status_uris: StatusUris,
}

impl Ca {
    /// Every CA, the root first.
    ///
    /// # Errors
    /// [`PkiError::File`]
    pub fn hierarchy(&self) -> Result<Vec<Level>, PkiError> {
        let mut levels = vec![self.level("root", &self.root)?];
        // Behind the issuing CA's own, the nearest first.
        let between = self.above.iter().rev();
        for (number, der) in (1..).zip(between) {
            levels.push(self.level(&format!("between-{number}"), der)?);
        }
        let issuing = self.every();
        levels.extend(issuing.iter().map(|ca| Level {
            name: ca.generation.to_string(),
            certificate: ca.certificate.clone(),
            key: ca.issuer.key().place().clone(),
            trouble: ca.key_trouble(),
            generation: Some(ca.generation),
            status_uris: ca.status_uris(),
        }));
        Ok(levels)
    }

    fn level(&self, name: &str, der: &[u8]) -> Result<Level, PkiError> {
        let file = self.directory().join(name);
        let certificate = Certificate::from_der(der)
            .map_err(|_| PkiError::file(&file.with_extension("pem"), "no certificate of a CA"))?;
        Ok(Level {
            name: name.to_owned(),
            certificate,
            key: self.keys.file(self.directory(), name),
            trouble: None,
            generation: None,
            status_uris: StatusUris::default(),
        })
    }
}
