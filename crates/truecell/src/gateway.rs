//! The gateway as this node's configuration wants it.

use crate::{
    config::{self, Cipher, Config, KeyExchange, Prf},
    data_dir::DataDir,
    failure::{Failure, Problem},
    identity::gateway_identity,
    node::Node,
    tun,
};
use esp::Rule;
use gateway::{
    CaCheck, Check, Core, Deps, Gateway, GatewayConfig, LegacyProfile, Listen, OffLine, PeerPolicy, Ports,
    Quarantine, StartError, SystemClock, VirtualCore, WindowSize,
};
use ids::{CertSha256, UnixTime};
use ike::{
    CipherSuite, CookiePolicy, LocalIdentity, ResponderConfig, SuitePolicy,
    crypto::AuthKey,
    payload::{self, Identification, KeyExchangeMethod},
};
use ipnet::IpNet;
use pki::Ca;
use std::{io, sync::Arc, time::Duration};

/// What only the privileged may open.
pub(crate) struct Opened {
    ports: Ports,
    cores: Vec<Box<dyn Core>>,
    core_check: Check,
}

/// Binds the ports, and makes the TUN device where there is to be one.
///
/// # Errors
/// Ports or device cannot be used.
pub(crate) fn open(config: &Config) -> Result<Opened, Failure> {
    let own = &config.gateway;
    let listen = Listen {
        addresses: own.listen.clone(),
        ike_port: own.port,
        natt_port: own.port_natt,
        shards: shards(config),
    };
    let ports = Ports::bind(&listen).map_err(not_started)?;
    let virtual_core = || Box::new(VirtualCore::new(own.service.addresses.clone())) as Box<dyn Core>;
    let (cores, core_check): (_, Check) = match &own.tun {
        Some(tun) => {
            let (cores, link) = tun::open(tun, own, ports.shards())?;
            (cores, Box::new(move || link.trouble()))
        }
        None => ((0..ports.shards()).map(|_| virtual_core()).collect(), Box::new(|| None)),
    };
    Ok(Opened { ports, cores, core_check })
}

/// How many data threads there are.
pub(crate) fn shards(config: &Config) -> usize {
    config.gateway.shards.map_or_else(processors, count)
}

/// Lets units in.
///
/// # Errors
/// The system refuses threads, or the journal cannot be written.
pub(crate) fn start(opened: Opened, configuration: GatewayConfig, node: &Node) -> Result<Gateway, Failure> {
    let deps = Deps {
        ledger: node.ledger.clone(),
        anchors: node.configured.anchors(),
        issuers: node.foreign.clone(),
        origins: node.origins.clone(),
        ca_check: ca_check(node.ca.clone()),
        cores: opened.cores,
        core_check: opened.core_check,
        ca_key_check: ca_key_check(node.ca.clone()),
        clock: Arc::new(SystemClock),
        crypto: crypto()?,
    };
    Gateway::start(configuration, opened.ports, deps).map_err(not_started)
}

/// Whether the embedded CA can sign, as far as that is known without asking its key.
fn ca_key_check(ca: Option<Arc<Ca>>) -> Check {
    Box::new(move || ca.as_ref()?.key_trouble().map(|trouble| trouble.to_string()))
}

fn ca_check(ca: Option<Arc<Ca>>) -> CaCheck {
    Box::new(move |now| api::certificate::ca_down(ca.as_deref(), now))
}

/// What a gateway is told: with its certificate, which the embedded CA issues now if there is none that lasts.
///
/// # Errors
/// Certificate or key cannot be used.
pub(crate) fn configuration(data: &DataDir, config: &Config, node: &Node) -> Result<GatewayConfig, Failure> {
    let own = gateway_identity(data, config, node, UnixTime::now())?;
    let key = AuthKey::from_pkcs8(&own.identity.key).map_err(|error| {
        Failure::system(format!("the key of {} cannot be used", own.file.display()), &error)
    })?;
    let identity = LocalIdentity {
        id: Identification::fqdn(&config.gateway.identity.to_string()),
        certificates: own.identity.chain,
        key: Arc::new(key),
    };
    Ok(configured(config, identity))
}

