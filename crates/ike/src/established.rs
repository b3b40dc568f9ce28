use crate::{
    Context, DeletedBy, Event, ExchangeType, Grant, Header, IkeSaId, Path, Reason,
    auth_verified::VerifiedPeer,
    config::SaTimes,
    ending::{self, Ending, EndingSa},
    exchange::{Asked, Contents, informational::InformationalRequest},
    ike_sa::{IkeSa, Pending, Received},
    output::{Output, Timer},
    payload::{Malformed, NotifyType, Payload, TrafficSelector},
};
use ids::Spi;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

mod allowance;
mod child_sas;
mod ike_rekey;
mod path_probe;

use allowance::Allowance;
pub(crate) use child_sas::{Child, NewChild, negotiate};
use ike_rekey::Candidate;
use path_probe::PathProbe;

/// Who the peer has proven to be and what it may use. Made from evidence alone, so that no
/// [`Established`] exists without it.
pub(crate) struct Standing {
    peer: VerifiedPeer,
    ts_local: Arc<[TrafficSelector]>,
    ts_remote: Box<[TrafficSelector]>,
    ends_at: Option<Instant>,
    is_responder: bool,
}

impl Standing {
    /// A femtocell that was let in.
    pub(crate) fn granted(peer: VerifiedPeer, grant: &Grant, ends_at: Instant) -> Self {
        Self {
            peer,
            ts_local: grant.ts_r.clone(),
            ts_remote: grant.inner().into(),
            ends_at: Some(ends_at),
            is_responder: true,
        }
    }

    /// The gateway of a femtocell, which uses what was agreed with IKE_AUTH.
    pub(crate) fn of_gateway(
        peer: VerifiedPeer,
        ts_local: Vec<TrafficSelector>,
        ts_remote: Vec<TrafficSelector>,
    ) -> Self {
        Self {
            peer,
            ts_local: ts_local.into(),
            ts_remote: ts_remote.into(),
            ends_at: None,
            is_responder: false,
        }
    }

    /// `agreed`, as the list that all peers share where it is the same.
    fn shared(&self, agreed: &[TrafficSelector]) -> Arc<[TrafficSelector]> {
        if *agreed == *self.ts_local { self.ts_local.clone() } else { agreed.into() }
    }

    /// The peer.
    pub(crate) fn peer(&self) -> &VerifiedPeer {
        &self.peer
    }
}

/// A tunnel: the IKE SA in use, its CHILD SAs, and whatever rekeys leave behind for a while. Both sides
/// are alike from here on (RFC 7296 §1.3, §1.4).
pub(crate) struct Established {
    id: IkeSaId,
    standing: Box<Standing>,
    path: Path,
    current: IkeSa,
    /// What the peer made of a rekey that collided with ours.
    candidate: Option<Box<Candidate>>,
    ending: Vec<EndingSa>,
    children: Vec<Child>,
    wants: Vec<(Instant, Want)>,
    last_heard: Instant,
    probe: Option<Box<Probe>>,
    path_probe: Option<Box<PathProbe>>,
    /// When it began last.
    path_asked: Option<Instant>,
    rekey_at: Instant,
    allowance: Allowance,
}

/// A request that we will make once the window is free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Want {
    Liveness,
    CreateChildSa,
    RekeyChildSa(Spi),
    DeleteChildSa(Spi),
    RekeyIkeSa,
}

/// A liveness check with a deadline.
struct Probe {
    is_sent: bool,
    repeat_at: Instant,
    deadline: Instant,
}

/// Whether a tunnel goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Stays,
    Over(DeletedBy),
}

const PROBE_TIME: Duration = Duration::from_secs(6);
const PROBE_REPEAT: Duration = Duration::from_secs(2); // 3 tries: at 0, 2 and 4 s
const RETRY: Duration = Duration::from_secs(60);

impl Established {
    pub(crate) fn new(
        id: IkeSaId,
        standing: Standing,
        path: Path,
        current: IkeSa,
        cx: &mut Context<'_>,
    ) -> Self {
        cx.stats.established += 1;
        cx.stats.established_now += 1;
        Self {
            id,
            standing: Box::new(standing),
            path,
            current,
            candidate: None,
            ending: Vec::new(),
            children: Vec::new(),
            wants: Vec::new(),
            last_heard: cx.now,
            probe: None,
            path_probe: None,
            path_asked: None,
            rekey_at: cx.jittered(cx.times.rekey.ike_sa),
            allowance: Allowance::new(cx.now),
        }
    }

    pub(crate) fn id(&self) -> IkeSaId {
        self.id
    }

    pub(crate) fn standing(&self) -> &Standing {
        &self.standing
    }

    pub(crate) fn path(&self) -> Path {
        self.path
    }

