use crate::{
    config::{ConfigError, Identity, certificates},
    failure::{Failure, Problem},
    output::Output,
    tun,
};
use ::gateway::Core;
use clap::Args;
use ike::crypto::AuthKey;
use ike::payload::NotifyType;
use ipnet::IpNet;
use lab::{Femtocell, KnownGateway, NoTunnel, UnitIdentity};
use serde::Serialize;
use std::{
    io::{self, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
        mpsc::{self, RecvTimeoutError, Sender},
    },
    thread,
    time::{Duration, Instant},
};
use tokio::signal::unix::{SignalKind, signal};
use x509::{Anchor, AnchorSet, Certificate};

/// A virtual femtocell that carries packets: attaches to a gateway, and makes a TUN device of its tunnel
///
/// Its files are those that `truecell cert issue` wrote. It needs CAP_NET_ADMIN for the device.
/// When its tunnel ends it attaches again, after 1 s at first and a minute at last, until the gateway refuses it
/// (code 1) or Ctrl-C. Without an answer to its first attempt it ends with code 70.
#[derive(Debug, Args)]
pub(crate) struct Unit {
    /// DIR/ID of its files: ID.key, ID.pem, and root.pem beside them
    files: PathBuf,

    /// Where the gateway is
    #[arg(long, value_name = "ADDRESS")]
    to: IpAddr,

    /// What the gateway must prove to be
    #[arg(long, value_name = "NAME")]
    gateway: String,

    /// The gateway's port for IKE
    #[arg(long, default_value_t = 500, value_name = "PORT")]
    port: u16,

    /// The gateway's port for IKE and ESP in UDP
    #[arg(long, default_value_t = 4500, value_name = "PORT")]
    port_natt: u16,

    /// The device to make
    #[arg(long, default_value = "femtocell%d", value_name = "NAME")]
    device: String,

    /// Longest inner packet
    #[arg(long, default_value_t = 1390, value_name = "OCTETS")]
    mtu: u16,

    /// Networks to reach through the tunnel, with commas or each with an option of its own; without any, all that the
    /// gateway allows, but for a network that its own address is in
    #[arg(long = "route", value_name = "PREFIX", value_delimiter = ',')]
    routes: Vec<IpNet>,
}

/// What the unit says as it goes.
#[derive(Serialize)]
#[serde(rename_all = "snake_case", tag = "unit")]
enum Said {
    Attached { device: String, inner: Vec<IpAddr>, routes: Vec<IpNet> },
    Over { why: String, again_in_s: u64 },
}

impl Said {
    fn text(&self) -> String {
        match self {
            Self::Attached { device, inner, routes } => {
                format!("attached: {} on {device}, routes: {}", words(inner), words(routes))
            }
            Self::Over { why, again_in_s } => format!("{why}; attaching again in {again_in_s} s"),
        }
    }
}

fn words(of: &[impl ToString]) -> String {
    let words = of.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    if words.is_empty() { "none".into() } else { words }
}

impl Unit {
    /// Until it is stopped, or until the gateway says for good that it has no business there.
    pub(crate) fn run(&self, output: &Output) -> Result<(), Failure> {
        let (identity, known) = (self.identity()?, self.known()?);
        let stop = stop_on_signal()?;
        let mut device = Device::open(self)?;
        let waiting = Waiting::begin(known.ike);
        let mut attached = self.attach(&identity, &known, &stop);
        drop(waiting);
        let mut pauses = Pauses::default();
        // Without any answer at first, it is more likely told wrong than unlucky.
        let mut may_pass = false;
        loop {
            let why = match attached {
                Err(NoTunnel::Stopped) => return Ok(()),
                Err(why) if !(may_pass && why.may_pass()) => return Err(failure(&why, &identity.name)),
                Err(why) => why,
                Ok(unit) => {
                    may_pass = true;
                    device = device.of(self, &unit)?;
                    said(output, &device.attached())?;
                    let since = Instant::now();
                    let Err(why) = unit.carry(&mut *device.core, &stop) else { return Ok(()) };
                    pauses.stood(since.elapsed());
                    why
                }
            };
            if !why.may_pass() {
                return Err(failure(&why, &identity.name));
            }
            let pause = pauses.next();
            said(output, &Said::Over { why: why.to_string(), again_in_s: pause.as_secs() })?;
            if stops_within(pause, &stop) {
                return Ok(());
            }
            attached = self.attach(&identity, &known, &stop);
        }
    }

    fn attach(
        &self,
        identity: &UnitIdentity,
        known: &KnownGateway,
        stop: &AtomicBool,
    ) -> Result<Femtocell, NoTunnel> {
        let outer =
            if self.to.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
        let wants_v6 =
            self.routes.is_empty() || self.routes.iter().any(|route| matches!(route, IpNet::V6(_)));
        Femtocell::attach(identity, known, outer, wants_v6, stop)
    }

