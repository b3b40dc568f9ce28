use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
use std::{borrow::Cow, fmt, str::FromStr, time::Duration};

/// Wall time: microseconds since 1970-01-01T00:00:00Z, UTC, leap seconds ignored.
///
/// For certificates and evidence; protocol timers use [`std::time::Instant`]. Text: RFC 3339 with
/// six decimals and `Z`; parsing takes any offset and any precision.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct UnixTime(i64);

/// The text is no RFC 3339 time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a time as in 2026-01-31T23:59:59Z")]
pub struct ParseTimeError;

impl UnixTime {
    /// 0000-01-01T00:00:00Z, the first time that RFC 3339 can write.
    const MIN: i64 = -62_167_219_200_000_000;
    /// 9999-12-30T00:00:00Z: "no well-defined expiration" (RFC 5280 §4.1.2.5, 99991231235959Z) less
    /// the two days in which some offset would leave the year 9999.
    const MAX: i64 = 253_402_128_000_000_000;

    /// From microseconds since the epoch, clamped to what RFC 3339 can write with any offset (years
    /// 0 to 9999, less the last two days), so that every value has a text.
    pub fn from_micros(micros: i64) -> Self {
        Self(micros.clamp(Self::MIN, Self::MAX))
    }

    /// From whole seconds since the epoch, clamped as [`Self::from_micros`].
    pub fn from_secs(secs: i64) -> Self {
        Self::from_micros(secs.saturating_mul(1_000_000))
    }

    /// The machine's wall clock, for the outermost layer only: judgements take the time as a parameter.
    pub fn now() -> Self {
        Self::from_micros(jiff::Timestamp::now().as_microsecond())
    }

    /// Microseconds since the epoch.
    pub fn micros(self) -> i64 {
        self.0
    }

    /// Whole seconds since the epoch, rounded down.
    pub fn secs(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// This much later, clamped.
    #[must_use]
    pub fn after(self, span: Duration) -> Self {
        let micros = i64::try_from(span.as_micros()).unwrap_or(i64::MAX);
        Self::from_micros(self.0.saturating_add(micros))
    }

    /// This much earlier, clamped.
    #[must_use]
    pub fn before(self, span: Duration) -> Self {
        let micros = i64::try_from(span.as_micros()).unwrap_or(i64::MAX);
        Self::from_micros(self.0.saturating_sub(micros))
    }

    /// How long after `earlier` this is; zero when it isn't.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

impl FromStr for UnixTime {
    type Err = ParseTimeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let timestamp: jiff::Timestamp = text.parse().map_err(|_| ParseTimeError)?;
        Ok(Self::from_micros(timestamp.as_microsecond()))
    }
}

impl fmt::Display for UnixTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let timestamp = jiff::Timestamp::from_microsecond(self.0).map_err(|_| fmt::Error)?;
        write!(f, "{timestamp:.6}")
    }
}

impl fmt::Debug for UnixTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// As its text where people may read it, else as its microseconds.
impl Serialize for UnixTime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match serializer.is_human_readable() {
            true => serializer.collect_str(self),
            false => self.0.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for UnixTime {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match deserializer.is_human_readable() {
            true => Cow::<'de, str>::deserialize(deserializer)?.parse().map_err(D::Error::custom),
            false => i64::deserialize(deserializer).map(Self::from_micros),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn printed_as_rfc_3339_with_six_decimals() {
        assert_eq!(UnixTime::from_secs(0).to_string(), "1970-01-01T00:00:00.000000Z");
        let time: UnixTime = "2026-11-24T23:59:59.5+09:00".parse().unwrap();
        assert_eq!(time.to_string(), "2026-11-24T14:59:59.500000Z");
        assert!("yesterday".parse::<UnixTime>().is_err());
    }

    proptest! {
        #[test]
        fn any_time_survives_its_text(micros in any::<i64>()) {
            let time = UnixTime::from_micros(micros);
            prop_assert_eq!(time.to_string().parse::<UnixTime>().unwrap(), time);
        }
    }
}
