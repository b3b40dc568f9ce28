use crate::{
    config::SaTimes,
    crypto::{CryptoProvider, Direction, IkeKeys, MessageCipher, Secret},
    header::{ExchangeType, Header},
    message::{self, Reassembly, Sealed, Sealer},
    payload::{Malformed, Payload, PayloadType, parse_chain},
    suite::IkeSuite,
};
use ids::IkeSpi;
use std::time::{Duration, Instant};

/// Which side of an IKE SA we are: the one that sent the first message of it, or the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Initiator,
    Responder,
}

/// The protected exchange of messages under one pair of IKE SPIs: keys, Message IDs, retransmission.
///
/// Window size 1 in both directions (RFC 7296 §2.3). An IKE SA has one channel, and while it is being
/// rekeyed two.
pub(crate) struct Channel<P> {
    pub(crate) spi_i: IkeSpi,
    pub(crate) spi_r: IkeSpi,
    pub(crate) role: Role,
    pub(crate) suite: IkeSuite,
    pub(crate) sk_d: Secret,
    sealer: Sealer,
    opener: MessageCipher,
    next_request: u32,
    expected_request: u32,
    last_response: Option<Box<LastResponse>>,
    outstanding: Option<Box<Outstanding<P>>>,
    incoming: Option<Box<Incoming>>,
}

/// Kept to be sent again when its request comes again.
struct LastResponse {
    datagrams: Vec<Vec<u8>>,
    forget_at: Instant,
}

/// A request of ours that waits for its response.
struct Outstanding<P> {
    message_id: u32,
    datagrams: Vec<Vec<u8>>,
    purpose: P,
    attempts: u8,
    again_at: Instant,
}

/// Fragments of a message that isn't whole yet.
struct Incoming {
    message_id: u32,
    is_response: bool,
    reassembly: Reassembly,
    give_up_at: Instant,
}

/// What a datagram turned out to be.
pub(crate) enum Received<P> {
    /// A fresh request. It must be answered with [`Channel::respond`].
    Request { exchange: ExchangeType, payloads: Result<Vec<Payload>, Malformed> },
    /// The response to our request.
    Response { purpose: P, payloads: Result<Vec<Payload>, Malformed> },
    /// A request seen before: its response, to be sent again.
    Again(Vec<Vec<u8>>),
    /// An authentic fragment; more are to come.
    Part,
    /// Nothing that changes anything: forged, or old.
    Nothing,
}

/// What to do about the outstanding request.
pub(crate) enum Overdue {
    /// Send it again.
    Again(Vec<Vec<u8>>),
    /// It was sent often enough.
    Unreachable,
}

impl<P> Channel<P> {
    const REASSEMBLY_LIFE: Duration = Duration::from_secs(15);

    pub(crate) fn new(suite: IkeSuite, keys: IkeKeys, spis: (IkeSpi, IkeSpi), role: Role) -> Self {
        let (own, peer) = match role {
            Role::Initiator => (Direction::FromInitiator, Direction::FromResponder),
            Role::Responder => (Direction::FromResponder, Direction::FromInitiator),
        };
        Self {
            spi_i: spis.0,
            spi_r: spis.1,
            role,
            suite,
            sealer: Sealer::new(MessageCipher::new(suite.cipher, &keys, own)),
            opener: MessageCipher::new(suite.cipher, &keys, peer),
            sk_d: keys.sk_d,
            next_request: 0,
            expected_request: 0,
            last_response: None,
            outstanding: None,
            incoming: None,
        }
    }

    /// After IKE_SA_INIT, which used Message ID 0.
    pub(crate) fn after_init(mut self) -> Self {
        match self.role {
            Role::Initiator => self.next_request = 1,
            Role::Responder => self.expected_request = 1,
        }
        self
    }

    /// The SPI under which the peer's messages come.
    pub(crate) fn own_spi(&self) -> IkeSpi {
        match self.role {
            Role::Initiator => self.spi_i,
            Role::Responder => self.spi_r,
        }
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.outstanding.is_none()
    }

    /// Says what our outstanding request is for.
    pub(crate) fn purpose(&self) -> Option<&P> {
        self.outstanding.as_ref().map(|outstanding| &outstanding.purpose)
    }

    /// Takes a datagram that carries this channel's SPIs. Nothing changes unless it is authentic and
    /// its Message ID is the one expected.
    pub(crate) fn receive(&mut self, header: &Header, datagram: &[u8], now: Instant) -> Received<P> {
        if header.from_initiator == (self.role == Role::Initiator) {
            return Received::Nothing;
        }
        let fresh = if header.is_response {
            self.outstanding.as_ref().is_some_and(|outstanding| outstanding.message_id == header.message_id)
        } else {
            header.message_id == self.expected_request
        };
        let again = !header.is_response && header.message_id.wrapping_add(1) == self.expected_request;
        if !fresh && !again {
            return Received::Nothing;
        }
        let Ok(sealed) = Sealed::find(header, datagram) else { return Received::Nothing };
        let Ok(plain) = message::open(&self.opener, datagram, &sealed) else { return Received::Nothing };
        if again {
            return self.again(&sealed);
        }
        let Some((first, chain)) = self.whole(header, &sealed, plain, now) else { return Received::Part };
        self.incoming = None;
        self.deliver(header, parse_chain(first, &chain))
    }

