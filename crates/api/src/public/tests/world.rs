use crate::Office;
use crate::public::{Bounds, Public, Sources, StatusBooks, TlsIdentity};
use admission::Policy;
use cmp::{
    Enrol, Possession, Protocol, Record, Refusal, Refused, Register, Renew, Stage, Transaction, TransactionId,
};
use events::{Journal, JournalKey};
use ids::UnixTime;
use ledger::{Ledger, Pools, RowKey, store::Sqlite};
use pki::{
    Ca, CaSpec, DeviceOrder, Generation, Issued, Issuing, KeyAlgorithm, KeySource, OffTheBooks,
    crl::Entry,
    ocsp::{OutOfReach, Status, Statuses},
};
use std::{
    collections::{BTreeMap, HashMap},
    net::SocketAddr,
    path::Path,
    sync::{Arc, Condvar, Mutex},
    time::Duration,
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpSocket, TcpStream},
    time::timeout,
};
use x509::CertPathVerified;

/// Far beyond what an answer takes: without one by then there is none.
pub(super) const FAR: Duration = Duration::from_secs(60);

/// A carrier that enrols, and a vendor.
pub(super) struct World {
    pub(super) folder: TempDir,
    pub(super) ca: Arc<Ca>,
    pub(super) vendor: Ca,
    /// A unit's certificate, which counts.
    pub(super) unit: Issued,
    pub(super) register: Arc<Memory>,
    pub(super) known: Arc<Known>,
    pub(super) clock: Arc<Clock>,
    pub(super) public: Arc<Public>,
    pub(super) address: SocketAddr,
    /// Where it answers HTTPS.
    pub(super) tls: SocketAddr,
}

/// The machine's, moved, or not to be trusted.
#[derive(Default)]
pub(super) struct Clock {
    pub(super) is_unsure: Mutex<bool>,
    pub(super) ahead: Mutex<Duration>,
    pub(super) behind: Mutex<Duration>,
}

impl Clock {
    fn now(&self) -> Option<UnixTime> {
        let (ahead, behind) = (*self.ahead.lock().unwrap(), *self.behind.lock().unwrap());
        (!*self.is_unsure.lock().unwrap()).then(|| UnixTime::now().after(ahead).before(behind))
    }
}

/// What became of certificates of the CA for devices, by serial.
#[derive(Default)]
pub(super) struct Known {
    pub(super) statuses: Mutex<HashMap<String, Status>>,
    pub(super) is_out_of_reach: Mutex<bool>,
}

impl Known {
    fn reach(&self) -> Result<(), OutOfReach> {
        if *self.is_out_of_reach.lock().unwrap() { Err(OutOfReach) } else { Ok(()) }
    }
}

impl Statuses for Known {
    fn status(&self, issuing: Generation, serial: &str, _: UnixTime) -> Result<Status, OutOfReach> {
        self.reach()?;
        let known = self.statuses.lock().unwrap().get(serial).copied();
        Ok(known.filter(|_| issuing.issuing() == Issuing::Devices).unwrap_or(Status::NotIssued))
    }
}

impl StatusBooks for Known {
    fn revoked(&self, issuing: Generation, _: UnixTime, _: UnixTime) -> Result<Vec<Entry>, OutOfReach> {
        self.reach()?;
        let statuses = self.statuses.lock().unwrap();
        let entry = |(serial, status): (&String, &Status)| match status {
            Status::Revoked { at, reason } => {
                Some(Entry { serial: serial.clone(), at: *at, reason: *reason })
            }
            Status::Good | Status::NotIssued => None,
        };
        Ok(statuses.iter().filter(|_| issuing.issuing() == Issuing::Devices).filter_map(entry).collect())
    }
}

/// A register in memory, which can be kept from writing refusals down.
pub(super) struct Memory {
    ca: Arc<Ca>,
    pub(super) records: Mutex<BTreeMap<TransactionId, Record>>,
    pub(super) refused: Mutex<Vec<Refused>>,
    is_shut: Mutex<bool>,
    opened: Condvar,
    /// How many are to be with it at the same time before it grants anything; and how many there are.
    together: Mutex<(usize, usize)>,
    joined: Condvar,
}

impl Memory {
    fn grant(
        &self,
        who: &CertPathVerified,
        possession: &Possession,
        (transaction, protocol): (&Transaction, Protocol),
        now: UnixTime,
    ) -> Result<Vec<Vec<u8>>, Refusal> {
        if self.records.lock().unwrap().contains_key(&transaction.id) {
            return Err(Refusal::TransactionInUse);
        }
        let key = KeySource::Proven(possession.clone());
        let order = DeviceOrder { device: who.name().device, key, validity: None, by: "test".into() };
        let chain = self.ca.issue(&order, &mut OffTheBooks, now).map_err(|_| Refusal::Failed)?.chain;
        let (transaction, certificate) = (transaction.clone(), chain[0].clone());
        let stage = match protocol {
            Protocol::Cmp => Stage::Waiting,
            Protocol::Est => Stage::Confirmed,
        };
        let record = Record { transaction: transaction.clone(), certificate, stage };
        self.records.lock().unwrap().insert(transaction.id, record);
        Ok(chain)
    }

