//! Claims: many in one transaction. All of them are read and judged before anything is written, and the
//! journal hears of an admission last before the commit.

use super::{
    Registrar,
    contests::Newcomer,
    management::FoundOut,
    shadow::LetIn,
    trust::{Attach, End, record},
    two::Two,
};
use crate::{
    contest::Party,
    evidence::{Known, as_json, as_written, evidence, outer, revocation, weighed},
    hand_off::{Admitted, Answer, Claim, Refused},
    health::Alarm,
    management::{Ours, management, radio::BEFORE_CLAIM},
    sessions::{Beginning, Session},
};
use admission::{
    Admit, Appraisal, Conclusion, Decision, Evidence, Facts, Holder, Management, Probe, Reason, Transient,
    Verdict, appearance, judge,
};
use events::{
    Durability,
    admission::{Admitted as AdmittedEvent, Contested, Refused as RefusedEvent, Voided, Weighed},
};
use ids::{DeviceId, Network, SessionId, Sha256, UnixTime};
use ike::{Grant, Ticket};
use ledger::{
    Appearance, Finding, KeyUse, Lease, LedgerError, NewIncident, Profile, Sides, Tx, management::Side,
    trust::TrustEvidence,
};
use serde_json::json;
use std::{collections::HashSet, sync::Arc, time::Instant};
use x509::Standing;

/// Boxed as they came through the channel.
pub(super) type Claims = Vec<Box<Claim>>;

/// What the claims of one transaction have to do with each other.
#[derive(Default)]
struct Batch {
    /// Units that are being let in.
    taken: HashSet<DeviceId>,
    /// Rows that were left out.
    tampered: Vec<Finding>,
}

/// A claim that was looked at, and nothing written yet.
enum Looked {
    Admit { case: Case, how: Admit, weighed: Weighed, exception: Option<String> },
    Contest { case: Case, holder: Arc<Session>, weighed: Weighed },
    Refuse(Refusal),
    TooOften(Ticket, Box<Refused>),
    Drop(Ticket, Transient),
}

/// A claim with all that is known about it.
struct Case {
    claim: Box<Claim>,
    known: Known,
    evidence: Box<admission::Claim>,
    let_in: LetIn,
    /// What is known of it.
    own: Appraisal,
    /// Another who has its key, if that is known.
    two: Option<Box<Two>>,
}

/// What a refusal tells.
struct Refusal {
    ticket: Ticket,
    evidence: Box<admission::Claim>,
    reason: Reason,
    detail: String,
    weighed: Weighed,
    /// What is known of it, and another who has its key, if that is known.
    own: Appraisal,
    two: Option<Box<Two>>,
    /// What it means, and whose cells that is told.
    conclusion: Option<Conclusion>,
    sides: Option<Box<Sides>>,
    known: Box<Known>,
    /// The use of a key that somebody else may have, too.
    shown: Option<Box<Shown>>,
    /// How many more of the same were left out since it was last written down; `None` when this one is, too.
    more: Option<u64>,
}

/// The key that was shown, and by whom.
struct Shown {
    spki_sha256: Sha256,
    by: KeyUse,
}

/// As what a session begins.
#[derive(Clone, Copy, PartialEq, Eq)]
enum As {
    Admitted,
    Contesting,
}

/// What a claim becomes once the transaction stands.
enum Judged {
    Admitted { case: Case, session: Arc<Session>, lease: Box<Lease>, grant: Grant },
    Contested { case: Case, holder: Arc<Session>, weighed: Weighed },
    Refused(Refusal),
    TooOften(Ticket, Box<Refused>),
    Dropped(Ticket, &'static str),
}

impl Registrar {
    pub(super) fn claims(&mut self, claims: Claims) {
        let tickets: Vec<_> = claims.iter().map(|claim| claim.ticket).collect();
        let stands = self.health.view().alarms.into_keys().find(|alarm| alarm.stops_admission());
        let (None, Some(now)) = (stands, self.clock.trusted()) else {
            self.tallies.attaches.count(stands.unwrap_or(Alarm::ClockUntrusted).code());
            return tickets.into_iter().for_each(|ticket| self.answer(Answer::Dropped(ticket)));
        };
        self.tallies.batch(tickets.len());
        let came: Vec<_> = claims.iter().map(|claim| claim.came).collect();
        match self.judge_all(claims, now) {
            Ok(judged) => {
                judged.into_iter().for_each(|judged| self.say(judged, now));
                came.iter().for_each(|came| self.tallies.times.count(came.elapsed()));
            }
            Err(error) => {
                self.out_of_reach(&error);
                tickets.into_iter().for_each(|ticket| self.drop_for(ticket, error.code()));
            }
        }
    }

