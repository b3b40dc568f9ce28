//! The registrar: the one thread that works with ledger and journal. It takes work from the IKE thread
//! in batches, so that many claims share one commit, and never holds up a packet.
//!
//! While ledger or journal is out of reach, claims are left unanswered and everything that must not be
//! lost waits here; an alarm stands, tunnels go on.
//!
//! What the journal says has happened, whatever fails in between. A row's intent is written before the
//! row; `ledger` sees to that and finishes it. A lease is never finished later, and the record of the
//! admission that explains it must come first: it is written last before the commit, and
//! `admission.voided` takes it back if the lease does not stand. What has no row is written as the last
//! step, once the transaction stands, so that what is tried again was not written before.

mod alarms;
mod away;
mod calls;
mod ceiling;
mod claims;
mod contests;
mod extension;
mod facts;
mod found_out;
mod held_back;
mod incidents;
mod management;
mod pairs;
mod quarantine;
mod review;
mod reviews;
mod sessions;
mod shadow;
mod trust;
mod two;

use crate::{
    CaCheck, Check, GatewayConfig, Issuers, OffLine, Origins,
    classes::{Class, Classes},
    clock::ClockGuard,
    hand_off::{Answer, Refused, Work},
    health::{Alarm, Health},
    quarantine::Pool,
    refusals::{Beyond, Pace, Refusals},
    sessions::Sessions,
    shard::ShardCounters,
    stats::Tallies,
    waker::Waker,
    watch::Watch,
    witness::Delivery,
    work_queue::WorkQueue,
};
use admission::{Policy, Reason};
use away::Away;
use calls::Calls;
use ceiling::Ceiling;
use contests::Newcomer;
use crossbeam_channel::Sender;
use events::{
    Durability, JournalError, Recorded,
    admission::Voided,
    gateway::{
        AttachFailed, EspNeverSeen, LateralAttempt, NodeStopped, OutOfReach, PathUnproven, SpoofedSource,
    },
};
use ids::{DeviceId, Network, SessionId, Spi};
use ledger::{Ledger, LedgerError};
use reviews::Reviews;
use shadow::Shadow;
use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, mpsc::RecvTimeoutError},
    time::{Duration, Instant},
};

/// Claims judged in one transaction at most.
const BATCH: usize = 64;
/// How often a ledger out of reach is tried again.
const TRY_AGAIN: Duration = Duration::from_millis(500);

/// Records of one unit refused for one reason; each counts what was left out. Reckoned at 2.5 kB each, copies of the
/// keys of 189,000 units fill 1.4 GB at once, then 11 GB a day.
const REFUSED: Pace = Pace { burst: 3, every: Duration::from_secs(3600), room: 1 << 18, beyond: Beyond::One };
/// Incidents of one unit about two who have its key, by kind and conclusion, each with all that the two were judged by: 15 kB.
/// While one is open the others count on it. Copies of all keys, beside their units, add 8.5 GB to the above at once, then 3 GB
/// a day.
const TWO: Pace = Pace { burst: 3, every: Duration::from_secs(86_400), room: 1 << 18, beyond: Beyond::One };
/// Claims of one unit from its home, and from anywhere else, each with some 2.5 kB in the journal: a unit that has to
/// attach anew does so once a day.
const ATTACHES: Pace =
    Pace { burst: 20, every: Duration::from_secs(60), room: 1 << 18, beyond: Beyond::Through };

pub(crate) struct Registrar {
    policy: Policy,
    terms: Terms,
    ledger: Ledger,
    sessions: Arc<Sessions>,
    clock: Arc<ClockGuard>,
    health: Arc<Health>,
    delivery: Arc<Delivery>,
    tallies: Arc<Tallies>,
    answers: Sender<Answer>,
    ike_waker: Waker,
    /// Attempts of strangers, by reason.
    failed: Refusals<&'static str>,
    /// Refused units, by unit and reason.
    refused: Refusals<(DeviceId, Reason)>,
    /// Incidents about two who have one key, by unit, kind and conclusion.
    told: Refusals<(DeviceId, &'static str, Option<&'static str>)>,
    /// Claims of each unit: those from its home, and those from anywhere else together.
    paces: Refusals<(DeviceId, Option<Network>)>,
    next_session: u64,
    /// Who waits for the end of a contest, by device: no other claim on that is judged meanwhile.
    newcomers: HashMap<DeviceId, Newcomer>,
    /// Who has which place in quarantine.
    quarantine: Pool,
    /// The claims of those who have a session.
    claims: HashMap<SessionId, Box<admission::Claim>>,
    /// When each session was last asked, as a holder, whether it lives.
    asked: HashMap<SessionId, Instant>,
    /// Holders that were ended by what was concluded of them.
    ceiling: Ceiling,
    /// Radios that were ordered off by that.
    radios: Ceiling,
    /// Sessions that go on for an emergency call.
    calls: Calls,
    /// Whose unit is not on its line.
    away: Away,
    /// Admissions that the journal has and that did not come to be, not taken back yet.
    voided: VecDeque<Voided>,
    /// What must not be lost and could not be written yet.
    undone: VecDeque<Work>,
    /// Units whose sessions are to be judged anew: a part of them each round, as there may be all.
    reviews: Reviews,
    /// Something could not be written a moment ago.
    stumbled: bool,
    /// When all that admission needs was last looked at.
    looked: Option<Instant>,
    watch: Watch,
    shadow: Shadow,
    /// Octets on the journal's disk that strangers never fill.
    disk_reserve: u64,
    outside: Outside,
    /// Whose certificates end while nobody gets a new one, and when they were counted.
    ca_down: Option<(Instant, String)>,
}

