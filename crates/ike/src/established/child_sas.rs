use super::{Established, RETRY, Standing, Want};
use crate::{
    ChildSa, Context, Event, ExchangeType, Path, Reason,
    child_sa::EspKeys,
    exchange::{
        Asked, Contents,
        create_child_sa::{
            Accepted, AskedChildSa, ChildSaRequest, CreateChildSaAnswer, CreateChildSaRequest, ExchangeRole,
            esp_keys, invalid_ke, lower_nonce, wanted_method,
        },
    },
    output::Output,
    payload::{
        Delete, KeyExchange, KeyExchangeMethod, Notify, NotifyType, Payload, Proposal, TrafficSelector,
        narrow,
    },
    suite::{ChosenEsp, SuitePolicy},
};
use ids::Spi;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

/// What IKE keeps of a pair of ESP SAs; the keys went out with `InstallChildSa`.
pub(crate) struct Child {
    spi_in: Spi,
    spi_out: Spi,
    /// The tunnel's own list, where all of it was agreed.
    ts_local: Arc<[TrafficSelector]>,
    ts_remote: Box<[TrafficSelector]>,
    phase: Phase,
    due: Instant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// We made it at the peer's request; it counts as [`Self::Live`] once the peer's next request
    /// shows that our answer has come, or when due. Until then the peer may not know it.
    Unconfirmed,
    /// In use; renewed when due.
    Live,
    /// We have asked for its successor.
    Rekeying,
    /// The peer has made its successor, and should delete it before it is due.
    Replaced,
    /// We will send its DELETE as soon as the window is free.
    Leaving,
    /// We have sent its DELETE.
    Deleting,
}

impl Child {
    pub(crate) fn spi_in(&self) -> Spi {
        self.spi_in
    }

    pub(super) fn due_at(&self) -> Option<Instant> {
        matches!(self.phase, Phase::Unconfirmed | Phase::Live | Phase::Replaced).then_some(self.due)
    }

    /// What is to be done about it now; it is due again after a while.
    pub(super) fn due(&mut self, cx: &Context<'_>) -> Option<Want> {
        self.due_at().filter(|at| *at <= cx.now)?;
        self.due = cx.now + RETRY;
        match self.phase {
            Phase::Unconfirmed => {
                self.confirm(cx);
                None
            }
            Phase::Live => Some(Want::RekeyChildSa(self.spi_in)),
            Phase::Replaced => Some(Want::DeleteChildSa(self.spi_in)),
            Phase::Rekeying | Phase::Leaving | Phase::Deleting => None,
        }
    }

    fn confirm(&mut self, cx: &Context<'_>) {
        if self.phase == Phase::Unconfirmed {
            self.phase = Phase::Live;
            self.due = cx.jittered(cx.times.rekey.child_sa);
        }
    }
}

/// A CHILD SA that both sides have agreed on.
pub(crate) struct NewChild {
    pub(crate) spi_in: Spi,
    pub(crate) chosen: ChosenEsp,
    pub(crate) ts_local: Vec<TrafficSelector>,
    pub(crate) ts_remote: Vec<TrafficSelector>,
    /// Of what we receive, of what we send.
    pub(crate) keys: (EspKeys, EspKeys),
    pub(crate) replaces: Option<Spi>,
    /// We began the exchange.
    pub(crate) peer_is_ready: bool,
    /// The peer knows it before it can answer any request about it.
    pub(crate) is_confirmed: bool,
}

/// What the responder of an exchange takes of an offer.
pub(crate) struct Negotiated {
    pub(crate) chosen: ChosenEsp,
    pub(crate) ts_local: Vec<TrafficSelector>,
    pub(crate) ts_remote: Vec<TrafficSelector>,
}

