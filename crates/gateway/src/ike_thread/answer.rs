//! What the registrar, people and the clock want done.

use super::IkeThread;
use crate::{
    GatewayConfig,
    contest::Party,
    hand_off::{Admitted, Answer, Confining, Opening, Order, Quarantined, Why, Work},
    quarantine::Quarantine,
    sessions::{Session, State},
    shard::Command,
};
use ids::{DeviceId, SessionId};
use ike::{Admission, Grant, Path, Ticket};
use std::{sync::Arc, time::Instant};
use x509::Anchors;

impl IkeThread {
    pub(super) fn take_answers(&mut self) {
        for _ in 0..self.links.answers.len() {
            let Ok(answer) = self.links.answers.try_recv() else { return };
            let now = Instant::now();
            self.answer(answer, now);
            self.drain(now);
            self.send_datagrams();
        }
    }

    fn answer(&mut self, answer: Answer, now: Instant) {
        match answer {
            // An attempt that is gone by now needs no answer.
            Answer::Refused(ticket) => _ = self.responder.handle_admission(ticket, Admission::Refuse, now),
            Answer::Dropped(ticket) => _ = self.responder.handle_admission(ticket, Admission::Drop, now),
            Answer::Admitted { ticket, admitted, session, path, grant } => {
                self.attach(&session, path);
                self.open(&admitted);
                self.stand(ticket, grant, &session, now);
            }
            Answer::Contested { ticket, session, path, grant, holder } => {
                self.attach(&session, path);
                if self.stand(ticket, grant, &session, now) {
                    self.contest(&session, holder, now);
                }
            }
            Answer::Moved(admitted) => self.open(&admitted),
            Answer::Confined(quarantined) => self.confine(&quarantined, now),
            Answer::End { session, why } => self.end_session(session, why, now),
            Answer::Line { session, outside } => self.line(session, outside, now),
            Answer::Known(homes) => homes.into_iter().for_each(|home| self.responder.know(home)),
            Answer::Extension(extension) => self.peers.device.extension = extension,
            Answer::Pairs(pairs) => self.command_all(|| Command::Pairs(pairs.clone())),
        }
    }

    fn attach(&mut self, session: &Arc<Session>, path: Path) {
        self.command(Command::Attach { session: session.clone(), path });
    }

    fn open(&mut self, admitted: &Admitted) {
        if let Some(session) = self.sessions.get(admitted.session()) {
            session.set_state(if self.holds.has(session.id) { State::Held } else { State::Open });
            self.command(Command::Open(Opening::of(admitted)));
            self.command_all(|| Command::Lead(session.clone()));
        }
    }

    /// Whatever time it was granted before, it has to authenticate anew soon.
    fn confine(&mut self, quarantined: &Quarantined, now: Instant) {
        if let Some(session) = self.sessions.get(quarantined.session()) {
            self.command(Command::Confine(Confining::of(quarantined)));
            self.command_all(|| Command::Lead(session.clone()));
            self.responder.end_within(session.sa, Quarantine::LIFETIME, now);
        }
    }

    /// Answers IKE_AUTH; `false` when the attempt is gone by now.
    fn stand(&mut self, ticket: Ticket, grant: Grant, session: &Arc<Session>, now: Instant) -> bool {
        self.responder.handle_admission(ticket, Admission::Grant(grant), now);
        self.drain(now);
        if !session.has_stood() {
            self.close(session, Why::NeverStood);
        }
        session.has_stood()
    }

    fn contest(&mut self, newcomer: &Session, holder: Party, now: Instant) {
        let party = Party { sa: newcomer.sa, session: newcomer.id };
        if !self.contests.begin(newcomer.device, party, holder, now) {
            return self.end_session(newcomer.id, Why::NeverStood, now);
        }
        if self.sessions.get(holder.session).is_some() {
            self.responder.probe(holder.sa, now);
        } else {
            // It ended while the registrar judged; its end is on its way there and says how.
            let over = self.contests.ended_before(newcomer.device);
            over.into_iter().for_each(|(contest, outcome)| self.must(Work::Resolve { contest, outcome }));
        }
    }

    /// Holds a session whose unit is outside its line's network, or lets it go on. One that contests is held
    /// too, so that it opens into a hold.
    fn line(&mut self, id: SessionId, outside: bool, now: Instant) {
        let Some(session) = self.sessions.get(id) else { return };
        // What was judged under other terms may still come.
        if outside && self.holds.are_kept() {
            self.holds.begin(id, now);
            return self.hold(&session, now);
        }
        self.holds.end(id);
        session.set_held(None);
        if session.state() == State::Held {
            session.set_state(State::Open);
        }
        self.command(Command::Release(session.sa));
    }

    pub(super) fn hold(&mut self, session: &Session, now: Instant) {
        session.set_held(self.holds.of(session.id, now, self.clock.now()));
        if session.state() == State::Open {
            session.set_state(State::Held);
        }
        self.command(Command::Hold(session.sa));
    }

    pub(super) fn take_orders(&mut self) {
        while let Ok(order) = self.links.orders.try_recv() {
            let now = Instant::now();
            match order {
                Order::Cut { session, by, why } => self.end_session(session, Why::Cut { by, why }, now),
                Order::EndQuarantine { device, by, why } => self.end_quarantine(device, &by, &why, now),
                Order::DeviceChanged(device) => self.must(Work::Review(device)),
                Order::PairsChanged => self.must(Work::Pairs),
                Order::PolicyChanged => self.must(Work::Policy),
                Order::ExtensionChanged => self.must(Work::Extension),
                Order::Configure(new) => self.configure(new.0, new.1, now),
                Order::Shutdown => self.shut_down(now),
            }
        }
    }

    fn end_quarantine(&mut self, device: DeviceId, by: &str, why: &str, now: Instant) {
        for session in self.sessions.of_device(device) {
            if session.confinement().is_some() {
                self.end(&session, Why::Cut { by: by.to_owned(), why: why.to_owned() }, now);
            }
        }
    }

    /// What begins from now on is by this; the registrar sees to tunnels that stand.
    fn configure(&mut self, config: GatewayConfig, anchors: Anchors, now: Instant) {
        self.responder.reconfigure(config.responder.clone());
        self.anchors = Arc::new(anchors);
        let extension = self.peers.device.extension.take();
        self.peers = config.peers.clone();
        self.peers.device.extension = extension;
        self.contests.set_make_room(config.policy.make_room());
        for session in self.holds.set(config.off_line, config.off_line_hold) {
            self.line(session, false, now);
        }
        let limits = config.limits();
        self.command_all(|| Command::Limits(limits));
        self.must(Work::Configure(Box::new(config)));
    }

    /// Tells every unit; their answers are not waited for.
    fn shut_down(&mut self, now: Instant) {
        for id in self.sessions.ids() {
            self.end_session(id, Why::Shutdown, now);
        }
        self.state.stopping = true;
    }

    pub(super) fn do_what_is_due(&mut self, now: Instant) {
        if self.responder.poll_timeout().is_some_and(|(at, _)| at <= now) {
            self.responder.handle_timeout(now);
            self.drain(now);
        }
        for (contest, outcome) in self.contests.due(now) {
            self.must(Work::Resolve { contest, outcome });
        }
        for session in self.holds.due(now) {
            self.end_session(session, Why::LeftLine, now);
        }
    }
}
