//! The registrar: the one thread that works with ledger and journal. It takes work from the IKE thread
//! in batches, so that many claims share one commit, and never holds up a packet.
//!
//! While ledger or journal is out of reach, claims are left unanswered and everything that must not be
//! lost waits here; an alarm stands, tunnels go on.

use crate::{
    GatewayConfig, OffLine,
    clock::ClockGuard,
    contest::{Outcome, Party},
    evidence::{Known, as_json, as_written, evidence},
    hand_off::{Admitted, Answer, Authenticated, Claim, Refused, Why, Work},
    health::{Alarm, Health},
    refusals::Refusals,
    sessions::{Beginning, Session, Sessions},
    shard::ShardCounters,
    sightings::Alternation,
    stats::Tallies,
    waker::Waker,
    watch::Watch,
};
use admission::{Admit, Decision, Holder, Outer, Policy, Probe, Reason, Transient, Verdict, judge};
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use events::{
    Durability, Journal, JournalError, Recorded,
    admission::{Admitted as AdmittedEvent, ContestResolved, Contested, Refused as RefusedEvent},
    gateway::{
        Alarm as AlarmEvent, AttachFailed, EspNeverSeen, NodeStopped, PathAlternates, PathChanged,
        SessionClosed, SpoofedSource,
    },
    journal::Tail,
};
use ids::{DeviceId, SessionId, Spi, UnixTime};
use ike::{Grant, Ticket};
use ledger::{Lease, Ledger, LedgerError, NewIncident, Tx};
use serde_json::{Value, json};
use std::{
    collections::{HashMap, HashSet, VecDeque},
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

/// Claims judged in one transaction at most.
const BATCH: usize = 64;
/// How often it is looked at whether ledger, journal, clock and data threads can be used.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How often a ledger out of reach is tried again.
const TRY_AGAIN: Duration = Duration::from_millis(500);

/// Time of the journal's last record: the wall clock can't be much earlier.
pub(crate) fn last_seen(journal: &Journal) -> Result<Option<UnixTime>, String> {
    let mut tail = Tail::new(&journal.dir(), journal.head());
    let record = tail.next_record().map_err(|error| error.to_string())?;
    Ok(record.map(|record| record.at))
}

pub(crate) struct Registrar {
    policy: Policy,
    terms: Terms,
    ledger: Ledger,
    sessions: Arc<Sessions>,
    clock: Arc<ClockGuard>,
    health: Arc<Health>,
    tallies: Arc<Tallies>,
    answers: Sender<Answer>,
    ike_waker: Waker,
    refusals: Refusals,
    next_session: u64,
    /// Newcomers of contests, with the evidence that they will need.
    waiting: HashMap<SessionId, (Authenticated, Arc<Session>)>,
    /// The claims of those who hold a lease.
    claims: HashMap<SessionId, Box<admission::Claim>>,
    /// When each holder was last asked whether it lives.
    asked: HashMap<DeviceId, UnixTime>,
    /// What must not be lost and could not be written yet.
    undone: VecDeque<Work>,
    /// When all that admission needs was last looked at.
    looked: Option<Instant>,
    watch: Watch,
}

/// What every unit gets.
struct Terms {
    reachable: Vec<ike::payload::TrafficSelector>,
    dns: Vec<std::net::IpAddr>,
    auth_lifetime: Duration,
    off_line: OffLine,
}

/// Boxed as they came through the channel.
type Claims = Vec<Box<Claim>>;

/// What a judged claim becomes once the transaction stands.
enum Judged {
    Admitted {
        claim: Box<Claim>,
        session: Arc<Session>,
        lease: Box<Lease>,
        grant: Grant,
        evidence: Box<admission::Claim>,
    },
    Contested {
        claim: Box<Claim>,
        session: Arc<Session>,
        grant: Grant,
        holder: Party,
        evidence: Box<admission::Claim>,
    },
    Refused(Ticket, Reason),
    Dropped(Ticket, Transient),
}

/// What the registrar shares with the rest of the gateway.
pub(crate) struct Shared {
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) clock: Arc<ClockGuard>,
    pub(crate) health: Arc<Health>,
    pub(crate) tallies: Arc<Tallies>,
    pub(crate) shards: Vec<Arc<ShardCounters>>,
    pub(crate) answers: Sender<Answer>,
    pub(crate) ike_waker: Waker,
}