    pub(crate) fn current(&self) -> &IkeSa {
        &self.current
    }

    /// Our messages come from and go to other addresses now.
    pub(crate) fn rebind(&mut self, path: Path) {
        self.path = path;
    }

    /// Answers the peer's request to where it came from, whether or not that is where our own go
    /// (RFC 7296 §2.11). An initiator's go to the address it chose.
    pub(crate) fn respond(
        &mut self,
        exchange: ExchangeType,
        payloads: &[Payload],
        came: Path,
        cx: &mut Context<'_>,
    ) {
        let path = self.answer_path(came);
        self.current.respond(exchange, payloads, path, cx);
    }

    fn answer_path(&self, came: Path) -> Path {
        if self.standing.is_responder { came } else { self.path }
    }

    /// Fresh authenticated traffic of the peer was seen elsewhere.
    pub(crate) fn heard(&mut self, now: Instant) {
        self.last_heard = self.last_heard.max(now);
    }

    pub(crate) fn on_datagram(
        &mut self,
        path: Path,
        header: &Header,
        datagram: &[u8],
        cx: &mut Context<'_>,
    ) -> Fate {
        let spis = (header.spi_i, header.spi_r);
        let fate = if spis == self.current.spis() {
            self.on_current(path, header, datagram, cx)
        } else if self.candidate.as_ref().is_some_and(|candidate| candidate.sa.spis() == spis) {
            self.on_candidate(path, header, datagram, cx);
            Fate::Stays
        } else {
            ending::on_datagram(&mut self.ending, (self.path, path), header, datagram, cx);
            Fate::Stays
        };
        if fate == Fate::Stays {
            self.pump(cx);
        }
        fate
    }

    fn on_current(&mut self, path: Path, header: &Header, datagram: &[u8], cx: &mut Context<'_>) -> Fate {
        match self.current.receive(header, datagram, cx.now) {
            Err(reason) => cx.stats.count(reason),
            Ok(Received::Part) => {}
            Ok(Received::Again) => self.current.respond_again(self.path, path, cx),
            Ok(Received::Request(payloads)) => {
                self.fresh_from(path, cx);
                return self.on_request(header.exchange, payloads, path, cx);
            }
            Ok(Received::Response(pending, payloads)) => {
                self.fresh_from(path, cx);
                return self.on_response(*pending, payloads, path, cx);
            }
        }
        Fate::Stays
    }

    /// A message that is authentic and was never seen before: the peer lives, and may live there.
    fn fresh_from(&mut self, path: Path, cx: &mut Context<'_>) {
        self.heard(cx.now);
        self.seen_at(path, cx);
    }

    fn on_request(
        &mut self,
        exchange: ExchangeType,
        payloads: Result<Vec<Payload>, Malformed>,
        path: Path,
        cx: &mut Context<'_>,
    ) -> Fate {
        self.confirm_children(cx);
        let contents = match payloads.and_then(Contents::sort) {
            Ok(contents) => contents,
            Err(malformed) => {
                cx.stats.count(Reason::from(malformed));
                self.respond(exchange, &[syntax_error(malformed)], path, cx);
                return Fate::Stays;
            }
        };
        match exchange {
            ExchangeType::CREATE_CHILD_SA => {
                self.on_create_child_sa(contents, path, cx);
                Fate::Stays
            }
            ExchangeType::INFORMATIONAL => self.on_informational(&contents, path, cx),
            _ => {
                self.respond(exchange, &[Payload::notify(NotifyType::INVALID_SYNTAX, &[])], path, cx);
                Fate::Stays
            }
        }
    }

    fn on_informational(&mut self, contents: &Contents, path: Path, cx: &mut Context<'_>) -> Fate {
        match InformationalRequest::parse(contents) {
            InformationalRequest::DeleteIkeSa => {
                self.respond(ExchangeType::INFORMATIONAL, &[], path, cx);
                if self.adopt_candidate(cx) { Fate::Stays } else { Fate::Over(DeletedBy::Peer) }
            }
            InformationalRequest::AuthenticationFailed => {
                self.respond(ExchangeType::INFORMATIONAL, &[], path, cx);
                Fate::Over(DeletedBy::PeerRefused)
            }
            InformationalRequest::DeleteChildSas(spis) => {
                let answer = self.delete_children_of_peer(&spis, cx);
                self.respond(ExchangeType::INFORMATIONAL, &answer, path, cx);
                Fate::Stays
            }
        }
    }