/// Chooses a proposal and narrows selectors (RFC 7296 §2.7, §2.9). `sent`: the method of the KE payload;
/// `None` in IKE_AUTH.
pub(crate) fn negotiate(
    proposals: &[Proposal],
    ts_i: &[TrafficSelector],
    ts_r: &[TrafficSelector],
    sent: Option<KeyExchangeMethod>,
    standing: &Standing,
    suites: &SuitePolicy,
) -> Result<Negotiated, NotifyType> {
    let chosen = suites.choose_esp(proposals, sent).ok_or(NotifyType::NO_PROPOSAL_CHOSEN)?;
    let ts_remote = narrow(ts_i, &standing.ts_remote);
    let ts_local = narrow(ts_r, &standing.ts_local);
    if ts_remote.is_empty() || ts_local.is_empty() {
        return Err(NotifyType::TS_UNACCEPTABLE);
    }
    Ok(Negotiated { chosen, ts_local, ts_remote })
}

/// CHILD SAs of one IKE SA at most: one per DSCP class or CPU, twice while they are renewed.
const MAX_CHILDREN: usize = 16;
const NONCE: usize = 32;
/// Until a CHILD SA that the peer may not know yet is looked at again.
const CONFIRMATION: Duration = Duration::from_secs(2);

impl Established {
    /// Takes a new CHILD SA into use.
    pub(crate) fn install(&mut self, new: NewChild, cx: &mut Context<'_>) {
        let (spi_in, spi_out) = (new.spi_in, new.chosen.peer_spi);
        let mut child = Child {
            spi_in,
            spi_out,
            ts_local: self.standing.shared(&new.ts_local),
            ts_remote: new.ts_remote.clone().into(),
            phase: Phase::Unconfirmed,
            due: cx.now + RETRY,
        };
        if new.is_confirmed {
            child.confirm(cx);
        }
        self.children.push(child);
        let (keys_in, keys_out) = new.keys;
        let child = ChildSa {
            spi_in,
            spi_out,
            suite: new.chosen.suite,
            keys_in,
            keys_out,
            ts_local: new.ts_local,
            ts_remote: new.ts_remote,
            path: self.path,
            replaces: new.replaces,
            peer_is_ready: new.peer_is_ready,
        };
        cx.stats.children_installed += 1;
        cx.out.push(Output::InstallChildSa { sa: self.id, child });
        cx.out.event(match new.replaces {
            None => Event::ChildEstablished { sa: self.id, spi_in, spi_out },
            Some(old) => {
                cx.stats.children_rekeyed += 1;
                Event::ChildRekeyed { sa: self.id, old, new: spi_in }
            }
        });
    }

    /// A request of the peer came, so it has our answer to the one before.
    pub(super) fn confirm_children(&mut self, cx: &Context<'_>) {
        self.children.iter_mut().for_each(|child| child.confirm(cx));
    }

    fn is_unconfirmed(&self, spi_in: Spi) -> bool {
        self.children.iter().any(|child| child.spi_in == spi_in && child.phase == Phase::Unconfirmed)
    }

    /// The method of this IKE SA, unless the configuration has changed since.
    pub(super) fn key_exchange_to_offer(&self, cx: &Context<'_>) -> KeyExchangeMethod {
        let (used, taken) = (self.current.suite().key_exchange, &cx.suites.key_exchanges);
        taken.iter().copied().find(|method| *method == used).or(taken.first().copied()).unwrap_or(used)
    }

    fn child_mut(&mut self, spi_in: Spi) -> Option<&mut Child> {
        self.children.iter_mut().find(|child| child.spi_in == spi_in)
    }

    /// Inbound SPIs of its CHILD SAs.
    pub(crate) fn child_spis(&self) -> impl Iterator<Item = Spi> {
        self.children.iter().map(Child::spi_in)
    }

    pub(super) fn remove_child(&mut self, spi_in: Spi, cx: &mut Context<'_>) {
        if let Some(index) = self.children.iter().position(|child| child.spi_in == spi_in) {
            let child = self.children.remove(index);
            self.release_child(&child, cx);
        }
    }

