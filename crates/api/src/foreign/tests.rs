use super::{fetch::FetchError, *};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DnType, ExtendedKeyUsagePurpose,
    IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose, RevocationReason, RevokedCertParams, SanType,
    SerialNumber as Number, date_time_ymd,
};
use std::{
    fs,
    io::{BufRead, BufReader},
    net::SocketAddr,
    process::{Child, Command, Stdio},
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use x509::{Anchors, DevicePolicy, verify_device};

const DEVICE: DeviceId = DeviceId::eui48([2, 0, 0, 0, 0, 1]);
const NAME: &str = "020000000001.vendor.example";
const DAY: Duration = Duration::from_secs(86_400);
/// What a test waits for a server that does not answer.
const SHORT: Bounds = Bounds { time: Duration::from_millis(300), octets: 1000 };

// ---------------------------------------------------------------- servers

/// A server on loopback that does the same with each connection.
async fn server<F: Future<Output = ()> + Send + 'static>(
    does: impl Fn(TcpStream) -> F + Send + 'static,
) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(does(stream));
        }
    });
    address
}

/// Reads the head of a request, and says this.
async fn say(mut stream: TcpStream, what: Vec<u8>) {
    let mut read = Vec::new();
    while !read.windows(4).any(|octets| octets == b"\r\n\r\n")
        && stream.read_buf(&mut read).await.unwrap_or(0) > 0
    {}
    let _ = stream.write_all(&what).await;
}

fn ok(body: &[u8]) -> Vec<u8> {
    [format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len()).as_bytes(), body].concat()
}

/// Says the beginning, and then this again and again without an end.
async fn drip(mut stream: TcpStream, beginning: &'static [u8], again: &'static [u8], pause: Duration) {
    let mut done = stream.write_all(beginning).await;
    while done.is_ok() {
        tokio::time::sleep(pause).await;
        done = stream.write_all(again).await;
    }
}

fn url(address: SocketAddr) -> HttpUrl {
    format!("http://{address}/it").parse().unwrap()
}

#[test]
fn only_http_urls_of_hosts_are_asked() {
    for (text, is) in [
        ("http://crl.vendor.example", "http://crl.vendor.example:80/"),
        ("http://[2001:db8::1]:81/ca.crl?now", "http://[2001:db8::1]:81/ca.crl?now"),
    ] {
        assert_eq!(text.parse::<HttpUrl>().unwrap().to_string(), is);
    }
    for none in
        ["https://a.example", "ftp://a.example", "/a.crl", "a.example", "http://", "http://u@a.example", ""]
    {
        assert_eq!(none.parse::<HttpUrl>(), Err(NoHttpUrl), "{none}");
    }
}

#[tokio::test]
async fn what_a_server_sends_is_taken_if_it_is_200_and_no_more_than_may_be() {
    let whole = server(|stream| say(stream, ok(&[7; 1000]))).await;
    assert_eq!(fetch(&url(whole), None, SHORT, &[]).await.unwrap(), [7; 1000]);
    let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
    let chunked = server(move |stream| say(stream, chunked.to_vec())).await;
    assert_eq!(fetch(&url(chunked), Some(vec![1]), SHORT, &[]).await.unwrap(), b"abc");
    let large = server(|stream| say(stream, ok(&[7; 1001]))).await;
    assert!(matches!(fetch(&url(large), None, SHORT, &[]).await, Err(FetchError::TooLarge(1000))));
    let endless = server(|stream| drip(stream, b"HTTP/1.1 200 OK\r\n\r\n", &[7; 500], Duration::ZERO)).await;
    assert!(matches!(fetch(&url(endless), None, SHORT, &[]).await, Err(FetchError::TooLarge(1000))));
    let head = server(|stream| drip(stream, b"HTTP/1.1 200 OK\r\na: ", &[b'7'; 500], Duration::ZERO)).await;
    assert!(matches!(fetch(&url(head), None, SHORT, &[]).await, Err(FetchError::Http(_))));
    let garbage = server(|stream| say(stream, b"220 mail.example\r\n".to_vec())).await;
    assert!(matches!(fetch(&url(garbage), None, SHORT, &[]).await, Err(FetchError::Http(_))));
}