    /// Who is refused waits until it is open again.
    pub(super) fn shut(&self, is_shut: bool) {
        *self.is_shut.lock().unwrap() = is_shut;
        self.opened.notify_all();
    }

    /// It grants nothing before so many are there.
    pub(super) fn wait_for(&self, many: usize) {
        *self.together.lock().unwrap() = (many, 0);
    }

    fn is_joined(&self) -> bool {
        let mut together = self.together.lock().unwrap();
        together.1 += 1;
        self.joined.notify_all();
        let waited = self.joined.wait_timeout_while(together, FAR, |(all, here)| here < all).unwrap();
        !waited.1.timed_out()
    }

    fn end(&self, id: &TransactionId, stage: Stage) {
        self.records.lock().unwrap().get_mut(id).unwrap().stage = stage;
    }
}

fn vendor<'a>(request: &Enrol<'a>) -> &'a CertPathVerified {
    match request.by {
        cmp::Voucher::Vendor(path) => path,
        cmp::Voucher::Legacy(_) => panic!("no legacy group is known"),
    }
}

impl Register for Memory {
    fn find(&self, id: &TransactionId, _: UnixTime) -> Result<Option<Record>, Refusal> {
        Ok(self.records.lock().unwrap().get(id).cloned())
    }

    fn legacy(&self, _: ids::CertSha256) -> Result<Option<ids::Realm>, Refusal> {
        Ok(None)
    }

    fn enrol(&self, request: &Enrol<'_>, now: UnixTime) -> Result<Vec<Vec<u8>>, Refusal> {
        if !self.is_joined() {
            return Err(Refusal::Unavailable);
        }
        self.grant(vendor(request), request.possession, (request.transaction, request.protocol), now)
    }

    fn renew(&self, request: &Renew<'_>, now: UnixTime) -> Result<Vec<Vec<u8>>, Refusal> {
        self.grant(request.current, request.possession, (request.transaction, request.protocol), now)
    }

    fn confirm(&self, id: &TransactionId, _: UnixTime) -> Result<(), Refusal> {
        self.end(id, Stage::Confirmed);
        Ok(())
    }

    fn rejected(&self, id: &TransactionId, _: UnixTime) -> Result<(), Refusal> {
        self.end(id, Stage::Over);
        Ok(())
    }

    fn refused(&self, refused: &Refused) {
        let is_shut = self.is_shut.lock().unwrap();
        drop(self.opened.wait_timeout_while(is_shut, FAR, |is_shut| *is_shut).unwrap());
        self.refused.lock().unwrap().push(refused.clone());
    }
}

fn office(folder: &Path) -> Office {
    let key = JournalKey::create(&folder.join("journal.key")).unwrap();
    let (dir, now) = (folder.join("journal"), UnixTime::now());
    let (journal, _) = Journal::open(&dir, "test".parse().unwrap(), key, now).unwrap();
    let store = Box::new(Sqlite::open(&folder.join("ledger.sqlite")).unwrap());
    let ledger = Ledger::open(store, journal, RowKey::new(&[7; 32]), Pools::default(), now);
    Office { ledger: ledger.unwrap().0, policy: Policy::default() }
}

fn ca(folder: &Path, name: &str, realm: &str) -> Ca {
    Ca::create(&folder.join(name), &CaSpec::new(name, realm.parse().unwrap()), UnixTime::now()).unwrap()
}

pub(super) fn order() -> DeviceOrder {
    let key = KeySource::Generate(KeyAlgorithm::P256);
    DeviceOrder { device: "00aabbccddee".parse().unwrap(), key, validity: None, by: "test".into() }
}

impl World {
    pub(super) async fn new() -> Self {
        Self::with(Bounds::default()).await
    }

    pub(super) async fn with(bounds: Bounds) -> Self {
        Self::of(bounds, true).await
    }

