//! A CA that is not ours revokes the certificate of a unit that is attached.

use crate::crash::{Estate, attach};
use ike::crypto::AuthKey;
use lab::{Load, UnitIdentity};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, DnType, IsCa,
    KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams, SanType, SerialNumber, date_time_ymd,
};
use std::{
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpListener},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant, UNIX_EPOCH},
};

const UNIT: &str = "00aabbccddee";
const SERIAL: &[u8] = &[7];
const HOUR: Duration = Duration::from_secs(3600);

struct Vendor {
    root: CertifiedIssuer<'static, KeyPair>,
}

impl Vendor {
    fn new() -> Self {
        let mut params = params();
        params.distinguished_name.push(DnType::CommonName, "Vendor");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        Self { root: CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap() }
    }

    /// The unit, and its certificate in PEM.
    fn unit(&self) -> (UnitIdentity, String) {
        let (mut params, key) = (params(), KeyPair::generate().unwrap());
        let name = format!("{UNIT}.femto.vendor.example");
        params.subject_alt_names = vec![SanType::DnsName(name.as_str().try_into().unwrap())];
        params.serial_number = Some(SerialNumber::from_slice(SERIAL));
        let certificate = params.signed_by(&key, &self.root).unwrap();
        let key = Arc::new(AuthKey::from_pkcs8(key.serialized_der()).unwrap());
        (UnitIdentity { name, chain: vec![certificate.der().to_vec()], key }, certificate.pem())
    }

    fn list(&self, number: u64, revokes: bool) -> Vec<u8> {
        let now = date_time_ymd(1970, 1, 1) + UNIX_EPOCH.elapsed().unwrap();
        let entry = RevokedCertParams {
            serial_number: SerialNumber::from_slice(SERIAL),
            revocation_time: now,
            reason_code: None,
            invalidity_date: None,
        };
        let params = CertificateRevocationListParams {
            this_update: now,
            next_update: now + 24 * HOUR,
            crl_number: SerialNumber::from(number),
            issuing_distribution_point: None,
            revoked_certs: revokes.then_some(entry).into_iter().collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        params.signed_by(&self.root).unwrap().der().to_vec()
    }
}

fn params() -> CertificateParams {
    let now = date_time_ymd(1970, 1, 1) + UNIX_EPOCH.elapsed().unwrap();
    let mut params = CertificateParams::default();
    (params.not_before, params.not_after) = (now - HOUR, now + 24 * HOUR);
    params
}

/// Serves what the list is by then, to whoever comes.
fn serve(list: Arc<Mutex<Vec<u8>>>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let body = list.lock().unwrap().clone();
            let _ = stream.read(&mut [0; 4096]);
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
            let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body));
        }
    });
    address
}

fn until(mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(20);
    while !is_so() {
        assert!(Instant::now() < end, "it never came to be");
        thread::park_timeout(Duration::from_millis(50));
    }
}

fn refusals(estate: &Estate) -> usize {
    let journal = estate.bench.path("state/journal/segw-1");
    let segments = fs::read_dir(journal).unwrap().map(|entry| entry.unwrap().path());
    let segments = segments.filter(|path| path.extension().is_some_and(|end| end == "jsonl"));
    segments.map(|path| fs::read_to_string(path).unwrap().matches("\"revoked-by-issuer\"").count()).sum()
}

fn assert_refused(estate: &Estate, units: &[UnitIdentity]) {
    let before = refusals(estate);
    let mut load = Load::new(estate.gateway.clone(), 1).unwrap();
    assert!(load.attach_while(units, |_| true).is_err());
    until(|| refusals(estate) > before);
}

#[test]
fn what_a_foreign_ca_revokes_is_cut_refused_and_still_refused_after_a_restart_without_the_ca() {
    let (vendor, mut estate) = (Vendor::new(), Estate::of(0));
    let (unit, certificate) = vendor.unit();
    let list = Arc::new(Mutex::new(vendor.list(1, false)));
    let address = serve(list.clone());
    let bench = &estate.bench;
    let configuration = fs::read_to_string(bench.path("truecell.toml")).unwrap();
    let realm = |places: &str| {
        let name = "\n[[realm]]\nname = \"femto.vendor.example\"\nanchors = [\"vendor.pem\"]\n";
        format!("{configuration}{name}{places}")
    };
    bench.write("vendor.pem", &vendor.root.pem());
    bench.write("unit.pem", &certificate);
    bench.write("truecell.toml", &realm(""));
    let check = bench.good(&["config", "check"]);
    assert!(check.contains("warning: [[realm]] femto.vendor.example: neither `crl` nor `ocsp`"), "{check}");
    bench.write("truecell.toml", &realm(&format!("crl = [\"http://{address}/1.crl\"]\n")));
    bench.good(&["config", "check"]);
    bench.good(&["device", "add", UNIT]);
    bench.good(&["cert", "import", UNIT, "unit.pem"]);
    estate.start();
    let units = [unit];
    assert_eq!(attach(&estate.gateway, &units, |_| true).len(), 1);
    assert_eq!(estate.bench.json(&["session", "list"])["sessions"].as_array().unwrap().len(), 1);

    *list.lock().unwrap() = vendor.list(2, true);
    let bench = &estate.bench;
    bench.write("truecell.toml", &realm(&format!("crl = [\"http://{address}/2.crl\"]\n")));
    bench.good(&["config", "apply"]);
    until(|| bench.json(&["session", "list"])["sessions"].as_array().unwrap().is_empty());
    assert_refused(&estate, &units);

    // The CA is gone: its list was kept.
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    estate.bench.write("truecell.toml", &realm(&format!("crl = [\"http://{gone}/2.crl\"]\n")));
    assert_eq!(estate.bench.stop(), 0);
    estate.start();
    assert_refused(&estate, &units);
}
