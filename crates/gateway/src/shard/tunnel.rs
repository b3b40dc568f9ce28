//! One tunnel: its SAs, and what its packets meet.

use super::{Limits, Notice, Passed, child::Child, confined::Confined, neighbours::Neighbours};
use crate::{
    attempts::Attempts, cause::Cause, classes::selector, core::Packets, path_mtu::PathMtu,
    quarantine::Confinement, sessions::Session, sightings::Sightings, too_big, udp::Outgoing,
};
use esp::{Dropped, Inner, Opened, Rejected, Selectors};
use ids::Spi;
use ike::{ChildSa, Path};
use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Instant,
};

/// When a packet comes in, and where to what is to be told of it.
pub(super) struct Turn<'a> {
    pub(super) now: Instant,
    pub(super) limits: &'a Limits,
    pub(super) notices: &'a mut Vec<Notice>,
}

/// Whether packets may pass.
#[derive(Clone, Copy, Default)]
struct Gate {
    is_admitted: bool,
    is_held: bool,
}

impl Gate {
    fn is_open(self) -> bool {
        self.is_admitted && !self.is_held
    }
}

pub(super) struct Tunnel {
    pub(super) session: Arc<Session>,
    path: Path,
    mtu: PathMtu,
    gate: Gate,
    confined: Option<Box<Confined>>,
    pub(super) sightings: Option<Box<Sightings>>,
    children: Vec<Child>,
    begun: Instant,
    heard: Option<Instant>,
    never_seen_told: bool,
    attempts: Option<Box<Attempts>>,
}

/// Why a packet of a unit goes no further, and what it was where that could be read.
pub(super) struct Stopped {
    pub(super) cause: Cause,
    pub(super) inner: Option<Inner>,
}

impl From<Cause> for Stopped {
    fn from(cause: Cause) -> Self {
        Self { cause, inner: None }
    }
}

impl From<Rejected> for Stopped {
    fn from(rejected: Rejected) -> Self {
        Self { cause: Cause::Inbound(rejected.why), inner: rejected.inner }
    }
}

impl Tunnel {
    /// Begins closed.
    pub(super) fn new(session: Arc<Session>, path: Path, now: Instant) -> Self {
        Self {
            session,
            path,
            mtu: PathMtu::default(),
            gate: Gate::default(),
            confined: None,
            sightings: None,
            children: Vec::with_capacity(1),
            begun: now,
            heard: None,
            never_seen_told: false,
            attempts: None,
        }
    }

    pub(super) fn path(&self) -> Path {
        self.path
    }

    pub(super) fn admit(&mut self) {
        self.gate.is_admitted = true;
    }

    /// What passes from now on is what quarantine lets pass.
    pub(super) fn confine(&mut self, confinement: Arc<Confinement>) {
        self.confined = Some(Box::new(Confined::new(confinement)));
        self.gate.is_admitted = true;
    }

    pub(super) fn hold(&mut self, is_held: bool) {
        self.gate.is_held = is_held;
    }

    /// Returns whether the keys fit the suite.
    pub(super) fn install(&mut self, child: ChildSa, limits: &Limits, now: Instant) -> bool {
        let selectors = self.selectors(&child);
        let child = Child::new(child, selectors, limits.window, now);
        let fits = child.is_some();
        self.children.extend(child);
        fits
    }

    /// Nothing goes out over this CHILD SA any more.
    pub(super) fn leave(&mut self, spi_in: Spi) {
        self.children.iter_mut().for_each(|child| child.leave(spi_in));
    }

    pub(super) fn remove(&mut self, spi_in: Spi) {
        self.children.retain(|child| child.inbound.spi() != spi_in);
    }

    /// Of its inbound SAs.
    pub(super) fn spis(&self) -> impl Iterator<Item = Spi> {
        self.children.iter().map(|child| child.inbound.spi())
    }

    pub(super) fn mtu(&mut self) -> &mut PathMtu {
        &mut self.mtu
    }