    /// `renewed`: there are signers and lists.
    pub(super) async fn of(bounds: Bounds, renewed: bool) -> Self {
        let folder = TempDir::new().unwrap();
        let ca = Arc::new(self::ca(folder.path(), "ca", "femto.example"));
        let vendor = self::ca(folder.path(), "vendor", "vendor.example");
        let unit = ca.issue(&order(), &mut OffTheBooks, UnixTime::now()).unwrap();
        let known = Arc::new(Known::default());
        known.statuses.lock().unwrap().insert(unit.info.serial.clone(), Status::Good);
        let register = Arc::new(Memory {
            ca: ca.clone(),
            records: Mutex::default(),
            refused: Mutex::default(),
            is_shut: Mutex::default(),
            opened: Condvar::new(),
            together: Mutex::default(),
            joined: Condvar::new(),
        });
        let clock = Arc::new(Clock::default());
        let now = clock.clone();
        let sources = Sources {
            ca: ca.clone(),
            office: office(folder.path()),
            statuses: known.clone(),
            register: register.clone(),
            revocations: Default::default(),
            clock: Arc::new(move || now.now()),
            ocsp_period: Duration::from_secs(3600),
            crl_period: Duration::from_secs(24 * 3600),
            tls: Some(TlsIdentity::Issued("pki.femto.example".into())),
        };
        let public = Arc::new(Public::new(sources, vendor.anchors().clone(), bounds));
        if renewed {
            public.renew();
        }
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(public.clone().serve(listener, std::future::pending()));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let tls = listener.local_addr().unwrap();
        tokio::spawn(public.clone().serve_tls(listener, std::future::pending()));
        Self { folder, ca, vendor, unit, register, known, clock, public, address, tls }
    }

    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(super) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// From another address than all the others.
    pub(super) async fn connect_from(&self, source: &str) -> TcpStream {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(format!("{source}:0").parse().unwrap()).unwrap();
        socket.connect(self.address).await.unwrap()
    }

    /// What comes until the connection is ended.
    pub(super) async fn hear(&self, said: &[u8]) -> Heard {
        let mut stream = self.connect().await;
        stream.write_all(said).await.unwrap();
        heard(stream).await
    }

    pub(super) async fn get(&self, path: &str) -> Heard {
        self.hear(format!("GET {path} HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n").as_bytes()).await
    }

    pub(super) async fn post(&self, path: &str, media_type: &str, body: &[u8]) -> Heard {
        self.hear(&post(path, media_type, body)).await
    }

    /// How many requests to this route had this outcome.
    pub(super) fn counted(&self, route: &str, outcome: &str) -> u64 {
        let wanted = vec![("route", route.to_owned()), ("outcome", outcome.to_owned())];
        let families = self.public.families();
        let samples = &families.iter().find(|family| family.name == "enrol_requests").unwrap().samples;
        samples.iter().find(|(labels, _)| *labels == wanted).map_or(0, |(_, count)| *count)
    }

    /// An OCSPRequest about this serial by SHA-1, in DER (RFC 6960 §4.1.1).
    pub(super) fn ocsp_request(&self, serial: &str) -> Vec<u8> {
        use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
        let sha1 = |octets: &[u8]| tlv(4, digest(&SHA1_FOR_LEGACY_USE_ONLY, octets).as_ref());
        let issuer = &self.ca.issuing_certificate(Issuing::Devices);
        // The point of a P-256 key ends its SubjectPublicKeyInfo.
        let key = &issuer.spki()[issuer.spki().len() - 65..];
        let octets = serial.as_bytes().chunks(2);
        let octets = octets.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap());
        let serial = tlv(2, &octets.collect::<Vec<u8>>());
        let algorithm = tlv(0x30, &[0x06, 5, 0x2b, 0x0e, 3, 2, 0x1a, 5, 0]);
        let id = tlv(0x30, &[algorithm, sha1(issuer.subject_der()), sha1(key), serial].concat());
        tlv(0x30, &tlv(0x30, &tlv(0x30, &tlv(0x30, &id))))
    }
}

/// Below 128 octets, or 256.
fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u8::try_from(content.len()).unwrap();
    let head = if length < 128 { vec![tag, length] } else { vec![tag, 0x81, length] };
    [&head, content].concat()
}

pub(super) fn post(path: &str, media_type: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: here\r\nConnection: close\r\nContent-Type: {media_type}\r\nContent-Length: {length}\r\n\r\n"
    );
    [head.as_bytes(), body].concat()
}

/// What was heard of one answer.
#[derive(Debug)]
pub(super) struct Heard {
    pub(super) head: String,
    pub(super) body: Vec<u8>,
}

impl Heard {
    /// 0 where there was no answer.
    pub(super) fn status(&self) -> u16 {
        self.head.split(' ').nth(1).map_or(0, |status| status.parse().unwrap())
    }

    pub(super) fn field(&self, name: &str) -> Option<&str> {
        let fields = self.head.lines().filter_map(|line| line.split_once(": "));
        fields.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

/// What comes until the connection is ended, by whatever means.
pub(super) async fn heard(mut stream: TcpStream) -> Heard {
    let mut octets = Vec::new();
    let all = async {
        let mut part = [0; 4096];
        while let Ok(length @ 1..) = stream.read(&mut part).await {
            octets.extend_from_slice(&part[..length]);
        }
    };
    timeout(FAR, all).await.expect("the connection is ended");
    let end = octets.windows(4).position(|four| four == b"\r\n\r\n").map_or(octets.len(), |at| at + 4);
    let body = octets.split_off(end);
    Heard { head: String::from_utf8(octets).unwrap(), body }
}
