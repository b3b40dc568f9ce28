//! What the threads hand to each other, and the evidence that a tunnel needs before it opens.
//!
//! Evidence is a chain of values that can't be had otherwise: `CertPathVerified` (x509) and
//! `AuthVerified` (ike) make [`Authenticated`]; with the [`Lease`] that the ledger gave they make
//! [`Admitted`]; only from that comes the [`Opening`] that the data thread takes.

use crate::{
    contest::{Outcome, Party},
    sessions::Session,
    sightings::Alternation,
};
use ids::{DeviceId, SessionId};
use ike::{AttachRequest, AuthVerified, Grant, IkeSaId, Path, Ticket};
use ledger::Lease;
use std::{net::SocketAddr, sync::Arc, time::Duration};
use x509::CertPathVerified;

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

/// What the IKE thread has the registrar do. `Claim`, `Review` of a path and `Refused` may be dropped
/// when there is no room; the rest must not be lost and is kept until the ledger takes it.
pub(crate) enum Work {
    /// A device asks to attach.
    Claim(Box<Claim>),
    /// A contest is over.
    Resolve { device: DeviceId, newcomer: Party, holder: Party, outcome: Outcome },
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
    /// Packets of one SA come from several addresses in turn.
    Alternates { session: Arc<Session>, seen: Alternation },
    /// An attempt was refused before admission was asked.
    Refused(Refused),
}

/// What is known of an attach when admission is asked.
pub(crate) struct Claim {
    pub(crate) ticket: Ticket,
    pub(crate) sa: IkeSaId,
    pub(crate) authenticated: Authenticated,
    pub(crate) request: AttachRequest,
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
    /// Somebody cut it.
    Cut {
        /// Who.
        by: String,
        /// Why.
        why: String,
    },
    /// The device may not be attached any more.
    Device(String),
    /// It left the network of its access line.
    LeftLine,
    /// Granted, but the IKE SA was gone by then.
    NeverStood,
    /// The gateway stops.
    Shutdown,
}

impl Why {
    /// Stable code, in events and as metric label.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Peer => "peer",
            Self::PeerRefused => "peer_refused",
            Self::Expired => "expired",
            Self::DpdTimeout => "dpd_timeout",
            Self::HolderSilent => "holder_silent",
            Self::SecondClaim => "second_claim",
            Self::Cut { .. } => "cut",
            Self::Device(_) => "device",
            Self::LeftLine => "left_line",
            Self::NeverStood => "never_stood",
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
    /// A session must end.
    End { session: SessionId, why: Why },
    /// A session is outside its line's network, or not any more.
    Line { session: SessionId, outside: bool },
}

/// What the API has the IKE thread do.
pub(crate) enum Order {
    /// End a session.
    Cut { session: SessionId, by: String, why: String },
    /// A device's record or credential has changed.
    DeviceChanged(DeviceId),
    /// End all sessions, and then the thread.
    Shutdown,
}

/// How long a thread that could not hand something on waits before it tries again.
pub(crate) const TRY_AGAIN: Duration = Duration::from_millis(20);
