//! libreswan as femtocell: what it negotiates, renews, asks and ends. Control plane only.

use std::time::Duration;

use anyhow::Result;
use interop::carrier::{Carrier, Unit, filled};
use interop::certificate::{Authority, KeyKind, write};
use interop::internet::Host;
use interop::pluto::Pluto;
use interop::truecell::{IDENTITY, device_name};

const CONF: &str = include_str!("femtocell.conf");
const DEVICE: &str = "00aabbccddee";

/// Lines of the connection for a unit with an ECDSA key: left to itself, pluto would try to sign as RSA.
const ECDSA: [&str; 2] = ["authby=ecdsa", "ike=aes_gcm256-sha2_256-dh31"];

/// When the gateway renews at the latest, set to the least that it takes, a minute; and time for it.
const RENEWAL: Duration = Duration::from_secs(75);

/// A carrier with one unit.
struct World<'a> {
    carrier: &'a Carrier<'a>,
    unit: Unit,
    host: Host,
}

impl<'a> World<'a> {
    fn with(name: &str, settings: &str, kind: KeyKind, body: impl FnOnce(&World<'_>) -> Result<()>) {
        Carrier::with(name, settings, |carrier| {
            let host = carrier.access("femto")?;
            body(&World::new(carrier, host, kind)?)
        });
    }

    fn new(carrier: &'a Carrier<'a>, host: Host, kind: KeyKind) -> Result<Self> {
        carrier.gateway.add_device(DEVICE, &[])?;
        let unit = Unit { name: device_name(DEVICE), credential: carrier.gateway.certify(DEVICE, kind)? };
        Ok(Self { carrier, unit, host })
    }

    /// The unit's pluto, with further lines of its connection.
    fn pluto(&self, lines: &[&str]) -> Result<Pluto> {
        self.pluto_that_trusts(&self.carrier.gateway.root()?, false, lines)
    }

    fn pluto_that_trusts(&self, root: &str, v6: bool, lines: &[&str]) -> Result<Pluto> {
        let conf = filled(CONF, &self.unit.name, self.carrier.host.address(v6))
            .replace("{{own}}", &self.host.address(v6).to_string());
        let conf = lines.iter().fold(conf, |conf, line| format!("{conf}    {line}\n"));
        Pluto::start(
            &self.host.namespace,
            &self.carrier.scene.dir("femto")?,
            &self.unit.credential,
            root,
            &conf,
        )
    }

    /// The one tunnel stands on both sides, with the same SPIs.
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

    /// Octets of the IKE fragments that the unit was seen to send.
    fn fragment_sizes(&self) -> Result<Vec<u64>> {
        let events = self.carrier.gateway.events()?;
        let admitted = events.iter().find(|event| event.kind == "admission.admitted");
        let sizes =
            admitted.map(|event| &event.body["claim"]["fingerprint"]["known"]["value"]["fragment_sizes"]);
        let sizes = sizes.and_then(|sizes| sizes.as_array()).into_iter().flatten();
        Ok(sizes.filter_map(serde_json::Value::as_u64).collect())
    }
}

/// What pluto says of a gateway that it has authenticated, by a signature of RFC 7427 (AUTH method 14) and before.
const BY_METHOD_14: &str = "authenticated peer 'P-256 ECDSA with SHA2_256' digital signature";
const BY_METHOD_9: &str = "authenticated peer 'P-256 ECDSA with SHA2_256' signature";

fn negotiates(name: &str, kind: KeyKind, lines: &[&str], ike: &str, esp: &str) {
    World::with(name, "", kind, |world| {
        let pluto = world.pluto(lines)?;
        pluto.initiate()?;
        pluto.wait_for_log(BY_METHOD_14, 1)?;
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
fn it_takes_a_gateway_with_an_rsa_key() {
    let (dir, ca) = (tempfile::tempdir().unwrap(), Authority::root("Another CA").unwrap());
    let own = ca.issue(IDENTITY, KeyKind::Rsa2048).unwrap();
    write(dir.path(), "own.pem", &own.certificate).unwrap();
    write(dir.path(), "own.key", &own.key).unwrap();
    let file = |name| dir.path().join(name).display().to_string();
    let settings = format!("[gateway]\ncertificate = {:?}\nkey = {:?}", file("own.pem"), file("own.key"));
    World::with("rsa-gateway", &settings, KeyKind::Rsa2048, |world| {
        let pluto = world.pluto_that_trusts(ca.anchor(), false, &[])?;
        pluto.initiate()?;
        world.is_attached(&pluto)
    });
}

#[test]
#[ignore = "needs root and libreswan: ./test interop"]
fn without_rfc_7427_both_sides_sign_by_method_9() {
    World::with("method-9", "", KeyKind::P256, |world| {
        let pluto = world.pluto(&ECDSA)?;
        pluto.impair("omit-v2n-signature-hash-algorithms")?;
        pluto.impair("force-v2-auth-method:ECDSA_SHA2_256_P256")?;
        pluto.initiate()?;
        pluto.wait_for_log(BY_METHOD_9, 1)?;
        world.is_attached(&pluto)
    });
}

#[test]
#[ignore = "needs root and libreswan: ./test interop"]
fn a_chain_of_four_certificates_passes_a_path_of_576_octets_that_drops_ip_fragments() {
    World::with("fragments", "[ca]\nintermediates = 3", KeyKind::Rsa3072, |world| {
        world.carrier.internet.set_path_mtu(576)?;
        world.carrier.internet.drop_ip_fragments()?;
        // IKE_SA_INIT is never cut, and with all of pluto's proposals it would be too long.
        let pluto = world.pluto(&["fragmentation=force", "ike=aes_gcm256-sha2_256-dh31"])?;
        pluto.initiate()?;
        world.is_attached(&pluto)?;
        let sizes = world.fragment_sizes()?;
        assert!(sizes.len() > 4 && sizes.iter().all(|octets| *octets <= 576 - 28), "{sizes:?}");
        Ok(())
    });
}

#[test]
#[ignore = "needs root and libreswan: ./test interop"]
fn it_attaches_over_ipv6() {
    World::with("v6", "", KeyKind::P256, |world| {
        let pluto = world.pluto_that_trusts(&world.carrier.gateway.root()?, true, &ECDSA)?;
        pluto.initiate()?;
        world.is_attached(&pluto)
    });
}

#[test]
#[ignore = "needs root and libreswan: ./test interop"]
fn it_finds_the_nat_that_it_is_behind() {
    Carrier::with("nat", "", |carrier| {
        let nat = carrier.internet.nat("nat")?;
        let world = World::new(carrier, carrier.internet.host_behind(&nat, "femto")?, KeyKind::P256)?;
        let pluto = world.pluto(&ECDSA)?;
        pluto.initiate()?;
        world.is_attached(&pluto)?;
        let outer = &carrier.gateway.sessions()?[0].outer;
        assert!(outer.starts_with(&format!("{}:4", nat.outside)) && !outer.ends_with(":4500"), "{outer}");
        Ok(())
    });
}

#[test]
#[ignore = "needs root and libreswan: ./test interop"]
fn a_cookie_and_another_group_are_asked_for_and_given() {
    let settings = "[gateway.suites]\nkey_exchanges = [\"ecp384\"]\n[gateway.limits]\ncookie_threshold = 0";
    World::with("invalid-ke", settings, KeyKind::P256, |world| {
        let pluto = world.pluto(&["authby=ecdsa", "ike=aes_gcm256-sha2_256-dh31+dh20"])?;
        pluto.initiate()?;
        pluto.wait_for_log("received anti-DDOS COOKIE response", 2)?;
        pluto.wait_for_log("INVALID_KE_PAYLOAD response to DH DH31; resending with suggested DH DH20", 1)?;
        world.is_attached(&pluto)
    });
}

#[test]
#[ignore = "needs root and libreswan: ./test interop"]
fn an_ike_sa_without_child_gets_one_later() {
    World::with("childless", "", KeyKind::P256, |world| {
        let pluto = world.pluto(&ECDSA)?;
        pluto.impair("omit-v2-ike-auth-child")?;
        pluto.order("initiate")?;
        pluto.wait_for_log("IKE_AUTH response omitted CHILD SA payloads", 1)?;
        pluto.initiate()?;
        pluto.wait_for_log("xfrm=AES_GCM_16_256-NONE-DH31 ", 1)?;
        world.is_attached(&pluto)
    });
}

#[test]
#[ignore = "needs root and libreswan: ./test interop"]
fn it_renews_both_sas_and_ends_them() {
    World::with("renew", "", KeyKind::P256, |world| {
        let pluto = world.pluto(&ECDSA)?;
        pluto.initiate()?;
        pluto.order("rekey-ike")?;
        pluto.wait_for_log("initiator rekeyed IKE SA #1 ", 1)?;
        pluto.order("rekey-ipsec")?;
        pluto.wait_for_log("initiator rekeyed Child SA #2 ", 1)?;
        world.is_attached(&pluto)?;
        pluto.order("terminate")?;
        let none = |sessions: &[_]| sessions.is_empty().then_some(());
        world.carrier.gateway.wait_for_sessions("the end of the session", none)
    });
}

#[test]
#[ignore = "needs root and libreswan: ./test interop"]
fn it_takes_the_renewal_of_both_sas_by_the_gateway() {
    World::with("renewed", "gateway.lifetimes = { ike_sa_m = 1, child_sa_m = 1 }", KeyKind::P256, |world| {
        let pluto = world.pluto(&ECDSA)?;
        pluto.initiate()?;
        pluto.wait_for_log_within("responder rekeyed IKE SA", 1, RENEWAL)?;
        pluto.wait_for_log_within("responder rekeyed Child SA", 1, RENEWAL)?;
        world.is_attached(&pluto)
    });
}

#[test]
#[ignore = "needs root and libreswan: ./test interop"]
fn its_question_whether_the_gateway_lives_is_answered() {
    World::with("asks", "", KeyKind::P256, |world| {
        let pluto = world.pluto(&[&ECDSA[..], &["dpddelay=1", "dpdtimeout=20"]].concat())?;
        pluto.whack(&["--debug", "base"])?;
        pluto.initiate()?;
        pluto.wait_for_log("received an INFORMATIONAL liveness check response", 2)?;
        world.is_attached(&pluto)
    });
}

#[test]
#[ignore = "needs root and libreswan: ./test interop"]
fn it_answers_the_question_whether_it_lives() {
    World::with("asked", "[gateway.lifetimes]\ndpd_s = 1", KeyKind::P256, |world| {
        let pluto = world.pluto(&ECDSA)?;
        pluto.whack(&["--debug", "base"])?;
        pluto.initiate()?;
        pluto.wait_for_log("received an INFORMATIONAL liveness check request", 2)?;
        world.is_attached(&pluto)
    });
}

/// RFC 7296 §2.5 and §3: a later minor version, unknown payloads that are not critical, and reserved bits are no errors.
#[test]
#[ignore = "needs root and libreswan: ./test interop"]
fn what_a_later_version_might_send_is_overlooked() {
    World::with("later", "", KeyKind::P256, |world| {
        let pluto = world.pluto(&ECDSA)?;
        for how in [
            "minor-version-bump",
            "add-unknown-v2-payload-to:IKE_SA_INIT",
            "add-unknown-v2-payload-to-sk:IKE_AUTH",
            "send-nonzero-reserved",
            "send-bogus-payload-flag",
            "send-bogus-isakmp-flag",
        ] {
            pluto.impair(how)?;
        }
        pluto.initiate()?;
        world.is_attached(&pluto)
    });
}

#[test]
#[ignore = "needs root and libreswan: ./test interop"]
fn a_unit_that_is_retired_is_cut_and_stays_refused() {
    World::with("retired", "", KeyKind::P256, |world| {
        let pluto = world.pluto(&ECDSA)?;
        pluto.initiate()?;
        world.carrier.gateway.run(&["device", "move", DEVICE, "retired", "--why", "scrapped"])?;
        pluto.wait_for_log("IKE SA authentication request rejected by peer: AUTHENTICATION_FAILED", 1)?;
        assert_eq!(world.carrier.gateway.sessions()?.len(), 0);
        Ok(())
    });
}
