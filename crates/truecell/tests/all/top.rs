//! `truecell top` against a real daemon: what it prints, and what it says while there is none.

use crate::bench::{Bench, text};
use gateway::{Core, Packets};
use ike::crypto::AuthKey;
use lab::{Femtocell, KnownGateway, UnitIdentity};
use rustls_pki_types::{CertificateDer, PrivatePkcs8KeyDer, pem::PemObject};
use serde_json::{Value, json};
use std::{
    fs,
    io::{BufRead, BufReader, Lines},
    net::{IpAddr, Ipv4Addr},
    process::{Child, ChildStdout, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread,
};

pub(crate) const DEVICE: &str = "00aabbccddee";
const OUTER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 1);
const SERVICE: Ipv4Addr = Ipv4Addr::new(192, 168, 255, 1);

/// Initialised, with an address that units may reach.
fn with_service() -> Bench {
    let bench = Bench::bare();
    let config = fs::read_to_string(bench.path("truecell.toml")).unwrap();
    bench.write("truecell.toml", &(config + &format!("[gateway.service]\naddresses = [\"{SERVICE}\"]\n")));
    bench.good(&["init"]);
    bench
}

/// A unit that the CA of `bench` certified.
pub(crate) fn unit(bench: &Bench) -> UnitIdentity {
    bench.good(&["device", "add", DEVICE]);
    bench.good(&["cert", "issue", DEVICE, "--approver", "dave", "--out", "unit"]);
    let key = PrivatePkcs8KeyDer::from_pem_file(bench.path(&format!("unit/{DEVICE}.key"))).unwrap();
    let chain = CertificateDer::pem_file_iter(bench.path(&format!("unit/{DEVICE}.pem"))).unwrap();
    UnitIdentity {
        name: format!("{DEVICE}.femto.operator.example"),
        chain: chain.map(|certificate| certificate.unwrap().to_vec()).collect(),
        key: Arc::new(AuthKey::from_pkcs8(key.secret_pkcs8_der()).unwrap()),
    }
}

/// The gateway that said `ready`.
pub(crate) fn gateway(bench: &Bench, ready: &str) -> KnownGateway {
    let ready: Value = serde_json::from_str(ready).unwrap();
    let address = |port: &str| ready[port].as_str().unwrap().parse().unwrap();
    let root = CertificateDer::from_pem_file(bench.path("unit/root.pem")).unwrap();
    let mut anchors = x509::AnchorSet::new();
    anchors.insert(x509::Anchor::from_der(&root).unwrap());
    let name = "segw.operator.example".to_owned();
    KnownGateway { name, anchors, ike: address("ike"), natt: address("natt") }
}

/// A datagram of `length` octets, from `from` to the echo port of the service (RFC 791, RFC 768).
fn udp(from: Ipv4Addr, length: u16) -> Vec<u8> {
    let mut packet = vec![0; length.into()];
    packet[..20].copy_from_slice(&[0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, 17, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    packet[2..4].copy_from_slice(&length.to_be_bytes());
    packet[12..16].copy_from_slice(&from.octets());
    packet[16..20].copy_from_slice(&SERVICE.octets());
    let sum: u32 = packet[..20].chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1])).sum();
    packet[10..12].copy_from_slice(&(!((sum & 0xffff) + (sum >> 16)) as u16).to_be_bytes());
    // From and to port 7, without a checksum.
    packet[20..24].copy_from_slice(&[0, 7, 0, 7]);
    packet[24..26].copy_from_slice(&(length - 20).to_be_bytes());
    packet
}

/// Behind the unit: says the same again and again, and listens to nobody.
struct Talker(Vec<u8>);

impl Core for Talker {
    fn uplink(&mut self, _: &Packets) -> usize {
        0
    }

    fn downlink(&mut self, packets: &mut Packets) -> usize {
        packets.push(&self.0);
        0
    }
}

/// `top --json` that goes on.
struct Watching {
    child: Child,
    lines: Option<Lines<BufReader<ChildStdout>>>,
}

