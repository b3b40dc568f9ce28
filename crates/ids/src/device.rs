use crate::{Hex, Realm, serde_as_text};
use std::{fmt, str::FromStr};

/// The permanent equipment identity of one femtocell: an EUI-48 or EUI-64 exactly as certified
/// (TS 23.003 clause 4.10). The two lengths are never mapped to each other.
///
/// Text: 12 or 16 hex digits; parsed in either case, printed in lower case.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeviceId(Eui);

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Eui {
    Eui48([u8; 6]),
    Eui64([u8; 8]),
}

/// Why a text is no device identity or device name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseDeviceError {
    /// Neither 12 nor 16 characters.
    #[error("a device identity has 12 or 16 hex digits, this one has {0} characters")]
    Length(usize),
    /// Written with `:` or `-` between the octets.
    #[error("a device identity has 12 or 16 hex digits, without `:` and `-` between them")]
    Separated,
    /// Typed with separators, but not one and the same after each octet.
    #[error("a device identity has 12 or 16 hex digits, with `:` or `-` between all octets or none")]
    Typed,
    /// A character that is no hex digit.
    #[error("a device identity has hex digits only")]
    NotHex,
    /// A device name without a dot.
    #[error("a device name is `<12 or 16 hex digits>.<realm>`")]
    NoRealm,
    /// The part after the first dot is no realm.
    #[error("realm: {0}")]
    Realm(#[from] crate::ParseRealmError),
}

impl DeviceId {
    /// An EUI-48, most significant octet first.
    pub const fn eui48(octets: [u8; 6]) -> Self {
        Self(Eui::Eui48(octets))
    }

    /// An EUI-64, most significant octet first.
    pub const fn eui64(octets: [u8; 8]) -> Self {
        Self(Eui::Eui64(octets))
    }

    /// What a person types: as [`FromStr`] has it, or with `:` or `-` between all octets. Certificates, IDi and
    /// files of programs have the first form alone.
    ///
    /// # Errors
    /// [`ParseDeviceError`]
    pub fn typed(text: &str) -> Result<Self, ParseDeviceError> {
        let Some(separator) = [':', '-'].into_iter().find(|separator| text.contains(*separator)) else {
            return text.parse();
        };
        if text.split(separator).any(|octet| octet.len() != 2) {
            return Err(ParseDeviceError::Typed);
        }
        text.split(separator).collect::<String>().parse()
    }

    /// The 6 or 8 octets, most significant first.
    pub fn octets(&self) -> &[u8] {
        match &self.0 {
            Eui::Eui48(octets) => octets,
            Eui::Eui64(octets) => octets,
        }
    }
}

impl FromStr for DeviceId {
    type Err = ParseDeviceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut octets = [0; 8];
        let length = match text.len() {
            12 => 6,
            16 => 8,
            _ if text.contains([':', '-']) => return Err(ParseDeviceError::Separated),
            other => return Err(ParseDeviceError::Length(other)),
        };
        for (octet, pair) in octets.iter_mut().zip(text.as_bytes().chunks(2)) {
            *octet = crate::digest::hex_octet(pair).ok_or(ParseDeviceError::NotHex)?;
        }
        Ok(if length == 6 {
            let [a, b, c, d, e, f, ..] = octets;
            Self::eui48([a, b, c, d, e, f])
        } else {
            Self::eui64(octets)
        })
    }
}

impl fmt::Display for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Hex(self.octets()).fmt(f)
    }
}

impl fmt::Debug for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

serde_as_text!(DeviceId);

/// A device under one realm, as it stands in IDi and in the certificate's dNSName:
/// `<12 or 16 hex digits>.<realm>` (TS 23.003 clause 4.10). The same device may have a name in its
/// vendor's realm and one in the operator's; both are the one [`DeviceId`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DeviceName {
    /// Which unit.
    pub device: DeviceId,
    /// Who certified it under this name.
    pub realm: Realm,
}

impl FromStr for DeviceName {
    type Err = ParseDeviceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (label, realm) = text.split_once('.').ok_or(ParseDeviceError::NoRealm)?;
        Ok(Self { device: label.parse()?, realm: realm.parse()? })
    }
}

impl fmt::Display for DeviceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.device, self.realm)
    }
}

serde_as_text!(DeviceName);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn eui_48_and_eui_64_keep_leading_zeros_and_lose_case() {
        let short: DeviceId = "00AABBccddee".parse().unwrap();
        assert_eq!(short, DeviceId::eui48([0, 0xaa, 0xbb, 0xcc, 0xdd, 0xee]));
        assert_eq!(short.to_string(), "00aabbccddee");
        let long: DeviceId = "00aabbfffeccddee".parse().unwrap();
        assert_ne!(long, short);
        assert_eq!(long.to_string(), "00aabbfffeccddee");
    }

    #[test]
    fn eleven_and_thirteen_digits_wildcards_and_nul_are_refused() {
        for bad in [
            "00aabbccdde",
            "00aabbccddeef",
            "*0aabbccddee",
            "00aabbccdd\0e",
            "00aabbccdd\u{e9}",
            "+0aabbccddee",
        ] {
            assert!(bad.parse::<DeviceId>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn separators_are_named() {
        for separated in ["00:aa:bb:cc:dd:ee", "00-AA-BB-CC-DD-EE"] {
            assert_eq!(separated.parse::<DeviceId>(), Err(ParseDeviceError::Separated));
        }
    }

    #[test]
    fn what_a_person_types_may_have_separators_between_all_octets() {
        let id = DeviceId::eui48([0, 0xaa, 0xbb, 0xcc, 0xdd, 0xee]);
        for typed in ["00aabbccddee", "00:aa:bb:cc:dd:ee", "00-AA-BB-CC-DD-EE"] {
            assert_eq!(DeviceId::typed(typed), Ok(id), "{typed}");
        }
        let long = DeviceId::eui64([0, 0xaa, 0xbb, 0xff, 0xfe, 0xcc, 0xdd, 0xee]);
        assert_eq!(DeviceId::typed("00:aa:bb:ff:fe:cc:dd:ee"), Ok(long));
        for bad in [
            "00:aabbccddee",
            "00:aa-bb:cc-dd:ee",
            "00aa:bbcc:ddee",
            ":00:aa:bb:cc:dd:ee",
            "00:aa:bb:cc:dd:ee:",
            "00:aa:bb:cc:dd",
            "00:aa:bb:cc:dd:eg",
            "0:0a:ab:bc:cd:de:e0",
            "00:aa:bb:cc:dd:\u{e9}",
            "",
        ] {
            assert!(DeviceId::typed(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_device_name_splits_at_the_first_dot() {
        let name: DeviceName = "00aabbccddee.femto.operator.example".parse().unwrap();
        assert_eq!(name.realm.to_string(), "femto.operator.example");
        for bad in ["00aabbccddee", "00aabbccddee.", "00aabbccddee.operator.example.", "x.operator.example"] {
            assert!(bad.parse::<DeviceName>().is_err(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn any_eui_survives_its_text(octets in any::<[u8; 8]>()) {
            let id = DeviceId::eui64(octets);
            prop_assert_eq!(id.to_string().parse::<DeviceId>().unwrap(), id);
        }
    }
}
