//! The carrier itself: everything a real one has but radio and core network.

use crate::unit::{KnownGateway, Unit, UnitIdentity};
use admission::Policy;
use anyhow::Context;
use api::Office;
use events::{Journal, JournalKey};
use gateway::{
    Core, Deps, Gateway, GatewayConfig, Issuers, Listen, NoIssuers, NoOrigins, Origins, Ports, SystemClock,
    VirtualCore, WallClock,
};
use ids::{DeviceId, Realm, UnixTime};
use ike::{
    LocalIdentity,
    crypto::{AuthKey, AwsLc},
    payload::Identification,
};
use ledger::{AccessLineRecord, Ledger, NewDevice, Pools, RowKey, store::Sqlite};
use pki::{Ca, CaSpec, DeviceOrder, GatewayOrder, KeyAlgorithm, KeySource, OffTheBooks};
use std::{
    net::{IpAddr, Ipv4Addr},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

/// A carrier on loopback.
pub struct Carrier {
    /// Devices and all that is known of them.
    pub ledger: Ledger,
    /// What is written down.
    pub journal: Journal,
    /// Issues certificates.
    pub ca: Ca,
    /// Lets units in.
    pub gateway: Gateway,
    known: KnownGateway,
    dir: PathBuf,
    clock: Arc<dyn WallClock>,
    told: Told,
}

/// Whose units these are.
pub(crate) const REALM: &str = "femto.carrier.example";
/// How units know the gateway.
const GATEWAY: &str = "segw.femto.carrier.example";
/// What answers pings behind the gateway.
pub const SERVICE: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
/// How long a holder may take to make room. A carrier gives 30 s; a tour should not take that long.
pub(crate) const MAKE_ROOM: Duration = Duration::from_secs(3);

impl Carrier {
    /// Brings a new carrier up with all its files in `dir`, which must be empty.
    ///
    /// # Errors
    /// What could not be made, and why.
    pub fn start(dir: &Path) -> anyhow::Result<Self> {
        Self::made(dir, service(), system_clock(), Told::nothing(), |_| ())
    }

    /// The same with one that takes its time from another clock.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_by(
        dir: &Path,
        clock: Arc<dyn WallClock>,
        adjust: impl FnOnce(&mut GatewayConfig),
    ) -> anyhow::Result<Self> {
        Self::made(dir, service(), clock, Told::nothing(), adjust)
    }

    /// The same with a gateway that `adjust` has changed.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_with(dir: &Path, adjust: impl FnOnce(&mut GatewayConfig)) -> anyhow::Result<Self> {
        Self::made(dir, service(), system_clock(), Told::nothing(), adjust)
    }

    /// The same with one whose gateway is told by `issuers` how certificates stand.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_asking(dir: &Path, issuers: Arc<dyn Issuers>) -> anyhow::Result<Self> {
        let told = Told { issuers, ..Told::nothing() };
        Self::made(dir, service(), system_clock(), told, |_| ())
    }

    /// The same with one whose gateway is told by `origins` where claims come from, and that `adjust` has changed.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_knowing(
        dir: &Path,
        origins: Arc<dyn Origins>,
        adjust: impl FnOnce(&mut GatewayConfig),
    ) -> anyhow::Result<Self> {
        let told = Told { origins, ..Told::nothing() };
        Self::made(dir, service(), system_clock(), told, adjust)
    }

    /// The same before another core.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_before(dir: &Path, core: Box<dyn Core>) -> anyhow::Result<Self> {
        Self::made(dir, vec![core], system_clock(), Told::nothing(), |_| ())
    }

    /// The same before a core with a side for each shard, and a gateway that `adjust` has changed.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_before_with(
        dir: &Path,
        cores: Vec<Box<dyn Core>>,
        adjust: impl FnOnce(&mut GatewayConfig),
    ) -> anyhow::Result<Self> {
        Self::made(dir, cores, system_clock(), Told::nothing(), adjust)
    }

    fn made(
        dir: &Path,
        cores: Vec<Box<dyn Core>>,
        clock: Arc<dyn WallClock>,
        told: Told,
        adjust: impl FnOnce(&mut GatewayConfig),
    ) -> anyhow::Result<Self> {
        let (journal_key, row_key) = key_paths(dir);
        let (ledger, journal) = books(dir, JournalKey::create(&journal_key)?, RowKey::create(&row_key)?)?;
        let realm: Realm = REALM.parse()?;
        let ca = Ca::create(&dir.join("ca"), &CaSpec::new("Carrier", realm), UnixTime::now())?;
        let surroundings = Surroundings { cores, clock: &clock, told: &told };
        let (gateway, known) = start_gateway(&ledger, &ca, (0, 0), surroundings, adjust)?;
        Ok(Self { ledger, journal, ca, gateway, known, dir: dir.to_owned(), clock, told })
    }

    /// Stops in good order and serves again: the same files, the same ports, nothing else.
    ///
    /// # Errors
    /// What could not be opened again, and why.
    pub fn restart(self) -> anyhow::Result<Self> {
        let Self { ledger, journal, ca, gateway, known, dir, clock, told } = self;
        gateway.shutdown();
        journal.close()?;
        drop((ledger, journal, ca, gateway));
        let (journal_key, row_key) = key_paths(&dir);
        let (ledger, journal) = books(&dir, JournalKey::open(&journal_key)?, RowKey::open(&row_key)?)?;
        let ca = Ca::open(&dir.join("ca"))?;
        let ports = (known.ike.port(), known.natt.port());
        let surroundings = Surroundings { cores: service(), clock: &clock, told: &told };
        let (gateway, known) = start_gateway(&ledger, &ca, ports, surroundings, |_| ())?;
        Ok(Self { ledger, journal, ca, gateway, known, dir, clock, told })
    }

    /// How units know the gateway.
    pub fn known(&self) -> &KnownGateway {
        &self.known
    }

    /// Where its files are.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Puts a line with one network into the ledger.
    ///
    /// # Errors
    /// No such line or network can be, or the ledger is out of reach.
    pub fn line(&self, name: &str, prefix: &str) -> anyhow::Result<()> {
        let line = AccessLineRecord {
            line: name.parse()?,
            prefixes: vec![prefix.parse()?],
            region: "lab".into(),
            position: None,
        };
        Ok(self.ledger.add_line(&line, "lab", UnixTime::now())?)
    }

    /// Puts a unit into the ledger, installed behind a line.
    ///
    /// # Errors
    /// It is there already, or the ledger is out of reach.
    pub fn device(&self, id: DeviceId, line: &str) -> anyhow::Result<()> {
        let new = NewDevice { access_line: Some(line.parse()?), ..NewDevice::installed(id) };
        self.ledger.add_device(new, "lab", UnixTime::now())?;
        Ok(())
    }

    /// A certificate issued by the book.
    ///
    /// # Errors
    /// The CA refuses, or the ledger is out of reach.
    pub fn enrol(&self, id: DeviceId) -> anyhow::Result<UnitIdentity> {
        let (order, now) = (order(id, None), UnixTime::now());
        let issued = office(&self.ledger).issue(|books| self.ca.issue(&order, books, now))?;
        identity(id, &self.ca, issued)
    }

    /// The same for so many days, by an office whose policy was laxer than the gateway's is.
    ///
    /// # Errors
    /// As [`Self::enrol`].
    pub fn enrol_for(&self, id: DeviceId, days: u32) -> anyhow::Result<UnitIdentity> {
        let policy = Policy { max_validity_d: days, ..Policy::default() };
        let office = Office { ledger: self.ledger.clone(), policy };
        let span = Duration::from_secs(u64::from(days) * 86_400);
        let (order, now) = (order(id, Some(span)), UnixTime::now());
        let issued = office.issue(|books| self.ca.issue(&order, books, now))?;
        identity(id, &self.ca, issued)
    }

    /// A certificate with a chain to this carrier's own anchor that nobody ordered: as by somebody who
    /// has a key of the CA.
    pub(crate) fn forge(&self, id: DeviceId) -> anyhow::Result<UnitIdentity> {
        let issued = self.ca.issue(&order(id, None), &mut OffTheBooks, UnixTime::now())?;
        identity(id, &self.ca, issued)
    }

    /// Runs a unit until its attempt to attach has ended.
    ///
    /// # Errors
    /// Its local address can't be used. How the attempt ended is in [`Unit::outcome`].
    pub fn attach(&self, identity: &UnitIdentity, outer: [u8; 4]) -> anyhow::Result<Unit> {
        Unit::start(identity, IpAddr::V4(outer.into()), &self.known)
    }
}

