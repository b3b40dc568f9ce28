use crate::{
    config::{Identity, certificates},
    failure::{Failure, Problem},
    output::Output,
    tun,
};
use clap::Args;
use ike::crypto::AuthKey;
use ipnet::IpNet;
use lab::{Femtocell, KnownGateway, UnitIdentity};
use serde::Serialize;
use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread,
};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::oneshot,
};
use x509::{Anchor, AnchorSet, Certificate};

/// A virtual femtocell that carries packets: attaches to a gateway, and makes a TUN device of its tunnel
///
/// Its files are those that `truecell cert issue ID --out DIR` wrote. It needs CAP_NET_ADMIN for the device.
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

    /// Networks to reach through the tunnel
    #[arg(long = "route", value_name = "PREFIX")]
    routes: Vec<IpNet>,
}

/// What is said once it is attached.
#[derive(Serialize)]
struct Attached {
    device: String,
    inner: Vec<IpAddr>,
}

impl Unit {
    pub(crate) fn run(&self, output: &Output) -> Result<(), Failure> {
        let queue = ::gateway::Tun::open(&self.device, 1)
            .map_err(|error| tun::failed(&self.device, &error.into()))?;
        let device = queue.name().to_owned();
        let wants_v6 = self.routes.iter().any(|route| matches!(route, IpNet::V6(_)));
        let outer = if self.to.is_ipv4() { "0.0.0.0" } else { "::" };
        let outer = outer.parse().map_err(|error: std::net::AddrParseError| broken(&error))?;
        let (identity, known) = (self.identity()?, self.known()?);
        let unit = Femtocell::attach(&identity, &known, outer, wants_v6).map_err(|error| broken(&*error))?;
        let link = tun::Link { mtu: self.mtu, addresses: unit.inner(), routes: &self.routes };
        tun::set_up(&device, &link).map_err(|error| tun::failed(&device, &error))?;
        let attached = Attached { device, inner: unit.inner().to_vec() };
        output.answer(&attached, |attached| {
            let inner: Vec<_> = attached.inner.iter().map(ToString::to_string).collect();
            format!("attached: {} on {}", inner.join(" "), attached.device)
        })?;
        let core = queue.into_cores().pop().ok_or_else(|| Failure::system("no queue", &"none was opened"))?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let (ends, ended) = oneshot::channel::<()>();
        let carrying = thread::spawn(move || {
            // Dropped when the carrying is over, however it ends.
            let _ends = ends;
            unit.carry(core, &stopped)
        });
        wait_for_signal(ended)?;
        stop.store(true, Relaxed);
        let ended = carrying.join().map_err(|_| Failure::system("the unit broke", &"its thread panicked"))?;
        ended.map_err(|error| broken(&*error))
    }

    fn identity(&self) -> Result<UnitIdentity, Failure> {
        let (chain, key) = (self.files.with_extension("pem"), self.files.with_extension("key"));
        let identity = Identity::read(&chain, &key).map_err(|error| Failure::Config(vec![error]))?;
        let own = identity.chain.first().and_then(|der| Certificate::from_der(der).ok());
        let name = own.and_then(|own| own.dns_names().first().cloned());
        let name =
            name.ok_or_else(|| Failure::system(format!("{}", chain.display()), &"it names no unit"))?;
        let key = AuthKey::from_pkcs8(&identity.key).map_err(|error| broken(&error))?;
        Ok(UnitIdentity { name: name.clone(), chain: identity.chain, key: Arc::new(key) })
    }

    fn known(&self) -> Result<KnownGateway, Failure> {
        let root = self.files.with_file_name("root.pem");
        let found = certificates(&root).map_err(|error| Failure::Config(vec![error]))?;
        let mut anchors = AnchorSet::new();
        for der in found {
            anchors.insert(Anchor::from_der(&der).map_err(|error| broken(&error))?);
        }
        let at = |port| SocketAddr::new(self.to, port);
        let name = self.gateway.clone();
        Ok(KnownGateway { name, anchors, ike: at(self.port), natt: at(self.port_natt) })
    }
}

fn broken(error: &(impl std::fmt::Display + ?Sized)) -> Failure {
    let problem = Problem::new("unit", "the unit does not run").because(error);
    Failure::Ours(problem.next("see that the gateway is reachable and knows it"))
}

/// Or for the tunnel's end.
fn wait_for_signal(ended: oneshot::Receiver<()>) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::system("no runtime", &error))?;
    let waited = runtime.block_on(async {
        let (mut interrupt, mut terminate) =
            (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        let mut hangup = signal(SignalKind::hangup())?;
        tokio::select! {
            _ = interrupt.recv() => (),
            _ = terminate.recv() => (),
            _ = hangup.recv() => (),
            _ = ended => (),
        }
        Ok::<_, std::io::Error>(())
    });
    waited.map_err(|error| Failure::system("no signals", &error))
}
