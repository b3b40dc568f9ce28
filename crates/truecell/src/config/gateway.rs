use super::{ConfigError, located::Located};
use esp::{ParseRuleError, Rule};
use gateway::WindowSize;
use ids::UnixTime;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use ledger::Pools;
use serde::{Deserialize, Serialize};
use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    path::PathBuf,
};

/// The security gateway (SeGW, TS 33.320).
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Gateway {
    /// FQDN that the gateway proves to the units (IDr, and dNSName of its certificate).
    pub(crate) identity: ids::Realm,
    /// Addresses to receive on.
    #[serde(default = "everywhere")]
    pub(crate) listen: Vec<IpAddr>,
    /// IKE without NAT (RFC 7296 §2).
    #[serde(default = "ike_port")]
    pub(crate) port: u16,
    /// IKE and ESP in UDP (RFC 3948).
    #[serde(default = "natt_port")]
    pub(crate) port_natt: u16,
    /// Data threads, each with a part of the tunnels. Absent: one on each processor.
    pub(crate) shards: Option<u32>,
    /// PEM chain, the gateway's own first. Absent: issued by the embedded CA.
    pub(crate) certificate: Option<PathBuf>,
    /// PEM private key (PKCS#8) of `certificate`.
    pub(crate) key: Option<PathBuf>,
    /// What is negotiated.
    #[serde(default)]
    pub(crate) suites: Suites,
    /// How long keys and tunnels last.
    #[serde(default)]
    pub(crate) lifetimes: Lifetimes,
    /// Bounds on what strangers may cost.
    #[serde(default)]
    pub(crate) limits: Limits,
    /// Inner addresses: each device gets one of each, and keeps it.
    pub(crate) pools: Pools,
    /// Name servers told to the units.
    #[serde(default)]
    pub(crate) dns: Vec<IpAddr>,
    /// The addresses inside the tunnel that answer.
    #[serde(default)]
    pub(crate) service: Service,
    /// Where the traffic of units goes; absent: to the service addresses only, inside the process.
    pub(crate) tun: Option<Tun>,
    /// What the units of a class may reach, where that is not everything.
    #[serde(default, rename = "class")]
    pub(crate) classes: Vec<Class>,
    /// What becomes of units in quarantine; absent: they are refused.
    pub(crate) quarantine: Option<Quarantine>,
    /// How many packets later than others one may arrive and still be taken (RFC 4303 §3.4.3).
    #[serde(default = "replay_window")]
    pub(crate) replay_window: u32,
    /// What happens to a tunnel whose unit has moved out of the network of its access line.
    #[serde(default)]
    pub(crate) off_line: OffLine,
    /// How long such a tunnel is held before it ends.
    #[serde(default = "off_line_hold")]
    pub(crate) off_line_hold_s: u32,
    /// Exceptions for older units, each by name and until a day.
    #[serde(default)]
    pub(crate) legacy: Vec<Legacy>,
}

fn everywhere() -> Vec<IpAddr> {
    vec![Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()]
}

fn ike_port() -> u16 {
    500
}

fn natt_port() -> u16 {
    4500
}

fn replay_window() -> u32 {
    1024
}

fn off_line_hold() -> u32 {
    30
}

/// What is negotiated for IKE and ESP, best first.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Suites {
    /// Encryption and integrity.
    pub(crate) ciphers: Vec<Cipher>,
    /// Key derivation.
    pub(crate) prfs: Vec<Prf>,
    /// Diffie-Hellman groups.
    pub(crate) key_exchanges: Vec<KeyExchange>,
}

impl Default for Suites {
    fn default() -> Self {
        use {Cipher as C, KeyExchange as K};
        Self {
            ciphers: vec![C::Aes256Gcm16, C::Aes128Gcm16, C::Aes256CbcHmacSha256, C::Aes128CbcHmacSha256],
            prfs: vec![Prf::HmacSha256, Prf::HmacSha384],
            key_exchanges: vec![K::Curve25519, K::Ecp256, K::Ecp384, K::Modp2048],
        }
    }
}

/// Encryption and integrity, for IKE and ESP alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Cipher {
    Aes256Gcm16,
    Aes128Gcm16,
    #[serde(rename = "aes256-sha256")]
    Aes256CbcHmacSha256,
    #[serde(rename = "aes128-sha256")]
    Aes128CbcHmacSha256,
}

/// Pseudo-random function of IKE.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub(crate) enum Prf {
    #[serde(rename = "hmac-sha256")]
    HmacSha256,
    #[serde(rename = "hmac-sha384")]
    HmacSha384,
}

