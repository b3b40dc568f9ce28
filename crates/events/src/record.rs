use ids::{EventRef, NodeId, Sha256, UnixTime, number_as_text};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::value::RawValue;

/// A kind of event. Its fields are added to, never re-used; a change that a reader must not overlook
/// raises [`Self::V`].
pub trait Recorded: Serialize + DeserializeOwned {
    /// `<stage>.<what happened>`, stable.
    const KIND: &'static str;
    /// Version of the body.
    const V: u16 = 1;
}

/// Declares kinds of events: `Type => "stage.kind"`, with the version of its body where that is another than 1.
macro_rules! recorded {
    ($($type:ty => $kind:literal $(v $v:literal)?),* $(,)?) => {
        $(impl $crate::Recorded for $type {
            const KIND: &'static str = $kind;
            $(const V: u16 = $v;)?
        })*

        /// The kinds of this stage, and the newest version of each.
        pub(crate) const KINDS: &[(&str, u16)] = &[$(($kind, <$type as $crate::Recorded>::V)),*];
    };
}
pub(crate) use recorded;

/// Every kind that this Truecell writes, stage by stage.
pub fn kinds() -> impl Iterator<Item = &'static str> {
    written().map(|(kind, _)| kind)
}

/// Every kind that a journal may have, with the newest version of each that can be read.
pub(crate) fn versions() -> impl Iterator<Item = (&'static str, u16)> {
    written().chain(WRITTEN_BEFORE)
}

fn written() -> impl Iterator<Item = (&'static str, u16)> {
    use crate::{admission, gateway, journal, ledger, pki};
    [journal::KINDS, ledger::KINDS, pki::KINDS, gateway::KINDS, admission::KINDS]
        .into_iter()
        .flatten()
        .copied()
}

/// Kinds that older versions wrote: a certificate of the embedded CA was about to be signed, was, or came to nothing.
const WRITTEN_BEFORE: [(&str, u16); 3] =
    [("pki.issue_intended", 1), ("pki.issued", 1), ("pki.issue_abandoned", 1)];

/// One line of a journal, its body not yet read.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// Counts up from 1.
    #[serde(with = "number_as_text")]
    pub seq: u64,
    /// Hash of the line before; zeros for the first.
    pub prev: Sha256,
    /// When it happened, by the node's wall clock. May go back when the clock was set back.
    pub at: UnixTime,
    /// Whose journal.
    pub node: NodeId,
    /// Kind of event.
    pub kind: String,
    /// Version of the body.
    pub v: u16,
    /// The body, exactly as written.
    pub body: Box<RawValue>,
}

/// The body is of the kind asked for, but can't be read.
#[derive(Debug, thiserror::Error)]
pub enum UnreadRecord {
    /// Written by a newer Truecell.
    #[error("{kind} has version {v}, this Truecell reads {reads}: use a newer one")]
    Version {
        /// Kind of event.
        kind: String,
        /// Version found.
        v: u16,
        /// Newest version known.
        reads: u16,
    },
    /// The fields don't fit.
    #[error("{kind}: {source}")]
    Body {
        /// Kind of event.
        kind: String,
        /// What does not fit.
        source: serde_json::Error,
    },
}

impl Record {
    /// Where this record stands.
    pub fn reference(&self) -> EventRef {
        EventRef { node: self.node.clone(), seq: self.seq }
    }

    /// The body, if it is a `T`; `None` if it is of another kind.
    ///
    /// # Errors
    /// [`UnreadRecord`]: it is a `T` that this Truecell can't read.
    pub fn read<T: Recorded>(&self) -> Result<Option<T>, UnreadRecord> {
        if self.kind != T::KIND {
            return Ok(None);
        }
        if self.v > T::V {
            return Err(UnreadRecord::Version { kind: self.kind.clone(), v: self.v, reads: T::V });
        }
        serde_json::from_str(self.body.get())
            .map(Some)
            .map_err(|source| UnreadRecord::Body { kind: self.kind.clone(), source })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{admission, gateway, ledger};
    use ids::{DeviceId, Epoch, SessionId};
    use serde_json::Value;

    fn numbers(value: &Value) -> usize {
        match value {
            Value::Number(_) => 1,
            Value::Array(values) => values.iter().map(numbers).sum(),
            Value::Object(fields) => fields.values().map(numbers).sum(),
            Value::Null | Value::Bool(_) | Value::String(_) => 0,
        }
    }

    fn is_whole<T: Recorded + PartialEq + std::fmt::Debug>(event: &T) {
        let body = serde_json::to_value(event).unwrap();
        assert_eq!(numbers(&body), 0, "{body}");
        assert_eq!(&serde_json::from_value::<T>(body).unwrap(), event);
    }

    #[test]
    fn an_attempt_that_an_older_version_wrote_is_read() {
        let body = r#"{"device": "00aabbccddee", "session": "3-17", "packets": "4", "to": "10.64.0.2"}"#;
        let attempt: gateway::LateralAttempt = serde_json::from_str(body).unwrap();
        assert_eq!((attempt.packets, attempt.protocol.as_str(), attempt.port), (4, "", None));
    }

    #[test]
    fn a_body_of_a_newer_version_is_not_read() {
        let line = |v: u16| {
            format!(
                r#"{{"seq":"1","prev":"{}","at":"2026-01-01T00:00:00.000000Z","node":"gw1","kind":"{}","v":{v},"body":{}}}"#,
                "0".repeat(64),
                gateway::NodeStarted::KIND,
                r#"{"epoch":"7","version":"1"}"#
            )
        };
        let read = |v| serde_json::from_str::<Record>(&line(v)).unwrap().read::<gateway::NodeStarted>();
        assert_eq!(read(gateway::NodeStarted::V).unwrap().unwrap().epoch, 7);
        let newer = read(gateway::NodeStarted::V + 1).unwrap_err().to_string();
        assert_eq!(newer, "gateway.node_started has version 2, this Truecell reads 1: use a newer one");
    }

    #[test]
    fn numbers_of_64_bits_are_text_in_every_body() {
        let device = DeviceId::eui64([1; 8]);
        let session = SessionId { epoch: Epoch(1), number: 1 };
        is_whole(&gateway::NodeStarted { epoch: u64::MAX, version: "1".into() });
        is_whole(&gateway::NodeStopped { epoch: u64::MAX, unwritten: u64::MAX });
        is_whole(&gateway::AttachFailed {
            reason: "r".into(),
            detail: "d".into(),
            outer: "127.0.0.1:500".parse().unwrap(),
            claimed: None,
            more: u64::MAX,
        });
        is_whole(&gateway::SessionClosed { device, session, why: "w".into(), bytes: (u64::MAX, 0) });
        is_whole(&gateway::SpoofedSource { device, session, packets: u64::MAX });
        is_whole(&gateway::PathAlternates {
            device,
            session,
            paths: Vec::new(),
            changes: u64::MAX,
            within_ms: u64::MAX,
        });
        is_whole(&gateway::OutOfReach {
            device,
            session,
            packets: u64::MAX,
            to: [10, 0, 0, 1].into(),
            protocol: "icmp".into(),
            port: None,
        });
        is_whole(&ledger::Opened { epoch: u64::MAX, finished: Vec::new() });
        is_whole(&ledger::Committed { from: u64::MAX });
        for incident in [None, Some(u64::MAX)] {
            is_whole(&admission::ContestResolved {
                device,
                stays: Some(session),
                goes: session,
                how: "h".into(),
                reason: None,
                incident,
                rules: "r".into(),
                weighed: admission::Weighed::default(),
            });
        }
    }
}
