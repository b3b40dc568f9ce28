//! An established IKE SA, the same on both sides: its channel, its CHILD SAs, its tasks and times.

use crate::{
    ChildSa, DeletedBy, Event, IkeSaId, Output, Path, Reason,
    auth_verified::VerifiedPeer,
    channel::{Channel, Overdue, Received},
    config::SaTimes,
    crypto::{CryptoProvider, Ephemeral},
    header::{ExchangeType, Header},
    output::Outputs,
    payload::{Malformed, NotifyType, Payload, TrafficSelector},
    stats::Stats,
    suite::SuitePolicy,
};
use ids::{IkeSpi, Spi};
use std::{
    collections::{HashSet, VecDeque},
    time::{Duration, Instant},
};

/// What an IKE SA works with while it handles one input.
pub(crate) struct Context<'a> {
    pub(crate) times: &'a SaTimes,
    pub(crate) suites: &'a SuitePolicy,
    pub(crate) crypto: &'a dyn CryptoProvider,
    pub(crate) esp_spis: &'a mut HashSet<Spi>,
    pub(crate) out: &'a mut Outputs,
    pub(crate) stats: &'a mut Stats,
    pub(crate) now: Instant,
}

/// An established IKE SA (RFC 7296 §1.1). Made only after AUTH has verified and, on the responder's
/// side, admission was granted.
pub(crate) struct IkeSa {
    pub(crate) id: IkeSaId,
    /// Whom AUTH proved: without it there is no IKE SA.
    _peer: VerifiedPeer,
    pub(crate) path: Path,
    pub(crate) channel: Channel<Purpose>,
    /// The channel before the last rekey, until its DELETE is through.
    pub(crate) retiring: Option<Box<Retiring>>,
    pub(crate) children: Vec<Child>,
    pub(crate) tasks: VecDeque<Task>,
    pub(crate) peer_takes_fragments: bool,
    pub(crate) selectors: Box<Selectors>,
    pub(crate) rekey_at: Instant,
    expires_at: Option<Instant>,
    last_heard: Instant,
    probe: Option<Probe>,
    ended: Option<DeletedBy>,
    is_announced: bool,
    /// When its owner will wake it.
    pub(crate) scheduled: Option<Instant>,
    /// SPIs of channels that are gone.
    pub(crate) gone_spis: Vec<IkeSpi>,
}

/// A probe under way.
struct Probe {
    sent: Instant,
    /// Its request went out once, so the answer's time is a round trip.
    is_once: bool,
}

pub(crate) struct Retiring {
    pub(crate) channel: Channel<Purpose>,
    pub(crate) until: Instant,
}

/// What may pass at most; every CHILD SA is narrowed to it.
#[derive(Clone, Debug)]
pub(crate) struct Selectors {
    pub(crate) local: Vec<TrafficSelector>,
    pub(crate) remote: Vec<TrafficSelector>,
}

/// What is kept of a CHILD SA; its keys went to whoever carries the traffic.
#[derive(Clone, Copy)]
pub(crate) struct Child {
    pub(crate) spi_in: Spi,
    pub(crate) spi_out: Spi,
    pub(crate) rekey_at: Instant,
    /// A newer one has taken its place; it waits for its DELETE.
    pub(crate) replaced: bool,
}

/// What is to be done as soon as no request of ours is outstanding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Task {
    Liveness,
    CreateChild,
    RekeyChild(Spi),
    DeleteChild(Spi),
    RekeyIke,
    DeleteIke,
}

/// What a request of ours is for.
pub(crate) enum Purpose {
    IkeAuth,
    Liveness,
    CreateChild(Box<ChildExchange>),
    DeleteChild(Spi),
    RekeyIke(Box<IkeExchange>),
    DeleteIke,
}

/// A CREATE_CHILD_SA request for a CHILD SA, new or in place of `replaces`.
pub(crate) struct ChildExchange {
    pub(crate) replaces: Option<Spi>,
    pub(crate) spi_in: Spi,
    pub(crate) nonce: Vec<u8>,
    pub(crate) ephemeral: Box<dyn Ephemeral>,
}

