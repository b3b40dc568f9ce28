//! `truecell-agent` as it is run on a unit, against a server on the loopback. `TRUECELL_AGENT` names another build of
//! it, such as the static one.

use crate::authority::{Authority, realm};
use crate::server::{Server, answer};
use agent::{Folder, Store};
use cmp::Refusal;
use ids::UnixTime;
use pki::{GatewayOrder, KeyAlgorithm, KeySource, OffTheBooks, certificate_pem};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A unit's folder, and the operator's server.
pub(crate) struct Unit {
    pub(crate) folder: TempDir,
    pub(crate) authority: Arc<Authority>,
    _server: Server,
}

impl Unit {
    /// `section`: lines of the section `strongswan`, with `{folder}` for the unit's folder.
    pub(crate) fn new(section: &str) -> Self {
        let (folder, now) = (TempDir::new().unwrap(), UnixTime::now());
        let authority = Arc::new(Authority::new(now));
        let answers = Arc::clone(&authority);
        let server =
            Server::new(move |_, body, stream| answer(stream, &answers.handle(body, UnixTime::now())));
        let unit = Self { folder, authority, _server: server };
        let (key, chain) = unit.authority.factory(KeyAlgorithm::P256, now);
        unit.write("vendor.key", &key);
        unit.write("vendor.pem", &chain.iter().map(|der| certificate_pem(der)).collect::<String>());
        unit.write("root.pem", &certificate_pem(unit.authority.ca.root()));
        let section = section.replace("{folder}", &unit.folder.path().display().to_string());
        unit.write("agent.toml", &format!("{}{section}", config(&unit._server.url())));
        unit
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> (i32, String) {
        let output: Output = self.command(arguments).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        (output.status.code().unwrap(), text.into_owned())
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let built = env!("CARGO_BIN_EXE_truecell-agent");
        let mut command = Command::new(std::env::var_os("TRUECELL_AGENT").unwrap_or(built.into()));
        command.arg("-c").arg(self.path("agent.toml")).args(arguments);
        command
    }

    fn status(&self) -> serde_json::Value {
        let (code, text) = self.run(&["status", "--json"]);
        assert_eq!(code, 0, "{text}");
        serde_json::from_str(&text).unwrap()
    }
}

fn config(url: &str) -> String {
    format!(
        "servers = [\"{url}\"]\nrealm = \"{}\"\noperator_root = \"root.pem\"\nvendor_certificate = \"vendor.pem\"\n\
         vendor_key = \"vendor.key\"\nstate = \"state\"\n",
        realm()
    )
}

/// Both end with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Waits until it is so, for a minute at most.
pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(60);
    while !is_so() {
        assert!(Instant::now() < end, "{what} did not come");
        std::thread::yield_now();
    }
}

#[test]
fn once_enrols_and_says_where_the_files_are_and_then_finds_nothing_due() {
    let unit = Unit::new("[strongswan]\nswanctl = \"swanctl\"\n");
    assert_eq!(unit.status()["certificate"], serde_json::Value::Null);
    assert_eq!(unit.run(&["once"]), (0, "enrolled\n".to_owned()));
    let status = unit.status();
    let head = unit.authority.state().head.unwrap().to_string();
    assert_eq!(status["certificate"]["sha256"], head.as_str());
    assert_eq!(status["certificate"]["name"], format!("00aabbccddee.{}", realm()));
    assert_eq!((status["pending"].as_str(), status["handed_over"].as_bool()), (Some("none"), Some(true)));
    let (code, text) = unit.run(&["once"]);
    assert_eq!(code, 0);
    assert!(text.starts_with("nothing is due before "), "{text}");
    let (_, text) = unit.run(&["status"]);
    assert!(text.contains("handed over   yes") && text.contains("failure       none"), "{text}");
    for name in ["x509", "private"] {
        assert!(unit.path(&format!("swanctl/{name}/truecell-{}.pem", &head[..16])).exists(), "{name}");
    }
    // The independent reader of what strongSwan will read.
    let certificate = unit.path(&format!("swanctl/x509/truecell-{}.pem", &head[..16]));
    let (root, issuer) = (unit.path("root.pem"), unit.path("swanctl/x509ca/truecell-0.pem"));
    let verified = Command::new("openssl")
        .args(["verify", "-CAfile"])
        .args([&root, Path::new("-untrusted"), &issuer, &certificate])
        .output();
    match verified {
        Ok(output) => assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr)),
        Err(_) => println!("SKIPPED: no openssl on this machine"),
    }
}

#[test]
fn a_refusal_says_what_to_do_and_its_exit_code_is_77() {
    let unit = Unit::new("");
    unit.authority.state().refuses = Some(Refusal::NoOrder);
    let (code, text) = unit.run(&["once"]);
    assert_eq!(code, 77);
    assert!(text.contains("notAuthorized") && text.contains("next: ask the operator"), "{text}");
    assert_eq!(unit.status()["failure"]["code"], "notAuthorized");
    unit.authority.state().refuses = None;
    assert_eq!(unit.run(&["once"]).0, 0);
    assert_eq!(unit.status()["failure"], serde_json::Value::Null);
}

