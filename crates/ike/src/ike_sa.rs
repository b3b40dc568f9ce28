use crate::{
    Context, ExchangeType, Header, Path, Reason,
    config::SaTimes,
    crypto::{Direction, IkeKeys, MessageCipher, PrfAlgorithm, Secret},
    exchange::Asked,
    fragments::Fragments,
    message::{Reassembly, Sealed, Sealer, open},
    payload::{Malformed, Payload, PayloadType, parse_chain},
    retransmission::Schedule,
    suite::IkeSuite,
};
use ids::IkeSpi;
use std::time::{Duration, Instant};

/// One IKE SA between two SPIs: its keys and both windows of one message (RFC 7296 §2.2, §2.3). It
/// knows messages, not what they mean.
pub(crate) struct IkeSa {
    spi_i: IkeSpi,
    spi_r: IkeSpi,
    is_initiator: bool,
    fragments: Fragments,
    suite: IkeSuite,
    sk_d: Secret,
    sealer: Sealer,
    opener: MessageCipher,
    next_request: u32,
    expected_request: u32,
    pending: Option<Box<Pending>>,
    kept: Option<Box<KeptResponse>>,
    collecting: Option<Box<Collecting>>,
}

/// Our request that has no answer yet.
pub(crate) struct Pending {
    pub(crate) asked: Asked,
    pub(crate) schedule: Schedule,
    exchange: ExchangeType,
    message_id: u32,
    datagrams: Vec<Vec<u8>>,
}

/// Our last response, for a peer that did not get it (RFC 7296 §2.1).
struct KeptResponse {
    datagrams: Vec<Vec<u8>>,
    until: Instant,
}

/// Fragments of a message that is not whole yet.
struct Collecting {
    message_id: u32,
    is_response: bool,
    reassembly: Reassembly,
    longest: usize,
    until: Instant,
}

/// What an authentic datagram turned out to be.
pub(crate) enum Received {
    /// The peer's next request, whole.
    Request(Result<Vec<Payload>, Malformed>),
    /// The answer to our request, whole.
    Response(Box<Pending>, Result<Vec<Payload>, Malformed>),
    /// The peer's last request once more.
    Again,
    /// A fragment; others are missing, or it came before.
    Part,
}

/// How long fragments wait for the rest of their message (RFC 7383 §2.6).
const FRAGMENTS_KEPT: Duration = Duration::from_secs(15);

/// Which side of an IKE SA, and where its windows begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// We began it with IKE_SA_INIT.
    InitiatorOfInit,
    /// The peer began it with IKE_SA_INIT.
    ResponderOfInit,
    /// We began the rekey that made it.
    InitiatorOfRekey,
    /// The peer began the rekey that made it.
    ResponderOfRekey,
}

impl IkeSa {
    pub(crate) fn new(
        suite: IkeSuite,
        keys: &IkeKeys,
        spis: (IkeSpi, IkeSpi),
        origin: Origin,
        fragments: Fragments,
    ) -> Self {
        let is_initiator = matches!(origin, Origin::InitiatorOfInit | Origin::InitiatorOfRekey);
        let (ours, peers) = if is_initiator {
            (Direction::FromInitiator, Direction::FromResponder)
        } else {
            (Direction::FromResponder, Direction::FromInitiator)
        };
        Self {
            spi_i: spis.0,
            spi_r: spis.1,
            is_initiator,
            fragments,
            suite,
            sk_d: keys.sk_d.clone(),
            sealer: Sealer::new(MessageCipher::new(suite.cipher, keys, ours)),
            opener: MessageCipher::new(suite.cipher, keys, peers),
            next_request: u32::from(origin == Origin::InitiatorOfInit),
            expected_request: u32::from(origin == Origin::ResponderOfInit),
            pending: None,
            kept: None,
            collecting: None,
        }
    }

    pub(crate) fn spis(&self) -> (IkeSpi, IkeSpi) {
        (self.spi_i, self.spi_r)
    }

    /// The SPI that messages to us carry as ours.
    pub(crate) fn own_spi(&self) -> IkeSpi {
        if self.is_initiator { self.spi_i } else { self.spi_r }
    }

    pub(crate) fn suite(&self) -> IkeSuite {
        self.suite
    }

    pub(crate) fn prf(&self) -> PrfAlgorithm {
        self.suite.prf
    }