impl Registrar {
    pub(crate) fn new(config: &GatewayConfig, ledger: Ledger, shared: Shared) -> Self {
        let Shared { sessions, clock, health, tallies, shards, answers, ike_waker } = shared;
        let terms = Terms {
            reachable: config.ts_r(),
            dns: config.dns.clone(),
            auth_lifetime: config.auth_lifetime(),
            off_line: config.off_line,
        };
        Self {
            policy: config.policy.clone(),
            terms,
            ledger,
            sessions,
            clock,
            health,
            tallies,
            answers,
            ike_waker,
            refusals: Refusals::default(),
            next_session: 1,
            waiting: HashMap::new(),
            claims: HashMap::new(),
            asked: HashMap::new(),
            undone: VecDeque::new(),
            looked: None,
            watch: Watch::new(&shards, Instant::now()),
        }
    }

    /// Works until the IKE thread is gone and all is written, or can't be.
    pub(crate) fn run(mut self, work: &Receiver<Work>) {
        loop {
            let patience = if self.undone.is_empty() { Duration::from_secs(1) } else { TRY_AGAIN };
            match work.recv_timeout(patience) {
                Ok(first) => self.batch(first, work),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return self.finish(),
            }
            self.catch_up();
            self.look();
            self.ike_waker.wake();
        }
    }

    /// The gateway stops: writes what it still can.
    fn finish(&mut self) {
        self.catch_up();
        if let Err(error) = self.append(&NodeStopped { epoch: self.ledger.epoch().0 }) {
            tracing::error!(%error, "the end is not in the journal");
        }
    }

    fn batch(&mut self, first: Work, work: &Receiver<Work>) {
        let mut claims = Vec::new();
        for work in std::iter::once(first).chain(work.try_iter().take(BATCH - 1)) {
            match work {
                Work::Claim(claim) => claims.push(claim),
                Work::Refused(refused) => self.attach_failed(refused),
                must @ (Work::Resolve { .. }
                | Work::Closed { .. }
                | Work::Moved { .. }
                | Work::Review(_)
                | Work::EspNeverSeen(_)
                | Work::Alternates { .. }
                | Work::Spoofed { .. }) => self.undone.push_back(must),
            }
        }
        // What happened before comes first: a holder that is gone frees its lease.
        self.catch_up();
        if !claims.is_empty() {
            self.claims(claims);
        }
    }

    /// Writes what waits, in order, for as long as it can be written.
    fn catch_up(&mut self) {
        while let Some(work) = self.undone.front() {
            let done = match work {
                Work::Claim(_) | Work::Refused(_) => Ok(()),
                Work::Resolve { device, newcomer, holder, outcome } => {
                    let (device, newcomer, holder, outcome) = (*device, *newcomer, *holder, *outcome);
                    self.resolve(device, newcomer, holder, outcome)
                }
                Work::Closed { session, why } => {
                    let (session, why) = (session.clone(), why.clone());
                    self.closed(&session, &why)
                }
                Work::Moved { session, from, to } => {
                    let (session, from, to) = (session.clone(), *from, *to);
                    self.moved(&session, from, to)
                }
                Work::Review(device) => {
                    let device = *device;
                    self.review(device)
                }
                Work::EspNeverSeen(session) => {
                    let spi = session.view().children.first().map_or(Spi(0), |child| child.spi_in);
                    let event = EspNeverSeen { device: session.device, session: session.id, spi };
                    self.append(&event).map_err(LedgerError::Journal)
                }
                Work::Alternates { session, seen } => {
                    self.append(&alternation(session, seen)).map_err(LedgerError::Journal)
                }
                Work::Spoofed { session, packets } => {
                    let event =
                        SpoofedSource { device: session.device, session: session.id, packets: *packets };
                    self.append(&event).map_err(LedgerError::Journal)
                }
            };
            match done {
                Err(error) if error.is_transient() => return self.out_of_reach(&error),
                Err(error) => tracing::error!(%error, "the ledger refuses what happened"),
                Ok(()) => {}
            }
            self.undone.pop_front();
        }
    }

