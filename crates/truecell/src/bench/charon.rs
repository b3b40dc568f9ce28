//! strongSwan's charon as what ours is measured beside: the same keys and certificates, CA, suites and
//! units. OpenSSL's algorithms come first, as the fastest it has; cookies, blocking, liveness and logs are
//! off; ESP is kernel-libipsec's, which does nothing until a packet comes.

use super::{
    estate::{Estate, GATEWAY, INNER, SERVICE, UnitFiles},
    network::{Link, Network},
    process::{GatewayProcess, Process, ends_with_us, said},
};
use anyhow::{Context, bail};
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// A charon that can run here.
pub(crate) struct Charon {
    /// Name and version.
    pub(crate) name: String,
    dir: PathBuf,
}

/// Debian's path.
const CHARON: &str = "/usr/lib/ipsec/charon";
/// Without `constraints`: in 5.9.8 it wants a name within every permitted subtree of a CA, not within one.
const PLUGINS: &str = "openssl random nonce aes sha1 sha2 hmac kdf gcm curve25519 gmp x509 pubkey \
     pkcs1 pkcs8 pem kernel-libipsec kernel-netlink socket-default vici";
const PATIENCE: Duration = Duration::from_secs(20);
const BEGIN_CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----";
const END_OF_CERTIFICATE: &str = "-----END CERTIFICATE-----\n";

/// What a gateway leads to.
#[derive(Clone, Copy)]
enum Behind {
    /// Nothing: no packet comes. Routes would cost time for each tunnel.
    Nothing,
    /// Its own service address.
    Service,
}

impl Charon {
    /// Looks whether it can run, with its files below `dir`.
    ///
    /// # Errors
    /// Why not, in a few words.
    pub(crate) fn find(dir: PathBuf) -> Result<Self, String> {
        if !rustix::process::geteuid().is_root() {
            return Err("this is not root".into());
        }
        let version = said(Command::new(CHARON).arg("--version")).map_err(|_| "it is not installed")?;
        let tools: [&[&str]; 3] =
            [&["swanctl", "--help"], &["ip", "-V"], &["unshare", "-n", "-m", "test", "-c", "/dev/net/tun"]];
        for tool in tools {
            let (name, arguments) = tool.split_first().ok_or("no tool")?;
            said(Command::new(name).args(arguments)).map_err(|error| format!("{error:#}"))?;
        }
        let version = version.split_whitespace().last().unwrap_or_default();
        Ok(Self { name: format!("strongSwan {version}"), dir })
    }

    /// Starts it as the gateway of many units, in a name space of its own.
    ///
    /// # Errors
    /// It does not come up or refuses its configuration.
    pub(crate) fn start(&self, estate: &Estate) -> anyhow::Result<GatewayProcess> {
        let network = Network::new()?;
        let process = self.gateway(estate, &network, Behind::Nothing)?;
        let mut known = estate.known.clone();
        known.ike.set_port(500);
        known.natt.set_port(4500);
        Ok(GatewayProcess { process, known, network: Some(network) })
    }

    /// Starts it as the gateway of a link, with [`SERVICE`] behind it.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub(crate) fn serve(&self, estate: &Estate, link: &Link) -> anyhow::Result<Process> {
        link.gateway.ip(&format!("addr add {SERVICE}/32 dev lo"))?;
        self.gateway(estate, &link.gateway, Behind::Service)
    }

    /// Attaches it as the unit of a link.
    ///
    /// # Errors
    /// As [`Self::start`], or no tunnel comes up.
    pub(crate) fn attach(&self, unit: &UnitFiles, link: &Link) -> anyhow::Result<Process> {
        let daemon = Daemon { dir: self.dir.join("unit") };
        daemon.write(&strongswan_conf(&daemon.dir, true), &unit_conf(&unit.name))?;
        let own = fs::read_to_string(&unit.key)? + &fs::read_to_string(&unit.chain)?;
        daemon.give(&own, &unit.root)?;
        let process = daemon.start(&link.unit)?;
        daemon.swanctl(&["--initiate", "--child", "all", "--timeout", "20"])?;
        Ok(process)
    }

    fn gateway(&self, estate: &Estate, network: &Network, behind: Behind) -> anyhow::Result<Process> {
        let daemon = Daemon { dir: self.dir.join("gateway") };
        let routes = matches!(behind, Behind::Service);
        daemon.write(&strongswan_conf(&daemon.dir, routes), &gateway_conf(behind))?;
        daemon.give(&fs::read_to_string(estate.data.gateway_key_and_chain())?, &estate.root)?;
        daemon.start(network)
    }
}

/// One charon and its files.
struct Daemon {
    dir: PathBuf,
}