    fn drop_for(&mut self, ticket: Ticket, code: &'static str) {
        self.tallies.attaches.count(code);
        self.answer(Answer::Dropped(ticket));
    }

    /// Judges all claims in one transaction. An error leaves every one of them unanswered, and takes back
    /// what the journal has of them.
    fn judge_all(&mut self, claims: Claims, now: UnixTime) -> Result<Vec<Judged>, LedgerError> {
        let ledger = self.ledger.clone();
        let mut tx = ledger.begin()?;
        let mut batch = Batch::default();
        let looked: Result<Vec<_>, _> =
            claims.into_iter().map(|claim| self.look_at(&mut tx, claim, &mut batch, now)).collect();
        batch.tampered.iter().try_for_each(|found| tell_tampered(&mut tx, found, now))?;
        let mut told = Vec::new();
        let judged: Result<Vec<_>, _> =
            looked?.into_iter().map(|looked| self.write(&mut tx, looked, &mut told, now)).collect();
        let done = judged.and_then(|judged| tx.commit().map(|()| judged));
        if done.is_err() {
            self.voided.extend(told);
        }
        done
    }

    /// Reads and judges.
    ///
    /// # Errors
    /// The transient ones; a row that can't be believed is this claim's own misfortune.
    fn look_at(
        &mut self,
        tx: &mut Tx<'_>,
        claim: Box<Claim>,
        batch: &mut Batch,
        now: UnixTime,
    ) -> Result<Looked, LedgerError> {
        let (ticket, device) = (claim.ticket, claim.authenticated.device());
        if batch.taken.contains(&device) || self.newcomers.contains_key(&device) {
            return Ok(Looked::Drop(ticket, Transient::ContestRuns));
        }
        let here = (claim.authenticated.auth().path().peer, &*self.outside.origins);
        let known = match Known::read(tx, device, claim.authenticated.path().cert_sha256(), here, now) {
            Ok(known) => known,
            Err(error) if error.is_transient() => return Err(error),
            Err(error) => return Ok(Looked::Refuse(self.unreadable(&claim, &error, now))),
        };
        batch.tampered.extend(known.tampered.clone());
        let standing = self.issuer_says(&claim, &known, now);
        let evidence = Box::new(evidence(&claim, &known, standing, &*self.outside.origins, now));
        let holder = known.lease.as_ref().map(|lease| self.holder(lease, &known, now));
        let facts = self.facts(&known);
        let verdict = judge(&evidence, &facts, holder.as_ref(), &self.policy, &self.shadow.modes, now);
        let verdict_before = |before| {
            let standing = self.issuer_says(&claim, &known, before);
            let revocation = revocation(known.credential.as_ref(), standing, before);
            let evidence = admission::Claim { revocation, ..(*evidence).clone() };
            let modes = &self.shadow.modes;
            judge(&evidence, &facts, holder.as_ref(), &self.policy, modes, before)
        };
        if self.is_by_the_jump(&verdict, verdict_before) {
            return Ok(Looked::Drop(ticket, Transient::ClockJumped));
        }
        let gets_in = matches!(verdict.decision, Decision::Admit(_) | Decision::Contest);
        if gets_in && !self.is_in_pace(&claim) {
            return Ok(Looked::TooOften(ticket, Box::new(too_often(&claim))));
        }
        let outer = evidence.outer.address.ip();
        let against = against(verdict.decision).filter(|_| !self.sessions.is_attached(device));
        if let Some(reason) = against {
            self.hit(reason, device, outer, now);
            if self.is_too_early(reason) {
                return Ok(Looked::Drop(ticket, Transient::NotRecalled));
            }
        }
        let let_in = LetIn::new(&verdict, outer);
        let case = || {
            let modes = &self.shadow.modes;
            admission::Case::new(&evidence, &facts, holder.as_ref(), &self.policy, modes, now)
        };
        let two = Two::of(&verdict, case).map(Box::new);
        let own = verdict.own.clone();
        let looked = self.follow(Case { claim, known, evidence, let_in, own, two }, verdict, now);
        if gets_in {
            batch.taken.insert(device);
        }
        Ok(looked)
    }