/// Diffie-Hellman group (IKEv2 transform type 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum KeyExchange {
    Curve25519,
    Ecp256,
    Ecp384,
    Modp2048,
}

/// How long keys and tunnels last. A certificate's notAfter always ends a tunnel earlier.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Lifetimes {
    /// A tunnel is authenticated anew within this time (AUTH_LIFETIME, RFC 4478); at most 24 h.
    pub(crate) auth_h: u32,
    /// The gateway rekeys an IKE SA after this time.
    pub(crate) ike_sa_m: u32,
    /// The gateway rekeys a CHILD SA after this time.
    pub(crate) child_sa_m: u32,
    /// Or after so many GiB in one direction.
    pub(crate) child_sa_gib: u32,
    /// Silence after which the gateway asks whether a unit is alive (DPD).
    pub(crate) dpd_s: u32,
}

impl Default for Lifetimes {
    fn default() -> Self {
        Self { auth_h: 24, ike_sa_m: 1200, child_sa_m: 240, child_sa_gib: 64, dpd_s: 60 }
    }
}

/// Bounds on what strangers may cost.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Limits {
    /// Half-open IKE SAs and IKE_SA_INIT that wait, from which on a cookie is asked for (RFC 7296 §2.6).
    pub(crate) cookie_threshold: u32,
    /// Half-open IKE SAs in all; more are dropped.
    pub(crate) half_open: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { cookie_threshold: 1_000, half_open: 20_000 }
    }
}

/// The TUN device that carries the traffic of units to this machine's routing.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Tun {
    /// Its name; `%d` in it stands for a free number.
    #[serde(default = "device")]
    pub(crate) device: String,
    /// Longest inner packet, octets.
    #[serde(default = "mtu")]
    pub(crate) mtu: u16,
    /// What units may reach behind it, beside the service addresses.
    pub(crate) reachable: Vec<IpNet>,
}

fn device() -> String {
    "truecell0".into()
}

/// 1500 - 40 (IPv6) - 8 (UDP) - 8 (ESP) - 16 (IV) - 16 (ICV) - 2 - 15 (CBC padding) = 1395: no outer
/// fragment on an Ethernet, whatever the cipher and the outer protocol.
fn mtu() -> u16 {
    1390
}

/// What answers ICMP echo and UDP echo inside the tunnel where there is no TUN device; with one, addresses
/// of that device.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Service {
    /// Its addresses; the units' traffic selectors always leave them reachable.
    pub(crate) addresses: Vec<IpAddr>,
}

/// What the units of one class may reach.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Class {
    /// As the ledger names it.
    pub(crate) name: String,
    /// Beside the service addresses.
    pub(crate) reach: Vec<Destination>,
}

/// What units get that are let in without a lease.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Quarantine {
    /// Addresses that stand for theirs behind the gateway.
    pub(crate) v4: Option<Ipv4Net>,
    /// The same for IPv6.
    pub(crate) v6: Option<Ipv6Net>,
    /// Enrolment and management.
    pub(crate) reach: Vec<Destination>,
}

/// What a unit may reach, as it was written and as it was understood. Kept together so that one that is
/// not understood is named with its own line.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(from = "String", into = "String")]
pub(crate) struct Destination {
    text: String,
    rule: Result<Rule, ParseRuleError>,
}

impl From<String> for Destination {
    fn from(text: String) -> Self {
        Self { rule: text.parse(), text }
    }
}

impl From<Destination> for String {
    fn from(destination: Destination) -> Self {
        destination.text
    }
}

/// What happens to a tunnel whose unit has moved out of the network of its access line. An event tells
/// of it in any case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum OffLine {
    /// Nothing.
    Keep,
    /// No packet passes until the unit is back, or has authenticated anew; in time, or it ends.
    #[default]
    Hold,
    /// It ends at once.
    Close,
}

/// An exception for older units of one realm.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Legacy {
    /// For logs, events and whoever asks why.
    pub(crate) name: String,
    /// Whose units.
    pub(crate) realm: ids::Realm,
    /// AUTH method 1 (RSA with SHA-1) is taken.
    #[serde(default)]
    pub(crate) sha1_signature: bool,
    /// IDi may be the certificate's subject (ID_DER_ASN1_DN).
    #[serde(default)]
    pub(crate) dn_identity: bool,
    /// From then on it counts no more.
    pub(crate) until: UnixTime,
}

