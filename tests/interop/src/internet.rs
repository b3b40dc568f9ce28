//! The network between femtocells and gateway: two routers with a link between them, hosts on both, a NAT where wanted.
//!
//! ```text
//!   femtocell ---- access ==== core ---- gateway          198.18.N.2/24 and 2001:db8:N::2/64 for host N
//!   femtocell ---- NAT ---'                               192.168.N.2/24 behind the NAT
//! ```
//!
//! The link between the routers carries the path MTU, so that hosts see an ordinary link of 1500 octets and the routers
//! answer with ICMP, as on a real path.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;
use std::time::Duration;

use anyhow::Result;

use crate::deadline::until;
use crate::namespace::{Namespace, run};
use crate::process::Process;

/// Which router a host hangs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Where the femtocells are.
    Access,
    /// Where the carrier is.
    Core,
}

/// The two routers.
#[derive(Debug)]
pub struct Internet {
    access: Namespace,
    core: Namespace,
    hosts: Cell<u8>,
}

/// A namespace with one interface `eth0` on the internet or behind a NAT.
#[derive(Debug)]
pub struct Host {
    /// Where its processes run.
    pub namespace: Namespace,
    /// Its own IPv4 address.
    pub v4: Ipv4Addr,
    /// Its own IPv6 address; behind a NAT there is none.
    pub v6: Option<Ipv6Addr>,
}

/// A router that hides its inside behind its outside address.
#[derive(Debug)]
pub struct Nat {
    namespace: Namespace,
    /// The address that the internet sees.
    pub outside: Ipv4Addr,
    gateway: Ipv4Addr,
}

impl Internet {
    /// Two routers and their link, 1500 octets wide.
    ///
    /// # Errors
    /// When namespaces or links cannot be made.
    pub fn new() -> Result<Self> {
        let (access, core) = (Namespace::new("access")?, Namespace::new("core")?);
        for router in [&access, &core] {
            forward(router)?;
        }
        link(&access, "core0", &core, "access0")?;
        address(&access, "core0", "198.19.0.1/30", Some("2001:db8:ffff::1/64"))?;
        address(&core, "access0", "198.19.0.2/30", Some("2001:db8:ffff::2/64"))?;
        Ok(Self { access, core, hosts: Cell::new(0) })
    }

    /// A new host on one of the routers, reachable from every other.
    ///
    /// # Errors
    /// When namespaces or links cannot be made.
    pub fn host(&self, side: Side, role: &str) -> Result<Host> {
        let namespace = Namespace::new(role)?;
        let n = self.connect(side, &namespace, "eth0")?;
        Ok(Host { namespace, v4: Ipv4Addr::new(198, 18, n, 2), v6: Some(v6_of(n)) })
    }

    /// A NAT on the access router.
    ///
    /// # Errors
    /// When namespaces, links or firewall rules cannot be made.
    pub fn nat(&self, role: &str) -> Result<Nat> {
        let namespace = Namespace::new(role)?;
        forward(&namespace)?;
        let n = self.connect(Side::Access, &namespace, "wan0")?;
        let nat =
            Nat { namespace, outside: Ipv4Addr::new(198, 18, n, 2), gateway: Ipv4Addr::new(198, 18, n, 1) };
        nat.masquerade("40000-49999")?;
        Ok(nat)
    }

    /// A new host behind a NAT.
    ///
    /// # Errors
    /// When namespaces or links cannot be made.
    pub fn host_behind(&self, nat: &Nat, role: &str) -> Result<Host> {
        let namespace = Namespace::new(role)?;
        let n = self.next_number();
        let inside = format!("lan{n}");
        link(&nat.namespace, &inside, &namespace, "eth0")?;
        address(&nat.namespace, &inside, &format!("192.168.{n}.1/24"), None)?;
        address(&namespace, "eth0", &format!("192.168.{n}.2/24"), None)?;
        namespace.ip(&format!("route add default via 192.168.{n}.1"))?;
        Ok(Host { namespace, v4: Ipv4Addr::new(192, 168, n, 2), v6: None })
    }

    /// From now on `nets` are behind `host`, for every other host.
    ///
    /// # Errors
    /// When a route cannot be added.
    pub fn lead_to(&self, host: &Host, nets: &[&str]) -> Result<()> {
        for net in nets {
            let v6 = net.contains(':');
            let via = host.address(v6);
            let family = if v6 { "-6" } else { "-4" };
            self.core.ip(&format!("{family} route add {net} via {via}"))?;
        }
        Ok(())
    }

    /// Sets the MTU of the link between the routers, in octets; 576 is the least that IPv4 hosts must take (RFC 791).
    /// Below 1280 the link loses IPv6, so every host must be there already.
    ///
    /// # Errors
    /// When the link refuses it.
    pub fn set_path_mtu(&self, octets: u16) -> Result<()> {
        self.access.ip(&format!("link set core0 mtu {octets}"))?;
        self.core.ip(&format!("link set access0 mtu {octets}")).map(drop)
    }

