use crate::GatewayConfig;
use esp::{Reach, Rule, Selector};
use ike::payload::TrafficSelector;
use ipnet::IpNet;
use ledger::Device;
use std::{collections::HashMap, sync::Arc};

/// What the units of each class may reach.
pub(crate) struct Classes {
    named: HashMap<String, Arc<Class>>,
    /// For units of a class that the configuration does not name.
    others: Arc<Class>,
}

/// One class.
#[derive(PartialEq)]
pub(crate) struct Class {
    /// The configuration names it; otherwise it is what all others have.
    pub(crate) is_listed: bool,
    /// What its units may reach, as it was configured.
    pub(crate) rules: Box<[Rule]>,
    /// What its packets are held to.
    pub(crate) reach: Reach,
    /// What TSr is narrowed to: the networks of its rules, without protocol and port, since few peers
    /// expect several selectors with ports and a later fragment fits none; and the pools, since pairs come
    /// and go while a tunnel stands. `reach` and the pairs decide.
    pub(crate) ts_r: Arc<[TrafficSelector]>,
    /// The same, as the tunnels that the unit has not narrowed have it.
    pub(crate) local: Arc<[Selector]>,
}

/// Addresses within others of a list need not stand in it again.
fn has(list: &[TrafficSelector], selector: &TrafficSelector) -> bool {
    let (first, last) = selector.addresses;
    list.iter().map(|one| one.addresses).any(|(from, to)| {
        from.is_ipv4() == first.is_ipv4() && (from..=to).contains(&first) && (from..=to).contains(&last)
    })
}

impl Classes {
    pub(crate) fn new(config: &GatewayConfig) -> Self {
        let pools = config.pools();
        let named =
            config.classes.iter().map(|(name, rules)| (name.clone(), Arc::new(Class::new(rules, &pools))));
        let others = Class { is_listed: false, ..Class::new(&config.reachable, &pools) };
        Self { named: named.collect(), others: Arc::new(others) }
    }

    /// Those whose units may reach something else under `new`.
    pub(crate) fn changed<'a>(&'a self, new: &Self) -> Vec<&'a Class> {
        let named = self.named.iter().filter(|(name, class)| *new.named(name) != **class);
        let is_new = |name: &String| !self.named.contains_key(name);
        let added = new.named.iter().any(|(name, class)| is_new(name) && self.others != *class);
        let others = (added || self.others != new.others).then_some(&self.others);
        named.map(|(_, class)| class).chain(others).map(|class| &**class).collect()
    }

    fn named(&self, name: &str) -> &Arc<Class> {
        self.named.get(name).unwrap_or(&self.others)
    }

    pub(crate) fn of(&self, device: Option<&Device>) -> &Arc<Class> {
        device.map_or(&self.others, |device| self.named(&device.class))
    }
}

impl Class {
    pub(crate) fn new(rules: &[Rule], pools: &[IpNet]) -> Self {
        let networks: Vec<_> = rules.iter().map(Rule::addresses).chain(pools.iter().copied()).collect();
        let range = |net: &IpNet| TrafficSelector::addresses(net.network(), net.broadcast());
        let ts_r: Arc<[_]> = IpNet::aggregate(&networks).iter().map(range).collect();
        let local = ts_r.iter().map(selector).collect();
        Self { is_listed: true, rules: rules.into(), reach: Reach::new(rules), ts_r, local }
    }

    /// What TSr is narrowed to while it is open under which of two classes a tunnel will be.
    pub(crate) fn ts_r_beside(&self, other: &Self) -> Arc<[TrafficSelector]> {
        let more = other.ts_r.iter().filter(|selector| !has(&self.ts_r, selector));
        self.ts_r.iter().chain(more).copied().collect()
    }
}

/// A traffic selector as `esp` has it.
pub(crate) fn selector(selector: &TrafficSelector) -> Selector {
    let TrafficSelector { protocol, ports, addresses } = *selector;
    Selector { protocol, ports, addresses }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn classes(others: &[&str], named: &[(&str, &str)]) -> Classes {
        let class = |rules: &[&str]| {
            let rules: Vec<Rule> = rules.iter().map(|rule| rule.parse().unwrap()).collect();
            Arc::new(Class::new(&rules, &[]))
        };
        let named = named.iter().map(|(name, rule)| ((*name).to_owned(), class(&[rule]))).collect();
        Classes { named, others: class(others) }
    }

    #[test]
    fn a_class_has_changed_for_those_who_may_reach_something_else_now() {
        let old = classes(&["10.0.0.0/24"], &[("home", "10.1.0.5 udp"), ("office", "10.0.0.0/24")]);
        let changed = |others: &[&str], named: &[(&str, &str)]| {
            let new = classes(others, named);
            let changed = old.changed(&new);
            let has = |class: &Class| changed.iter().any(|changed| std::ptr::eq(*changed, class));
            [has(&old.others), has(&old.named["home"]), has(&old.named["office"])]
        };
        let (home, office) = (("home", "10.1.0.5 udp"), ("office", "10.0.0.0/24"));
        assert_eq!(changed(&["10.0.0.0/24"], &[home, office]), [false; 3]);
        assert_eq!(changed(&["10.0.0.0/24"], &[home]), [false; 3], "the others may reach the same");
        assert_eq!(changed(&["10.2.0.0/24"], &[home, office]), [true, false, false]);
        assert_eq!(changed(&["10.2.0.0/24"], &[home]), [true, false, true]);
        assert_eq!(changed(&["10.0.0.0/24"], &[("home", "10.1.0.6 udp"), office]), [false, true, false]);
        let more = [home, office, ("depot", "10.9.0.0/24")];
        assert_eq!(changed(&["10.0.0.0/24"], &more), [true, false, false], "one of them may be of it");
    }

    #[test]
    fn selectors_are_networks_once_each_and_the_pools() {
        let rules = ["10.1.0.5 udp 2152", "10.1.0.5 sctp 36412", "10.0.0.0/24", "10.0.0.7 tcp 80"];
        let rules: Vec<Rule> = rules.iter().map(|rule| rule.parse().unwrap()).collect();
        let class = Class::new(&rules, &["10.64.0.0/16".parse().unwrap()]);
        let range = |first: &str, last: &str| {
            TrafficSelector::addresses(first.parse().unwrap(), last.parse().unwrap())
        };
        let expected = [
            range("10.0.0.0", "10.0.0.255"),
            range("10.1.0.5", "10.1.0.5"),
            range("10.64.0.0", "10.64.255.255"),
        ];
        assert_eq!(*class.ts_r, expected);
        let other = ["10.0.0.9 tcp 443", "10.2.0.0/24", "fd00::1"].map(|rule| rule.parse().unwrap());
        let more = [range("10.2.0.0", "10.2.0.255"), range("fd00::1", "fd00::1")];
        assert_eq!(*class.ts_r_beside(&Class::new(&other, &[])), [&expected[..], &more].concat());
    }
}
