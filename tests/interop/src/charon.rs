//! strongSwan's charon in a namespace: as femtocell, or as gateway for comparison.
//!
//! It runs in a mount namespace with an empty `/run`, so that several live side by side; its VICI socket, its
//! `/etc/swanctl` and its `strongswan.conf` are files of the scenario. ESP is done by `kernel-libipsec` in user space,
//! because the kernel's ESP cannot be relied on.

use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::certificate::{Credential, write};
use crate::deadline::until;
use crate::namespace::{Namespace, run};
use crate::process::Process;
use crate::swanctl::{Node, parse};

/// Debian's path of the daemon.
const CHARON: &str = "/usr/lib/ipsec/charon";

/// What charon loads, in this order: OpenSSL's algorithms come first, as the fastest it has.
const PLUGINS: &str = "openssl random nonce aes sha1 sha2 hmac kdf gcm curve25519 gmp x509 revocation constraints \
     pubkey pkcs1 pkcs7 pkcs8 pem kernel-libipsec kernel-netlink socket-default vici";

/// Where `swanctl --load-all` looks for credentials; it reports each that is missing as a failure.
const SWANCTL_DIRS: [&str; 13] = [
    "x509", "x509ca", "x509ocsp", "x509aa", "x509ac", "x509crl", "pubkey", "private", "rsa", "ecdsa",
    "bliss", "pkcs8", "pkcs12",
];

/// How long an exchange on an idle network may take before the scenario fails.
pub const PROMPT: Duration = Duration::from_secs(20);

/// A running charon.
#[derive(Debug)]
pub struct Charon {
    /// The daemon.
    pub process: Process,
    dir: PathBuf,
}

/// One IKE SA as charon lists it.
#[derive(Clone, Debug)]
pub struct IkeSa(Node);

impl Charon {
    /// Starts charon in `namespace`. Everything it reads and writes is below `dir`; `settings` are lines for the section
    /// `charon` of strongswan.conf and win over the harness's own.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn start(namespace: &Namespace, dir: &Path, settings: &str) -> Result<Self> {
        for credentials in SWANCTL_DIRS {
            fs::create_dir_all(dir.join(credentials))?;
        }
        write(dir, "strongswan.conf", &strongswan_conf(dir, settings))?;
        write(dir, "swanctl.conf", "")?;
        let enter = "mount -t tmpfs tmpfs /run && exec \"$0\"";
        let mut command = namespace.command("unshare");
        command.args(["-m", "sh", "-c", enter, CHARON]).env("STRONGSWAN_CONF", dir.join("strongswan.conf"));
        let process = Process::spawn(&mut command, &dir.join("charon.out"))?;
        let mut charon = Self { process, dir: dir.to_owned() };
        until("charon's VICI socket", PROMPT, || {
            charon.process.ensure_running()?;
            Ok(charon.swanctl(&["--version"]).ok())
        })?;
        Ok(charon)
    }

    /// Gives it a certificate with its key, filed under `name`.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn own(&self, credential: &Credential, name: &str) -> Result<()> {
        credential.install(&self.dir, name)
    }

    /// Gives it a trust anchor in PEM, filed under `name`.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn trust(&self, pem: &str, name: &str) -> Result<()> {
        write(&self.dir.join("x509ca"), &format!("{name}.pem"), pem)
    }

    /// Replaces its configuration and credentials by `swanctl_conf` and the files given so far.
    ///
    /// # Errors
    /// When charon refuses any of it.
    pub fn load(&self, swanctl_conf: &str) -> Result<()> {
        write(&self.dir, "swanctl.conf", swanctl_conf)?;
        let said = self.swanctl(&["--load-all", "--clear"])?;
        if said.contains("failed") { bail!("charon refused its configuration:\n{said}") } else { Ok(()) }
    }

    /// Brings up a CHILD SA, with its IKE SA when there is none, and returns what charon said meanwhile.
    ///
    /// # Errors
    /// When it does not come up within [`PROMPT`].
    pub fn initiate(&self, child: &str) -> Result<String> {
        self.swanctl(&["--initiate", "--child", child, "--timeout", &PROMPT.as_secs().to_string()])
    }

    /// Brings up an IKE SA without a CHILD SA (RFC 6023).
    ///
    /// # Errors
    /// When it does not come up within [`PROMPT`].
    pub fn initiate_childless(&self, ike: &str) -> Result<String> {
        self.swanctl(&["--initiate", "--ike", ike, "--timeout", &PROMPT.as_secs().to_string()])
    }

    /// Orders a CHILD SA and does not wait for it.
    ///
    /// # Errors
    /// When charon does not take the order.
    pub fn initiate_later(&self, child: &str) -> Result<()> {
        // A timeout of -1 makes the command return at once.
        self.swanctl(&["--initiate", "--child", child, "--timeout", "-1"]).map(drop)
    }

    /// Starts a new key exchange: `what` is `--ike NAME` or `--child NAME`, with `--reauth` if wanted.
    ///
    /// # Errors
    /// When charon does not take the order.
    pub fn rekey(&self, what: &[&str]) -> Result<()> {
        self.swanctl(&[&["--rekey"], what].concat()).map(drop)
    }

    /// Deletes an SA: `what` is `--ike NAME` or `--child NAME`.
    ///
    /// # Errors
    /// When the peer does not answer in time.
    pub fn terminate(&self, what: &[&str]) -> Result<()> {
        self.swanctl(&[&["--terminate"], what, &["--timeout", "10"]].concat()).map(drop)
    }

    /// Every IKE SA it has.
    ///
    /// # Errors
    /// When charon does not answer.
    pub fn sas(&self) -> Result<Vec<IkeSa>> {
        let messages = parse(&self.swanctl(&["--list-sas", "--raw"])?)?;
        Ok(messages.iter().flat_map(Node::children).cloned().map(IkeSa).collect())
    }

    /// Waits until `look` finds what it wants among the IKE SAs.
    ///
    /// # Errors
    /// When it does not within `within`; the error lists the SAs.
    pub fn wait_for_sas<T>(
        &self,
        what: &str,
        within: Duration,
        mut look: impl FnMut(&[IkeSa]) -> Option<T>,
    ) -> Result<T> {
        until(what, within, || Ok(look(&self.sas()?)))
            .with_context(|| self.swanctl(&["--list-sas"]).unwrap_or_else(|error| format!("{error:#}")))
    }

    /// Waits for the only IKE SA to be established with one CHILD SA installed, and returns it.
    ///
    /// # Errors
    /// When that does not happen within [`PROMPT`].
    pub fn wait_for_tunnel(&self) -> Result<IkeSa> {
        self.wait_for_sas("one established tunnel", PROMPT, |sas| match sas {
            [sa] if sa.established() && sa.children().len() == 1 && sa.child_up() => Some(sa.clone()),
            _ => None,
        })
    }

    /// Runs a swanctl command against this charon.
    ///
    /// # Errors
    /// When the command fails; the error holds what it said.
    pub fn swanctl(&self, arguments: &[&str]) -> Result<String> {
        let (command, rest) = arguments.split_first().context("no swanctl command")?;
        let mut swanctl = Command::new("sh");
        swanctl.args(["-c", "exec swanctl \"$@\" 2>&1", "swanctl", command]).args(rest);
        swanctl.args(["--uri", &format!("unix://{}", self.dir.join("vici").display())]);
        swanctl.env("SWANCTL_DIR", &self.dir).env("STRONGSWAN_CONF", self.dir.join("strongswan.conf"));
        let output = swanctl.output()?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        if output.status.success() {
            Ok(said)
        } else {
            bail!("swanctl {arguments:?}: {}\n{said}", output.status)
        }
    }

    /// What charon has logged so far, IKE at level 2.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(self.dir.join("charon.log")).unwrap_or_default()
    }

    /// Waits for a log line that contains `text`, `times` times.
    ///
    /// # Errors
    /// When it does not come within `within`.
    pub fn wait_for_log(&self, text: &str, times: usize, within: Duration) -> Result<()> {
        until(&format!("{text:?} in charon's log, {times} times"), within, || {
            Ok((self.log().matches(text).count() >= times).then_some(()))
        })
    }
}

