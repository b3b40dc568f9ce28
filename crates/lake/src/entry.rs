use ids::{AccessLine, CellKey, DeviceId, Label, UnixTime};
use records::{
    facts::{self, Facts, Radio, Tunnel},
    line::{self, Change, ChangeKind, Place, Session},
    row::{self, Heartbeat, Row, Stamp},
};
use serde::{Deserialize, Serialize};

/// What the lake keeps: rows that the engine reads, and what feeds of lines and of devices say, with the same stamp.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// A row of core, IMS or billing.
    Row(Row),
    /// A line has an address, or had.
    LineSession(LineSession),
    /// Something became of a line.
    LineChange(LineChange),
    /// What a unit says of itself.
    DeviceFacts(Box<DeviceFacts>),
}

/// A time in which a line has an address: [`Session`] with its stamp.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineSession {
    /// When the feed wrote it, and by whose word.
    pub stamp: Stamp,
    /// Whose.
    pub line: AccessLine,
    /// Which address.
    pub place: Place,
    /// Since when.
    pub from: UnixTime,
    /// Until when, without that moment; `None` while it lasts.
    pub to: Option<UnixTime>,
}

/// What became of a line: [`Change`] with its stamp.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineChange {
    /// When the feed wrote it, and by whose word.
    pub stamp: Stamp,
    /// Which line.
    pub line: AccessLine,
    /// What.
    pub change: ChangeKind,
}

/// What a unit says of itself: [`Facts`] with their stamp.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceFacts {
    /// When the feed wrote it, and by whose word.
    pub stamp: Stamp,
    /// Which unit.
    pub device: DeviceId,
    /// When the unit was asked, or told it by itself.
    pub seen_at: UnixTime,
    /// Its serial number.
    pub serial: Option<Box<str>>,
    /// The version of its software.
    pub software: Option<Box<str>>,
    /// Its tunnel.
    pub tunnel: Option<Tunnel>,
    /// The cells that it hears.
    pub neighbours: Option<Box<[CellKey]>>,
    /// Its radio.
    pub radio: Option<Radio>,
}

/// Kinds of entries: a folder of the lake each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// [`records::row::Access`].
    Access,
    /// [`records::row::Ims`].
    Ims,
    /// [`records::row::Code`].
    Code,
    /// [`records::row::Payment`].
    Payment,
    /// [`records::row::Number`].
    Number,
    /// [`records::row::MacroCell`].
    MacroCell,
    /// [`records::row::Complaint`].
    Complaint,
    /// [`records::row::Order`].
    Order,
    /// [`records::row::Heartbeat`].
    Heartbeat,
    /// [`records::row::Gap`].
    Gap,
    /// [`LineSession`].
    LineSession,
    /// [`LineChange`].
    LineChange,
    /// [`DeviceFacts`].
    DeviceFacts,
}

impl Kind {
    /// Each.
    pub const ALL: [Self; 13] = [
        Self::Access,
        Self::Ims,
        Self::Code,
        Self::Payment,
        Self::Number,
        Self::MacroCell,
        Self::Complaint,
        Self::Order,
        Self::Heartbeat,
        Self::Gap,
        Self::LineSession,
        Self::LineChange,
        Self::DeviceFacts,
    ];
    /// Those that the engine reads.
    pub const ROWS: [Self; 10] = [
        Self::Access,
        Self::Ims,
        Self::Code,
        Self::Payment,
        Self::Number,
        Self::MacroCell,
        Self::Complaint,
        Self::Order,
        Self::Heartbeat,
        Self::Gap,
    ];

    /// Its word, and the name of its folder.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Access => "access",
            Self::Ims => "ims",
            Self::Code => "code",
            Self::Payment => "payment",
            Self::Number => "number",
            Self::MacroCell => "macro-cell",
            Self::Complaint => "complaint",
            Self::Order => "order",
            Self::Heartbeat => "heartbeat",
            Self::Gap => "gap",
            Self::LineSession => "line-session",
            Self::LineChange => "line-change",
            Self::DeviceFacts => "device-facts",
        }
    }
}

impl From<records::row::Kind> for Kind {
    fn from(kind: records::row::Kind) -> Self {
        use records::row::Kind as Of;
        match kind {
            Of::Access => Self::Access,
            Of::Ims => Self::Ims,
            Of::Code => Self::Code,
            Of::Payment => Self::Payment,
            Of::Number => Self::Number,
            Of::MacroCell => Self::MacroCell,
            Of::Complaint => Self::Complaint,
            Of::Order => Self::Order,
            Of::Heartbeat => Self::Heartbeat,
            Of::Gap => Self::Gap,
        }
    }
}

