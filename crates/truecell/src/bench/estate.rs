use super::{network::Link, serve};
use crate::{
    data_dir::{DataDir, Lock},
    failure::Failure,
    node::Node,
};
use anyhow::{Context, anyhow};
use api::LedgerBooks;
use ids::{DeviceId, Realm, UnixTime};
use ike::crypto::AuthKey;
use lab::{KnownGateway, UnitIdentity};
use ledger::NewDevice;
use pki::{DeviceOrder, Issued, KeyAlgorithm, KeySource, PkiError};
use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::Arc,
};

/// A data directory with devices in its ledger, each with a certificate of the embedded CA.
pub(crate) struct Estate {
    /// Its truecell.toml.
    pub(crate) config: PathBuf,
    pub(crate) data: DataDir,
    /// The gateway, wherever it will listen.
    pub(crate) known: KnownGateway,
    /// PEM of the CA that issued all certificates.
    pub(crate) root: PathBuf,
    pub(crate) units: Vec<UnitIdentity>,
}

/// Where a gateway listens.
#[derive(Clone, Copy)]
pub(crate) enum Site {
    /// On this machine's loopback, at ports that are free; its core is within the process.
    Loopback,
    /// The same, with the public listener.
    Public,
    /// At its end of a link, with a TUN device.
    Link,
}

/// Files of a unit.
pub(crate) struct UnitFiles {
    /// Its identity.
    pub(crate) name: String,
    /// All PEM: its key, its certificate and those that issued it, and who vouches for the gateway.
    pub(crate) key: PathBuf,
    pub(crate) chain: PathBuf,
    pub(crate) root: PathBuf,
}

/// What the gateway proves to be.
pub(crate) const GATEWAY: &str = "segw.operator.example";
/// Inner addresses of units.
pub(crate) const INNER: &str = "10.64.0.0/12";
/// What units reach behind the gateway.
pub(crate) const SERVICE: Ipv4Addr = Ipv4Addr::new(192, 168, 255, 1);
const REALM: &str = "femto.operator.example";
const BY: &str = "bench";
/// Who agrees, where it takes two.
const APPROVER: &str = "approver";
/// Certificates of one transaction: they share its wait for the disk.
const BATCH: usize = 250;

/// Liveness is asked for after a day only: units of the load answer nothing once their tunnel stands.
fn truecell_toml(site: Site) -> String {
    let on_loopback = "listen = [\"127.0.0.1\"]\nport = 0\nport_natt = 0";
    let (listen, more) = match site {
        Site::Loopback => (on_loopback.to_owned(), String::new()),
        Site::Public => (on_loopback.to_owned(), "[enrol]\nlisten = [\"127.0.0.1:0\"]\n".to_owned()),
        Site::Link => {
            // The load's TCP goes to the service address.
            let tun = format!("[gateway.tun]\nreachable = [\"{SERVICE}/32\"]\n");
            (format!("listen = [\"{}\"]", Link::GATEWAY), tun)
        }
    };
    format!(
        r#"
node = "bench"
data = "state"
[gateway]
identity = "{GATEWAY}"
{listen}
[gateway.pools]
v4 = "{INNER}"
[gateway.service]
addresses = ["{SERVICE}"]
[gateway.lifetimes]
dpd_s = 86400
[ca]
organization = "Operator"
realm = "{REALM}"
[http]
listen = "127.0.0.1:0"
[control]
approvers = ["{APPROVER}"]
[log]
format = "json"
{more}"#
    )
}

impl Estate {
    /// Makes it in `folder`, which is made where it is not there. `done` hears of each certificate.
    ///
    /// # Errors
    /// What could not be made.
    pub(crate) fn make(
        folder: &Path,
        site: Site,
        units: usize,
        mut done: impl FnMut(),
    ) -> anyhow::Result<Self> {
        fs::create_dir_all(folder)?;
        let config = folder.join("truecell.toml");
        fs::write(&config, truecell_toml(site))?;
        serve::truecell(&config, &["init"])?;
        let data = DataDir::new(folder.join("state"));
        let _lock = Lock::take(&data, "bench").map_err(|not_taken| failed(not_taken.failure(&data)))?;
        let node = Node::open(&data).map_err(failed)?;
        let ca = node.ca.clone().context("the configuration has a CA")?;
        let now = UnixTime::now();
        let devices: Vec<_> = (0..units as u64).map(device).collect();
        let rows = devices.iter().map(|device| (0, NewDevice::installed(*device)));
        node.ledger.import(rows, ledger::Differing::Refuse, BY, now, |_| ())?;
        let mut identities = Vec::with_capacity(units);
        for batch in devices.chunks(BATCH) {
            let issue = |books: &mut LedgerBooks<'_, '_>, device| {
                let key = KeySource::Generate(KeyAlgorithm::P256);
                let order = DeviceOrder { device, key, validity: None, by: BY.into() };
                Ok((device, ca.issue(&order, books, now)?))
            };
            let issued = node.office().issue(|books| {
                batch.iter().map(|device| issue(books, *device)).collect::<Result<Vec<_>, PkiError>>()
            });
            for (device, issued) in issued? {
                identities.push(identity(device, ca.realm(), issued)?);
                done();
            }
        }
        let (anchors, root) = (ca.gateway_anchors().clone(), ca.directory().join("root.pem"));
        node.close().map_err(failed)?;
        let nowhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let known = KnownGateway { name: GATEWAY.into(), anchors, ike: nowhere, natt: nowhere };
        Ok(Self { config, data, known, root, units: identities })
    }

    /// A further device, and its files in a folder below `folder`.
    ///
    /// # Errors
    /// What could not be made.
    pub(crate) fn unit_files(&self, folder: &Path) -> anyhow::Result<UnitFiles> {
        const ID: &str = "00aabbccddee";
        let out = folder.join("unit");
        serve::truecell(&self.config, &["device", "add", ID])?;
        serve::truecell(
            &self.config,
            &["cert", "issue", ID, "--approver", APPROVER, "--out", &out.to_string_lossy()],
        )?;
        let file = |name: &str| out.join(name);
        let (key, chain) = (file(&format!("{ID}.key")), file(&format!("{ID}.pem")));
        Ok(UnitFiles { name: format!("{ID}.{REALM}"), key, chain, root: file("root.pem") })
    }
}

fn identity(device: DeviceId, realm: &Realm, issued: Issued) -> anyhow::Result<UnitIdentity> {
    let key = issued.private_key.context("the CA made the key")?;
    let key = Arc::new(AuthKey::from_pkcs8(key.pkcs8())?);
    Ok(UnitIdentity { name: format!("{device}.{realm}"), chain: issued.chain, key })
}

fn device(number: u64) -> DeviceId {
    DeviceId::eui64(number.to_be_bytes())
}

fn failed(failure: Failure) -> anyhow::Error {
    anyhow!("{failure}")
}