impl Gateway {
    pub(super) fn wrong(&self, at: &Located<'_>) -> Vec<ConfigError> {
        let mut errors = Vec::new();
        let mut add = |key: &[&str], what: &str, next: &str| {
            errors.push(at.error(&[&["gateway"], key].concat(), what, next));
        };
        if self.listen.is_empty() {
            add(&["listen"], "no address to listen on", "name at least one, or remove the line for all");
        }
        if self.port == self.port_natt && self.port != 0 {
            add(&["port_natt"], "`port` and `port_natt` are equal", "500 and 4500 are what units expect");
        }
        match (at.has(&["gateway", "certificate"]), at.has(&["gateway", "key"])) {
            (true, false) => add(&["certificate"], "a certificate without its key", "add `key`"),
            (false, true) => add(&["key"], "a key without its certificate", "add `certificate`"),
            (false, false) | (true, true) => (),
        }
        if !["v4", "v6"].iter().any(|pool| at.has(&["gateway", "pools", pool])) {
            add(&["pools"], "no inner addresses to give", "add `v4`, `v6` or both");
        }
        let pools = self.all_pools();
        let own = [("v4", self.pools.v4.map(IpNet::V4)), ("v6", self.pools.v6.map(IpNet::V6))];
        for (key, pool) in own {
            if let Some((what, next)) = pool.as_ref().and_then(host_bits) {
                add(&["pools", key], &what, &next);
            }
        }
        for (index, address) in self.service.addresses.iter().enumerate() {
            if pools.iter().any(|pool| pool.contains(address)) {
                let what = format!("{address}, number {} of the list, is in a pool", index + 1);
                add(&["service", "addresses"], &what, "choose one that no device could get");
            }
        }
        if self.shards.is_some_and(|shards| !(1..=64).contains(&shards)) {
            add(&["shards"], "not within 1 and 64", "remove the line for one on each processor");
        }
        for (index, class) in self.classes.iter().enumerate() {
            let number = index.to_string();
            let before = self.classes.iter().take(index);
            class.wrong(before, &pools, &mut |key: &[&str], what: &str, next: &str| {
                add(&[&["class", &number], key].concat(), what, next);
            });
        }
        if let Some(quarantine) = &self.quarantine {
            quarantine.wrong(&self.own_pools(), &pools, &mut |key: &[&str], what: &str, next: &str| {
                add(&[&["quarantine"], key].concat(), what, next);
            });
        }
        if let Some(tun) = &self.tun {
            tun.wrong(&pools, &mut add);
        }
        if WindowSize::new(self.replay_window).is_none() {
            add(&["replay_window"], "no size of a window", "write 1024, 2048, 4096, 8192 or 16384");
        }
        if self.off_line_hold_s == 0 {
            add(&["off_line_hold_s"], "a hold without time", "write 1 or more, or `off_line = \"close\"`");
        }
        self.suites.wrong(&mut add);
        self.lifetimes.wrong(&mut add);
        errors
    }
}

impl Gateway {
    /// Whatever stands for a unit behind the gateway.
    pub(crate) fn all_pools(&self) -> Vec<IpNet> {
        self.own_pools().into_iter().chain(self.quarantine.iter().flat_map(Quarantine::pools)).collect()
    }

    fn own_pools(&self) -> Vec<IpNet> {
        self.pools.v4.map(IpNet::V4).into_iter().chain(self.pools.v6.map(IpNet::V6)).collect()
    }
}

impl Quarantine {
    fn pools(&self) -> impl Iterator<Item = IpNet> {
        self.v4.map(IpNet::V4).into_iter().chain(self.v6.map(IpNet::V6))
    }

    /// What units in it may reach, once nothing is wrong with it.
    pub(crate) fn rules(&self) -> impl Iterator<Item = Rule> {
        rules(&self.reach)
    }

    /// `own`: the pools of inner addresses; `all`: those and these.
    fn wrong(&self, own: &[IpNet], all: &[IpNet], add: &mut impl FnMut(&[&str], &str, &str)) {
        if self.v4.is_none() && self.v6.is_none() {
            add(&[], "no addresses for units in quarantine", "add `v4`, `v6` or both");
        }
        for pool in self.pools() {
            let key = if let IpNet::V4(_) = pool { "v4" } else { "v6" };
            if let Some((what, next)) = host_bits(&pool) {
                add(&[key], &what, &next);
            }
            if overlap(own, &pool) {
                add(&[key], &overlaps(pool), "choose addresses that no device could get");
            }
            if pool.max_prefix_len() - pool.prefix_len() < 2 {
                add(&[key], &format!("{pool} has no room for units"), "a /24 or a /120 has room for 254");
            }
        }
        if self.reach.is_empty() {
            let next = "list the servers of enrolment and management, or remove the section";
            add(&["reach"], "nothing to reach: quarantine would be no better than a refusal", next);
        }
        wrong_reach(&self.reach, all, add);
    }
}

