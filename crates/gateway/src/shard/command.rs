//! What the IKE thread and a shard say to each other.

use super::Limits;
use crate::{
    hand_off::{Confining, Opening},
    pairs::Pairs,
    sessions::Session,
    sightings::Alternation,
};
use esp::Destination;
use ids::Spi;
use ike::{ChildSa, IkeSaId, Path};
use std::{net::SocketAddr, sync::Arc};

/// What the IKE thread has a shard do. None may be lost: the channel blocks the sender.
pub(crate) enum Command {
    /// A session begins, blocked.
    Attach { session: Arc<Session>, path: Path },
    /// Packets may pass.
    Open(Opening),
    /// Packets may pass to where quarantine lets them, under another address.
    Confine(Confining),
    /// Packets may not pass for now, whether or not they could before.
    Hold(IkeSaId),
    /// The hold is over. Opens nothing that was never opened.
    Release(IkeSaId),
    /// A pair of ESP SAs.
    InstallChildSa { sa: IkeSaId, child: Box<ChildSa> },
    /// Nothing goes out over it any more; what has come in by now is still read.
    RemoveChildSa { sa: IkeSaId, spi_in: Spi },
    /// The addresses that this session is known as, which may be another shard's, lead to it from now on, and not to who held
    /// them.
    Lead(Arc<Session>),
    /// They do not any more, if they still did.
    Forget(Arc<Session>),
    /// The unit has proven to be elsewhere.
    Move { sa: IkeSaId, path: Path },
    /// A session is over.
    Detach(IkeSaId),
    /// Which units may send to which, from now on.
    Pairs(Arc<Pairs>),
    /// When things are due from now on.
    Limits(Limits),
}

/// What the data thread tells the IKE thread about a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Notice {
    /// Fresh authentic ESP came in.
    Heard(IkeSaId),
    /// It came from elsewhere: is the unit there? At most one a second for a session.
    Elsewhere { sa: IkeSaId, to: Path },
    /// It comes from several addresses in turn.
    Alternates { sa: IkeSaId, seen: Alternation },
    /// A CHILD SA has carried enough.
    Worn { sa: IkeSaId, spi_in: Spi },
    /// No ESP in UDP has come in for so long that the unit must be sending raw ESP, or nothing.
    EspNeverSeen(IkeSaId),
    /// Packets with another's inner source address were dropped: so many since the last notice.
    Spoofed { sa: IkeSaId, packets: u64 },
    /// Packets for another unit were dropped: so many since the last notice, the last of them for `to`.
    Lateral { sa: IkeSaId, packets: u64, to: Destination },
    /// The same of packets for what the unit's class may not reach.
    OutOfReach { sa: IkeSaId, packets: u64, to: Destination },
    /// Packets from where the unit has not proven to be were dropped: so many since the last notice, the last of them
    /// came from there.
    Unproven { sa: IkeSaId, packets: u64, from: SocketAddr },
}

impl Command {
    /// Whom it is about; `None`: every shard.
    pub(crate) fn sa(&self) -> Option<IkeSaId> {
        match self {
            Self::Attach { session, .. } => Some(session.sa),
            Self::Open(opening) => Some(opening.sa()),
            Self::Confine(confining) => Some(confining.sa()),
            Self::Hold(sa) | Self::Release(sa) | Self::Detach(sa) => Some(*sa),
            Self::InstallChildSa { sa, .. } | Self::RemoveChildSa { sa, .. } | Self::Move { sa, .. } => {
                Some(*sa)
            }
            Self::Lead(_) | Self::Forget(_) | Self::Pairs(_) | Self::Limits(_) => None,
        }
    }
}