impl From<Row> for Entry {
    fn from(row: Row) -> Self {
        Self::Row(row)
    }
}

macro_rules! entry_of {
    ($($type:ident)*) => {
        $(impl From<row::$type> for Entry {
            fn from(row: row::$type) -> Self {
                Self::Row(Row::$type(row))
            }
        })*
    };
}

entry_of! { Access Ims Code Payment Number MacroCell Complaint Order Heartbeat Gap }

impl From<LineSession> for Entry {
    fn from(session: LineSession) -> Self {
        Self::LineSession(session)
    }
}

impl From<LineChange> for Entry {
    fn from(change: LineChange) -> Self {
        Self::LineChange(change)
    }
}

impl From<DeviceFacts> for Entry {
    fn from(facts: DeviceFacts) -> Self {
        Self::DeviceFacts(Box::new(facts))
    }
}

impl Entry {
    /// What a feed of lines says; the feed has no names and numbers of its own.
    pub fn of_line(feed: Label, seq: u64, record: line::Record) -> Self {
        let stamp = Stamp { at: record.at(), feed, seq };
        match record {
            line::Record::Session(Session { line, place, from, to, at: _ }) => {
                Self::LineSession(LineSession { stamp, line, place, from, to })
            }
            line::Record::Change(Change { line, kind, at: _ }) => {
                Self::LineChange(LineChange { stamp, line, change: kind })
            }
            line::Record::Heartbeat { at: _ } => Row::Heartbeat(Heartbeat { stamp }).into(),
        }
    }

    /// What a feed of device facts says; the feed has no names and numbers of its own.
    pub fn of_facts(feed: Label, seq: u64, record: facts::Record) -> Self {
        let stamp = Stamp { at: record.at(), feed, seq };
        match record {
            facts::Record::Facts(facts) => {
                let Facts { device, seen_at, at: _, serial, software, tunnel, neighbours, radio } = *facts;
                let facts =
                    DeviceFacts { stamp, device, seen_at, serial, software, tunnel, neighbours, radio };
                Self::DeviceFacts(Box::new(facts))
            }
            facts::Record::Heartbeat { at: _ } => Row::Heartbeat(Heartbeat { stamp }).into(),
        }
    }

    /// Which kind it is.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Row(row) => row.kind().into(),
            Self::LineSession(_) => Kind::LineSession,
            Self::LineChange(_) => Kind::LineChange,
            Self::DeviceFacts(_) => Kind::DeviceFacts,
        }
    }

    /// When, and by whose word.
    pub fn stamp(&self) -> &Stamp {
        match self {
            Self::Row(row) => row.stamp(),
            Self::LineSession(session) => &session.stamp,
            Self::LineChange(change) => &change.stamp,
            Self::DeviceFacts(facts) => &facts.stamp,
        }
    }

    pub(crate) fn stamp_mut(&mut self) -> &mut Stamp {
        match self {
            Self::Row(row) => row.stamp_mut(),
            Self::LineSession(session) => &mut session.stamp,
            Self::LineChange(change) => &mut change.stamp,
            Self::DeviceFacts(facts) => &mut facts.stamp,
        }
    }

    /// Itself, where its fields go together as those of a line do; or why not.
    pub(crate) fn checked(self) -> Result<Self, String> {
        match self {
            Self::Row(row) => row.wrong().map_or(Ok(Self::Row(row)), |wrong| Err(wrong.into())),
            Self::LineSession(LineSession { stamp, line, place, from, to }) => {
                let session = Session { line, place, from, to, at: stamp.at };
                let Session { line, place, from, to, at: _ } =
                    session.checked().map_err(|bad| bad.to_string())?;
                Ok(LineSession { stamp, line, place, from, to }.into())
            }
            Self::LineChange(change) => Ok(change.into()),
            Self::DeviceFacts(facts) => {
                let DeviceFacts { stamp, device, seen_at, serial, software, tunnel, neighbours, radio } =
                    *facts;
                let facts =
                    Facts { device, seen_at, at: stamp.at, serial, software, tunnel, neighbours, radio };
                let facts = facts::Record::Facts(Box::new(facts.checked().map_err(|bad| bad.to_string())?));
                Ok(Self::of_facts(stamp.feed, stamp.seq, facts))
            }
        }
    }

    /// The row, where the engine reads it.
    pub fn into_row(self) -> Option<Row> {
        match self {
            Self::Row(row) => Some(row),
            Self::LineSession(_) | Self::LineChange(_) | Self::DeviceFacts(_) => None,
        }
    }
}