    fn append<T: Recorded>(&self, event: &T) -> Result<(), JournalError> {
        self.ledger.journal().append(event, self.clock.now(), Durability::Grouped).map(drop)
    }

    fn answer(&self, answer: Answer) {
        // Fails only once the IKE thread has ended.
        let _ = self.answers.send(answer);
    }

    /// Looks every now and then whether all that admission needs can be used, so that an alarm stands
    /// before the first unit is left without an answer, and ends by itself.
    fn look(&mut self) {
        if self.looked.is_some_and(|looked| looked.elapsed() < LOOK_EVERY) {
            return;
        }
        let now = Instant::now();
        self.looked = Some(now);
        let ledger = self.ledger.check().err().map(|error| error.to_string());
        let journal = self.ledger.journal().check().err().map(|error| error.to_string());
        let clock =
            "it has gone back behind the journal's last record, or since the start: no certificate is judged";
        let clock = self.clock.trusted().is_none().then(|| clock.to_owned());
        self.found(Alarm::LedgerUnreachable, ledger);
        self.found(Alarm::JournalUnwritable, journal);
        self.found(Alarm::ClockUntrusted, clock);
        let (stuck, trouble) = (self.watch.stuck(now), self.watch.trouble());
        self.found(Alarm::ShardStuck, stuck);
        self.found(Alarm::CoreUnreachable, trouble);
    }

    fn out_of_reach(&mut self, error: &LedgerError) {
        let alarm = if matches!(error, LedgerError::Journal(_)) {
            Alarm::JournalUnwritable
        } else {
            Alarm::LedgerUnreachable
        };
        self.found(alarm, Some(error.to_string()));
    }

    /// Raises or ends an alarm; says so only when that is news.
    fn found(&mut self, alarm: Alarm, wrong: Option<String>) {
        let raised = wrong.is_some();
        let changed =
            wrong.as_ref().map_or_else(|| self.health.end(alarm), |why| self.health.raise(alarm, why));
        if !changed {
            return;
        }
        let detail = wrong.unwrap_or_else(|| "it works again".into());
        if raised {
            let (alarm, next) = (alarm.code(), alarm.next());
            tracing::error!(alarm, why = detail, next, "nobody new is admitted; tunnels stay");
        } else {
            tracing::info!(alarm = alarm.code(), "over");
        }
        // The journal itself may be what is out of reach.
        let _ = self.append(&AlarmEvent { alarm: alarm.code().to_owned(), raised, detail });
    }

    fn attach_failed(&mut self, refused: Refused) {
        self.tallies.attaches.count(refused.code);
        if let Some(more) = self.refusals.admit(refused.code, Instant::now()) {
            let Refused { code, text, outer, idi } = refused;
            let event = AttachFailed { reason: code.to_owned(), detail: text, outer, claimed: idi, more };
            if let Err(error) = self.append(&event) {
                self.out_of_reach(&LedgerError::Journal(error));
            }
        }
    }

