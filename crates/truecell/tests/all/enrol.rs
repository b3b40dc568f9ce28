//! The public listener of a running node, with openssl and curl as its clients.

use crate::bench::Bench;
use ids::UnixTime;
use pki::{KeyAlgorithm, KeySource};
use serde_json::Value;
use std::{
    collections::BTreeSet,
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    process::Command,
    time::Duration,
};

pub(crate) const ENROL: &str =
    "[enrol]\nlisten = [\"127.0.0.1:0\"]\nurl = \"http://pki.operator.example:8080\"\n";

/// Configured with `more` behind the rest, and initialised.
pub(crate) fn bench(more: &str) -> Bench {
    let bench = Bench::bare();
    let config = fs::read_to_string(bench.path("truecell.toml")).unwrap();
    bench.write("truecell.toml", &(config + more));
    bench.good(&["init"]);
    bench
}

/// Serves, and says where.
pub(crate) fn serve(bench: &mut Bench) -> SocketAddr {
    let seen = bench.serve_until("ready");
    address(seen.last().unwrap(), "enrol")
}

pub(crate) fn address(ready: &str, key: &str) -> SocketAddr {
    let ready: Value = serde_json::from_str(ready).unwrap();
    ready[key].as_str().unwrap().parse().unwrap()
}

/// What the program wrote; without it the test says so and ends.
pub(crate) fn run(bench: &Bench, program: &str, arguments: &[&str]) -> Option<String> {
    let mut command = Command::new(program);
    ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"].iter().for_each(|name| {
        command.env_remove(name);
    });
    let Ok(output) = command.args(arguments).current_dir(bench.path(".")).output() else {
        println!("SKIPPED: no {program} on this machine");
        return None;
    };
    Some(crate::bench::text(&output.stdout) + &crate::bench::text(&output.stderr))
}

/// Status and body.
pub(crate) fn get(address: SocketAddr, path: &str) -> (u16, Vec<u8>) {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.0\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
    let body = answer.split_off(end);
    (String::from_utf8(answer).unwrap().split(' ').nth(1).unwrap().parse().unwrap(), body)
}

/// What `openssl ocsp` hears about the certificate in `unit`.
fn status(bench: &Bench, address: SocketAddr, unit: &str) -> Option<String> {
    let url = format!("http://{address}/ocsp");
    let ask = ["ocsp", "-url", &url, "-CAfile", "state/ca/root.pem", "-verify_other", "state/ca/devices.pem"];
    run(bench, "openssl", &[&ask[..], &["-nonce", "-issuer", "state/ca/devices.pem", "-cert", unit]].concat())
}

/// Number and serials of the list that is handed out now.
fn list(bench: &Bench, address: SocketAddr) -> Option<(u64, String)> {
    let (code, der) = get(address, "/crl/devices.crl");
    assert_eq!(code, 200);
    fs::write(bench.path("list.der"), der).unwrap();
    let show = ["crl", "-inform", "DER", "-in", "list.der", "-noout", "-crlnumber", "-text"];
    let text = run(bench, "openssl", &show)?;
    let number = text.lines().find_map(|line| line.strip_prefix("crlNumber=0x")).unwrap();
    Some((u64::from_str_radix(number, 16).unwrap(), text.to_lowercase()))
}

