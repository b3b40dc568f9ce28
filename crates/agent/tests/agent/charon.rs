//! A real charon as the unit, and another as its gateway, in a network namespace of their own: what the agent hands
//! over is what charon proves itself by.

use crate::program::{Unit, until};
use ids::UnixTime;
use pki::{GatewayOrder, KeyAlgorithm, KeySource, OffTheBooks, certificate_pem};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Debian's path.
const CHARON: &str = "/usr/lib/ipsec/charon";
const PLUGINS: &str = "random nonce openssl aes sha1 sha2 hmac kdf gcm curve25519 x509 revocation constraints pubkey \
     pkcs1 pkcs7 pkcs8 pem kernel-libipsec kernel-netlink socket-default vici";
const UNIT: &str = "00aabbccddee.femto.example";
const GATEWAY: &str = "segw.femto.example";

/// A charon with its folder; it ends with the test.
struct Charon {
    child: Child,
    dir: PathBuf,
}

impl Drop for Charon {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("{}:\n{}", self.dir.display(), self.log());
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Charon {
    /// `enter`: the command that brings it into its namespace. `settings`: lines of strongswan.conf.
    fn start(dir: PathBuf, enter: &[&str], settings: &str) -> Self {
        for folder in ["x509", "x509ca", "private"] {
            fs::create_dir_all(dir.join(folder)).unwrap();
        }
        let at = dir.display();
        let conf = format!(
            "charon {{\n load = {PLUGINS}\n plugins {{ vici {{ socket = unix://{at}/vici }}\n \
             kernel-libipsec {{ load = 100 }} }}\n filelog {{ file {{ \
             path = {at}/log\n default = 1\n cfg = 1\n flush_line = yes }} }}\n install_routes = no\n{settings}\n}}\n"
        );
        fs::write(dir.join("strongswan.conf"), conf).unwrap();
        let script = format!(
            "mount -t tmpfs tmpfs /run && ip link set lo up && for net in 192.0.2 198.51.100; do ip addr replace $net.1/32 dev lo; done && exec {CHARON}"
        );
        let (first, rest) = enter.split_first().unwrap();
        let child = Command::new(first)
            .args(rest)
            .args(["sh", "-c", &script])
            .env("STRONGSWAN_CONF", dir.join("strongswan.conf"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let charon = Self { child, dir };
        until("charon", || charon.swanctl(&["--version"]).is_some());
        charon
    }

    fn swanctl(&self, arguments: &[&str]) -> Option<String> {
        let uri = format!("unix://{}", self.dir.join("vici").display());
        let mut command = Command::new("swanctl");
        command.args(arguments).args(["--uri", &uri]).env("SWANCTL_DIR", &self.dir);
        let output = command.env("STRONGSWAN_CONF", self.dir.join("strongswan.conf")).output().unwrap();
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
    }

    fn load(&self, conf: &str, what: &str) {
        fs::write(self.dir.join("swanctl.conf"), conf).unwrap();
        let said = self.swanctl(&[what]).unwrap();
        assert!(!said.contains("failed"), "{said}");
    }

    fn log(&self) -> String {
        fs::read_to_string(self.dir.join("log")).unwrap_or_default()
    }

    /// How often the peer has proven to be the unit.
    fn proofs(&self) -> usize {
        self.log().matches(&format!("authentication of '{UNIT}' with")).count()
    }
}

/// Serial numbers of the certificates whose keys charon has.
fn own_serials(charon: &Charon) -> Vec<String> {
    let text = charon.swanctl(&["--list-certs", "--type", "x509"]).unwrap();
    let blocks = text.split("  subject:").skip(1).filter(|block| block.contains("has private key"));
    let serial = |block: &str| {
        let line = block.lines().find_map(|line| line.trim().strip_prefix("serial:")).unwrap();
        line.trim().replace(':', "")
    };
    blocks.map(serial).collect()
}

fn unit_conf() -> String {
    format!(
        "connections {{ segw {{ version = 2\n remote_addrs = 127.0.0.1\n local_addrs = 127.0.0.1\n \
         proposals = aes256gcm16-prfsha256-x25519\n local {{ auth = pubkey\n id = {UNIT} }}\n \
         remote {{ auth = pubkey\n id = {GATEWAY} }}\n children {{ core {{ local_ts = 198.51.100.1/32\n remote_ts = 192.0.2.1/32 }} }} }} }}\n"
    )
}

fn gateway_conf() -> String {
    format!(
        "connections {{ units {{ version = 2\n proposals = aes256gcm16-prfsha256-x25519\n local {{ auth = pubkey\n \
         id = {GATEWAY} }}\n remote {{ auth = pubkey }}\n children {{ core {{ local_ts = 192.0.2.1/32\n remote_ts = 198.51.100.1/32 }} }} }} }}\n"
    )
}

/// The operator's gateway, with its own certificate of the same CA.
fn gateway(unit: &Unit) -> Charon {
    let charon = Charon::start(unit.path("gateway"), &["unshare", "-n", "-m"], "");
    let order = GatewayOrder {
        names: vec![GATEWAY.into()],
        addresses: vec![],
        key: KeySource::Generate(KeyAlgorithm::P256),
        validity: None,
        by: "test".into(),
    };
    let issued = unit.authority.ca.issue_gateway(&order, &mut OffTheBooks, UnixTime::now()).unwrap();
    let write = |name: &str, text: &str| fs::write(charon.dir.join(name), text).unwrap();
    write("private/own.pem", &issued.private_key.unwrap().pem());
    write("x509/own.pem", &certificate_pem(&issued.chain[0]));
    for (number, issuer) in issued.chain[1..].iter().enumerate() {
        write(&format!("x509ca/{number}.pem"), &certificate_pem(issuer));
    }
    write("x509ca/root.pem", &certificate_pem(unit.authority.ca.root()));
    charon.load(&gateway_conf(), "--load-all");
    charon
}

fn can_run() -> bool {
    let tried = Command::new("unshare").args(["-n", "-m", "test", "-c", "/dev/net/tun"]).output();
    let has = |program: &str, argument| Command::new(program).arg(argument).output().is_ok();
    tried.is_ok_and(|output| output.status.success()) && has(CHARON, "--version") && has("swanctl", "--help")
}

#[test]
fn charon_proves_itself_by_what_the_agent_handed_over_and_by_the_next_once_it_is_renewed() {
    if !can_run() {
        return println!("skipped: needs root, and /dev/net/tun, and strongSwan");
    }
    let section = "[strongswan]\nvici = \"charon/vici\"\nswanctl = \"charon\"\nconnection = \"segw\"\nchild = \"core\"\n";
    let unit = Unit::new(section);
    let gateway = gateway(&unit);
    let pid = gateway.child.id().to_string();
    let enter = ["nsenter", "-n", "-t", &pid, "unshare", "-m"];
    // Of its own ports, beside the gateway in one namespace.
    let own = Charon::start(unit.path("charon"), &enter, " port = 0\n port_nat_t = 0");
    own.load(&unit_conf(), "--load-conns");

    let (code, text) = unit.run(&["once"]);
    assert_eq!((code, text.as_str()), (0, "enrolled\n"), "{}", own.log());
    until("the first proof", || gateway.proofs() == 1);
    let serial = |unit: &Unit| {
        let (_, text) = unit.run(&["status", "--json"]);
        let status: serde_json::Value = serde_json::from_str(&text).unwrap();
        status["certificate"]["serial"].as_str().unwrap().to_owned()
    };
    let first = serial(&unit);
    assert_eq!(own_serials(&own).join(" "), first);
    until("the SA", || own.swanctl(&["--list-sas"]).is_some_and(|text| text.contains("ESTABLISHED")));

    // The operator has the unit begin anew: with another certificate, the key of the first goes.
    fs::remove_file(unit.path("state/current.json")).unwrap();
    unit.authority.state().head = None;
    let (code, text) = unit.run(&["once"]);
    assert_eq!((code, text.as_str()), (0, "enrolled\n"), "{}", own.log());
    let second = serial(&unit);
    assert_ne!(first, second);
    until("the second proof", || gateway.proofs() == 2);
    assert_eq!(own_serials(&own).join(" "), second);
    assert_eq!(files(&own.dir.join("private")), 1);
    assert_eq!(files(&own.dir.join("x509")), 1);

    // Nothing new: nothing is authenticated anew. A charon that starts again has the same from its files.
    assert_eq!(unit.run(&["once"]).0, 0);
    assert_eq!(own_serials(&own).join(" "), second);
    own.load(&unit_conf(), "--load-all");
    assert_eq!(own_serials(&own).join(" "), second);
    assert_eq!(gateway.proofs(), 2);
}

fn files(folder: &Path) -> usize {
    fs::read_dir(folder).unwrap().count()
}

#[test]
fn without_charon_the_files_are_there_and_the_hand_over_is_tried_again() {
    let unit = Unit::new("[strongswan]\nvici = \"nothing\"\nswanctl = \"swanctl\"\n");
    let (code, text) = unit.run(&["once"]);
    assert_eq!(code, 69, "{text}");
    assert!(text.contains("strongSwan") && text.contains("next: look whether charon runs"), "{text}");
    assert_eq!(files(&unit.path("swanctl/private")), 1);
    let (_, status) = unit.run(&["status"]);
    assert!(status.contains("handed over   no") && status.contains(UNIT), "{status}");
    assert_eq!(unit.authority.state().confirmed.len(), 1);
}
