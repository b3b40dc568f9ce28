//! What a foreign CA says about the certificates that it issued: what is known, for how long, and what to ask next.
//! Lists, answers and time go in, a [`Standing`] and questions come out; fetching is for others.
//!
//! The rules (revocation of certificates that are not ours: the ledger decides about those):
//!
//! - Good, for as long as a revocation list or an OCSP answer says so.
//! - Revoked, once either says so, however old it is by now. **That is final**: a later `good`, or a list that lacks
//!   the entry, changes nothing for a certificate that was asked about here (RFC 5280 §5.3.1 lets a CA take back
//!   certificateHold alone, and a list drop what has expired, which no path goes through any more). certificateHold
//!   stands for as long as the CA says it.
//! - A list that is older than the one at hand is refused: somebody may have kept it.
//! - Everything else is no answer. Then the last good one counts for [`StatusKeeper::grace`] longer, for whoever
//!   was admitted before; see [`Standing::Unknown`].

mod schedule;
#[cfg(test)]
mod tests;

use crate::ocsp::SKEW;
use crate::{Anchor, Crl, OcspAnswer, Revoked, SerialNumber};
use ids::UnixTime;
use schedule::Schedule;
use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

/// Certificates of one CA about which OCSP is asked again and again; each takes some 250 octets.
pub const MAX_WATCHED: usize = 1 << 17;
/// A certificate that nobody has presented for so long is asked about no more.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(48 * 3600);
/// Questions in a row that OCSP leaves without an answer before that is a trouble.
const MANY: u32 = 3;
/// How often those are looked for once there is no room.
const SWEEP_EVERY: Duration = Duration::from_secs(3600);

/// Where a CA says what it revoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sources {
    /// A revocation list is fetched.
    pub crl: bool,
    /// Its OCSP responder is asked.
    pub ocsp: bool,
}

/// How a certificate stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Its CA says that it is good.
    Good {
        /// For so long.
        until: UnixTime,
    },
    /// Its CA has revoked it.
    Revoked(Revoked),
    /// The CA is being asked for the first time.
    Asking,
    /// There is no answer, or none that counts any more.
    Unknown {
        /// Since the last one ended, or since it was first asked for.
        since: UnixTime,
        /// When the grace for those who were admitted before ends; `None` where nothing good was ever known.
        grace_until: Option<UnixTime>,
    },
}

impl Standing {
    /// Whether nothing is known, and the last good answer counts no more for anybody.
    pub fn is_beyond_grace(&self, now: UnixTime) -> bool {
        match self {
            Self::Good { .. } | Self::Revoked(_) | Self::Asking => false,
            Self::Unknown { grace_until, .. } => grace_until.is_none_or(|end| now >= end),
        }
    }
}

/// A CA that does not say what it has to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Silent {
    /// It is the list that is missing, not OCSP alone.
    pub lacks_list: bool,
    /// When the last list ended, where there was one.
    pub list_ended: Option<UnixTime>,
}

/// What to ask a CA.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    /// For its revocation list.
    Crl,
    /// About this certificate, by OCSP.
    Ocsp(SerialNumber),
}

/// Why a list that verified is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// Made before the one at hand.
    #[error("the list is older than the one at hand")]
    Older,
    /// Its nextUpdate has passed; what it revokes counts all the same.
    #[error("the list is stale: its nextUpdate has passed")]
    Stale,
    /// Its thisUpdate is still to come.
    #[error("the list is from the future")]
    Future,
    /// It is about CAs' certificates only.
    #[error("the list leaves out the certificates of end entities")]
    OtherScope,
}

/// What is known about the end-entity certificates of one CA.
///
/// Present certificates by [`Self::present`]; drain [`Self::poll`] until `None`, ask, and answer each question by
/// `handle_crl`, `handle_ocsp` or `handle_failure`; come again at [`Self::poll_timeout`]. `draw`: any number, drawn anew
/// each time, so that many who lost one CA do not come back at once.
#[derive(Debug)]
pub struct StatusKeeper {
    issuer: Anchor,
    sources: Sources,
    grace: Duration,
    crl: Option<Crl>,
    crl_schedule: Schedule,
    watched: HashMap<SerialNumber, Watched>,
    /// When OCSP is asked, of all that are watched and not being asked.
    due: BTreeSet<(Instant, SerialNumber)>,
    /// Questions about any certificate in a row without an answer.
    ocsp_failures: u32,
    /// When room was last looked for.
    swept: Option<Instant>,
}

