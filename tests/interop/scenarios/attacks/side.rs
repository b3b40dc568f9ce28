//! One of two who have the key of a unit.

use super::{Look, Who};
use crate::clone::COPY;
use anyhow::{Context, Result};
use interop::carrier::{Unit, filled};
use interop::charon::Charon;
use interop::internet::Host;
use interop::relay::Relay;
use interop::scene::Scene;
use std::net::IpAddr;

/// Proposals of a unit, and of other software.
const PROPOSALS: [&str; 2] = ["aes256gcm16-prfsha256-x25519", "aes256gcm16-prfsha384-ecp256"];

pub(super) struct Side {
    pub(super) who: Who,
    pub(super) host: Host,
    gateway: IpAddr,
    conf: String,
    pub(super) identity: Unit,
    starts: u32,
    pub(super) charon: Option<Charon>,
    pub(super) session: Option<String>,
    _relay: Option<Relay>,
}

impl Side {
    pub(super) fn new(
        who: Who,
        host: Host,
        gateway: IpAddr,
        look: Look,
        identity: &Unit,
        relay: Option<Relay>,
    ) -> Self {
        let [own, others] = PROPOSALS;
        let conf = if look == Look::Same { COPY.to_owned() } else { COPY.replace(own, others) };
        let identity = identity.clone();
        Self { who, host, gateway, conf, identity, starts: 0, charon: None, session: None, _relay: relay }
    }

    pub(super) fn charon(&self) -> Result<&Charon> {
        self.charon.as_ref().context("it has no power")
    }

    pub(super) fn start(&mut self, scene: &Scene, root: &str) -> Result<()> {
        if self.charon.is_some() {
            return Ok(());
        }
        self.starts += 1;
        let dir = scene.dir(&format!("{:?}-{}", self.who, self.starts))?;
        let charon = Charon::start(&self.host.namespace, &dir, "make_before_break = yes")?;
        charon.own(&self.identity.credential, "own")?;
        charon.trust(root, "root")?;
        charon.load(&filled(&self.conf, &self.identity.name, self.gateway))?;
        self.charon = Some(charon);
        Ok(())
    }
}
