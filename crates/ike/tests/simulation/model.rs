//! What must hold, whatever the network does.

use ids::Spi;
use ike::{
    ChildSa, DeletedBy, Event, HEADER_LEN, Header, IkeSaId, Path, Reason, Responder, Stats,
    payload::Identification,
};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    net::SocketAddr,
    time::{Duration, Instant},
};

/// Requests of one IKE SA in 10 s that may go where nobody has proven to be: one a second, whoever asks for it, and
/// one more when what was on its way frees the window.
const MAX_PROBES: usize = 11;
const PROBES_COUNTED: Duration = Duration::from_secs(10);

/// Names a request of the gateway, by its own octets or those of its answer.
fn request_key(datagram: &[u8], is_answer: bool) -> Option<(u64, u64, u32)> {
    let header = Header::parse(datagram).ok()?;
    (header.is_response == is_answer).then_some((header.spi_i.0, header.spi_r.0, header.message_id))
}

fn is_later_fragment(datagram: &[u8]) -> bool {
    datagram[16] == 53 && datagram[HEADER_LEN + 4..HEADER_LEN + 6] != [0, 1]
}

/// A side in one life: a crash ends a life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Side {
    Gateway { life: u32 },
    Unit { unit: usize, life: u32 },
}

/// Facts of one run, and the rules that it has broken.
#[derive(Default)]
pub(crate) struct Model {
    /// IKE SAs by side, with their CHILD SAs.
    tunnels: BTreeMap<(Side, IkeSaId), BTreeMap<Spi, ChildSa>>,
    granted: BTreeSet<(Side, IkeSaId)>,
    over: BTreeSet<(Side, IkeSaId)>,
    keys: HashSet<(bool, Vec<u8>)>,
    ivs: HashMap<(bool, Vec<u8>), Vec<u8>>,
    probes: BTreeMap<(Side, IkeSaId), i32>,
    /// Where each tunnel of the gateway leads.
    paths: BTreeMap<(Side, IkeSaId), Path>,
    /// Where each request of the gateway went, by SPIs and number.
    asked: HashMap<(u64, u64, u32), BTreeSet<SocketAddr>>,
    /// The request that was answered last, and from where.
    answered: Option<((u64, u64, u32), SocketAddr)>,
    /// When an IKE SA of the gateway asked where nobody has proven to be.
    probed_at: BTreeMap<(u64, u64), Vec<Instant>>,
    timeouts: u32,
    broken: Vec<String>,
}

impl Model {
    pub(crate) fn breaks(&mut self, rule: String) {
        self.broken.push(rule);
    }

    pub(crate) fn into_broken(self) -> Vec<String> {
        self.broken
    }

    /// Peers that were given up.
    pub(crate) fn timeouts(&self) -> u32 {
        self.timeouts
    }

    pub(crate) fn granted(&mut self, side: Side, sa: IkeSaId) {
        self.granted.insert((side, sa));
    }

    /// Every protected datagram: under one key, an IV goes with one message for ever.
    pub(crate) fn sent(&mut self, from_gateway: bool, datagram: &[u8]) {
        let sealed_at = match datagram[16] {
            46 => HEADER_LEN + 4,
            53 => HEADER_LEN + 8,
            _ => return,
        };
        let iv = [&datagram[..16], &datagram[sealed_at..sealed_at + 8]].concat();
        let known = self.ivs.entry((from_gateway, iv)).or_insert_with(|| datagram.to_vec());
        if known != datagram {
            self.broken.push("an IV was used for two messages".to_owned());
        }
    }

    /// What the gateway sends: requests go where the peer has proven to be, but for a few.
    pub(crate) fn gateway_sent(&mut self, datagram: &[u8], path: &Path, now: Instant) {
        let Some(key) = request_key(datagram, false) else { return };
        self.asked.entry(key).or_default().insert(path.peer);
        if is_later_fragment(datagram) {
            return;
        }
        if self.paths.values().all(|proven| proven.peer != path.peer) {
            let times = self.probed_at.entry((key.0, key.1)).or_default();
            times.retain(|at| now - *at < PROBES_COUNTED);
            times.push(now);
            if times.len() > MAX_PROBES {
                let rule = format!("{} requests in 10 s went where nobody is: {}", times.len(), path.peer);
                self.broken.push(rule);
            }
        }
    }