/// Who is asked that the gateway does not have itself.
pub(crate) struct Outside {
    pub(crate) core_check: Check,
    pub(crate) ca_key_check: Check,
    pub(crate) ca_check: CaCheck,
    pub(crate) issuers: Arc<dyn Issuers>,
    pub(crate) origins: Arc<dyn Origins>,
}

/// What units get.
struct Terms {
    classes: Classes,
    /// What units in quarantine may reach.
    quarantine: Option<Arc<Class>>,
    dns: Vec<std::net::IpAddr>,
    auth_lifetime: Duration,
    off_line: OffLine,
}

impl Terms {
    fn new(config: &GatewayConfig) -> Self {
        Self {
            classes: Classes::new(config),
            quarantine: config.quarantine.as_ref().map(|own| Arc::new(Class::new(&own.reach, &[]))),
            dns: config.dns.clone(),
            auth_lifetime: config.auth_lifetime(),
            off_line: config.off_line,
        }
    }
}

/// What the registrar shares with the rest of the gateway.
pub(crate) struct Shared {
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) clock: Arc<ClockGuard>,
    pub(crate) health: Arc<Health>,
    pub(crate) delivery: Arc<Delivery>,
    pub(crate) tallies: Arc<Tallies>,
    pub(crate) shards: Vec<Arc<ShardCounters>>,
    pub(crate) outside: Outside,
    pub(crate) answers: Sender<Answer>,
    pub(crate) ike_waker: Waker,
}

impl Registrar {
    pub(crate) fn new(config: &GatewayConfig, ledger: Ledger, shared: Shared) -> Self {
        let Shared { sessions, clock, health, delivery, tallies, shards, outside, answers, ike_waker } =
            shared;
        Self {
            policy: config.policy.clone(),
            terms: Terms::new(config),
            ledger,
            sessions,
            clock,
            health,
            delivery,
            tallies,
            answers,
            ike_waker,
            failed: Refusals::default(),
            refused: Refusals::new(REFUSED),
            told: Refusals::new(TWO),
            paces: Refusals::new(ATTACHES),
            next_session: 1,
            newcomers: HashMap::new(),
            quarantine: Pool::new(config.quarantine.as_ref()),
            claims: HashMap::new(),
            asked: HashMap::new(),
            ceiling: Ceiling::default(),
            radios: Ceiling::default(),
            calls: Calls::default(),
            away: Away::default(),
            voided: VecDeque::new(),
            undone: VecDeque::from([Work::Extension, Work::Policy, Work::Pairs]),
            reviews: Reviews::default(),
            stumbled: false,
            looked: None,
            watch: Watch::new(&shards, Instant::now()),
            shadow: Shadow::default(),
            disk_reserve: config.disk_reserve,
            outside,
            ca_down: None,
        }
    }