impl IkeSa {
    /// Name of its configuration.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.key
    }

    /// One of its values, e.g. `state`, `initiator-spi`, `encr-alg`; empty when there is none.
    #[must_use]
    pub fn text(&self, key: &str) -> &str {
        self.0.text(key)
    }

    /// Whether it is established.
    #[must_use]
    pub fn established(&self) -> bool {
        self.text("state") == "ESTABLISHED"
    }

    /// Its inner addresses.
    #[must_use]
    pub fn inner(&self) -> &[String] {
        self.0.list("local-vips")
    }

    /// Its inner IPv4 address.
    ///
    /// # Errors
    /// When it has none.
    pub fn inner_v4(&self) -> Result<IpAddr> {
        let parsed = self.inner().iter().find_map(|address| address.parse::<Ipv4Addr>().ok());
        parsed.map(IpAddr::V4).with_context(|| format!("no IPv4 in {:?}", self.inner()))
    }

    /// Its CHILD SAs.
    #[must_use]
    pub fn children(&self) -> &[Node] {
        self.0.child("child-sas").map_or(&[], Node::children)
    }

    /// Its CHILD SAs that carry packets both ways: for some seconds charon keeps one beside them that was renewed.
    #[must_use]
    pub fn installed(&self) -> Vec<&Node> {
        self.children().iter().filter(|child| child.text("state") == "INSTALLED").collect()
    }

    /// Whether every CHILD SA is installed.
    #[must_use]
    pub fn child_up(&self) -> bool {
        self.children().iter().all(|child| child.text("state") == "INSTALLED")
    }
}

/// The harness's settings, then the scenario's; where both name a key, the later wins.
fn strongswan_conf(dir: &Path, settings: &str) -> String {
    let dir = dir.display();
    format!(
        "charon {{
    load = {PLUGINS}
    plugins {{
        vici {{ socket = unix://{dir}/vici }}
        kernel-libipsec {{ load = 100 }}
    }}
    filelog {{
        file {{ path = {dir}/charon.log
            default = 1
            ike = 2
            enc = 1
            append = no
            flush_line = yes
            time_format = %T }}
    }}
    install_routes = yes
    retransmit_timeout = 1.0
    retransmit_base = 1.4
    retransmit_tries = 5
}}
charon {{
{settings}
}}
"
    )
}

/// Whether this machine has what the scenarios with charon need.
///
/// # Errors
/// Names what is missing.
pub fn available() -> Result<()> {
    run(Command::new("swanctl").arg("--version"))?;
    if Path::new(CHARON).exists() { Ok(()) } else { bail!("{CHARON} is missing") }
}
