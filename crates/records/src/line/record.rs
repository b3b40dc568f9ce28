use crate::head::{Known, Unread, read};
use ids::{AccessLine, UnixTime};
use ipnet::IpNet;
use serde::Deserialize;
use std::{borrow::Cow, net::IpAddr};

/// Version of the schema that is read.
pub const V: u16 = 1;
/// Octets of one line at most: a session with every field at its longest takes 320.
pub const LONGEST: usize = 1024;

/// What one line of the feed says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// A line has an address, or had.
    Session(Session),
    /// Something became of a line.
    Change(Change),
    /// Nothing: the feed works.
    Heartbeat {
        /// When it was written.
        at: UnixTime,
    },
}

/// A time in which a line has an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Whose.
    pub line: AccessLine,
    /// Which address.
    pub place: Place,
    /// Since when.
    pub from: UnixTime,
    /// Until when, without that moment; `None` while it lasts.
    pub to: Option<UnixTime>,
    /// When the feed wrote this.
    pub at: UnixTime,
}

/// What a line has for itself: an address or prefix, or some ports of one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Without host bits.
    pub net: IpNet,
    /// First and last port, UDP and TCP alike; all of them but behind a CGNAT.
    pub ports: (u16, u16),
}

/// What became of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Which line.
    pub line: AccessLine,
    /// What.
    pub kind: ChangeKind,
    /// When the feed wrote it.
    pub at: UnixTime,
}

/// What became of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ChangeKind {
    /// Its contract is over.
    Cancelled,
    /// It ends at another site now.
    Moved,
    /// What was said of it before was wrong, or holds no more.
    Restored,
}

impl ChangeKind {
    /// For people: "the line was ...".
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cancelled => "cancelled",
            Self::Moved => "moved",
            Self::Restored => "restored",
        }
    }
}

/// Why a line of text is no record.
#[derive(Debug, thiserror::Error)]
pub enum BadLine {
    /// Too long, no JSON object of this schema, or of a schema that is not known here.
    #[error(transparent)]
    Unread(#[from] Unread),
    /// A field that its kind needs.
    #[error("a {kind} needs `{field}`")]
    Missing {
        /// Kind of record.
        kind: &'static str,
        /// Which field.
        field: &'static str,
    },
    /// A field that its kind has not.
    #[error("a {kind} has no `{field}`")]
    Needless {
        /// Kind of record.
        kind: &'static str,
        /// Which field.
        field: &'static str,
    },
    /// Neither an address nor a prefix.
    #[error("`address` is neither an IP address nor a prefix without host bits")]
    NoAddress,
    /// More than one line ever has.
    #[error("`address` is wider than any line's: at most /24, or /40 of IPv6")]
    TooWide,
    /// Ports of something that has none to share.
    #[error("`ports` is [first, last] of a single IPv4 address, the first not above the last")]
    Ports,
    /// A session that ends before it begins, or begins after it was written down.
    #[error("a session needs from <= at, and from <= to")]
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
struct Written<'a> {
    #[serde(rename = "v")]
    _v: Known<V>,
    kind: Kind,
    line: Option<AccessLine>,
    #[serde(borrow)]
    address: Option<Cow<'a, str>>,
    ports: Option<(u16, u16)>,
    from: Option<UnixTime>,
    to: Option<UnixTime>,
    at: UnixTime,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    LineSession,
    LineCancelled,
    LineMoved,
    LineRestored,
    Heartbeat,
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Self::LineSession => "line-session",
            Self::LineCancelled => "line-cancelled",
            Self::LineMoved => "line-moved",
            Self::LineRestored => "line-restored",
            Self::Heartbeat => "heartbeat",
        }
    }
}

impl Record {
    /// Reads one line, without its end.
    ///
    /// # Errors
    /// [`BadLine`]; nothing of it counts then.
    pub fn parse(line: &[u8]) -> Result<Self, BadLine> {
        read::<Written<'_>, V>(line, LONGEST)?.into_record()
    }

    /// When the feed wrote it.
    pub fn at(&self) -> UnixTime {
        match self {
            Self::Session(Session { at, .. }) | Self::Change(Change { at, .. }) | Self::Heartbeat { at } => {
                *at
            }
        }
    }
}

