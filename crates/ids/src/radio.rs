//! What a femtocell tells handsets of itself, beside its cells.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// A type for a number of so many bits, written in decimal, and the error of what is none.
macro_rules! number_of_bits {
    ($(#[$doc:meta])* $name:ident, $bits:literal, $(#[$error_doc:meta])* $error:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "u32", into = "u32")]
        pub struct $name(u32);

        $(#[$error_doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
        #[error("{} is a whole number of at most {} bits, in decimal", $what, $bits)]
        pub struct $error;

        impl $name {
            /// As a number.
            pub fn get(self) -> u32 {
                self.0
            }
        }

        impl TryFrom<u32> for $name {
            type Error = $error;

            fn try_from(number: u32) -> Result<Self, Self::Error> {
                if number >> $bits == 0 { Ok(Self(number)) } else { Err($error) }
            }
        }

        impl From<$name> for u32 {
            fn from(number: $name) -> Self {
                number.0
            }
        }

        impl FromStr for $name {
            type Err = $error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let is_plain = text.bytes().all(|octet| octet.is_ascii_digit());
                let number = text.parse::<u32>().ok().filter(|_| is_plain).ok_or($error)?;
                number.try_into()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}", self.0)
            }
        }
    };
}

number_of_bits! {
    /// Tracking or location area code: 16 bits (TS 23.003 §4.1, §19.4.2.3), 24 in 5G (§28.6).
    Tac, 24,
    /// It is no area code.
    ParseTacError, "an area code"
}

number_of_bits! {
    /// Closed subscriber group (TS 23.003 §4.7).
    CsgId, 27,
    /// It is no closed subscriber group.
    ParseCsgError, "a closed subscriber group"
}

/// Whom a femtocell serves (TS 22.220 §3.1, §5.3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AccessMode {
    /// Everybody.
    Open,
    /// Members of its group first, and then others.
    Hybrid,
    /// Members of its group.
    Closed,
}

/// The text names no access mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an access mode is open, hybrid or closed")]
pub struct ParseAccessModeError;

impl AccessMode {
    /// Each.
    pub const ALL: [Self; 3] = [Self::Open, Self::Hybrid, Self::Closed];

    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Hybrid => "hybrid",
            Self::Closed => "closed",
        }
    }
}

impl FromStr for AccessMode {
    type Err = ParseAccessModeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|mode| mode.as_str() == text).ok_or(ParseAccessModeError)
    }
}

impl fmt::Display for AccessMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_more_bits_or_is_written_otherwise_is_no_number() {
        assert_eq!("16777215".parse::<Tac>().unwrap().get(), 0xff_ffff);
        assert_eq!("134217727".parse::<CsgId>().unwrap().get(), 0x7ff_ffff);
        assert!("16777216".parse::<Tac>().is_err() && "134217728".parse::<CsgId>().is_err());
        for bad in ["", "-1", "+1", "0x1", "1.0", "4294967296"] {
            assert!(bad.parse::<Tac>().is_err() && bad.parse::<CsgId>().is_err(), "{bad:?}");
        }
        assert_eq!(serde_json::to_string(&Tac(7)).unwrap(), "7");
        assert!(serde_json::from_str::<CsgId>("134217728").is_err());
    }

    #[test]
    fn modes_are_written_one_way() {
        for mode in AccessMode::ALL {
            assert_eq!(mode.as_str().parse(), Ok(mode));
            assert_eq!(serde_json::to_string(&mode).unwrap(), format!("\"{mode}\""));
        }
        assert!("Open".parse::<AccessMode>().is_err());
    }
}
