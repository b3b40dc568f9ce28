//! Claims: many in one transaction. All of them are read and judged before anything is written, and the
//! journal hears of an admission last before the commit.

mod answer;
mod judgement;
mod refusal;
mod rows;

use super::{Registrar, incidents::tell_tampered, shadow::LetIn, two::Two};
use crate::{
    evidence::Known,
    hand_off::{Answer, Claim, Refused},
    health::Alarm,
    sessions::Session,
};
use admission::{Admit, Appraisal, Transient};
use events::admission::Weighed;
use ids::{DeviceId, UnixTime};
use ike::{Grant, Ticket};
use ledger::{Finding, Lease, LedgerError};
use refusal::Refusal;
use std::{collections::HashSet, sync::Arc};

pub(super) use rows::note;

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
    Admit { candidate: Candidate, how: Admit, weighed: Weighed, exception: Option<String> },
    Contest { candidate: Candidate, holder: Arc<Session>, weighed: Weighed },
    Refuse(Refusal),
    TooOften(Ticket, Box<Refused>),
    Drop(Ticket, Transient),
}

/// A claim with all that is known about it.
struct Candidate {
    claim: Box<Claim>,
    known: Known,
    evidence: Box<admission::Claim>,
    let_in: LetIn,
    /// What is known of it.
    own: Appraisal,
    /// Another who has its key, if that is known.
    two: Option<Box<Two>>,
}

/// What a claim has become in the transaction.
enum Written {
    Admitted { candidate: Candidate, session: Arc<Session>, lease: Box<Lease>, grant: Grant },
    Contested { candidate: Candidate, holder: Arc<Session>, weighed: Weighed },
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
            Ok(written) => {
                written.into_iter().for_each(|written| self.say(written, now));
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
    fn judge_all(&mut self, claims: Claims, now: UnixTime) -> Result<Vec<Written>, LedgerError> {
        let ledger = self.ledger.clone();
        let mut tx = ledger.begin()?;
        let mut batch = Batch::default();
        let looked: Result<Vec<_>, _> =
            claims.into_iter().map(|claim| self.look_at(&mut tx, claim, &mut batch, now)).collect();
        batch.tampered.iter().try_for_each(|found| tell_tampered(&mut tx, found, now))?;
        let mut told = Vec::new();
        let written: Result<Vec<_>, _> =
            looked?.into_iter().map(|looked| self.write(&mut tx, looked, &mut told, now)).collect();
        let done = written.and_then(|written| tx.commit().map(|()| written));
        if done.is_err() {
            self.voided.extend(told);
        }
        done
    }
}
