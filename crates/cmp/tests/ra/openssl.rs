//! `openssl cmp` as the unit, over HTTP on the loopback; says so and passes by where it is not installed.

use super::network::{Network, ca, vendor_realm};
use crate::world;
use cmp::{Arrival, Refusal, RegistrationAuthority, Stage};
use ids::UnixTime;
use pki::{CaSpec, DeviceOrder, KeyAlgorithm, KeySource, OffTheBooks, PrivateKey};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

/// What a client is told beside what it is asked to do.
const COMMON: [&str; 12] = [
    "-config",
    "",
    "-path",
    ".well-known/cmp",
    "-recipient",
    "/CN=any",
    "-trusted",
    "root.pem",
    "-no_proxy",
    "127.0.0.1",
    "-keep_alive",
    "0",
];

/// Reads one request of HTTP/1.x with its body.
fn request(stream: &TcpStream) -> Option<Vec<u8>> {
    let mut reader = BufReader::new(stream);
    let mut octets = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let line = line.trim_end().to_ascii_lowercase();
        if let Some(length) = line.strip_prefix("content-length:") {
            octets = length.trim().parse().ok()?;
        }
        if line.is_empty() {
            break;
        }
    }
    let mut body = vec![0; octets];
    reader.read_exact(&mut body).ok()?;
    Some(body)
}

/// Answers by a fresh authority each time, with fresh nonces.
fn answer(
    mut stream: TcpStream,
    from: SocketAddr,
    network: &Network,
    ra: &dyn Fn() -> RegistrationAuthority,
) {
    let Some(message) = request(&stream) else { return };
    let mut nonce = [0; 16];
    aws_lc_rs::rand::fill(&mut nonce).unwrap();
    let arrival = Arrival { from: from.ip(), now: Some(UnixTime::now()), nonce };
    let body = ra().handle(&message, &arrival, &network.books());
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/pkixcmp\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(&[head.as_bytes(), &body].concat()).unwrap();
}

/// Runs `openssl cmp` against the network; its exit status and what it wrote.
fn openssl(network: &Network, arguments: &[&str]) -> Option<(bool, String)> {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let done = AtomicBool::new(false);
    let directory = network.carrier.directory.path();
    let output = thread::scope(|scope| {
        scope.spawn(|| {
            for stream in listener.incoming() {
                if done.load(Ordering::SeqCst) {
                    break;
                }
                let stream = stream.unwrap();
                let from = stream.peer_addr().unwrap();
                answer(stream, from, network, &|| network.ra());
            }
        });
        let output = run(arguments, address, directory);
        done.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(address));
        output
    });
    let Ok(output) = output else {
        println!("SKIPPED: no openssl on this machine");
        return None;
    };
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    Some((output.status.success(), text.into_owned()))
}

fn run(arguments: &[&str], server: SocketAddr, directory: &Path) -> std::io::Result<Output> {
    let mut command = Command::new("openssl");
    for name in ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY"] {
        command.env_remove(name);
    }
    let server = server.to_string();
    command.arg("cmp").args(COMMON).args(["-server", &server]).args(arguments).current_dir(directory).output()
}

/// A carrier with a vendor's unit: `vendor.{pem,key}`, `root.pem`, and `new.key` for what it enrols.
fn network(algorithm: KeyAlgorithm) -> Network {
    let network = Network::at(UnixTime::now(), KeyAlgorithm::P256);
    let directory = network.carrier.directory.path();
    let order = DeviceOrder { key: KeySource::Generate(algorithm), ..world::order() };
    network
        .vendor
        .ca
        .issue(&order, &mut OffTheBooks, network.now)
        .unwrap()
        .write(directory, "vendor")
        .unwrap();
    std::fs::copy(directory.join("ca/root.pem"), directory.join("root.pem")).unwrap();
    for name in ["new.key", "next.key"] {
        PrivateKey::generate(algorithm).unwrap().write(&directory.join(name)).unwrap();
    }
    network
}

const IR: [&str; 8] = ["-cmd", "ir", "-cert", "vendor.pem", "-key", "vendor.key", "-newkey", "new.key"];

/// An ir that names a subject and stores what comes.
fn ir<'a>(more: &[&'a str]) -> Vec<&'a str> {
    let stored = ["-subject", "/CN=whatever", "-certout", "unit.pem", "-extracertsout", "extra.pem"];
    [&IR[..], &stored, more].concat()
}

fn stages(network: &Network) -> Vec<Stage> {
    network.register.records.lock().unwrap().values().map(|record| record.stage).collect()
}