    /// Those asked for; else what the gateway lets it reach, without what would lead its own messages into the tunnel.
    fn routes_to(&self, reach: &[IpNet]) -> Vec<IpNet> {
        if self.routes.is_empty() {
            reach.iter().filter(|net| !net.contains(&self.to)).copied().collect()
        } else {
            self.routes.clone()
        }
    }

    fn identity(&self) -> Result<UnitIdentity, Failure> {
        let (chain, key) = (self.files.with_extension("pem"), self.files.with_extension("key"));
        let identity = Identity::read(&chain, &key).map_err(unusable)?;
        let own = identity.chain.first().and_then(|der| Certificate::from_der(der).ok());
        let name = own.and_then(|own| own.dns_names().first().cloned());
        let name = name.ok_or_else(|| broken(&chain, &"its certificate names no unit"))?;
        let key = AuthKey::from_pkcs8(&identity.key).map_err(|error| broken(&key, &error))?;
        Ok(UnitIdentity { name: name.clone(), chain: identity.chain, key: Arc::new(key) })
    }

    fn known(&self) -> Result<KnownGateway, Failure> {
        let root = self.files.with_file_name("root.pem");
        let found = certificates(&root).map_err(unusable)?;
        let mut anchors = AnchorSet::new();
        for der in found {
            anchors.insert(Anchor::from_der(&der).map_err(|error| broken(&root, &error))?);
        }
        let at = |port| SocketAddr::new(self.to, port);
        let name = self.gateway.clone();
        Ok(KnownGateway { name, anchors, ike: at(self.port), natt: at(self.port_natt) })
    }
}

/// One of its files is not there, or is not what it must be.
fn unusable(error: ConfigError) -> Failure {
    broken(Path::new(&error.file), &error.what)
}

fn broken(file: &Path, why: &(impl std::fmt::Display + ?Sized)) -> Failure {
    let problem = Problem::new("unit", format!("{} cannot be used", file.display())).because(why);
    Failure::Usage(problem.next("name DIR/ID, as `truecell cert issue ID --out DIR` wrote it"))
}

/// Why it ends by itself. What is out of reach is no answer; whatever was answered is a no.
fn failure(why: &NoTunnel, name: &str) -> Failure {
    let problem = |code: &str| Problem::new(code, why.to_string());
    let eui = name.split('.').next().unwrap_or_default();
    let tail = format!("see why on the gateway: `truecell event tail --device {eui}`");
    match why {
        NoTunnel::NoAnswer => Failure::Ours(problem("no-answer").next(
            "see that its ports for IKE can be reached; it is silent, too, while it cannot judge: see its `readyz`",
        )),
        NoTunnel::Socket(_) => {
            Failure::Ours(problem("socket").next("correct what the system names, and try again"))
        }
        NoTunnel::NotAuthentic => Failure::No(problem("not-authentic").next(
            "let --gateway be `identity` of its [gateway], and root.pem the root of the CA that issued its certificate",
        )),
        NoTunnel::Refused(NotifyType::AUTHENTICATION_FAILED) => Failure::No(problem("refused").next(tail)),
        NoTunnel::Refused(_) | NoTunnel::NoChildSa(_) => {
            Failure::No(problem("refused").next("compare its [gateway.suites] and pools with what the unit asks for"))
        }
        NoTunnel::BadAnswer | NoTunnel::Over(_) | NoTunnel::Stopped => Failure::No(problem("no-tunnel").next(tail)),
    }
}

fn said(output: &Output, said: &Said) -> Result<(), Failure> {
    if !output.is_json() {
        return output.text(&said.text());
    }
    let line = serde_json::to_string(said).map_err(|error| Failure::system("no JSON", &error))?;
    output.text(&line)
}

/// The TUN device of the unit.
struct Device {
    name: String,
    core: Box<dyn Core>,
    inner: Vec<IpAddr>,
    routes: Vec<IpNet>,
}

impl Device {
    /// Without addresses and routes.
    fn open(unit: &Unit) -> Result<Self, Failure> {
        let queue = ::gateway::Tun::open(&unit.device, 1)
            .map_err(|error| tun::failed(&unit.device, &error.into()))?;
        let name = queue.name().to_owned();
        let core = queue.into_cores().pop();
        let core = core.ok_or_else(|| Failure::system("no queue", &"none was opened"))?;
        Ok(Self { name, core, inner: Vec::new(), routes: Vec::new() })
    }

    /// As this tunnel needs it; made anew only when another tunnel had it otherwise.
    fn of(mut self, unit: &Unit, tunnel: &Femtocell) -> Result<Self, Failure> {
        let routes = unit.routes_to(tunnel.reach());
        if (self.inner.as_slice(), &self.routes) == (tunnel.inner(), &routes) {
            return Ok(self);
        }
        if !self.inner.is_empty() {
            drop(self);
            self = Self::open(unit)?;
        }
        (self.inner, self.routes) = (tunnel.inner().to_vec(), routes);
        let link = tun::Link { mtu: unit.mtu, addresses: &self.inner, routes: &self.routes };
        tun::set_up(&self.name, &link).map_err(|error| tun::failed(&self.name, &error))?;
        Ok(self)
    }