    /// A claim whose rows can't be believed: nothing of the ledger is used.
    fn unreadable(&self, claim: &Claim, error: &LedgerError, now: UnixTime) -> Refusal {
        let evidence = Box::new(evidence(claim, &Known::default(), None, &*self.outside.origins, now));
        let (ticket, reason) = (claim.ticket, Reason::RowTampered);
        let (detail, weighed) = (error.to_string(), Weighed::default());
        let own = Appraisal::default();
        Refusal {
            ticket,
            evidence,
            reason,
            detail,
            weighed,
            own,
            two: None,
            conclusion: None,
            sides: None,
            known: Box::default(),
            shown: None,
            more: None,
        }
    }

    /// Only what the ledger has is asked about from now on: the others are refused whatever their CA says.
    fn issuer_says(&self, claim: &Claim, known: &Known, now: UnixTime) -> Option<Standing> {
        let path = claim.authenticated.path();
        let device = known.credential.as_ref().map(|credential| credential.device);
        self.outside.issuers.standing(path.path(), &path.serial(), device, now)
    }

    /// It is refused by the later time alone, and the clock has been set forward.
    fn is_by_the_jump(&self, verdict: &Verdict, verdict_at: impl Fn(UnixTime) -> Verdict) -> bool {
        let refuses = |verdict: &Verdict| against(verdict.decision).is_some();
        let before = self.clock.before_jump().filter(|_| refuses(verdict));
        before.is_some_and(|before| !refuses(&verdict_at(before)))
    }

    /// A unit, or a copy of it, that attaches again and again must not fill the journal, and a copy must not use up
    /// what is the unit's own.
    fn is_in_pace(&mut self, claim: &Claim) -> bool {
        let (device, outer) = (claim.authenticated.device(), claim.authenticated.auth().path().peer.ip());
        let home = self.shadow.home(device).map(Network::site).filter(|home| *home == Network::site(outer));
        self.paces.admit((device, home), Instant::now()).is_some()
    }