#[tokio::test]
async fn a_redirect_is_followed_nowhere() {
    let hits = Arc::new(AtomicUsize::new(0));
    let counted = hits.clone();
    let target = server(move |stream| {
        counted.fetch_add(1, SeqCst);
        say(stream, ok(b"it"))
    })
    .await;
    let redirect = format!("HTTP/1.1 302 Found\r\nLocation: http://{target}/\r\nContent-Length: 0\r\n\r\n");
    let from = server(move |stream| say(stream, redirect.clone().into_bytes())).await;
    assert!(
        matches!(fetch(&url(from), None, SHORT, &[]).await, Err(FetchError::Status(status)) if status == 302)
    );
    assert_eq!(hits.load(SeqCst), 0);
}

#[tokio::test]
async fn a_server_that_never_answers_or_drips_holds_nothing_up() {
    // Nobody accepts: the kernel does, and that is all.
    let black_hole = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent = server(|stream| async move {
        let _stream = stream;
        std::future::pending::<()>().await;
    })
    .await;
    let pause = Duration::from_millis(5);
    let head = server(move |stream| drip(stream, b"HTTP/1.1 200 OK\r\n", b"a: b\r\n", pause)).await;
    let body = server(move |stream| drip(stream, b"HTTP/1.1 200 OK\r\n\r\n", b"7", pause)).await;
    for slow in [black_hole.local_addr().unwrap(), silent, head, body] {
        let fetched = fetch(&url(slow), Some(vec![1]), Bounds { octets: 1 << 20, ..SHORT }, &[]).await;
        assert!(matches!(fetched, Err(FetchError::Slow(_) | FetchError::Http(_))), "{fetched:?}");
    }
    drop(black_hole);
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    assert!(matches!(fetch(&url(gone), None, SHORT, &[]).await, Err(FetchError::Unreachable(_))));
}

#[tokio::test]
async fn nobody_is_asked_at_an_inner_address_of_units() {
    let pools = ["10.64.0.0/16".parse().unwrap(), "127.0.0.0/8".parse().unwrap()];
    let inside = server(|stream| say(stream, ok(b"it"))).await;
    for host in [inside.to_string(), format!("[::ffff:127.0.0.1]:{}", inside.port())] {
        let url = format!("http://{host}/").parse().unwrap();
        assert!(matches!(fetch(&url, None, SHORT, &pools).await, Err(FetchError::Barred(_))), "{host}");
    }
}

// ---------------------------------------------------------------- a CA with lists

struct Vendor {
    params: CertificateParams,
    key: KeyPair,
    anchor: Anchor,
}

impl Vendor {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::OrganizationName, "Vendor");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().unwrap();
        let anchor = Anchor::from_der(params.self_signed(&key).unwrap().der()).unwrap();
        Self { params, key, anchor }
    }

    fn device(&self, serial: u8) -> CertPathVerified {
        let mut params = CertificateParams::default();
        params.subject_alt_names = vec![SanType::DnsName(NAME.try_into().unwrap())];
        params.serial_number = Some(Number::from_slice(&[serial]));
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::Any];
        let issuer = Issuer::from_params(&self.params, &self.key);
        let der = params.signed_by(&KeyPair::generate().unwrap(), &issuer).unwrap().der().to_vec();
        let mut anchors = Anchors::new();
        anchors.insert("vendor.example".parse().unwrap(), self.anchor.clone());
        let policy = DevicePolicy::default();
        verify_device(&anchors, &policy, NAME.as_bytes(), &[&der], UnixTime::now()).unwrap()
    }

    /// A list of now that counts for a day.
    fn list(&self, number: u64, revoked: &[u8]) -> Vec<u8> {
        let now = date_time_ymd(1970, 1, 1) + Duration::from_secs(UnixTime::now().secs() as u64);
        let entry = |serial: &u8| RevokedCertParams {
            serial_number: Number::from_slice(&[*serial]),
            revocation_time: now,
            reason_code: Some(RevocationReason::KeyCompromise),
            invalidity_date: None,
        };
        let params = CertificateRevocationListParams {
            this_update: now,
            next_update: now + DAY,
            crl_number: Number::from(number),
            issuing_distribution_point: None,
            revoked_certs: revoked.iter().map(entry).collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        params.signed_by(&Issuer::from_params(&self.params, &self.key)).unwrap().der().to_vec()
    }

    fn asked(&self, lists: Vec<Place>) -> Asked {
        Asked { anchor: self.anchor.clone(), lists, ocsp: None, grace: GRACE }
    }
}

