use super::*;
use crate::detection::tests::{cell, found, line, unit};
use proptest::prelude::*;

fn register(of_no_unit: &[u32], shared: &[u32]) -> Register {
    Register {
        of_no_unit: of_no_unit.iter().map(|number| cell(*number)).collect(),
        shared: shared.iter().map(|number| line(*number)).collect(),
    }
}

fn names(found: &Detected, register: &Register) -> Vec<String> {
    links(found, register).iter().map(Link::to_string).collect()
}

#[test]
fn a_finding_links_by_what_it_names_as_far_as_that_is_not_what_many_share() {
    let of_unit = Detected { devices: vec![unit(1)], lines: vec![line(1)], ..found(1, 1) };
    let (mine, own) = (register(&[], &[]), "cell lte:450-08:1000001");
    assert_eq!(names(&of_unit, &mine), [own, "device 020000000001", "line L-1"]);
    assert_eq!(names(&of_unit, &register(&[], &[1])), [own, "device 020000000001"]);
    let weak = Detected { confidence: JOINS_FROM - 1, ..of_unit.clone() };
    assert_eq!(names(&weak, &mine), [own]);
    let broad = Detected { devices: (0..16).map(unit).collect(), ..of_unit.clone() };
    assert_eq!(names(&broad, &mine), [own, "line L-1"]);
    let gap = Detected { key: Subject::Feed("core-1".parse().unwrap()), cells: Vec::new(), ..found(1, 1) };
    assert_eq!(names(&gap, &mine), ["feed core-1"]);
    let code = Subject::Subscriber("000102030405060708090a0b0c0d0eff".parse().unwrap());
    let nowhere = Detected { key: code, cells: Vec::new(), ..found(1, 1) };
    assert_eq!(names(&nowhere, &mine), ["detector war_driving"]);
}

#[test]
fn cells_that_share_handsets_belong_together_but_not_homes_beside_a_cell_that_nobody_registered() {
    let pair = Detected { cells: vec![cell(1), cell(2)], ..found(1, 1) };
    let both = ["cell lte:450-08:1000001", "cell lte:450-08:1000002"];
    assert_eq!(names(&pair, &register(&[], &[])), both);
    assert_eq!(names(&pair, &register(&[1, 2], &[])), both);
    let home = Detected { devices: vec![unit(1)], lines: vec![line(1)], ..pair };
    assert_eq!(names(&home, &register(&[2], &[])), both[1..], "whichever of them is its key");
    assert_eq!(names(&home, &register(&[1], &[])), both[..1]);
}

/// A macro cell that the plan lacks, cell 0, and a hundred homes beside it, each with a matter of its own.
#[test]
fn a_hundred_homes_beside_one_cell_are_a_hundred_matters_and_one() {
    let all = register(&[0], &[]);
    let beside = (1..=100).map(|home| Detected { cells: vec![cell(0), cell(home)], ..found(home, 0) });
    let own = (1..=100).map(|home| found(100 + home, home));
    let links: Vec<_> = beside.chain(own).map(|found| links(&found, &all)).collect();
    let groups = group(&links.iter().collect::<Vec<_>>(), &BTreeMap::new());
    let sizes: Vec<_> = groups.iter().map(|group| group.findings.len()).collect();
    assert_eq!((groups.len(), sizes[0]), (101, 100));
}

fn any_links() -> impl Strategy<Value = BTreeSet<Link>> {
    let any = prop_oneof![
        4 => (0..30u32).prop_map(|number| Link::Cell(cell(number))),
        2 => (0..20u8).prop_map(|number| Link::Device(unit(number))),
        1 => (0..20u32).prop_map(|number| Link::Line(line(number))),
        1 => Just(Link::Detector("expected_absent".to_owned())),
    ];
    prop::collection::btree_set(any, 1..4)
}

/// By hand: whoever is reached from the first.
fn by_hand(all: &[BTreeSet<Link>]) -> BTreeSet<BTreeSet<usize>> {
    let mut left: BTreeSet<usize> = (0..all.len()).collect();
    let mut parts = BTreeSet::new();
    while let Some(first) = left.pop_first() {
        let mut part = BTreeSet::from([first]);
        loop {
            let reached: Vec<usize> = left
                .iter()
                .copied()
                .filter(|place| part.iter().any(|known| !all[*known].is_disjoint(&all[*place])))
                .collect();
            if reached.is_empty() {
                break;
            }
            for place in reached {
                left.remove(&place);
                part.insert(place);
            }
        }
        parts.insert(part);
    }
    parts
}

/// As the ledger does it: portion after portion, with what is open by then.
fn in_portions(all: &[BTreeSet<Link>], order: &[usize], portion: usize) -> BTreeSet<BTreeSet<usize>> {
    let mut incidents = BTreeMap::<u64, BTreeSet<usize>>::new();
    let mut open = BTreeMap::<Link, u64>::new();
    for places in order.chunks(portion) {
        let links: Vec<_> = places.iter().map(|place| &all[*place]).collect();
        for Group { findings, incidents: joined } in group(&links, &open) {
            let number = joined.first().copied().unwrap_or(incidents.len() as u64 + 1);
            let mut whole: BTreeSet<usize> = findings.into_iter().map(|place| places[place]).collect();
            for younger in &joined {
                whole.extend(incidents.insert(*younger, BTreeSet::new()).unwrap_or_default());
            }
            for place in &whole {
                open.extend(all[*place].iter().map(|link| (link.clone(), number)));
            }
            incidents.insert(number, whole);
        }
    }
    incidents.into_values().filter(|whole| !whole.is_empty()).collect()
}

proptest! {
    #[test]
    fn the_same_findings_fall_into_the_same_parts_in_any_order_and_in_any_portions(
        all in prop::collection::vec(any_links(), 1..40),
        keys in prop::collection::vec(any::<u32>(), 40),
        portion in 1..12usize,
    ) {
        let mut order: Vec<usize> = (0..all.len()).collect();
        order.sort_by_key(|place| keys[*place]);
        let expected = by_hand(&all);
        prop_assert_eq!(in_portions(&all, &order, portion), expected.clone());
        prop_assert_eq!(in_portions(&all, &order, all.len()), expected);
    }
}