    /// The response again; of a fragmented request only its first fragment asks for it (RFC 7383 §2.6.1).
    fn again(&self, sealed: &Sealed) -> Received<P> {
        let asks = sealed.fragment.is_none_or(|fragment| fragment.number == 1);
        match &self.last_response {
            Some(last) if asks => Received::Again(last.datagrams.clone()),
            _ => Received::Nothing,
        }
    }

    fn whole(
        &mut self,
        header: &Header,
        sealed: &Sealed,
        plain: Vec<u8>,
        now: Instant,
    ) -> Option<(PayloadType, Vec<u8>)> {
        let Some(number) = sealed.fragment else { return Some((sealed.first_inner, plain)) };
        let key = (header.message_id, header.is_response);
        let kept = self.incoming.take_if(|incoming| (incoming.message_id, incoming.is_response) == key);
        let mut incoming = kept.unwrap_or_else(|| {
            Box::new(Incoming {
                message_id: header.message_id,
                is_response: header.is_response,
                reassembly: Reassembly::default(),
                give_up_at: now + Self::REASSEMBLY_LIFE,
            })
        });
        let whole = incoming.reassembly.take(sealed, number, plain);
        self.incoming = Some(incoming);
        whole
    }

    fn deliver(&mut self, header: &Header, payloads: Result<Vec<Payload>, Malformed>) -> Received<P> {
        if !header.is_response {
            self.expected_request = self.expected_request.wrapping_add(1);
            self.last_response = None;
            return Received::Request { exchange: header.exchange, payloads };
        }
        match self.outstanding.take() {
            Some(outstanding) => Received::Response { purpose: outstanding.purpose, payloads },
            None => Received::Nothing,
        }
    }

    /// Takes back a request that was not answered, so that the same one, sent again, is fresh.
    pub(crate) fn forget_request(&mut self) {
        self.expected_request = self.expected_request.wrapping_sub(1);
        self.last_response = None;
    }

    /// Seals the response to the request delivered last, and keeps it.
    pub(crate) fn respond(
        &mut self,
        exchange: ExchangeType,
        payloads: &[Payload],
        limit: Option<usize>,
        crypto: &dyn CryptoProvider,
        kept: Duration,
        now: Instant,
    ) -> Vec<Vec<u8>> {
        let header = self.header(exchange, true, self.expected_request.wrapping_sub(1));
        let datagrams = self.sealer.seal(header, payloads, limit, crypto);
        let forget_at = now + kept;
        self.last_response = Some(Box::new(LastResponse { datagrams: datagrams.clone(), forget_at }));
        datagrams
    }

    /// Seals a request and waits for its response; the caller has seen that the channel is idle.
    pub(crate) fn request(
        &mut self,
        exchange: ExchangeType,
        payloads: &[Payload],
        purpose: P,
        context: (&SaTimes, Option<usize>, &dyn CryptoProvider),
        now: Instant,
    ) -> Vec<Vec<u8>> {
        let (config, limit, crypto) = context;
        let message_id = self.next_request;
        self.next_request = self.next_request.wrapping_add(1);
        let datagrams = self.sealer.seal(self.header(exchange, false, message_id), payloads, limit, crypto);
        let again_at = now + config.retransmission.first;
        let kept = datagrams.clone();
        self.outstanding =
            Some(Box::new(Outstanding { message_id, datagrams: kept, purpose, attempts: 0, again_at }));
        datagrams
    }

    fn header(&self, exchange: ExchangeType, is_response: bool, message_id: u32) -> Header {
        Header {
            spi_i: self.spi_i,
            spi_r: self.spi_r,
            first_payload: PayloadType::SK,
            exchange,
            from_initiator: self.role == Role::Initiator,
            is_response,
            message_id,
        }
    }

    /// Sends the outstanding request again at once, and then at `again_at`.
    pub(crate) fn hurry(&mut self, again_at: Instant) -> Option<Vec<Vec<u8>>> {
        let outstanding = self.outstanding.as_mut()?;
        outstanding.again_at = again_at;
        Some(outstanding.datagrams.clone())
    }

    /// What is due by `now`; frees what is no longer needed.
    pub(crate) fn overdue(&mut self, config: &SaTimes, now: Instant) -> Option<Overdue> {
        self.last_response.take_if(|last| last.forget_at <= now);
        self.incoming.take_if(|incoming| incoming.give_up_at <= now);
        let outstanding = self.outstanding.as_mut().filter(|outstanding| outstanding.again_at <= now)?;
        if outstanding.attempts + 1 >= config.retransmission.tries {
            return Some(Overdue::Unreachable);
        }
        outstanding.attempts += 1;
        outstanding.again_at = now + config.retransmission.wait_after(outstanding.attempts);
        Some(Overdue::Again(outstanding.datagrams.clone()))
    }

    /// When [`Self::overdue`] has something to do.
    pub(crate) fn next_timeout(&self) -> Option<Instant> {
        let times = [
            self.outstanding.as_ref().map(|outstanding| outstanding.again_at),
            self.last_response.as_ref().map(|last| last.forget_at),
            self.incoming.as_ref().map(|incoming| incoming.give_up_at),
        ];
        times.into_iter().flatten().min()
    }
}
