//! What the threads hand to each other, and the evidence that a tunnel needs before it opens.
//!
//! Evidence is a chain of values that can't be had otherwise: `CertPathVerified` (x509) and
//! `AuthVerified` (ike) make [`Authenticated`]; with the [`Lease`] that the ledger gave they make
//! [`Admitted`]; only from that comes the [`Opening`] that the data thread takes. Without a lease they make
//! [`Quarantined`], from which comes no more than a [`Confining`].

use crate::{
    GatewayConfig,
    breaker::Tripped,
    contest::{Contest, Outcome, Party},
    pairs::Pairs,
    quarantine::Confinement,
    sessions::Session,
    sightings::Alternation,
};
use esp::Destination;
use ids::{DeviceId, SessionId};
use ike::{AttachRequest, AuthVerified, Grant, IkeSaId, Path, Ticket};
use ledger::Lease;
use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::{Duration, Instant},
};
use x509::{Anchors, CertPathVerified};

/// A peer that proved to hold the key of a certificate with a path to an anchor of its realm.
pub(crate) struct Authenticated {
    path: CertPathVerified,
    auth: AuthVerified,
}

impl Authenticated {
    /// `None` unless both are about the same certificate and key.
    pub(crate) fn new(path: CertPathVerified, auth: AuthVerified) -> Option<Self> {
        let agree = path.cert_sha256() == auth.cert_sha256() && path.spki() == auth.public_key_spki();
        agree.then_some(Self { path, auth })
    }

    pub(crate) fn path(&self) -> &CertPathVerified {
        &self.path
    }

    pub(crate) fn auth(&self) -> &AuthVerified {
        &self.auth
    }

    pub(crate) fn device(&self) -> DeviceId {
        self.path.name().device
    }
}

/// A session that may carry packets: certificate path, AUTH and lease are all there, and agree.
pub struct Admitted {
    sa: IkeSaId,
    session: SessionId,
    lease: Lease,
}

impl Admitted {
    /// `None` unless the lease is this device's, for this session, taken with this certificate.
    pub(crate) fn new(authenticated: &Authenticated, lease: Lease, session: &Session) -> Option<Self> {
        let agree = lease.device == authenticated.device()
            && lease.device == session.device
            && lease.session == session.id
            && lease.cert_sha256 == authenticated.path.cert_sha256();
        agree.then_some(Self { sa: session.sa, session: session.id, lease })
    }

    /// Which session.
    pub fn session(&self) -> SessionId {
        self.session
    }

    /// The lease that it holds.
    pub fn lease(&self) -> &Lease {
        &self.lease
    }
}

/// Lets the data thread pass packets of one session. Only an [`Admitted`] makes one.
pub(crate) struct Opening(IkeSaId);

impl Opening {
    pub(crate) fn of(admitted: &Admitted) -> Self {
        Self(admitted.sa)
    }

    pub(crate) fn sa(&self) -> IkeSaId {
        self.0
    }

    #[cfg(test)]
    pub(crate) fn for_tests(sa: IkeSaId) -> Self {
        Self(sa)
    }
}

/// A session that may carry packets to where quarantine lets it: certificate path and AUTH are there, and agree; a lease is
/// not.
pub(crate) struct Quarantined {
    sa: IkeSaId,
    session: SessionId,
    confinement: Arc<Confinement>,
}

impl Quarantined {
    /// `None` unless the evidence is of the session, which is in quarantine.
    pub(crate) fn new(authenticated: &Authenticated, session: &Session) -> Option<Self> {
        let agree = authenticated.device() == session.device
            && authenticated.path().cert_sha256() == session.cert_sha256;
        let confinement = session.confinement().filter(|_| agree)?.clone();
        Some(Self { sa: session.sa, session: session.id, confinement })
    }

    /// Which session.
    pub(crate) fn session(&self) -> SessionId {
        self.session
    }
}

/// Lets the data thread pass what one session may send in quarantine. Only a [`Quarantined`] makes one.
pub(crate) struct Confining {
    sa: IkeSaId,
    confinement: Arc<Confinement>,
}

impl Confining {
    pub(crate) fn of(quarantined: &Quarantined) -> Self {
        Self { sa: quarantined.sa, confinement: quarantined.confinement.clone() }
    }

    pub(crate) fn sa(&self) -> IkeSaId {
        self.sa
    }

    pub(crate) fn into_confinement(self) -> Arc<Confinement> {
        self.confinement
    }

    #[cfg(test)]
    pub(crate) fn for_tests(session: &Session) -> Option<Self> {
        Some(Self { sa: session.sa, confinement: session.confinement()?.clone() })
    }
}