#[test]
fn a_revocation_counts_at_once_by_ocsp_and_stands_on_the_next_list() {
    let mut bench = bench(ENROL);
    bench.good(&["device", "add", "00aabbccddee"]);
    bench.good(&["cert", "issue", "00aabbccddee", "--approver", "dave", "--out", "alone"]);
    let address = serve(&mut bench);
    let issued = bench.json(&["cert", "issue", "00aabbccddee", "--approver", "dave", "--out", "served"]);
    let serial = issued["certificate"]["serial"].as_str().unwrap_or_else(|| panic!("{issued}")).to_owned();
    let unit = "served/00aabbccddee.pem";
    for unit in ["alone/00aabbccddee.pem", unit, "state/gateway.pem"] {
        let Some(text) = run(&bench, "openssl", &["x509", "-in", unit, "-noout", "-text"]) else { return };
        let ca = if unit.starts_with("state") { "gateways" } else { "devices" };
        for uri in ["/ocsp".to_owned(), format!("/crl/{ca}.crl"), format!("/ca/{ca}.crt")] {
            let expected = format!("URI:http://pki.operator.example:8080{uri}\n");
            assert!(text.contains(&expected), "{unit}: {text}");
        }
    }
    let Some(text) = status(&bench, address, unit) else { return };
    assert!(text.contains("Response verify OK") && text.contains(&format!("{unit}: good")), "{text}");
    let (first, text) = list(&bench, address).unwrap();
    assert!(text.contains("no revoked certificates"), "{text}");
    bench.good(&["cert", "revoke", &serial, "--why", "a test"]);
    let text = status(&bench, address, unit).unwrap();
    assert!(text.contains("Response verify OK") && text.contains(&format!("{unit}: revoked")), "{text}");
    assert!(status(&bench, address, "alone/00aabbccddee.pem").unwrap().contains(": good"));
    let metrics = bench.page("/metrics").1;
    assert!(
        metrics.contains("truecell_enrol_requests_total{route=\"ocsp\",outcome=\"served\"} 3\n"),
        "{metrics}"
    );

    bench.kill();
    let address = serve(&mut bench);
    let (second, text) = list(&bench, address).unwrap();
    assert!(second > first && text.contains(&format!("serial number: {serial}")), "{text}");
    assert!(status(&bench, address, unit).unwrap().contains(": revoked"));
    assert_eq!(bench.stop(), 0);
    assert!(bench.good(&["event", "verify"]).starts_with("good"));
    assert_eq!(bench.json(&["ledger", "verify"])["ok"], true);
}

#[test]
fn vendors_are_read_again_and_address_and_url_are_not() {
    let mut bench = bench(ENROL);
    serve(&mut bench);
    let config = fs::read_to_string(bench.path("truecell.toml")).unwrap();
    let vendor = "[[vendor]]\nrealm = \"vendor.example\"\nanchors = \"vendor.pem\"\n";
    bench.write("truecell.toml", &(config.clone() + vendor));
    let (code, why) = bench.refused(&["config", "apply"]);
    assert!(code == 64 && why.contains("vendor.pem"), "{why}");
    let root = fs::read(bench.path("state/ca/root.pem")).unwrap();
    fs::write(bench.path("vendor.pem"), root).unwrap();
    let applied = bench.json(&["config", "apply"]);
    let keys: Vec<_> = applied["changes"].as_array().unwrap().iter().map(|change| &change["key"]).collect();
    assert_eq!(keys, ["vendor", "vendor.anchors (SHA-256)"]);
    // Another file under the same name is another vendor.
    let issuing = fs::read(bench.path("state/ca/devices.pem")).unwrap();
    fs::write(bench.path("vendor.pem"), issuing).unwrap();
    let applied = bench.json(&["config", "apply"]);
    assert_eq!(applied["changes"][0]["key"], "vendor.anchors (SHA-256)");
    bench.write("truecell.toml", &config.replace(":8080", ""));
    let (code, why) = bench.refused(&["config", "apply"]);
    assert!(code == 1 && why.contains("why: enrol.url\n"), "{why}");
    assert_eq!(bench.stop(), 0);
}

#[test]
fn an_address_that_is_taken_is_named_before_anything_begins() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let bench = bench(&ENROL.replace("127.0.0.1:0", &address.to_string()));
    let (code, why) = bench.refused(&["serve"]);
    assert_eq!(code, 70, "{why}");
    assert!(
        why.contains(&format!("{address} cannot be used for enrolment")) && why.contains("ss -ltnp"),
        "{why}"
    );
}

fn connect_from(source: [u8; 4], to: SocketAddr) -> TcpStream {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from((source, 0)).into()).unwrap();
    socket.connect(&to.into()).unwrap();
    socket.into()
}

