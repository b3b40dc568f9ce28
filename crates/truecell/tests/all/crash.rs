//! `kill -9` of `truecell serve` while hundreds of units attach and an import runs: what anyone was told holds
//! after the restart, the restart names what it finished, and every unit comes back.
//!
//! `TRUECELL_CRASH_SEED` draws the moments of an earlier run again.

use crate::{bench::Bench, wreck::Wreck};
use api::Office;
use events::{
    Journal, JournalKey,
    admission::{Admitted, Contested, Refused},
};
use ids::{DeviceId, Epoch, SessionId, UnixTime};
use ike::crypto::AuthKey;
use lab::{KnownGateway, Load, UnitIdentity};
use ledger::{Differing, Ledger, NewDevice, Pools, RowKey, store::Sqlite};
use pki::{Ca, DeviceOrder, Issued, KeyAlgorithm, KeySource};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    hash::{BuildHasher, DefaultHasher, Hash, Hasher, RandomState},
    net::{Ipv4Addr, SocketAddr},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};
use x509::AnchorSet;

/// Something to reach behind the gateway.
const SERVICE: &str = "[gateway.service]\naddresses = [\"192.168.255.1\"]\n";
/// Keeps what the journal must not lose.
const WITNESS: &str = "[journal.witness]\ndrop = \"drop\"\n";

const UNITS: u64 = 200;
const IN_FLIGHT: usize = 64;
/// Claims that are judged in one transaction.
const BATCH: usize = 64;
const KILLS: u64 = 8;
/// More than are done before the kill, as a rule.
const IMPORTED: u64 = 10_000;

#[test]
fn kill_9_among_attaches_loses_no_admission_and_keeps_no_unit_out() {
    let (seed, mut estate) = (seed(), Estate::new());
    let (mut told, mut unfinished) = (BTreeSet::new(), Vec::new());
    for kill in 0..KILLS {
        estate.restart(&unfinished);
        let stand = estate.attach_until_killed(&Moment::draw(seed, kill));
        unfinished = estate.assert_all_told_holds(&mut told, &stand);
        let (stand, unfinished) = (stand.len(), unfinished.len());
        println!("kill {kill}: {stand} units had their tunnel, {unfinished} moves were unfinished");
    }
    estate.restart(&unfinished);
    let everyone = attach(&estate.gateway, &estate.units, |_| true);
    assert_eq!(everyone.len(), estate.units.len());
    assert_eq!(estate.bench.json(&["session", "list"])["sessions"].as_array().unwrap().len(), everyone.len());
    assert_eq!(estate.bench.json(&["incident", "list"])["incidents"].as_array().unwrap().len(), 0);
    estate.bench.kill();
    unfinished = estate.assert_all_told_holds(&mut told, &everyone);
    estate.restart(&unfinished);
}

#[test]
fn a_unit_is_shown_with_its_tunnel_and_one_that_was_cut_is_answered_as_closed() {
    let mut estate = Estate::new();
    estate.restart(&[]);
    let unit = attach(&estate.gateway, &estate.units[..1], |_| true).pop_first().unwrap().to_string();
    let shown = estate.bench.json(&["device", "show", &unit])["sessions"][0].clone();
    assert_eq!((&shown["state"], &shown["device"]), (&"open".into(), &unit.into()));
    let cut = estate.bench.json(&["session", "cut", shown["id"].as_str().unwrap(), "--why", "a test"]);
    assert_eq!((&cut["id"], &cut["state"]), (&shown["id"], &"closed".into()));
}