fn order(device: DeviceId, validity: Option<Duration>) -> DeviceOrder {
    DeviceOrder { device, key: KeySource::Generate(KeyAlgorithm::P256), validity, by: "lab".into() }
}

fn identity(id: DeviceId, ca: &Ca, issued: pki::Issued) -> anyhow::Result<UnitIdentity> {
    let key = issued.private_key.context("the CA made the key")?;
    let key = Arc::new(AuthKey::from_pkcs8(key.pkcs8())?);
    Ok(UnitIdentity { name: format!("{id}.{}", ca.realm()), chain: issued.chain, key })
}

fn system_clock() -> Arc<dyn WallClock> {
    Arc::new(SystemClock)
}

/// What a gateway is told by others.
#[derive(Clone)]
struct Told {
    issuers: Arc<dyn Issuers>,
    origins: Arc<dyn Origins>,
}

impl Told {
    fn nothing() -> Self {
        Self { issuers: Arc::new(NoIssuers), origins: Arc::new(NoOrigins) }
    }
}

/// What a gateway has around it.
struct Surroundings<'a> {
    cores: Vec<Box<dyn Core>>,
    clock: &'a Arc<dyn WallClock>,
    told: &'a Told,
}

/// The core's sides, one for each shard.
fn service() -> Vec<Box<dyn Core>> {
    let side = || Box::new(VirtualCore::new(vec![SERVICE.into()])) as Box<dyn Core>;
    vec![side(), side()]
}