/// What the IKE thread has the registrar do. `Claim` and `Refused` may be dropped when there is no room;
/// the rest must not be lost and is kept until the ledger takes it.
pub(crate) enum Work {
    /// A device asks to attach.
    Claim(Box<Claim>),
    /// A contest is over: what the holder did, to be judged.
    Resolve { contest: Contest, outcome: Outcome },
    /// A session is over.
    Closed { session: Arc<Session>, why: Why },
    /// A unit has proven to be elsewhere: is that still the network of its access line?
    Moved { session: Arc<Session>, from: SocketAddr, to: SocketAddr },
    /// A device's record or credential has changed: may it stay?
    Review(DeviceId),
    /// An SA has never seen ESP in UDP.
    EspNeverSeen(Arc<Session>),
    /// Packets with another's inner source address were dropped.
    Spoofed { session: Arc<Session>, packets: u64 },
    /// Packets for another unit were dropped, the last of them for `to`.
    Lateral { session: Arc<Session>, packets: u64, to: Destination },
    /// Packets for what its unit may not reach were dropped, the last of them for `to`.
    OutOfReach { session: Arc<Session>, packets: u64, to: Destination },
    /// Packets from where the unit has not proven to be were dropped, the last of them came from `from`.
    Unproven { session: Arc<Session>, packets: u64, from: SocketAddr },
    /// The pairs in the ledger have changed.
    Pairs,
    /// How reasons to refuse are applied has changed in the ledger.
    Policy,
    /// Which certificates are extended has changed in the ledger.
    Extension,
    /// What units get and are judged by is configured anew.
    Configure(Box<GatewayConfig>),
    /// A soft reason has hit too many good units at once.
    Tripped(Tripped),
    /// Packets of one SA come from several addresses in turn.
    Alternates { session: Arc<Session>, seen: Alternation },
    /// An attempt was refused before admission was asked.
    Refused(Refused),
}

impl Work {
    /// Takes `later` into itself where the two are one story of one session, so that what waits for the ledger is
    /// bounded by the number of sessions. Gives it back otherwise.
    pub(crate) fn absorb(&mut self, later: Self) -> Option<Self> {
        match (self, later) {
            (Self::Moved { session, to, .. }, Self::Moved { session: same, to: now, .. })
                if session.id == same.id =>
            {
                *to = now;
            }
            (Self::Spoofed { session, packets }, Self::Spoofed { session: same, packets: more })
                if session.id == same.id =>
            {
                *packets = packets.saturating_add(more);
            }
            (
                Self::Lateral { session, packets, to },
                Self::Lateral { session: same, packets: more, to: last },
            )
            | (
                Self::OutOfReach { session, packets, to },
                Self::OutOfReach { session: same, packets: more, to: last },
            ) if session.id == same.id => {
                (*packets, *to) = (packets.saturating_add(more), last);
            }
            (
                Self::Unproven { session, packets, from },
                Self::Unproven { session: same, packets: more, from: last },
            ) if session.id == same.id => {
                (*packets, *from) = (packets.saturating_add(more), last);
            }
            (Self::Alternates { session, seen }, Self::Alternates { session: same, seen: more })
                if session.id == same.id =>
            {
                *seen = seen.and(more);
            }
            (_, later) => return Some(later),
        }
        None
    }
}

impl fmt::Display for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Claim(claim) => write!(f, "a claim of {}", claim.authenticated.device()),
            Self::Resolve { contest, .. } => write!(f, "the end of the contest for {}", contest.device),
            Self::Closed { session, why } => write!(f, "the end of session {}: {}", session.id, why.code()),
            Self::Moved { session, .. } => write!(f, "the move of session {}", session.id),
            Self::Review(device) => write!(f, "the review of {device}"),
            Self::EspNeverSeen(session) => write!(f, "session {} sends no ESP in UDP", session.id),
            Self::Alternates { session, .. } => {
                write!(f, "session {} comes from several addresses", session.id)
            }
            Self::Spoofed { session, packets } => write!(f, "session {} spoofed {packets}", session.id),
            Self::Lateral { session, packets, .. } => {
                write!(f, "session {} sent {packets} to another unit", session.id)
            }
            Self::OutOfReach { session, packets, .. } => {
                write!(f, "session {} sent {packets} to where it may not", session.id)
            }
            Self::Unproven { session, packets, .. } => {
                write!(f, "{packets} packets of session {} came from elsewhere", session.id)
            }
            Self::Pairs => write!(f, "the list of pairs"),
            Self::Policy => write!(f, "the policy"),
            Self::Extension => write!(f, "the extension of certificates"),
            Self::Configure(_) => write!(f, "the configuration"),
            Self::Tripped(tripped) => write!(f, "the breaker of {}", tripped.reason.code()),
            Self::Refused(refused) => write!(f, "an attempt that was refused: {}", refused.code),
        }
    }
}

