use crate::{Key, KeyError};
use cmp::{Operator, Signer, SignerError};
use ids::{DeviceId, Realm};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::time::Duration;
use x509::{Anchor, AnchorError};
use zeroize::Zeroizing;

/// The one configuration file, in TOML. Relative paths start at its folder.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Where the operator's CMP servers are: http URLs, asked in turn.
    pub servers: Vec<String>,
    /// The realm in which the operator names its units.
    pub realm: Realm,
    /// The operator's root, in PEM.
    pub operator_root: PathBuf,
    /// The vendor's certificate of this unit and its intermediates, in PEM.
    pub vendor_certificate: PathBuf,
    /// Its key, PKCS#8 in PEM.
    pub vendor_key: PathBuf,
    /// Which unit this is, where its vendor's certificate does not say so because all units have the same one.
    pub device: Option<DeviceId>,
    /// Folder of the state.
    #[serde(default = "default_state")]
    pub state: PathBuf,
    /// Seconds for a whole exchange with a server.
    #[serde(default = "default_timeout")]
    pub timeout_s: u64,
    /// What to do with the certificate; nothing where it is missing.
    pub strongswan: Option<StrongSwanSettings>,
}

/// The section `strongswan`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StrongSwanSettings {
    /// charon's VICI socket.
    pub vici: Option<PathBuf>,
    /// swanctl's folder.
    pub swanctl: Option<PathBuf>,
    /// How the files are called there.
    #[serde(default = "default_name")]
    pub name: String,
    /// The connection that is authenticated anew with a new certificate.
    pub connection: Option<String>,
    /// Its child, which is brought up where no SA stands.
    pub child: Option<String>,
}

fn default_state() -> PathBuf {
    "/var/lib/truecell-agent".into()
}

fn default_timeout() -> u64 {
    30
}

fn default_name() -> String {
    "truecell".into()
}

/// Why the configuration, or a file that it names, cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// A file cannot be read.
    #[error("{path}: {source}")]
    File {
        /// Which.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// No TOML, or not these keys.
    #[error("{path}: {source}")]
    Syntax {
        /// Of the file.
        path: PathBuf,
        /// What is wrong with it.
        source: Box<toml::de::Error>,
    },
    /// A value that cannot be.
    #[error("{key}: {why}")]
    Value {
        /// Of which key.
        key: &'static str,
        /// Why not.
        why: &'static str,
    },
    /// A certificate that cannot be the root.
    #[error("operator_root: {0}")]
    Root(#[from] AnchorError),
    /// No key.
    #[error("vendor_key: {0}")]
    Key(#[from] KeyError),
    /// Not the vendor's certificate of this key.
    #[error("vendor_certificate: {0}")]
    Vendor(#[from] SignerError),
}

impl Settings {
    /// Reads the file.
    ///
    /// # Errors
    /// [`SettingsError`].
    pub fn read(path: &Path) -> Result<Self, SettingsError> {
        let text = String::from_utf8(read(path)?.to_vec());
        let text = text.map_err(|_| SettingsError::Value { key: "the file", why: "not UTF-8" })?;
        let syntax = |source| SettingsError::Syntax { path: path.to_owned(), source: Box::new(source) };
        let settings: Self = toml::from_str(&text).map_err(syntax)?;
        let settings = settings.under(path.parent().unwrap_or(Path::new("")));
        settings.check()?;
        Ok(settings)
    }

    fn under(mut self, folder: &Path) -> Self {
        let paths =
            [&mut self.operator_root, &mut self.vendor_certificate, &mut self.vendor_key, &mut self.state];
        let strongswan = self.strongswan.iter_mut();
        let optional = strongswan.flat_map(|section| [&mut section.vici, &mut section.swanctl]);
        for path in paths.into_iter().chain(optional.flatten()) {
            *path = folder.join(&*path);
        }
        self
    }

    fn check(&self) -> Result<(), SettingsError> {
        if self.servers.is_empty() || self.servers.iter().any(|url| !url.starts_with("http://")) {
            return Err(SettingsError::Value {
                key: "servers",
                why: "one http:// URL at least, and nothing else",
            });
        }
        if !(1..=300).contains(&self.timeout_s) {
            return Err(SettingsError::Value { key: "timeout_s", why: "1 to 300" });
        }
        let is_name =
            |name: &str| !name.is_empty() && name.bytes().all(|o| o.is_ascii_alphanumeric() || o == b'-');
        match self.strongswan.as_ref().is_none_or(|section| is_name(&section.name)) {
            true => Ok(()),
            false => Err(SettingsError::Value { key: "strongswan.name", why: "letters, digits and hyphens" }),
        }
    }

    /// `timeout_s`.
    pub fn timeout(&self) -> Duration {
        Duration::from_secs(self.timeout_s)
    }

    /// The operator, and its root as DER.
    ///
    /// # Errors
    /// [`SettingsError`].
    pub fn operator(&self) -> Result<(Operator, Vec<u8>), SettingsError> {
        let [root] = <[Vec<u8>; 1]>::try_from(certificates(&self.operator_root)?).map_err(|_| {
            SettingsError::Value { key: "operator_root", why: "exactly one certificate in PEM" }
        })?;
        Ok((Operator::new(self.realm.clone(), Anchor::from_der(&root)?), root))
    }

    /// The vendor's key with its certificates.
    ///
    /// # Errors
    /// [`SettingsError`].
    pub fn vendor(&self) -> Result<Signer, SettingsError> {
        let key = Key::from_pem(&read(&self.vendor_key)?)?;
        let signer = Signer::new(Box::new(key), certificates(&self.vendor_certificate)?)?;
        match signer.device().or(self.device) {
            Some(_) => Ok(signer),
            None => Err(SettingsError::Value {
                key: "vendor_certificate",
                why: "it has not the one name of a device; if all units share this certificate, set `device` to this unit's EUI",
            }),
        }
    }
}

fn certificates(path: &Path) -> Result<Vec<Vec<u8>>, SettingsError> {
    let text = read(path)?;
    let read = CertificateDer::pem_slice_iter(&text).map(|der| der.map(|der| der.to_vec()));
    read.collect::<Result<_, _>>().map_err(|_| SettingsError::File {
        path: path.to_owned(),
        source: std::io::Error::new(std::io::ErrorKind::InvalidData, "no certificates in PEM"),
    })
}

fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, SettingsError> {
    let content = std::fs::read(path).map(Zeroizing::new);
    content.map_err(|source| SettingsError::File { path: path.to_owned(), source })
}