    /// Works until the IKE thread is gone and all is written, or can't be.
    pub(crate) fn run(mut self, work: &WorkQueue) {
        self.recall_good();
        self.look();
        loop {
            let patience = self.patience();
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

    fn patience(&self) -> Duration {
        let all_written = self.undone.is_empty() && self.voided.is_empty() && self.shadow.unwritten() == 0;
        if !all_written || self.stumbled {
            TRY_AGAIN
        } else if self.reviews.is_empty() {
            Duration::from_secs(1)
        } else {
            Duration::ZERO
        }
    }

    /// The gateway stops: writes what it still can, and names what it can't.
    fn finish(&mut self) {
        self.catch_up();
        for voided in &self.voided {
            tracing::error!(session = %voided.session, "its voided admission could not be written any more");
        }
        for work in &self.undone {
            tracing::error!(%work, "could not be written any more");
        }
        let unwritten = (self.voided.len() + self.undone.len() + self.shadow.unwritten()) as u64;
        if let Err(error) = self.append(&NodeStopped { epoch: self.ledger.epoch().0, unwritten }) {
            tracing::error!(%error, "the end is not in the journal");
        }
    }

    fn batch(&mut self, first: Work, work: &WorkQueue) {
        let mut claims = Vec::new();
        for work in std::iter::once(first).chain(work.try_iter().take(BATCH - 1)) {
            match work {
                Work::Claim(claim) => claims.push(claim),
                Work::Refused(refused) => self.attach_failed(refused),
                Work::Review(device) => self.reviews.insert(device),
                must @ (Work::Resolve { .. }
                | Work::Closed { .. }
                | Work::Moved { .. }
                | Work::EspNeverSeen(_)
                | Work::Alternates { .. }
                | Work::Spoofed { .. }
                | Work::Lateral { .. }
                | Work::OutOfReach { .. }
                | Work::Unproven { .. }
                | Work::Pairs
                | Work::Policy
                | Work::Extension
                | Work::Configure(_)
                | Work::Tripped(_)) => self.must(must),
            }
        }
        // What happened before comes first: a holder that is gone frees its lease.
        self.catch_up();
        if !claims.is_empty() {
            self.claims(claims);
        }
    }

    fn must(&mut self, work: Work) {
        let waiting = &mut self.undone;
        if let Some(work) = waiting.iter_mut().try_fold(work, |work, earlier| earlier.absorb(work)) {
            waiting.push_back(work);
        }
    }

    fn catch_up(&mut self) {
        self.take_recalled();
        let done = self.write_what_waits();
        self.stumbled = done.is_err();
        if let Err(error) = done {
            self.out_of_reach(&error);
        }
    }

    /// In order, for as long as it can be written.
    fn write_what_waits(&mut self) -> Result<(), LedgerError> {
        while let Some(voided) = self.voided.front() {
            self.append(voided)?;
            self.voided.pop_front();
        }
        while let Some(work) = self.undone.pop_front() {
            match self.carry_out(&work) {
                Err(error) if error.is_transient() => {
                    self.undone.push_front(work);
                    return Err(error);
                }
                Err(error) => tracing::error!(%error, "the ledger refuses what happened"),
                Ok(()) => {}
            }
        }
        self.review_some()?;
        self.write_observed()
    }

    fn review_some(&mut self) -> Result<(), LedgerError> {
        for _ in 0..BATCH {
            let Some(device) = self.reviews.next() else { break };
            match self.review(device) {
                Err(error) if error.is_transient() => return Err(error),
                Err(error) => tracing::error!(%device, %error, "the ledger refuses what happened"),
                Ok(()) => {}
            }
            self.reviews.done(device);
        }
        Ok(())
    }

    fn carry_out(&mut self, work: &Work) -> Result<(), LedgerError> {
        match work {
            Work::Claim(_) | Work::Refused(_) | Work::Review(_) => {}
            Work::Resolve { contest, outcome } => self.resolve(contest, *outcome)?,
            Work::Closed { session, why } => self.closed(session, why)?,
            Work::Moved { session, from, to } => self.moved(session, *from, *to)?,
            Work::EspNeverSeen(session) => {
                let spi = session.view().children.first().map_or(Spi(0), |child| child.spi_in);
                self.append(&EspNeverSeen { device: session.device, session: session.id, spi })?;
            }
            Work::Alternates { session, seen } => self.append(&sessions::alternation(session, seen))?,
            Work::Spoofed { session, packets } => {
                let (device, session, packets) = (session.device, session.id, *packets);
                self.append(&SpoofedSource { device, session, packets })?;
            }
            Work::Lateral { session, packets, to } => {
                let (device, session, packets) = (session.device, session.id, *packets);
                let (protocol, port, to) = (to.protocol_word(), to.port, to.address);
                self.append(&LateralAttempt { device, session, packets, to, protocol, port })?;
            }
            Work::OutOfReach { session, packets, to } => {
                let (device, session, packets) = (session.device, session.id, *packets);
                let (protocol, port, to) = (to.protocol_word(), to.port, to.address);
                self.append(&OutOfReach { device, session, packets, to, protocol, port })?;
            }
            Work::Unproven { session, packets, from } => {
                let (device, session, packets) = (session.device, session.id, *packets);
                self.append(&PathUnproven { device, session, packets, from: *from })?;
            }
            Work::Pairs => self.pairs()?,
            Work::Policy => self.reread_modes()?,
            Work::Extension => self.reread_extension()?,
            Work::Configure(config) => self.configure(config),
            Work::Tripped(tripped) => self.tripped(tripped)?,
        }
        Ok(())
    }

    fn append<T: Recorded>(&self, event: &T) -> Result<(), JournalError> {
        self.ledger.journal().append(event, self.clock.now(), Durability::Grouped).map(drop)
    }

    fn answer(&self, answer: Answer) {
        // Fails only once the IKE thread has ended.
        let _ = self.answers.send(answer);
    }

    fn attach_failed(&mut self, refused: Refused) {
        self.tallies.attaches.count(refused.code);
        if self.health.has(Alarm::DiskLow) {
            return self.failed.leave_out(refused.code, Instant::now());
        }
        if let Some(more) = self.failed.admit(refused.code, Instant::now()) {
            let Refused { code, text, outer, idi } = refused;
            let event = AttachFailed { reason: code.to_owned(), detail: text, outer, claimed: idi, more };
            if let Err(error) = self.append(&event) {
                self.out_of_reach(&LedgerError::Journal(error));
            }
        }
    }
}
