//! Cells and the networks that they are of, as the radio standards name them.

use crate::serde_as_text;
use std::{fmt, str::FromStr};

/// A public land mobile network: MCC, 3 digits, and MNC, 2 or 3 digits (TS 23.003 §2.2, §12.1). Text: `450-08`. Two digits
/// of MNC and three are different networks.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Plmn {
    mcc: u16,
    mnc: u16,
    is_long: bool,
}

/// The text names no network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a network is MCC-MNC, 3 digits and 2 or 3, as 450-08")]
pub struct ParsePlmnError;

/// Radio technology of a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rat {
    /// UTRAN: a UTRAN cell identity of 28 bits (TS 25.401 §6.1.5), RNC-ID and cell.
    Umts,
    /// E-UTRAN: a cell identity of 28 bits (TS 36.413 §9.2.1.38).
    Lte,
    /// NR: a cell identity of 36 bits (TS 38.413 §9.3.1.7).
    Nr,
}

/// One cell of the world: technology, network, and its identity in that network. Text: `lte:450-08:1a2b3c4`, the identity in
/// lower-case hex without leading zeros.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CellKey {
    rat: Rat,
    plmn: Plmn,
    id: u64,
}

/// The text names no cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a cell is technology:network:identity, as lte:450-08:1a2b3c4: umts, lte or nr, and an identity in hex of at most 28 bits, 36 for nr"
)]
pub struct ParseCellError;

impl Rat {
    /// Each.
    pub const ALL: [Self; 3] = [Self::Umts, Self::Lte, Self::Nr];

    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Umts => "umts",
            Self::Lte => "lte",
            Self::Nr => "nr",
        }
    }

    /// Its generation, as records have it: 3, 4 or 5.
    pub fn generation(self) -> u8 {
        match self {
            Self::Umts => 3,
            Self::Lte => 4,
            Self::Nr => 5,
        }
    }

    /// From its generation; `None` where it has no cells of ours.
    pub fn of_generation(generation: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|rat| rat.generation() == generation)
    }

    /// How long a cell's identity is.
    fn bits(self) -> u32 {
        match self {
            Self::Umts | Self::Lte => 28,
            Self::Nr => 36,
        }
    }
}

impl CellKey {
    /// From its parts; `None` when the identity has more bits than the technology has for it.
    pub fn new(rat: Rat, plmn: Plmn, id: u64) -> Option<Self> {
        (id >> rat.bits() == 0).then_some(Self { rat, plmn, id })
    }

    /// Radio technology.
    pub fn rat(self) -> Rat {
        self.rat
    }

    /// The network that it is of.
    pub fn plmn(self) -> Plmn {
        self.plmn
    }

    /// Its identity in that network.
    pub fn id(self) -> u64 {
        self.id
    }

    /// Network and identity in one number, as records have it: MCC, MNC with a bit for its third digit, 36 bits of identity.
    pub fn number(self) -> u64 {
        let Plmn { mcc, mnc, is_long } = self.plmn;
        u64::from(mcc) << 47 | u64::from(is_long) << 46 | u64::from(mnc) << 36 | self.id
    }

    /// From what [`Self::number`] gives; `None` where no cell of that technology has that number.
    pub fn of_number(rat: Rat, number: u64) -> Option<Self> {
        let (mcc, is_long, id) =
            (u16::try_from(number >> 47).ok()?, number >> 46 & 1 == 1, number & 0xf_ffff_ffff);
        let mnc = u16::try_from(number >> 36 & 0x3ff).ok()?;
        let fits = mcc < 1000 && mnc < if is_long { 1000 } else { 100 };
        Self::new(rat, Plmn { mcc, mnc, is_long }, id).filter(|_| fits)
    }
}

fn digits(text: &str) -> Option<u16> {
    text.bytes().all(|octet| octet.is_ascii_digit()).then(|| text.parse().ok())?
}

impl FromStr for Plmn {
    type Err = ParsePlmnError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (mcc, mnc) = text.split_once('-').ok_or(ParsePlmnError)?;
        if mcc.len() != 3 || !(2..=3).contains(&mnc.len()) {
            return Err(ParsePlmnError);
        }
        let (mcc, is_long) = (digits(mcc), mnc.len() == 3);
        mcc.zip(digits(mnc)).map(|(mcc, mnc)| Self { mcc, mnc, is_long }).ok_or(ParsePlmnError)
    }
}

