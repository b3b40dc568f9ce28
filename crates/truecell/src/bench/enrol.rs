use super::{
    Row,
    costs::{Costs, Words},
    http::{Http, side_by_side},
    serve,
    signatures::Signatures,
    work::Work,
};
use crate::{
    data_dir::{DataDir, Lock},
    folder::Folder,
    node::Node,
};
use anyhow::{Context, anyhow};
use aws_lc_rs::rand;
use clap::Args;
use cmp::{Asked, Confirming, Fresh, Nonce, Operator, Signer};
use ids::{AccessLine, DeviceId, UnixTime};
use ledger::{AccessLineRecord, LifeCycle, NewDevice, NewOrder};
use pki::{Ca, CaSpec, DeviceOrder, FileKey, KeyAlgorithm, KeySource, OffTheBooks, PrivateKey};
use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};
use x509::Anchor;

#[derive(Debug, Args)]
pub(crate) struct Enrol {
    /// Units in the ledger, each with an order
    #[arg(long, default_value_t = 250_000, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    estate: u32,

    /// Units that enrol
    #[arg(long, default_value_t = 5000, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    units: u32,

    /// Units that enrol at the same time; the listener takes 32 connections from one address, of which some may be ending
    #[arg(long, default_value_t = 16, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=24))]
    at_once: u32,
}

const WORDS: Words = Words {
    bench: "enrol",
    by_one_processor: "enrolments by one processor",
    beside_clients: "enrolments, beside the units on this machine",
    median: "from ir to pkiConf, median",
    each: ("ms", 1e3),
};
const BY: &str = "bench";
const LINE: &str = "bench";
/// What cannot be left out: the vendor's signature over the unit's certificate, the protection of ir and certConf and the
/// possession of the new key are verified; certificate, ip and pkiConf are signed.
const NEEDED: Signatures = Signatures { made: 3, verified: 4 };
/// Orders of one transaction.
const ORDERS: usize = 10_000;
const CONFIG: &str = r#"
node = "bench"
data = "state"
[gateway]
identity = "segw.operator.example"
listen = ["127.0.0.1"]
port = 0
port_natt = 0
[gateway.pools]
v4 = "10.0.0.0/8"
[gateway.service]
addresses = ["192.168.255.1"]
[ca]
organization = "Operator"
realm = "femto.operator.example"
[enrol]
listen = ["127.0.0.1:0"]
[[vendor]]
realm = "vendor.example"
anchors = "vendor/root.pem"
[http]
listen = "127.0.0.1:0"
[log]
format = "json"
"#;

/// A unit fresh from the factory, with the key that it has made.
struct Fresher {
    vendor: Signer,
    key: FileKey,
}

impl Enrol {
    /// Measures, with all files in a folder below `parent`.
    ///
    /// # Errors
    /// Why there is no figure.
    pub(crate) fn measure(&self, parent: Option<&Path>) -> anyhow::Result<Vec<Row>> {
        let folder = Folder::make(parent, "truecell-bench")?;
        let mut work = Work::new(2 * self.units.min(self.estate) as usize);
        let units = vendor(folder.path(), self.units.min(self.estate), || work.one_done())?;
        let (config, operator) = self.estate(folder.path())?;
        let (serving, address) = serve::serve_enrolment(&config)?;
        let (before, began) = (serving.cpu()?, Instant::now());
        let took =
            side_by_side(address, self.at_once, &units, &mut work, |unit, http| unit.enrol(&operator, http))?;
        let lasted = began.elapsed();
        let cpu = serving.cpu()?.since(&before);
        Costs { serving: &serving, took: &took, lasted, cpu, limit: NEEDED.a_second()? }.rows(&WORDS)
    }

