use crate::{
    AuthVerified, ChildSa, Event, HEADER_LEN, Header, IkeSaId, Responder, Stats, Ticket, payload::PayloadType,
};
use ids::{IkeSpi, Spi};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// What must hold whatever comes. Each rule that does not is a panic.
#[derive(Default)]
pub(super) struct Rules {
    /// IKE SAs whose peer signed for the identity and certificate that it sent.
    pub(super) proven: HashSet<(IkeSpi, IkeSpi)>,
    asked: HashMap<Ticket, IkeSaId>,
    granted: HashSet<IkeSaId>,
    /// Tunnels that stand, with the SPIs that the responder receives on.
    tunnels: BTreeMap<IkeSaId, BTreeSet<Spi>>,
    ended: HashSet<IkeSaId>,
    keys: HashSet<Vec<u8>>,
    said: HashMap<Said, Vec<u8>>,
    ivs: HashMap<Vec<u8>, Vec<u8>>,
    probed: BTreeSet<IkeSaId>,
}

/// What names one protected datagram: SPIs, flags, Message ID, and which fragment.
type Said = Vec<u8>;

/// CHILD SAs of one tunnel.
const MAX_CHILDREN: usize = 16;
/// IKE SPIs of one tunnel: in use, being made from either side, and those of a few that end.
const MAX_IKE_SPIS: usize = 12;

impl Rules {
    pub(super) fn tunnel(&self, which: u8) -> Option<IkeSaId> {
        let count = self.tunnels.len().max(1);
        self.tunnels.keys().nth(usize::from(which) % count).copied()
    }

    pub(super) fn children_of(&self, sa: IkeSaId) -> Vec<Spi> {
        self.tunnels.get(&sa).into_iter().flatten().copied().collect()
    }

    pub(super) fn asked(&mut self, ticket: Ticket, sa: IkeSaId, auth: &AuthVerified) {
        assert!(self.proven.contains(&(auth.spi_i(), auth.spi_r())), "{sa:?} counts as authenticated");
        assert!(self.asked.insert(ticket, sa).is_none(), "{ticket:?} was given twice");
    }

    pub(super) fn granted(&mut self, ticket: Ticket) {
        self.granted.extend(self.asked.get(&ticket));
    }

    pub(super) fn probed(&mut self, sa: IkeSaId) {
        self.probed.insert(sa);
    }

    pub(super) fn event(&mut self, event: &Event) {
        match event {
            Event::SaEstablished { sa, spi_i, spi_r, .. } => {
                assert!(self.granted.contains(sa), "{sa:?} stands without a grant");
                assert!(self.proven.contains(&(*spi_i, *spi_r)), "{sa:?} stands without proof");
                assert!(!self.ended.contains(sa), "{sa:?} stands again");
                assert!(self.tunnels.insert(*sa, BTreeSet::new()).is_none(), "{sa:?} stands twice");
            }
            Event::SaDeleted { sa, .. } => {
                let children = self.tunnels.remove(sa);
                assert_eq!(children, Some(BTreeSet::new()), "{sa:?} ends before its CHILD SAs");
                self.ended.insert(*sa);
                self.probed.remove(sa);
            }
            Event::ProbeAnswered { sa, .. } | Event::ProbeSilent { sa } => {
                assert!(self.probed.remove(sa), "{sa:?} was not asked");
            }
            Event::Connected { .. }
            | Event::ConnectFailed { .. }
            | Event::ChildEstablished { .. }
            | Event::ChildFailed { .. }
            | Event::ChildRekeyed { .. }
            | Event::IkeRekeyed { .. }
            | Event::PathChanged { .. }
            | Event::Refused { .. } => {}
        }
    }

    pub(super) fn installed(&mut self, sa: IkeSaId, child: &ChildSa) {
        let Some(children) = self.tunnels.get_mut(&sa) else {
            panic!("CHILD SA of {sa:?}, which does not stand");
        };
        assert!(children.insert(child.spi_in), "{} is in use already", child.spi_in);
        assert!(!child.ts_local.is_empty() && !child.ts_remote.is_empty(), "a CHILD SA for no packet");
        for keys in [&child.keys_in, &child.keys_out] {
            assert!(self.keys.insert(keys.encr.to_vec()), "packet keys were used before");
        }
    }

    pub(super) fn removed(&mut self, sa: IkeSaId, spi_in: Spi) {
        let known = self.tunnels.get_mut(&sa).is_some_and(|children| children.remove(&spi_in));
        assert!(known, "{sa:?} has no {spi_in}");
    }

    /// One message under one Message ID, and one under one IV.
    pub(super) fn said(&mut self, datagram: &[u8]) {
        let Ok(header) = Header::parse(datagram) else { panic!("what was sent is no IKE message") };
        let sealed_at = match header.first_payload {
            PayloadType::SK => HEADER_LEN + 4,
            PayloadType::SKF => HEADER_LEN + 8,
            _ => return,
        };
        let message = [&datagram[..16], &datagram[19..24], &datagram[HEADER_LEN + 4..sealed_at]].concat();
        let before = self.said.entry(message).or_insert_with(|| datagram.to_vec());
        assert_eq!(before, datagram, "a Message ID has two messages");
        let iv = [&datagram[..16], &datagram[sealed_at..sealed_at + 8]].concat();
        let before = self.ivs.entry(iv).or_insert_with(|| datagram.to_vec());
        assert_eq!(before, datagram, "an IV has two messages");
    }

    /// After each step: what is kept is bounded by what peers were let in.
    pub(super) fn hold(&self, responder: &Responder, half_open: usize) {
        let (slots, ike_spis, esp_spis) = responder.held();
        let stats = responder.stats();
        let stood = self.tunnels.len() + self.ended.len();
        assert!(stats.half_open_now <= half_open, "{} are half-open", stats.half_open_now);
        assert_eq!(stats.established_now, self.tunnels.len());
        assert!(slots <= half_open + stood, "{slots} IKE SAs for {stood} that stood");
        assert!(ike_spis <= half_open + MAX_IKE_SPIS * stood, "{ike_spis} IKE SPIs for {stood} that stood");
        assert!(esp_spis <= (MAX_CHILDREN + 2) * stood, "{esp_spis} ESP SPIs for {stood} that stood");
        let children = self.tunnels.values().map(BTreeSet::len).max().unwrap_or(0);
        assert!(children <= MAX_CHILDREN + 1, "{children} CHILD SAs in one tunnel");
    }

    /// When all is over.
    pub(super) fn over(&self, stats: &Stats) {
        assert_eq!((stats.half_open_now, stats.established_now), (0, 0));
        assert_eq!(stats.established, stats.deleted);
        assert!(self.probed.is_empty(), "probes without outcome: {:?}", self.probed);
    }
}