impl fmt::Display for Plmn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = if self.is_long { 3 } else { 2 };
        write!(f, "{:03}-{:0width$}", self.mcc, self.mnc)
    }
}

impl fmt::Debug for Plmn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for CellKey {
    type Err = ParseCellError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (rat, rest) = text.split_once(':').ok_or(ParseCellError)?;
        let (plmn, id) = rest.split_once(':').ok_or(ParseCellError)?;
        let rat = Rat::ALL.into_iter().find(|known| known.as_str() == rat).ok_or(ParseCellError)?;
        let plmn = plmn.parse().map_err(|_| ParseCellError)?;
        let is_hex = |octet: u8| octet.is_ascii_digit() || (b'a'..=b'f').contains(&octet);
        let is_plain = id == "0" || !id.starts_with('0');
        let id = Some(id).filter(|id| is_plain && id.bytes().all(is_hex)).ok_or(ParseCellError)?;
        let id = u64::from_str_radix(id, 16).map_err(|_| ParseCellError)?;
        Self::new(rat, plmn, id).ok_or(ParseCellError)
    }
}

impl fmt::Display for CellKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{:x}", self.rat.as_str(), self.plmn, self.id)
    }
}

impl fmt::Debug for CellKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

serde_as_text!(Plmn);
serde_as_text!(CellKey);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_technology_is_its_generation() {
        for rat in Rat::ALL {
            assert_eq!(Rat::of_generation(rat.generation()), Some(rat));
        }
        assert_eq!(Rat::of_generation(2), None);
    }

    #[test]
    fn networks_of_two_and_three_digits_are_different() {
        let (short, long): (Plmn, Plmn) = ("450-08".parse().unwrap(), "450-008".parse().unwrap());
        assert_ne!(short, long);
        assert_eq!((short.to_string(), long.to_string()), ("450-08".into(), "450-008".into()));
        for bad in ["", "450", "45008", "450-8", "45-008", "450-0008", "45a-08", "450-+8", "450-08 "] {
            assert!(bad.parse::<Plmn>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn what_is_written_otherwise_or_too_long_is_no_cell() {
        for good in ["lte:450-08:1a2b3c4", "umts:450-08:fffffff", "nr:001-001:fffffffff", "lte:450-08:0"] {
            assert_eq!(good.parse::<CellKey>().unwrap().to_string(), good);
        }
        for bad in [
            "",
            "lte",
            "lte:450-08",
            "lte:450-08:",
            "lte:450-08:1A",
            "lte:450-08:01",
            "lte:450-08:+1",
            "lte:450-08:10000000",
            "nr:450-08:1000000000",
            "gsm:450-08:1",
            "lte:450-08:1:2",
        ] {
            assert!(bad.parse::<CellKey>().is_err(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn no_two_cells_have_one_number(a in cell(), b in cell()) {
            prop_assert_eq!(a == b, a.rat() == b.rat() && a.number() == b.number());
            prop_assert_eq!(a.to_string().parse::<CellKey>().unwrap(), a);
            prop_assert_eq!(CellKey::of_number(a.rat(), a.number()), Some(a));
        }

        #[test]
        fn a_number_is_one_cell_or_none(rat in 0..3_usize, number in any::<u64>(), shift in 0..64_u32) {
            let number = number >> shift;
            if let Some(cell) = CellKey::of_number(Rat::ALL[rat], number) {
                prop_assert_eq!((cell.rat(), cell.number()), (Rat::ALL[rat], number));
                prop_assert_eq!(cell.to_string().parse::<CellKey>().unwrap(), cell);
            }
        }
    }

    fn cell() -> impl Strategy<Value = CellKey> {
        let plmn = ("[0-9]{3}", "[0-9]{2,3}").prop_map(|(mcc, mnc)| format!("{mcc}-{mnc}").parse().unwrap());
        (0..3_usize, plmn, 0..1_u64 << 28)
            .prop_map(|(rat, plmn, id)| CellKey::new(Rat::ALL[rat], plmn, id).unwrap())
    }
}
