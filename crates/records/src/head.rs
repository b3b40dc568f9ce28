//! What every line of every feed begins with: its length, that it is JSON, and the version of its schema.

use crate::TooLong;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

/// The version that a line must have: `v`, and it is `V`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Known<const V: u16>;

/// Why a line is not read at all, whatever its feed.
#[derive(Debug, thiserror::Error)]
pub enum Unread {
    /// Longer than any of its feed.
    #[error(transparent)]
    TooLong(#[from] TooLong),
    /// No JSON object of this schema.
    #[error("{0}")]
    Json(serde_json::Error),
    /// Of a schema that is not known here.
    #[error("version {found}, this Truecell reads {known}")]
    Version {
        /// Which it has.
        found: u16,
        /// Which is read.
        known: u16,
    },
}

/// What is looked at first where the rest does not fit: a newer schema is not a wrong one.
#[derive(Deserialize)]
struct Version {
    v: u16,
}

impl<'de, const V: u16> Deserialize<'de> for Known<V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let found = u16::deserialize(deserializer)?;
        if found == V { Ok(Self) } else { Err(D::Error::custom(format_args!("version {found}"))) }
    }
}

/// Reads one line of `longest` octets at most, without its end, of a schema with `v: Known<V>` in it.
pub(crate) fn read<'a, T: Deserialize<'a>, const V: u16>(
    line: &'a [u8],
    longest: usize,
) -> Result<T, Unread> {
    if line.len() > longest {
        return Err(TooLong(longest).into());
    }
    serde_json::from_slice(line).map_err(|error| {
        let other = serde_json::from_slice::<Version>(line).ok().filter(|read| read.v != V);
        other.map_or(Unread::Json(error), |Version { v }| Unread::Version { found: v, known: V })
    })
}

impl<const V: u16> Serialize for Known<V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        V.serialize(serializer)
    }
}