    pub(super) fn on_create_child_sa(&mut self, contents: Contents, path: Path, cx: &mut Context<'_>) {
        if !self.allowance.take(cx.now) {
            let refused = Payload::notify(NotifyType::TEMPORARY_FAILURE, &[]);
            return self.respond(ExchangeType::CREATE_CHILD_SA, &[refused], path, cx);
        }
        match CreateChildSaRequest::parse(contents) {
            Some(CreateChildSaRequest::ChildSa(request)) => {
                let answer = self.accept_child_sa(request, cx).unwrap_or_else(|refused| {
                    cx.out.event(Event::ChildFailed { sa: self.id, notify: refused.kind });
                    vec![Payload::Notify(refused)]
                });
                self.respond(ExchangeType::CREATE_CHILD_SA, &answer, path, cx);
            }
            Some(CreateChildSaRequest::IkeSa(request)) => self.on_ike_sa_request(request, path, cx),
            None => {
                let refused = Payload::notify(NotifyType::INVALID_SYNTAX, &[]);
                self.respond(ExchangeType::CREATE_CHILD_SA, &[refused], path, cx);
            }
        }
    }

    /// Makes the CHILD SA that the peer asks for; returns what to answer.
    fn accept_child_sa(
        &mut self,
        request: ChildSaRequest,
        cx: &mut Context<'_>,
    ) -> Result<Vec<Payload>, Notify> {
        let refuse = |kind| Notify::new(kind, &[]);
        let replaces = self.rekeyed_by_peer(request.rekeys)?;
        // PFS is obligatory.
        let ke = request.ke.as_ref().ok_or(refuse(NotifyType::NO_PROPOSAL_CHOSEN))?;
        let (ts_i, ts_r) = (&request.ts_i, &request.ts_r);
        let agreed = negotiate(&request.proposals, ts_i, ts_r, Some(ke.method), &self.standing, cx.suites)
            .map_err(refuse)?;
        let method = agreed.chosen.key_exchange.ok_or(refuse(NotifyType::NO_PROPOSAL_CHOSEN))?;
        if method != ke.method {
            cx.stats.count(Reason::InvalidKe);
            return Err(invalid_ke(method));
        }
        let ephemeral = cx.crypto.key_exchange(method).ok_or(refuse(NotifyType::NO_PROPOSAL_CHOSEN))?;
        let public_value = KeyExchange { method, data: ephemeral.public_value().to_vec() };
        let shared_secret = ephemeral.agree(&ke.data).map_err(|_| refuse(NotifyType::INVALID_SYNTAX))?;
        let nonce = cx.random(NONCE);
        let nonces = (request.nonce.as_slice(), nonce.as_slice());
        let keys =
            esp_keys(&self.current, agreed.chosen.suite, &shared_secret, nonces, ExchangeRole::Responder);
        if let Some(old) = replaces {
            self.peer_has_rekeyed(old, lower_nonce(nonces.0, nonces.1), cx.now);
        }
        let spi_in = cx.spis.draw_esp(self.id, cx.crypto);
        let answer = vec![
            Payload::Sa(vec![agreed.chosen.answer(spi_in)]),
            Payload::Nonce(nonce),
            Payload::Ke(public_value),
            Payload::TsI(agreed.ts_remote.clone()),
            Payload::TsR(agreed.ts_local.clone()),
        ];
        let Negotiated { chosen, ts_local, ts_remote } = agreed;
        self.install(
            NewChild {
                spi_in,
                chosen,
                ts_local,
                ts_remote,
                keys,
                replaces,
                peer_is_ready: false,
                is_confirmed: false,
            },
            cx,
        );
        Ok(answer)
    }

