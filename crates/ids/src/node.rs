use crate::serde_as_text;
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr, sync::Arc};

/// Name of one Truecell node: names its journal's folder and its leases.
/// Text: 1 to 32 lower-case letters, digits and inner hyphens.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(Arc<str>);

/// The text names no node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a node name has 1 to 32 lower-case letters, digits and inner hyphens")]
pub struct ParseNodeError;

impl NodeId {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for NodeId {
    type Err = ParseNodeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        let hyphen_at_end = text.starts_with('-') || text.ends_with('-');
        if !(1..=32).contains(&text.len()) || hyphen_at_end || !text.bytes().all(allowed) {
            return Err(ParseNodeError);
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

serde_as_text!(NodeId);

/// Counts the starts of a node. A new epoch voids the node's own older leases without a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Epoch(pub u64);

/// Points at the one journal record that explains something: `<node>/<seq>`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventRef {
    /// Whose journal.
    pub node: NodeId,
    /// Number of the record in it, from 1.
    pub seq: u64,
}

impl FromStr for EventRef {
    type Err = ParseNodeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (node, seq) = text.split_once('/').ok_or(ParseNodeError)?;
        Ok(Self { node: node.parse()?, seq: seq.parse().map_err(|_| ParseNodeError)? })
    }
}

impl fmt::Display for EventRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.node, self.seq)
    }
}

serde_as_text!(EventRef);

/// One attached unit's time on one node: an IKE SA through all its rekeys. Never used twice.
/// Text: `<epoch>-<number>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId {
    /// Which start of the node.
    pub epoch: Epoch,
    /// Counts up from 1 within the epoch.
    pub number: u64,
}

/// The text names no session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a session is named `<epoch>-<number>`, such as `3-17`")]
pub struct ParseSessionError;

impl FromStr for SessionId {
    type Err = ParseSessionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (epoch, number) = text.split_once('-').ok_or(ParseSessionError)?;
        let parse = |digits: &str| digits.parse().map_err(|_| ParseSessionError);
        Ok(Self { epoch: Epoch(parse(epoch)?), number: parse(number)? })
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.epoch.0, self.number)
    }
}

serde_as_text!(SessionId);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_name_can_be_a_folder_name_and_nothing_worse() {
        assert!("gw-seoul-1".parse::<NodeId>().is_ok());
        for bad in ["", ".", "..", "a/b", "A", "-a", "a-", &"a".repeat(33)] {
            assert!(bad.parse::<NodeId>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn sessions_and_event_references_survive_their_text() {
        let session = SessionId { epoch: Epoch(3), number: 17 };
        assert_eq!(session.to_string(), "3-17");
        assert_eq!("3-17".parse::<SessionId>().unwrap(), session);
        let event: EventRef = "gw1/42".parse().unwrap();
        assert_eq!((event.seq, event.to_string().as_str()), (42, "gw1/42"));
        assert_eq!(serde_json::to_string(&event).unwrap(), "\"gw1/42\"");
    }
}