    pub(crate) fn sk_d(&self) -> &[u8] {
        &self.sk_d
    }

    pub(crate) fn fragments(&self) -> Fragments {
        self.fragments
    }

    pub(crate) fn pending(&self) -> Option<&Pending> {
        self.pending.as_deref()
    }

    pub(crate) fn pending_mut(&mut self) -> Option<&mut Pending> {
        self.pending.as_deref_mut()
    }

    /// Gives up our request: whatever its answer would be, it comes too late.
    pub(crate) fn forget_pending(&mut self) -> Option<Asked> {
        self.pending.take().map(|pending| pending.asked)
    }

    /// Checks a datagram against the windows, opens it, and puts fragments together.
    ///
    /// A fresh request moves the window only once it is answered with [`Self::respond`].
    ///
    /// # Errors
    /// The [`Reason`] why it is dropped in silence; nothing has changed then.
    pub(crate) fn receive(
        &mut self,
        header: &Header,
        datagram: &[u8],
        now: Instant,
    ) -> Result<Received, Reason> {
        if header.from_initiator == self.is_initiator || (header.spi_i, header.spi_r) != self.spis() {
            return Err(Reason::UnknownSpi);
        }
        let again = self.check_window(header)?;
        let sealed = Sealed::find(header, datagram)?;
        let plain = open(&self.opener, datagram, &sealed).map_err(|_| Reason::NotAuthentic)?;
        if again {
            let first = sealed.fragment.is_none_or(|fragment| fragment.number == 1);
            return Ok(if first { Received::Again } else { Received::Part });
        }
        let Some((first, chain)) = self.collect(header, datagram.len(), &sealed, plain, now) else {
            return Ok(Received::Part);
        };
        let payloads = parse_chain(first, &chain);
        match self.pending.take_if(|_| header.is_response) {
            Some(pending) => Ok(Received::Response(pending, payloads)),
            None => Ok(Received::Request(payloads)),
        }
    }

    /// True for the peer's last request, false for its next one or the answer that we wait for.
    fn check_window(&self, header: &Header) -> Result<bool, Reason> {
        if header.is_response {
            let awaited = self.pending.as_ref().is_some_and(|pending| {
                pending.message_id == header.message_id && pending.exchange == header.exchange
            });
            return if awaited { Ok(false) } else { Err(Reason::MessageId) };
        }
        match self.expected_request.checked_sub(header.message_id) {
            Some(0) => Ok(false),
            Some(1) => Ok(true),
            _ => Err(Reason::MessageId),
        }
    }

    fn collect(
        &mut self,
        header: &Header,
        octets: usize,
        sealed: &Sealed,
        plain: Vec<u8>,
        now: Instant,
    ) -> Option<(PayloadType, Vec<u8>)> {
        let Some(number) = sealed.fragment else {
            self.collecting = None;
            return Some((sealed.first_inner, plain));
        };
        let key = (header.message_id, header.is_response);
        let collecting = self
            .collecting
            .take_if(|collecting| (collecting.message_id, collecting.is_response) == key)
            .unwrap_or_else(|| {
                Box::new(Collecting {
                    message_id: header.message_id,
                    is_response: header.is_response,
                    reassembly: Reassembly::default(),
                    longest: 0,
                    until: now + FRAGMENTS_KEPT,
                })
            });
        let collecting = self.collecting.insert(collecting);
        collecting.longest = collecting.longest.max(octets);
        let whole = collecting.reassembly.take(sealed, number, plain);
        if whole.is_some() {
            self.fragments.saw(collecting.longest);
            self.collecting = None;
        }
        whole
    }

    /// Sends `payloads` as the answer to the peer's next request, keeps them for its repetition, and
    /// moves the window.
    pub(crate) fn respond(
        &mut self,
        exchange: ExchangeType,
        payloads: &[Payload],
        path: Path,
        cx: &mut Context<'_>,
    ) {
        let header = self.header(exchange, true, self.expected_request);
        let datagrams = self.seal(header, payloads, cx);
        cx.out.transmit(path, &datagrams);
        self.expected_request = self.expected_request.saturating_add(1);
        self.kept = Some(Box::new(KeptResponse { datagrams, until: cx.now + cx.times.response_kept }));
    }