    /// What is known about a unit, with where it was good lately.
    pub(super) fn facts<'a>(&self, known: &'a Known) -> Facts<'a> {
        let device = known.device.as_ref();
        let good_at = device.and_then(|device| self.shadow.home(device.id)).map(Network::of);
        let (credential, limit) = (known.credential.as_ref(), self.policy.ends_per_hour);
        let holder_may_go = self.ceiling.has_room(device, credential, limit, Instant::now());
        Facts { good_at, holder_may_go, holder_has_call: self.holder_has_call(known), ..known.facts() }
    }

    fn holder_has_call(&self, known: &Known) -> bool {
        let holder = known.lease.as_ref().and_then(|lease| self.sessions.get(lease.session));
        holder.is_some_and(|holder| self.would_wait(&holder))
    }

    /// A claim that has been let in, from where its session is now.
    pub(super) fn claim_now(
        &self,
        session: SessionId,
        known: &Known,
        now: UnixTime,
    ) -> Option<admission::Claim> {
        let claim = self.claims.get(&session)?;
        let session = self.sessions.get(session);
        let address = session.as_ref().map_or(claim.outer.address, |session| session.outer());
        let outer = outer(address, known, &*self.outside.origins, now);
        let facts = session.map_or_else(|| claim.facts.clone(), |one| self.facts_now(&one, known, now));
        Some(admission::Claim { outer, facts, ..(**claim).clone() })
    }

    /// What the management system says of the unit by now, against one of its sessions.
    pub(super) fn facts_now(&self, session: &Session, known: &Known, now: UnixTime) -> Evidence<Management> {
        management(session.device, known, &Ours::of(session), &*self.outside.origins, now)
    }

    fn holder(&self, lease: &Lease, known: &Known, now: UnixTime) -> Holder {
        let session = self.sessions.get(lease.session);
        let heard_ago = session.as_ref().and_then(|session| session.traffic.heard.ago(Instant::now()));
        Holder {
            session: lease.session,
            claim: self.claim_now(lease.session, known, now),
            // A lease of ours without a session is what an end left that could not be written yet.
            probe: if session.is_some() { Probe::NotAsked } else { Probe::Unreachable },
            outer: session.map(|session| session.outer()),
            asked_ago: self.asked.get(&lease.session).map(Instant::elapsed),
            heard_ago,
        }
    }

    fn follow(&self, case: Case, verdict: Verdict, now: UnixTime) -> Looked {
        let weighed = weighed(&verdict);
        let ticket = case.claim.ticket;
        match verdict.decision {
            Decision::Admit(how) => Looked::Admit { case, how, weighed, exception: verdict.exception },
            Decision::Contest => {
                let lease = case.known.lease.as_ref();
                match lease.and_then(|lease| self.sessions.get(lease.session)) {
                    Some(holder) => Looked::Contest { case, holder, weighed },
                    None => Looked::Drop(ticket, Transient::ContestRuns),
                }
            }
            Decision::Refuse(reason) | Decision::Quarantine(reason) => {
                let shown = reason.speaks_of_the_key().then(|| Box::new(shown(&case.claim, now)));
                let Case { evidence, own, two, known, .. } = case;
                let (detail, conclusion) = (reason.to_string(), verdict.conclusion);
                let sides = conclusion.and_then(|_| alone(&evidence, &known, &own, now)).map(Box::new);
                let known = Box::new(known);
                Looked::Refuse(Refusal {
                    ticket,
                    evidence,
                    reason,
                    detail,
                    weighed,
                    own,
                    two,
                    conclusion,
                    sides,
                    known,
                    shown,
                    more: None,
                })
            }
            Decision::Drop(transient) => Looked::Drop(ticket, transient),
        }
    }

    /// Writes what belongs into the transaction. `told`: the admissions that the journal has by now.
    fn write(
        &mut self,
        tx: &mut Tx<'_>,
        looked: Looked,
        told: &mut Vec<Voided>,
        now: UnixTime,
    ) -> Result<Judged, LedgerError> {
        match looked {
            Looked::Admit { case, how, weighed, exception } => {
                let (session, grant) = self.begin(&case, As::Admitted, now);
                let event = admitted(&case, &session, how, weighed, exception);
                let event = self.ledger.journal().append(&event, now, Durability::Grouped)?;
                told.push(Voided { device: session.device, session: session.id });
                let lease = Box::new(self.lease(&session, now));
                if let Some(device) = &case.known.device {
                    let attach = Attach {
                        end: End::In,
                        conclusion: case.two.as_ref().and_then(|two| two.conclusion()),
                        own: &case.own,
                        other: None,
                        is_observed: !case.let_in.observed.is_empty(),
                        evidence: record(&event),
                    };
                    unless_tampered(self.tell_cells(tx, device, attach, now))?;
                }
                tx.take_lease(&lease, case.known.lease.as_ref().map(|held| held.session), event)?;
                let seen = appearance(&case.evidence, &case.known.facts(), case.own.marks(), now);
                let profile = case.known.profile.clone();
                seen.map_or(Ok(()), |seen| note(tx, (session.device, profile), seen, now))?;
                case.two.as_ref().map_or(Ok(()), |two| self.tell_let_in(tx, two, now))?;
                self.take_back_radio_off(tx, session.device, now)?;
                Ok(Judged::Admitted { case, session, lease, grant })
            }
            Looked::Contest { case, holder, weighed } => Ok(Judged::Contested { case, holder, weighed }),
            Looked::Refuse(mut refusal) => {
                let kind = (refusal.evidence.device, refusal.reason);
                refusal.more = self.refused.would_admit(kind, Instant::now());
                if let Some(more) = refusal.more.filter(|_| refusal.reason.opens_incident()) {
                    self.tell_refused(tx, &refusal, more, now)?;
                }
                if let Some(shown) = refusal.shown.take().filter(|_| refusal.more.is_some()) {
                    unless_tampered(tx.shown_at_the_gate(shown.spki_sha256, shown.by, now))?;
                }
                Ok(Judged::Refused(refusal))
            }
            Looked::TooOften(ticket, refused) => Ok(Judged::TooOften(ticket, refused)),
            Looked::Drop(ticket, transient) => Ok(Judged::Dropped(ticket, transient.code())),
        }
    }

    /// The incident of a refusal, what it says of the unit's cells, and what of its radio.
    fn tell_refused(
        &mut self,
        tx: &mut Tx<'_>,
        refusal: &Refusal,
        more: u64,
        now: UnixTime,
    ) -> Result<(), LedgerError> {
        let Refusal { evidence, own, reason, detail, conclusion, sides, known, .. } = refusal;
        let alone = (*conclusion, sides.as_deref().cloned());
        let number = match &refusal.two {
            Some(two) => self.tell_two(tx, two, two.incident(reason.code(), detail, more), now)?,
            None => open_incident(tx, incident(evidence, own, *reason, detail, more, alone), now)?,
        };
        let Some((number, device)) = number.zip(known.device.as_ref()) else { return Ok(()) };
        let (end, conclusion, is_observed) = (End::Out, *conclusion, false);
        let other = refusal.two.as_deref().and_then(Two::other);
        let attach =
            Attach { end, conclusion, own, other, is_observed, evidence: TrustEvidence::Incident(number) };
        unless_tampered(self.tell_cells(tx, device, attach, now))?;
        if !matches!(conclusion, Some(Conclusion::NewcomerIsClone | Conclusion::GenuineKeyUntrusted)) {
            return Ok(());
        }
        let found_out = FoundOut {
            tunnel: Ours::refused(evidence.ike_spis.initiator, now.before(BEFORE_CLAIM)),
            sessions: Vec::new(),
            incident: Some((number, Some(Side::Newcomer))),
            why: reason.to_string(),
        };
        self.order_radio_off(tx, known, found_out, now)
    }

    /// A session that is not told to anyone yet, and what its unit gets.
    fn begin(&mut self, case: &Case, begins_as: As, now: UnixTime) -> (Arc<Session>, Grant) {
        let id = SessionId { epoch: self.ledger.epoch(), number: self.next_session };
        self.next_session += 1;
        let authenticated = &case.claim.authenticated;
        let path = authenticated.path();
        let auth_lifetime = self.terms.auth_lifetime;
        let lifetime = path.remaining(now).min(auth_lifetime);
        let device = case.known.device.as_ref();
        let class = self.terms.classes.of(device);
        let ts_r = match (begins_as, &self.terms.quarantine) {
            (As::Admitted, _) | (_, None) => class.ts_r.clone(),
            // In case that it ends there.
            (As::Contesting, Some(quarantine)) => class.ts_r_beside(quarantine),
        };
        let (inner_v4, inner_v6) = (device.and_then(|d| d.inner_v4), device.and_then(|d| d.inner_v6));
        let session = Session::begin(Beginning {
            id,
            sa: case.claim.sa,
            ike_spi: authenticated.auth().spi_i(),
            device: authenticated.device(),
            cert_sha256: path.cert_sha256(),
            inner_v4,
            inner_v6,
            outer: authenticated.auth().path().peer,
            since: now,
            until: now.after(lifetime),
            class: class.clone(),
            class_name: device.map_or("", |device| &device.class).into(),
        });
        let grant = Grant {
            inner_v4,
            inner_v6: inner_v6.map(|v6| (v6, 128)),
            dns: self.terms.dns.clone(),
            ts_r,
            auth_lifetime,
            expires_in: lifetime,
        };
        (Arc::new(session), grant)
    }

    pub(super) fn lease(&self, session: &Session, now: UnixTime) -> Lease {
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

    /// The transaction stands: writes down what has no row in it, and tells the IKE thread.
    fn say(&mut self, judged: Judged, now: UnixTime) {
        match judged {
            Judged::Dropped(ticket, code) => self.drop_for(ticket, code),
            Judged::TooOften(ticket, refused) => {
                self.answer(Answer::Dropped(ticket));
                self.attach_failed(*refused);
            }
            Judged::Refused(refusal) => self.say_refused(refusal),
            Judged::Admitted { case, session, lease, grant } => {
                self.let_in(session.device, &case.let_in, now);
                self.say_admitted(case, session, *lease, grant);
            }
            Judged::Contested { case, holder, weighed } => self.say_contested(case, &holder, weighed, now),
        }
    }

    fn say_refused(&mut self, refusal: Refusal) {
        let Refusal { ticket, evidence, reason, detail, weighed, more, .. } = refusal;
        self.refused.admit((evidence.device, reason), Instant::now());
        let Some(more) = more else { return self.refuse(ticket, reason) };
        let event = RefusedEvent {
            device: evidence.device,
            cert_sha256: evidence.cert_sha256,
            outer: evidence.outer.address,
            reason: reason.code().to_owned(),
            detail,
            next: reason.next().into(),
            rules: admission::RULES.to_owned(),
            weighed,
            claim: as_written(&evidence),
            more,
        };
        match self.append(&event).map_err(LedgerError::Journal) {
            Ok(()) => self.refuse(ticket, reason),
            Err(error) => self.left_unsaid(ticket, &error),
        }
    }

    fn refuse(&mut self, ticket: Ticket, reason: Reason) {
        self.tallies.attaches.count(reason.code());
        self.answer(Answer::Refused(ticket));
    }

    fn say_admitted(&mut self, case: Case, session: Arc<Session>, lease: Lease, grant: Grant) {
        let (ticket, path) = (case.claim.ticket, case.claim.authenticated.auth().path());
        let Some(admitted) = Admitted::new(&case.claim.authenticated, lease, &session) else {
            tracing::error!(device = %session.device, "a lease that does not fit its evidence");
            return self.answer(Answer::Dropped(ticket));
        };
        self.tallies.attaches.count("admitted");
        self.watch_line(session.id, &case.evidence.outer.line, case.known.device.as_ref());
        self.claims.insert(session.id, case.evidence);
        self.sessions.insert(session.clone());
        self.answer(Answer::Admitted { ticket, admitted, session, path, grant });
    }

    fn say_contested(&mut self, case: Case, holder: &Session, weighed: Weighed, now: UnixTime) {
        let (session, grant) = self.begin(&case, As::Contesting, now);
        let Case { claim, evidence, .. } = case;
        let (ticket, path) = (claim.ticket, claim.authenticated.auth().path());
        let event = Contested {
            device: session.device,
            holder: holder.id,
            holder_outer: holder.outer(),
            newcomer: session.id,
            newcomer_outer: session.outer(),
            inner: session.inner().collect(),
            weighed,
            claim: as_written(&evidence),
        };
        if let Err(error) = self.append(&event) {
            return self.left_unsaid(ticket, &LedgerError::Journal(error));
        }
        self.tallies.attaches.count("contested");
        self.asked.insert(holder.id, Instant::now());
        self.claims.insert(session.id, evidence);
        self.newcomers.insert(session.device, Newcomer::new(claim.authenticated, session.clone()));
        self.sessions.insert(session.clone());
        let holder = Party { sa: holder.sa, session: holder.id };
        self.answer(Answer::Contested { ticket, session, path, grant, holder });
    }

    /// What the journal does not take is not done either.
    fn left_unsaid(&mut self, ticket: Ticket, error: &LedgerError) {
        self.out_of_reach(error);
        self.drop_for(ticket, error.code());
    }

    /// A row outside a claim's judgement can't be believed.
    pub(super) fn tampered(&mut self, device: DeviceId, error: &LedgerError) {
        tracing::error!(%device, %error, "the ledger refuses what happened");
        let new = NewIncident {
            kind: Reason::RowTampered.code(),
            devices: vec![device],
            summary: format!("{device}: {error}"),
            evidence: json!({}),
            more: 0,
        };
        if let Err(error) = self.ledger.open_incident(new, "admission", self.clock.now()) {
            tracing::error!(%device, %error, "no incident could be opened for that");
        }
    }
}

