//! A carrier: an internet with Truecell on its core side, and units that it knows.

use std::net::IpAddr;

use anyhow::Result;

use crate::certificate::Credential;
use crate::charon::Charon;
use crate::internet::{Host, Internet, Side};
use crate::scene::Scene;
use crate::truecell::{IDENTITY, Truecell, device_name};

/// What units may reach behind the gateway: every host of the internet.
const CORE: &str = "gateway.tun.reachable = [\"198.18.0.0/15\", \"2001:db8::/32\"]\n";

/// The scenario's world.
#[derive(Debug)]
pub struct Carrier<'a> {
    /// Where everything is written.
    pub scene: &'a Scene,
    /// The network.
    pub internet: Internet,
    /// Where the gateway runs.
    pub host: Host,
    /// The gateway.
    pub gateway: Truecell,
}

/// What a unit proves itself with.
#[derive(Clone, Debug)]
pub struct Unit {
    /// Its identity: IDi.
    pub name: String,
    /// Key and certificates.
    pub credential: Credential,
}

impl<'a> Carrier<'a> {
    /// Plays a scenario with a gateway whose configuration has `settings` laid over the base.
    ///
    /// # Panics
    /// When `body` fails; the message is its error.
    pub fn with(name: &str, settings: &str, body: impl FnOnce(&mut Carrier<'_>) -> Result<()>) {
        Scene::play(name, |scene| body(&mut Carrier::new(scene, settings)?));
    }

    /// The same with a TUN device, the gateway's host as a router, and a core host behind it that knows the way back.
    ///
    /// # Panics
    /// When `body` fails; the message is its error.
    pub fn with_core(name: &str, settings: &str, body: impl FnOnce(&mut Carrier<'_>, &Host) -> Result<()>) {
        Self::with(name, &(CORE.to_owned() + settings), |carrier| {
            let core = carrier.internet.host(Side::Core, "core")?;
            carrier.host.forward()?;
            carrier.internet.lead_to(&carrier.host, &["10.64.0.0/12", "fd00:7c::/64"])?;
            body(carrier, &core)
        });
    }

    /// A gateway that serves, and nobody else yet.
    ///
    /// # Errors
    /// When the network cannot be made or the gateway does not become ready.
    pub fn new(scene: &'a Scene, settings: &str) -> Result<Self> {
        let internet = Internet::new()?;
        let host = internet.host(Side::Core, "gateway")?;
        let gateway = Truecell::start(&host.namespace, &scene.dir("gateway")?, settings)?;
        Ok(Self { scene, internet, host, gateway })
    }

    /// A unit that the ledger knows, with a certificate of the embedded CA.
    ///
    /// # Errors
    /// When the gateway refuses.
    pub fn unit(&self, id: &str) -> Result<Unit> {
        self.gateway.add_device(id, &[])?;
        Ok(Unit { name: device_name(id), credential: self.gateway.issue(id, &[])? })
    }

    /// A host on the access side.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn access(&self, role: &str) -> Result<Host> {
        self.internet.host(Side::Access, role)
    }

    /// charon on `host` as `unit`, with the root that it trusts, loaded with `conf`; `settings` are lines of its
    /// strongswan.conf. It reaches the gateway over IPv4; files and logs are in the part `role` of the scene.
    ///
    /// # Errors
    /// When charon does not come up or refuses its configuration.
    pub fn charon(&self, role: &str, host: &Host, unit: &Unit, conf: &str, settings: &str) -> Result<Charon> {
        self.charon_to(self.host.v4.into(), role, host, unit, conf, settings)
    }

    /// The same, reaching the gateway at `gateway`.
    ///
    /// # Errors
    /// As [`Self::charon`].
    pub fn charon_to(
        &self,
        gateway: IpAddr,
        role: &str,
        host: &Host,
        unit: &Unit,
        conf: &str,
        settings: &str,
    ) -> Result<Charon> {
        let charon = Charon::start(&host.namespace, &self.scene.dir(role)?, settings)?;
        charon.own(&unit.credential, "own")?;
        charon.trust(&self.gateway.root()?, "root")?;
        charon.load(&filled(conf, &unit.name, gateway))?;
        Ok(charon)
    }
}

/// A peer's configuration with its placeholders filled in: `{{id}}`, `{{gateway}}`, `{{gateway_id}}`.
#[must_use]
pub fn filled(conf: &str, id: &str, gateway: IpAddr) -> String {
    conf.replace("{{id}}", id)
        .replace("{{gateway}}", &gateway.to_string())
        .replace("{{gateway_id}}", IDENTITY)
}
