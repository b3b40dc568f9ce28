use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// A place on the Earth: latitude and longitude on WGS 84, in whole 1e-7 degrees, some 11 mm. Text: decimal degrees,
/// `37.4999,126.9`; read with a space for the comma or beside it, too. JSON: `{"lat": 374999000, "lon": 1269000000}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub struct Position {
    lat: i32,
    lon: i32,
}

/// The text or the numbers name no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a position is latitude,longitude in decimal degrees, as 37.4999,126.9: from -90 to 90 and from -180 to 180, 7 decimals at most"
)]
pub struct ParsePositionError;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Unchecked {
    lat: i32,
    lon: i32,
}

/// 1e-7 degrees in a degree.
const UNIT: i32 = 10_000_000;
const DECIMALS: usize = 7;
/// Mean radius of the Earth, metres (IUGG).
const EARTH: f64 = 6_371_008.8;

impl Position {
    /// From 1e-7 degrees; `None` beyond a pole or the 180th meridian.
    pub fn new(lat: i32, lon: i32) -> Option<Self> {
        let is_within = |value: i32, degrees: i32| value.unsigned_abs() <= (degrees * UNIT).unsigned_abs();
        (is_within(lat, 90) && is_within(lon, 180)).then_some(Self { lat, lon })
    }

    /// From degrees, rounded; `None` where there is no such place.
    pub fn from_degrees(lat: f64, lon: f64) -> Option<Self> {
        let is_there = lat.abs() <= 90.0 && lon.abs() <= 180.0;
        let units = |degrees: f64| (degrees * f64::from(UNIT)).round() as i32;
        is_there.then(|| Self { lat: units(lat), lon: units(lon) })
    }

    /// Latitude in 1e-7 degrees, north above 0.
    pub fn lat(self) -> i32 {
        self.lat
    }

    /// Longitude in 1e-7 degrees, east above 0.
    pub fn lon(self) -> i32 {
        self.lon
    }

    /// How far it is to another place along the great circle of a sphere (haversine), in metres: within 0.6 % of the
    /// ellipsoid's.
    pub fn distance_m(self, other: Self) -> f64 {
        let radians = |value: i32| (f64::from(value) / f64::from(UNIT)).to_radians();
        let (lat, other_lat) = (radians(self.lat), radians(other.lat));
        let half = |a: f64, b: f64| ((a - b) / 2.0).sin().powi(2);
        let across = half(radians(self.lon), radians(other.lon));
        let chord = half(lat, other_lat) + lat.cos() * other_lat.cos() * across;
        2.0 * EARTH * chord.clamp(0.0, 1.0).sqrt().asin()
    }
}

impl TryFrom<Unchecked> for Position {
    type Error = ParsePositionError;

    fn try_from(Unchecked { lat, lon }: Unchecked) -> Result<Self, Self::Error> {
        Self::new(lat, lon).ok_or(ParsePositionError)
    }
}

impl FromStr for Position {
    type Err = ParsePositionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (lat, lon) = match text.split_once(',') {
            Some((lat, lon)) => (lat.trim(), lon.trim()),
            None => text.split_once(' ').map(|(lat, lon)| (lat, lon.trim())).ok_or(ParsePositionError)?,
        };
        let (lat, lon) = degrees(lat).zip(degrees(lon)).ok_or(ParsePositionError)?;
        Self::new(lat, lon).ok_or(ParsePositionError)
    }
}

/// Decimal degrees as 1e-7 degrees, exactly.
fn degrees(text: &str) -> Option<i32> {
    let (is_negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    let (whole, part) = digits.split_once('.').unwrap_or((digits, "0"));
    let are_digits = |text: &str| !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_digit());
    if !are_digits(whole) || !are_digits(part) || whole.len() > 3 || part.len() > DECIMALS {
        return None;
    }
    let value = whole.parse::<i32>().ok()?.checked_mul(UNIT)?;
    let value = value.checked_add(format!("{part:0<DECIMALS$}").parse().ok()?)?;
    Some(if is_negative { -value } else { value })
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{},{}", decimal(self.lat), decimal(self.lon))
    }
}

fn decimal(value: i32) -> String {
    let (sign, value) = (if value < 0 { "-" } else { "" }, value.unsigned_abs());
    let unit = UNIT.unsigned_abs();
    let text = format!("{sign}{}.{:0DECIMALS$}", value / unit, value % unit);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(text: &str) -> Position {
        text.parse().unwrap()
    }

    #[test]
    fn degrees_off_the_earth_are_no_place() {
        let seoul = Position::from_degrees(37.5665, 126.978).unwrap();
        assert_eq!((seoul.lat(), seoul.lon()), (375_665_000, 1_269_780_000));
        for (lat, lon) in [(90.1, 0.0), (0.0, -180.1), (f64::NAN, 0.0), (0.0, f64::INFINITY)] {
            assert_eq!(Position::from_degrees(lat, lon), None);
        }
    }

    #[test]
    fn decimal_degrees_are_taken_exactly_and_nothing_else_is() {
        assert_eq!(at("37.4999,126.9"), Position::new(374_999_000, 1_269_000_000).unwrap());
        assert_eq!(at("-0.0000001 180"), Position::new(-1, 1_800_000_000).unwrap());
        assert_eq!(at("37.50, -126.90").to_string(), "37.5,-126.9");
        for bad in [
            "",
            "37.5",
            "37.5;126.9",
            "90.0000001,0",
            "0,-180.0000001",
            "1e1,0",
            "37.,1",
            ".5,1",
            "+1,1",
            "1,1,1",
            "37.12345678,1",
            "nan,1",
            "--1,1",
            "0999,1",
            "37°,1",
        ] {
            assert!(bad.parse::<Position>().is_err(), "{bad:?}");
        }
        for bad in [r#"{"lat":900000001,"lon":0}"#, r#"{"lat":-2147483648,"lon":0}"#, r#"{"lat":1}"#] {
            assert!(serde_json::from_str::<Position>(bad).is_err(), "{bad}");
        }
    }

    /// A degree of a great circle is 111.195 km; the cities' distance is that of a table of great circles.
    #[test]
    fn distances_are_those_of_a_great_circle() {
        let near = |a: &str, b: &str, metres: f64| (at(a).distance_m(at(b)) - metres).abs() / metres < 0.001;
        assert!(near("0,0", "1,0", 111_195.0) && near("0,179.5", "0,-179.5", 111_195.0));
        assert!(near("90,0", "-90,77", std::f64::consts::PI * EARTH));
        assert!(near("37.5665,126.978", "35.1796,129.0756", 325_000.0));
        assert!(near("37.4999,126.9", "37.4999001,126.9", 0.011_12));
        assert!(at("37.4999,126.9").distance_m(at("37.4999,126.9")) < 1e-6);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(lat in -900_000_000..=900_000_000, lon in -1_800_000_000..=1_800_000_000) {
            let position = Position::new(lat, lon).unwrap();
            prop_assert_eq!(position.to_string().parse::<Position>().unwrap(), position);
            let json = serde_json::to_string(&position).unwrap();
            prop_assert_eq!(serde_json::from_str::<Position>(&json).unwrap(), position);
        }
    }
}
