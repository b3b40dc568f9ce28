use super::*;
use crate::top::sample::{amount, id, look, seconds, tunnel};
use proptest::prelude::*;
use std::time::Duration;

fn words(counts: &[(&str, u64)]) -> BTreeMap<String, u64> {
    counts.iter().map(|(word, count)| ((*word).to_owned(), *count)).collect()
}

fn rates_of(picture: &Picture, number: u32) -> Option<TunnelRates> {
    picture.tunnels.iter().find(|tunnel| tunnel.brief.id == id(number)).unwrap().rates
}

#[test]
fn the_first_look_has_no_rates_yet() {
    let picture = Picture::new(None, look(seconds(60), vec![tunnel(1)]));
    assert_eq!((picture.sessions, picture.uptime_s, picture.rates), (1, 60, None));
    assert!(picture.tunnels[0].rates.is_none());
}

#[test]
fn rates_are_octets_times_eight_and_packets_over_the_nodes_own_time() {
    let mut before = look(seconds(100), Vec::new());
    before.stats.counters.uplink = amount(50, 1_000);
    let mut now = look(Duration::from_millis(100_500), Vec::new());
    now.stats.counters.uplink = amount(60, 126_000);
    let up = Picture::new(Some(&before), now).rates.unwrap().up;
    // 10 packets and 125,000 octets in half a second.
    assert_eq!(up, Flow { packets_s: 20.0, bits_s: 2e6 });
}

#[test]
fn after_a_restart_nothing_is_compared_with_what_was_before() {
    let mut before = look(seconds(9_000), vec![tunnel(1)]);
    before.stats.counters.attaches = words(&[("admitted", 70)]);
    let mut now = look(seconds(9_001), vec![tunnel(1)]);
    now.stats.epoch = Epoch(2);
    let picture = Picture::new(Some(&before), now);
    assert!(picture.rates.is_none() && picture.tunnels[0].rates.is_none());
}

#[test]
fn a_look_at_the_same_moment_gives_no_rates() {
    let before = look(seconds(5), vec![tunnel(1)]);
    let picture = Picture::new(Some(&before), before.clone());
    assert!(picture.rates.is_none() && picture.tunnels[0].rates.is_none());
}

#[test]
fn a_tunnel_that_came_since_counts_from_zero_and_one_that_went_is_gone() {
    let mut gone = tunnel(1);
    gone.uplink = amount(1_000, 1_000_000);
    let mut came = tunnel(2);
    came.downlink = amount(4, 500);
    came.drops = 6;
    let picture = Picture::new(Some(&look(seconds(10), vec![gone])), look(seconds(12), vec![came]));
    assert_eq!(picture.tunnels.len(), 1);
    let rates = rates_of(&picture, 2).unwrap();
    assert_eq!(rates.down, Flow { packets_s: 2.0, bits_s: 2_000.0 });
    assert_eq!((rates.drops_s, rates.up), (3.0, Flow::default()));
}

#[test]
fn each_page_of_tunnels_has_its_own_time() {
    let before = look(seconds(10), vec![tunnel(1), tunnel(2)]);
    let mut now = look(seconds(12), vec![tunnel(1), tunnel(2)]);
    for seen in &mut now.tunnels {
        seen.brief.uplink = amount(12, 0);
    }
    now.tunnels[1].uptime_us = 13_000_000;
    let picture = Picture::new(Some(&before), now);
    let packets = |number| rates_of(&picture, number).unwrap().up.packets_s;
    assert_eq!((packets(1), packets(2)), (6.0, 4.0));
}

#[test]
fn admitted_contested_and_quarantined_are_no_refusals_and_those_untold_are() {
    let mut before = look(seconds(0), Vec::new());
    before.stats.counters.attaches = words(&[("admitted", 5), ("unknown-device", 9)]);
    before.stats.counters.refusals_untold = 100;
    let mut now = look(seconds(10), Vec::new());
    let attaches = [
        ("admitted", 25),
        ("contested", 3),
        ("quarantined", 2),
        ("cert-untrusted", 4),
        ("unknown-device", 9),
    ];
    now.stats.counters.attaches = words(&attaches);
    now.stats.counters.refusals_untold = 600;
    let rates = Picture::new(Some(&before), now).rates.unwrap();
    assert_eq!(rates.admissions_s, 2.0);
    let expected = [("cert-untrusted", 0.4), ("untold", 50.0)];
    assert_eq!(rates.refusals_s, expected.map(|(word, rate)| (word.to_owned(), rate)).into());
}

#[test]
fn drops_that_did_not_occur_since_are_left_out() {
    let drops = |blocked, replayed, no_tunnel| {
        BTreeMap::from([
            ("uplink".to_owned(), words(&[("blocked", blocked), ("replayed", replayed)])),
            ("downlink".to_owned(), words(&[("no_tunnel", no_tunnel)])),
        ])
    };
    let (mut before, mut now) = (look(seconds(0), Vec::new()), look(seconds(4), Vec::new()));
    before.stats.counters.drops = drops(7, 7, 7);
    now.stats.counters.drops = drops(9, 7, 7);
    let drops_s = Picture::new(Some(&before), now).rates.unwrap().drops_s;
    let blocked = BTreeMap::from([("blocked".to_owned(), 0.5)]);
    assert_eq!(drops_s, BTreeMap::from([("uplink".to_owned(), blocked)]));
}

proptest! {
    #[test]
    fn a_rate_times_its_time_is_what_was_counted(
        before in 0u64..1 << 40, counted in 0u64..1 << 40, micros in 1u64..1 << 40,
    ) {
        let span = Span::between(7, 7 + micros).unwrap();
        let again = span.rate(before, before + counted) * micros as f64 / 1e6;
        prop_assert!((again - counted as f64).abs() <= counted as f64 * 1e-9, "{again}");
    }

    #[test]
    fn a_counter_that_went_back_began_again(before in 1u64..1 << 40, back in 1u64..1 << 40) {
        let now = before.saturating_sub(back);
        let span = Span::between(0, 1_000_000).unwrap();
        prop_assert_eq!(span.rate(before, now), now as f64);
    }

    /// Whoever comes, goes or stays: where the node counts exactly what its tunnels do, so do the rates.
    #[test]
    fn tunnels_add_up_to_the_node(steps in prop::collection::vec((any::<bool>(), any::<bool>(), 0u64..1 << 30), 0..40)) {
        let (mut before, mut now) = (Vec::new(), Vec::new());
        let mut total = 0;
        for (number, (was, is, octets)) in steps.iter().enumerate() {
            let mut brief = tunnel(number as u32);
            brief.uplink = amount(1, 1_000);
            if *was {
                before.push(brief.clone());
            } else {
                brief.uplink = amount(0, 0);
            }
            if *is {
                brief.uplink.octets += octets;
                total += octets;
                now.push(brief);
            }
        }
        let (before, mut now) = (look(seconds(1), before), look(seconds(3), now));
        now.stats.counters.uplink.octets = total;
        let picture = Picture::new(Some(&before), now);
        let sum: f64 = picture.tunnels.iter().map(|tunnel| tunnel.rates.unwrap().up.bits_s).sum();
        let node = picture.rates.unwrap().up.bits_s;
        prop_assert!((sum - node).abs() <= node * 1e-9, "{sum} {node}");
    }
}