    fn claims(&mut self, claims: Claims) {
        let tickets: Vec<_> = claims.iter().map(|claim| claim.ticket).collect();
        let stands = self.health.view().alarms.into_keys().next();
        let judged = match (stands, self.clock.trusted()) {
            (None, Some(now)) => self.judge_all(claims, now),
            (stands, _) => {
                self.tallies.attaches.count(stands.unwrap_or(Alarm::ClockUntrusted).code());
                return tickets.into_iter().for_each(|ticket| self.answer(Answer::Dropped(ticket)));
            }
        };
        self.tallies.batch(tickets.len());
        match judged {
            Ok(judged) => judged.into_iter().for_each(|judged| self.say(judged)),
            Err(error) => {
                self.out_of_reach(&error);
                self.tallies.attaches.count(error.code());
                tickets.into_iter().for_each(|ticket| self.answer(Answer::Dropped(ticket)));
            }
        }
    }

    /// Judges all claims in one transaction. An error leaves every one of them unanswered.
    fn judge_all(&mut self, claims: Claims, now: UnixTime) -> Result<Vec<Judged>, LedgerError> {
        let ledger = self.ledger.clone();
        let mut tx = ledger.begin()?;
        let mut fresh = HashSet::new();
        let mut judged = Vec::with_capacity(claims.len());
        for claim in claims {
            let one = self.judge_one(&mut tx, claim, &fresh, now)?;
            if let Judged::Admitted { session, .. } = &one {
                fresh.insert(session.id);
            }
            judged.push(one);
        }
        tx.commit()?;
        Ok(judged)
    }

    fn judge_one(
        &mut self,
        tx: &mut Tx<'_>,
        claim: Box<Claim>,
        fresh: &HashSet<SessionId>,
        now: UnixTime,
    ) -> Result<Judged, LedgerError> {
        let (ticket, device) = (claim.ticket, claim.authenticated.device());
        let known = Known::read(tx, device, claim.authenticated.path().cert_sha256())?;
        let in_flight = known.lease.as_ref().is_some_and(|lease| fresh.contains(&lease.session));
        if in_flight || self.sessions.of_device(device).len() > 1 {
            return Ok(Judged::Dropped(ticket, Transient::ContestRuns));
        }
        let evidence = Box::new(evidence(&claim, &known, now));
        let holder = known.lease.as_ref().map(|lease| self.holder(lease));
        let verdict = judge(&evidence, &known.facts(), holder.as_ref(), &self.policy, now);
        match verdict.decision {
            Decision::Admit(how) => self.admit(tx, claim, known, evidence, how, &verdict, now),
            Decision::Contest => self.contest(claim, known, evidence, now),
            Decision::Refuse(reason) => {
                self.refuse(tx, &claim, &evidence, reason, &verdict, now)?;
                Ok(Judged::Refused(ticket, reason))
            }
            Decision::Drop(transient) => Ok(Judged::Dropped(ticket, transient)),
        }
    }

    fn holder(&self, lease: &Lease) -> Holder {
        let lives_here = self.sessions.get(lease.session).is_some();
        Holder {
            session: lease.session,
            claim: self.claims.get(&lease.session).map(|claim| (**claim).clone()),
            // A lease of ours without a session is what an end left that could not be written yet.
            probe: if lives_here { Probe::NotAsked } else { Probe::Unreachable },
            asked_at: self.asked.get(&lease.device).copied(),
        }
    }

    #[expect(clippy::too_many_arguments, reason = "all that an admission is made of")]
    fn admit(
        &mut self,
        tx: &mut Tx<'_>,
        claim: Box<Claim>,
        known: Known,
        evidence: Box<admission::Claim>,
        how: Admit,
        verdict: &Verdict,
        now: UnixTime,
    ) -> Result<Judged, LedgerError> {
        let (session, grant) = self.begin(&claim, &known, now);
        let event = AdmittedEvent {
            device: session.device,
            session: session.id,
            cert_sha256: session.cert_sha256,
            outer: session.outer(),
            inner: session.inner().collect(),
            line: known.line.map(|line| line.line),
            how: how.code().to_owned(),
            rules: verdict.rules.to_owned(),
            reasons: verdict.exception.clone().into_iter().collect(),
            claim: as_written(&evidence),
        };
        let event = self.ledger.journal().append(&event, now, Durability::Grouped)?;
        let lease = Box::new(self.lease(&session, now));
        tx.take_lease(&lease, event)?;
        Ok(Judged::Admitted { claim, session, lease, grant, evidence })
    }

