//! libreswan as femtocell: what it negotiates, renews and ends. Control plane only.

use anyhow::Result;
use interop::carrier::{Carrier, Unit, filled};
use interop::certificate::KeyKind;
use interop::internet::Host;
use interop::pluto::Pluto;
use interop::truecell::device_name;

const CONF: &str = include_str!("femtocell.conf");
const DEVICE: &str = "00aabbccddee";

/// A carrier with one unit that is pluto.
struct World<'a> {
    carrier: &'a Carrier<'a>,
    unit: Unit,
    host: Host,
}

impl World<'_> {
    fn with(name: &str, settings: &str, kind: KeyKind, body: impl FnOnce(&World<'_>) -> Result<()>) {
        Carrier::with(name, settings, |carrier| {
            carrier.gateway.add_device(DEVICE, &[])?;
            let unit = Unit { name: device_name(DEVICE), credential: carrier.gateway.certify(DEVICE, kind)? };
            let host = carrier.access("femto")?;
            body(&World { carrier, unit, host })
        });
    }

    /// pluto with further lines of its connection.
    fn pluto(&self, lines: &[&str]) -> Result<Pluto> {
        let conf = filled(CONF, &self.unit.name, self.carrier.host.v4.into());
        let conf = lines.iter().fold(conf, |conf, line| format!("{conf}    {line}\n"));
        let (dir, root) = (self.carrier.scene.dir("femto")?, self.carrier.gateway.root()?);
        Pluto::start(&self.host.namespace, &dir, &self.unit.credential, &root, &conf)
    }

    /// The one tunnel stands on both sides, and is the same.
    fn is_attached(&self, pluto: &Pluto) -> Result<()> {
        let (to_gateway, to_pluto) = pluto.child_spis()?;
        self.carrier.gateway.wait_for_sessions("the tunnel that pluto has", |sessions| match sessions {
            [session] if session.state == "open" => match &session.children[..] {
                [child] if child["spi_in"] == to_gateway && child["spi_out"] == to_pluto => Some(()),
                _ => None,
            },
            _ => None,
        })
    }
}

/// What pluto says once it has authenticated the gateway by a signature of RFC 7427.
const GATEWAY_P256: &str = "authenticated peer 'P-256 ECDSA with SHA2_256' digital signature";

fn negotiates(name: &str, kind: KeyKind, lines: &[&str], ike: &str, esp: &str) {
    World::with(name, "", kind, |world| {
        let pluto = world.pluto(lines)?;
        pluto.initiate()?;
        pluto.wait_for_log(GATEWAY_P256, 1)?;
        pluto.wait_for_log(&format!("sent IKE_AUTH request {{{ike}}}"), 1)?;
        pluto.wait_for_log(&format!("xfrm={esp} "), 1)?;
        world.is_attached(&pluto)
    });
}

#[test]
#[ignore = "needs root and libreswan: ./test interop"]
fn an_ecdsa_unit_attaches_with_the_proposals_that_it_makes_by_itself() {
    let ike = "cipher=AES_GCM_16_256 integ=n/a prf=HMAC_SHA2_256 group=MODP2048";
    negotiates("p256", KeyKind::P256, &["authby=ecdsa"], ike, "AES_GCM_16_256-NONE");
}

#[test]
#[ignore = "needs root and libreswan: ./test interop"]
fn aes_gcm_128_with_group_19_and_a_p384_key() {
    let lines = ["authby=ecdsa", "ike=aes_gcm128-sha2_384-dh19", "esp=aes_gcm128"];
    let ike = "cipher=AES_GCM_16_128 integ=n/a prf=HMAC_SHA2_384 group=DH19";
    negotiates("p384", KeyKind::P384, &lines, ike, "AES_GCM_16_128-NONE");
}

#[test]
#[ignore = "needs root and libreswan: ./test interop"]
fn aes_cbc_256_with_group_14_and_an_rsa_2048_key() {
    let lines = ["ike=aes256-sha2_256-modp2048", "esp=aes256-sha2_256"];
    let ike = "cipher=AES_CBC_256 integ=HMAC_SHA2_256_128 prf=HMAC_SHA2_256 group=MODP2048";
    negotiates("rsa2048", KeyKind::Rsa2048, &lines, ike, "AES_CBC_256-HMAC_SHA2_256_128");
}

#[test]
#[ignore = "needs root and libreswan: ./test interop"]
fn aes_cbc_128_with_group_20_and_an_rsa_3072_key() {
    let lines = ["ike=aes128-sha2_256-dh20", "esp=aes128-sha2_256"];
    let ike = "cipher=AES_CBC_128 integ=HMAC_SHA2_256_128 prf=HMAC_SHA2_256 group=DH20";
    negotiates("rsa3072", KeyKind::Rsa3072, &lines, ike, "AES_CBC_128-HMAC_SHA2_256_128");
}