/// The hash of the gateway's own certificate.
pub(crate) fn certificate(configuration: &GatewayConfig) -> Option<String> {
    let own = configuration.responder.identity.certificates.first();
    own.map(|der| CertSha256::of(der).to_string())
}

#[cfg(feature = "key-log")]
use crate::key_log::crypto;

#[cfg(not(feature = "key-log"))]
fn crypto() -> Result<Arc<ike::crypto::AwsLc>, Failure> {
    Ok(Arc::new(ike::crypto::AwsLc))
}

fn configured(config: &Config, identity: LocalIdentity) -> GatewayConfig {
    let own = &config.gateway;
    let mut made = GatewayConfig::new(identity, own.pools.v4, own.pools.v6);
    made.responder = responder(own, made.responder);
    made.peers = PeerPolicy { legacy: own.legacy.iter().map(legacy).collect(), ..PeerPolicy::default() };
    made.dns.clone_from(&own.dns);
    let networks = own.tun.iter().flat_map(|tun| &tun.reachable);
    made.reachable = networks.copied().map(Rule::network).chain(service(own)).collect();
    made.classes = own.classes.iter().map(|class| (class.name.clone(), rules(class, own))).collect();
    made.quarantine = own.quarantine.as_ref().map(quarantine);
    made.auth_lifetime = hours(own.lifetimes.auth_h);
    made.replay_window = WindowSize::new(own.replay_window).unwrap_or_default();
    made.octets_per_child = u64::from(own.lifetimes.child_sa_gib) << 30;
    made.off_line_hold = Duration::from_secs(own.off_line_hold_s.into());
    made.off_line = match own.off_line {
        config::OffLine::Keep => OffLine::Keep,
        config::OffLine::Hold => OffLine::Hold,
        config::OffLine::Close => OffLine::Close,
    };
    made.disk_reserve = u64::from(config.journal.reserve_mib) << 20;
    made.policy = config.admission.clone();
    made.witness = config.journal.witness.as_ref().map(|witness| witness.drop.clone());
    made
}

/// RFC 862.
const ECHO: u16 = 7;

fn rules(class: &config::Class, own: &config::Gateway) -> Vec<Rule> {
    class.rules().chain(service(own)).collect()
}

/// What is listed, and no service address beside it.
fn quarantine(own: &config::Quarantine) -> Quarantine {
    Quarantine { pool_v4: own.v4, pool_v6: own.v6, reach: own.rules().collect() }
}

/// Service addresses are for every unit, and what they answer there: with a TUN device they are this machine's own, where
/// others listen, too.
fn service(own: &config::Gateway) -> impl Iterator<Item = Rule> {
    let hosts = own.service.addresses.iter().copied().map(IpNet::from);
    hosts.flat_map(|host| [Rule::icmp(host), Rule::udp(host, ECHO)])
}

fn responder(own: &config::Gateway, mut made: ResponderConfig) -> ResponderConfig {
    made.suites = SuitePolicy {
        ciphers: own.suites.ciphers.iter().map(cipher).collect(),
        prfs: own.suites.prfs.iter().map(prf).collect(),
        key_exchanges: own.suites.key_exchanges.iter().map(key_exchange).collect(),
    };
    made.cookies = CookiePolicy::Above(count(own.limits.cookie_threshold));
    made.half_open.total = count(own.limits.half_open);
    made.times.rekey.ike_sa = minutes(own.lifetimes.ike_sa_m);
    made.times.rekey.child_sa = minutes(own.lifetimes.child_sa_m);
    made.times.dpd_after = Duration::from_secs(own.lifetimes.dpd_s.into());
    made
}