/// A row without which a claim is judged was tampered with: an incident, unless that is open.
///
/// # Errors
/// The transient ones.
fn tell_tampered(tx: &mut Tx<'_>, found: &Finding, now: UnixTime) -> Result<(), LedgerError> {
    let new = NewIncident::of_row(found);
    let open = unless_tampered(tx.incident_that_is_open(new.kind, &new.devices))?;
    if open.flatten().is_some() {
        return Ok(());
    }
    tracing::error!(table = found.table, key = found.key, why = found.why, "tampered with, and left out");
    open_incident(tx, new, now).map(drop)
}

/// Why it is not to be admitted.
fn against(decision: Decision) -> Option<Reason> {
    match decision {
        Decision::Refuse(reason) | Decision::Quarantine(reason) => Some(reason),
        Decision::Admit(_) | Decision::Contest | Decision::Drop(_) => None,
    }
}

/// What a journal reader learns of a claim that comes too often.
fn too_often(claim: &Claim) -> Refused {
    let auth = claim.authenticated.auth();
    Refused {
        code: Transient::TooOften.code(),
        text: Transient::TooOften.to_string(),
        outer: auth.path().peer,
        idi: Some(claim.authenticated.device().to_string()),
    }
}

fn shown(claim: &Claim, now: UnixTime) -> Shown {
    let (path, peer) = (claim.authenticated.path(), claim.authenticated.auth().path().peer);
    let by = KeyUse {
        device: claim.authenticated.device(),
        cert_sha256: path.cert_sha256(),
        realm: Some(path.name().realm.clone()),
        from: peer.ip(),
        by: "ike".to_owned(),
        at: now,
    };
    Shown { spki_sha256: Sha256::of(path.spki()), by }
}