    /// The CHILD SA that a request renews, or why there can be no new one now (RFC 7296 §2.25).
    fn rekeyed_by_peer(&self, rekeys: Option<Spi>) -> Result<Option<Spi>, Notify> {
        if self.is_rekeying() {
            return Err(Notify::new(NotifyType::TEMPORARY_FAILURE, &[]));
        }
        if self.children.len() >= MAX_CHILDREN {
            return Err(Notify::new(NotifyType::NO_ADDITIONAL_SAS, &[]));
        }
        let Some(spi_out) = rekeys else { return Ok(None) };
        match self.children.iter().find(|child| child.spi_out == spi_out) {
            None => Err(Notify::about_esp(NotifyType::CHILD_SA_NOT_FOUND, spi_out)),
            Some(child) => match child.phase {
                Phase::Unconfirmed | Phase::Live | Phase::Rekeying => Ok(Some(child.spi_in)),
                Phase::Replaced | Phase::Leaving | Phase::Deleting => {
                    Err(Notify::new(NotifyType::TEMPORARY_FAILURE, &[]))
                }
            },
        }
    }

    /// The peer has made a successor; when we have asked for one too, nonces will decide (§2.8.1).
    fn peer_has_rekeyed(&mut self, old: Spi, its_lower_nonce: Vec<u8>, now: Instant) {
        let Some(child) = self.child_mut(old) else { return };
        child.due = now + RETRY;
        if child.phase != Phase::Rekeying {
            child.phase = Phase::Replaced;
            return;
        }
        if let Some(pending) = self.current.pending_mut()
            && let Asked::ChildSa(asked) = &mut pending.asked
            && asked.rekeys == Some(old)
        {
            asked.rival_nonce = Some(its_lower_nonce);
        }
    }

    /// Removes the CHILD SAs that the peer deletes; returns the DELETE of our halves. Those that we are
    /// deleting ourselves are left out (§1.4.1).
    pub(super) fn delete_children_of_peer(&mut self, spis: &[Spi], cx: &mut Context<'_>) -> Vec<Payload> {
        let named = |child: &Child| spis.contains(&child.spi_out) && child.phase != Phase::Deleting;
        let ours: Vec<Spi> = self.children.iter().filter(|child| named(child)).map(Child::spi_in).collect();
        ours.iter().for_each(|spi_in| self.remove_child(*spi_in, cx));
        if ours.is_empty() { Vec::new() } else { vec![Payload::Delete(Delete::Esp(ours))] }
    }

    pub(super) fn ask_delete(&mut self, spi_in: Spi, cx: &mut Context<'_>) {
        if self.is_unconfirmed(spi_in) {
            return self.want_at(cx.now + CONFIRMATION, Want::DeleteChildSa(spi_in));
        }
        let Some(child) = self.child_mut(spi_in).filter(|child| child.phase != Phase::Deleting) else {
            return;
        };
        child.phase = Phase::Deleting;
        let payloads = [Payload::Delete(Delete::Esp(vec![spi_in]))];
        let asked = Asked::DeleteChildSa(spi_in);
        self.current.request(ExchangeType::INFORMATIONAL, &payloads, asked, self.path, cx);
    }

    /// Asks for a new CHILD SA, or for the successor of the one that receives on `rekeys`.
    pub(super) fn ask_child_sa(&mut self, rekeys: Option<Spi>, cx: &mut Context<'_>) {
        if let Some(spi_in) = rekeys.filter(|spi_in| self.is_unconfirmed(*spi_in)) {
            return self.want_at(cx.now + CONFIRMATION, Want::RekeyChildSa(spi_in));
        }
        let (mut ts_local, mut ts_remote) =
            (self.standing.ts_local.to_vec(), self.standing.ts_remote.to_vec());
        if let Some(spi_in) = rekeys {
            let Some(child) = self.child_mut(spi_in).filter(|child| child.phase == Phase::Live) else {
                return;
            };
            child.phase = Phase::Rekeying;
            (ts_local, ts_remote) = (child.ts_local.to_vec(), child.ts_remote.to_vec());
        }
        self.send_child_sa(rekeys, ts_local, ts_remote, None, cx);
    }