#[test]
#[ignore = "needs root and libreswan: ./test interop"]
fn a_chain_of_four_goes_in_fragments_both_ways() {
    World::with("fragments", "[ca]\nintermediates = 2", KeyKind::Rsa3072, |world| {
        let pluto = world.pluto(&["fragmentation=force", "ike=aes_gcm256-sha2_256-dh31"])?;
        pluto.initiate()?;
        world.is_attached(&pluto)?;
        println!("{:?}", world.carrier.gateway.events()?);
        anyhow::bail!("look")
    });
}

#[test]
#[ignore = "needs root and libreswan: ./test interop"]
fn a_cookie_and_another_group_are_asked_for_and_given() {
    let settings = "[gateway.suites]\nkey_exchanges = [\"ecp384\"]\n[gateway.limits]\ncookie_threshold = 0";
    World::with("invalid-ke", settings, KeyKind::P256, |world| {
        let pluto = world.pluto(&["authby=ecdsa", "ike=aes_gcm256-sha2_256-dh31+dh20"])?;
        pluto.initiate()?;
        world.is_attached(&pluto)?;
        anyhow::bail!("look")
    });
}

#[test]
#[ignore = "needs root and libreswan: ./test interop"]
fn an_rsa_gateway() {
    World::with("rsa-gateway", "[ca]\nkey = \"rsa-3072\"", KeyKind::Rsa2048, |world| {
        let pluto = world.pluto(&["ike=aes_gcm256-sha2_256-dh31", "authby=rsa-sha2"])?;
        pluto.initiate()?;
        world.is_attached(&pluto)?;
        anyhow::bail!("look")
    });
}

#[test]
#[ignore = "needs root and libreswan: ./test interop"]
fn sas_are_renewed_kept_alive_and_deleted() {
    World::with("renew", "", KeyKind::P256, |world| {
        let pluto = world.pluto(&["authby=ecdsa", "ike=aes_gcm256-sha2_256-dh31", "dpddelay=1", "dpdtimeout=5"])?;
        pluto.initiate()?;
        world.is_attached(&pluto)?;
        pluto.order("rekey-ike")?;
        pluto.wait_for_log("initiator rekeyed IKE SA", 1)?;
        pluto.order("rekey-ipsec")?;
        pluto.wait_for_log("initiator rekeyed Child SA", 1)?;
        world.is_attached(&pluto)?;
        std::thread::sleep(std::time::Duration::from_secs(4));
        pluto.order("terminate")?;
        world.carrier.gateway.wait_for_sessions("none", |s| s.is_empty().then_some(()))?;
        anyhow::bail!("look {}", world.carrier.gateway.run(&["event", "tail"])?)
    });
}

#[test]
#[ignore = "needs root and libreswan: ./test interop"]
fn method_9() {
    World::with("m9", "", KeyKind::P256, |world| {
        let pluto = world.pluto(&["authby=ecdsa", "ike=aes_gcm256-sha2_256-dh31"])?;
        pluto.impair("force-v2-auth-method:ECDSA_SHA2_256_P256")?;
        pluto.impair("omit-v2n-signature-hash-algorithms")?;
        pluto.initiate()?;
        world.is_attached(&pluto)?;
        anyhow::bail!("look")
    });
}

#[test]
#[ignore = "needs root and libreswan: ./test interop"]
fn childless() {
    World::with("childless", "", KeyKind::P256, |world| {
        let pluto = world.pluto(&["authby=ecdsa", "ike=aes_gcm256-sha2_256-dh31"])?;
        pluto.impair("omit-v2-ike-auth-child")?;
        pluto.order("initiate")?;
        pluto.wait_for_log("established IKE SA", 1)?;
        pluto.order("initiate")?;
        std::thread::sleep(std::time::Duration::from_secs(4));
        world.is_attached(&pluto)?;
        anyhow::bail!("look")
    });
}

#[test]
#[ignore = "needs root and libreswan: ./test interop"]
fn odd() {
    World::with("odd", "", KeyKind::P256, |world| {
        let pluto = world.pluto(&["authby=ecdsa", "ike=aes_gcm256-sha2_256-dh31"])?;
        for how in ["add-unknown-v2-payload-to:IKE_SA_INIT", "add-unknown-v2-payload-to-sk:IKE_AUTH", "send-nonzero-reserved", "minor-version-bump", "send-bogus-payload-flag", "send-bogus-isakmp-flag", "jacob-two-two"] {
            pluto.impair(how)?;
        }
        pluto.initiate()?;
        world.is_attached(&pluto)?;
        anyhow::bail!("look")
    });
}

#[test]
#[ignore = "needs root and libreswan: ./test interop"]
fn cut() {
    World::with("cut", "", KeyKind::P256, |world| {
        let pluto = world.pluto(&["authby=ecdsa", "ike=aes_gcm256-sha2_256-dh31"])?;
        pluto.initiate()?;
        world.is_attached(&pluto)?;
        world.carrier.gateway.run(&["device", "move", DEVICE, "retired", "--why", "test"])?;
        std::thread::sleep(std::time::Duration::from_secs(8));
        anyhow::bail!("look")
    });
}
