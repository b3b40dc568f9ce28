//! What kind of network an address is in, and where: from databases in the MaxMind DB format (specification 2.0), as
//! GeoLite2 and GeoIP2 have them. Of several databases the first that has a thing says it.

use ids::{Position, SourceClass, UnixTime};
use maxminddb::{MaxMindDbError, Reader};
use serde::{
    Deserialize, Deserializer,
    de::{self, Visitor},
};
use std::{fmt, net::IpAddr};

/// Databases of networks, and what is the carrier's own among them.
pub struct Sources {
    databases: Vec<Reader<Vec<u8>>>,
    own_asns: Vec<u32>,
    home_country: String,
}

/// What the databases have of one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Source {
    /// Kind of network.
    pub class: Option<SourceClass>,
    /// Where it is, and how far from there it may be, km.
    pub place: Option<(Position, u16)>,
    /// When the oldest of the databases that have it was built.
    pub built: UnixTime,
}

/// The octets are no database.
#[derive(Debug, thiserror::Error)]
#[error("no MaxMind DB: {0}")]
pub struct NoDatabase(#[from] MaxMindDbError);

/// One database.
pub struct Database(Reader<Vec<u8>>);

impl Database {
    /// From the octets of its file.
    ///
    /// # Errors
    /// [`NoDatabase`].
    pub fn new(octets: Vec<u8>) -> Result<Self, NoDatabase> {
        Ok(Self(Reader::from_source(octets)?))
    }
}

/// A record of any of the databases, as far as it is read. Names are those of GeoIP2.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Entry<'a> {
    #[serde(borrow)]
    country: Country<'a>,
    location: Location,
    #[serde(borrow)]
    traits: Traits<'a>,
    /// At the top in databases that have nothing else.
    #[serde(borrow)]
    connection_type: Option<&'a str>,
    autonomous_system_number: Option<Whole>,
    is_hosting_provider: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Country<'a> {
    iso_code: Option<&'a str>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Location {
    latitude: Option<f64>,
    longitude: Option<f64>,
    accuracy_radius: Option<Whole>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Traits<'a> {
    user_type: Option<&'a str>,
    connection_type: Option<&'a str>,
    autonomous_system_number: Option<Whole>,
    is_hosting_provider: bool,
}

/// A whole number, in however many octets the database has it.
#[derive(Clone, Copy, Debug)]
struct Whole(u64);

impl<'de> Deserialize<'de> for Whole {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyWhole)
    }
}

struct AnyWhole;

impl Visitor<'_> for AnyWhole {
    type Value = Whole;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a whole number")
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Whole, E> {
        Ok(Whole(number))
    }
}

/// What tells the kind of network, from all databases.
#[derive(Default)]
struct Signs<'a> {
    country: Option<&'a str>,
    asn: Option<u64>,
    is_hosting: bool,
    is_mobile: bool,
    is_fixed: bool,
}

impl Sources {
    /// `own_asns`: autonomous systems of the carrier's fixed lines. `home_country`: ISO 3166-1, two capital letters.
    pub fn new(databases: Vec<Database>, own_asns: Vec<u32>, home_country: String) -> Self {
        let databases = databases.into_iter().map(|Database(reader)| reader).collect();
        Self { databases, own_asns, home_country }
    }

    /// Looks an address up; `None` where no database has it. A record that cannot be read is none.
    pub fn look_up(&self, address: IpAddr) -> Option<Source> {
        let address = address.to_canonical();
        let (mut signs, mut place, mut built) = (Signs::default(), None, None);
        for database in &self.databases {
            let found = database.lookup(address).and_then(|found| found.decode::<Entry<'_>>());
            let Ok(Some(entry)) = found else { continue };
            signs.add(&entry);
            place = place.or_else(|| entry.location.place());
            let epoch = UnixTime::from_secs(i64::try_from(database.metadata().build_epoch).unwrap_or(0));
            built = Some(built.map_or(epoch, |built| epoch.min(built)));
        }
        Some(Source { class: self.class(&signs), place, built: built? })
    }

    /// Whoever lives in a data centre is no subscriber, in whatever country; what is called mobile is that also in the
    /// carrier's own network; and its own network is its own wherever a database thinks that it is.
    fn class(&self, signs: &Signs<'_>) -> Option<SourceClass> {
        let is_own = signs.asn.is_some_and(|asn| self.own_asns.iter().any(|own| u64::from(*own) == asn));
        let is_home = signs.country.map(|country| country == self.home_country);
        match is_home {
            _ if signs.is_hosting => Some(SourceClass::Hosting),
            Some(false) if !is_own => Some(SourceClass::Foreign),
            _ if signs.is_mobile => Some(SourceClass::Mobile),
            _ if is_own => Some(SourceClass::OwnFixed),
            Some(true) if signs.asn.is_some() || signs.is_fixed => Some(SourceClass::OtherFixed),
            Some(_) | None => None,
        }
    }
}

impl<'a> Signs<'a> {
    fn add(&mut self, entry: &Entry<'a>) {
        let Entry { country, traits, connection_type, autonomous_system_number, is_hosting_provider, .. } =
            entry;
        self.country = self.country.or(country.iso_code);
        let asn = traits.autonomous_system_number.or(*autonomous_system_number);
        self.asn = self.asn.or(asn.map(|Whole(asn)| asn));
        let connection = traits.connection_type.or(*connection_type);
        self.is_hosting |=
            traits.user_type == Some("hosting") || traits.is_hosting_provider || *is_hosting_provider;
        self.is_mobile |= traits.user_type == Some("cellular") || connection == Some("Cellular");
        self.is_fixed |= matches!(traits.user_type, Some("residential" | "business"))
            || matches!(connection, Some("Cable/DSL" | "Corporate" | "Dialup"));
    }
}

/// What a place without a radius has, km: it may be anywhere in its country.
const ANYWHERE: u16 = 1000;

impl Location {
    fn place(&self) -> Option<(Position, u16)> {
        let position = Position::from_degrees(self.latitude?, self.longitude?)?;
        let radius = self.accuracy_radius.and_then(|Whole(radius)| u16::try_from(radius).ok());
        Some((position, radius.unwrap_or(ANYWHERE)))
    }
}