/// What is known of an attach when admission is asked.
pub(crate) struct Claim {
    pub(crate) ticket: Ticket,
    pub(crate) sa: IkeSaId,
    pub(crate) authenticated: Authenticated,
    pub(crate) request: AttachRequest,
    /// When it was handed over.
    pub(crate) came: Instant,
}

/// An attempt that was refused before it was authenticated, or could not be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    /// Stable code of the reason.
    pub(crate) code: &'static str,
    /// The reason for people.
    pub(crate) text: String,
    pub(crate) outer: SocketAddr,
    /// What it called itself, where that is printable ASCII; not proven.
    pub(crate) idi: Option<String>,
}

/// Why a session ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// The unit deleted it.
    Peer,
    /// The unit broke the protocol beyond repair.
    PeerRefused,
    /// The certificate's or the attach's end came.
    Expired,
    /// The unit answered nothing.
    DpdTimeout,
    /// A second claim arose, and this holder did not answer its probe.
    HolderSilent,
    /// A second claim, while the holder was alive and stayed.
    SecondClaim,
    /// Another session of the unit took its place in quarantine.
    Displaced,
    /// Somebody cut it.
    Cut {
        /// Who.
        by: String,
        /// Why.
        why: String,
    },
    /// The device may not be attached any more.
    Device(String),
    /// The device has another class, under which something else is within reach.
    ClassChanged,
    /// It left the network of its access line.
    LeftLine,
    /// Granted, but its IKE SA or its contest could not begin any more.
    NeverStood,
    /// The gateway stops.
    Shutdown,
}

impl Why {
    /// Stable code, in events and as metric label.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Peer => "peer",
            Self::PeerRefused => "peer-refused",
            Self::Expired => "expired",
            Self::DpdTimeout => "dpd-timeout",
            Self::HolderSilent => "holder-silent",
            Self::SecondClaim => "second-claim",
            Self::Displaced => "displaced",
            Self::Cut { .. } => "cut",
            Self::Device(_) => "device",
            Self::ClassChanged => "class-changed",
            Self::LeftLine => "left-line",
            Self::NeverStood => "never-stood",
            Self::Shutdown => "shutdown",
        }
    }
}

/// What the registrar answers.
pub(crate) enum Answer {
    /// It may attach.
    Admitted { ticket: Ticket, admitted: Admitted, session: Arc<Session>, path: Path, grant: Grant },
    /// It may attach if the holder makes room or is silent.
    Contested { ticket: Ticket, session: Arc<Session>, path: Path, grant: Grant, holder: Party },
    /// It may not; the event says why.
    Refused(Ticket),
    /// It can't be judged now.
    Dropped(Ticket),
    /// The newcomer of a contest has the lease.
    Moved(Admitted),
    /// The newcomer of a contest is in quarantine.
    Confined(Quarantined),
    /// A session must end.
    End { session: SessionId, why: Why },
    /// A session is outside its line's network, or not any more.
    Line { session: SessionId, outside: bool },
    /// Where units were good, now or before the start: who comes from there goes first.
    Known(Vec<IpAddr>),
    /// Which units may send to which, from now on.
    Pairs(Arc<Pairs>),
    /// Which certificates are taken though they have ended, from now on.
    Extension(Option<x509::Extension>),
}

/// What the API has the IKE thread do.
pub(crate) enum Order {
    /// End a session.
    Cut { session: SessionId, by: String, why: String },
    /// End what a device has in quarantine.
    EndQuarantine { device: DeviceId, by: String, why: String },
    /// A device's record or credential has changed.
    DeviceChanged(DeviceId),
    /// The list of pairs has changed.
    PairsChanged,
    /// How reasons to refuse are applied has changed in the ledger.
    PolicyChanged,
    /// Which certificates are extended has changed in the ledger.
    ExtensionChanged,
    /// Another configuration, and who may vouch for whom.
    Configure(Box<(GatewayConfig, Anchors)>),
    /// End all sessions, and then the thread.
    Shutdown,
}

