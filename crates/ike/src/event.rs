use crate::{
    IkeSaId, Path, Reason,
    payload::{Identification, NotifyType},
};
use ids::{IkeSpi, Spi};
use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    time::Duration,
};

/// What happened, for whoever keeps account of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Responder: an IKE SA stands. Each is followed by exactly one [`Event::SaDeleted`].
    SaEstablished {
        /// Its handle, the one of `AskAdmission`.
        sa: IkeSaId,
        /// Where the peer is.
        path: Path,
        /// SPI of the side that began it.
        spi_i: IkeSpi,
        /// SPI of the other side.
        spi_r: IkeSpi,
        /// No CHILD SA was asked for (RFC 6023).
        childless: bool,
    },
    /// Initiator: an IKE SA stands. Each is followed by exactly one [`Event::SaDeleted`].
    Connected {
        /// Its handle.
        sa: IkeSaId,
        /// INTERNAL_IP4_ADDRESS of the CFG_REPLY.
        inner_v4: Option<Ipv4Addr>,
        /// INTERNAL_IP6_ADDRESS of the CFG_REPLY.
        inner_v6: Option<(Ipv6Addr, u8)>,
        /// INTERNAL_IP4_DNS and INTERNAL_IP6_DNS.
        dns: Vec<IpAddr>,
        /// AUTH_LIFETIME.
        auth_lifetime: Option<Duration>,
    },
    /// Initiator: an attempt came to nothing.
    ConnectFailed {
        /// Why.
        why: ConnectFailure,
    },
    /// A pair of ESP SAs was agreed; its `InstallChildSa` came before.
    ChildEstablished {
        /// Whose it is.
        sa: IkeSaId,
        /// The SPI that we receive on.
        spi_in: Spi,
        /// The SPI that we send with.
        spi_out: Spi,
    },
    /// No CHILD SA was agreed; the IKE SA stays (RFC 7296 §1.2).
    ChildFailed {
        /// Whose it would have been.
        sa: IkeSaId,
        /// What was answered, by whichever side was asked.
        notify: NotifyType,
    },
    /// A pair of ESP SAs took over from another.
    ChildRekeyed {
        /// Whose it is.
        sa: IkeSaId,
        /// The SPI that we received on.
        old: Spi,
        /// The SPI that we receive on from now on.
        new: Spi,
    },
    /// A new IKE SA took over from the old one, with all CHILD SAs; the handle stays.
    IkeRekeyed {
        /// Its handle.
        sa: IkeSaId,
        /// SPI of the side that began the rekey.
        spi_i: IkeSpi,
        /// SPI of the other side.
        spi_r: IkeSpi,
    },
    /// The tunnel is over: all `RemoveChildSa` came before. A DELETE may still be on its way.
    SaDeleted {
        /// Its handle; nothing else will come for it.
        sa: IkeSaId,
        /// Whose doing.
        by: DeletedBy,
    },
    /// The peer answered a request that was sent after `probe` was called.
    ProbeAnswered {
        /// Which.
        sa: IkeSaId,
        /// From the request, sent once, to its answer; `None` when it was sent more than once.
        round_trip: Option<Duration>,
    },
    /// The peer answered nothing for 6 s. The SA stays.
    ProbeSilent {
        /// Which.
        sa: IkeSaId,
    },
    /// The peer has answered from elsewhere what was asked nowhere else (RFC 7296 §2.23, with proof): requests
    /// and ESP go there now.
    PathChanged {
        /// Which.
        sa: IkeSaId,
        /// Where the peer was.
        from: Path,
        /// Where it is.
        to: Path,
    },
    /// Responder: an attempt was refused or given up before an IKE SA stood.
    Refused {
        /// Where it came from; in IKE_SA_INIT without cookie the address may be anyone's.
        path: Path,
        /// Its SPI.
        spi_i: IkeSpi,
        /// Why, for the log; the peer learns [`Reason::answer`] alone.
        reason: Reason,
        /// What it called itself, not proven unless the reason says so.
        idi: Option<Identification>,
    },
}

/// Whose doing the end of an IKE SA was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DeletedBy {
    /// The peer sent DELETE.
    Peer,
    /// `delete` or `close` was called.
    Us,
    /// The grant's end, or the certificate's, came.
    Expired,
    /// A request went unanswered through all its retransmissions (RFC 7296 §2.4).
    DpdTimeout,
    /// The peer broke the protocol beyond repair, or could not authenticate us.
    PeerRefused,
    /// A later IKE SA of the same initiator took its place (re-authentication).
    Reauthenticated,
}

/// Why an initiator's attempt came to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ConnectFailure {
    /// The gateway said so, in the clear or authenticated by keys.
    Notify(NotifyType),
    /// No answer through all retransmissions.
    TimedOut,
    /// The gateway's certificate, identity or AUTH is not acceptable.
    GatewayNotAuthentic,
    /// An answer that breaks the protocol, or chooses what was not offered.
    BadAnswer,
    /// `close` was called.
    Closed,
}
