//! u64 as a decimal string, so that readers whose numbers are doubles lose nothing:
//! `#[serde(with = "number_as_text")]`.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

struct Text(u64);

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map(Self).map_err(D::Error::custom)
    }
}

#[expect(missing_docs, clippy::missing_errors_doc, reason = "serde calls it")]
pub fn serialize<S: Serializer>(number: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    Text(*number).serialize(serializer)
}

#[expect(missing_docs, clippy::missing_errors_doc, reason = "serde calls it")]
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    Text::deserialize(deserializer).map(|text| text.0)
}

/// A number that may be missing.
#[expect(missing_docs, clippy::missing_errors_doc, reason = "serde calls it")]
pub mod option {
    use super::{Deserialize, Deserializer, Serialize, Serializer, Text};

    pub fn serialize<S: Serializer>(number: &Option<u64>, serializer: S) -> Result<S::Ok, S::Error> {
        number.map(Text).serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
        Ok(Option::<Text>::deserialize(deserializer)?.map(|text| text.0))
    }
}

/// Two numbers.
#[expect(missing_docs, clippy::missing_errors_doc, reason = "serde calls it")]
pub mod pair {
    use super::{Deserialize, Deserializer, Serialize, Serializer, Text};

    pub fn serialize<S: Serializer>(pair: &(u64, u64), serializer: S) -> Result<S::Ok, S::Error> {
        (Text(pair.0), Text(pair.1)).serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<(u64, u64), D::Error> {
        <(Text, Text)>::deserialize(deserializer).map(|(first, second)| (first.0, second.0))
    }
}