#[test]
fn all_units_that_were_attached_are_in_again_after_a_restore_and_none_is_taken_for_two() {
    let mut estate = Estate::new();
    estate.restart(&[]);
    let (early, late) = estate.units.split_at(estate.units.len() / 2);
    attach(&estate.gateway, early, |_| true);
    estate.bench.good(&["backup", "kept", "--with-keys"]);
    // Of these the backup knows nothing, and the others have a lease in it that is lost.
    attach(&estate.gateway, late, |_| true);
    estate.bench.kill();
    fs::rename(estate.bench.path("state"), estate.bench.path("lost")).unwrap();
    estate.bench.good(&["restore", "kept", "--why", "disk lost"]);
    estate.start();
    let everyone = attach(&estate.gateway, &estate.units, |_| true);
    assert_eq!(everyone.len(), estate.units.len());
    let sessions = estate.bench.json(&["session", "list"])["sessions"].as_array().unwrap().clone();
    assert!(sessions.iter().all(|session| session["state"] == "open"), "{sessions:?}");
    assert_eq!(sessions.len(), everyone.len());
    assert_eq!(estate.bench.json(&["incident", "list"])["incidents"].as_array().unwrap().len(), 0);
}

/// Starts of the node, and units that it gave a tunnel.
type Told = BTreeSet<(Epoch, DeviceId)>;

fn assert_admissions_fit(wreck: &Wreck, told: &Told) {
    let admitted = wreck.admitted();
    let recorded: Told = admitted.values().map(|event| (event.session.epoch, event.device)).collect();
    let lost: Vec<_> = told.difference(&recorded).collect();
    assert!(lost.is_empty(), "no record of {lost:?}");
    assert_eq!(recorded.len(), admitted.len(), "a unit that attaches once is admitted once");
    let met: Vec<_> = admitted.values().filter(|event| event.how != "first").collect();
    assert!(met.is_empty(), "a lease of a start that is over was in the way: {met:?}");
    assert_eq!((wreck.count::<Refused>(), wreck.count::<Contested>()), (0, 0));
    assert_leases_fit(wreck, &admitted, told);
}

fn assert_leases_fit(wreck: &Wreck, admitted: &BTreeMap<SessionId, Admitted>, told: &Told) {
    for (lease, record) in wreck.leases() {
        let explains: Admitted = record.read().unwrap().unwrap();
        assert_eq!((explains.device, explains.session), (lease.device, lease.session));
    }
    let epoch = wreck.epoch();
    let of_last_start = wreck.leases().map(|(lease, _)| lease).filter(|lease| lease.epoch == epoch);
    let leases: BTreeMap<_, _> = of_last_start.map(|lease| (lease.session, lease.device)).collect();
    let holders: Told = leases.values().map(|device| (epoch, *device)).collect();
    let without: Vec<_> = told.difference(&holders).filter(|(start, _)| *start == epoch).collect();
    assert!(without.is_empty(), "no lease of {without:?}");
    // A transaction that the kill cut off leaves its admissions without leases: the last ones, a batch at most.
    let of_last_start = admitted.keys().filter(|session| session.epoch == epoch);
    let cut: Vec<_> = of_last_start.filter(|session| !leases.contains_key(session)).collect();
    let newest = leases.last_key_value().map(|(session, _)| session);
    assert!(cut.len() <= BATCH && cut.iter().all(|session| Some(*session) > newest), "{cut:?}");
}

/// When the gateway is killed: so long after so many units have their tunnel.
struct Moment {
    kill: u64,
    units: usize,
    then: Duration,
}

impl Moment {
    fn draw(seed: u64, kill: u64) -> Self {
        let below = |what: &str, end: u64| {
            let mut hasher = DefaultHasher::new();
            (seed, kill, what).hash(&mut hasher);
            hasher.finish() % end
        };
        let units = usize::try_from(below("units", UNITS - IN_FLIGHT as u64)).unwrap();
        // From at once to 16 ms: a batch of claims takes a few.
        Self { kill, units, then: Duration::from_micros(1 << below("then", 15)) }
    }
}

pub(crate) fn seed() -> u64 {
    let seed = std::env::var("TRUECELL_CRASH_SEED").ok().map(|text| text.parse().unwrap());
    let seed = seed.unwrap_or_else(|| RandomState::new().hash_one(()));
    println!("TRUECELL_CRASH_SEED={seed}");
    seed
}