/// Those who ask, and what they were told of.
struct World {
    cas: Arc<ForeignCas>,
    folder: TempDir,
    time: TrustedTime,
    revoked: Arc<Mutex<Vec<DeviceId>>>,
}

impl World {
    fn new(asked: Vec<Asked>) -> Self {
        Self::at(TempDir::new().unwrap(), asked)
    }

    fn at(folder: TempDir, asked: Vec<Asked>) -> Self {
        let cas = ForeignCas::new(folder.path().join("crl"), Vec::new(), asked, UnixTime::now());
        Self { cas: Arc::new(cas), folder, time: Arc::new(|| Some(UnixTime::now())), revoked: Arc::default() }
    }

    fn on_revoked(&self) -> OnRevoked {
        let revoked = self.revoked.clone();
        Arc::new(move |device| revoked.lock().unwrap().push(device))
    }

    /// Asks at once, whatever the time for it is.
    async fn ask(&self, anchor: &Anchor, ask: Ask) {
        let ca = self.cas.cas.read().unwrap()[&anchor.certificate().sha256()].clone();
        ca.known().under_way += 1;
        self.cas.ask(&ca, ask, &self.time, &self.on_revoked()).await;
    }

    fn standing(&self, path: &CertPathVerified) -> Standing {
        self.standing_at(path, UnixTime::now())
    }

    fn standing_at(&self, path: &CertPathVerified, now: UnixTime) -> Standing {
        self.cas.standing(path.path(), &path.serial(), Some(DEVICE), now).unwrap()
    }
}

fn is_good(standing: Standing) -> bool {
    matches!(standing, Standing::Good { .. })
}

fn is_revoked(standing: Standing) -> bool {
    matches!(standing, Standing::Revoked(_))
}

#[tokio::test]
async fn a_list_that_is_fetched_says_what_is_revoked_and_whose_unit_that_is_once() {
    let vendor = Vendor::new();
    let list = Arc::new(Mutex::new(vendor.list(1, &[])));
    let served = list.clone();
    let address = server(move |stream| say(stream, ok(&served.lock().unwrap()))).await;
    let world = World::new(vec![vendor.asked(vec![Place::Http(url(address))])]);
    let (good, bad) = (vendor.device(1), vendor.device(2));
    assert_eq!((world.standing(&good), world.standing(&bad)), (Standing::Asking, Standing::Asking));
    assert_eq!(world.cas.vendor_status(&good, world.time.as_ref()()), Err(VendorStatus::Asking));
    world.ask(&vendor.anchor, Ask::Crl).await;
    assert!(is_good(world.standing(&good)) && is_good(world.standing(&bad)));
    assert_eq!(world.cas.vendor_status(&bad, world.time.as_ref()()), Ok(()));
    *list.lock().unwrap() = vendor.list(2, &[2]);
    world.ask(&vendor.anchor, Ask::Crl).await;
    assert!(is_good(world.standing(&good)) && is_revoked(world.standing(&bad)));
    assert_eq!(world.cas.vendor_status(&bad, world.time.as_ref()()), Err(VendorStatus::Revoked));
    // An older one, and a newer one that lacks the entry.
    for forgetful in [vendor.list(1, &[]), vendor.list(3, &[])] {
        *list.lock().unwrap() = forgetful;
        world.ask(&vendor.anchor, Ask::Crl).await;
        assert!(is_revoked(world.standing(&bad)));
    }
    assert_eq!(*world.revoked.lock().unwrap(), [DEVICE]);
}

#[tokio::test]
async fn the_last_good_list_is_kept_for_a_restart_while_the_ca_is_out_of_reach() {
    let vendor = Vendor::new();
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("list.crl");
    fs::write(&file, vendor.list(1, &[2])).unwrap();
    let world = World::at(folder, vec![vendor.asked(vec![Place::File(file.clone())])]);
    world.ask(&vendor.anchor, Ask::Crl).await;
    fs::remove_file(&file).unwrap();
    let world = World::at(world.folder, vec![vendor.asked(vec![Place::File(file)])]);
    let (good, bad) = (vendor.device(1), vendor.device(2));
    assert!(is_good(world.standing(&good)) && is_revoked(world.standing(&bad)));
    world.ask(&vendor.anchor, Ask::Crl).await;
    assert!(is_good(world.standing(&good)), "until its nextUpdate");
    assert_eq!(world.cas.trouble(UnixTime::now()), None);
    let later = UnixTime::now().after(2 * DAY);
    assert!(world.standing_at(&good, later).is_beyond_grace(later));
    assert!(world.cas.trouble(later).unwrap().contains("its last revocation list ended at"));
}