/// A certificate that was presented.
#[derive(Clone, Copy, Debug)]
struct Watched {
    first: UnixTime,
    last: Instant,
    /// The last answer of OCSP.
    answer: Option<OcspAnswer>,
    /// Final.
    revoked: Option<Revoked>,
    schedule: Schedule,
}

impl Watched {
    /// Nobody has presented it for long. What is revoked for good is not forgotten.
    fn is_forgotten(&self, at: Instant) -> bool {
        self.revoked.is_none() && at.saturating_duration_since(self.last) > FORGOTTEN_AFTER
    }
}

impl StatusKeeper {
    /// Nothing is known yet. `grace`: for how long the last good answer counts once it has ended.
    pub fn new(issuer: Anchor, sources: Sources, grace: Duration, now: Instant) -> Self {
        let crl_schedule = if sources.crl { Schedule::at(now) } else { Schedule::never() };
        Self {
            issuer,
            sources,
            grace,
            crl: None,
            crl_schedule,
            watched: HashMap::new(),
            due: BTreeSet::new(),
            ocsp_failures: 0,
            swept: None,
        }
    }

    /// Whose certificates.
    pub fn issuer(&self) -> &Anchor {
        &self.issuer
    }

    /// For how long the last good answer counts once it has ended.
    pub fn grace(&self) -> Duration {
        self.grace
    }

    /// The list at hand.
    pub fn crl(&self) -> Option<&Crl> {
        self.crl.as_ref()
    }

    /// Whether the CA has to be waited for: its list is over or never came, or OCSP has not answered several
    /// questions in a row. `None` while all is well, and before the first answer is due.
    pub fn silent(&self, now: UnixTime) -> Option<Silent> {
        let list_ended = self.crl.as_ref().map(Crl::next_update);
        let lacks_list = self.crl_schedule.failures > 0 && list_ended.is_none_or(|end| end < now);
        let lacks_answers = self.ocsp_failures >= MANY;
        (lacks_list || lacks_answers).then_some(Silent { lacks_list, list_ended })
    }

    /// A certificate with a path to the CA was presented: how it stands. From now on it is asked about.
    pub fn present(&mut self, serial: SerialNumber, now: UnixTime, at: Instant) -> Standing {
        self.make_room(at);
        if let Some(watched) = self.watched.get_mut(&serial) {
            watched.last = at;
        } else if self.watched.len() < MAX_WATCHED {
            let schedule = if self.sources.ocsp { Schedule::at(at) } else { Schedule::never() };
            self.due.extend(schedule.next.map(|next| (next, serial)));
            let revoked = self.crl.as_ref().and_then(|crl| crl.revoked(serial)).filter(|it| !it.is_hold());
            let watched = Watched { first: now, last: at, answer: None, revoked, schedule };
            self.watched.insert(serial, watched);
        }
        self.standing(serial, now)
    }

    /// Once all places are taken, those whom nobody has presented for long go, looked for once an hour.
    fn make_room(&mut self, at: Instant) {
        let is_looked_for = self.swept.is_some_and(|swept| at < swept + SWEEP_EVERY);
        if self.watched.len() < MAX_WATCHED || is_looked_for {
            return;
        }
        self.swept = Some(at);
        self.watched.retain(|_, watched| !watched.is_forgotten(at));
    }

    /// How a certificate stands at `now`.
    pub fn standing(&self, serial: SerialNumber, now: UnixTime) -> Standing {
        let watched = self.watched.get(&serial);
        let answer = watched.and_then(|watched| watched.answer);
        let of_crl = self.crl.as_ref().and_then(|crl| crl.revoked(serial));
        let of_ocsp = answer.and_then(|answer| answer.revoked);
        if let Some(revoked) = watched.and_then(|watched| watched.revoked).or(of_crl).or(of_ocsp) {
            return Standing::Revoked(revoked);
        }
        let by_crl = self.crl.as_ref().map(Crl::next_update);
        let by_ocsp = answer.map(|answer| answer.until);
        let Some(until) = by_crl.max(by_ocsp) else { return self.not_known(watched, now) };
        if now <= until {
            return Standing::Good { until };
        }
        Standing::Unknown { since: until, grace_until: Some(until.after(self.grace)) }
    }