/// A node and its units.
pub(crate) struct Estate {
    pub(crate) bench: Bench,
    pub(crate) units: Vec<UnitIdentity>,
    pub(crate) gateway: KnownGateway,
}

impl Estate {
    pub(crate) fn new() -> Self {
        Self::of(UNITS)
    }

    /// With so many units.
    pub(crate) fn of(units: u64) -> Self {
        let bench = Bench::bare();
        let config = fs::read_to_string(bench.path("truecell.toml")).unwrap();
        bench.write("truecell.toml", &(config + SERVICE + WITNESS));
        fs::create_dir(bench.path("drop")).unwrap();
        bench.good(&["init"]);
        let (units, anchors) = enrol(&bench, units);
        let nowhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let name = "segw.operator.example".into();
        Self { bench, units, gateway: KnownGateway { name, anchors, ike: nowhere, natt: nowhere } }
    }

    /// Starts the gateway, which names exactly what it finishes, and has everything checked.
    pub(crate) fn restart(&mut self, unfinished: &[String]) {
        assert_eq!(self.start(), unfinished);
        assert_eq!(self.bench.json(&["event", "verify"])["ok"], true);
        assert_eq!(self.bench.json(&["ledger", "verify"])["ok"], true);
    }

    /// Starts the gateway; what it names as finished.
    pub(crate) fn start(&mut self) -> Vec<String> {
        self.start_by(self.bench.command(&["serve"]))
    }

    /// The same by another command.
    pub(crate) fn start_by(&mut self, serve: Command) -> Vec<String> {
        let log = self.bench.start(serve, "ready");
        let ready: serde_json::Value = serde_json::from_str(log.last().unwrap()).unwrap();
        let address = |key: &str| ready[key].as_str().unwrap().parse().unwrap();
        (self.gateway.ike, self.gateway.natt) = (address("ike"), address("natt"));
        let finished = |line: &str| {
            let line: serde_json::Value = serde_json::from_str(line).ok()?;
            let finished = line["message"].as_str()?.strip_prefix("ledger: ")?.split_once(" was finished")?;
            Some(finished.0.to_owned())
        };
        log.iter().filter_map(|line| finished(line)).collect()
    }

    /// The units that had their tunnel when the gateway was gone.
    fn attach_until_killed(&mut self, moment: &Moment) -> BTreeSet<DeviceId> {
        // With an import the ledger has moves for the kill to cut in two; without, admissions alone.
        let import = (moment.kill % 2 == 1).then(|| self.import(moment.kill));
        let (bench, mut since) = (&mut self.bench, None);
        let stand = attach(&self.gateway, &self.units, |stand| {
            if stand >= moment.units {
                since.get_or_insert_with(Instant::now);
            }
            let is_now = since.is_some_and(|since| since.elapsed() >= moment.then);
            if is_now {
                bench.kill();
            }
            !is_now
        });
        // All may have had their tunnel before.
        bench.kill();
        if let Some(mut import) = import {
            import.wait().unwrap();
        }
        stand
    }

    /// Nobody has the files open: all that was told, now `stand` too, is in them. What is unfinished.
    fn assert_all_told_holds(&self, told: &mut Told, stand: &BTreeSet<DeviceId>) -> Vec<String> {
        self.cut_what_is_not_finished();
        let verify = self.bench.json(&["event", "verify", "--witness", "drop"]);
        assert!(verify["ok"] == true && verify["witnessed"]["seq"].as_u64() > Some(0), "{verify}");
        let wreck = Wreck::read(&self.bench);
        let epoch = wreck.epoch();
        told.extend(stand.iter().map(|device| (epoch, *device)));
        assert_admissions_fit(&wreck, told);
        wreck.unfinished()
    }

