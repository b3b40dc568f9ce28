//! The harness itself: strongSwan on both ends, no Truecell.

use anyhow::Result;
use interop::certificate::{Authority, KeyKind};
use interop::charon::Charon;
use interop::internet::{Host, Internet, Side};
use interop::scene::Scene;

const GATEWAY_ID: &str = "segw.carrier.example";
const SERVICE: &str = "10.10.0.1";
const DEVICE_ID: &str = "001122334455.carrier.example";

/// A gateway that is charon and femtocells that are charon, under one CA.
struct World<'a> {
    scene: &'a Scene,
    internet: Internet,
    gateway_host: Host,
    ca: Authority,
}

impl World<'_> {
    fn with(name: &str, body: impl FnOnce(&World<'_>) -> Result<()>) {
        Scene::play(name, |scene| {
            let internet = Internet::new()?;
            let gateway_host = internet.host(Side::Core, "gateway")?;
            body(&World { scene, internet, gateway_host, ca: Authority::root("Test CA")? })
        });
    }

    fn gateway(&self) -> Result<Charon> {
        let charon =
            Charon::start(&self.gateway_host.namespace, &self.scene.dir("gateway")?, "fragment_size = 576")?;
        charon.own(&self.ca.issue(GATEWAY_ID, KeyKind::P256)?, "own")?;
        charon.trust(self.ca.anchor(), "root")?;
        charon.load(&include_str!("gateway.conf").replace("{{id}}", GATEWAY_ID))?;
        self.gateway_host.namespace.ip("addr add 10.10.0.1/32 dev lo")?;
        Ok(charon)
    }

    fn femtocell(&self, host: &Host, issuer: &Authority, kind: KeyKind, v6: bool) -> Result<Charon> {
        let charon = Charon::start(&host.namespace, &self.scene.dir("femtocell")?, "fragment_size = 576")?;
        charon.own(&issuer.issue(DEVICE_ID, kind)?, "own")?;
        charon.trust(self.ca.anchor(), "root")?;
        let gateway = self.gateway_host.address(v6).to_string();
        let conf = include_str!("femtocell.conf")
            .replace("{{id}}", DEVICE_ID)
            .replace("{{gateway_id}}", GATEWAY_ID)
            .replace("{{gateway}}", &gateway);
        charon.load(&conf)?;
        Ok(charon)
    }
}

#[test]
#[ignore = "needs root and strongSwan: ./test interop"]
fn a_tunnel_comes_up_over_ipv4_and_passes_packets() {
    World::with("ipv4", |world| {
        let _gateway = world.gateway()?;
        let host = world.internet.host(Side::Access, "femto")?;
        let femtocell = world.femtocell(&host, &world.ca, KeyKind::P256, false)?;
        femtocell.initiate("core")?;
        let sa = femtocell.wait_for_tunnel()?;
        assert_eq!(sa.inner().len(), 1, "{sa:?}");
        host.ping(SERVICE)?;
        Ok(())
    });
}

#[test]
#[ignore = "needs root and strongSwan: ./test interop"]
fn a_tunnel_comes_up_over_ipv6() {
    World::with("ipv6", |world| {
        let _gateway = world.gateway()?;
        let host = world.internet.host(Side::Access, "femto")?;
        let femtocell = world.femtocell(&host, &world.ca, KeyKind::Rsa2048, true)?;
        femtocell.initiate("core")?;
        femtocell.wait_for_tunnel()?;
        host.ping(SERVICE)?;
        Ok(())
    });
}

#[test]
#[ignore = "needs root and strongSwan: ./test interop"]
fn a_tunnel_survives_the_nat_forgetting_its_mapping() {
    World::with("rebind", |world| {
        let gateway = world.gateway()?;
        let nat = world.internet.nat("nat")?;
        let host = world.internet.host_behind(&nat, "femto")?;
        let femtocell = world.femtocell(&host, &world.ca, KeyKind::P256, false)?;
        femtocell.initiate("core")?;
        let port = |charon: &Charon| charon.wait_for_tunnel().map(|sa| sa.text("remote-port").to_owned());
        let before = port(&gateway)?;
        host.ping(SERVICE)?;
        nat.rebind()?;
        host.ping(SERVICE)?;
        let after = port(&gateway)?;
        assert!(before.starts_with('4') && after.starts_with('5'), "{before} {after}");
        Ok(())
    });
}

#[test]
#[ignore = "needs root and strongSwan: ./test interop"]
fn four_certificates_pass_a_path_of_576_octets_that_drops_ip_fragments() {
    World::with("mtu", |world| {
        let _gateway = world.gateway()?;
        let host = world.internet.host(Side::Access, "femto")?;
        world.internet.set_path_mtu(576)?;
        world.internet.drop_ip_fragments()?;
        let issuer = world
            .ca
            .below("Region CA")
            .and_then(|ca| ca.below("City CA"))
            .and_then(|ca| ca.below("Issuing CA"));
        let femtocell = world.femtocell(&host, &issuer?, KeyKind::Rsa3072, false)?;
        femtocell.initiate("core")?;
        femtocell.wait_for_tunnel()?;
        host.ping(SERVICE)?;
        Ok(())
    });
}

#[test]
#[ignore = "needs root and strongSwan: ./test interop"]
fn a_frozen_gateway_is_noticed_and_a_thawed_one_found_again() {
    World::with("freeze", |world| {
        let gateway = world.gateway()?;
        let host = world.internet.host(Side::Access, "femto")?;
        let femtocell = world.femtocell(&host, &world.ca, KeyKind::P384, false)?;
        femtocell.initiate("core")?;
        femtocell.wait_for_tunnel()?;
        gateway.process.freeze()?;
        femtocell.wait_for_log("giving up after 5 retransmits", 1, std::time::Duration::from_secs(60))?;
        gateway.process.thaw()?;
        femtocell.wait_for_tunnel()?;
        host.ping(SERVICE)?;
        Ok(())
    });
}