    /// Nothing was ever known about it.
    fn not_known(&self, watched: Option<&Watched>, now: UnixTime) -> Standing {
        let failed = |schedule: &Schedule| schedule.failures > 0;
        let hopes_for_crl = self.sources.crl && !failed(&self.crl_schedule);
        let hopes_for_ocsp = self.sources.ocsp && watched.is_some_and(|watched| !failed(&watched.schedule));
        if hopes_for_crl || hopes_for_ocsp {
            return Standing::Asking;
        }
        Standing::Unknown { since: watched.map_or(now, |watched| watched.first), grace_until: None }
    }

    /// What to ask now. Each question is out until it is answered.
    pub fn poll(&mut self, at: Instant) -> Option<Ask> {
        if self.crl_schedule.is_due(at) {
            self.crl_schedule.next = None;
            return Some(Ask::Crl);
        }
        loop {
            let (_, serial) = *self.due.first().filter(|(next, _)| *next <= at)?;
            self.due.pop_first();
            let Some(watched) = self.watched.get_mut(&serial) else { continue };
            watched.schedule.next = None;
            // What is revoked stays in mind, and nobody needs to be asked about it.
            if watched.revoked.is_some() {
                continue;
            }
            if watched.is_forgotten(at) {
                self.watched.remove(&serial);
                continue;
            }
            return Some(Ask::Ocsp(serial));
        }
    }

    /// When to come again.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let of_ocsp = self.due.first().map(|(next, _)| *next);
        self.crl_schedule.next.into_iter().chain(of_ocsp).min()
    }

    /// The list has come. `now`: a time that can be trusted.
    ///
    /// # Errors
    /// [`Unusable`]; the question counts as not answered.
    pub fn handle_crl(&mut self, crl: Crl, now: UnixTime, at: Instant, draw: u16) -> Result<(), Unusable> {
        let next_update = crl.next_update();
        let taken = self.take_crl(crl, now);
        match taken {
            Ok(()) => self.crl_schedule.succeeded(at, next_update.since(now), draw),
            Err(_) => self.crl_schedule.failed(at, draw),
        }
        taken
    }

    /// A list that was kept from before this start: counts as far as it still does, and is asked for all the same.
    ///
    /// # Errors
    /// [`Unusable`].
    pub fn recall_crl(&mut self, crl: Crl, now: UnixTime) -> Result<(), Unusable> {
        self.take_crl(crl, now)
    }

    fn take_crl(&mut self, crl: Crl, now: UnixTime) -> Result<(), Unusable> {
        if !crl.covers(false) {
            return Err(Unusable::OtherScope);
        }
        if crl.this_update() > now.after(SKEW) {
            return Err(Unusable::Future);
        }
        if self.crl.as_ref().is_some_and(|known| crl.is_older_than(known)) {
            return Err(Unusable::Older);
        }
        for (serial, watched) in &mut self.watched {
            let found = crl.revoked(*serial).filter(|revoked| !revoked.is_hold());
            watched.revoked = watched.revoked.or(found);
        }
        let is_stale = crl.next_update() < now;
        self.crl = Some(crl);
        if is_stale { Err(Unusable::Stale) } else { Ok(()) }
    }

    /// OCSP has answered. `now`: a time that can be trusted.
    pub fn handle_ocsp(
        &mut self,
        serial: SerialNumber,
        answer: OcspAnswer,
        now: UnixTime,
        at: Instant,
        draw: u16,
    ) {
        self.ocsp_failures = 0;
        let Some(watched) = self.watched.get_mut(&serial) else { return };
        // An answer has the nonce of its question; still, one from a responder that lags behind is not news.
        if watched.answer.is_none_or(|known| answer.this_update >= known.this_update) {
            watched.answer = Some(answer);
        }
        watched.revoked = watched.revoked.or(answer.revoked.filter(|revoked| !revoked.is_hold()));
        watched.schedule.succeeded(at, answer.until.since(now), draw);
        self.due.extend(watched.schedule.next.map(|next| (next, serial)));
    }

    /// A question has had no answer.
    pub fn handle_failure(&mut self, ask: Ask, at: Instant, draw: u16) {
        match ask {
            Ask::Crl => self.crl_schedule.failed(at, draw),
            Ask::Ocsp(serial) => {
                self.ocsp_failures = self.ocsp_failures.saturating_add(1);
                let Some(watched) = self.watched.get_mut(&serial) else { return };
                watched.schedule.failed(at, draw);
                self.due.extend(watched.schedule.next.map(|next| (next, serial)));
            }
        }
    }
}