    /// Sends the last response once more, if it is still kept: to the port that the request came from
    /// this time (RFC 7296 §2.11), since its NAT may have forgotten the one before, but to no other address
    /// than the `known` one, since a request that was seen before may come from whoever recorded it.
    pub(crate) fn respond_again(&self, known: Path, came: Path, cx: &mut Context<'_>) {
        if let Some(kept) = &self.kept {
            cx.stats.answered_again += 1;
            let path = if came.peer.ip() == known.peer.ip() { came } else { known };
            cx.out.transmit(path, &kept.datagrams);
        }
    }

    /// Sends a request. There must be none pending.
    pub(crate) fn request(
        &mut self,
        exchange: ExchangeType,
        payloads: &[Payload],
        asked: Asked,
        path: Path,
        cx: &mut Context<'_>,
    ) {
        debug_assert!(self.pending.is_none(), "the window is one request");
        let message_id = self.next_request;
        self.next_request = self.next_request.saturating_add(1);
        let header = self.header(exchange, false, message_id);
        let datagrams = self.seal(header, payloads, cx);
        cx.out.transmit(path, &datagrams);
        let schedule = Schedule::start(&cx.times.retransmission, cx.now);
        self.pending = Some(Box::new(Pending { asked, schedule, exchange, message_id, datagrams }));
    }

    /// Sends our request again if that is due; false when it has been sent often enough, and an answer would have been
    /// heard.
    pub(crate) fn retransmit(&mut self, path: Path, cx: &mut Context<'_>) -> bool {
        let Some(pending) = self.pending.as_mut().filter(|pending| pending.schedule.due() <= cx.now) else {
            return true;
        };
        if !pending.schedule.again(&cx.times.retransmission, cx.now) {
            if !cx.is_deaf {
                return false;
            }
            pending.schedule.once_more(cx.now);
        }
        cx.stats.retransmitted += 1;
        cx.out.transmit(path, &pending.datagrams);
        true
    }

    /// Sends our request once more out of turn.
    pub(crate) fn repeat(&self, path: Path, cx: &mut Context<'_>) {
        if let Some(pending) = &self.pending {
            cx.stats.retransmitted += 1;
            cx.out.transmit(path, &pending.datagrams);
        }
    }

    /// Lets go what is kept too long.
    pub(crate) fn tidy(&mut self, now: Instant) {
        self.kept.take_if(|kept| kept.until <= now);
        self.collecting.take_if(|collecting| collecting.until <= now);
    }

    /// When our request is due again.
    pub(crate) fn retransmit_at(&self) -> Option<Instant> {
        self.pending.as_ref().map(|pending| pending.schedule.due())
    }

    /// When [`Self::tidy`] has something to do.
    pub(crate) fn tidy_at(&self) -> Option<Instant> {
        let kept = self.kept.as_ref().map(|kept| kept.until);
        let collecting = self.collecting.as_ref().map(|collecting| collecting.until);
        kept.into_iter().chain(collecting).min()
    }

    fn seal(&mut self, header: Header, payloads: &[Payload], cx: &Context<'_>) -> Vec<Vec<u8>> {
        #[cfg(feature = "key-log")]
        self.log_keys(cx);
        self.sealer.seal(header, payloads, self.limit(cx.times), cx.crypto)
    }

    #[cfg(feature = "key-log")]
    fn log_keys(&self, cx: &Context<'_>) {
        let Some(cipher) = self.sealer.unused() else { return };
        let (ours, peers) = (cipher.keys(), self.opener.keys());
        let (from_initiator, from_responder) = if self.is_initiator { (ours, peers) } else { (peers, ours) };
        let (spi_i, spi_r, cipher) = (self.spi_i, self.spi_r, self.suite.cipher);
        cx.crypto.log_keys(&crate::crypto::IkeSaKeys {
            spi_i,
            spi_r,
            cipher,
            from_initiator,
            from_responder,
        });
    }

    fn header(&self, exchange: ExchangeType, is_response: bool, message_id: u32) -> Header {
        Header {
            spi_i: self.spi_i,
            spi_r: self.spi_r,
            first_payload: PayloadType::NONE,
            exchange,
            from_initiator: self.is_initiator,
            is_response,
            message_id,
        }
    }

    fn limit(&self, times: &SaTimes) -> Option<usize> {
        self.fragments.limit(times.fragment_limit)
    }
}