    /// From now on the access router drops every IP fragment, as many carrier NATs and firewalls do.
    ///
    /// # Errors
    /// When the firewall refuses it.
    pub fn drop_ip_fragments(&self) -> Result<()> {
        for table in ["-t raw -A PREROUTING -f", "-t mangle -A FORWARD -f"] {
            self.access.run(&format!("iptables {table} -j DROP"))?;
        }
        let v6 = "ip6tables -t raw -A PREROUTING -m ipv6header --header frag --soft -j DROP";
        self.access.run(v6).map(drop)
    }

    /// From now on the access router loses every UDP datagram to or from `host`, until [`Self::restore`].
    ///
    /// # Errors
    /// When the firewall refuses it.
    pub fn cut(&self, host: Ipv4Addr) -> Result<()> {
        for end in ["-s", "-d"] {
            self.access.run(&format!("iptables -A FORWARD {end} {host} -j DROP"))?;
        }
        Ok(())
    }

    /// Undoes [`Self::cut`] for every host.
    ///
    /// # Errors
    /// When the firewall refuses it.
    pub fn restore(&self) -> Result<()> {
        self.access.run("iptables -F FORWARD").map(drop)
    }

    /// Octets that matched a rule: see [`Self::watch_raw_esp`].
    ///
    /// # Errors
    /// When the firewall cannot be read.
    pub fn raw_esp_packets(&self) -> Result<u64> {
        let rules = self.core.run("iptables -t raw -L PREROUTING -v -x -n")?;
        let count = rules
            .lines()
            .filter(|line| line.contains(" 50 ") || line.contains(" esp "))
            .filter_map(|line| line.split_whitespace().next()?.parse::<u64>().ok())
            .sum();
        Ok(count)
    }

    /// Counts ESP that is not in UDP at the core router, from now on.
    ///
    /// # Errors
    /// When the firewall refuses it.
    pub fn watch_raw_esp(&self) -> Result<()> {
        self.core.run("iptables -t raw -A PREROUTING -p 50").map(drop)
    }

    /// The namespace of the access router, for captures.
    #[must_use]
    pub fn access(&self) -> &Namespace {
        &self.access
    }

    fn next_number(&self) -> u8 {
        self.hosts.set(self.hosts.get() + 1);
        self.hosts.get()
    }

    /// Links `namespace` to a router under the next free number, which it returns.
    fn connect(&self, side: Side, namespace: &Namespace, interface: &str) -> Result<u8> {
        let n = self.next_number();
        let (near, far, far_if, via_v4, via_v6) = match side {
            Side::Access => (&self.access, &self.core, "access0", "198.19.0.1", "2001:db8:ffff::1"),
            Side::Core => (&self.core, &self.access, "core0", "198.19.0.2", "2001:db8:ffff::2"),
        };
        let port = format!("host{n}");
        link(near, &port, namespace, interface)?;
        address(near, &port, &format!("198.18.{n}.1/24"), Some(&format!("2001:db8:{n:x}::1/64")))?;
        address(namespace, interface, &format!("198.18.{n}.2/24"), Some(&format!("{}/64", v6_of(n))))?;
        namespace.ip(&format!("route add default via 198.18.{n}.1"))?;
        namespace.ip(&format!("-6 route add default via 2001:db8:{n:x}::1"))?;
        far.ip(&format!("route add 198.18.{n}.0/24 via {via_v4} dev {far_if}"))?;
        far.ip(&format!("-6 route add 2001:db8:{n:x}::/64 via {via_v6} dev {far_if}"))?;
        Ok(n)
    }
}

impl Host {
    /// Its IPv4 or IPv6 address.
    ///
    /// # Panics
    /// When IPv6 is asked of a host behind a NAT.
    #[must_use]
    #[allow(clippy::expect_used, reason = "a scenario that asks this is wrong")]
    pub fn address(&self, v6: bool) -> IpAddr {
        if v6 { IpAddr::V6(self.v6.expect("no IPv6 behind the NAT")) } else { IpAddr::V4(self.v4) }
    }

    /// From now on it forwards packets between its interfaces.
    ///
    /// # Errors
    /// When the kernel refuses it.
    pub fn forward(&self) -> Result<()> {
        forward(&self.namespace)
    }

    /// From now on nothing goes from here to `other` but through a tunnel.
    ///
    /// # Errors
    /// When a route cannot be added.
    pub fn reach_through_tunnel_alone(&self, other: &Host) -> Result<()> {
        // charon's routes stand in a table that is asked before this one.
        self.namespace.ip(&format!("route add blackhole {}", other.v4))?;
        other.v6.map_or(Ok(()), |v6| self.namespace.ip(&format!("-6 route add blackhole {v6}")).map(drop))
    }

