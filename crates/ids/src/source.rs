//! Where in the world an address is, as databases of networks and registers of sites say it.

use serde::{Deserialize, Serialize};
use std::fmt;

/// The kind of network that an address is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SourceClass {
    /// A fixed line of the carrier itself.
    OwnFixed,
    /// A fixed line of somebody else, in the same country.
    OtherFixed,
    /// A mobile network.
    Mobile,
    /// Any network of another country.
    Foreign,
    /// A data centre: nobody lives there.
    Hosting,
}

impl SourceClass {
    /// Each.
    pub const ALL: [Self; 5] = [Self::OwnFixed, Self::OtherFixed, Self::Mobile, Self::Foreign, Self::Hosting];

    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OwnFixed => "own-fixed",
            Self::OtherFixed => "other-fixed",
            Self::Mobile => "mobile",
            Self::Foreign => "foreign",
            Self::Hosting => "hosting",
        }
    }
}

impl fmt::Display for SourceClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_is_written_by_its_word() {
        for class in SourceClass::ALL {
            assert_eq!(serde_json::to_string(&class).unwrap(), format!("\"{class}\""));
        }
    }
}