    fn attached(&self) -> Said {
        let Self { name, inner, routes, .. } = self;
        Said::Attached { device: name.clone(), inner: inner.clone(), routes: routes.clone() }
    }
}

/// Says that the first answer is still to come, for as long as it is there.
struct Waiting(#[expect(dead_code, reason = "the thread ends with it")] Sender<()>);

/// How often it says so.
const SAY_EVERY: Duration = Duration::from_secs(5);

impl Waiting {
    fn begin(gateway: SocketAddr) -> Self {
        let (until, over) = mpsc::channel::<()>();
        thread::spawn(move || {
            let since = Instant::now();
            while over.recv_timeout(SAY_EVERY) == Err(RecvTimeoutError::Timeout) {
                // Standard error may be closed; the unit goes on.
                let _ = writeln!(
                    io::stderr(),
                    "no answer yet from {gateway}, after {} s",
                    since.elapsed().as_secs()
                );
            }
        });
        Self(until)
    }
}

/// How long to wait before the next attempt: 1 s, and twice as long each time, up to a minute.
struct Pauses(Duration);

const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(60);

impl Default for Pauses {
    fn default() -> Self {
        Self(SHORTEST)
    }
}

impl Pauses {
    fn next(&mut self) -> Duration {
        let pause = self.0;
        self.0 = (pause * 2).min(LONGEST);
        pause
    }

    /// A tunnel stood for so long: one that did for longer than any pause was worth having.
    fn stood(&mut self, time: Duration) {
        if time > LONGEST {
            self.0 = SHORTEST;
        }
    }
}

/// Waits; `true` as soon as the unit is to stop.
fn stops_within(pause: Duration, stop: &AtomicBool) -> bool {
    let until = Instant::now() + pause;
    loop {
        let left = until.saturating_duration_since(Instant::now());
        if stop.load(Relaxed) || left.is_zero() {
            return stop.load(Relaxed);
        }
        thread::park_timeout(left);
    }
}

/// Turns true at SIGINT, SIGTERM or SIGHUP, and wakes this thread.
fn stop_on_signal() -> Result<Arc<AtomicBool>, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::system("no runtime", &error))?;
    let listening = runtime.block_on(async {
        let [interrupt, terminate, hangup] =
            [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()].map(signal);
        Ok::<_, io::Error>((interrupt?, terminate?, hangup?))
    });
    let (mut interrupt, mut terminate, mut hangup) =
        listening.map_err(|error| Failure::system("no signals", &error))?;
    let (stop, waiting) = (Arc::new(AtomicBool::new(false)), thread::current());
    let stopped = stop.clone();
    thread::spawn(move || {
        runtime.block_on(async {
            tokio::select! {
                _ = interrupt.recv() => (),
                _ = terminate.recv() => (),
                _ = hangup.recv() => (),
            }
        });
        stopped.store(true, Relaxed);
        waiting.unpark();
    });
    Ok(stop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_minute_and_begin_anew_after_a_tunnel_that_lasted() {
        let mut pauses = Pauses::default();
        let seconds: Vec<_> = (0..8).map(|_| pauses.next().as_secs()).collect();
        assert_eq!(seconds, [1, 2, 4, 8, 16, 32, 60, 60]);
        pauses.stood(Duration::from_secs(5));
        assert_eq!(pauses.next(), LONGEST, "as of a copy that is let in and cut again and again");
        pauses.stood(Duration::from_secs(61));
        assert_eq!(pauses.next(), SHORTEST);
    }

    #[test]
    fn routes_are_those_asked_for_or_what_is_within_reach_without_the_gateway_itself() {
        let unit = |routes: &[&str]| Unit {
            files: "unit/00aabbccddee".into(),
            to: [192, 0, 2, 1].into(),
            gateway: "segw.operator.example".into(),
            port: 500,
            port_natt: 4500,
            device: "femtocell%d".into(),
            mtu: 1390,
            routes: routes.iter().map(|route| route.parse().unwrap()).collect(),
        };
        let nets = |nets: &[&str]| nets.iter().map(|net| net.parse().unwrap()).collect::<Vec<IpNet>>();
        let reach = nets(&["0.0.0.0/0", "10.96.0.0/16", "fd00::/64"]);
        assert_eq!(unit(&[]).routes_to(&reach), nets(&["10.96.0.0/16", "fd00::/64"]));
        assert_eq!(unit(&["0.0.0.0/0"]).routes_to(&reach), nets(&["0.0.0.0/0"]));
    }
}