    /// A kill in the middle of a write leaves a part of one line, which nobody was told of. A start would cut it off;
    /// the journal is looked at before that.
    fn cut_what_is_not_finished(&self) {
        let segments = fs::read_dir(self.bench.path("state/journal/segw-1")).unwrap();
        let segments = segments.map(|entry| entry.unwrap().path());
        let last = segments.filter(|path| path.extension().is_some_and(|end| end == "jsonl")).max().unwrap();
        let written = fs::read(&last).unwrap();
        let whole = written.iter().rposition(|octet| *octet == b'\n').map_or(0, |at| at + 1);
        if whole < written.len() {
            println!("{} octets of a line were written", written.len() - whole);
            File::options().write(true).open(&last).unwrap().set_len(whole as u64).unwrap();
        }
    }

    /// Puts other units into the ledger meanwhile.
    fn import(&self, kill: u64) -> Child {
        let rows: String = (0..IMPORTED).map(|number| format!("00bb{kill:02x}{number:06x}\n")).collect();
        self.bench.write("others.csv", &format!("id\n{rows}"));
        let mut import = self.bench.command(&["device", "import", "others.csv"]);
        import.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }
}

/// Attaches every unit, for as long as `goes_on`, which hears how many have their tunnel; those that have.
pub(crate) fn attach(
    gateway: &KnownGateway,
    units: &[UnitIdentity],
    mut goes_on: impl FnMut(usize) -> bool,
) -> BTreeSet<DeviceId> {
    let mut stand = BTreeSet::new();
    let mut load = Load::new(gateway.clone(), IN_FLIGHT).unwrap();
    let attached = load.attach_while(units, |names| {
        stand.extend(names.iter().map(|name| device(name)));
        goes_on(stand.len())
    });
    attached.unwrap();
    stand
}

/// The unit that is called so in IKE.
pub(crate) fn device(name: &str) -> DeviceId {
    name.split('.').next().unwrap().parse().unwrap()
}

/// Units in the node's ledger, with certificates of its CA; and who vouches for the gateway.
fn enrol(bench: &Bench, units: u64) -> (Vec<UnitIdentity>, AnchorSet) {
    let (now, by) = (UnixTime::now(), "test");
    let state = |name: &str| bench.path("state").join(name);
    let key = JournalKey::open(&state("keys/journal.key")).unwrap();
    let (journal, _) = Journal::open(&state("journal/segw-1"), "segw-1".parse().unwrap(), key, now).unwrap();
    let store = Box::new(Sqlite::open(&state("ledger.sqlite")).unwrap());
    let pools = Pools { v4: Some("10.64.0.0/12".parse().unwrap()), v6: None };
    let row_key = RowKey::open(&state("keys/row.key")).unwrap();
    let (ledger, _) = Ledger::open(store, journal.clone(), row_key, pools, now).unwrap();
    let office = Office { ledger: ledger.clone(), policy: Default::default() };
    let ca = Ca::open(&state("ca")).unwrap();
    let devices: Vec<_> = (0..units).map(|number| DeviceId::eui64(number.to_be_bytes())).collect();
    ledger
        .import(
            devices.iter().map(|device| (0, NewDevice::installed(*device))),
            Differing::Refuse,
            by,
            now,
            |_| (),
        )
        .unwrap();
    let issued = office.issue(|books| {
        let issue = |device: &DeviceId| {
            let key = KeySource::Generate(KeyAlgorithm::P256);
            let order = DeviceOrder { device: *device, key, validity: None, by: by.into() };
            ca.issue(&order, books, now)
        };
        devices.iter().map(issue).collect::<Result<Vec<_>, _>>()
    });
    let identity = |(device, issued): (&DeviceId, Issued)| {
        let key = AuthKey::from_pkcs8(issued.private_key.unwrap().pkcs8()).unwrap();
        UnitIdentity { name: format!("{device}.{}", ca.realm()), chain: issued.chain, key: Arc::new(key) }
    };
    let units = devices.iter().zip(issued.unwrap()).map(identity).collect();
    journal.close().unwrap();
    (units, ca.gateway_anchors().clone())
}