/// Among the exceptions by which a unit was admitted: its certificate has ended, and is extended.
const EXTENDED: &str = "extension";

fn admitted(
    case: &Case,
    session: &Session,
    how: Admit,
    weighed: Weighed,
    exception: Option<String>,
) -> AdmittedEvent {
    AdmittedEvent {
        device: session.device,
        session: session.id,
        cert_sha256: session.cert_sha256,
        outer: session.outer(),
        inner: session.inner().collect(),
        line: case.known.line.as_ref().map(|line| line.line.clone()),
        how: how.code().to_owned(),
        rules: admission::RULES.to_owned(),
        reasons: exception.into_iter().chain(case.evidence.extended.then(|| EXTENDED.to_owned())).collect(),
        weighed,
        claim: as_written(&case.evidence),
    }
}

/// Writes down as what a unit was seen that is let in, beside what it was seen as before.
///
/// # Errors
/// As [`Tx::put_profile`].
pub(super) fn note(
    tx: &mut Tx<'_>,
    (device, profile): (DeviceId, Option<Profile>),
    seen: Appearance,
    now: UnixTime,
) -> Result<(), LedgerError> {
    let mut profile = profile.unwrap_or_else(|| Profile::new(device));
    if profile.note(seen) {
        tx.put_profile(&profile, ("admission", "as what it was seen"), now)
    } else {
        Ok(())
    }
}

