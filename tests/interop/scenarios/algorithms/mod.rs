//! What is negotiated: ciphers, key exchanges, kinds of key and of signature.

use anyhow::{Context, Result, ensure};
use interop::carrier::{Carrier, Unit};
use interop::certificate::{Authority, KeyKind, write};
use interop::charon::{Charon, IkeSa, PROMPT};
use interop::truecell::{IDENTITY, SERVICE_V4, device_name};

use crate::FEMTOCELL;

const SUITES: &str = include_str!("suites.conf");
const NO_PFS: &str = include_str!("no_pfs.conf");
const INVALID_KE: &str = include_str!("invalid_ke.conf");

/// What `swanctl --list-sas` must say, of the IKE SA and of its renewed CHILD SA alike.
struct Suite {
    connection: &'static str,
    encr: [&'static str; 2],
    integ: &'static str,
    group: &'static str,
}

const NEGOTIATED: [Suite; 4] = [
    Suite { connection: "gcm256", encr: ["AES_GCM_16", "256"], integ: "", group: "CURVE_25519" },
    Suite { connection: "gcm128", encr: ["AES_GCM_16", "128"], integ: "", group: "ECP_256" },
    Suite { connection: "cbc256", encr: ["AES_CBC", "256"], integ: "HMAC_SHA2_256_128", group: "ECP_384" },
    Suite { connection: "cbc128", encr: ["AES_CBC", "128"], integ: "HMAC_SHA2_256_128", group: "MODP_2048" },
];

impl Suite {
    fn of_ike_sa(&self, sa: &IkeSa) -> bool {
        self.is(|key| sa.text(key))
    }

    fn of_child_sa(&self, sa: &IkeSa) -> bool {
        matches!(sa.installed()[..], [child] if self.is(|key| child.text(key)))
    }

    fn is<'a>(&self, said: impl Fn(&str) -> &'a str) -> bool {
        [said("encr-alg"), said("encr-keysize")] == self.encr
            && said("integ-alg") == self.integ
            && said("dh-group") == self.group
    }

    /// Attaches with this suite, passes a packet, renews both SAs, passes another, and goes.
    fn play(&self, charon: &Charon, ping: impl Fn() -> Result<()>) -> Result<()> {
        charon.initiate(self.connection)?;
        let before = charon.wait_for_tunnel()?;
        ensure!(self.of_ike_sa(&before), "{before:?}");
        ping()?;
        charon.rekey(&["--child", self.connection])?;
        charon.rekey(&["--ike", self.connection])?;
        charon.wait_for_sas("renewed SAs of the same suite", PROMPT, |sas| {
            let is_new = |sa: &&IkeSa| sa.text("initiator-spi") != before.text("initiator-spi");
            let [sa] = sas else { return None };
            Some(sa).filter(is_new).filter(|sa| self.of_ike_sa(sa) && self.of_child_sa(sa)).map(drop)
        })?;
        ping()?;
        charon.terminate(&["--ike", self.connection])
    }
}

#[test]
#[ignore = "needs root and strongSwan: ./test interop"]
fn every_suite_carries_packets_before_and_after_the_unit_renews_its_keys() {
    Carrier::with("suites", "", |carrier| {
        let (unit, host) = (carrier.unit("00aabbccddee")?, carrier.access("femto")?);
        let charon = carrier.charon("femto", &host, &unit, SUITES, "")?;
        for suite in &NEGOTIATED {
            suite.play(&charon, || host.ping(SERVICE_V4)).context(suite.connection)?;
        }
        Ok(())
    });
}

#[test]
#[ignore = "needs root and strongSwan: ./test interop"]
fn a_cookie_and_another_group_are_asked_for_and_the_unit_attaches_all_the_same() {
    Carrier::with("cookie", "gateway.limits.cookie_threshold = 0", |carrier| {
        let (unit, host) = (carrier.unit("00aabbccddee")?, carrier.access("femto")?);
        let charon = carrier.charon("femto", &host, &unit, INVALID_KE, "")?;
        charon.initiate("core")?;
        let sa = charon.wait_for_tunnel()?;
        assert_eq!(sa.text("dh-group"), "ECP_256");
        host.ping(SERVICE_V4)?;
        let log = charon.log();
        let answers = ["N(COOKIE)", "N(INVAL_KE)"];
        for answer in answers.map(|answer| format!("parsed IKE_SA_INIT response 0 [ {answer} ]")) {
            assert!(log.contains(&answer), "{answer} is missing in\n{log}");
        }
        // The renewal of a CHILD SA meets the same refusal and gets over it.
        charon.rekey(&["--child", "core"])?;
        charon.wait_for_sas("a renewed CHILD SA", PROMPT, |sas| {
            let [sa] = sas else { return None };
            matches!(sa.installed()[..], [child] if child.text("dh-group") == "ECP_256").then_some(())
        })?;
        host.ping(SERVICE_V4)?;
        Ok(())
    });
}

