use crate::link::{HOME, Link, UNIT, gateway_config, identity, seen_at, unit_config};
use ike::{ChildSa, Reason};
use std::collections::HashSet;

#[test]
fn a_gateway_that_starts_anew_shares_no_key_with_the_one_before_and_knows_none_of_its_sas() {
    let unit = identity(UNIT);
    let mut keys = HashSet::new();
    let mut before: Vec<Vec<u8>> = Vec::new();
    for life in 1..=3 {
        let mut link = Link::new(unit_config(unit.clone()), gateway_config());
        for datagram in &before {
            link.gateway.handle_datagram(seen_at(HOME), datagram, link.now);
        }
        assert!(link.gateway.poll_output().is_none(), "nothing is answered");
        assert_eq!(link.gateway.stats().refused(Reason::UnknownSpi), before.len() as u64);
        link.unit.connect(link.now);
        link.settle();
        link.unit.rekey_child_sa(link.unit_children[0].spi_in, link.now);
        let first = link.gateway_children.clone();
        link.settle();
        let all: Vec<ChildSa> = first.into_iter().chain(link.gateway_children.clone()).collect();
        all.iter().for_each(|child| {
            keys.extend([child.keys_in.encr.to_vec(), child.keys_out.encr.to_vec()]);
        });
        assert_eq!(keys.len(), life * 4, "each direction of each CHILD SA of each life has a key of its own");
        let protected = link.sent.into_iter().filter(|(from_unit, octets)| *from_unit && octets[18] != 34);
        before.extend(protected.map(|(_, octets)| octets));
    }
}
