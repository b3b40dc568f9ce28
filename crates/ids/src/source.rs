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

/// A place on the earth, WGS 84, in units of 1e-7 degrees: 1.1 cm or less.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Position {
    lat: i32,
    lon: i32,
}

impl Position {
    /// From degrees, north and east; `None` where there is no such place.
    pub fn from_degrees(lat: f64, lon: f64) -> Option<Self> {
        let is_there = lat.abs() <= 90.0 && lon.abs() <= 180.0;
        // Within the range of an i32, as it was looked at; a fraction of a unit is rounded.
        is_there.then(|| Self { lat: (lat * 1e7).round() as i32, lon: (lon * 1e7).round() as i32 })
    }

    /// Latitude, 1e-7 degrees north.
    pub fn lat(self) -> i32 {
        self.lat
    }

    /// Longitude, 1e-7 degrees east.
    pub fn lon(self) -> i32 {
        self.lon
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_off_the_earth_is_none() {
        let seoul = Position::from_degrees(37.5665, 126.978).unwrap();
        assert_eq!((seoul.lat(), seoul.lon()), (375_665_000, 1_269_780_000));
        for (lat, lon) in [(90.1, 0.0), (0.0, -180.1), (f64::NAN, 0.0), (0.0, f64::INFINITY)] {
            assert_eq!(Position::from_degrees(lat, lon), None);
        }
    }

    #[test]
    fn a_class_is_written_by_its_word() {
        for class in SourceClass::ALL {
            assert_eq!(serde_json::to_string(&class).unwrap(), format!("\"{class}\""));
        }
    }
}
