//! strongSwan's charon as the gateway that ours is measured beside: the same key and certificate, CA,
//! suites and units. OpenSSL's algorithms come first, as the fastest it has; cookies, blocking, liveness
//! and logs are off; ESP is kernel-libipsec's, which does nothing until a packet comes.

use super::{
    estate::Estate,
    process::{GatewayProcess, ends_with_us},
};
use anyhow::{Context, bail};
use std::{
    fs::{self, File},
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

impl Charon {
    /// Looks whether it can run, with its files below `dir`.
    ///
    /// # Errors
    /// Why not, in a few words.
    pub(crate) fn find(dir: PathBuf) -> Result<Self, String> {
        if !rustix::process::geteuid().is_root() {
            return Err("this is not root".into());
        }
        let said = said(Command::new(CHARON).arg("--version")).map_err(|_| "it is not installed")?;
        let tools: [&[&str]; 3] =
            [&["swanctl", "--help"], &["ip", "-V"], &["unshare", "-n", "-m", "test", "-c", "/dev/net/tun"]];
        for tool in tools {
            let (name, arguments) = tool.split_first().ok_or("no tool")?;
            self::said(Command::new(name).args(arguments)).map_err(|error| format!("{error:#}"))?;
        }
        let version = said.split_whitespace().last().unwrap_or_default();
        Ok(Self { name: format!("strongSwan {version}"), dir })
    }

    /// Starts it in mount and network name spaces of its own.
    ///
    /// # Errors
    /// It does not come up or refuses its configuration.
    pub(crate) fn start(&self, estate: &Estate) -> anyhow::Result<GatewayProcess> {
        self.write(estate)?;
        let enter = "ip link set lo up && mount -t tmpfs tmpfs /run && exec \"$0\"";
        let mut command = ends_with_us("unshare");
        command.args(["-n", "-m", "sh", "-c", enter, CHARON]).env("STRONGSWAN_CONF", self.conf());
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        let mut known = estate.known.clone();
        known.ike.set_port(500);
        known.natt.set_port(4500);
        let mut process = GatewayProcess { child, known, network: None };
        self.wait(&mut process)?;
        process.network = Some(File::open(format!("/proc/{}/ns/net", process.child.id()))?);
        Ok(process)
    }

    /// Loads its configuration once it can be asked to.
    fn wait(&self, process: &mut GatewayProcess) -> anyhow::Result<()> {
        let until = Instant::now() + PATIENCE;
        loop {
            let loaded = self.swanctl(&["--load-all"]);
            if loaded.is_ok() {
                return Ok(());
            }
            if let Some(status) = process.child.try_wait()? {
                bail!("charon ended with {status}");
            }
            if Instant::now() > until {
                return loaded.map(drop);
            }
            thread::sleep(Duration::from_millis(50));
        }
    }

    fn swanctl(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let uri = format!("unix://{}", self.dir.join("vici").display());
        let mut swanctl = Command::new("swanctl");
        swanctl.args(arguments).args(["--uri", &uri]);
        said(swanctl.env("SWANCTL_DIR", &self.dir).env("STRONGSWAN_CONF", self.conf()))
    }

    fn conf(&self) -> PathBuf {
        self.dir.join("strongswan.conf")
    }

    fn write(&self, estate: &Estate) -> anyhow::Result<()> {
        for credentials in ["x509", "x509ca", "private"] {
            fs::create_dir_all(self.dir.join(credentials))?;
        }
        let _ = fs::remove_file(self.dir.join("vici"));
        fs::write(self.conf(), strongswan_conf(&self.dir))?;
        fs::write(self.dir.join("swanctl.conf"), swanctl_conf(&estate.known.name))?;
        fs::copy(&estate.root, self.dir.join("x509ca/root.pem"))?;
        let own = fs::read_to_string(estate.data.gateway_key_and_chain())?;
        let mut parts = own.split_inclusive(END_OF_CERTIFICATE);
        let first = parts.next().context("key and chain")?;
        let (key, certificate) = first.split_at(first.find(BEGIN_CERTIFICATE).context("no certificate")?);
        fs::write(self.dir.join("private/gateway.key"), key)?;
        fs::write(self.dir.join("x509/gateway.pem"), certificate)?;
        Ok(fs::write(self.dir.join("x509ca/issuing.pem"), parts.collect::<String>())?)
    }
}

/// Standard output of a command that ends with code 0.
fn said(command: &mut Command) -> anyhow::Result<String> {
    let output =
        command.stdin(Stdio::null()).output().with_context(|| format!("{:?}", command.get_program()))?;
    if !output.status.success() {
        bail!("{:?}: {}", command.get_program(), String::from_utf8_lossy(&output.stderr).trim_end());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn strongswan_conf(dir: &Path) -> String {
    let dir = dir.display();
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
    install_routes = no
    ikesa_table_size = 16384
    ikesa_table_segments = 16
}}
"
    )
}

fn swanctl_conf(gateway: &str) -> String {
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
        certs = gateway.pem
        id = {gateway} }}
    remote {{ auth = pubkey
        cacerts = root.pem }}
    children {{ all {{
        esp_proposals = aes256gcm16
        local_ts = 0.0.0.0/0
        rekey_time = 0 }} }}
}} }}
pools {{ units {{ addrs = 10.64.0.0/12 }} }}
"
    )
}