    /// The ledger, with an order for each unit.
    fn estate(&self, folder: &Path) -> anyhow::Result<(PathBuf, Operator)> {
        let config = folder.join("truecell.toml");
        fs::write(&config, CONFIG)?;
        serve::truecell(&config, &["init"])?;
        let data = DataDir::new(folder.join("state"));
        let _lock =
            Lock::take(&data, WORDS.bench).map_err(|not_taken| anyhow!("{}", not_taken.failure(&data)))?;
        let node = Node::open(&data).map_err(|failure| anyhow!("{failure}"))?;
        let (now, line) = (UnixTime::now(), LINE.parse::<AccessLine>()?);
        let devices = (0..u64::from(self.estate)).map(device);
        let shipped = |id| NewDevice { state: LifeCycle::Shipped, ..NewDevice::installed(id) };
        node.ledger.import(
            devices.clone().map(|id| (0, shipped(id))),
            ledger::Differing::Refuse,
            BY,
            now,
            |_| (),
        )?;
        let record = AccessLineRecord {
            line: line.clone(),
            prefixes: vec!["127.0.0.0/8".parse()?],
            region: String::new(),
            position: None,
        };
        node.ledger.add_line(&record, BY, now)?;
        let order = |device: DeviceId| {
            let (id, line) = (device.to_string().parse()?, line.clone());
            let (site, vendor_key, from) = (String::new(), None, None);
            let until = now.after(Duration::from_secs(24 * 3600));
            anyhow::Ok((0, NewOrder { id, device, line, site, vendor_key, from, until }))
        };
        let orders = devices.map(order).collect::<Result<Vec<_>, _>>()?;
        for some in orders.chunks(ORDERS) {
            node.ledger.import_orders(some, BY, now)?;
        }
        let ca = node.ca.clone().context("the configuration has a CA")?;
        let operator = Operator::new(ca.realm().clone(), Anchor::from_der(ca.root())?);
        node.close().map_err(|failure| anyhow!("{failure}"))?;
        Ok((config, operator))
    }
}

impl Fresher {
    fn enrol(&self, operator: &Operator, http: &mut Http) -> anyhow::Result<()> {
        let mut post = |message: &[u8]| http.post("/.well-known/cmp", "application/pkixcmp", message);
        let fresh = Fresh { transaction: nonce()?, nonce: nonce()? };
        let asked = Asked::ir(operator, &self.vendor, &self.key, Some(UnixTime::now()), fresh)?;
        let offer = asked.read(operator, &post(asked.message())?, UnixTime::from_secs(0))?;
        let certificate = offer.chain.first().context("an offer without a certificate")?;
        let (transaction, time) = (&offer.transaction, UnixTime::now());
        let confirming =
            Confirming::new(&self.vendor, transaction, &offer.nonce, certificate, time, nonce()?)?;
        confirming.read(operator, &post(confirming.message())?, offer.time)?;
        Ok(())
    }
}

/// The vendor's CA in `folder`, and units with certificates of it.
fn vendor(folder: &Path, units: u32, mut done: impl FnMut()) -> anyhow::Result<Vec<Fresher>> {
    let spec = CaSpec::new("Vendor", "vendor.example".parse()?);
    let ca = Ca::create(&folder.join("vendor"), &spec, UnixTime::now())?;
    let unit = |number: u32| {
        let key = KeySource::Generate(KeyAlgorithm::P256);
        let order = DeviceOrder { device: device(number.into()), key, validity: None, by: BY.into() };
        let issued = ca.issue(&order, &mut OffTheBooks, UnixTime::now())?;
        let private = issued.private_key.context("the CA made the key")?;
        let vendor = Signer::new(Box::new(FileKey::new(&private)?), issued.chain)?;
        done();
        Ok(Fresher { vendor, key: FileKey::new(&PrivateKey::generate(KeyAlgorithm::P256)?)? })
    };
    (0..units).map(unit).collect()
}

fn device(number: u64) -> DeviceId {
    DeviceId::eui64(number.to_be_bytes())
}

fn nonce() -> anyhow::Result<Nonce> {
    let mut nonce = Nonce::default();
    rand::fill(&mut nonce).map_err(|_| anyhow!("no randomness"))?;
    Ok(nonce)
}