#[test]
#[ignore = "needs root and strongSwan: ./test interop"]
fn a_unit_whose_esp_proposals_name_no_key_exchange_attaches_and_cannot_renew() {
    Carrier::with("no-pfs", "", |carrier| {
        let (unit, host) = (carrier.unit("00aabbccddee")?, carrier.access("femto")?);
        let charon = carrier.charon("femto", &host, &unit, NO_PFS, "")?;
        charon.initiate("core")?;
        let before = charon.wait_for_tunnel()?;
        charon.rekey(&["--child", "core"])?;
        charon.wait_for_log("received NO_PROPOSAL_CHOSEN notify, no CHILD_SA built", 1, PROMPT)?;
        let warned = carrier.gateway.process.wait_for_line("a unit was refused a CHILD SA", PROMPT)?;
        ensure!(warned.contains("00aabbccddee") && warned.contains("NO_PROPOSAL_CHOSEN"), "{warned}");
        host.ping(SERVICE_V4)?;
        let spi = |sa: &IkeSa| sa.installed().first().map(|child| child.text("spi-in").to_owned());
        assert_eq!(spi(&charon.wait_for_tunnel()?), spi(&before), "the old CHILD SA goes on, to its end");
        Ok(())
    });
}

/// Kinds of key with what charon logs of its own signature: RFC 7427 (method 14), then without it.
const SIGNATURES: [(KeyKind, &str, Option<&str>); 4] = [
    (KeyKind::P256, "ECDSA_WITH_SHA256_DER", Some("ECDSA-256 signature")),
    (KeyKind::P384, "ECDSA_WITH_SHA384_DER", Some("ECDSA-384 signature")),
    (KeyKind::Rsa2048, "RSA_EMSA_PKCS1_SHA2_256", None),
    (KeyKind::Rsa3072, "RSA_EMSA_PKCS1_SHA2_256", None),
];

fn attaches_with(carrier: &Carrier<'_>, id: &str, kind: KeyKind, method: &str, settings: &str) -> Result<()> {
    carrier.gateway.add_device(id, &[])?;
    let unit = Unit { name: device_name(id), credential: carrier.gateway.certify(id, kind)? };
    let host = carrier.access("femto")?;
    let charon = carrier.charon(id, &host, &unit, FEMTOCELL, settings)?;
    charon.wait_for_tunnel()?;
    host.ping(SERVICE_V4)?;
    let said = format!("authentication of '{}' (myself) with {method} successful", unit.name);
    ensure!(charon.log().contains(&said), "{said:?} is missing in\n{}", charon.log());
    Ok(())
}

#[test]
#[ignore = "needs root and strongSwan: ./test interop"]
fn units_with_ecdsa_and_rsa_keys_attach_with_auth_methods_14_9_and_10() {
    Carrier::with("keys", "", |carrier| {
        for (n, (kind, digital_signature, older)) in SIGNATURES.into_iter().enumerate() {
            let id = |method| format!("00aabbccd{method:01}{n:02}");
            attaches_with(carrier, &id(1), kind, digital_signature, "").context(digital_signature)?;
            if let Some(older) = older {
                let settings = "signature_authentication = no";
                attaches_with(carrier, &id(2), kind, older, settings).context(older)?;
            }
        }
        Ok(())
    });
}

#[test]
#[ignore = "needs root and strongSwan: ./test interop"]
fn a_gateway_with_a_certificate_of_another_ca_and_an_rsa_key_is_believed() {
    interop::scene::Scene::play("rsa-segw", |scene| {
        let ca = Authority::root("Carrier root")?.below("Gateways")?;
        let own = ca.issue(IDENTITY, KeyKind::Rsa3072)?;
        let dir = scene.dir("gateway")?;
        write(&dir, "segw.pem", &(own.certificate.clone() + &own.intermediates.concat()))?;
        write(&dir, "segw.key", &own.key)?;
        let settings = "[gateway]\ncertificate = \"segw.pem\"\nkey = \"segw.key\"";
        let carrier = Carrier::new(scene, settings)?;
        let (unit, host) = (carrier.unit("00aabbccddee")?, carrier.access("femto")?);
        let charon = carrier.charon("femto", &host, &unit, "", "")?;
        charon.trust(ca.anchor(), "carrier")?;
        charon.load(&interop::carrier::filled(FEMTOCELL, &unit.name, carrier.host.v4.into()))?;
        charon.wait_for_tunnel()?;
        host.ping(SERVICE_V4)?;
        Ok(())
    });
}
