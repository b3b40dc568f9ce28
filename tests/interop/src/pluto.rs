//! libreswan's pluto in a namespace, as a femtocell's control plane.
//!
//! Debian's package, which cannot be installed beside strongSwan, runs from where `./test` unpacked it; its fixed path
//! of helper programs is mounted over in pluto's own mount namespace. Keys and certificates are in an NSS database of the
//! scenario. The kernel's ESP cannot be relied on, so `xfrm.c` stands in for it: pluto negotiates, installs, renews and
//! deletes, and no packet passes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::certificate::{Credential, write};
use crate::charon::PROMPT;
use crate::deadline::until;
use crate::namespace::{Namespace, run};
use crate::process::Process;

/// Where pluto looks for the programs that it starts.
const PROGRAMS: &str = "/usr/libexec/ipsec";

/// Name of the only connection.
const CONNECTION: &str = "femto";

/// A running pluto.
#[derive(Debug)]
pub struct Pluto {
    /// The daemon.
    pub process: Process,
    dir: PathBuf,
    programs: PathBuf,
}

impl Pluto {
    /// Starts pluto in `namespace`, with everything that it reads and writes below `dir`. `conn` is a section
    /// `conn femto` of ipsec.conf; it names `own`'s certificate `own`, and trusts `root`, a CA in PEM.
    ///
    /// # Errors
    /// When it does not come up with that connection.
    pub fn start(
        namespace: &Namespace,
        dir: &Path,
        own: &Credential,
        root: &str,
        conn: &str,
    ) -> Result<Self> {
        let programs = programs()?;
        nss_database(dir, own, root)?;
        // An SPI that the kernel gave out and never saw used expires after 30 s, for which pluto would end the SA.
        namespace.sysctl("net.core.xfrm_acq_expires=86400")?;
        write(dir, "ipsec.conf", &format!("config setup\n    dumpdir={}\n\n{conn}", dir.display()))?;
        write(dir, "ipsec.secrets", "")?;
        let process =
            Process::spawn(&mut daemon(namespace, dir, &programs, &compiled(dir)?), &dir.join("pluto.log"))?;
        let mut pluto = Self { process, dir: dir.to_owned(), programs };
        until("pluto's connection", PROMPT, || {
            pluto.process.ensure_running()?;
            Ok(pluto.log().contains("listening for IKE messages").then_some(()))
        })?;
        ensure!(pluto.log().contains("added IKEv2 connection"), "no connection:\n{}", pluto.log());
        Ok(pluto)
    }

    /// Brings up IKE SA and CHILD SA.
    ///
    /// # Errors
    /// When they do not stand in time; the error holds the log.
    pub fn initiate(&self) -> Result<()> {
        self.order("initiate")?;
        self.wait_for_log("initiator established Child SA", 1)
    }

    /// Orders an action on the connection and does not wait for it: `initiate`, `rekey-ike`, `rekey-ipsec`,
    /// `terminate`.
    ///
    /// # Errors
    /// When pluto does not take the order.
    pub fn order(&self, action: &str) -> Result<()> {
        self.whack(&[&format!("--{action}"), "--name", CONNECTION, "--asynchronous"]).map(drop)
    }

    /// Has it misbehave in a way that `whack --impair help` names.
    ///
    /// # Errors
    /// When it does not know the way.
    pub fn impair(&self, how: &str) -> Result<()> {
        self.whack(&["--impair", how]).map(drop)
    }

    /// Its SAs, in its own words.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn states(&self) -> Result<String> {
        self.whack(&["--showstates"])
    }

    /// SPIs of its newest CHILD SA: where the peer receives, and where it does.
    ///
    /// # Errors
    /// When it has none.
    pub fn child_spis(&self) -> Result<(u32, u32)> {
        let states = self.states()?;
        newest_spis(&states).with_context(|| states.clone())
    }

    /// What it has logged so far.
    #[must_use]
    pub fn log(&self) -> String {
        self.process.log()
    }

    /// Waits for a log line that contains `text`, `times` times.
    ///
    /// # Errors
    /// When it does not come within [`PROMPT`].
    pub fn wait_for_log(&self, text: &str, times: usize) -> Result<()> {
        self.wait_for_log_within(text, times, PROMPT)
    }

    /// The same with another deadline.
    ///
    /// # Errors
    /// When it does not come within `within`.
    pub fn wait_for_log_within(&self, text: &str, times: usize, within: Duration) -> Result<()> {
        until(&format!("{text:?} in pluto's log, {times} times"), within, || {
            Ok((self.log().matches(text).count() >= times).then_some(()))
        })
    }

    /// Runs `whack` and returns what it said.
    ///
    /// # Errors
    /// When pluto does not do it.
    pub fn whack(&self, arguments: &[&str]) -> Result<String> {
        run(Command::new(self.programs.join("whack")).arg("--rundir").arg(&self.dir).args(arguments))
    }
}