fn pools() -> anyhow::Result<Pools> {
    Ok(Pools { v4: Some("10.64.0.0/16".parse()?), v6: None })
}

fn office(ledger: &Ledger) -> Office {
    Office { ledger: ledger.clone(), policy: Policy::default() }
}

/// Where the keys of journal and rows are.
fn key_paths(dir: &Path) -> (PathBuf, PathBuf) {
    (dir.join("journal.key"), dir.join("row.key"))
}

pub(crate) fn books(
    dir: &Path,
    journal_key: JournalKey,
    row_key: RowKey,
) -> anyhow::Result<(Ledger, Journal)> {
    let now = UnixTime::now();
    let (journal, _) = Journal::open(&dir.join("journal").join("lab"), "lab".parse()?, journal_key, now)?;
    let store = Box::new(Sqlite::open(&dir.join("ledger.sqlite"))?);
    let (ledger, _) = Ledger::open(store, journal.clone(), row_key, pools()?, now)?;
    Ok((ledger, journal))
}

fn start_gateway(
    ledger: &Ledger,
    ca: &Ca,
    (ike_port, natt_port): (u16, u16),
    Surroundings { cores, clock, told }: Surroundings<'_>,
    adjust: impl FnOnce(&mut GatewayConfig),
) -> anyhow::Result<(Gateway, KnownGateway)> {
    let order = GatewayOrder {
        names: vec![GATEWAY.into()],
        addresses: vec![],
        key: KeySource::Generate(KeyAlgorithm::P256),
        validity: None,
        by: "lab".into(),
    };
    let issued = office(ledger).issue(|books| ca.issue_gateway(&order, books, UnixTime::now()))?;
    let key = issued.private_key.context("the CA made the key")?;
    let identity = LocalIdentity {
        id: Identification::fqdn(GATEWAY),
        certificates: issued.chain,
        key: Arc::new(AuthKey::from_pkcs8(key.pkcs8())?),
    };
    let Pools { v4, v6 } = pools()?;
    let mut config = GatewayConfig::new(identity, v4, v6);
    let addresses = vec![Ipv4Addr::LOCALHOST.into()];
    let ports = Ports::bind(&Listen { addresses, ike_port, natt_port, shards: cores.len() })?;
    config.reachable = vec!["10.0.0.0/24".parse()?];
    config.policy.make_room_s = u32::try_from(MAKE_ROOM.as_secs())?;
    adjust(&mut config);
    let deps = Deps {
        ledger: ledger.clone(),
        anchors: ca.anchors().clone(),
        issuers: told.issuers.clone(),
        origins: told.origins.clone(),
        cores,
        ca_check: Box::new(|_| None),
        core_check: Box::new(|| None),
        ca_key_check: Box::new(|| None),
        clock: clock.clone(),
        crypto: Arc::new(AwsLc),
    };
    let gateway = Gateway::start(config, ports, deps)?;
    let listening = *gateway.addresses().first().context("the gateway listens somewhere")?;
    let known = KnownGateway {
        name: GATEWAY.into(),
        anchors: ca.gateway_anchors().clone(),
        ike: listening.ike,
        natt: listening.natt,
    };
    Ok((gateway, known))
}