#[tokio::test]
async fn without_a_place_that_has_its_list_a_ca_says_nothing_and_that_is_a_trouble() {
    let (vendor, other) = (Vendor::new(), Vendor::new());
    let folder = TempDir::new().unwrap();
    let place = |name: &str, content: &[u8]| {
        let file = folder.path().join(name);
        fs::write(&file, content).unwrap();
        Place::File(file)
    };
    let (others, garbage) = (place("other", &other.list(1, &[])), place("garbage", b"PEM?"));
    let good = place("good", &vendor.list(1, &[]));
    let device = vendor.device(1);
    let world = World::new(vec![vendor.asked(vec![others.clone(), garbage.clone()])]);
    assert_eq!(world.standing(&device), Standing::Asking);
    world.ask(&vendor.anchor, Ask::Crl).await;
    assert!(matches!(world.standing(&device), Standing::Unknown { grace_until: None, .. }));
    assert_eq!(world.cas.vendor_status(&device, Some(UnixTime::now())), Err(VendorStatus::Unknown));
    assert!(world.cas.trouble(UnixTime::now()).unwrap().contains("it has given no revocation list"));
    let world = World::new(vec![vendor.asked(vec![others, garbage, good])]);
    world.ask(&vendor.anchor, Ask::Crl).await;
    assert!(is_good(world.standing(&device)), "the third has it");
}

#[tokio::test]
async fn while_our_clock_cannot_be_right_nothing_is_judged() {
    let vendor = Vendor::new();
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("list.crl");
    fs::write(&file, vendor.list(1, &[])).unwrap();
    let mut world = World::at(folder, vec![vendor.asked(vec![Place::File(file)])]);
    let device = vendor.device(1);
    assert_eq!(world.cas.vendor_status(&device, None), Err(VendorStatus::NoClock));
    world.time = Arc::new(|| None);
    world.ask(&vendor.anchor, Ask::Crl).await;
    assert!(!is_good(world.standing(&device)));
    world.time = Arc::new(|| Some(UnixTime::now()));
    world.ask(&vendor.anchor, Ask::Crl).await;
    assert!(is_good(world.standing(&device)));
    assert_eq!(world.cas.vendor_status(&device, None), Err(VendorStatus::NoClock));
}

#[test]
fn whoever_is_not_asked_says_nothing_and_a_ca_between_is_one_that_nobody_can_ask() {
    let (vendor, other) = (Vendor::new(), Vendor::new());
    let world = World::new(vec![vendor.asked(vec![Place::File("none".into())])]);
    let now = UnixTime::now();
    let path = other.device(1);
    assert_eq!(world.cas.standing(path.path(), &path.serial(), Some(DEVICE), now), None);
    assert_eq!(world.cas.vendor_status(&path, Some(now)), Ok(()));
    let [leaf, anchor] = vendor.device(1).path().try_into().unwrap();
    let between = world.cas.standing(&[leaf, leaf, anchor], "01", Some(DEVICE), now);
    assert_eq!(between, Some(Standing::Unknown { since: now, grace_until: None }));
    world.cas.replace(Vec::new(), now);
    assert_eq!(world.cas.standing(&[leaf, anchor], "01", Some(DEVICE), now), None);
}

#[tokio::test]
async fn whoever_runs_it_has_all_asked_by_themselves_and_what_is_known_stays_with_the_same_places() {
    let vendor = Vendor::new();
    let list = vendor.list(1, &[]);
    let address = server(move |stream| say(stream, ok(&list))).await;
    let asked = || vec![vendor.asked(vec![Place::Http(url(address))])];
    let world = World::new(Vec::new());
    let running = tokio::spawn(world.cas.clone().run(world.time.clone(), world.on_revoked()));
    world.cas.replace(asked(), UnixTime::now());
    let device = vendor.device(1);
    let asking = async {
        while !is_good(world.standing(&device)) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), asking).await.unwrap();
    running.abort();
    world.cas.replace(asked(), UnixTime::now());
    assert!(is_good(world.standing(&device)));
    let elsewhere = Asked { ocsp: Some(url(address)), ..vendor.asked(Vec::new()) };
    world.cas.replace(vec![elsewhere], UnixTime::now());
    assert_eq!(world.standing(&device), Standing::Asking);
}

