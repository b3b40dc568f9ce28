//! What a class may reach: a verdict that contradicts another is a finding.

use crate::{Barred, Inner, Reach, Rule};

/// Rules, one a line, an empty line, and an inner packet; returns in how many directions it passes.
pub fn inner(data: &[u8]) -> usize {
    let Some(at) = data.windows(2).position(|pair| pair == b"\n\n") else { return 0 };
    let (text, packet) = (String::from_utf8_lossy(&data[..at]), &data[at + 2..]);
    let rules: Vec<Rule> = text.lines().filter_map(|line| line.parse().ok()).collect();
    let Ok(inner) = Inner::parse(packet) else { return 0 };
    let directions = [Reach::check_inbound, Reach::check_outbound];
    directions.into_iter().filter(|check| passes(*check, &rules, &inner, packet)).count()
}

type Check = fn(&Reach, &Inner, &[u8]) -> Result<(), Barred>;

fn passes(check: Check, rules: &[Rule], inner: &Inner, packet: &[u8]) -> bool {
    let verdict = |rules: &[Rule]| check(&Reach::new(rules), inner, packet);
    let all = verdict(rules);
    let headers = inner.check_headers();
    assert!(headers.is_ok() || all == headers, "bad headers pass nothing, and say why");
    assert!(verdict(&[]).is_err(), "no rule lets nothing through");
    let one_by_one = rules.iter().any(|rule| verdict(std::slice::from_ref(rule)).is_ok());
    assert_eq!(one_by_one, all.is_ok(), "what passes, one rule alone lets through");
    let cut = packet.get(..inner.length).unwrap_or(packet);
    assert_eq!(Inner::parse(cut), Ok(*inner), "what stands behind a packet is not looked at");
    assert_eq!(check(&Reach::new(rules), inner, cut), all);
    all.is_ok()
}