    fn contest(
        &mut self,
        claim: Box<Claim>,
        known: Known,
        evidence: Box<admission::Claim>,
        now: UnixTime,
    ) -> Result<Judged, LedgerError> {
        let holder = known.lease.as_ref().and_then(|lease| self.sessions.get(lease.session));
        let Some(holder) = holder else { return Ok(Judged::Dropped(claim.ticket, Transient::ContestRuns)) };
        let (session, grant) = self.begin(&claim, &known, now);
        let event = Contested {
            device: session.device,
            holder: holder.id,
            holder_outer: holder.outer(),
            newcomer: session.id,
            newcomer_outer: session.outer(),
            inner: session.inner().collect(),
            claim: as_written(&evidence),
        };
        self.ledger.journal().append(&event, now, Durability::Grouped)?;
        let interval = self.policy.probe_interval();
        self.asked.retain(|_, asked| now.since(*asked) < interval);
        self.asked.insert(session.device, now);
        let holder = Party { sa: holder.sa, session: holder.id };
        Ok(Judged::Contested { claim, session, grant, holder, evidence })
    }

    fn refuse(
        &self,
        tx: &mut Tx<'_>,
        claim: &Claim,
        evidence: &admission::Claim,
        reason: Reason,
        verdict: &Verdict,
        now: UnixTime,
    ) -> Result<(), LedgerError> {
        let event = RefusedEvent {
            device: evidence.device,
            cert_sha256: evidence.cert_sha256,
            outer: claim.authenticated.auth().path().peer,
            reason: reason.code().to_owned(),
            detail: reason.to_string(),
            rules: verdict.rules.to_owned(),
            claim: as_written(evidence),
        };
        self.ledger.journal().append(&event, now, Durability::Grouped)?;
        if reason.opens_incident() {
            let new = NewIncident {
                kind: reason.code(),
                devices: vec![evidence.device],
                summary: format!("{}: {reason}", evidence.device),
                evidence: json!({ "claim": as_json(evidence) }),
            };
            tx.open_incident(new, "admission", now)?;
        }
        Ok(())
    }

    /// A session that is not told to anyone yet, and what its unit gets.
    fn begin(&mut self, claim: &Claim, known: &Known, now: UnixTime) -> (Arc<Session>, Grant) {
        let id = SessionId { epoch: self.ledger.epoch(), number: self.next_session };
        self.next_session += 1;
        let path = claim.authenticated.path();
        let of_path = path.remaining(now);
        let lifetime = of_path.min(self.terms.auth_lifetime);
        let device = known.device.as_ref();
        let (inner_v4, inner_v6) = (device.and_then(|d| d.inner_v4), device.and_then(|d| d.inner_v6));
        let session = Session::begin(Beginning {
            id,
            sa: claim.sa,
            device: claim.authenticated.device(),
            cert_sha256: path.cert_sha256(),
            inner_v4,
            inner_v6,
            outer: claim.authenticated.auth().path().peer,
            since: now,
            until: now.after(lifetime),
        });
        let grant = Grant {
            inner_v4,
            inner_v6: inner_v6.map(|v6| (v6, 128)),
            dns: self.terms.dns.clone(),
            ts_r: self.terms.reachable.clone(),
            auth_lifetime: self.terms.auth_lifetime,
            expires_in: lifetime,
        };
        (Arc::new(session), grant)
    }

    fn lease(&self, session: &Session, now: UnixTime) -> Lease {
        Lease {
            device: session.device,
            node: self.ledger.node().clone(),
            epoch: self.ledger.epoch(),
            session: session.id,
            cert_sha256: session.cert_sha256,
            outer: session.outer(),
            since: now,
        }
    }

