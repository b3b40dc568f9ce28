//! What a scenario file may say in a word.

use super::{file::Estate, keys::Given, moment::Moment};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// Until when something must be found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum By {
    /// Until a time.
    At(Moment),
    /// Before the first code that is read there.
    FirstCode,
    /// Before the first payment that follows from it.
    FirstPayment,
}

/// Words of a file as a type.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident; $($(#[$variant_doc:meta])* $variant:ident = $word:literal,)*) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum $name {
            $($(#[$variant_doc])* #[serde(rename = $word)] $variant,)*
        }

        impl $name {
            /// Each.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// Its word.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)*
                }
            }
        }

        impl Given for $name {
            fn is_given(&self) -> bool {
                true
            }
        }
    };
}

words! {
    /// What an actor is.
    ActorKind;
    /// A unit of the estate.
    #[default]
    Unit = "unit",
    /// An attacker's box.
    Box = "box",
    /// The access network of a town.
    Network = "network",
    /// What keeps IMS's records.
    Ims = "ims",
}

words! {
    /// What is done.
    Deed;
    /// A unit is lost: it is off, and nobody has said so.
    #[default]
    Lose = "lose",
    /// The ledger hears that it is lost.
    ReportLost = "report-lost",
    /// A unit that was lost is on again, at its site.
    Find = "find",
    /// A unit goes out of service.
    Retire = "retire",
    /// A unit is without power.
    Off = "off",
    /// A unit goes to another site.
    Move = "move",
    /// Many people come.
    Crowd = "crowd",
    /// A box is switched on.
    On = "on",
    /// All lines of a town get new addresses.
    Renumber = "renumber",
    /// Records of IMS leave something out from now on.
    Omit = "omit",
}

words! {
    /// Where a unit stands.
    Place;
    /// People live there.
    #[default]
    Home = "home",
    /// People live there, and people wait below.
    BusStop = "bus-stop",
    /// People work there.
    Office = "office",
    /// People work there, and others come in.
    Shop = "shop",
    /// People work there, and others stay over night.
    Hotel = "hotel",
    /// A few work there, and at times very many come.
    Stadium = "stadium",
}

words! {
    /// Where a box's tunnel comes from.
    Via;
    /// The line of the unit whose identity it has.
    #[default]
    OwnLine = "own-line",
    /// Another fixed line of the carrier.
    OwnFixed = "own-fixed",
    /// A fixed line of somebody else.
    OtherFixed = "other-fixed",
    /// A mobile network.
    Mobile = "mobile",
    /// Another country.
    Foreign = "foreign",
    /// A data centre.
    Hosting = "hosting",
}

words! {
    /// What a box takes from handsets.
    Strip;
    /// Security agreement with IMS.
    #[default]
    Ims = "ims",
    /// Encryption of what goes to IMS.
    ImsNull = "ims-null",
    /// Ciphering of NAS.
    Nas = "nas",
}

words! {
    /// What records of IMS leave out.
    Omits;
    /// The algorithm.
    #[default]
    Ealg = "ealg",
    /// The whole agreement.
    SecAgree = "sec-agree",
}

words! {
    /// A feed.
    FeedKind;
    /// Access records.
    #[default]
    Core = "core",
    /// Registrations with IMS.
    Ims = "ims",
    /// One-time codes.
    Codes = "codes",
    /// Payments.
    Payments = "payments",
    /// Units and their tunnels.
    Ledger = "ledger",
    /// Macro cells and orders.
    Plan = "plan",
}

impl Deed {
    /// Who can do it.
    pub fn kind(self) -> ActorKind {
        match self {
            Self::Lose
            | Self::ReportLost
            | Self::Find
            | Self::Retire
            | Self::Off
            | Self::Move
            | Self::Crowd => ActorKind::Unit,
            Self::On => ActorKind::Box,
            Self::Renumber => ActorKind::Network,
            Self::Omit => ActorKind::Ims,
        }
    }
}

impl Given for String {
    fn is_given(&self) -> bool {
        true
    }
}

impl Given for u32 {
    fn is_given(&self) -> bool {
        true
    }
}

impl Given for Moment {
    fn is_given(&self) -> bool {
        true
    }
}

impl Given for Estate {
    fn is_given(&self) -> bool {
        true
    }
}

impl FromStr for By {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "first-code" => Ok(Self::FirstCode),
            "first-payment" => Ok(Self::FirstPayment),
            at => at
                .parse()
                .map(Self::At)
                .map_err(|error| format!("`first-code`, `first-payment`, or a time: {error}")),
        }
    }
}

impl TryFrom<String> for By {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl fmt::Display for By {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::At(moment) => moment.fmt(f),
            Self::FirstCode => f.write_str("first-code"),
            Self::FirstPayment => f.write_str("first-payment"),
        }
    }
}

impl From<By> for String {
    fn from(by: By) -> Self {
        by.to_string()
    }
}