#[test]
fn one_ca_has_few_requests_under_way_and_what_ends_makes_room() {
    let vendor = Vendor::new();
    let responder = Some("http://ocsp.vendor.example".parse().unwrap());
    let world = World::new(vec![Asked { ocsp: responder, ..vendor.asked(Vec::new()) }]);
    for serial in 1..=20 {
        assert_eq!(world.standing(&vendor.device(serial)), Standing::Asking);
    }
    let ca = world.cas.cas.read().unwrap().values().next().unwrap().clone();
    assert_eq!(std::iter::from_fn(|| ca.due()).count(), AT_ONCE);
    assert_eq!(ca.next(), None, "nothing to wait for but those");
    ca.known().under_way -= 1;
    assert!(ca.due().is_some() && ca.due().is_none());
}

// ---------------------------------------------------------------- a responder of OpenSSL

const CONFIGURATION: &str = "
[req]
distinguished_name = name
[name]
[ca]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
[responder]
keyUsage = critical, digitalSignature
extendedKeyUsage = OCSPSigning
";

/// A CA of the openssl command line: its folder, and the responder that runs.
struct OpenSsl {
    folder: TempDir,
    responder: Option<Child>,
}

impl OpenSsl {
    /// `None` where there is no openssl.
    fn new() -> Option<Self> {
        if Command::new("openssl").arg("version").output().is_err() {
            println!("SKIPPED: no openssl on this machine");
            return None;
        }
        let ca = Self { folder: TempDir::new().unwrap(), responder: None };
        fs::write(ca.folder.path().join("ca.cnf"), CONFIGURATION).unwrap();
        let key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -config ca.cnf";
        ca.openssl(&format!(
            "req -x509 {key} -keyout ca.key -out ca.pem -days 9 -subj /O=V/CN=CA -extensions ca"
        ));
        ca.openssl(&format!("req -new {key} -keyout responder.key -out responder.csr -subj /CN=R"));
        ca.openssl("x509 -req -in responder.csr -CA ca.pem -CAkey ca.key -set_serial 9 -days 9 -extfile ca.cnf -extensions responder -out responder.pem");
        ca.openssl("x509 -in ca.pem -outform DER -out ca.der");
        Some(ca)
    }

    fn openssl(&self, arguments: &str) {
        let mut openssl = Command::new("openssl");
        let output = openssl.args(arguments.split(' ')).current_dir(self.folder.path()).output().unwrap();
        assert!(output.status.success(), "{arguments}: {}", String::from_utf8_lossy(&output.stderr));
    }

    fn anchor(&self) -> Anchor {
        Anchor::from_der(&fs::read(self.folder.path().join("ca.der")).unwrap()).unwrap()
    }

