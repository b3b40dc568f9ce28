//! A claim is read and judged, and nothing is written yet.

use super::{Batch, Candidate, Looked, refusal::Refusal};
use crate::{
    evidence::{Known, evidence, revocation, weighed},
    hand_off::{Claim, Refused},
    registrar::{Registrar, shadow::LetIn, two::Two},
};
use admission::{Case, Decision, Reason, Transient, Verdict, judge};
use ids::{DeviceId, Network, UnixTime};
use ledger::{LedgerError, Tx};
use std::{net::IpAddr, time::Instant};

impl Registrar {
    /// Reads and judges.
    ///
    /// # Errors
    /// The transient ones; a row that can't be believed is this claim's own misfortune.
    pub(super) fn look_at(
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
        Ok(self.judge_known(claim, known, batch, now))
    }

    fn judge_known(&mut self, claim: Box<Claim>, known: Known, batch: &mut Batch, now: UnixTime) -> Looked {
        let (ticket, device) = (claim.ticket, claim.authenticated.device());
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
            return Looked::Drop(ticket, Transient::ClockJumped);
        }
        let gets_in = matches!(verdict.decision, Decision::Admit(_) | Decision::Contest);
        if gets_in && !self.is_in_pace(&claim) {
            return Looked::TooOften(ticket, Box::new(too_often(&claim)));
        }
        let outer = evidence.outer.address.ip();
        if self.hits_too_early(&verdict, device, outer, now) {
            return Looked::Drop(ticket, Transient::NotRecalled);
        }
        let let_in = LetIn::new(&verdict, outer);
        let case = || Case::new(&evidence, &facts, holder.as_ref(), &self.policy, &self.shadow.modes, now);
        let two = Two::of(&verdict, case).map(Box::new);
        let own = verdict.own.clone();
        let looked = self.follow(Candidate { claim, known, evidence, let_in, own, two }, verdict, now);
        if gets_in {
            batch.taken.insert(device);
        }
        looked
    }

    /// A claim whose rows can't be believed: nothing of the ledger is used.
    fn unreadable(&self, claim: &Claim, error: &LedgerError, now: UnixTime) -> Refusal {
        let evidence = Box::new(evidence(claim, &Known::default(), None, &*self.outside.origins, now));
        Refusal::new(claim.ticket, evidence, Reason::RowTampered, error.to_string())
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

    /// Tells the breaker of what speaks against a unit that has no session. Whether it is too early for that to refuse
    /// anybody.
    fn hits_too_early(&mut self, verdict: &Verdict, device: DeviceId, outer: IpAddr, now: UnixTime) -> bool {
        let reason = against(verdict.decision).filter(|_| !self.sessions.is_attached(device));
        reason.is_some_and(|reason| {
            self.hit(reason, device, outer, now);
            self.is_too_early(reason)
        })
    }

    fn follow(&self, candidate: Candidate, verdict: Verdict, now: UnixTime) -> Looked {
        let weighed = weighed(&verdict);
        let ticket = candidate.claim.ticket;
        match verdict.decision {
            Decision::Admit(how) => Looked::Admit { candidate, how, weighed, exception: verdict.exception },
            Decision::Contest => {
                let lease = candidate.known.lease.as_ref();
                match lease.and_then(|lease| self.sessions.get(lease.session)) {
                    Some(holder) => Looked::Contest { candidate, holder, weighed },
                    None => Looked::Drop(ticket, Transient::ContestRuns),
                }
            }
            Decision::Refuse(reason) | Decision::Quarantine(reason) => {
                Looked::Refuse(Refusal::of(candidate, reason, verdict.conclusion, weighed, now))
            }
            Decision::Drop(transient) => Looked::Drop(ticket, transient),
        }
    }
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