/// As what one is seen who was found out without another beside it, so that a person can say who it is.
pub(super) fn alone(
    claim: &admission::Claim,
    known: &Known,
    own: &Appraisal,
    now: UnixTime,
) -> Option<Sides> {
    let newcomer = appearance(claim, &known.facts(), own.marks(), now)?;
    Some(Sides { newcomer, holder: None })
}

pub(super) fn incident(
    evidence: &admission::Claim,
    own: &Appraisal,
    reason: Reason,
    detail: &str,
    more: u64,
    (conclusion, sides): (Option<Conclusion>, Option<Sides>),
) -> NewIncident {
    let conclusion = conclusion.map(Conclusion::code);
    NewIncident {
        kind: reason.code(),
        devices: vec![evidence.device],
        summary: format!("{}: {detail}", evidence.device),
        evidence: json!({
            "conclusion": conclusion,
            "weighed": { "own": own },
            Sides::NAME: sides,
            "claim": as_json(evidence),
        }),
        more,
    }
}

/// Opens or repeats an incident; `None` when the one that stands can't be believed.
///
/// # Errors
/// The transient ones.
pub(super) fn open_incident(
    tx: &mut Tx<'_>,
    new: NewIncident,
    now: UnixTime,
) -> Result<Option<u64>, LedgerError> {
    let opened = unless_tampered(tx.open_incident(new, "admission", now))?;
    Ok(opened.map(|incident| incident.number))
}

/// `None` where a row that belongs to it can't be believed: what is judged stands without it.
///
/// # Errors
/// The transient ones.
pub(super) fn unless_tampered<T>(written: Result<T, LedgerError>) -> Result<Option<T>, LedgerError> {
    match written {
        Ok(written) => Ok(Some(written)),
        Err(error) if error.is_transient() => Err(error),
        Err(error) => {
            tracing::error!(%error, "an incident or a key that was seen is not written down");
            Ok(None)
        }
    }
}
