//! The transaction stands: what has no row in it is written, and the IKE thread is told.

use super::{Candidate, Written, rows::As};
use crate::{
    contest::Party,
    evidence::as_written,
    hand_off::{Admitted, Answer},
    registrar::{Registrar, contests::Newcomer},
    sessions::Session,
};
use events::admission::{Contested, Weighed};
use ids::UnixTime;
use ike::{Grant, Ticket};
use ledger::{Lease, LedgerError};
use std::{sync::Arc, time::Instant};

impl Registrar {
    /// The transaction stands: writes down what has no row in it, and tells the IKE thread.
    pub(super) fn say(&mut self, written: Written, now: UnixTime) {
        match written {
            Written::Dropped(ticket, code) => self.drop_for(ticket, code),
            Written::TooOften(ticket, refused) => {
                self.answer(Answer::Dropped(ticket));
                self.attach_failed(*refused);
            }
            Written::Refused(refusal) => self.say_refused(refusal),
            Written::Admitted { candidate, session, lease, grant } => {
                self.let_in(session.device, &candidate.let_in, now);
                self.say_admitted(candidate, session, *lease, grant);
            }
            Written::Contested { candidate, holder, weighed } => {
                self.say_contested(candidate, &holder, weighed, now)
            }
        }
    }

    fn say_admitted(&mut self, candidate: Candidate, session: Arc<Session>, lease: Lease, grant: Grant) {
        let (ticket, path) = (candidate.claim.ticket, candidate.claim.authenticated.auth().path());
        let Some(admitted) = Admitted::new(&candidate.claim.authenticated, lease, &session) else {
            tracing::error!(device = %session.device, "a lease that does not fit its evidence");
            return self.answer(Answer::Dropped(ticket));
        };
        self.tallies.attaches.count("admitted");
        self.watch_line(session.id, &candidate.evidence.outer.line, candidate.known.device.as_ref());
        self.claims.insert(session.id, candidate.evidence);
        self.sessions.insert(session.clone());
        self.answer(Answer::Admitted { ticket, admitted, session, path, grant });
    }

    fn say_contested(&mut self, candidate: Candidate, holder: &Session, weighed: Weighed, now: UnixTime) {
        let (session, grant) = self.begin(&candidate, As::Contesting, now);
        let Candidate { claim, evidence, .. } = candidate;
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
    pub(super) fn left_unsaid(&mut self, ticket: Ticket, error: &LedgerError) {
        self.out_of_reach(error);
        self.drop_for(ticket, error.code());
    }
}
