//! What has truly happened, so that a part of the simulation that does nothing any more is seen.

use crate::model::Side;
use ids::{IkeSpi, Spi};
use ike::{
    ChildSa, DeletedBy, Event, ExchangeType, Header, parse_plain,
    payload::{NotifyType, Payload, PayloadType},
};
use std::collections::{BTreeMap, HashSet};

/// Everything that must be among what the seeds draw, and how many seeds in a thousand must have it.
pub(crate) const EXPECTED: [(&str, u64); 33] = [
    ("a datagram was lost", 100),
    ("a datagram came twice", 100),
    ("a datagram overtook another", 100),
    ("the gateway crashed with tunnels", 50),
    ("a unit crashed with a tunnel", 50),
    ("a NAT forgot a unit", 50),
    ("a unit was seen elsewhere", 50),
    ("a datagram came in another's name", 100),
    ("a unit was asked where it was not", 50),
    ("a unit renewed an IKE SA", 50),
    ("the gateway renewed an IKE SA", 50),
    ("a unit renewed a CHILD SA", 50),
    ("the gateway renewed a CHILD SA", 50),
    ("renewals of an IKE SA crossed", 5),
    ("renewals of a CHILD SA crossed", 5),
    ("a further CHILD SA", 50),
    ("re-authentication, make before break", 20),
    ("re-authentication, break before make", 20),
    ("a unit closed its tunnel", 20),
    ("the gateway closed a tunnel", 20),
    ("the gateway gave up a silent unit", 20),
    ("a unit gave up a silent gateway", 20),
    ("a probe was answered", 20),
    ("a probe met silence", 5),
    ("a childless attach", 50),
    ("a cookie was asked for", 50),
    ("INVALID_KE_PAYLOAD in IKE_SA_INIT", 50),
    ("INVALID_KE_PAYLOAD in CREATE_CHILD_SA", 5),
    ("a unit sent fragments", 50),
    ("the gateway sent fragments", 50),
    ("an answer was repeated", 100),
    ("an attach was refused", 50),
    ("an answer came late", 5),
];

/// What happened in one run, and how often.
#[derive(Default)]
pub(crate) struct Tally {
    counts: BTreeMap<&'static str, u64>,
    /// IKE SAs that were in use: by side, SPIs.
    used: HashSet<(Side, IkeSpi, IkeSpi)>,
    /// CHILD SAs that have a successor.
    renewed: HashSet<(Side, Spi)>,
}

impl Tally {
    pub(crate) fn saw(&mut self, what: &'static str) {
        self.saw_if(what, true);
    }

    pub(crate) fn saw_if(&mut self, what: &'static str, is_so: bool) {
        if is_so {
            *self.counts.entry(what).or_default() += 1;
        }
    }

    pub(crate) fn count(&self, what: &'static str) -> u64 {
        self.counts.get(what).copied().unwrap_or(0)
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &'static str> {
        self.counts.keys().copied()
    }

    pub(crate) fn installed(&mut self, side: Side, child: &ChildSa, has_others: bool) {
        let at_gateway = matches!(side, Side::Gateway { .. });
        let Some(old) = child.replaces else {
            return self.saw_if("a further CHILD SA", has_others && at_gateway);
        };
        let crossed = !self.renewed.insert((side, old));
        self.saw_if("renewals of a CHILD SA crossed", crossed);
        self.saw_if("the gateway renewed a CHILD SA", child.peer_is_ready && at_gateway);
        self.saw_if("a unit renewed a CHILD SA", child.peer_is_ready && !at_gateway);
    }

    pub(crate) fn event(&mut self, side: Side, event: &Event) {
        let at_gateway = matches!(side, Side::Gateway { .. });
        match event {
            Event::SaEstablished { childless, .. } => self.saw_if("a childless attach", *childless),
            Event::SaDeleted { by, .. } => self.deleted(at_gateway, *by),
            Event::ProbeAnswered { .. } => self.saw("a probe was answered"),
            Event::ProbeSilent { .. } => self.saw("a probe met silence"),
            Event::PathChanged { .. } => self.saw("a unit was seen elsewhere"),
            Event::Refused { .. } => self.saw("an attach was refused"),
            Event::IkeRekeyed { spi_i, spi_r, .. } => {
                self.used.insert((side, *spi_i, *spi_r));
            }
            Event::Connected { .. }
            | Event::ConnectFailed { .. }
            | Event::ChildEstablished { .. }
            | Event::ChildFailed { .. }
            | Event::ChildRekeyed { .. } => {}
        }
    }

    fn deleted(&mut self, at_gateway: bool, by: DeletedBy) {
        match (by, at_gateway) {
            (DeletedBy::DpdTimeout, true) => self.saw("the gateway gave up a silent unit"),
            (DeletedBy::DpdTimeout, false) => self.saw("a unit gave up a silent gateway"),
            (DeletedBy::Us, true) => self.saw("the gateway closed a tunnel"),
            (DeletedBy::Us, false) => self.saw("a unit closed its tunnel"),
            (DeletedBy::Reauthenticated, _) => self.saw("re-authentication, make before break"),
            (DeletedBy::Peer | DeletedBy::Expired | DeletedBy::PeerRefused, _) => {}
        }
    }

    /// `closes`: tunnels are closed, too, which also leaves IKE SAs that are deleted unused.
    pub(crate) fn sent(&mut self, side: Side, datagram: &[u8], closes: bool) {
        let Ok(header) = Header::parse(datagram) else { return };
        let at_gateway = matches!(side, Side::Gateway { .. });
        let fragment = header.first_payload == PayloadType::SKF;
        self.saw_if("the gateway sent fragments", fragment && at_gateway);
        self.saw_if("a unit sent fragments", fragment && !at_gateway);
        if header.exchange == ExchangeType::IKE_SA_INIT {
            return self.init(&header, datagram);
        }
        // Message IDs begin at 0 in an IKE SA that a rekey made; in the first one 0 is IKE_SA_INIT.
        if header.from_initiator && !header.is_response && header.message_id == 0 {
            if self.used.contains(&(side, header.spi_i, header.spi_r)) {
                self.saw_if("the gateway renewed an IKE SA", at_gateway);
                self.saw_if("a unit renewed an IKE SA", !at_gateway);
            } else {
                self.saw_if("renewals of an IKE SA crossed", !closes);
            }
        }
    }

    /// A request under an IKE SA that its sender has, and its receiver not yet: it overtook the answer that
    /// made the IKE SA.
    pub(crate) fn is_early(&self, sender: Side, receiver: Side, datagram: &[u8]) -> bool {
        let Ok(header) = Header::parse(datagram) else { return false };
        let is_used = |side| self.used.contains(&(side, header.spi_i, header.spi_r));
        !header.is_response && is_used(sender) && !is_used(receiver)
    }

    fn init(&mut self, header: &Header, datagram: &[u8]) {
        let payloads = parse_plain(header, datagram).unwrap_or_default();
        if let [Payload::Notify(notify)] = payloads.as_slice() {
            self.saw_if("a cookie was asked for", notify.kind == NotifyType::COOKIE);
            self.saw_if("INVALID_KE_PAYLOAD in IKE_SA_INIT", notify.kind == NotifyType::INVALID_KE_PAYLOAD);
        }
    }
}