impl Watching {
    fn start(bench: &Bench) -> Self {
        let mut command = bench.command(&["--json", "top", "--interval", "0.1"]);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines: Some(lines) }
    }

    /// The first line from here on that is as wanted.
    fn until(&mut self, wanted: impl Fn(&Value) -> bool) -> Value {
        let lines = self.lines.as_mut().unwrap();
        let mut values = lines.map(|line| serde_json::from_str(&line.unwrap()).unwrap());
        values.find(wanted).unwrap()
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn without_a_daemon_there_is_nothing_to_watch() {
    let bench = Bench::new();
    for arguments in [&["top", "--once"][..], &["--json", "top"]] {
        let output = bench.run(arguments);
        assert_eq!(output.status.code(), Some(1));
        let said = text(&output.stdout) + &text(&output.stderr);
        assert!(said.contains("no daemon runs on this data directory"), "{said}");
    }
}

#[test]
fn where_there_is_no_terminal_it_asks_for_once_or_json() {
    let (code, why) = Bench::new().refused(&["top"]);
    assert_eq!(code, 2);
    assert!(why.contains("no terminal") && why.contains("--once or --json"), "{why}");
}

#[test]
fn an_attach_is_seen_as_an_admission_and_traffic_as_rates_of_its_tunnel() {
    let mut bench = with_service();
    let unit = unit(&bench);
    let ready = bench.serve_until("ready");
    let gateway = gateway(&bench, ready.last().unwrap());
    let mut watching = Watching::start(&bench);
    let nobody = watching.until(|_| true);
    assert_eq!((&nobody["node"], &nobody["sessions"]), (&json!("segw-1"), &json!(0)));
    let femtocell = Femtocell::attach(&unit, &gateway, OUTER.into(), false, &AtomicBool::new(false)).unwrap();
    let admitted = watching.until(|line| line["rates"]["admissions_s"].as_f64() > Some(0.0));
    assert_eq!(admitted["ready"], true);

    let Some(IpAddr::V4(inner)) = femtocell.inner().first().copied() else { panic!("no inner address") };
    let stop = Arc::new(AtomicBool::new(false));
    let (stopped, mut talker) = (stop.clone(), Talker(udp(inner, 500)));
    let carrying = thread::spawn(move || femtocell.carry(&mut talker, &stopped).unwrap());
    let of_500_octets = |flow: &Value| {
        let number = |of: &str| flow[of].as_f64().unwrap_or(0.0);
        // Packets and octets are not read at the same instant.
        (499.0..501.0).contains(&(number("bits_s") / 8.0 / number("packets_s")))
    };
    let both_ways = |rates: &Value| of_500_octets(&rates["up"]) && of_500_octets(&rates["down"]);
    let busy = watching.until(|line| both_ways(&line["rates"]) && both_ways(&line["tunnels"][0]["rates"]));
    assert_eq!(
        (&busy["tunnels"][0]["device"], &busy["tunnels"][0]["state"]),
        (&json!(DEVICE), &json!("open"))
    );

    let page = bench.good(&["top", "--once", "--interval", "0.1"]);
    assert!(page.contains("tunnels    1 ") && page.contains(&format!("\n{DEVICE} open ")), "{page}");
    let none = bench.json(&["top", "--once", "--interval", "0.1", "--filter", "held"]);
    assert_eq!((&none["sessions"], &none["tunnels"]), (&json!(1), &json!([])));
    stop.store(true, Relaxed);
    carrying.join().unwrap();
    watching.until(|line| line["sessions"] == 0 && line["tunnels"] == json!([]));
}

#[test]
fn it_says_when_the_daemon_goes_away_and_goes_on_once_it_is_back() {
    let mut bench = Bench::new();
    bench.serve();
    let mut watching = Watching::start(&bench);
    let before = watching.until(|line| line["ready"] == true);
    bench.kill();
    let away = watching.until(|line| line.get("away").is_some());
    assert!(away["at"].is_string(), "{away}");
    bench.serve();
    let back = watching.until(|line| line["ready"] == true);
    assert!(back["epoch"].as_u64() > before["epoch"].as_u64(), "{back} after {before}");
    assert_eq!(back["rates"], Value::Null, "counters began again");
    watching.until(|line| line["rates"].is_object());
}

#[test]
fn it_ends_when_its_reader_has_seen_enough() {
    let mut bench = Bench::new();
    bench.serve();
    let mut watching = Watching::start(&bench);
    watching.until(|_| true);
    watching.lines = None;
    assert_eq!(watching.child.wait().unwrap().code(), Some(0));
}