/// Rules of one class at most: each packet may be compared with all of them, and TSr names each network.
const MAX_RULES: usize = 64;

impl Class {
    /// What its units may reach, once nothing is wrong with it.
    pub(crate) fn rules(&self) -> impl Iterator<Item = Rule> {
        rules(&self.reach)
    }

    fn wrong<'a>(
        &self,
        mut before: impl Iterator<Item = &'a Self>,
        pools: &[IpNet],
        add: &mut impl FnMut(&[&str], &str, &str),
    ) {
        if self.name.is_empty() {
            let next = "name it, or remove it: a unit without a class reaches what all others reach";
            add(&["name"], "a class without a name", next);
        }
        if before.any(|other| other.name == self.name) {
            add(&["name"], &format!("the class `{}` is there twice", self.name), "make one of the two");
        }
        wrong_reach(&self.reach, pools, add);
    }
}

fn rules(reach: &[Destination]) -> impl Iterator<Item = Rule> {
    reach.iter().filter_map(|destination| destination.rule.as_ref().ok().copied())
}

fn wrong_reach(reach: &[Destination], pools: &[IpNet], add: &mut impl FnMut(&[&str], &str, &str)) {
    if reach.len() > MAX_RULES {
        let what = format!("{} destinations, more than {MAX_RULES}", reach.len());
        add(&["reach"], &what, "use prefixes");
    }
    for (index, destination) in reach.iter().enumerate() {
        let key = ["reach", &index.to_string()];
        match &destination.rule {
            Err(error) => {
                add(&key, &error.to_string(), "docs/configuration.md has the form of a destination");
            }
            Ok(rule) if overlap(pools, &rule.addresses()) => add(&key, &overlaps(rule.addresses()), NO_UNITS),
            Ok(_) => (),
        }
    }
}

/// What is wrong with a prefix that has bits behind its length, and what to write.
fn host_bits(net: &IpNet) -> Option<(String, String)> {
    let network = net.trunc();
    let what = format!("{net} is an address in a network, not a network");
    (network != *net).then(|| (what, format!("write \"{network}\"")))
}

const NO_UNITS: &str = "units never reach each other this way (`truecell pair add`): leave the pools out";

fn overlaps(net: IpNet) -> String {
    format!("{net} overlaps a pool of the units")
}

fn overlap(pools: &[IpNet], net: &IpNet) -> bool {
    pools.iter().any(|pool| pool.contains(net) || net.contains(pool))
}

impl Tun {
    fn wrong(&self, pools: &[IpNet], add: &mut impl FnMut(&[&str], &str, &str)) {
        let is_name = (1..=15).contains(&self.device.len())
            && self.device.bytes().all(|b| b.is_ascii_graphic() && b != b'/');
        if !is_name {
            add(&["tun", "device"], "no name of an interface", "1 to 15 letters, digits, `-._`");
        }
        if !(1280..=9000).contains(&self.mtu) {
            add(&["tun", "mtu"], "not within 1280 and 9000", "1390 fits every Ethernet");
        }
        for (what, next) in self.reachable.iter().filter_map(host_bits) {
            add(&["tun", "reachable"], &what, &next);
        }
        for net in self.reachable.iter().filter(|net| overlap(pools, net)) {
            add(&["tun", "reachable"], &overlaps(*net), NO_UNITS);
        }
    }
}

impl Suites {
    fn wrong(&self, add: &mut impl FnMut(&[&str], &str, &str)) {
        let lists = [
            ("ciphers", self.ciphers.is_empty()),
            ("prfs", self.prfs.is_empty()),
            ("key_exchanges", self.key_exchanges.is_empty()),
        ];
        for (key, _) in lists.iter().filter(|(_, empty)| *empty) {
            add(
                &["suites", key],
                "an empty list: nothing could be negotiated",
                "remove the line for the default",
            );
        }
    }
}

impl Lifetimes {
    fn wrong(&self, add: &mut impl FnMut(&[&str], &str, &str)) {
        if !(1..=24).contains(&self.auth_h) {
            add(&["lifetimes", "auth_h"], "not within 1 and 24 hours", "24 is the most");
        }
        if !(1..=1024).contains(&self.child_sa_gib) {
            let next = "1024 is the most: 2^36 blocks under one key";
            add(&["lifetimes", "child_sa_gib"], "not within 1 and 1024 GiB", next);
        }
        let positive = [("ike_sa_m", self.ike_sa_m), ("child_sa_m", self.child_sa_m), ("dpd_s", self.dpd_s)];
        for (key, _) in positive.iter().filter(|(_, value)| *value == 0) {
            add(&["lifetimes", key], "zero would mean without end", "write 1 or more");
        }
    }
}