    pub(super) fn move_to(&mut self, path: Path, now: Instant) {
        (self.path, self.mtu) = (path, PathMtu::default());
        if let Some(sightings) = &mut self.sightings {
            sightings.moved(&path, now);
        }
    }
    /// Tunnels of one class share the list of what they reach, unless the unit has narrowed it.
    fn selectors(&self, child: &ChildSa) -> Arc<Selectors> {
        let narrowed = child.ts_local.iter().map(selector);
        let shared = &self.session.class.local;
        let local =
            if narrowed.clone().eq(shared.iter().copied()) { shared.clone() } else { narrowed.collect() };
        Arc::new(Selectors { local, remote: child.ts_remote.iter().map(selector).collect() })
    }

    /// What comes into a held tunnel goes no further, but says where its unit is: it may be back.
    pub(super) fn open_packet<'a>(
        &mut self,
        spi: Spi,
        packet: &'a mut [u8],
        path: &Path,
        turn: &mut Turn<'_>,
    ) -> Result<Opened<'a>, Stopped> {
        if !self.gate.is_admitted {
            return Err(Cause::UplinkBlocked.into());
        }
        let child =
            self.children.iter_mut().find(|child| child.inbound.spi() == spi).ok_or(Cause::UnknownSpi)?;
        let opened = child.inbound.open(packet);
        if opened.as_ref().err().is_some_and(|rejected| !rejected.why.is_authentic()) {
            return opened.map_err(Stopped::from);
        }
        self.session.traffic.esp_seen.store(true, Relaxed);
        child.waits_for = None;
        if self.heard.is_none_or(|heard| turn.now.duration_since(heard) >= turn.limits.heard_every) {
            self.heard = Some(turn.now);
            turn.notices.push(Notice::Heard(self.session.sa));
        }
        let opened = opened?;
        self.session.traffic.heard.note(turn.now);
        child.tell_if_worn(self.session.sa, turn.limits, turn.notices);
        if opened.newest && (*path != self.path || self.sightings.is_some()) {
            self.see(path, turn);
        }
        let is_stray = *path != self.path && self.sightings.as_mut().is_some_and(|seen| seen.stray(turn.now));
        if is_stray {
            self.attempts.get_or_insert_default().see_unproven(path.peer);
            return Err(Cause::UnprovenPath.into());
        }
        // Opened all the same: it may be the first packet from where the unit belongs.
        if self.gate.is_held { Err(Cause::UplinkBlocked.into()) } else { Ok(opened) }
    }

    /// Why a packet that fits the traffic selectors goes no further; `None` if it does.
    pub(super) fn judge(&self, opened: &Opened<'_>, neighbours: &Neighbours) -> Option<Cause> {
        let Opened { packet, inner, .. } = opened;
        let is_for_unit = neighbours.is_unit(inner.destination);
        if neighbours.is_lateral(inner) || (is_for_unit && self.confined.is_some()) {
            return Some(Cause::Lateral);
        }
        let judged = match &self.confined {
            Some(confined) => confined.check_inbound(inner, packet),
            None if is_for_unit => inner.check_headers(),
            None => self.session.class.reach.check_inbound(inner, packet),
        };
        judged.err().map(Cause::Uplink)
    }

    /// A packet that nothing speaks against goes on.
    pub(super) fn pass(&self, opened: &Opened<'_>, neighbours: &Neighbours, passed: &mut Passed) {
        let Opened { packet, inner, .. } = opened;
        match &self.confined {
            Some(confined) => passed.core.push_with(|out| confined.outward(packet, inner, out)),
            None if neighbours.is_unit(inner.destination) => passed.units.push(packet),
            None => passed.core.push(packet),
        }
    }

    /// What a stopped packet counts as. One for another unit is an attempt, however the unit has narrowed
    /// its traffic selectors.
    pub(super) fn stopped(&mut self, stopped: &Stopped, neighbours: &Neighbours) -> Cause {
        let is_outside = stopped.cause == Cause::Inbound(Dropped::OutsideSelectors);
        let may_be_lateral = is_outside || stopped.cause == Cause::Lateral;
        let is_lateral = may_be_lateral && stopped.inner.is_some_and(|inner| neighbours.is_lateral(&inner));
        let cause = if is_lateral { Cause::Lateral } else { stopped.cause };
        if Attempts::are(cause) {
            let to = stopped.inner.map(|inner| inner.goes_to());
            self.attempts.get_or_insert_default().see(cause, to);
        }
        cause
    }

    /// The newest packet came over `path`, or others have come from elsewhere lately.
    fn see(&mut self, path: &Path, turn: &mut Turn<'_>) {
        let (home, now) = (self.path, turn.now);
        let sightings = self.sightings.get_or_insert_with(|| Box::new(Sightings::begin(home, now)));
        sightings.see(path, now);
        if *path != home && sightings.asks(now) {
            turn.notices.push(Notice::Elsewhere { sa: self.session.sa, to: *path });
        }
    }

    pub(super) fn seal(
        &mut self,
        packet: &[u8],
        inner: &Inner,
        neighbours: &Neighbours,
        now: Instant,
        out: &mut Vec<u8>,
        errors: Option<&mut Packets>,
    ) -> Result<(), Cause> {
        if !self.gate.is_open() {
            return Err(Cause::DownlinkBlocked);
        }
        let (carried, inner) = match &mut self.confined {
            Some(confined) => confined.inward(packet, inner).map_err(Cause::Downlink)?,
            None if neighbours.is_unit(inner.source) => (packet, *inner),
            None => {
                self.session.class.reach.check_outbound(inner, packet).map_err(Cause::Downlink)?;
                (packet, *inner)
            }
        };
        // The newest pair whose peer is ready; several with equal selectors may stand side by side.
        let fits = |child: &&mut Child| {
            child.may_send() && child.outbound.selectors().check_outbound(&inner).is_ok()
        };
        let child = self.children.iter_mut().rev().find(fits).ok_or(Cause::NoChildSa)?;
        let whole = self.mtu.datagram().map(|datagram| child.outbound.room(datagram));
        let broken = whole.and_then(|whole| too_big::broken_mtu(carried.get(..inner.length)?, whole));
        if let (Some(mtu), Some(errors)) = (broken, errors) {
            if self.mtu.may_tell(now) {
                too_big::answer(packet, mtu).iter().for_each(|answer| errors.push(answer));
            }
            return Err(Cause::TooBig);
        }
        let start = out.len();
        child.outbound.seal(carried, out).map_err(Cause::Outbound)?;
        self.mtu.uses(out.len() - start);
        Ok(())
    }

    /// `mtu`: of the path.
    pub(super) fn found(&mut self, mtu: usize, now: Instant, probes: &mut Outgoing) {
        let Some(datagram) = self.mtu.found(&self.path, mtu, now) else { return };
        let newest = self.children.iter_mut().rev().find(|child| child.may_send());
        if let Some(child) = newest.filter(|_| self.gate.is_open()) {
            let length = child.outbound.room(datagram);
            // Its failure shows with the next packet.
            let _ = probes.push_with(self.path, |out| child.outbound.seal_dummy(length, out));
        }
    }

    pub(super) fn sweep(&mut self, now: Instant, limits: &Limits, notices: &mut Vec<Notice>) {
        let waited = now.duration_since(self.begun) >= limits.esp_expected_within;
        let seen = self.session.traffic.esp_seen.load(Relaxed);
        if waited && !seen && !self.never_seen_told && !self.children.is_empty() {
            self.never_seen_told = true;
            notices.push(Notice::EspNeverSeen(self.session.sa));
        }
        if let Some(attempts) = &mut self.attempts {
            notices.extend(attempts.tell(self.session.sa, now).into_iter().flatten());
        }
        self.tell_alternation(now, notices);
        for child in &mut self.children {
            child.sweep(now, limits);
            child.tell_if_worn(self.session.sa, limits, notices);
        }
    }

    fn tell_alternation(&mut self, now: Instant, notices: &mut Vec<Notice>) {
        let Some(sightings) = &mut self.sightings else { return };
        notices.extend(sightings.tell(now).map(|seen| Notice::Alternates { sa: self.session.sa, seen }));
        self.sightings.take_if(|sightings| sightings.are_over(now));
    }
}