/// A CREATE_CHILD_SA request for new keys of the IKE SA.
pub(crate) struct IkeExchange {
    pub(crate) spi: IkeSpi,
    pub(crate) nonce: Vec<u8>,
    pub(crate) ephemeral: Box<dyn Ephemeral>,
}

impl IkeSa {
    /// How long the old channel of a rekey is kept for the peer's DELETE.
    const RETIRE: Duration = Duration::from_secs(60);
    const PROBE: Duration = Duration::from_secs(6);
    const PROBE_AGAIN: Duration = Duration::from_secs(2);
    const NEVER: Duration = Duration::from_secs(100 * 365 * 86_400);

    pub(crate) fn new(
        id: IkeSaId,
        path: Path,
        channel: Channel<Purpose>,
        selectors: Selectors,
        peer_takes_fragments: bool,
        peer: VerifiedPeer,
        cx: &Context<'_>,
    ) -> Self {
        Self {
            id,
            _peer: peer,
            path,
            channel,
            retiring: None,
            children: Vec::with_capacity(1),
            tasks: VecDeque::new(),
            peer_takes_fragments,
            selectors: Box::new(selectors),
            rekey_at: cx.now + jittered(cx.times.rekey.ike_sa, cx.crypto),
            expires_at: None,
            last_heard: cx.now,
            probe: None,
            ended: None,
            is_announced: false,
            scheduled: None,
            gone_spis: Vec::new(),
        }
    }

    /// The tunnel ends at `at`, whatever is rekeyed until then.
    pub(crate) fn expire_at(&mut self, at: Instant) {
        self.expires_at = Some(at);
    }

    /// Set once the IKE SA is over and has to be removed.
    pub(crate) fn ended(&self) -> Option<DeletedBy> {
        self.ended
    }