    /// The transaction stands: tells the IKE thread.
    fn say(&mut self, judged: Judged) {
        match judged {
            Judged::Refused(ticket, reason) => {
                self.tallies.attaches.count(reason.code());
                self.answer(Answer::Refused(ticket));
            }
            Judged::Dropped(ticket, transient) => {
                self.tallies.attaches.count(transient.code());
                self.answer(Answer::Dropped(ticket));
            }
            Judged::Admitted { claim, session, lease, grant, evidence } => {
                let (ticket, path) = (claim.ticket, claim.authenticated.auth().path());
                let Some(admitted) = Admitted::new(&claim.authenticated, *lease, &session) else {
                    tracing::error!(device = %session.device, "a lease that does not fit its evidence");
                    return self.answer(Answer::Dropped(ticket));
                };
                self.tallies.attaches.count("admitted");
                self.claims.insert(session.id, evidence);
                self.sessions.insert(session.clone());
                self.answer(Answer::Admitted { ticket, admitted, session, path, grant });
            }
            Judged::Contested { claim, session, grant, holder, evidence } => {
                let (ticket, path) = (claim.ticket, claim.authenticated.auth().path());
                self.tallies.attaches.count("contested");
                self.claims.insert(session.id, evidence);
                self.waiting.insert(session.id, (claim.authenticated, session.clone()));
                self.sessions.insert(session.clone());
                self.answer(Answer::Contested { ticket, session, path, grant, holder });
            }
        }
    }

    fn resolve(
        &mut self,
        device: DeviceId,
        newcomer: Party,
        holder: Party,
        outcome: Outcome,
    ) -> Result<(), LedgerError> {
        let (stays, goes) = match outcome {
            Outcome::HolderMadeRoom | Outcome::HolderSilent => (newcomer.session, holder.session),
            Outcome::HolderStays { .. } | Outcome::NewcomerLeft => (holder.session, newcomer.session),
        };
        let how = match outcome {
            Outcome::HolderMadeRoom => "made-room",
            Outcome::HolderSilent => "holder-silent",
            Outcome::HolderStays { .. } => "holder-alive",
            Outcome::NewcomerLeft => "newcomer-left",
        };
        let now = self.clock.now();
        let ledger = self.ledger.clone();
        let mut tx = ledger.begin()?;
        let incident = match outcome {
            Outcome::HolderStays { round_trip } => Some(
                tx.open_incident(self.second_claim(device, newcomer, holder, round_trip), "admission", now)?
                    .number,
            ),
            Outcome::HolderMadeRoom | Outcome::HolderSilent | Outcome::NewcomerLeft => None,
        };
        let event = ContestResolved {
            device,
            stays,
            goes,
            how: how.to_owned(),
            incident,
            rules: admission::RULES.to_owned(),
        };
        let event = self.ledger.journal().append(&event, now, Durability::Grouped)?;
        let takes_over = (stays == newcomer.session).then(|| self.waiting.get(&newcomer.session)).flatten();
        let lease = takes_over.map(|(_, session)| self.lease(session, now));
        if let Some(lease) = &lease {
            tx.take_lease(lease, event)?;
        }
        tx.commit()?;
        self.tallies.settled.count(how);
        if goes == newcomer.session {
            self.claims.remove(&goes);
        }
        if let (Some((authenticated, session)), Some(lease)) = (self.waiting.remove(&newcomer.session), lease)
            && let Some(admitted) = Admitted::new(&authenticated, lease, &session)
        {
            self.answer(Answer::Moved(admitted));
        }
        Ok(())
    }