impl Daemon {
    fn write(&self, strongswan_conf: &str, swanctl_conf: &str) -> anyhow::Result<()> {
        for credentials in ["x509", "x509ca", "private"] {
            fs::create_dir_all(self.dir.join(credentials))?;
        }
        fs::write(self.conf(), strongswan_conf)?;
        Ok(fs::write(self.dir.join("swanctl.conf"), swanctl_conf)?)
    }

    /// `own`: PEM of its key, its certificate, and those that issued it, in this order.
    fn give(&self, own: &str, root: &Path) -> anyhow::Result<()> {
        fs::copy(root, self.dir.join("x509ca/root.pem"))?;
        let mut parts = own.split_inclusive(END_OF_CERTIFICATE);
        let first = parts.next().context("key and chain")?;
        let (key, certificate) = first.split_at(first.find(BEGIN_CERTIFICATE).context("no certificate")?);
        fs::write(self.dir.join("private/own.key"), key)?;
        fs::write(self.dir.join("x509/own.pem"), certificate)?;
        Ok(fs::write(self.dir.join("x509ca/issuing.pem"), parts.collect::<String>())?)
    }

    /// Starts it in a mount name space of its own, and loads its configuration once it can be asked to.
    fn start(&self, network: &Network) -> anyhow::Result<Process> {
        let _ = fs::remove_file(self.dir.join("vici"));
        let enter = "mount -t tmpfs tmpfs /run && exec \"$0\"";
        let mut command = network.command("unshare");
        command.args(["-m", "sh", "-c", enter, CHARON]).env("STRONGSWAN_CONF", self.conf());
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        let (mut process, until) = (Process(child), Instant::now() + PATIENCE);
        loop {
            let loaded = self.swanctl(&["--load-all"]);
            if loaded.is_ok() {
                return Ok(process);
            }
            if let Some(status) = process.0.try_wait()? {
                bail!("charon ended with {status}");
            }
            if Instant::now() > until {
                return loaded.map(|()| process);
            }
            thread::sleep(Duration::from_millis(50));
        }
    }

    fn swanctl(&self, arguments: &[&str]) -> anyhow::Result<()> {
        let uri = format!("unix://{}", self.dir.join("vici").display());
        let mut swanctl = ends_with_us("swanctl");
        swanctl.args(arguments).args(["--uri", &uri]);
        said(swanctl.env("SWANCTL_DIR", &self.dir).env("STRONGSWAN_CONF", self.conf())).map(drop)
    }

    fn conf(&self) -> PathBuf {
        self.dir.join("strongswan.conf")
    }
}

fn strongswan_conf(dir: &Path, routes: bool) -> String {
    let (dir, routes) = (dir.display(), if routes { "yes" } else { "no" });
    format!(
        "charon {{
    load = {PLUGINS}
    plugins {{
        vici {{ socket = unix://{dir}/vici }}
        kernel-libipsec {{ load = 100 }}
    }}
    syslog {{ daemon {{ default = -1 }} }}
    cookie_threshold = 0
    block_threshold = 0
    install_routes = {routes}
    ikesa_table_size = 16384
    ikesa_table_segments = 16
}}
"
    )
}

fn gateway_conf(behind: Behind) -> String {
    let local = match behind {
        Behind::Nothing => "0.0.0.0/0".to_owned(),
        Behind::Service => format!("{SERVICE}/32"),
    };
    format!(
        "connections {{ units {{
    version = 2
    proposals = aes256gcm16-prfsha256-x25519
    pools = units
    mobike = no
    unique = never
    dpd_delay = 0
    rekey_time = 0
    local {{ auth = pubkey
        certs = own.pem
        id = {GATEWAY} }}
    remote {{ auth = pubkey
        cacerts = root.pem }}
    children {{ all {{
        esp_proposals = aes256gcm16
        local_ts = {local}
        rekey_time = 0 }} }}
}} }}
pools {{ units {{ addrs = {INNER} }} }}
"
    )
}

fn unit_conf(name: &str) -> String {
    let gateway = Link::GATEWAY;
    format!(
        "connections {{ gateway {{
    version = 2
    remote_addrs = {gateway}
    proposals = aes256gcm16-prfsha256-x25519
    vips = 0.0.0.0
    mobike = no
    dpd_delay = 0
    rekey_time = 0
    local {{ auth = pubkey
        certs = own.pem
        id = {name} }}
    remote {{ auth = pubkey
        id = {GATEWAY} }}
    children {{ all {{
        esp_proposals = aes256gcm16
        remote_ts = {SERVICE}/32
        rekey_time = 0 }} }}
}} }}
"
    )
}