#[test]
fn strangers_who_only_connect_leave_commands_and_pages_their_files() {
    let mut bench = bench(ENROL);
    let address = address(bench.serve_within("-n 160").last().unwrap(), "enrol");
    let idle: Vec<_> = (0..200).map(|number| connect_from([127, 0, 0, 1 + number % 6], address)).collect();
    bench.good(&["device", "add", "00aabbccddee"]);
    assert_eq!(bench.page("/readyz").0, 200);
    drop(idle);
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    write!(stream, "GET /ca/root.crt HTTP/1.0\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    assert!(answer.starts_with(b"HTTP/1.0 200"), "{}", String::from_utf8_lossy(&answer));
    assert_eq!(bench.stop(), 0);
}

#[test]
fn a_node_that_does_not_enrol_listens_nowhere_for_it() {
    let mut bench = Bench::new();
    let seen = bench.serve_until("ready");
    let ready: Value = serde_json::from_str(seen.last().unwrap()).unwrap();
    assert_eq!(ready["enrol"], Value::Null);
    assert!(!bench.page("/metrics").1.contains("truecell_enrol_"));
}

const UNIT: &str = "00aabbccddee";
const HEADER: [&str; 6] = ["cmp", "-config", "", "-recipient", "/CN=any", "-trusted"];

/// A carrier that serves, with a vendor, a line that is this machine's, and an order for a unit that was shipped.
struct Carrier {
    bench: Bench,
    address: SocketAddr,
    tls: SocketAddr,
}

impl Carrier {
    fn new() -> Self {
        let bench = bench(&format!(
            "{ENROL}tls_listen = [\"127.0.0.1:0\"]\n[[vendor]]\nrealm = \"vendor.example\"\nanchors = \"vendor-ca.pem\"\n"
        ));
        let spec = pki::CaSpec::new("Vendor", "vendor.example".parse().unwrap());
        let vendor = pki::Ca::create(&bench.path("vendor-ca"), &spec, UnixTime::now()).unwrap();
        fs::copy(bench.path("vendor-ca/root.pem"), bench.path("vendor-ca.pem")).unwrap();
        let (device, key) = (UNIT.parse().unwrap(), KeySource::Generate(KeyAlgorithm::P256));
        let order = pki::DeviceOrder { device, key, validity: None, by: "test".into() };
        let issued = vendor.issue(&order, &mut pki::OffTheBooks, UnixTime::now()).unwrap();
        issued.write(&bench.path("."), "vendor").unwrap();
        bench.good(&["device", "add", UNIT, "--state", "shipped"]);
        bench.good(&["line", "add", "KT/1", "127.0.0.0/8"]);
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut carrier = Self { bench, address: nowhere, tls: nowhere };
        carrier.serve();
        carrier
    }

    /// Ends it wherever it is, and begins anew.
    fn kill(&mut self) {
        self.bench.kill();
        self.serve();
    }

    fn serve(&mut self) {
        let seen = self.bench.serve_until("ready");
        [self.address, self.tls] = ["enrol", "enrol_tls"].map(|key| address(seen.last().unwrap(), key));
    }

    fn order(&self, id: &str) {
        self.bench.good(&[
            "order",
            "create",
            id,
            UNIT,
            "--line",
            "KT/1",
            "--until",
            "2099-01-01T00:00:00Z",
            "--why",
            "new customer",
        ]);
    }

    /// What `openssl cmp` says, which wants `new` certified; whether it was content.
    fn cmp(&self, what: &str, by: &str, new: &str) -> Option<(bool, String)> {
        let (server, key) = (self.address.to_string(), format!("{new}.key"));
        if !self.bench.path(&key).exists() {
            let private = pki::PrivateKey::generate(KeyAlgorithm::P256).unwrap();
            private.write(&self.bench.path(&key)).unwrap();
        }
        let (by_cert, by_key, out) = (format!("{by}.pem"), format!("{by}.key"), format!("{new}.pem"));
        let ask = [
            "-server",
            &server,
            "-path",
            ".well-known/cmp",
            "-cmd",
            what,
            "-cert",
            &by_cert,
            "-key",
            &by_key,
        ];
        let new = ["-newkey", &key, "-subject", "/CN=whatever", "-certout", &out, "-extracerts", "extra.pem"];
        let both = [&HEADER[..], &["state/ca/root.pem"], &ask, &new].concat();
        fs::copy(self.bench.path("state/ca/devices.pem"), self.bench.path("extra.pem")).unwrap();
        let text = run(&self.bench, "openssl", &both)?;
        Some((self.bench.path(&out).exists(), text))
    }

    /// What curl says, and the certificate in `new.pem` if there is one, to a request by `by` that `new.key` be certified.
    fn est(&self, operation: &str, by: &str, new: &str) -> Option<String> {
        let key = format!("{new}.key");
        if !self.bench.path(&key).exists() {
            pki::PrivateKey::generate(KeyAlgorithm::P256).unwrap().write(&self.bench.path(&key)).unwrap();
        }
        let request =
            ["req", "-new", "-key", &key, "-subj", "/CN=any", "-outform", "DER", "-out", "request.der"];
        run(&self.bench, "openssl", &request)?;
        run(&self.bench, "openssl", &["base64", "-in", "request.der", "-out", "request.b64"])?;
        let (cert, key, port) = (format!("{by}.pem"), format!("{by}.key"), self.tls.port());
        let url = format!("https://segw.operator.example:{port}/.well-known/est/{operation}");
        let host = format!("segw.operator.example:{port}:127.0.0.1");
        let who = ["--cacert", "state/ca/root.pem", "--cert", &cert, "--key", &key, "--resolve", &host, &url];
        let what = ["-H", "Content-Type: application/pkcs10", "--data-binary", "@request.b64"];
        let told = ["-sS", "--max-time", "60", "-o", "answer", "-w", "%{http_code}"];
        let text = run(&self.bench, "curl", &[&who[..], &what, &told].concat())?;
        if text == "200" {
            run(&self.bench, "openssl", &["base64", "-d", "-in", "answer", "-out", "answer.der"])?;
            let out = format!("{new}.pem");
            let read = ["pkcs7", "-inform", "DER", "-in", "answer.der", "-print_certs", "-out", &out];
            run(&self.bench, "openssl", &read)?;
        }
        Some(text)
    }

    fn device(&self) -> Value {
        self.bench.json(&["device", "show", UNIT])
    }

    /// Kinds of the incidents.
    fn incidents(&self) -> Vec<String> {
        let incidents = self.bench.json(&["incident", "list"]);
        let kind = |incident: &Value| incident["kind"].as_str().unwrap().to_owned();
        incidents["incidents"].as_array().unwrap().iter().map(kind).collect()
    }
}

#[test]
fn a_unit_fresh_from_the_factory_is_enrolled_by_its_order_renews_and_a_second_one_is_refused() {
    let mut carrier = Carrier::new();
    let Some((ok, text)) = carrier.cmp("ir", "vendor", "early") else { return };
    assert!(!ok && text.contains("notAuthorized"), "{text}");
    assert_eq!(carrier.incidents(), ["enrolment-denied"], "no order");
    carrier.order("W-1");
    let (ok, text) = carrier.cmp("ir", "vendor", "first").unwrap();
    assert!(ok, "{text}");
    let device = carrier.device();
    let is = |field: &str| device["device"][field].as_str().unwrap_or_else(|| panic!("{device}")).to_owned();
    assert_eq!([is("state"), is("enrolment"), is("access_line")], ["installed", "enrolled", "KT/1"]);
    assert_eq!(carrier.bench.json(&["order", "list"])["orders"][0]["state"], "used");
    let status = status(&carrier.bench, carrier.address, "first.pem").unwrap();
    assert!(status.contains("first.pem: good"), "{status}");

    let (ok, text) = carrier.cmp("kur", "first", "second").unwrap();
    assert!(ok, "{text}");
    // Whoever kills it: what counted counts.
    carrier.kill();
    let credentials = carrier.device()["credentials"].clone();
    let superseded = |one: &&Value| !one["superseded"].is_null();
    assert_eq!(credentials.as_array().unwrap().iter().filter(superseded).count(), 1, "{credentials}");
    let (ok, text) = carrier.cmp("kur", "second", "third").unwrap();
    assert!(ok, "{text}");

    let (ok, text) = carrier.cmp("ir", "vendor", "again").unwrap();
    assert!(!ok && text.contains("notAuthorized"), "{text}");
    let (ok, text) = carrier.cmp("kur", "first", "fork").unwrap();
    assert!(!ok && text.contains("notAuthorized"), "{text}");
    // Within five minutes either may have been said before the unit was enrolled: it is evidence against nobody.
    assert_eq!(carrier.device()["device"]["enrolment"], "enrolled");
    assert_eq!(carrier.incidents(), ["enrolment-denied"]);
    let lineage = carrier.bench.json(&["cert", "lineage", UNIT]);
    let certificates = lineage["certificates"].as_array().unwrap();
    let states: Vec<_> = certificates.iter().map(|one| one["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["superseded", "superseded", "counts"], "{lineage}");
    let parents: Vec<_> = certificates.iter().map(|one| &one["parent"]).collect();
    let names: Vec<_> = certificates.iter().map(|one| &one["cert_sha256"]).collect();
    assert_eq!(parents, [&Value::Null, names[0], names[1]]);
    assert_eq!(certificates[0]["leave"]["order"], "W-1");
    assert_eq!((&certificates[0]["from"], &certificates[2]["doubt"]), (&"127.0.0.1".into(), &Value::Null));
    let [key] = &lineage["vendor_keys"].as_array().unwrap()[..] else { panic!("{lineage}") };
    assert_eq!(
        (&key["uses"][0]["device"], &key["uses"][0]["realm"]),
        (&UNIT.into(), &"vendor.example".into())
    );
    let serial = |number: usize| certificates[number]["serial"].as_str().unwrap();
    let drawn = carrier.bench.good(&["cert", "lineage", UNIT]);
    assert!(drawn.contains(&format!("\n   └─ {}  superseded\n", serial(1))), "{drawn}");
    let shown = carrier.bench.good(&["cert", "show", serial(1)]);
    assert!(shown.contains(&format!(", by {}\n", names[2].as_str().unwrap())), "{shown}");
    let events = carrier.bench.good(&["event", "tail", "-n", "200"]);
    for reason in ["no-order", "already-enrolled", "lineage-fork"] {
        assert!(events.contains(reason), "{events}");
    }
    assert_eq!(carrier.bench.stop(), 0);
    assert_eq!(carrier.bench.json(&["ledger", "verify"])["ok"], true);
    assert!(carrier.bench.good(&["event", "verify"]).starts_with("good"));
}

/// The power goes behind each record of what `happens` writes, the rows not yet written. `again` is what the unit does then.
fn cut_everywhere(
    carrier: &mut Carrier,
    happens: impl Fn(&Carrier) -> Option<()>,
    again: impl Fn(&Carrier),
) -> Option<()> {
    assert_eq!(carrier.bench.stop(), 0);
    run(&carrier.bench, "cp", &["-a", "state", "before"]);
    carrier.serve();
    happens(carrier)?;
    carrier.bench.kill();
    let segment = carrier.bench.path("state/journal/segw-1/00000000000000000001.jsonl");
    let journal = fs::read_to_string(&segment).unwrap();
    let lines: Vec<_> = journal.split_inclusive('\n').collect();
    let before = fs::read_to_string(carrier.bench.path("before/journal/segw-1/00000000000000000001.jsonl"));
    let first = before.unwrap().lines().count();
    let of_rows = |line: &str| line.contains(r#""kind":"ledger.row_changed""#);
    let cuts: Vec<_> = (first..lines.len()).filter(|cut| of_rows(lines[*cut])).map(|cut| cut + 1).collect();
    for cut in cuts.iter().flat_map(|cut| [*cut, cut + 1]).collect::<BTreeSet<_>>() {
        let _ = fs::remove_dir_all(carrier.bench.path("state"));
        run(&carrier.bench, "cp", &["-a", "before", "state"]);
        fs::write(&segment, lines[..cut].concat()).unwrap();
        assert_eq!(carrier.bench.json(&["ledger", "verify"])["ok"], true, "cut behind record {cut}");
        carrier.serve();
        again(carrier);
        let device = carrier.device();
        assert_eq!(device["device"]["enrolment"], "enrolled", "cut behind record {cut}: {device}");
        let counts = device["credentials"].as_array().unwrap().iter().filter(|one| one["revoked"].is_null());
        assert_eq!(counts.count(), 1, "cut behind record {cut}: {device}");
        assert_eq!(carrier.bench.json(&["order", "list"])["orders"][0]["state"], "used");
        assert_eq!(carrier.bench.stop(), 0);
        assert_eq!(carrier.bench.json(&["ledger", "verify"])["ok"], true);
        assert!(carrier.bench.good(&["event", "verify"]).starts_with("good"));
    }
    Some(())
}

#[test]
fn an_enrolment_by_est_that_is_cut_off_at_any_record_is_finished_by_the_same_request() {
    let mut carrier = Carrier::new();
    carrier.order("W-1");
    let ask = |carrier: &Carrier| {
        carrier.est("simpleenroll", "vendor", "first").map(|told| assert_eq!(told, "200"))
    };
    cut_everywhere(&mut carrier, ask, |carrier| ask(carrier).unwrap());
}

#[test]
fn an_enrolment_by_cmp_that_is_cut_off_at_any_record_leaves_the_unit_enrolled_or_a_way_to_begin_anew() {
    let mut carrier = Carrier::new();
    carrier.order("W-1");
    let happens =
        |carrier: &Carrier| carrier.cmp("ir", "vendor", "first").map(|(ok, text)| assert!(ok, "{text}"));
    cut_everywhere(&mut carrier, happens, |carrier| {
        let _ = fs::remove_file(carrier.bench.path("again.pem"));
        let _ = fs::remove_file(carrier.bench.path("again.key"));
        // Once the confirmation stands, the unit has its certificate.
        let is_enrolled = carrier.device()["device"]["enrolment"] == "enrolled";
        let (ok, text) = carrier.cmp("ir", "vendor", "again").unwrap();
        assert!(ok != is_enrolled, "{text}");
    });
}

#[test]
fn an_enrolment_that_meets_a_row_that_was_tampered_with_never_was_and_succeeds_once_that_is_mended() {
    let mut carrier = Carrier::new();
    carrier.order("W-1");
    let Some(told) = carrier.est("simpleenroll", "vendor", "first") else { return };
    assert_eq!(told, "200");
    carrier.order("W-2");
    let set = |from: &str, to: &str| {
        let database = rusqlite::Connection::open(carrier.bench.path("state/ledger.sqlite")).unwrap();
        database.busy_timeout(Duration::from_secs(10)).unwrap();
        let set = "UPDATE row SET body = replace(body, ?1, ?2) WHERE tbl = 'credential'";
        assert_eq!(database.execute(set, [from, to]).unwrap(), 1);
    };
    set("femto.operator.example", "femto.operator.invalid");
    assert_eq!(carrier.est("simpleenroll", "vendor", "second").unwrap(), "500");
    set("femto.operator.invalid", "femto.operator.example");
    let certificates = carrier.bench.json(&["cert", "lineage", UNIT])["certificates"].clone();
    assert_eq!(certificates.as_array().unwrap().len(), 1, "{certificates}");
    assert_eq!(carrier.est("simpleenroll", "vendor", "second").unwrap(), "200");
    assert_eq!(carrier.bench.stop(), 0);
    assert_eq!(carrier.bench.json(&["ledger", "verify"])["ok"], true);
}

#[test]
fn a_unit_that_renews_without_end_has_five_certificates_at_once_and_is_told_to_come_again() {
    let mut carrier = Carrier::new();
    carrier.order("W-1");
    let names = ["vendor", "one", "two", "three", "four", "five", "six"];
    for (by, new) in names.iter().zip(&names[1..]) {
        let operation = if *by == "vendor" { "simpleenroll" } else { "simplereenroll" };
        let Some(told) = carrier.est(operation, by, new) else { return };
        assert_eq!(told, if *new == "six" { "503" } else { "200" }, "{new}");
    }
    let (ok, text) = carrier.cmp("kur", "five", "six").unwrap();
    assert!(!ok && text.contains("systemUnavail"), "{text}");
    assert_eq!(carrier.device()["device"]["enrolment"], "enrolled");
    assert_eq!(
        (carrier.est("simplereenroll", "four", "five").unwrap().as_str(), carrier.incidents().len()),
        ("200", 0)
    );
    assert!(carrier.bench.good(&["event", "tail", "-n", "50"]).contains("reason=too-often"));
    assert!(carrier.bench.good(&["incident", "list"]).contains("enrolment-too-often"));
    assert_eq!(carrier.bench.stop(), 0);
}

#[test]
fn nobody_of_a_distrusted_vendor_enrols_and_whom_it_vouched_for_is_listed() {
    let mut carrier = Carrier::new();
    carrier.order("W-1");
    let distrust =
        ["ca", "distrust", "vendor.example", "--since", "2026-01-01T00:00:00Z", "--why", "broken into"];
    let listed = carrier.bench.json(&distrust);
    assert_eq!(listed["vouched"], Value::Array(Vec::new()));
    let Some((ok, text)) = carrier.cmp("ir", "vendor", "early") else { return };
    assert!(!ok && text.contains("notAuthorized"), "{text}");
    let events = carrier.bench.good(&["event", "tail", "-n", "200"]);
    assert!(events.contains("vendor-distrusted"), "{events}");
    assert_eq!(carrier.incidents(), [""; 0]);
    assert!(carrier.bench.good(&["ca", "show"]).contains("\nvendor.example  "));
    carrier.bench.good(&["ca", "trust", "vendor.example", "--why", "it has a new CA"]);
    let (ok, text) = carrier.cmp("ir", "vendor", "first").unwrap();
    assert!(ok, "{text}");
    let listed = carrier.bench.json(&distrust);
    let [one] = &listed["vouched"].as_array().unwrap()[..] else { panic!("{listed}") };
    assert_eq!((&one["used"]["device"], &one["enrolment"]), (&UNIT.into(), &"enrolled".into()));
    let (ok, text) = carrier.cmp("kur", "first", "second").unwrap();
    assert!(ok, "who is certified stays so: {text}");
    let show = carrier.bench.json(&["ca", "show"]);
    let devices =
        show["ca"]["levels"].as_array().unwrap().iter().find(|level| level["name"] == "devices").unwrap();
    // Beside the two of the unit: who signs for OCSP, and who answers CMP.
    assert_eq!((&devices["issued"], &devices["counting"]), (&4.into(), &1.into()), "{show}");
    let metrics = carrier.bench.page("/metrics").1;
    assert!(metrics.contains("truecell_certificates_expiring{within=\"10d\"} 0\n"), "{metrics}");
    assert_eq!(carrier.bench.stop(), 0);
}

#[test]
fn by_est_a_unit_enrols_and_renews_and_one_that_lost_the_answer_is_given_it_again_also_after_a_crash() {
    let mut carrier = Carrier::new();
    let Some(told) = carrier.est("simpleenroll", "vendor", "early") else { return };
    assert_eq!(told, "403");
    carrier.order("W-1");
    assert_eq!(carrier.est("simpleenroll", "vendor", "first").unwrap(), "200");
    let device = carrier.device();
    let is = |field: &str| device["device"][field].as_str().unwrap_or_else(|| panic!("{device}")).to_owned();
    assert_eq!([is("state"), is("enrolment"), is("access_line")], ["installed", "enrolled", "KT/1"]);
    assert_eq!(carrier.bench.json(&["order", "list"])["orders"][0]["state"], "used");
    let first = fs::read(carrier.bench.path("first.pem")).unwrap();
    let good = status(&carrier.bench, carrier.address, "first.pem").unwrap();
    assert!(good.contains("first.pem: good"), "{good}");

    carrier.kill();
    assert_eq!(carrier.est("simpleenroll", "vendor", "first").unwrap(), "200");
    assert_eq!(fs::read(carrier.bench.path("first.pem")).unwrap(), first);
    assert_eq!(carrier.est("simplereenroll", "first", "second").unwrap(), "200");
    let second = fs::read(carrier.bench.path("second.pem")).unwrap();
    assert_eq!(carrier.est("simplereenroll", "first", "second").unwrap(), "200");
    assert_eq!(fs::read(carrier.bench.path("second.pem")).unwrap(), second);
    let credentials = carrier.device()["credentials"].as_array().unwrap().clone();
    let superseded = credentials.iter().filter(|one| !one["superseded"].is_null()).count();
    assert_eq!((credentials.len(), superseded), (2, 1), "{credentials:?}");

    // A certificate that was taken back is given to nobody again.
    let serial = run(&carrier.bench, "openssl", &["x509", "-in", "second.pem", "-noout", "-serial"]).unwrap();
    let serial = serial.trim().trim_start_matches("serial=").to_lowercase();
    carrier.bench.good(&["cert", "revoke", &serial, "--why", "a test"]);
    assert_eq!(carrier.est("simplereenroll", "first", "second").unwrap(), "403");
    // Another key takes another order, also where no certificate counts any more.
    assert_eq!(carrier.est("simpleenroll", "vendor", "again").unwrap(), "403");
    assert_eq!(carrier.device()["device"]["enrolment"], "enrolled");
    assert_eq!(carrier.incidents(), ["enrolment-denied"]);
    let events = carrier.bench.good(&["event", "tail", "-n", "200"]);
    for reason in ["no-order", "transaction-in-use"] {
        assert!(events.contains(reason), "{reason}: {events}");
    }
    let metrics = carrier.bench.page("/metrics").1;
    assert!(
        metrics.contains("truecell_enrol_requests_total{route=\"est\",outcome=\"served\"} 3\n"),
        "{metrics}"
    );
    assert_eq!(carrier.bench.stop(), 0);
    assert_eq!(carrier.bench.json(&["ledger", "verify"])["ok"], true);
    assert!(carrier.bench.good(&["event", "verify"]).starts_with("good"));
}