    fn second_claim(
        &self,
        device: DeviceId,
        newcomer: Party,
        holder: Party,
        round_trip: Option<Duration>,
    ) -> NewIncident {
        let side = |party: Party| {
            let claim = self.claims.get(&party.session).map_or(Value::Null, |claim| as_json(claim));
            json!({ "session": party.session.to_string(), "claim": claim })
        };
        let answered = round_trip.map(|span| format!("{:.1} ms", span.as_secs_f64() * 1000.0));
        NewIncident {
            kind: Reason::SecondClaim.code(),
            devices: vec![device],
            summary: format!("{device}: {}", Reason::SecondClaim),
            evidence: json!({
                "newcomer": side(newcomer),
                "holder": side(holder),
                "probe": { "answered": true, "round_trip": answered },
            }),
        }
    }

    fn closed(&mut self, session: &Session, why: &Why) -> Result<(), LedgerError> {
        let ledger = self.ledger.clone();
        let mut tx = ledger.begin()?;
        let bytes = (session.traffic.uplink.view().octets, session.traffic.downlink.view().octets);
        let why_text = why.code().to_owned();
        let event = SessionClosed { device: session.device, session: session.id, why: why_text, bytes };
        self.append(&event)?;
        if let Some(lease) = tx.lease(session.device)?.filter(|lease| lease.session == session.id) {
            tx.release_lease(&lease)?;
        }
        tx.commit()?;
        self.tallies.closed.count(why.code());
        // The newcomer of a contest is still spoken of when that is settled.
        if *why == Why::NeverStood || !self.waiting.contains_key(&session.id) {
            self.waiting.remove(&session.id);
            self.claims.remove(&session.id);
        }
        Ok(())
    }

    fn moved(&mut self, session: &Session, from: SocketAddr, to: SocketAddr) -> Result<(), LedgerError> {
        let ledger = self.ledger.clone();
        let mut tx = ledger.begin()?;
        let known = Known::read(&mut tx, session.device, session.cert_sha256)?;
        tx.commit()?;
        let on_line = known.line.as_ref().and_then(|line| line.covers(to.ip()));
        self.append(&PathChanged { device: session.device, session: session.id, from, to, on_line })?;
        self.seen_at(session.id, on_line == Some(false));
        Ok(())
    }

    /// A unit is outside the network of its line, or is not known to be.
    fn seen_at(&self, session: SessionId, outside: bool) {
        match (self.terms.off_line, outside) {
            (OffLine::Hold, outside) => self.answer(Answer::Line { session, outside }),
            (OffLine::Close, true) => self.answer(Answer::End { session, why: Why::LeftLine }),
            (OffLine::Close, false) | (OffLine::Keep, _) => {}
        }
    }

    /// Judges those who are attached anew, after something about their unit has changed.
    fn review(&mut self, device: DeviceId) -> Result<(), LedgerError> {
        let now = self.clock.now();
        for session in self.sessions.of_device(device) {
            let Some(claim) = self.claims.get(&session.id).map(|claim| (**claim).clone()) else { continue };
            let ledger = self.ledger.clone();
            let mut tx = ledger.begin()?;
            let known = Known::read(&mut tx, device, session.cert_sha256)?;
            tx.commit()?;
            let current = admission::Claim {
                outer: Outer { address: session.outer(), ..claim.outer.clone() },
                ..claim
            };
            let verdict = judge(&current, &known.facts(), None, &self.policy, now);
            match verdict.decision {
                Decision::Refuse(Reason::ForeignNetwork) => self.seen_at(session.id, true),
                Decision::Refuse(reason) => {
                    let why = Why::Device(reason.code().to_owned());
                    self.answer(Answer::End { session: session.id, why });
                }
                Decision::Admit(_) | Decision::Contest | Decision::Drop(_) => self.seen_at(session.id, false),
            }
        }
        Ok(())
    }
}

fn alternation(session: &Session, seen: &Alternation) -> PathAlternates {
    PathAlternates {
        device: session.device,
        session: session.id,
        paths: seen.places.into_iter().flatten().collect(),
        changes: seen.changes,
        within_ms: u64::try_from(seen.within.as_millis()).unwrap_or(u64::MAX),
    }
}
