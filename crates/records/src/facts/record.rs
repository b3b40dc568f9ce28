use crate::head::{Known, Unread, read};
use ids::{CellKey, DeviceId, IkeSpi, Spi, UnixTime};
use serde::{Deserialize, Deserializer, de::Error};
use std::{borrow::Cow, collections::BTreeSet};

/// Version of the schema that is read.
pub const V: u16 = 1;
/// Octets of one line at most: one with every field at its longest takes 2700.
pub const LONGEST: usize = 3072;
/// Cells that a unit hears at most, and algorithms that it offers.
pub const MOST: usize = 16;
/// Octets of a serial number, a software version, or the name of an algorithm at most.
pub const TEXT: usize = 64;

/// What one line of the feed says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// What one unit says of itself.
    Facts(Box<Facts>),
    /// Nothing: the feed works.
    Heartbeat {
        /// When it was written.
        at: UnixTime,
    },
}

/// What one unit says of itself; `None` where this line says nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Which unit.
    pub device: DeviceId,
    /// When the unit was asked, or told it by itself.
    pub seen_at: UnixTime,
    /// When the feed wrote this.
    pub at: UnixTime,
    /// Its serial number; not empty.
    pub serial: Option<Box<str>>,
    /// The version of its software; not empty.
    pub software: Option<Box<str>>,
    /// Its tunnel.
    pub tunnel: Option<Tunnel>,
    /// The cells that it hears: in order, [`MOST`] at most.
    pub neighbours: Option<Box<[CellKey]>>,
    /// Its radio.
    pub radio: Option<Radio>,
}

/// A tunnel as the unit sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tunnel {
    /// The initiator's SPI of its IKE SA.
    pub ike_spi: Option<IkeSpi>,
    /// The SPI of its ESP SA, of either direction.
    pub esp_spi: Option<Spi>,
    /// When it was made, by the unit's clock.
    pub created_at: Option<UnixTime>,
}

/// A unit's radio.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Radio {
    /// It is on.
    pub on: bool,
    /// An emergency call goes on.
    pub emergency_call: bool,
}