/// Reads the SPIs of the last line that has them:
/// `#4: "femto"[1] 198.18.1.1 esp.f4a649b9@198.18.1.1 esp.e96d75d1@198.18.1.2 tun.0@...`; colons instead for IPv6.
fn newest_spis(states: &str) -> Option<(u32, u32)> {
    let spi =
        |word: &str| u32::from_str_radix(word.strip_prefix("esp")?.get(1..)?.split('@').next()?, 16).ok();
    let mut lines = states.lines().rev().map(|line| line.split_whitespace().filter_map(spi));
    lines.find_map(|mut spis| spis.next().zip(spis.next()))
}

/// The daemon with its programs where it looks for them, and `xfrm` before the C library.
fn daemon(namespace: &Namespace, dir: &Path, programs: &Path, xfrm: &Path) -> Command {
    let enter = format!(
        "mount -t tmpfs tmpfs /usr/libexec && mkdir {PROGRAMS} && mount --bind \"$0\" {PROGRAMS} && \
         LD_PRELOAD=\"$1\" exec {PROGRAMS}/pluto --nofork --stderrlog --config ipsec.conf --secretsfile ipsec.secrets \
         --nssdir \"$PWD/nss\" --rundir \"$PWD\""
    );
    let mut command = namespace.command("unshare");
    command.args(["-m", "sh", "-c", &enter]).args([programs, xfrm]).current_dir(dir);
    command
}

/// Makes an NSS database with the certificate `own` and its key, its intermediates, and the anchor `root`.
fn nss_database(dir: &Path, own: &Credential, root: &str) -> Result<()> {
    let nss = dir.join("nss");
    fs::create_dir_all(&nss)?;
    let chain: String =
        [&own.certificate].into_iter().chain(&own.intermediates).map(String::as_str).collect();
    write(dir, "own.pem", &chain)?;
    write(dir, "own.key", &own.key)?;
    write(dir, "root.pem", root)?;
    let here = |program: &str, arguments: &[&str]| {
        run(Command::new(program).args(arguments).current_dir(dir)).map(drop)
    };
    here("certutil", &["-N", "-d", "sql:nss", "--empty-password"])?;
    let export = ["pkcs12", "-export", "-in", "own.pem", "-inkey", "own.key", "-name", "own"];
    here("openssl", &[&export[..], &["-passout", "pass:", "-out", "own.p12"]].concat())?;
    here("pk12util", &["-i", "own.p12", "-d", "sql:nss", "-W", ""])?;
    here("certutil", &["-A", "-d", "sql:nss", "-n", "root", "-t", "CT,,", "-i", "root.pem"])
}

/// `xfrm.c` as a library in `dir`.
fn compiled(dir: &Path) -> Result<PathBuf> {
    write(dir, "xfrm.c", include_str!("pluto/xfrm.c"))?;
    run(Command::new("cc").args(["-shared", "-fPIC", "-o", "xfrm.so", "xfrm.c"]).current_dir(dir))?;
    Ok(dir.join("xfrm.so"))
}

/// Where `./test` unpacked libreswan's programs.
fn programs() -> Result<PathBuf> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let programs = workspace.join("target/peers/libreswan").join(PROGRAMS.trim_start_matches('/'));
    programs.canonicalize().with_context(|| format!("{}: ./test packages", programs.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_spis_of_the_newest_child_sa_are_found_over_ipv4_and_ipv6() {
        let states = |ends: &str| {
            format!(
                "000 #1: \"femto\"[1] established IKE SA\n000 #4: \"femto\"[1] 198.18.1.1 {ends} Traffic: ESPin=0B\n"
            )
        };
        let v4 = "esp.f4a649b9@198.18.1.1 esp.3e1ba00@198.18.1.2 tun.0@198.18.1.1 tun.0@198.18.1.2";
        assert_eq!(newest_spis(&states(v4)), Some((0xf4a6_49b9, 0x03e1_ba00)));
        let v6 = "esp:96685425@2001:db8:1::2 esp:540e91ce@2001:db8:2::2 tun:0@2001:db8:1::2";
        assert_eq!(newest_spis(&states(v6)), Some((0x9668_5425, 0x540e_91ce)));
        assert_eq!(newest_spis(&states("")), None);
    }
}
