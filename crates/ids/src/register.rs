//! Names that another register of the carrier gave: kept as they are, compared exactly.

use crate::serde_as_text;
use std::{fmt, str::FromStr, sync::Arc};

/// A type for the names of one register, and the error of a text that is none.
macro_rules! name_of_register {
    ($(#[$doc:meta])* $name:ident, $(#[$error_doc:meta])* $error:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        $(#[$error_doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
        #[error("{} has 1 to 64 letters, digits and `-._/:#`", $what)]
        pub struct $error;

        impl FromStr for $name {
            type Err = $error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                if is_name(text) { Ok(Self(text.into())) } else { Err($error) }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        serde_as_text!($name);
    };
}

name_of_register! {
    /// The fixed line behind which a unit is installed, as the carrier's line register names it.
    /// Text: 1 to 64 letters, digits and `-._/:#`, compared exactly.
    AccessLine,
    /// The text names no access line.
    ParseAccessLineError,
    "an access line"
}

name_of_register! {
    /// An install order, as the carrier's work-order system names it.
    /// Text: 1 to 64 letters, digits and `-._/:#`, compared exactly.
    OrderId,
    /// The text names no order.
    ParseOrderError,
    "an order"
}

fn is_name(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"-._/:#".contains(&b);
    (1..=64).contains(&text.len()) && text.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spaces_control_characters_and_empty_names_are_refused() {
        assert_eq!("KT/02-1234:7#3".parse::<AccessLine>().unwrap().to_string(), "KT/02-1234:7#3");
        for bad in ["", "a b", "a\n", &"x".repeat(65)] {
            assert!(bad.parse::<AccessLine>().is_err() && bad.parse::<OrderId>().is_err(), "{bad:?}");
        }
    }
}
