use ids::{CellKey, Rat, SubscriberKey};
use serde::{Deserialize, Serialize};
use std::{fmt, net::IpAddr};

row! {
    /// A handset came to a cell, went from it, or spoke through it: what MME, AMF, SGSN or MSC write down of each such event.
    Access;
    needs {
        /// Whose handset.
        subscriber: SubscriberKey,
        /// The cell that serves it, after the event.
        cell: CellKey,
        /// What happened.
        event: AccessEvent,
    }
    may {
        /// The cell at the other end of a handover.
        peer: CellKey,
        /// The transport address by which the cell's own signalling reached the core.
        inner: IpAddr,
        /// Which NAS ciphering the core chose.
        cipher: NasCipher,
        /// Which NAS integrity protection the core chose.
        integrity: NasIntegrity,
    }
}

/// What a handset does at a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AccessEvent {
    /// It attaches, or registers for the first time (TS 24.301 §5.5.1, TS 24.501 §5.5.1.2).
    Attach,
    /// It detaches.
    Detach,
    /// It updates its tracking, routing or location area, or its registration (TS 24.301 §5.5.3).
    Update,
    /// It asks for service, or is paged and answers.
    ServiceRequest,
    /// It is handed over to `cell` from `peer`.
    HandoverIn,
    /// It is handed over from `cell` to `peer`.
    HandoverOut,
    /// Its connection is released.
    Release,
}

/// NAS ciphering by its code: 0 is none, EEA0 or NEA0 (TS 24.301 §9.9.3.23, TS 24.501 §9.11.3.34).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NasCipher(pub u8);

/// NAS integrity protection by its code: 0 is none, EIA0 or NIA0 (as above).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NasIntegrity(pub u8);

impl NasCipher {
    /// EEA0, NEA0, UEA0: what is sent can be read.
    pub const NULL: Self = Self(0);

    /// Its name in that technology: `EEA2`, `NEA2`, `UEA2`.
    pub fn name(self, rat: Rat) -> String {
        format!("{}EA{}", letter(rat), self.0)
    }
}

impl NasIntegrity {
    /// EIA0, NIA0: what is sent can be changed.
    pub const NULL: Self = Self(0);

    /// Its name in that technology: `EIA2`, `NIA2`, `UIA2`.
    pub fn name(self, rat: Rat) -> String {
        format!("{}IA{}", letter(rat), self.0)
    }
}

fn letter(rat: Rat) -> char {
    match rat {
        Rat::Umts => 'U',
        Rat::Lte => 'E',
        Rat::Nr => 'N',
    }
}

impl fmt::Debug for NasCipher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EA{}", self.0)
    }
}

impl fmt::Debug for NasIntegrity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IA{}", self.0)
    }
}

impl AccessEvent {
    /// The handset has something to do with `cell` now: it came to it or spoke through it.
    pub fn is_arrival(self) -> bool {
        match self {
            Self::Attach | Self::Update | Self::ServiceRequest | Self::HandoverIn => true,
            Self::Detach | Self::HandoverOut | Self::Release => false,
        }
    }
}

impl Access {
    pub(super) fn wrong(&self) -> Option<&'static str> {
        let is_handover = matches!(self.event, AccessEvent::HandoverIn | AccessEvent::HandoverOut);
        let has_code = |code: Option<u8>| code.is_none_or(|code| code < 16);
        let codes = [self.cipher.map(|cipher| cipher.0), self.integrity.map(|integrity| integrity.0)];
        match (self.peer.is_some() && !is_handover, codes.into_iter().all(has_code)) {
            (true, _) => Some("only a handover has a `peer`"),
            (_, false) => Some("`cipher` and `integrity` are codes of 4 bits, 0 to 15"),
            (false, true) => None,
        }
    }
}
