//! Units that all have one certificate are migrated by a running node, over real HTTP, each from a line of its own.

use crate::bench::Bench;
use cmp::{AnswerError, Asked, Confirming, FailureInfo, Fresh, Operator, Signer};
use ids::{DeviceId, UnixTime};
use pki::{FileKey, KeyAlgorithm, PrivateKey};
use rcgen::{CertificateParams, DnType, KeyPair};
use serde_json::Value;
use std::{
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

const ENROL: &str = "[enrol]\nlisten = [\"127.0.0.1:0\"]\n";
const UNITS: u8 = 8;

/// A node with units that are installed, each behind a line of its own, the group of their key, and the key.
struct Estate {
    bench: Bench,
    address: SocketAddr,
    operator: Operator,
    shared: Signer,
    drawn: u8,
}

fn unit(number: u8) -> DeviceId {
    DeviceId::eui48([0, 0xaa, 0xbb, 0, 0, number])
}

fn home(unit: DeviceId) -> [u8; 4] {
    [127, 20, unit.octets()[5], 7]
}

impl Estate {
    fn new() -> Self {
        let mut bench = Bench::bare();
        let config = fs::read_to_string(bench.path("truecell.toml")).unwrap();
        bench.write("truecell.toml", &(config + ENROL));
        bench.good(&["init"]);
        let mut rows = "id,line,class,state\n".to_owned();
        for number in 0..UNITS {
            rows += &format!("{},line-{number},home,live\n", unit(number));
            bench.good(&["line", "add", &format!("line-{number}"), &format!("127.20.{number}.0/24")]);
        }
        bench.write("estate.csv", &rows);
        bench.good(&["device", "import", "estate.csv"]);
        let (shared, pem) = shared();
        bench.write("shared.pem", &pem);
        let root = x509_root(&bench);
        let operator = Operator::new("femto.operator.example".parse().unwrap(), root);
        let address = serve(&mut bench);
        let estate = Self { bench, address, operator, shared, drawn: 0 };
        estate.group(Duration::from_secs(30 * 24 * 3600));
        estate
    }

    fn group(&self, lasts: Duration) {
        let until = UnixTime::now().after(lasts).to_string();
        self.group_until(&until);
    }

    fn group_until(&self, until: &str) {
        let name = ["migrate", "group", "old", "--certificate", "shared.pem", "--realm", "vendor.example"];
        self.bench.good(&[&name[..], &["--until", until, "--why", "one key", "--approver", "dave"]].concat());
    }

    fn plan(&self, name: &str, canary: &str, wave: &str) -> Value {
        let plan = [
            "migrate", "plan", name, "--group", "old", "--class", "home", "--canary", canary, "--wave", wave,
        ];
        let halt = ["--window", "1h", "--halt-at", "40%", "--why", "one key", "--approver", "dave"];
        self.bench.json(&[&plan[..], &halt].concat())
    }

    fn run(&self, name: &str) -> String {
        let run = self.bench.json(&["migrate", "run", name, "--why", "go"]);
        run["state"].as_str().unwrap().to_owned()
    }

    fn status(&self, name: &str) -> Value {
        self.bench.json(&["migrate", "status", name])
    }

    /// As `serve` would have it a minute later: to begin what runs takes it on.
    fn units_of_open_wave(&self, planned: &Value, name: &str) -> Vec<DeviceId> {
        let wave = self.status(name)["migration"]["wave"].as_u64().unwrap() as usize;
        let units = planned["waves"][wave].as_array().unwrap().iter();
        units.map(|unit| unit.as_str().unwrap().parse().unwrap()).collect()
    }

    /// From ir to pkiConf; why not, as the unit hears it.
    fn enrol(&mut self, unit: DeviceId, from: [u8; 4]) -> Result<Vec<u8>, Option<FailureInfo>> {
        let key = FileKey::new(&PrivateKey::generate(KeyAlgorithm::P256).unwrap()).unwrap();
        self.drawn += 1;
        let fresh = Fresh { transaction: [self.drawn; 16], nonce: [self.drawn; 16] };
        let now = UnixTime::now();
        let asked = Asked::ir_by_shared(&self.operator, &self.shared, unit, &key, Some(now), fresh).unwrap();
        let answer = self.post(from, asked.message());
        let offer = match asked.read(&self.operator, &answer, UnixTime::from_secs(0)) {
            Ok(offer) => offer,
            Err(AnswerError::Refused { failure, .. }) => return Err(failure),
            Err(error) => panic!("{error}"),
        };
        let (transaction, nonce) = (&offer.transaction, [0x80 | self.drawn; 16]);
        let confirming =
            Confirming::new(&self.shared, transaction, &offer.nonce, &offer.chain[0], now, nonce).unwrap();
        confirming.read(&self.operator, &self.post(from, confirming.message()), offer.time).unwrap();
        Ok(offer.chain[0].clone())
    }

    fn post(&self, from: [u8; 4], message: &[u8]) -> Vec<u8> {
        let mut stream = connect_from(from, self.address);
        let head = format!(
            "POST /.well-known/cmp HTTP/1.0\r\nContent-Type: application/pkixcmp\r\nContent-Length: {}\r\n\r\n",
            message.len()
        );
        stream.write_all(&[head.as_bytes(), message].concat()).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
        answer.split_off(end)
    }

    fn incidents(&self) -> Vec<String> {
        let incidents = self.bench.json(&["incident", "list"]);
        let kind = |incident: &Value| incident["kind"].as_str().unwrap().to_owned();
        incidents["incidents"].as_array().unwrap().iter().map(kind).collect()
    }
}

fn x509_root(bench: &Bench) -> x509::Anchor {
    use rustls_pki_types::{CertificateDer, pem::PemObject};
    let pem = fs::read(bench.path("state/ca/root.pem")).unwrap();
    x509::Anchor::from_der(&CertificateDer::from_pem_slice(&pem).unwrap()).unwrap()
}

fn serve(bench: &mut Bench) -> SocketAddr {
    let ready: Value = serde_json::from_str(bench.serve_until("ready").last().unwrap()).unwrap();
    ready["enrol"].as_str().unwrap().parse().unwrap()
}

fn connect_from(source: [u8; 4], to: SocketAddr) -> TcpStream {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from((source, 0)).into()).unwrap();
    socket.connect(&to.into()).unwrap();
    socket.into()
}