#[test]
fn a_server_that_is_down_is_69_and_another_agent_75_and_a_mistake_64() {
    let unit = Unit::new("");
    let good = fs::read_to_string(unit.path("agent.toml")).unwrap();
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    unit.write("agent.toml", &config(&format!("http://{nobody}/")));
    let (code, text) = unit.run(&["once"]);
    assert_eq!(code, 69, "{text}");
    assert_eq!(unit.status()["failure"]["code"], "server-unreachable");
    unit.write("agent.toml", &good);
    let folder = Folder::new(&unit.path("state")).unwrap();
    let lock = folder.lock().unwrap();
    assert_eq!(unit.run(&["once"]).0, 75);
    drop(lock);
    for (from, to, said) in [
        ("realm", "reaml", "unknown field"),
        ("http://", "https://", "servers"),
        ("vendor.key", "root.pem", "vendor_key"),
        ("\"vendor.pem\"", "\"root.pem\"", "vendor_certificate"),
        ("\"root.pem\"", "\"vendor.pem\"", "operator_root"),
        ("\"state\"", "\"agent.toml\"", ""),
    ] {
        unit.write("agent.toml", &good.replacen(from, to, 1));
        let (code, text) = unit.run(&["once"]);
        assert!(code == 64 && text.contains(said), "{from} -> {to}: {code} {text}");
    }
    for arguments in [&[][..], &["enrol"], &["once", "--json"], &["--verbose"], &["once", "again"]] {
        assert_eq!(unit.run(arguments).0, 64, "{arguments:?}");
    }
    assert_eq!(
        unit.run(&["--version"]),
        (0, concat!("truecell-agent ", env!("CARGO_PKG_VERSION"), "\n").into())
    );
    assert!(unit.run(&["--help"]).1.contains("--config"));
}

/// The lines of /proc on what it has in memory.
fn memory(pid: u32) -> String {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let lines =
        status.lines().filter(|line| ["VmHWM", "VmRSS", "RssAnon"].iter().any(|name| line.starts_with(name)));
    lines.collect::<Vec<_>>().join("; ")
}

#[test]
fn the_daemon_enrols_goes_on_and_may_be_killed() {
    let unit = Unit::new("");
    // It waits until it is ordered in.
    unit.authority.state().refuses = Some(Refusal::NoOrder);
    let daemon = Running(unit.command(&["run"]).spawn().unwrap());
    until("the refusal", || unit.status()["failure"]["code"] == "notAuthorized");
    unit.authority.state().refuses = None;
    drop(daemon);
    let daemon = Running(unit.command(&["run"]).spawn().unwrap());
    until("the certificate", || unit.status()["certificate"] != serde_json::Value::Null);
    assert_eq!(unit.run(&["once"]).0, 75);
    println!("{}", memory(daemon.0.id()));
    drop(daemon);
    assert_eq!(unit.run(&["once"]).0, 0);
    let folder = Folder::new(&unit.path("state")).unwrap();
    assert!(Store::new(&folder).current().unwrap().is_some());
    assert_eq!(unit.authority.state().confirmed.len(), 1);
}

#[test]
fn a_vendor_certificate_that_names_no_device_is_refused_unless_the_settings_name_it() {
    let unit = Unit::new("");
    let order = GatewayOrder {
        names: vec!["segw.femto.example".into()],
        addresses: Vec::new(),
        key: KeySource::Generate(KeyAlgorithm::P256),
        validity: None,
        by: "test".into(),
    };
    let issued = unit.authority.ca.issue_gateway(&order, &mut OffTheBooks, UnixTime::now()).unwrap();
    unit.write("vendor.key", &issued.private_key.unwrap().pem());
    unit.write("vendor.pem", &certificate_pem(&issued.chain[0]));
    let vendor = || agent::Settings::read(&unit.path("agent.toml")).unwrap().vendor();
    let error = vendor().err().unwrap().to_string();
    assert!(error.ends_with("set `device` to this unit's EUI"), "{error}");
    let settings = fs::read_to_string(unit.path("agent.toml")).unwrap();
    unit.write("agent.toml", &format!("device = \"00aabbccddf0\"\n{settings}"));
    assert!(vendor().is_ok());
}

#[test]
fn the_example_of_the_document_is_a_configuration_with_every_key() {
    let document = include_str!("../../../../docs/agent.md");
    let (_, behind) = document.split_once("```toml\n").unwrap();
    let (text, _) = behind.split_once("```").unwrap();
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("agent.toml");
    fs::write(&path, text).unwrap();
    let settings = agent::Settings::read(&path).unwrap();
    let section = settings.strongswan.unwrap();
    assert!(section.vici.is_some() && section.swanctl.is_some());
    assert!(section.connection.is_some() && section.child.is_some());
    for key in [
        "servers",
        "realm",
        "operator_root",
        "vendor_certificate",
        "vendor_key",
        "state",
        "timeout_s",
        "name",
    ] {
        assert!(text.contains(&format!("{key} = ")), "{key}");
    }
}