/// Whether `openssl verify` finds a path from the certificate that was received to the root.
fn verifies(network: &Network, certificate: &str) -> (bool, String) {
    let arguments = ["verify", "-x509_strict", "-CAfile", "root.pem", "-untrusted", "extra.pem", certificate];
    let mut command = Command::new("openssl");
    let output = command.args(arguments).current_dir(network.carrier.directory.path()).output().unwrap();
    (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn openssl_enrols_by_ir_and_renews_by_kur() {
    for algorithm in [KeyAlgorithm::P256, KeyAlgorithm::Rsa2048] {
        let network = network(algorithm);
        let Some((ok, text)) = openssl(&network, &ir(&[])) else { return };
        assert!(ok, "{algorithm:?}: {:?} {text}", network.why());
        assert_eq!(network.asked(), ["enrol 00aabbccddee.vendor.example", "confirm"], "{text}");
        let (ok, text) = verifies(&network, "unit.pem");
        assert!(ok, "{algorithm:?}: {text}");
        let kur = [
            "-cmd",
            "kur",
            "-cert",
            "unit.pem",
            "-key",
            "new.key",
            "-newkey",
            "next.key",
            "-untrusted",
            "extra.pem",
            "-certout",
            "next.pem",
        ];
        let (ok, text) = openssl(&network, &kur).unwrap();
        assert!(ok, "{algorithm:?}: {text}");
        assert_eq!(network.asked()[2..], ["renew 00aabbccddee.femto.example", "confirm"], "{text}");
        let (ok, text) = verifies(&network, "next.pem");
        assert!(ok, "{algorithm:?}: {text}");
        assert_eq!(stages(&network), [Stage::Confirmed; 2]);
        assert_eq!(network.why(), None);
    }
}

#[test]
fn openssl_is_served_though_it_asks_for_implicit_confirmation_or_another_issuer() {
    let network = network(KeyAlgorithm::P256);
    let asked = ["-implicit_confirm", "-issuer", "/CN=vendor CA", "-days", "9999"];
    let Some((ok, text)) = openssl(&network, &ir(&asked)) else { return };
    assert!(ok, "{text}");
    assert_eq!(stages(&network), [Stage::Confirmed]);
}

#[test]
fn openssl_that_confirms_nothing_leaves_the_transaction_waiting() {
    let network = network(KeyAlgorithm::P256);
    let Some((ok, text)) = openssl(&network, &ir(&["-disable_confirm"])) else { return };
    assert!(ok, "{text}");
    assert_eq!(stages(&network), [Stage::Waiting]);
}

#[test]
fn openssl_is_told_by_the_right_bit_why_it_is_refused() {
    let network = network(KeyAlgorithm::P256);
    let refused = |arguments: &[&str], bit: &str, why: Refusal| {
        let Some((ok, text)) = openssl(&network, arguments) else { return };
        assert!(!ok, "{text}");
        assert!(text.contains(&format!("PKIFailureInfo: {bit}")), "{bit}: {text}");
        assert_eq!(network.why(), Some(why), "{text}");
    };
    refused(&ir(&["-popo", "0"]), "badPOP", Refusal::RaVerified);
    refused(&ir(&["-popo", "-1"]), "badPOP", Refusal::NoPossession);
    let nameless = ["-sans", "00aabbccddee.femto.example", "-certout", "unit.pem"];
    let without_subject = [&IR[..], &nameless].concat();
    refused(&without_subject, "badPOP", Refusal::PossessionInput);
    refused(&ir(&["-digest", "sha1"]), "badAlg", Refusal::BrokenHash);
    refused(&ir(&["-unprotected_requests"]), "badMessageCheck", Refusal::Unprotected);
    let cr = [&["-cmd", "cr"][..], &ir(&[])[2..]].concat();
    refused(&cr, "badRequest", Refusal::Body);
    let same =
        [&ir(&[])[..6], &["-newkey", "vendor.key", "-subject", "/CN=whatever", "-certout", "unit.pem"]]
            .concat();
    refused(&same, "badCertTemplate", Refusal::SameKey);
    *network.register.refuses.lock().unwrap() = Some(Refusal::NoOrder);
    refused(&ir(&[]), "notAuthorized", Refusal::NoOrder);
    assert_eq!(stages(&network), []);
}

#[test]
fn openssl_under_a_vendor_that_nobody_listed_is_not_trusted() {
    let mut network = network(KeyAlgorithm::P256);
    network.vendor = ca(&CaSpec::new("Vendor", vendor_realm()), network.now);
    let Some((ok, text)) = openssl(&network, &ir(&[])) else { return };
    assert!(!ok, "{text}");
    assert!(text.contains("PKIFailureInfo: signerNotTrusted"), "{text}");
    assert_eq!(network.asked(), [""; 0]);
}

#[test]
fn openssl_that_does_not_like_its_certificate_rejects_it() {
    let network = network(KeyAlgorithm::P256);
    let stranger = network.vendor.ca.directory().join("root.pem");
    let trusted = ["-out_trusted", stranger.to_str().unwrap()];
    let Some((ok, text)) = openssl(&network, &ir(&trusted)) else { return };
    assert!(!ok, "{text}");
    assert_eq!(network.asked(), ["enrol 00aabbccddee.vendor.example", "rejected"], "{text}");
    assert_eq!(stages(&network), [Stage::Over]);
}
