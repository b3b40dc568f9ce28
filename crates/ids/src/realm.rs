use crate::serde_as_text;
use std::{fmt, str::FromStr, sync::Arc};

/// The domain under which a vendor or operator certifies its devices, such as
/// `femto.operator.example`: two or more letter-digit-hyphen labels, the last not a number (RFC 1123 §2.1), lower case,
/// at most 236 octets so that `<16 hex digits>.<realm>` stays a domain name (RFC 1035 §2.3.4).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Realm(Arc<str>);

/// Why a text is no realm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseRealmError {
    /// Longer than 236 octets.
    #[error("longer than 236 octets")]
    TooLong,
    /// Fewer than two labels.
    #[error("needs two labels at least, such as `operator.example`")]
    OneLabel,
    /// An empty label (also a trailing dot), one over 63 octets, one with a hyphen at an end, or
    /// any character but letters, digits and hyphens.
    #[error("a label is 1 to 63 letters, digits and inner hyphens; no wildcard, no trailing dot")]
    Label,
    /// An IP address, or like one: no top-level domain is a number.
    #[error("a name does not end in a number: an IP address is none")]
    Number,
}

impl Realm {
    /// The realm in lower case.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Realm {
    type Err = ParseRealmError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() > 236 {
            return Err(ParseRealmError::TooLong);
        }
        if !text.split('.').all(is_label) {
            return Err(ParseRealmError::Label);
        }
        if !text.contains('.') {
            return Err(ParseRealmError::OneLabel);
        }
        if text.rsplit('.').next().is_some_and(|last| last.bytes().all(|octet| octet.is_ascii_digit())) {
            return Err(ParseRealmError::Number);
        }
        Ok(Self(text.to_ascii_lowercase().into()))
    }
}

fn is_label(label: &str) -> bool {
    (1..=63).contains(&label.len())
        && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        && !label.starts_with('-')
        && !label.ends_with('-')
}

impl fmt::Display for Realm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Realm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

serde_as_text!(Realm);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_is_folded_and_odd_labels_are_refused() {
        assert_eq!("Femto.Operator.EXAMPLE".parse::<Realm>().unwrap().as_str(), "femto.operator.example");
        for bad in ["", "example", "a..b", ".a.b", "a.b.", "*.b", "-a.b", "a-.b", "a_b.c", "b\u{fc}cher.de"] {
            assert!(bad.parse::<Realm>().is_err(), "{bad:?}");
        }
        for number in ["192.0.2.1", "segw.1"] {
            assert_eq!(number.parse::<Realm>(), Err(ParseRealmError::Number));
        }
        assert!("segw.1a".parse::<Realm>().is_ok() && "1.example".parse::<Realm>().is_ok());
        assert_eq!(format!("{}.b", "a".repeat(64)).parse::<Realm>(), Err(ParseRealmError::Label));
        assert_eq!("ab.".repeat(80).parse::<Realm>(), Err(ParseRealmError::TooLong));
    }
}