    /// `method`: the one that INVALID_KE_PAYLOAD asked for.
    fn send_child_sa(
        &mut self,
        rekeys: Option<Spi>,
        ts_local: Vec<TrafficSelector>,
        ts_remote: Vec<TrafficSelector>,
        method: Option<KeyExchangeMethod>,
        cx: &mut Context<'_>,
    ) {
        let (is_second_try, method) = (method.is_some(), method.unwrap_or(self.key_exchange_to_offer(cx)));
        let Some(ephemeral) = cx.crypto.key_exchange(method) else { return };
        let spi_in = cx.spis.draw_esp(self.id, cx.crypto);
        let nonce = cx.random(NONCE);
        let rekey_sa = rekeys.map(|old| Payload::Notify(Notify::about_esp(NotifyType::REKEY_SA, old)));
        let mut payloads: Vec<Payload> = rekey_sa.into_iter().collect();
        payloads.extend([
            Payload::Sa(cx.suites.offer_esp(spi_in, true)),
            Payload::Nonce(nonce.clone()),
            Payload::Ke(KeyExchange { method, data: ephemeral.public_value().to_vec() }),
            Payload::TsI(ts_local.clone()),
            Payload::TsR(ts_remote.clone()),
        ]);
        let asked = AskedChildSa {
            spi_in,
            nonce,
            ephemeral,
            method,
            offered: cx.suites.clone(),
            rekeys,
            ts_local,
            ts_remote,
            rival_nonce: None,
            is_second_try,
        };
        let asked = Asked::ChildSa(Box::new(asked));
        self.current.request(ExchangeType::CREATE_CHILD_SA, &payloads, asked, self.path, cx);
    }

    pub(super) fn on_child_sa_answer(
        &mut self,
        asked: AskedChildSa,
        contents: Contents,
        cx: &mut Context<'_>,
    ) {
        match CreateChildSaAnswer::parse(contents) {
            Some(CreateChildSaAnswer::Accepted(accepted)) => self.finish_child_sa(asked, accepted, cx),
            Some(CreateChildSaAnswer::Refused(notify)) => self.child_sa_refused(asked, &notify, cx),
            None => self.child_sa_failed(&asked, NotifyType::INVALID_SYNTAX, cx),
        }
    }

    fn finish_child_sa(&mut self, asked: AskedChildSa, accepted: Accepted, cx: &mut Context<'_>) {
        let Some(chosen) = chosen_as_offered(&asked, &accepted) else {
            return self.child_sa_failed(&asked, NotifyType::NO_PROPOSAL_CHOSEN, cx);
        };
        let Ok(shared_secret) = asked.ephemeral.agree(&accepted.ke.data) else {
            return self.child_sa_failed(&asked, NotifyType::INVALID_SYNTAX, cx);
        };
        let AskedChildSa { spi_in, nonce, rekeys, rival_nonce, .. } = asked;
        let nonces = (nonce.as_slice(), accepted.nonce.as_slice());
        let keys = esp_keys(&self.current, chosen.suite, &shared_secret, nonces, ExchangeRole::Initiator);
        let (ts_local, ts_remote) = (accepted.ts_i, accepted.ts_r);
        let replaces = rekeys.filter(|old| self.child_mut(*old).is_some());
        self.install(
            NewChild {
                spi_in,
                chosen,
                ts_local,
                ts_remote,
                keys,
                replaces,
                peer_is_ready: true,
                is_confirmed: true,
            },
            cx,
        );
        let ours_is_redundant = rival_nonce.is_some_and(|rival| lower_nonce(nonces.0, nonces.1) < rival);
        if ours_is_redundant {
            self.leave_to_peer(rekeys);
            self.leave(spi_in, cx);
        } else if let Some(old) = rekeys {
            self.leave(old, cx);
        }
    }

