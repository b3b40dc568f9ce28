use super::serve;
use crate::{
    data_dir::{DataDir, Lock},
    failure::Failure,
    node::Node,
};
use anyhow::{Context, anyhow};
use ids::{DeviceId, UnixTime};
use ike::crypto::AuthKey;
use lab::{KnownGateway, UnitIdentity};
use ledger::NewDevice;
use pki::{DeviceOrder, KeyAlgorithm, KeySource};
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

const GATEWAY: &str = "segw.operator.example";
const BY: &str = "bench";

/// Liveness is asked for after a day only: units of the load answer nothing once their tunnel stands.
const CONFIG: &str = r#"
node = "bench"
data = "state"
[gateway]
identity = "segw.operator.example"
listen = ["127.0.0.1"]
port = 0
port_natt = 0
[gateway.pools]
v4 = "10.64.0.0/12"
[gateway.service]
addresses = ["192.168.255.1"]
[gateway.lifetimes]
dpd_s = 86400
[ca]
organization = "Operator"
realm = "femto.operator.example"
[http]
listen = "127.0.0.1:0"
[log]
format = "json"
"#;

impl Estate {
    /// Makes it in `folder`, which is empty. `done` hears of each certificate.
    ///
    /// # Errors
    /// What could not be made.
    pub(crate) fn make(folder: &Path, units: usize, mut done: impl FnMut()) -> anyhow::Result<Self> {
        let config = folder.join("truecell.toml");
        fs::write(&config, CONFIG)?;
        serve::init(&config)?;
        let data = DataDir::new(folder.join("state"));
        let _lock = Lock::take(&data, "bench").map_err(|not_taken| failed(not_taken.failure(&data)))?;
        let node = Node::open(&data).map_err(failed)?;
        let ca = node.ca.clone().context("the configuration has a CA")?;
        let now = UnixTime::now();
        let devices: Vec<_> = (0..units as u64).map(device).collect();
        let rows = devices.iter().map(|device| (0, NewDevice::installed(*device)));
        node.ledger.import(rows, BY, now, |_| ())?;
        let books = node.books();
        let issue = |device| {
            let key = KeySource::Generate(KeyAlgorithm::P256);
            let order = DeviceOrder { device, key, validity: None, by: BY.into() };
            let issued = ca.issue(&order, &books, now)?;
            let key = issued.private_key.context("the CA made the key")?;
            let key = Arc::new(AuthKey::from_pkcs8(key.pkcs8())?);
            done();
            Ok(UnitIdentity { name: format!("{device}.{}", ca.realm()), chain: issued.chain, key })
        };
        let units = devices.into_iter().map(issue).collect::<anyhow::Result<_>>()?;
        let (anchors, root) = (ca.gateway_anchors().clone(), ca.directory().join("root.pem"));
        node.close().map_err(failed)?;
        let nowhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let known = KnownGateway { name: GATEWAY.into(), anchors, ike: nowhere, natt: nowhere };
        Ok(Self { config, data, known, root, units })
    }
}

fn device(number: u64) -> DeviceId {
    DeviceId::eui64(number.to_be_bytes())
}

fn failed(failure: Failure) -> anyhow::Error {
    anyhow!("{failure}")
}
