//! Truecell in a namespace: its data directory, `truecell serve`, and the commands that people give it.
//!
//! It is used as its users use it: through `truecell.toml`, the command line and `--json`. The binary is the one that
//! cargo built beside the tests (`cargo build -p truecell`).

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail, ensure};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::carrier::Unit;
use crate::certificate::{Credential, KeyKind, request, split};
use crate::deadline::until;
use crate::namespace::Namespace;
use crate::process::Process;

/// What the gateway proves to the units.
pub const IDENTITY: &str = "segw.operator.example";

/// Realm of the devices that the embedded CA names.
pub const REALM: &str = "femto.operator.example";

/// The service addresses that answer pings inside the tunnel.
pub const SERVICE_V4: &str = "192.168.255.1";
/// The same over IPv6.
pub const SERVICE_V6: &str = "fd00:5e::1";

/// Where keys of IKE SAs are written, in the gateway's directory.
const KEYS: &str = "keys";

/// How long a start, a command or an exchange on an idle network may take.
const PROMPT: Duration = Duration::from_secs(20);

/// A gateway that serves.
#[derive(Debug)]
pub struct Truecell {
    /// `truecell serve`.
    pub process: Process,
    namespace: String,
    dir: PathBuf,
    program: &'static str,
    starts: u32,
}

/// A tunnel, as `session list` has it.
#[derive(Clone, Debug, Deserialize)]
pub struct Session {
    /// Its name.
    pub id: String,
    /// Whose it is.
    pub device: String,
    /// `contesting`, `open` or `held`.
    pub state: String,
    /// Address and port that the unit is seen at.
    pub outer: String,
    /// Inner addresses, IPv4 first.
    pub inner: Vec<String>,
    /// From the unit.
    pub uplink: Amount,
    /// To the unit.
    pub downlink: Amount,
    /// Packets dropped, by cause.
    pub drops: BTreeMap<String, u64>,
    /// Its CHILD SAs.
    pub children: Vec<Value>,
    /// When it ends at the latest, RFC 3339.
    pub until: String,
}

/// Inner traffic in one direction.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Amount {
    /// Packets.
    pub packets: u64,
    /// Octets.
    pub octets: u64,
}

/// What it has counted since its start, as its socket says at `/v1/stats`.
#[derive(Clone, Debug, Deserialize)]
pub struct Counters {
    /// From units.
    pub uplink: Amount,
    /// To units.
    pub downlink: Amount,
    /// Packets dropped, by direction and cause.
    pub drops: BTreeMap<String, BTreeMap<String, u64>>,
}

/// An incident, as `incident show` has it.
#[derive(Clone, Debug, Deserialize)]
pub struct Incident {
    /// Its number.
    pub number: u64,
    /// Stable word.
    pub kind: String,
    /// The units that it is about.
    pub devices: Vec<String>,
    /// What was seen of each side.
    pub evidence: Value,
}

/// A record of the journal.
#[derive(Clone, Debug, Deserialize)]
pub struct Event {
    /// What kind, e.g. `session.closed`.
    pub kind: String,
    /// What it says.
    pub body: Value,
}

impl Counters {
    /// Packets dropped for `cause`, in either direction.
    #[must_use]
    pub fn dropped(&self, cause: &str) -> u64 {
        self.drops.values().filter_map(|by_cause| by_cause.get(cause)).sum()
    }
}

/// Who agrees, where it takes two.
const APPROVER: &str = "approver";

#[derive(Deserialize)]
struct Sessions {
    sessions: Vec<Session>,
}

#[derive(Deserialize)]
struct Incidents {
    incidents: Vec<Incident>,
}

impl Truecell {
    /// Makes a new node below `dir` and serves in `namespace`. `settings` are lines of `truecell.toml` that are laid over
    /// those of [the base](self): sections merge key by key.
    ///
    /// # Errors
    /// When it does not become ready.
    pub fn start(namespace: &Namespace, dir: &Path, settings: &str) -> Result<Self> {
        Self::start_program("truecell", namespace, dir, settings)
    }

