//! Units whose certificates a vendor's CA issued: strangers until those are imported, and until they end.

use std::time::{Duration, UNIX_EPOCH};

use anyhow::{Result, ensure};
use interop::carrier::{Carrier, Unit};
use interop::certificate::{Authority, Credential, KeyKind, write};
use interop::charon::PROMPT;
use interop::scene::Scene;
use interop::truecell::SERVICE_V4;

use crate::FEMTOCELL;

const ID: &str = "00aabbccddee";
const NAME: &str = "00aabbccddee.femto.vendor.example";
const REALM: &str = "[[realm]]\nname = \"femto.vendor.example\"\nanchors = [\"vendor.pem\"]";

/// A carrier that trusts a vendor's root for one realm, and the CA below it that issues.
fn with_vendor(name: &str, body: impl FnOnce(&Carrier<'_>, &Authority) -> Result<()>) {
    Scene::play(name, |scene| {
        let root = Authority::root("Vendor root")?;
        write(&scene.dir("gateway")?, "vendor.pem", root.anchor())?;
        let carrier = Carrier::new(scene, REALM)?;
        carrier.gateway.add_device(ID, &[])?;
        body(&carrier, &root.below("Vendor issuing CA")?)
    });
}

/// With the root beside it: charon sends the issuing CA's certificate only when it can build the whole path.
fn unit(vendor: &Authority, credential: &Credential) -> Unit {
    let mut credential = credential.clone();
    credential.intermediates.push(vendor.anchor().to_owned());
    Unit { name: NAME.to_owned(), credential }
}

#[test]
#[ignore = "needs root and strongSwan: ./test interop"]
fn a_unit_of_another_ca_is_mis_issued_until_its_certificate_is_imported() {
    with_vendor("vendor", |carrier, vendor| {
        let credential = vendor.issue(NAME, KeyKind::P256)?;
        let host = carrier.access("femto")?;
        let charon = carrier.charon("femto", &host, &unit(vendor, &credential), FEMTOCELL, "")?;
        charon.wait_for_log("received AUTHENTICATION_FAILED notify error", 1, PROMPT)?;
        let refused = carrier
            .gateway
            .wait_for_event("the refusal", PROMPT, |event| event.kind == "admission.refused")?;
        assert_eq!(refused.body["reason"], "mis-issued");

        let said = carrier.gateway.import(ID, &credential)?;
        assert_eq!(said, "1 recorded, 0 unchanged, 0 refused\n");
        charon.initiate("core")?;
        charon.wait_for_tunnel()?;
        host.ping(SERVICE_V4)?;
        carrier.gateway.verify()
    });
}

/// How long the certificate is still valid when it is made, and how late the DELETE may come.
const LIFE: Duration = Duration::from_secs(15);
const PUNCTUAL: Duration = Duration::from_secs(3);

#[test]
#[ignore = "needs root and strongSwan: ./test interop"]
fn a_tunnel_ends_with_its_units_certificate_and_the_unit_is_told() {
    with_vendor("not-after", |carrier, vendor| {
        let ends = UNIX_EPOCH.elapsed()? + LIFE;
        let credential = vendor.issue_until(NAME, KeyKind::P256, LIFE)?;
        carrier.gateway.import(ID, &credential)?;
        let host = carrier.access("femto")?;
        let charon = carrier.charon("femto", &host, &unit(vendor, &credential), FEMTOCELL, "")?;
        charon.wait_for_tunnel()?;
        host.ping(SERVICE_V4)?;
        charon.wait_for_log("received DELETE for IKE_SA", 1, LIFE + PUNCTUAL)?;
        let late = UNIX_EPOCH.elapsed()?.abs_diff(ends);
        ensure!(late < PUNCTUAL, "{late:?} from notAfter to the DELETE");
        // Its configuration has it try again at once, with what has expired.
        charon.wait_for_log("received AUTHENTICATION_FAILED notify error", 1, PROMPT)?;
        let reasons = carrier.gateway.events()?.into_iter().filter_map(|event| match event.kind.as_str() {
            "gateway.session_closed" => Some(event.body["why"].clone()),
            "gateway.attach_failed" => Some(event.body["reason"].clone()),
            _ => None,
        });
        assert_eq!(reasons.collect::<Vec<_>>(), ["expired", "cert-expired"]);
        ensure!(host.no_ping(SERVICE_V4) && carrier.gateway.sessions()?.is_empty());
        ensure!(!charon.log().contains("starting reauthentication"), "the unit authenticated anew too early");
        carrier.gateway.verify()
    });
}