    /// Wants the CHILD SA deleted before anything else is asked for.
    fn leave(&mut self, spi_in: Spi, cx: &Context<'_>) {
        if let Some(child) = self.child_mut(spi_in) {
            child.phase = Phase::Leaving;
            self.wants.insert(0, (cx.now, Want::DeleteChildSa(spi_in)));
        }
    }

    /// The peer's successor stands, so the peer deletes `old`.
    fn leave_to_peer(&mut self, old: Option<Spi>) {
        if let Some(child) = old.and_then(|old| self.child_mut(old)) {
            child.phase = Phase::Replaced;
        }
    }

    fn child_sa_refused(&mut self, asked: AskedChildSa, notify: &Notify, cx: &mut Context<'_>) {
        let wanted = wanted_method(notify).filter(|method| cx.suites.key_exchanges.contains(method));
        match (notify.kind, wanted) {
            (NotifyType::INVALID_KE_PAYLOAD, Some(method))
                if !asked.is_second_try && asked.rival_nonce.is_none() =>
            {
                cx.spis.release_esp(asked.spi_in);
                self.send_child_sa(asked.rekeys, asked.ts_local, asked.ts_remote, Some(method), cx);
            }
            (NotifyType::CHILD_SA_NOT_FOUND, _) => self.peer_lost_child(asked, cx),
            (kind, _) => self.child_sa_failed(&asked, kind, cx),
        }
    }

    /// The peer has no such CHILD SA: ours goes too, without a word (§2.25).
    fn peer_lost_child(&mut self, asked: AskedChildSa, cx: &mut Context<'_>) {
        cx.spis.release_esp(asked.spi_in);
        let Some(old) = asked.rekeys.filter(|old| self.child_mut(*old).is_some()) else { return };
        self.remove_child(old, cx);
        if asked.rival_nonce.is_none() && self.children.is_empty() && !self.standing.is_responder {
            self.want_at(cx.now, Want::CreateChildSa);
        }
    }

    /// Nothing was created. A CHILD SA that was to be renewed goes on, and is tried again later.
    fn child_sa_failed(&mut self, asked: &AskedChildSa, why: NotifyType, cx: &mut Context<'_>) {
        cx.spis.release_esp(asked.spi_in);
        let retry_at = retry_at(why, cx);
        if asked.rival_nonce.is_some() {
            return self.leave_to_peer(asked.rekeys);
        }
        if let Some(child) = asked.rekeys.and_then(|old| self.child_mut(old)) {
            child.phase = Phase::Live;
            child.due = retry_at;
        } else if asked.rekeys.is_none() && why == NotifyType::TEMPORARY_FAILURE {
            self.want_at(retry_at, Want::CreateChildSa);
        } else {
            cx.out.event(Event::ChildFailed { sa: self.id, notify: why });
        }
    }
}

/// When a refused request is tried again: soon after TEMPORARY_FAILURE.
pub(super) fn retry_at(why: NotifyType, cx: &Context<'_>) -> Instant {
    let wait = if why == NotifyType::TEMPORARY_FAILURE { RETRY / 15 } else { RETRY };
    cx.jittered(wait)
}

/// The one proposal of an answer, if it and its selectors lie within what we asked for.
fn chosen_as_offered(asked: &AskedChildSa, accepted: &Accepted) -> Option<ChosenEsp> {
    let [_] = accepted.proposals.as_slice() else { return None };
    let chosen = asked.offered.choose_esp(&accepted.proposals, Some(asked.method))?;
    let within = |narrowed: &[TrafficSelector], offered: &[TrafficSelector]| {
        !narrowed.is_empty()
            && narrowed.iter().all(|ts| offered.iter().any(|offer| offer.intersect(ts) == Some(*ts)))
    };
    let as_offered = chosen.key_exchange == Some(asked.method)
        && accepted.ke.method == asked.method
        && within(&accepted.ts_i, &asked.ts_local)
        && within(&accepted.ts_r, &asked.ts_remote);
    as_offered.then_some(chosen)
}