    /// The same with the test build that writes down the keys of IKE SAs.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_with_key_log(namespace: &Namespace, dir: &Path, settings: &str) -> Result<Self> {
        Self::start_program("truecell-key-log", namespace, dir, settings)
    }

    fn start_program(
        program: &'static str,
        namespace: &Namespace,
        dir: &Path,
        settings: &str,
    ) -> Result<Self> {
        fs::write(dir.join("truecell.toml"), laid_over(settings)?)?;
        good(&command(dir).arg("init").output()?)?;
        let process = serve(program, namespace.name(), dir, 1)?;
        Ok(Self { process, namespace: namespace.name().to_owned(), dir: dir.to_owned(), program, starts: 1 })
    }

    /// Serves again, after [`Process::kill`] or [`Process::stop`].
    ///
    /// # Errors
    /// When it does not become ready.
    pub fn restart(&mut self) -> Result<()> {
        self.starts += 1;
        self.process = serve(self.program, &self.namespace, &self.dir, self.starts)?;
        Ok(())
    }

    /// Is killed, loses its data directory, and serves again from a backup, with the keys that were kept elsewhere.
    ///
    /// # Errors
    /// When the backup is refused, or it does not become ready.
    pub fn restore(&mut self, backup: &str) -> Result<()> {
        self.process.kill()?;
        fs::rename(self.dir.join("state"), self.dir.join("lost"))?;
        self.run(&["restore", backup, "--keys", "lost", "--why", "the disk is gone"])?;
        self.restart()
    }

    /// Where a build that writes down keys is told to.
    #[must_use]
    pub fn keys(&self) -> PathBuf {
        self.dir.join(KEYS)
    }

    /// Its ledger's file.
    #[must_use]
    pub fn ledger(&self) -> PathBuf {
        self.dir.join("state/ledger.sqlite")
    }

    /// Runs a command against it and returns what it answered as text.
    ///
    /// # Errors
    /// When its exit code is not 0.
    pub fn run(&self, arguments: &[&str]) -> Result<String> {
        good(&command(&self.dir).args(arguments).output()?).with_context(|| format!("truecell {arguments:?}"))
    }

    /// Runs a command with `--json` and reads its answer.
    ///
    /// # Errors
    /// When its exit code is not 0, or the answer is another than expected.
    pub fn ask<T: DeserializeOwned>(&self, arguments: &[&str]) -> Result<T> {
        let answer = self.run(&[&["--json"], arguments].concat())?;
        serde_json::from_str(&answer).with_context(|| format!("truecell {arguments:?}: {answer}"))
    }

    /// The same, whatever its exit code is.
    ///
    /// # Errors
    /// When it cannot be run, or answers something else.
    pub fn answer(&self, arguments: &[&str]) -> Result<Value> {
        let output = command(&self.dir).arg("--json").args(arguments).output()?;
        serde_json::from_slice(&output.stdout).with_context(|| format!("truecell {arguments:?}: {output:?}"))
    }

    /// Puts a unit into the ledger, with further `options` of `device add`.
    ///
    /// # Errors
    /// When it is refused.
    pub fn add_device(&self, id: &str, options: &[&str]) -> Result<()> {
        self.run(&[&["device", "add", id], options].concat()).map(drop)
    }

    /// Has the embedded CA make a key for a unit and certify it; `options` are further ones of `cert issue`.
    ///
    /// # Errors
    /// When it is refused.
    pub fn issue(&self, id: &str, options: &[&str]) -> Result<Credential> {
        let out = tempfile::tempdir_in(&self.dir)?;
        let to = out.path().to_str().context("a path that is no text")?;
        self.run(&[&["cert", "issue", id, "--approver", APPROVER, "--out", to], options].concat())?;
        let read = |name: String| fs::read_to_string(out.path().join(name));
        Credential::from_chain(&read(format!("{id}.pem"))?, read(format!("{id}.key"))?)
    }

    /// Has the embedded CA certify a key that the unit made.
    ///
    /// # Errors
    /// When it is refused.
    pub fn certify(&self, id: &str, kind: KeyKind) -> Result<Credential> {
        let out = tempfile::tempdir_in(&self.dir)?;
        let (key, csr) = request(&device_name(id), kind)?;
        let file = out.path().join("request.pem");
        fs::write(&file, csr)?;
        let path = |path: &Path| path.to_str().map(str::to_owned).context("a path that is no text");
        self.run(&[
            "cert",
            "issue",
            id,
            "--approver",
            APPROVER,
            "--request",
            &path(&file)?,
            "--out",
            &path(out.path())?,
        ])?;
        Credential::from_chain(&fs::read_to_string(out.path().join(format!("{id}.pem")))?, key)
    }

    /// Has a certificate of another CA recorded as the unit's.
    ///
    /// # Errors
    /// When it is refused.
    pub fn import(&self, id: &str, credential: &Credential) -> Result<String> {
        let chain = credential.certificate.clone() + &credential.intermediates.concat();
        fs::write(self.dir.join("import.pem"), chain)?;
        self.run(&["cert", "import", id, "import.pem"])
    }

    /// The root of the embedded CA, PEM: what units trust.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn root(&self) -> Result<String> {
        let pem = fs::read_to_string(self.dir.join("state/ca/root.pem"))?;
        split(&pem).pop().context("no certificate in root.pem")
    }

    /// Its tunnels.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn sessions(&self) -> Result<Vec<Session>> {
        Ok(self.ask::<Sessions>(&["session", "list"])?.sessions)
    }

    /// The only tunnel of a unit.
    ///
    /// # Errors
    /// When it has none or several.
    pub fn session_of(&self, unit: &Unit) -> Result<Session> {
        let mut all = self.sessions()?;
        all.retain(|session| device_name(&session.device) == unit.name);
        let [session] = all.try_into().map_err(|all| anyhow!("not one session: {all:#?}"))?;
        Ok(session)
    }

    /// What it has counted.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn counters(&self) -> Result<Counters> {
        let mut socket = UnixStream::connect(self.dir.join("state/control.sock"))?;
        socket.set_read_timeout(Some(PROMPT))?;
        socket.write_all(b"GET /v1/stats HTTP/1.0\r\nHost: localhost\r\n\r\n")?;
        let mut answer = String::new();
        socket.read_to_string(&mut answer)?;
        let (_, body) = answer.split_once("\r\n\r\n").context("no body")?;
        let stats: Value = serde_json::from_str(body).with_context(|| answer.clone())?;
        Ok(serde_json::from_value(stats["counters"].clone())?)
    }

    /// Its incidents, with their evidence.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn incidents(&self) -> Result<Vec<Incident>> {
        let listed = self.ask::<Incidents>(&["incident", "list"])?.incidents;
        listed.iter().map(|one| self.ask(&["incident", "show", &one.number.to_string()])).collect()
    }

    /// Everything in its journal.
    ///
    /// # Errors
    /// When it does not answer, or a line is no record.
    pub fn events(&self) -> Result<Vec<Event>> {
        let lines = self.run(&["--json", "event", "tail", "--from", "1"])?;
        lines.lines().map(|line| serde_json::from_str(line).with_context(|| line.to_owned())).collect()
    }

    /// Waits until `look` finds what it wants among the tunnels.
    ///
    /// # Errors
    /// When it does not within 20 s; the error lists the tunnels.
    pub fn wait_for_sessions<T>(
        &self,
        what: &str,
        mut look: impl FnMut(&[Session]) -> Option<T>,
    ) -> Result<T> {
        until(what, PROMPT, || Ok(look(&self.sessions()?))).with_context(|| format!("{:#?}", self.sessions()))
    }

    /// Waits for a record that `is` accepts, and returns it.
    ///
    /// # Errors
    /// When none comes within `within`; the error has the journal's end.
    pub fn wait_for_event(
        &self,
        what: &str,
        within: Duration,
        mut is: impl FnMut(&Event) -> bool,
    ) -> Result<Event> {
        until(what, within, || Ok(self.events()?.into_iter().rfind(&mut is)))
            .with_context(|| self.run(&["event", "tail"]).unwrap_or_else(|error| format!("{error:#}")))
    }

    /// Checks that journal and ledger hold.
    ///
    /// # Errors
    /// When a record is bad, or a row has no record that explains it.
    pub fn verify(&self) -> Result<()> {
        self.run(&["event", "verify"])?;
        self.run(&["ledger", "verify"]).map(drop)
    }
}