    fn on_response(
        &mut self,
        pending: Pending,
        payloads: Result<Vec<Payload>, Malformed>,
        path: Path,
        cx: &mut Context<'_>,
    ) -> Fate {
        let contents = payloads.and_then(Contents::sort).unwrap_or_default();
        if contents.has(NotifyType::INVALID_SYNTAX) {
            pending.asked.release(cx.spis);
            return Fate::Over(DeletedBy::PeerRefused); // fatal (RFC 7296 §3.10.1)
        }
        match pending.asked {
            Asked::Liveness => self.on_liveness(pending.schedule.round_trip(cx.now), cx),
            Asked::Path => self.on_path_answer(path, cx),
            Asked::DeleteChildSa(spi_in) => self.remove_child(spi_in, cx),
            Asked::ChildSa(asked) => self.on_child_sa_answer(*asked, contents, cx),
            Asked::IkeSa(asked) => self.on_ike_sa_answer(*asked, contents, cx),
            Asked::Auth | Asked::DeleteIkeSa | Asked::AuthenticationFailed => {}
        }
        Fate::Stays
    }

    fn on_liveness(&mut self, round_trip: Option<Duration>, cx: &mut Context<'_>) {
        if self.probe.take_if(|probe| probe.is_sent).is_some() {
            cx.out.event(Event::ProbeAnswered { sa: self.id, round_trip });
        }
    }

    /// Asks the peer whether it lives, and says so within 6 s, or 6 s after we could hear again. A request that waits for its answer is
    /// repeated first, since the window is one.
    pub(crate) fn probe(&mut self, cx: &mut Context<'_>) {
        if self.probe.is_some() {
            return;
        }
        let (repeat_at, deadline) = (cx.now + PROBE_REPEAT, cx.now + PROBE_TIME);
        self.probe = Some(Box::new(Probe { is_sent: false, repeat_at, deadline }));
        self.put_off_path_probe(cx);
        self.repeat(cx);
        self.pump(cx);
    }

    /// Wants something done as soon as the window is free.
    pub(crate) fn want(&mut self, want: Want, cx: &mut Context<'_>) {
        self.want_at(cx.now, want);
        self.pump(cx);
    }

    fn want_at(&mut self, at: Instant, want: Want) {
        if !self.wants.iter().any(|(_, wanted)| *wanted == want) {
            self.wants.push((at, want));
        }
    }

    /// Makes the next request if the window is free.
    fn pump(&mut self, cx: &mut Context<'_>) {
        while self.current.pending().is_none() {
            if self.probe.as_ref().is_some_and(|probe| !probe.is_sent) {
                return self.send_probe(cx);
            }
            if self.path_waits() {
                return self.send_path_probe(cx);
            }
            let Some(index) = self.wants.iter().position(|(at, _)| *at <= cx.now) else { break };
            match self.wants.remove(index).1 {
                Want::Liveness => self.send_liveness(cx),
                Want::CreateChildSa => self.ask_child_sa(None, cx),
                Want::RekeyChildSa(spi_in) => self.ask_child_sa(Some(spi_in), cx),
                Want::DeleteChildSa(spi_in) => self.ask_delete(spi_in, cx),
                Want::RekeyIkeSa => self.ask_ike_sa(None, cx),
            }
        }
        if self.wants.is_empty() {
            self.wants = Vec::new();
        }
    }

    fn send_liveness(&mut self, cx: &mut Context<'_>) {
        self.current.request(ExchangeType::INFORMATIONAL, &[], Asked::Liveness, self.path, cx);
    }

    /// Its repetitions follow the probe's own times, then the usual ones.
    fn send_probe(&mut self, cx: &mut Context<'_>) {
        self.send_liveness(cx);
        self.repeat_at_waiting_path(cx);
        let Some(probe) = &mut self.probe else { return };
        probe.is_sent = true;
        probe.repeat_at = cx.now + PROBE_REPEAT;
        if let Some(pending) = self.current.pending_mut() {
            pending.schedule.hold_until(probe.deadline + PROBE_REPEAT);
        }
    }

    /// Ends at this time, unless it does before.
    pub(crate) fn end_by(&mut self, at: Instant) {
        self.standing.ends_at = Some(self.standing.ends_at.map_or(at, |ends_at| ends_at.min(at)));
    }

    pub(crate) fn on_timeout(&mut self, cx: &mut Context<'_>) -> Fate {
        if self.standing.ends_at.is_some_and(|ends_at| ends_at <= cx.now) {
            return Fate::Over(DeletedBy::Expired);
        }
        self.current.tidy(cx.now);
        self.on_probe_time(cx);
        self.on_path_probe_time(cx);
        if !self.retransmit(cx) {
            return Fate::Over(DeletedBy::DpdTimeout);
        }
        if let Some(candidate) = &mut self.candidate {
            candidate.sa.tidy(cx.now);
        }
        ending::on_timeout(&mut self.ending, self.path, cx);
        self.want_what_is_due(cx);
        self.pump(cx);
        Fate::Stays
    }