/// One key and one certificate for all, which names none of them and leads nowhere, for ten years.
fn shared() -> (Signer, String) {
    let private = PrivateKey::generate(KeyAlgorithm::P256).unwrap();
    let mut params = CertificateParams::new(["femto.vendor.example".to_owned()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, "femto.vendor.example");
    (params.not_before, params.not_after) =
        (rcgen::date_time_ymd(2014, 1, 1), rcgen::date_time_ymd(2024, 1, 1));
    let certificate = params.self_signed(&KeyPair::try_from(private.pkcs8()).unwrap()).unwrap();
    let key = Box::new(FileKey::new(&private).unwrap());
    (Signer::new(key, vec![certificate.der().to_vec()]).unwrap(), certificate.pem())
}

const NOT_AUTHORIZED: Option<FailureInfo> = Some(FailureInfo::NOT_AUTHORIZED);

#[test]
fn an_estate_with_one_key_is_migrated_in_waves_across_a_kill_and_a_copy_gets_nothing() {
    let mut estate = Estate::new();
    assert_eq!(estate.enrol(unit(1), home(unit(1))), Err(NOT_AUTHORIZED), "nothing is planned");
    let planned = estate.plan("m", "2", "3");
    let sizes: Vec<_> =
        planned["waves"].as_array().unwrap().iter().map(|wave| wave.as_array().unwrap().len()).collect();
    assert_eq!(sizes, [2, 3, 3]);
    assert_eq!(estate.run("m"), "running");
    for wave in 0..3 {
        let units = estate.units_of_open_wave(&planned, "m");
        let waiting = planned["waves"]
            .as_array()
            .unwrap()
            .get(wave + 1)
            .map(|next| next[0].as_str().unwrap().parse().unwrap());
        for (turn, unit) in units.iter().enumerate() {
            // A copy of the key: from nowhere, and from the line of another.
            for from in [[127, 0, 0, 9], home(self::unit(unit.octets()[5] ^ 1))] {
                assert_eq!(estate.enrol(*unit, from), Err(NOT_AUTHORIZED), "{unit} from {from:?}");
            }
            if let Some(waiting) = waiting {
                assert_eq!(
                    estate.enrol(waiting, home(waiting)),
                    Err(NOT_AUTHORIZED),
                    "its turn has not come"
                );
            }
            if (wave, turn) == (1, 1) {
                estate.bench.kill();
                estate.address = serve(&mut estate.bench);
            }
            assert!(estate.enrol(*unit, home(*unit)).is_ok(), "{unit} in wave {wave}");
        }
        let state = estate.run("m");
        assert_eq!(state, if wave == 2 { "done" } else { "running" });
    }
    let status = estate.status("m");
    assert_eq!((&status["counts"]["enrolled"], &status["counts"]["units"]), (&UNITS.into(), &UNITS.into()));
    let text = estate.bench.good(&["migrate", "status", "m"]);
    assert!(text.contains("8 of 8 units (100 %) have a certificate of their own; 0 (0 %)"), "{text}");
    let lineage = estate.bench.json(&["cert", "lineage", &unit(3).to_string()]);
    let [certificate] = &lineage["certificates"].as_array().unwrap()[..] else { panic!("{lineage}") };
    assert_eq!(certificate["doubt"]["kind"], "probation");
    let why = certificate["doubt"]["why"].as_str().unwrap();
    assert!(why.contains("legacy group old, in migration m"), "{why}");
    assert!(lineage["legacy"][0]["uses"].as_array().unwrap().len() >= 3, "{lineage}");
    let groups = estate.bench.json(&["migrate", "status"]);
    assert_eq!(
        (&groups["groups"][0]["used_by"], &groups["groups"][0]["misused_for"]),
        (&UNITS.into(), &UNITS.into())
    );
    assert_eq!(estate.incidents().iter().filter(|kind| *kind == "legacy-key-misused").count(), 1);
    // The group ends, by the word of two.
    estate.group_until("2026-01-01T00:00:00Z");
    assert_eq!(estate.enrol(unit(0), home(unit(0))), Err(NOT_AUTHORIZED));
    let events = estate.bench.good(&["event", "tail", "-n", "100"]);
    assert!(events.contains("legacy-group-over"), "{events}");
    assert_eq!(estate.bench.stop(), 0);
    assert_eq!(estate.bench.json(&["ledger", "verify"])["ok"], true);
    assert!(estate.bench.good(&["event", "verify"]).starts_with("good"));
}

#[test]
fn failures_halt_a_wave_and_to_roll_back_leaves_who_is_certified() {
    let mut estate = Estate::new();
    let planned = estate.plan("m", "4", "4");
    estate.run("m");
    let canary = estate.units_of_open_wave(&planned, "m");
    assert!(estate.enrol(canary[0], home(canary[0])).is_ok());
    for unit in &canary[1..3] {
        estate.bench.good(&["device", "suspend", &unit.to_string(), "--why", "cancelled"]);
        assert_eq!(estate.enrol(*unit, home(*unit)), Err(NOT_AUTHORIZED));
    }
    assert_eq!(estate.run("m"), "halted", "two of four are more than 40 %");
    assert!(estate.incidents().contains(&"migration-halted".to_owned()), "{:?}", estate.incidents());
    assert_eq!(estate.status("m")["counts"]["waiting"], 4, "the next wave stays shut");
    let rolled = estate.bench.json(&["migrate", "rollback", "m", "--why", "service is bad"]);
    assert_eq!(rolled["state"], "rolled-back");
    assert_eq!(estate.enrol(canary[3], home(canary[3])), Err(NOT_AUTHORIZED), "its order is closed");
    let device = estate.bench.json(&["device", "show", &canary[0].to_string()]);
    assert_eq!(
        (&device["device"]["enrolment"], &device["credentials"][0]["revoked"]),
        (&"enrolled".into(), &Value::Null)
    );
    assert_eq!(estate.status("m")["counts"]["withdrawn"], 3);
    let (code, why) = estate.bench.refused(&["migrate", "run", "m", "--why", "again"]);
    assert!(code == 1 && why.contains("rolled-back"), "{why}");
}