/// The identity of a unit of the embedded CA's realm.
#[must_use]
pub fn device_name(id: &str) -> String {
    format!("{id}.{REALM}")
}

fn serve(program: &str, namespace: &str, dir: &Path, nth: u32) -> Result<Process> {
    let mut command = Command::new("ip");
    command.args(["netns", "exec", namespace]).arg(built(program)?).arg("serve").current_dir(dir);
    command.env("TRUECELL_KEY_LOG", dir.join(KEYS));
    let mut process = Process::spawn(&mut command, &dir.join(format!("serve-{nth}.log")))?;
    process.wait_for_line("\"message\":\"ready\"", PROMPT)?;
    Ok(process)
}

/// The binary with the scenario's configuration; the control socket is a file, so it runs outside the namespace.
fn command(dir: &Path) -> Command {
    let mut command = Command::new(built("truecell").unwrap_or_default());
    command.current_dir(dir).stdin(Stdio::null());
    command
}

/// A program in the folder above that of this very test: `target/debug`.
///
/// # Errors
/// When it has not been built.
pub fn built(program: &str) -> Result<PathBuf> {
    let test = std::env::current_exe()?;
    let folder = test.parent().and_then(Path::parent).context("no target folder")?;
    let built = folder.join(program);
    ensure!(built.exists(), "{} is missing: ./test interop", built.display());
    Ok(built)
}

fn good(output: &Output) -> Result<String> {
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(said);
    }
    bail!("{}\n{said}{}", output.status, String::from_utf8_lossy(&output.stderr))
}

/// The base configuration with `settings` laid over it.
fn laid_over(settings: &str) -> Result<String> {
    let mut config: toml::Table = toml::from_str(include_str!("truecell.toml"))?;
    lay(&mut config, toml::from_str(settings)?);
    Ok(toml::to_string(&config)?)
}

fn lay(under: &mut toml::Table, over: toml::Table) {
    for (key, value) in over {
        match (under.get_mut(&key), value) {
            (Some(toml::Value::Table(under)), toml::Value::Table(over)) => lay(under, over),
            (_, value) => _ = under.insert(key, value),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_take_the_place_of_the_bases_key_by_key() {
        let laid = laid_over("[ca]\nintermediates = 2\n[gateway.pools]\nv4 = \"10.0.0.0/8\"").unwrap();
        let config: toml::Table = toml::from_str(&laid).unwrap();
        assert_eq!(config["ca"]["intermediates"].as_integer(), Some(2));
        assert_eq!(config["ca"]["realm"].as_str(), Some(REALM));
        assert_eq!(config["gateway"]["pools"]["v4"].as_str(), Some("10.0.0.0/8"));
        assert_eq!(config["gateway"]["identity"].as_str(), Some(IDENTITY));
    }
}
