use crate::{AskPeer, AttachRequest, AuthVerified, ChildSa, Event, Path};
use ids::Spi;
use std::{collections::VecDeque, fmt};

/// Handle of an IKE SA: never reused by the one who gave it, and the same through IKE SA rekeys.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IkeSaId(pub u64);

/// Pairs a question with its answer. An answer to a question that is no longer open is ignored.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

impl Ticket {
    /// The `question`th one about `sa`.
    pub(crate) fn of(sa: IkeSaId, question: u8) -> Self {
        Self(sa.0 << 8 | u64::from(question))
    }

    /// Whom it is about.
    pub(crate) fn sa(self) -> IkeSaId {
        IkeSaId(self.0 >> 8)
    }
}

impl fmt::Debug for IkeSaId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sa#{}", self.0)
    }
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ticket#{}", self.0)
    }
}

/// What comes out of [`Responder`](crate::Responder) and [`Initiator`](crate::Initiator), in order.
#[derive(Debug)]
pub enum Output {
    /// Send this datagram; where `path.encapsulated`, with the non-ESP marker before it.
    Transmit {
        /// From where, to where.
        path: Path,
        /// One whole IKE message or fragment.
        datagram: Vec<u8>,
    },
    /// Send a NAT-keepalive: one octet 0xff without marker (RFC 3948 §2.3). Only initiators do.
    Keepalive {
        /// From where, to where.
        path: Path,
    },
    /// Who is this? Answer with `handle_peer`. Nothing has been verified yet: read, leave no trace.
    AskPeer {
        /// Goes back with the answer.
        ticket: Ticket,
        /// What the peer says of itself.
        ask: AskPeer,
    },
    /// AUTH has verified: may it attach? Answer with `handle_admission`. Only responders ask.
    AskAdmission {
        /// Goes back with the answer.
        ticket: Ticket,
        /// The IKE SA that will exist if the answer is a [`Grant`](crate::Grant).
        sa: IkeSaId,
        /// Proof that the peer holds the certificate's key.
        auth: AuthVerified,
        /// What it asks for.
        request: AttachRequest,
    },
    /// Take this pair of ESP SAs into use.
    InstallChildSa {
        /// Whose it is.
        sa: IkeSaId,
        /// Keys, selectors, SPIs.
        child: ChildSa,
    },
    /// Take the pair of ESP SAs with this inbound SPI out of use and wipe its keys.
    RemoveChildSa {
        /// Whose it was.
        sa: IkeSaId,
        /// The SPI that we receive on.
        spi_in: Spi,
    },
    /// Something that others may want to know; nothing must be done.
    Event(Event),
}

/// Why a timeout is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Timer {
    /// A half-open or closed IKE SA is forgotten, or a set of fragments given up.
    Forget,
    /// A request of ours goes out once more, or is given up.
    Retransmit,
    /// The peer has been silent long enough to be asked (RFC 7296 §2.4).
    Liveness,
    /// A probe's time is over.
    Probe,
    /// An IKE or CHILD SA is due for rekeying.
    Rekey,
    /// The tunnel's end has come.
    Expire,
    /// A kept response may be let go (RFC 7296 §2.1).
    FreeResponse,
    /// A NAT-keepalive is due.
    Keepalive,
}

/// The queue that the state machines write to.
#[derive(Default)]
pub(crate) struct Outputs(VecDeque<Output>);

impl Outputs {
    pub(crate) fn push(&mut self, output: Output) {
        self.0.push_back(output);
    }

    pub(crate) fn event(&mut self, event: Event) {
        self.push(Output::Event(event));
    }

    pub(crate) fn transmit(&mut self, path: Path, datagrams: &[Vec<u8>]) {
        for datagram in datagrams {
            self.push(Output::Transmit { path, datagram: datagram.clone() });
        }
    }

    pub(crate) fn pop(&mut self) -> Option<Output> {
        self.0.pop_front()
    }
}