    /// Runs a responder by this index of OpenSSL's, instead of the one before.
    fn respond(&mut self, index: &str) -> HttpUrl {
        self.stop();
        fs::write(self.folder.path().join("index.txt"), index).unwrap();
        let arguments =
            "ocsp -port 0 -index index.txt -CA ca.pem -rsigner responder.pem -rkey responder.key -nmin 60";
        let mut responder = Command::new("openssl")
            .args(arguments.split(' '))
            .current_dir(self.folder.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // As in "ACCEPT 0.0.0.0:40123 PID=1".
        let lines = BufReader::new(responder.stdout.take().unwrap()).lines();
        let port = lines.map_while(Result::ok).find_map(|line| {
            let address = line.strip_prefix("ACCEPT ")?.split(' ').next()?.to_owned();
            address.rsplit(':').next()?.parse::<u16>().ok()
        });
        self.responder = Some(responder);
        format!("http://127.0.0.1:{}/", port.unwrap()).parse().unwrap()
    }

    fn stop(&mut self) {
        if let Some(mut responder) = self.responder.take() {
            responder.kill().unwrap();
            responder.wait().unwrap();
        }
    }
}

impl Drop for OpenSsl {
    fn drop(&mut self) {
        self.stop();
    }
}

const GOOD: &str = "V\t400101000000Z\t\t07\tunknown\t/CN=unit\n";
const REVOKED: &str = "R\t400101000000Z\t260101000000Z,keyCompromise\t07\tunknown\t/CN=unit\n";

fn serial() -> SerialNumber {
    SerialNumber::from_hex("07").unwrap()
}

/// A world that asks a responder there.
fn asking(ca: &OpenSsl, responder: HttpUrl) -> World {
    let anchor = ca.anchor();
    World::new(vec![Asked { anchor, lists: Vec::new(), ocsp: Some(responder), grace: GRACE }])
}

/// How the certificate stands, presented for its unit.
fn standing_of(world: &World, anchor: &Anchor, now: UnixTime) -> Standing {
    let sha256 = anchor.certificate().sha256();
    world.cas.standing(&[CertSha256::of(b"unit"), sha256], "07", Some(DEVICE), now).unwrap()
}

#[tokio::test]
async fn openssls_responder_says_good_then_revoked_and_good_again_changes_nothing() {
    let Some(mut ca) = OpenSsl::new() else { return };
    let (responder, anchor) = (ca.respond(GOOD), ca.anchor());
    let world = asking(&ca, responder);
    let now = UnixTime::now;
    assert_eq!(standing_of(&world, &anchor, now()), Standing::Asking);
    world.ask(&anchor, Ask::Ocsp(serial())).await;
    let standing = standing_of(&world, &anchor, now());
    assert!(is_good(standing), "{standing:?}");
    for index in [REVOKED, GOOD, ""] {
        let responder = ca.respond(index);
        // The same CA at another port: what is known is handed on by the test.
        let cas = world.cas.cas.read().unwrap().values().next().unwrap().clone();
        let question = OcspQuestion::new(&anchor, serial(), [7; NONCE]).unwrap();
        let response = fetch(&responder, Some(question.der().to_vec()), ANSWER, &[]).await.unwrap();
        if let Ok(answer) = question.answer(&anchor, &response, now()) {
            cas.known().keeper.handle_ocsp(serial(), answer, now(), Instant::now(), 0);
        }
        assert!(is_revoked(standing_of(&world, &anchor, now())), "{index}");
    }
}

#[tokio::test]
async fn openssls_responder_stopped_leaves_grace_to_what_was_good_and_nothing_to_what_is_new() {
    let Some(mut ca) = OpenSsl::new() else { return };
    let (responder, anchor) = (ca.respond(GOOD), ca.anchor());
    let world = asking(&ca, responder.clone());
    standing_of(&world, &anchor, UnixTime::now());
    world.ask(&anchor, Ask::Ocsp(serial())).await;
    ca.stop();
    world.ask(&anchor, Ask::Ocsp(serial())).await;
    let now = UnixTime::now();
    let Standing::Good { until } = standing_of(&world, &anchor, now) else { panic!("for an hour") };
    let after = until.after(Duration::from_secs(1));
    let unknown = Standing::Unknown { since: until, grace_until: Some(until.after(GRACE)) };
    assert_eq!(standing_of(&world, &anchor, after), unknown);
    let new = asking(&ca, responder);
    standing_of(&new, &anchor, now);
    for _ in 0..3 {
        assert_eq!(new.cas.trouble(now), None);
        new.ask(&anchor, Ask::Ocsp(serial())).await;
    }
    assert!(matches!(standing_of(&new, &anchor, now), Standing::Unknown { grace_until: None, .. }));
    assert!(new.cas.trouble(now).unwrap().contains("its OCSP responder does not answer"));
}

#[tokio::test]
async fn openssls_answer_to_another_question_and_unknown_are_no_answers() {
    let Some(mut ca) = OpenSsl::new() else { return };
    let (responder, anchor) = (ca.respond(GOOD), ca.anchor());
    let question = OcspQuestion::new(&anchor, serial(), [7; NONCE]).unwrap();
    let earlier = fetch(&responder, Some(question.der().to_vec()), ANSWER, &[]).await.unwrap();
    assert!(question.answer(&anchor, &earlier, UnixTime::now()).is_ok());
    let replayed = url(server(move |stream| say(stream, ok(&earlier))).await);
    let knows_nothing = ca.respond("");
    for responder in [replayed, knows_nothing] {
        let world = asking(&ca, responder);
        standing_of(&world, &anchor, UnixTime::now());
        world.ask(&anchor, Ask::Ocsp(serial())).await;
        let standing = standing_of(&world, &anchor, UnixTime::now());
        assert!(matches!(standing, Standing::Unknown { grace_until: None, .. }), "{standing:?}");
    }
}