    /// The SPIs under which its messages come: one, or two while it is being rekeyed.
    pub(crate) fn own_spis(&self) -> impl Iterator<Item = IkeSpi> + '_ {
        let retiring = self.retiring.as_ref().map(|retiring| retiring.channel.own_spi());
        std::iter::once(self.channel.own_spi()).chain(retiring)
    }

    /// A datagram for one of [`Self::own_spis`].
    pub(crate) fn handle(&mut self, header: &Header, datagram: &[u8], path: Path, cx: &mut Context<'_>) {
        let on_current = (self.channel.spi_i, self.channel.spi_r) == (header.spi_i, header.spi_r);
        let channel = match &mut self.retiring {
            _ if on_current => &mut self.channel,
            Some(retiring) => &mut retiring.channel,
            None => return,
        };
        match channel.receive(header, datagram, cx.now) {
            Received::Part => {}
            Received::Nothing => cx.stats.count(Reason::MessageId),
            Received::Again(datagrams) => {
                cx.stats.answered_again += 1;
                self.transmit(&datagrams, cx);
            }
            Received::Request { exchange, payloads } => {
                self.fresh(path, cx);
                self.on_request(on_current, exchange, payloads, cx);
            }
            Received::Response { purpose, payloads } => {
                self.fresh(path, cx);
                self.on_response(on_current, purpose, payloads, cx);
            }
        }
        self.work(cx);
    }

    /// A fresh authenticated message: the peer lives, and is where it came from (RFC 7296 §2.23).
    fn fresh(&mut self, path: Path, cx: &mut Context<'_>) {
        self.heard(cx);
        if let Some(probe) = self.probe.take() {
            let round_trip = probe.is_once.then(|| cx.now.saturating_duration_since(probe.sent));
            cx.out.event(Event::ProbeAnswered { sa: self.id, round_trip });
        }
        if self.path != path {
            let from = std::mem::replace(&mut self.path, path);
            cx.out.event(Event::PathChanged { sa: self.id, from, to: path });
        }
    }

    /// Proof of life from elsewhere: ESP that verified.
    pub(crate) fn heard(&mut self, cx: &Context<'_>) {
        self.last_heard = cx.now;
    }

    fn on_request(
        &mut self,
        on_current: bool,
        exchange: ExchangeType,
        payloads: Result<Vec<Payload>, Malformed>,
        cx: &mut Context<'_>,
    ) {
        let answer = match (payloads, exchange) {
            (Err(Malformed::UnknownCritical(kind)), _) => {
                vec![Payload::notify(NotifyType::UNSUPPORTED_CRITICAL_PAYLOAD, &[kind.0])]
            }
            (Err(_), _) => {
                // A malformed message under our keys ends the IKE SA (RFC 7296 §2.21.3).
                self.ended = Some(DeletedBy::PeerRefused);
                vec![Payload::notify(NotifyType::INVALID_SYNTAX, &[])]
            }
            (Ok(payloads), ExchangeType::INFORMATIONAL) => self.on_informational(on_current, &payloads, cx),
            (Ok(payloads), ExchangeType::CREATE_CHILD_SA) if on_current => {
                return self.on_create_child_sa(&payloads, cx);
            }
            (Ok(_), ExchangeType::CREATE_CHILD_SA) => {
                vec![Payload::notify(NotifyType::TEMPORARY_FAILURE, &[])]
            }
            (Ok(_), _) => vec![Payload::notify(NotifyType::INVALID_SYNTAX, &[])],
        };
        self.respond(on_current, exchange, &answer, cx);
    }

    /// Answers the request delivered last on the given channel.
    pub(crate) fn respond(
        &mut self,
        on_current: bool,
        exchange: ExchangeType,
        answer: &[Payload],
        cx: &mut Context<'_>,
    ) {
        let limit = self.fragment_limit(cx);
        let channel = match &mut self.retiring {
            Some(retiring) if !on_current => &mut retiring.channel,
            _ => &mut self.channel,
        };
        let datagrams = channel.respond(exchange, answer, limit, cx.crypto, cx.times.response_kept, cx.now);
        self.transmit(&datagrams, cx);
    }

    fn on_response(
        &mut self,
        on_current: bool,
        purpose: Purpose,
        payloads: Result<Vec<Payload>, Malformed>,
        cx: &mut Context<'_>,
    ) {
        let Ok(payloads) = payloads else {
            return self.end(DeletedBy::PeerRefused);
        };
        match purpose {
            Purpose::Liveness | Purpose::IkeAuth => {}
            Purpose::DeleteChild(spi_in) => self.remove_child(spi_in, cx),
            Purpose::DeleteIke if on_current => self.end(DeletedBy::Us),
            Purpose::DeleteIke => self.drop_retiring(),
            Purpose::CreateChild(exchange) => self.on_child_created(*exchange, &payloads, cx),
            Purpose::RekeyIke(exchange) => self.on_ike_rekeyed(*exchange, &payloads, cx),
        }
    }

    /// The tunnel is over; the IKE SA lives on only for its DELETE.
    pub(crate) fn is_announced(&self) -> bool {
        self.is_announced
    }

    /// Says once that the tunnel is over.
    pub(crate) fn announce(&mut self, by: DeletedBy, cx: &mut Context<'_>) {
        if !self.is_announced {
            self.is_announced = true;
            cx.stats.deleted += 1;
            cx.out.event(Event::SaDeleted { sa: self.id, by });
        }
    }

    pub(crate) fn end(&mut self, why: DeletedBy) {
        self.ended.get_or_insert(why);
    }

    /// Deletes this IKE SA in good order: no ESP passes from now on; the peer is told.
    pub(crate) fn delete(&mut self, by: DeletedBy, cx: &mut Context<'_>) {
        self.remove_all_children(cx);
        self.announce(by, cx);
        self.tasks = VecDeque::from([Task::DeleteIke]);
        self.work(cx);
    }

    /// Asks for proof of life within [`Self::PROBE`]; the event that follows says whether it came.
    pub(crate) fn probe(&mut self, cx: &mut Context<'_>) {
        let is_once = self.channel.is_idle();
        self.probe = Some(Probe { sent: cx.now, is_once });
        match self.channel.hurry(cx.now + Self::PROBE_AGAIN) {
            Some(datagrams) => self.transmit(&datagrams, cx),
            None => {
                self.add_task(Task::Liveness, cx);
                self.channel.hurry(cx.now + Self::PROBE_AGAIN);
            }
        }
    }

    /// While a probe runs its request goes out every [`Self::PROBE_AGAIN`].
    fn probe_again(&mut self, cx: &Context<'_>) {
        if let Some(probe) = &mut self.probe {
            probe.is_once = false;
            self.channel.hurry(cx.now + Self::PROBE_AGAIN);
        }
    }

    pub(crate) fn add_task(&mut self, task: Task, cx: &mut Context<'_>) {
        if !self.tasks.contains(&task) {
            self.tasks.push_back(task);
        }
        self.work(cx);
    }

    /// Starts the next task once no request is outstanding.
    pub(crate) fn work(&mut self, cx: &mut Context<'_>) {
        while self.ended.is_none() && self.channel.is_idle() {
            let Some(task) = self.tasks.pop_front() else { return };
            match task {
                Task::Liveness => self.request(ExchangeType::INFORMATIONAL, &[], Purpose::Liveness, cx),
                Task::DeleteIke => self.request_delete_ike(cx),
                Task::DeleteChild(spi_in) => self.request_delete_child(spi_in, cx),
                Task::CreateChild => self.request_child(None, None, cx),
                Task::RekeyChild(spi_in) => self.request_child(Some(spi_in), None, cx),
                Task::RekeyIke => self.request_rekey_ike(None, cx),
            }
        }
    }

    pub(crate) fn request(
        &mut self,
        exchange: ExchangeType,
        payloads: &[Payload],
        purpose: Purpose,
        cx: &mut Context<'_>,
    ) {
        let context = (cx.times, self.fragment_limit(cx), cx.crypto);
        let datagrams = self.channel.request(exchange, payloads, purpose, context, cx.now);
        self.transmit(&datagrams, cx);
    }

    pub(crate) fn transmit(&self, datagrams: &[Vec<u8>], cx: &mut Context<'_>) {
        cx.out.transmit(self.path, datagrams);
    }

    pub(crate) fn fragment_limit(&self, cx: &Context<'_>) -> Option<usize> {
        self.peer_takes_fragments.then_some(cx.times.fragment_limit)
    }

    pub(crate) fn install(&mut self, child: ChildSa, cx: &mut Context<'_>) {
        let rekey_at = cx.now + jittered(cx.times.rekey.child_sa, cx.crypto);
        self.children.push(Child { spi_in: child.spi_in, spi_out: child.spi_out, rekey_at, replaced: false });
        let (sa, spi_in, spi_out, old) = (self.id, child.spi_in, child.spi_out, child.replaces);
        cx.stats.children_installed += 1;
        cx.out.push(Output::InstallChildSa { sa, child });
        match old {
            Some(old) => {
                cx.stats.children_rekeyed += 1;
                cx.out.event(Event::ChildRekeyed { sa, old, new: spi_in });
            }
            None => cx.out.event(Event::ChildEstablished { sa, spi_in, spi_out }),
        }
    }

    pub(crate) fn remove_child(&mut self, spi_in: Spi, cx: &mut Context<'_>) {
        let before = self.children.len();
        self.children.retain(|child| child.spi_in != spi_in);
        if self.children.len() < before {
            cx.esp_spis.remove(&spi_in);
            cx.out.push(Output::RemoveChildSa { sa: self.id, spi_in });
        }
    }

    pub(crate) fn remove_all_children(&mut self, cx: &mut Context<'_>) {
        while let Some(child) = self.children.last() {
            self.remove_child(child.spi_in, cx);
        }
    }

    /// Takes up new keys; the old channel stays for what is under way on it.
    pub(crate) fn replace_channel(&mut self, channel: Channel<Purpose>, cx: &mut Context<'_>) {
        let old = std::mem::replace(&mut self.channel, channel);
        self.retiring = Some(Box::new(Retiring { channel: old, until: cx.now + Self::RETIRE }));
        self.rekey_at = cx.now + jittered(cx.times.rekey.ike_sa, cx.crypto);
        let (spi_i, spi_r) = (self.channel.spi_i, self.channel.spi_r);
        cx.stats.ike_rekeyed += 1;
        cx.out.event(Event::IkeRekeyed { sa: self.id, spi_i, spi_r });
    }

    fn drop_retiring(&mut self) {
        self.gone_spis.extend(self.retiring.take().map(|retiring| retiring.channel.own_spi()));
    }

    /// The end: no ESP passes any more, no SPI stays taken.
    pub(crate) fn release(&mut self, by: DeletedBy, cx: &mut Context<'_>) {
        self.remove_all_children(cx);
        self.announce(by, cx);
        self.drop_retiring();
        self.gone_spis.push(self.channel.own_spi());
        if let Some(Purpose::CreateChild(exchange)) = self.channel.purpose() {
            cx.esp_spis.remove(&exchange.spi_in);
        }
    }

    /// Does what is due by `cx.now`.
    pub(crate) fn handle_timeout(&mut self, cx: &mut Context<'_>) {
        if self.retiring.as_ref().is_some_and(|retiring| retiring.until <= cx.now) {
            self.drop_retiring();
        }
        if let Some(retiring) = &mut self.retiring
            && let Some(Overdue::Again(datagrams)) = retiring.channel.overdue(cx.times, cx.now)
        {
            self.transmit(&datagrams, cx);
        }
        if self.probe.take_if(|probe| probe.sent + Self::PROBE <= cx.now).is_some() {
            self.channel.hurry(cx.now + Self::PROBE_AGAIN);
            cx.out.event(Event::ProbeSilent { sa: self.id });
        }
        match self.channel.overdue(cx.times, cx.now) {
            Some(Overdue::Again(datagrams)) => {
                cx.stats.retransmitted += 1;
                self.transmit(&datagrams, cx);
                self.probe_again(cx);
            }
            Some(Overdue::Unreachable) => return self.end(self.why_unreachable()),
            None => {}
        }
        if self.expires_at.take_if(|at| *at <= cx.now).is_some() {
            self.ended_by_time(cx);
        }
        self.schedule(cx);
        self.work(cx);
    }

    fn why_unreachable(&self) -> DeletedBy {
        match self.channel.purpose() {
            Some(Purpose::DeleteIke) => DeletedBy::Us,
            _ => DeletedBy::DpdTimeout,
        }
    }

    /// Tells the peer once and is over: nobody may wait for an answer when the time is up.
    fn ended_by_time(&mut self, cx: &mut Context<'_>) {
        self.remove_all_children(cx);
        if self.channel.is_idle() {
            self.request_delete_ike(cx);
        }
        self.end(DeletedBy::Expired);
    }

    fn schedule(&mut self, cx: &mut Context<'_>) {
        let due: Vec<_> =
            self.children.iter_mut().filter(|child| !child.replaced && child.rekey_at <= cx.now).collect();
        for child in due {
            child.rekey_at = cx.now + cx.times.rekey.child_sa / 10;
            self.tasks.push_back(Task::RekeyChild(child.spi_in));
        }
        if self.rekey_at <= cx.now {
            self.rekey_at = cx.now + cx.times.rekey.ike_sa / 10;
            self.tasks.push_back(Task::RekeyIke);
        }
        let asks = !cx.times.dpd_after.is_zero() && self.last_heard + cx.times.dpd_after <= cx.now;
        if asks && self.channel.is_idle() && self.tasks.is_empty() {
            self.tasks.push_back(Task::Liveness);
        }
    }

    /// When [`Self::handle_timeout`] has something to do.
    pub(crate) fn next_timeout(&self, times: &SaTimes) -> Instant {
        let asks = self.channel.is_idle() && !times.dpd_after.is_zero();
        let dpd = asks.then(|| self.last_heard + times.dpd_after);
        let retiring = self.retiring.as_ref();
        let single = [
            self.channel.next_timeout(),
            retiring.and_then(|retiring| retiring.channel.next_timeout()),
            retiring.map(|retiring| retiring.until),
            self.probe.as_ref().map(|probe| probe.sent + Self::PROBE),
            self.expires_at,
            dpd,
        ];
        let rekeys = self.children.iter().filter(|child| !child.replaced).map(|child| child.rekey_at);
        let first = single.into_iter().flatten().chain(rekeys).chain([self.rekey_at]).min();
        first.unwrap_or(self.last_heard + Self::NEVER)
    }
}

/// `span` less up to a tenth of it, so that units that came together do not rekey together.
fn jittered(span: Duration, crypto: &dyn CryptoProvider) -> Duration {
    let mut draw = [0; 2];
    crypto.random(&mut draw);
    span - span / 10 * u32::from(u16::from_be_bytes(draw)) / u32::from(u16::MAX)
}