    /// What is about to be handed to the gateway.
    pub(crate) fn gateway_gets(&mut self, datagram: &[u8], path: &Path) {
        self.answered = request_key(datagram, true).map(|key| (key, path.peer));
    }

    /// A tunnel moves only to where the peer has just answered from, and only for a request that went nowhere else.
    fn path_changed(&mut self, side: Side, sa: IkeSaId, from: &Path, to: &Path) {
        let proof = self.answered.and_then(|(key, came)| Some((self.asked.get(&key)?, came)));
        if proof.is_none_or(|(asked, came)| came != to.peer || *asked != BTreeSet::from([to.peer])) {
            self.breaks(format!("{sa:?} moved from {} to {} on {proof:?}", from.peer, to.peer));
        }
        if self.paths.insert((side, sa), *to) != Some(*from) {
            self.breaks(format!("{sa:?} was not at {}", from.peer));
        }
    }

    pub(crate) fn event(&mut self, side: Side, event: &Event) {
        match event {
            Event::SaEstablished { sa, path, .. } => {
                self.paths.insert((side, *sa), *path);
                if !self.granted.contains(&(side, *sa)) {
                    self.breaks(format!("{sa:?} of {side:?} stands without a grant"));
                }
                self.established(side, *sa);
            }
            Event::Connected { sa, .. } => self.established(side, *sa),
            Event::SaDeleted { sa, by } => {
                self.timeouts += u32::from(*by == DeletedBy::DpdTimeout);
                self.probes.remove(&(side, *sa));
                self.deleted(side, *sa);
            }
            Event::ProbeAnswered { sa, .. } | Event::ProbeSilent { sa } => {
                *self.probes.entry((side, *sa)).or_default() -= 1;
            }
            Event::ConnectFailed { .. }
            | Event::ChildEstablished { .. }
            | Event::ChildFailed { .. }
            | Event::ChildRekeyed { .. }
            | Event::IkeRekeyed { .. }
            | Event::Refused { .. } => {}
            Event::PathChanged { sa, from, to } => self.path_changed(side, *sa, from, to),
        }
    }

    pub(crate) fn probed(&mut self, side: Side, sa: IkeSaId) {
        *self.probes.entry((side, sa)).or_default() = 1;
    }

    fn established(&mut self, side: Side, sa: IkeSaId) {
        if self.tunnels.insert((side, sa), BTreeMap::new()).is_some() || self.over.contains(&(side, sa)) {
            self.breaks(format!("{sa:?} of {side:?} was established twice"));
        }
    }

    fn deleted(&mut self, side: Side, sa: IkeSaId) {
        self.paths.remove(&(side, sa));
        match self.tunnels.remove(&(side, sa)) {
            None => self.breaks(format!("{sa:?} of {side:?} ended without having stood")),
            Some(children) if !children.is_empty() => {
                self.breaks(format!("{sa:?} of {side:?} ended before its CHILD SAs"));
            }
            Some(_) => {}
        }
        self.over.insert((side, sa));
    }

    pub(crate) fn installed(&mut self, side: Side, sa: IkeSaId, child: ChildSa) {
        let of_gateway = matches!(side, Side::Gateway { .. });
        for keys in [&child.keys_in, &child.keys_out] {
            if !self.keys.insert((of_gateway, keys.encr.to_vec())) {
                self.broken.push(format!("a key was installed twice by {side:?}"));
            }
        }
        if child.ts_local.is_empty() || child.ts_remote.is_empty() {
            self.breaks(format!("a CHILD SA of {side:?} is for no packet"));
        }
        let Some(children) = self.tunnels.get_mut(&(side, sa)) else {
            return self.breaks(format!("CHILD SA of {sa:?} of {side:?}, which does not stand"));
        };
        children.insert(child.spi_in, child);
    }

    pub(crate) fn removed(&mut self, side: Side, sa: IkeSaId, spi_in: Spi) {
        let children = self.tunnels.get_mut(&(side, sa));
        if children.and_then(|children| children.remove(&spi_in)).is_none() {
            self.breaks(format!("{side:?} removed {spi_in}, which {sa:?} did not have"));
        }
    }

    /// A side has crashed: what it knew is no more.
    pub(crate) fn crashed(&mut self, side: Side) {
        self.tunnels.retain(|(of, _), _| *of != side);
        self.probes.retain(|(of, _), _| *of != side);
        self.paths.retain(|(of, _), _| *of != side);
    }