/// Why a line of text is no record.
#[derive(Debug, thiserror::Error)]
pub enum BadLine {
    /// Too long, no JSON object of this schema, or of a schema that is not known here.
    #[error(transparent)]
    Unread(#[from] Unread),
    /// A field that device facts need.
    #[error("device-facts need `{0}`")]
    Missing(&'static str),
    /// A heartbeat that says something.
    #[error("a heartbeat has nothing but `at`")]
    Needless,
    /// They say nothing.
    #[error("no fact is there")]
    Nothing,
    /// A text that is empty, too long, or no text.
    #[error("`{0}` has 1 to {TEXT} octets without control characters")]
    Text(&'static str),
    /// A list that is too long.
    #[error("`{0}` has at most {MOST}")]
    TooMany(&'static str),
    /// A tunnel without a name.
    #[error("a tunnel needs `ike_spi` or `esp_spi`")]
    NoSpi,
    /// Written down before it was seen.
    #[error("`seen_at` is later than `at`")]
    Times,
    /// From later than now, by our clock.
    #[error(transparent)]
    Future(#[from] crate::Future),
}

impl From<crate::TooLong> for BadLine {
    fn from(error: crate::TooLong) -> Self {
        Self::Unread(error.into())
    }
}

/// A line as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(rename = "v")]
    _v: Known<V>,
    kind: Kind,
    device: Option<DeviceId>,
    seen_at: Option<UnixTime>,
    at: UnixTime,
    serial: Option<Box<str>>,
    software: Option<Box<str>>,
    tunnel: Option<WrittenTunnel>,
    neighbours: Option<Vec<CellKey>>,
    algorithms: Option<Vec<Box<str>>>,
    radio: Option<Radio>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    DeviceFacts,
    Heartbeat,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenTunnel {
    #[serde(default, deserialize_with = "ike_spi")]
    ike_spi: Option<IkeSpi>,
    #[serde(default, deserialize_with = "esp_spi")]
    esp_spi: Option<Spi>,
    created_at: Option<UnixTime>,
}

impl Record {
    /// Reads one line, without its end.
    ///
    /// # Errors
    /// [`BadLine`]; nothing of it counts then.
    pub fn parse(line: &[u8]) -> Result<Self, BadLine> {
        let written: Written = read::<_, V>(line, LONGEST)?;
        match written.kind {
            Kind::DeviceFacts => written.into_facts().map(|facts| Self::Facts(Box::new(facts))),
            Kind::Heartbeat if written.device.is_some() || written.seen_at.is_some() => {
                Err(BadLine::Needless)
            }
            Kind::Heartbeat if written.says_something() => Err(BadLine::Needless),
            Kind::Heartbeat => Ok(Self::Heartbeat { at: written.at }),
        }
    }

    /// When the feed wrote it.
    pub fn at(&self) -> UnixTime {
        match self {
            Self::Facts(facts) => facts.at,
            Self::Heartbeat { at } => *at,
        }
    }
}

impl Written {
    fn says_something(&self) -> bool {
        let Self { serial, software, tunnel, neighbours, algorithms, radio, .. } = self;
        let texts = serial.is_some() || software.is_some();
        texts || tunnel.is_some() || neighbours.is_some() || algorithms.is_some() || radio.is_some()
    }

    fn into_facts(self) -> Result<Facts, BadLine> {
        if !self.says_something() {
            return Err(BadLine::Nothing);
        }
        let Self { device, seen_at, at, serial, software, tunnel, neighbours, algorithms, radio, .. } = self;
        algorithms.map_or(Ok(()), names)?;
        let seen_at = seen_at.ok_or(BadLine::Missing("seen_at"))?;
        let device = device.ok_or(BadLine::Missing("device"))?;
        let tunnel = tunnel.map(|WrittenTunnel { ike_spi, esp_spi, created_at }| Tunnel {
            ike_spi,
            esp_spi,
            created_at,
        });
        let neighbours = neighbours.map(Vec::into_boxed_slice);
        Facts { device, seen_at, at, serial, software, tunnel, neighbours, radio }.checked()
    }
}

impl Facts {
    /// Itself, each cell that it hears once and in order, where all of it is as a line may have it.
    ///
    /// # Errors
    /// [`BadLine`], all but what a line's text alone can have.
    pub fn checked(mut self) -> Result<Self, BadLine> {
        if self.seen_at > self.at {
            return Err(BadLine::Times);
        }
        self.serial.as_deref().map_or(Ok(()), |serial| text("serial", serial))?;
        self.software.as_deref().map_or(Ok(()), |software| text("software", software))?;
        if self.tunnel.is_some_and(|tunnel| tunnel.ike_spi.is_none() && tunnel.esp_spi.is_none()) {
            return Err(BadLine::NoSpi);
        }
        self.neighbours = self.neighbours.map(cells).transpose()?;
        Ok(self)
    }
}

fn text(field: &'static str, text: &str) -> Result<(), BadLine> {
    let is_one = (1..=TEXT).contains(&text.len()) && !text.chars().any(char::is_control);
    is_one.then_some(()).ok_or(BadLine::Text(field))
}

/// Each once.
fn cells(cells: Box<[CellKey]>) -> Result<Box<[CellKey]>, BadLine> {
    let cells: BTreeSet<_> = cells.into_iter().collect();
    if cells.len() > MOST { Err(BadLine::TooMany("neighbours")) } else { Ok(cells.into_iter().collect()) }
}

/// Management systems name what a unit may negotiate, each in terms of its own, and not what it offers: that can be held
/// against no claim, and is not kept.
fn names(names: Vec<Box<str>>) -> Result<(), BadLine> {
    if names.len() > MOST {
        return Err(BadLine::TooMany("algorithms"));
    }
    names.iter().try_for_each(|name| text("algorithms", name))
}

fn ike_spi<'de, D: Deserializer<'de>>(from: D) -> Result<Option<IkeSpi>, D::Error> {
    hex(from, 16).map(|spi| Some(IkeSpi(spi)))
}

fn esp_spi<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Spi>, D::Error> {
    let spi = hex(from, 8)?;
    Ok(Some(Spi(u32::try_from(spi).map_err(D::Error::custom)?)))
}

/// Just so many hex digits.
fn hex<'de, D: Deserializer<'de>>(from: D, digits: usize) -> Result<u64, D::Error> {
    let text = Cow::<'de, str>::deserialize(from)?;
    let is_hex = text.len() == digits && text.bytes().all(|digit| digit.is_ascii_hexdigit());
    let number = u64::from_str_radix(&text, 16).ok().filter(|_| is_hex);
    number.ok_or_else(|| D::Error::custom(format!("an SPI has {digits} hex digits")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMES: &str = r#""seen_at":"2026-11-30T10:00:00Z","at":"2026-11-30T10:00:05Z""#;

    fn facts(fields: &str) -> Result<Facts, String> {
        let text = format!(r#"{{"v":1,"kind":"device-facts","device":"00aabbccddee",{TIMES}{fields}}}"#);
        match Record::parse(text.as_bytes()) {
            Ok(Record::Facts(facts)) => Ok(*facts),
            Ok(other) => panic!("{other:?}"),
            Err(bad) => Err(bad.to_string()),
        }
    }

    #[test]
    fn facts_are_what_the_line_says_and_nothing_else() {
        let read = facts(
            r#","serial":"00AABBCCDDEE","tunnel":{"ike_spi":"0a0b0c0d01020304","created_at":"2026-11-30T09:00:00Z"},"neighbours":["lte:450-08:2","lte:450-08:1","lte:450-08:2"],"radio":{"on":true,"emergency_call":false}"#,
        )
        .unwrap();
        assert_eq!(read.serial.as_deref(), Some("00AABBCCDDEE"));
        let tunnel = read.tunnel.unwrap();
        assert_eq!((tunnel.ike_spi, tunnel.esp_spi), (Some(IkeSpi(0x0a0b_0c0d_0102_0304)), None));
        let cells: Vec<_> = read.neighbours.unwrap().iter().map(ToString::to_string).collect();
        assert_eq!(cells, ["lte:450-08:1", "lte:450-08:2"]);
        assert_eq!(read.radio, Some(Radio { on: true, emergency_call: false }));
        assert_eq!(read.software, None);
    }

    #[test]
    fn what_are_no_facts_says_why() {
        let many = (0..17).map(|id| format!("\"lte:450-08:{id:x}\"")).collect::<Vec<_>>().join(",");
        for (fields, why) in [
            ("", "no fact is there"),
            (r#","serial":"""#, "`serial` has 1 to 64 octets"),
            (r#","software":"2\u0007""#, "without control characters"),
            (r#","tunnel":{}"#, "needs `ike_spi` or `esp_spi`"),
            (r#","tunnel":{"ike_spi":"1234"}"#, "16 hex digits"),
            (r#","tunnel":{"ike_spi":"+a0b0c0d01020304"}"#, "16 hex digits"),
            (r#","tunnel":{"esp_spi":"0a0b0c0d01020304"}"#, "8 hex digits"),
            (r#","algorithms":["aes", ""]"#, "`algorithms` has 1 to 64 octets"),
            (r#","neighbours":["nowhere"]"#, "technology:network:identity"),
            (&format!(r#","neighbours":[{many}]"#), "at most 16"),
            (r#","radio":{"on":true}"#, "missing field `emergency_call`"),
            (r#","speed":1"#, "unknown field `speed`"),
            (r#","serial":"a","serial":"b""#, "duplicate field"),
        ] {
            let error = facts(fields).unwrap_err();
            assert!(error.contains(why), "{fields}: {error}");
        }
        let error = |text: &str| Record::parse(text.as_bytes()).unwrap_err().to_string();
        assert_eq!(error(r#"{"v":2,"kind":"device-mood"}"#), "version 2, this Truecell reads 1");
        let before = r#"{"v":1,"kind":"device-facts","device":"00aabbccddee","serial":"a","seen_at":"2026-11-30T10:00:01Z","at":"2026-11-30T10:00:00Z"}"#;
        assert_eq!(error(before), "`seen_at` is later than `at`");
        let beat = r#"{"v":1,"kind":"heartbeat","at":"2026-11-30T10:00:00Z","serial":"a"}"#;
        assert_eq!(error(beat), "a heartbeat has nothing but `at`");
        assert!(error(&" ".repeat(LONGEST + 1)).contains("longer than 3072"));
    }

    #[test]
    fn the_longest_facts_have_room() {
        let (name, time) = ("x".repeat(TEXT), "2026-11-30T10:00:00.123456789+09:00");
        let cells: Vec<_> = (0..MOST).map(|id| format!("\"nr:450-008:fffffff{id:02x}\"")).collect();
        let algorithms = vec![format!("\"{name}\""); MOST].join(", ");
        let text = format!(
            r#"{{"v": 1, "kind": "device-facts", "device": "00aabbccddeeff00", "seen_at": "{time}", "at": "{time}", "serial": "{name}", "software": "{name}", "tunnel": {{"ike_spi": "0a0b0c0d01020304", "esp_spi": "0a0b0c0d", "created_at": "{time}"}}, "neighbours": [{}], "algorithms": [{algorithms}], "radio": {{"on": false, "emergency_call": false}}}}"#,
            cells.join(", ")
        );
        assert!(text.len() <= 2700, "{}", text.len());
        let read = Record::parse(text.as_bytes());
        assert!(matches!(read, Ok(Record::Facts(_))), "{read:?}");
    }
}