fn hours(hours: u32) -> Duration {
    Duration::from_secs(u64::from(hours) * 3600)
}

fn minutes(minutes: u32) -> Duration {
    Duration::from_secs(u64::from(minutes) * 60)
}

fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

fn count(count: u32) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

fn cipher(cipher: &Cipher) -> CipherSuite {
    match cipher {
        Cipher::Aes256Gcm16 => CipherSuite::Aes256Gcm16,
        Cipher::Aes128Gcm16 => CipherSuite::Aes128Gcm16,
        Cipher::Aes256CbcHmacSha256 => CipherSuite::Aes256CbcHmacSha256,
        Cipher::Aes128CbcHmacSha256 => CipherSuite::Aes128CbcHmacSha256,
    }
}

fn prf(prf: &Prf) -> payload::Prf {
    match prf {
        Prf::HmacSha256 => payload::Prf::HMAC_SHA2_256,
        Prf::HmacSha384 => payload::Prf::HMAC_SHA2_384,
    }
}

fn key_exchange(method: &KeyExchange) -> KeyExchangeMethod {
    match method {
        KeyExchange::Curve25519 => KeyExchangeMethod::CURVE25519,
        KeyExchange::Ecp256 => KeyExchangeMethod::ECP_256,
        KeyExchange::Ecp384 => KeyExchangeMethod::ECP_384,
        KeyExchange::Modp2048 => KeyExchangeMethod::MODP_2048,
    }
}

fn legacy(profile: &config::Legacy) -> LegacyProfile {
    LegacyProfile {
        name: profile.name.clone(),
        realm: profile.realm.clone(),
        sha1_signature: profile.sha1_signature,
        dn_identity: profile.dn_identity,
        until: profile.until,
    }
}

fn not_started(error: StartError) -> Failure {
    let next = match &error {
        StartError::Bind { source, .. } => not_bound(source.kind()),
        StartError::System(_) => "see what the system's limits are",
        StartError::Cores { .. } => "report it: this is our mistake",
        StartError::Ledger(_) => {
            "see that the disk has room and works, and that nobody else holds the ledger"
        }
    };
    let why = format!("{:#}", anyhow::Error::from(error));
    Failure::Ours(Problem::new("gateway", "the gateway does not start").because(why).next(next))
}

fn not_bound(kind: io::ErrorKind) -> &'static str {
    let known = [
        (
            io::ErrorKind::AddrNotAvailable,
            "no interface of this machine has that address: correct `listen` in [gateway]",
        ),
        (io::ErrorKind::AddrInUse, "see what else uses the port: `ss -lunp` shows it"),
        (io::ErrorKind::PermissionDenied, "ports below 1024 need CAP_NET_BIND_SERVICE (docs/deployment.md)"),
    ];
    let next = known.into_iter().find(|(of, _)| *of == kind).map(|(_, next)| next);
    next.unwrap_or("correct what the system names, and try again")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_that_fails_names_its_cause_once_and_what_to_do_about_this_one() {
        let bind =
            |kind| StartError::Bind { address: ([127, 0, 0, 1], 500).into(), source: io::Error::from(kind) };
        let failed = |error, why: &str, next: &str| {
            let Failure::Ours(problem) = not_started(error) else { panic!("it is ours") };
            assert_eq!(problem.detail, why);
            assert!(problem.next.contains(next), "{problem:?}");
        };
        let taken = "127.0.0.1:500 cannot be bound: address in use";
        failed(bind(io::ErrorKind::AddrInUse), taken, "what else uses the port");
        let denied = "127.0.0.1:500 cannot be bound: permission denied";
        failed(bind(io::ErrorKind::PermissionDenied), denied, "CAP_NET_BIND_SERVICE");
        failed(StartError::Cores { cores: 1, shards: 2 }, "1 sides of the core for 2 shards", "our mistake");
        failed(StartError::System(io::Error::other("no threads")), "no threads", "limits");
    }
}
