//! What must hold, whatever the network does.

use ids::Spi;
use ike::{
    ChildSa, DeletedBy, Event, HEADER_LEN, IkeSaId, Reason, Responder, Stats, payload::Identification,
};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

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

    pub(crate) fn event(&mut self, side: Side, event: &Event) {
        match event {
            Event::SaEstablished { sa, .. } => {
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
            | Event::PathChanged { .. }
            | Event::Refused { .. } => {}
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
    pub(crate) fn quiet(&mut self, gateway_side: Side, gateway: &Responder, unit: Side, id: &Identification) {
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