    fn on_probe_time(&mut self, cx: &mut Context<'_>) {
        let Some(probe) = &mut self.probe else { return };
        if probe.deadline <= cx.now && cx.is_deaf {
            (probe.deadline, probe.repeat_at) = (cx.now + PROBE_TIME, cx.now + PROBE_REPEAT);
            self.repeat(cx);
        } else if probe.deadline <= cx.now {
            self.probe = None;
            cx.out.event(Event::ProbeSilent { sa: self.id });
        } else if probe.repeat_at <= cx.now {
            probe.repeat_at = cx.now + PROBE_REPEAT;
            self.repeat(cx);
        }
    }

    fn want_what_is_due(&mut self, cx: &mut Context<'_>) {
        let now = cx.now;
        if self.liveness_at(cx.times).is_some_and(|at| at <= now) {
            self.want_at(now, Want::Liveness);
        }
        if self.rekey_at <= now {
            self.rekey_at = now + RETRY;
            self.want_at(now, Want::RekeyIkeSa);
        }
        let due: Vec<Want> = self.children.iter_mut().filter_map(|child| child.due(cx)).collect();
        due.into_iter().for_each(|want| self.want_at(now, want));
    }

    fn liveness_at(&self, times: &SaTimes) -> Option<Instant> {
        let idle = self.current.pending().is_none() && !times.dpd_after.is_zero();
        idle.then(|| self.last_heard + times.dpd_after)
    }

    pub(crate) fn next_timeout(&self, times: &SaTimes) -> Option<(Instant, Timer)> {
        let window_is_free = self.current.pending().is_none();
        let wants = self.wants.iter().filter(|_| window_is_free).map(|(at, _)| (*at, Timer::Retransmit));
        let probe = self.probe.iter().map(|probe| probe.repeat_at.min(probe.deadline));
        let path_probe = self.path_probe.iter().filter_map(|probe| probe.due());
        let children = self.children.iter().filter_map(Child::due_at).map(|at| (at, Timer::Rekey));
        let candidate = self.candidate.iter().filter_map(|candidate| candidate.sa.tidy_at());
        [
            self.standing.ends_at.map(|at| (at, Timer::Expire)),
            self.current.retransmit_at().map(|at| (at, Timer::Retransmit)),
            self.current.tidy_at().map(|at| (at, Timer::FreeResponse)),
            self.liveness_at(times).map(|at| (at, Timer::Liveness)),
            Some((self.rekey_at, Timer::Rekey)),
        ]
        .into_iter()
        .flatten()
        .chain(wants)
        .chain(probe.chain(path_probe).map(|at| (at, Timer::Probe)))
        .chain(children)
        .chain(candidate.map(|at| (at, Timer::FreeResponse)))
        .chain(self.ending.iter().filter_map(EndingSa::next_timeout))
        .min()
    }

    /// The tunnel is over: its CHILD SAs are removed, and what the protocol still owes the peer is left
    /// as an [`Ending`].
    pub(crate) fn close(mut self, by: DeletedBy, cx: &mut Context<'_>) -> Ending {
        for child in std::mem::take(&mut self.children) {
            self.release_child(&child, cx);
        }
        cx.stats.deleted += 1;
        cx.stats.established_now -= 1;
        cx.out.event(Event::SaDeleted { sa: self.id, by });
        let mut ending = self.ending;
        let mut sas = vec![self.current];
        sas.extend(self.candidate.map(|candidate| candidate.sa));
        for sa in sas {
            match by {
                DeletedBy::Us | DeletedBy::Expired | DeletedBy::Reauthenticated => {
                    ending.push(EndingSa::deleting(sa, self.path, cx));
                }
                DeletedBy::Peer | DeletedBy::PeerRefused => {
                    ending.push(EndingSa::answering(sa, cx.times.response_kept, cx));
                }
                DeletedBy::DpdTimeout => EndingSa::answering(sa, Duration::ZERO, cx).release(cx),
            }
        }
        Ending::new(self.path, ending)
    }

    fn release_child(&self, child: &Child, cx: &mut Context<'_>) {
        cx.spis.release_esp(child.spi_in());
        cx.out.push(Output::RemoveChildSa { sa: self.id, spi_in: child.spi_in() });
    }
}

/// What a request that can't be read is answered with (RFC 7296 §2.5, §2.21.3).
fn syntax_error(malformed: Malformed) -> Payload {
    match malformed {
        Malformed::UnknownCritical(kind) => {
            Payload::notify(NotifyType::UNSUPPORTED_CRITICAL_PAYLOAD, &[kind.0])
        }
        Malformed::Truncated
        | Malformed::Header
        | Malformed::MajorVersion(_)
        | Malformed::Payload(_)
        | Malformed::TooMany => Payload::notify(NotifyType::INVALID_SYNTAX, &[]),
    }
}