impl Written<'_> {
    fn into_record(self) -> Result<Record, BadLine> {
        match self.kind {
            Kind::LineSession => self.into_session().map(Record::Session),
            Kind::LineCancelled => self.into_change(ChangeKind::Cancelled),
            Kind::LineMoved => self.into_change(ChangeKind::Moved),
            Kind::LineRestored => self.into_change(ChangeKind::Restored),
            Kind::Heartbeat => {
                self.has_not(&[("line", self.line.is_some())])?;
                self.is_no_session()?;
                Ok(Record::Heartbeat { at: self.at })
            }
        }
    }

    fn into_session(self) -> Result<Session, BadLine> {
        let kind = self.kind.word();
        let missing = |field| BadLine::Missing { kind, field };
        let line = self.line.ok_or_else(|| missing("line"))?;
        let from = self.from.ok_or_else(|| missing("from"))?;
        let place = Place::new(&self.address.ok_or_else(|| missing("address"))?, self.ports)?;
        let Self { to, at, .. } = self;
        Session { line, place, from, to, at }.checked()
    }

    fn into_change(self, change: ChangeKind) -> Result<Record, BadLine> {
        self.is_no_session()?;
        let kind = self.kind.word();
        let line = self.line.ok_or(BadLine::Missing { kind, field: "line" })?;
        Ok(Record::Change(Change { line, kind: change, at: self.at }))
    }

    fn is_no_session(&self) -> Result<(), BadLine> {
        let Self { address, ports, from, to, .. } = self;
        self.has_not(&[
            ("address", address.is_some()),
            ("ports", ports.is_some()),
            ("from", from.is_some()),
            ("to", to.is_some()),
        ])
    }

    fn has_not(&self, fields: &[(&'static str, bool)]) -> Result<(), BadLine> {
        let needless = fields.iter().find(|(_, is_there)| *is_there);
        let kind = self.kind.word();
        needless.map_or(Ok(()), |(field, _)| Err(BadLine::Needless { kind, field }))
    }
}

impl Place {
    /// A line has one address, or a prefix of its own: anything wider is a mistake that would vouch for whole towns.
    ///
    /// # Errors
    /// [`BadLine::NoAddress`], [`BadLine::TooWide`], [`BadLine::Ports`].
    pub fn new(address: &str, ports: Option<(u16, u16)>) -> Result<Self, BadLine> {
        let net = match address.parse::<IpAddr>() {
            Ok(address) => IpNet::from(address.to_canonical()),
            Err(_) => address.parse().map_err(|_| BadLine::NoAddress)?,
        };
        let (is_wide, is_single_v4) = match net {
            IpNet::V4(net) => (net.prefix_len() < 24, net.prefix_len() == 32),
            IpNet::V6(net) => (net.prefix_len() < 40, false),
        };
        if net != net.trunc() {
            return Err(BadLine::NoAddress);
        }
        if is_wide {
            return Err(BadLine::TooWide);
        }
        match ports {
            None => Ok(Self { net, ports: (0, u16::MAX) }),
            Some(ports) if is_single_v4 && ports.0 <= ports.1 => Ok(Self { net, ports }),
            Some(_) => Err(BadLine::Ports),
        }
    }
}

impl Session {
    /// Itself, where its times go together.
    ///
    /// # Errors
    /// [`BadLine::Times`].
    pub fn checked(self) -> Result<Self, BadLine> {
        let is_turned = self.from > self.at || self.to.is_some_and(|to| to < self.from);
        if is_turned { Err(BadLine::Times) } else { Ok(self) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<Record, String> {
        Record::parse(text.as_bytes()).map_err(|bad| bad.to_string())
    }

    fn session(fields: &str) -> Result<Record, String> {
        let at = r#""at":"2026-11-30T10:00:05Z""#;
        parsed(&format!(
            r#"{{"v":1,"kind":"line-session","line":"L-1",{at},"from":"2026-11-30T10:00:00Z",{fields}}}"#
        ))
    }

    #[test]
    fn a_session_has_an_address_a_prefix_or_ports_of_an_address() {
        let place = |fields| match session(fields) {
            Ok(Record::Session(session)) => (session.place.net.to_string(), session.place.ports),
            other => panic!("{other:?}"),
        };
        assert_eq!(place(r#""address":"192.0.2.7""#), ("192.0.2.7/32".into(), (0, 65535)));
        assert_eq!(place(r#""address":"::ffff:192.0.2.7""#), ("192.0.2.7/32".into(), (0, 65535)));
        assert_eq!(place(r#""address":"192.0.2.8/29""#), ("192.0.2.8/29".into(), (0, 65535)));
        assert_eq!(
            place(r#""address":"192.0.2.7","ports":[1024,2047]"#),
            ("192.0.2.7/32".into(), (1024, 2047))
        );
        assert_eq!(place(r#""address":"2001:db8:1:100::/56""#), ("2001:db8:1:100::/56".into(), (0, 65535)));
    }

    #[test]
    fn what_is_no_session_says_why() {
        for (fields, why) in [
            (r#""address":"192.0.2.0/23""#, "wider than any line's"),
            (r#""address":"192.0.3.0/23""#, "without host bits"),
            (r#""address":"2001:db8::/39""#, "wider than any line's"),
            (r#""address":"0.0.0.0/0""#, "wider than any line's"),
            (r#""address":"nowhere""#, "neither an IP address"),
            (r#""address":"2001:db8::1","ports":[1,2]"#, "of a single IPv4 address"),
            (r#""address":"192.0.2.8/29","ports":[1,2]"#, "of a single IPv4 address"),
            (r#""address":"192.0.2.7","ports":[2,1]"#, "of a single IPv4 address"),
            (r#""address":"192.0.2.7","ports":[2,70000]"#, "65536"),
            (r#""ports":[1,2]"#, "a line-session needs `address`"),
            (r#""address":"192.0.2.7","to":"2026-11-30T09:59:59Z""#, "from <= to"),
            (r#""address":"192.0.2.7","speed":1"#, "unknown field `speed`"),
            (r#""address":"192.0.2.7","line":"L-2""#, "duplicate field"),
        ] {
            let error = session(fields).unwrap_err();
            assert!(error.contains(why) || (why == "65536" && error.contains("u16")), "{fields}: {error}");
        }
    }

    #[test]
    fn a_change_has_nothing_of_a_session_and_a_heartbeat_nothing_at_all() {
        let at = r#""at":"2026-11-30T10:00:00Z""#;
        let change = parsed(&format!(r#"{{"v":1,"kind":"line-cancelled","line":"L-1",{at}}}"#)).unwrap();
        let Record::Change(change) = change else { panic!("{change:?}") };
        assert_eq!((change.kind, change.line.to_string().as_str()), (ChangeKind::Cancelled, "L-1"));
        assert!(matches!(
            parsed(&format!(r#"{{"v":1,"kind":"heartbeat",{at}}}"#)),
            Ok(Record::Heartbeat { .. })
        ));
        let error = |text: String| parsed(&text).unwrap_err();
        let with_line = error(format!(r#"{{"v":1,"kind":"heartbeat","line":"L-1",{at}}}"#));
        assert_eq!(with_line, "a heartbeat has no `line`");
        let with_end =
            error(format!(r#"{{"v":1,"kind":"line-moved","line":"L-1","to":"2026-11-30T10:00:00Z",{at}}}"#));
        assert_eq!(with_end, "a line-moved has no `to`");
        assert_eq!(error(format!(r#"{{"v":1,"kind":"line-moved",{at}}}"#)), "a line-moved needs `line`");
    }

    #[test]
    fn a_newer_schema_is_named_whatever_else_is_in_it() {
        let newer = r#"{"v":2,"kind":"line-lent","to_whom":"L-2"}"#;
        assert_eq!(parsed(newer).unwrap_err(), "version 2, this Truecell reads 1");
        assert!(parsed("").is_err() && parsed("{}").is_err() && parsed(&" ".repeat(1025)).is_err());
    }

    #[test]
    fn the_longest_session_has_room() {
        let line = "x".repeat(64);
        let time = "2026-11-30T10:00:00.123456789+09:00";
        let text = format!(
            r#"{{"v": 1, "kind": "line-session", "line": "{line}", "address": "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128", "from": "{time}", "to": "{time}", "at": "{time}"}}"#
        );
        assert!(text.len() <= 330, "{}", text.len());
        assert!(matches!(parsed(&text), Ok(Record::Session(_))), "{:?}", parsed(&text));
    }
}