    pub(crate) fn tunnels_of(&self, side: Side) -> Vec<IkeSaId> {
        self.tunnels.keys().filter(|(of, _)| *of == side).map(|(_, sa)| *sa).collect()
    }

    pub(crate) fn children_of(&self, side: Side) -> Vec<&ChildSa> {
        let own = self.tunnels.iter().filter(|((of, _), _)| *of == side);
        own.flat_map(|(_, children)| children.values()).collect()
    }

    pub(crate) fn count_children(&self, side: Side, sa: IkeSaId) -> usize {
        self.tunnels.get(&(side, sa)).map_or(0, BTreeMap::len)
    }

    /// Counts that no network can excuse.
    pub(crate) fn stats(&mut self, side: Side, stats: &Stats) {
        for reason in [Reason::OurFault, Reason::AuthMismatch, Reason::Malformed, Reason::NotAuthentic] {
            if stats.refused(reason) > 0 {
                self.breaks(format!("{side:?} counted {} {reason}", stats.refused(reason)));
            }
        }
    }

    /// The network has been good for long: a unit and the gateway are joined by one tunnel with the same
    /// CHILD SAs, or know nothing of each other; and every probe has had its one answer.
    pub(crate) fn quiet(
        &mut self,
        gateway_side: Side,
        gateway: &Responder,
        unit: Side,
        id: &Identification,
        seen_at: &Path,
    ) {
        let at_gateway: Vec<_> = self
            .tunnels_of(gateway_side)
            .into_iter()
            .filter(|sa| gateway.authenticated(*sa).is_some_and(|(peer, _)| peer == id))
            .collect();
        let at_unit = self.tunnels_of(unit);
        if at_gateway.len() != at_unit.len() || at_unit.len() > 1 {
            return self.breaks(format!("{unit:?} has {at_unit:?}, the gateway has {at_gateway:?}"));
        }
        if let (Some(ours), Some(theirs)) = (at_gateway.first(), at_unit.first()) {
            self.children_agree((gateway_side, *ours), (unit, *theirs));
            let path = self.paths.get(&(gateway_side, *ours)).map(|path| path.peer);
            if path != Some(seen_at.peer) {
                self.breaks(format!("{unit:?} is at {}, its tunnel leads to {path:?}", seen_at.peer));
            }
        }
    }

    fn children_agree(&mut self, ours: (Side, IkeSaId), theirs: (Side, IkeSaId)) {
        let (gateway, unit) = (&self.tunnels[&ours], &self.tunnels[&theirs]);
        let agree = gateway.len() == unit.len()
            && gateway.values().all(|ours| {
                unit.get(&ours.spi_out).is_some_and(|theirs| {
                    theirs.spi_out == ours.spi_in
                        && theirs.suite == ours.suite
                        && theirs.keys_in.encr == ours.keys_out.encr
                        && theirs.keys_out.encr == ours.keys_in.encr
                        && theirs.ts_local == ours.ts_remote
                        && theirs.ts_remote == ours.ts_local
                })
            });
        if !agree {
            let spis = |children: &BTreeMap<Spi, ChildSa>| -> Vec<_> {
                children.values().map(|child| (child.spi_in, child.spi_out)).collect()
            };
            let rule = format!("CHILD SAs differ: gateway {:?}, unit {:?}", spis(gateway), spis(unit));
            self.breaks(rule);
        }
    }

    pub(crate) fn probes_are_answered(&mut self) {
        let open: Vec<_> = self.probes.iter().filter(|(_, open)| **open > 0).map(|(of, _)| *of).collect();
        if !open.is_empty() {
            self.breaks(format!("probes without outcome: {open:?}"));
        }
    }

    /// Nothing is held beyond what stands.
    pub(crate) fn memory(&mut self, side: Side, gateway: &Responder) {
        let (tunnels, children) = (self.tunnels_of(side).len(), self.children_of(side).len());
        let held = gateway.held();
        if held != (tunnels, tunnels, children) {
            self.breaks(format!("{held:?} is held for {tunnels} tunnels with {children} CHILD SAs"));
        }
        let now = (gateway.stats().half_open_now, gateway.stats().established_now);
        if now != (0, tunnels) {
            self.breaks(format!("half-open and established are counted as {now:?}, not (0, {tunnels})"));
        }
    }
}