/// How long a thread that could not hand something on waits before it tries again.
pub(crate) const TRY_AGAIN: Duration = Duration::from_millis(20);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::health::Alarm;
    use admission::{Admit, Conclusion, Reason, Transient};
    use x509::{PathError, Place};

    /// Every word that stands for a reason or an outcome in events and metric labels.
    fn words() -> Vec<&'static str> {
        let cut = Why::Cut { by: String::new(), why: String::new() };
        let ends = [
            Why::Peer,
            Why::PeerRefused,
            Why::Expired,
            Why::DpdTimeout,
            Why::HolderSilent,
            Why::SecondClaim,
            Why::Displaced,
            cut,
            Why::Device(String::new()),
            Why::ClassChanged,
            Why::LeftLine,
            Why::NeverStood,
            Why::Shutdown,
        ];
        let outcomes = [
            Outcome::HolderMadeRoom,
            Outcome::HolderSilent,
            Outcome::HolderStays { round_trip: None },
            Outcome::HolderEnded,
            Outcome::NewcomerLeft,
        ];
        let transients = [
            Transient::ContestRuns,
            Transient::ProbedLately,
            Transient::ClockJumped,
            Transient::TooOften,
            Transient::NotRecalled,
        ];
        let admits = [Admit::First, Admit::Reconnect, Admit::MadeRoom];
        let mut words: Vec<_> = ends.iter().map(Why::code).collect();
        words.extend(outcomes.map(Outcome::code));
        words.extend(ike::Reason::ALL.map(ike::Reason::code));
        words.extend(Reason::ALL.map(Reason::code));
        words.extend(transients.map(Transient::code));
        words.extend(admits.map(Admit::code));
        words.extend([Conclusion::Reconnect, Conclusion::Undecided].map(Conclusion::code));
        words.extend(Alarm::ALL.map(Alarm::code));
        words.extend(paths().map(PathError::code));
        words
    }

    fn paths() -> [PathError; 27] {
        [
            PathError::NoCertificate,
            PathError::TooManyCertificates,
            PathError::TooLarge,
            PathError::Malformed(Place::Issuer),
            PathError::IdentityMalformed,
            PathError::NoName,
            PathError::SeveralNames,
            PathError::NameMismatch,
            PathError::SubjectMismatch,
            PathError::UnknownRealm,
            PathError::OtherRealm,
            PathError::Untrusted,
            PathError::BadSignature,
            PathError::Expired(Place::Issuer),
            PathError::NotYetValid(Place::Issuer),
            PathError::BadValidity(Place::Issuer),
            PathError::CaAsEndEntity,
            PathError::EndEntityAsCa,
            PathError::PathLength,
            PathError::NameConstraint,
            PathError::KeyUsage(Place::Issuer),
            PathError::ExtendedKeyUsage(Place::Issuer),
            PathError::UnknownCriticalExtension(Place::Issuer),
            PathError::WeakSignature(Place::Issuer),
            PathError::WeakKey(Place::Issuer),
            PathError::UnsupportedAlgorithm(Place::Issuer),
            PathError::TooCostly,
        ]
    }

    #[test]
    fn reasons_and_outcomes_are_small_words_joined_by_hyphens() {
        for word in words() {
            let is_plain = |part: &str| {
                !part.is_empty()
                    && part.bytes().all(|octet| octet.is_ascii_lowercase() || octet.is_ascii_digit())
            };
            assert!(word.split('-').all(is_plain), "{word}");
        }
    }

    #[test]
    fn what_waits_is_one_for_each_session_and_kind() {
        use crate::sessions::session_for_tests;
        let at = |port| SocketAddr::from(([192, 0, 2, 1], port));
        let moved = |session: u64, from, to| Work::Moved {
            session: session_for_tests(session),
            from: at(from),
            to: at(to),
        };
        let spoofed = |session, packets| Work::Spoofed { session: session_for_tests(session), packets };
        let mut first = moved(1, 1, 2);
        assert!(first.absorb(moved(1, 2, 3)).is_none());
        assert!(matches!(first, Work::Moved { from, to, .. } if from == at(1) && to == at(3)));
        assert!(first.absorb(moved(2, 2, 3)).is_some(), "another session");
        assert!(first.absorb(spoofed(1, 1)).is_some(), "another story");
        let mut first = spoofed(1, 5);
        assert!(first.absorb(spoofed(1, 7)).is_none());
        assert!(matches!(first, Work::Spoofed { packets: 12, .. }));
        let closed = || Work::Closed { session: session_for_tests(1), why: Why::Peer };
        assert!(closed().absorb(closed()).is_some(), "an end is never taken for another");
    }
}