    /// Waits for an answer to ICMP echo from `target`.
    ///
    /// # Errors
    /// When none comes within 10 s.
    pub fn ping(&self, target: &str) -> Result<()> {
        until(&format!("an echo reply from {target}"), Duration::from_secs(10), || {
            Ok(self.namespace.run(&format!("ping -n -c 1 -W 1 {target}")).ok())
        })
        .map(drop)
    }

    /// Sends ICMP echo to `target` ten times a second until it is stopped.
    ///
    /// # Errors
    /// When ping cannot be started.
    pub fn ping_steadily(&self, target: &str, log: &Path) -> Result<Pings> {
        let mut command = self.namespace.command("ping");
        command.args(["-n", "-i", "0.1", target]);
        Ok(Pings(Process::spawn(&mut command, log)?))
    }

    /// Whether ICMP echo to `target` stays without an answer for two seconds.
    #[must_use]
    pub fn no_ping(&self, target: &str) -> bool {
        self.namespace.run(&format!("ping -n -c 4 -i 0.4 -W 1 {target}")).is_err()
    }
}

/// Pings that go on.
#[derive(Debug)]
pub struct Pings(Process);

/// What became of pings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pinged {
    /// Answered.
    pub answered: u64,
    /// Not answered, though others after them were.
    pub lost: u64,
}

impl Pings {
    /// Ends them. One that was under way does not count.
    ///
    /// # Errors
    /// When ping ended by itself.
    pub fn stop(mut self) -> Result<Pinged> {
        self.0.ensure_running()?;
        self.0.kill()?;
        let numbers = icmp_seqs(&self.0.log());
        let answered = numbers.len() as u64;
        Ok(Pinged { answered, lost: numbers.last().map_or(0, |last| last - answered) })
    }
}

/// The numbers of the answers in what ping printed; they begin with 1.
fn icmp_seqs(log: &str) -> BTreeSet<u64> {
    let after = |line: &str| line.split("icmp_seq=").nth(1)?.split_whitespace().next()?.parse().ok();
    log.lines().filter(|line| line.contains(" bytes from ")).filter_map(after).collect()
}

impl Nat {
    /// Forgets every mapping, as a home router does when it restarts; new ones get other ports. For a moment it lets
    /// packets out as they are, as a router does whose firewall is loaded anew.
    ///
    /// # Errors
    /// When the address or the firewall rule cannot be changed.
    pub fn rebind(&self) -> Result<()> {
        self.namespace.run("iptables -t nat -F POSTROUTING")?;
        self.masquerade("50000-59999")?;
        // The kernel drops the connections of a masqueraded address when the address goes away.
        self.namespace.ip(&format!("addr del {}/24 dev wan0", self.outside))?;
        self.namespace.ip(&format!("addr add {}/24 dev wan0", self.outside))?;
        self.namespace.ip(&format!("route replace default via {}", self.gateway)).map(drop)
    }

    fn masquerade(&self, ports: &str) -> Result<()> {
        self.namespace.run(&format!(
            "iptables -t nat -A POSTROUTING -o wan0 -p udp -j MASQUERADE --to-ports {ports} --random"
        ))?;
        self.namespace.run("iptables -t nat -A POSTROUTING -o wan0 -j MASQUERADE").map(drop)
    }
}

fn v6_of(n: u8) -> Ipv6Addr {
    Ipv6Addr::new(0x2001, 0xdb8, u16::from(n), 0, 0, 0, 0, 2)
}

fn forward(router: &Namespace) -> Result<()> {
    router.sysctl("net.ipv4.ip_forward=1")?;
    router.sysctl("net.ipv6.conf.all.forwarding=1")
}

/// Joins two namespaces with a veth pair, both ends up.
fn link(a: &Namespace, a_if: &str, b: &Namespace, b_if: &str) -> Result<()> {
    let add = ["link", "add", a_if, "type", "veth", "peer", "name", b_if, "netns", b.name()];
    run(std::process::Command::new("ip").args(["-n", a.name()]).args(add))?;
    a.ip(&format!("link set {a_if} up"))?;
    b.ip(&format!("link set {b_if} up")).map(drop)
}

fn address(namespace: &Namespace, interface: &str, v4: &str, v6: Option<&str>) -> Result<()> {
    namespace.ip(&format!("addr add {v4} dev {interface}"))?;
    if let Some(v6) = v6 {
        namespace.ip(&format!("addr add {v6} dev {interface} nodad"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_counted_once_and_by_number() {
        let log = "PING 192.168.255.1\n64 bytes from 192.168.255.1: icmp_seq=1 ttl=64 time=1 ms\n\
                   From 10.0.0.1 icmp_seq=2 Destination Unreachable\n64 bytes from 192.168.255.1: icmp_seq=3 ttl=64\n\
                   64 bytes from 192.168.255.1: icmp_seq=3 ttl=64 (DUP!)\n";
        assert_eq!(icmp_seqs(log), BTreeSet::from([1, 3]));
    }
}
