use super::{NoSource, SecretSource};
use crate::percent;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// A key in a PKCS#11 token (RFC 7512):
/// `pkcs11:token=LABEL;object=LABEL?module-path=FILE&pin-source=SOURCE`, these four, each once, percent-encoded.
/// SOURCE is that of a [`SecretSource`]; no PIN stands in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TokenUri {
    /// Label of the token (CKA_LABEL, 32 octets at most).
    pub(super) token: String,
    /// Label of the key (CKA_LABEL), private and public alike.
    pub(super) object: String,
    /// The library of the token's maker.
    pub(super) module: PathBuf,
    /// Where the user's PIN is read from.
    pub(super) pin: SecretSource,
}

/// What is no [`TokenUri`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoTokenUri {
    /// Another kind of URI.
    #[error(
        "a key in a token is written `pkcs11:token=LABEL;object=LABEL?module-path=FILE&pin-source=SOURCE`"
    )]
    Scheme,
    /// One is missing.
    #[error("`{0}` is missing")]
    Missing(&'static str),
    /// An attribute that is unknown, empty, there twice, or badly encoded.
    #[error("`{0}` is unknown, empty, there twice, or not percent-encoded as it should be")]
    Attribute(String),
    /// The PIN itself.
    #[error(
        "a PIN does not stand here: name its source with pin-source=file:PATH or pin-source=credential:NAME"
    )]
    Pin,
    /// Where the PIN is read from.
    #[error("pin-source: {0}")]
    Source(#[from] NoSource),
}

impl TokenUri {
    /// The key of a later generation: its number stands behind the label.
    pub(super) fn of(&self, number: u32) -> Self {
        match number {
            1 => self.clone(),
            number => Self { object: format!("{}-{number}", self.object), ..self.clone() },
        }
    }

    /// Relative paths start at `folder` from now on. A module without a folder is looked for where libraries are.
    pub(super) fn resolve(&mut self, folder: &Path) {
        self.pin.resolve(folder);
    }

    /// What opens it.
    pub fn pin_source(&self) -> &SecretSource {
        &self.pin
    }
}

const ATTRIBUTES: [&str; 4] = ["token", "object", "module-path", "pin-source"];

impl FromStr for TokenUri {
    type Err = NoTokenUri;

    fn from_str(text: &str) -> Result<Self, NoTokenUri> {
        let (path, query) =
            text.strip_prefix("pkcs11:").and_then(|rest| rest.split_once('?')).ok_or(NoTokenUri::Scheme)?;
        let mut found = [None, None, None, None];
        for (part, is_query) in
            path.split(';').map(|part| (part, false)).chain(query.split('&').map(|part| (part, true)))
        {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            if name == "pin-value" {
                return Err(NoTokenUri::Pin);
            }
            let bad = || NoTokenUri::Attribute(name.to_owned());
            let at = ATTRIBUTES.iter().position(|known| *known == name).ok_or_else(bad)?;
            let value = percent::decode(value).filter(|value| !value.is_empty()).ok_or_else(bad)?;
            let slot =
                found.get_mut(at).filter(|slot| slot.is_none() && is_query == (at > 1)).ok_or_else(bad)?;
            *slot = Some(value);
        }
        let [token, object, module, pin] = found;
        let missing = NoTokenUri::Missing;
        Ok(Self {
            token: token.ok_or(missing("token"))?,
            object: object.ok_or(missing("object"))?,
            module: module.ok_or(missing("module-path"))?.into(),
            pin: pin.ok_or(missing("pin-source"))?.parse()?,
        })
    }
}

impl TryFrom<String> for TokenUri {
    type Error = NoTokenUri;

    fn try_from(text: String) -> Result<Self, NoTokenUri> {
        text.parse()
    }
}

impl From<TokenUri> for String {
    fn from(uri: TokenUri) -> Self {
        uri.to_string()
    }
}

impl fmt::Display for TokenUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { token, object, module, pin } = self;
        let (token, object) =
            (percent::encode(token, ":[]@!$'()*+,="), percent::encode(object, ":[]@!$'()*+,="));
        let module = percent::encode(&module.to_string_lossy(), "/:");
        let pin = percent::encode(&pin.to_string(), "/:");
        write!(f, "pkcs11:token={token};object={object}?module-path={module}&pin-source={pin}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uri_reads_as_it_was_written() {
        let text = "pkcs11:token=The%20carrier%3B1;object=devices?module-path=/usr/lib/softhsm/libsofthsm2.so&pin-source=file:/etc/pin";
        let uri: TokenUri = text.parse().unwrap();
        assert_eq!((uri.token.as_str(), uri.object.as_str()), ("The carrier;1", "devices"));
        assert_eq!(uri.to_string(), text);
        let turned = "pkcs11:object=a;token=b?pin-source=credential:hsm&module-path=p11.so"
            .parse::<TokenUri>()
            .unwrap();
        assert_eq!(turned.of(2).object, "a-2");
        assert_eq!(turned.to_string().parse(), Ok(turned));
    }

    #[test]
    fn what_is_missing_unknown_twice_or_a_secret_is_refused() {
        let refused = |text: &str| text.parse::<TokenUri>().unwrap_err();
        assert_eq!(refused("file:/a"), NoTokenUri::Scheme);
        assert_eq!(refused("pkcs11:token=a;object=b"), NoTokenUri::Scheme);
        let all = "pkcs11:token=a;object=b?module-path=c&pin-source=file:d";
        all.parse::<TokenUri>().unwrap();
        for name in ATTRIBUTES {
            let other = all.replace(&format!("{name}="), "serial=");
            assert_eq!(refused(&other), NoTokenUri::Attribute("serial".into()), "{name}");
        }
        assert_eq!(refused("pkcs11:token=a?module-path=c&pin-source=file:d"), NoTokenUri::Missing("object"));
        assert_eq!(refused(&all.replace("object=b", "object=")), NoTokenUri::Attribute("object".into()));
        assert_eq!(
            refused(&all.replace("object=b", "object=b;token=c")),
            NoTokenUri::Attribute("token".into())
        );
        assert_eq!(
            refused(&all.replace("object=b", "object=b;pin-source=file:d")),
            NoTokenUri::Attribute("pin-source".into())
        );
        assert_eq!(refused(&format!("{all}&pin-value=1234")), NoTokenUri::Pin);
        assert_eq!(refused(&all.replace("file:d", "1234")), NoTokenUri::Source(NoSource));
    }
}
