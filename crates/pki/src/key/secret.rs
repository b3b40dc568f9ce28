use super::KeyError;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::{env, fmt};
use zeroize::Zeroizing;

/// Where a passphrase or a PIN is read from, each time that it is needed. It never stands in a configuration or on a
/// command line itself.
///
/// As text: `credential:NAME` or `file:PATH`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum SecretSource {
    /// A credential that systemd hands to the service (LoadCredential= and LoadCredentialEncrypted=): the file of this
    /// name in `$CREDENTIALS_DIRECTORY`.
    Credential(String),
    /// A file, which not everybody may read.
    File(PathBuf),
}

/// What is no [`SecretSource`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a passphrase or PIN is read from `credential:NAME` or `file:PATH`")]
pub struct NoSource;

/// Octets of a secret at most.
const MAX_SECRET: u64 = 1024;

impl SecretSource {
    /// The first line, without its end.
    ///
    /// # Errors
    /// [`KeyError::Secret`]: it is not there, everybody may read it, or it is empty.
    pub fn read(&self) -> Result<Zeroizing<String>, KeyError> {
        let failed = |why: String| KeyError::Secret { from: self.to_string(), why };
        let path = self.path().ok_or_else(|| {
            failed(
                "systemd gave no credentials to this process; a shell has none, unless a file is named"
                    .into(),
            )
        })?;
        let line = first_line(&path).map_err(|error| failed(error.to_string()))?;
        match line.is_empty() {
            true => Err(failed("its first line is empty".into())),
            false => Ok(line),
        }
    }

    fn path(&self) -> Option<PathBuf> {
        match self {
            Self::Credential(name) => Some(Path::new(&env::var_os("CREDENTIALS_DIRECTORY")?).join(name)),
            Self::File(path) => Some(path.clone()),
        }
    }

    /// A relative path starts at `folder` from now on.
    pub fn resolve(&mut self, folder: &Path) {
        if let Self::File(path) = self {
            let joined = folder.join(&*path);
            *path = std::path::absolute(&joined).unwrap_or(joined);
        }
    }
}

fn first_line(path: &Path) -> io::Result<Zeroizing<String>> {
    let file = File::open(path)?;
    if file.metadata()?.permissions().mode() & 0o007 != 0 {
        return Err(io::Error::other("everybody may read or write it: take that away with `chmod o=`"));
    }
    // Room from the start, so that no copy is left behind.
    let mut text = Zeroizing::new(String::with_capacity(2 * MAX_SECRET as usize));
    file.take(MAX_SECRET).read_to_string(&mut text)?;
    let end = text.find(['\r', '\n']).unwrap_or(text.len());
    text.truncate(end);
    Ok(text)
}

impl FromStr for SecretSource {
    type Err = NoSource;

    fn from_str(text: &str) -> Result<Self, NoSource> {
        let is_name = |name: &str| {
            !name.is_empty()
                && !name.starts_with('.')
                && name.bytes().all(|octet| octet.is_ascii_graphic() && octet != b'/')
        };
        match text.split_once(':') {
            Some(("credential", name)) if is_name(name) => Ok(Self::Credential(name.to_owned())),
            Some(("file", path)) if !path.is_empty() => Ok(Self::File(path.into())),
            Some(_) | None => Err(NoSource),
        }
    }
}

impl TryFrom<String> for SecretSource {
    type Error = NoSource;

    fn try_from(text: String) -> Result<Self, NoSource> {
        text.parse()
    }
}

impl From<SecretSource> for String {
    fn from(source: SecretSource) -> Self {
        source.to_string()
    }
}

impl fmt::Display for SecretSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Credential(name) => write!(f, "credential:{name}"),
            Self::File(path) => write!(f, "file:{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, Permissions};

    #[test]
    fn a_source_is_a_credential_or_a_file_and_never_the_secret() {
        for text in ["credential:ca", "file:/etc/pass", "file:pass"] {
            assert_eq!(text.parse::<SecretSource>().unwrap().to_string(), text);
        }
        for text in [
            "",
            "secret",
            "pass:secret",
            "credential:",
            "credential:../x",
            "credential:a/b",
            "file:",
            "env:X",
        ] {
            assert_eq!(text.parse::<SecretSource>(), Err(NoSource), "{text}");
        }
    }

    #[test]
    fn the_first_line_counts_and_a_file_for_everybody_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pass");
        let source = SecretSource::File(path.clone());
        let reads = |text: &str, mode: u32| {
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            source.read().map(|secret| secret.as_str().to_owned())
        };
        for (text, secret) in [("a b\n", "a b"), ("a b", "a b"), ("a b\r\nmore\n", "a b"), (" é\n", " é")] {
            assert_eq!(reads(text, 0o640).unwrap(), secret);
        }
        for (text, mode) in [("", 0o600), ("\nsecret", 0o600), ("secret", 0o604)] {
            let error = reads(text, mode).unwrap_err();
            assert!(
                matches!(&error, KeyError::Secret { .. }) && !error.to_string().contains("secret"),
                "{error}"
            );
        }
        fs::remove_file(&path).unwrap();
        assert!(matches!(source.read(), Err(KeyError::Secret { .. })));
    }
}
