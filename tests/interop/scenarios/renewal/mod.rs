//! Keys and authentication are renewed while traffic goes on.

use std::time::Duration;

use anyhow::{Result, ensure};
use interop::carrier::Carrier;
use interop::charon::{Charon, PROMPT};
use interop::truecell::SERVICE_V4;

use crate::FEMTOCELL;

/// The gateway renews after one minute less up to a tenth.
const EACH_MINUTE: &str = "gateway.lifetimes = { ike_sa_m = 1, child_sa_m = 1 }";
const LATER: Duration = Duration::from_secs(75);

#[test]
#[ignore = "needs root and strongSwan: ./test interop"]
fn the_gateway_renews_both_sas_and_no_packet_is_lost() {
    Carrier::with("rekey", EACH_MINUTE, |carrier| {
        let (unit, host) = (carrier.unit("00aabbccddee")?, carrier.access("femto")?);
        let charon = carrier.charon("femto", &host, &unit, FEMTOCELL, "")?;
        let before = charon.wait_for_tunnel()?;
        host.ping(SERVICE_V4)?;
        let pings = host.ping_steadily(SERVICE_V4, &carrier.scene.dir("femto")?.join("ping.txt"))?;
        charon.wait_for_log("parsed CREATE_CHILD_SA request 0 [", 1, LATER)?;
        charon.wait_for_sas("both SAs renewed", LATER, |sas| {
            let [sa] = sas else { return None };
            let is_new = sa.text("initiator-spi") != before.text("initiator-spi");
            let has_own_exchange =
                matches!(sa.installed()[..], [child] if !child.text("dh-group").is_empty());
            (is_new && has_own_exchange).then_some(())
        })?;
        host.ping(SERVICE_V4)?;
        let pinged = pings.stop()?;
        ensure!(pinged.lost == 0, "{pinged:?}");
        ensure!(
            !charon.log().contains("generating CREATE_CHILD_SA request"),
            "the unit renewed something itself"
        );
        no_second_claim(carrier)
    });
}

#[test]
#[ignore = "needs root and strongSwan: ./test interop"]
fn a_unit_that_breaks_before_it_makes_is_no_second_claim() {
    Carrier::with("break", "", |carrier| {
        let (unit, host) = (carrier.unit("00aabbccddee")?, carrier.access("femto")?);
        let charon = carrier.charon("femto", &host, &unit, FEMTOCELL, "")?;
        re_authenticate(&charon)?;
        host.ping(SERVICE_V4)?;
        no_second_claim(carrier)
    });
}

#[test]
#[ignore = "needs root and strongSwan: ./test interop"]
fn a_unit_that_makes_before_it_breaks_makes_room_itself() {
    Carrier::with("make", "", |carrier| {
        let (unit, host) = (carrier.unit("00aabbccddee")?, carrier.access("femto")?);
        let charon = carrier.charon("femto", &host, &unit, FEMTOCELL, "make_before_break = yes")?;
        re_authenticate(&charon)?;
        carrier.gateway.wait_for_event("the contest's end", PROMPT, |event| {
            event.kind == "admission.contest_resolved" && event.body["how"] == "made-room"
        })?;
        carrier.gateway.wait_for_sessions("one open session", |all| {
            matches!(all, [session] if session.state == "open").then_some(())
        })?;
        host.ping(SERVICE_V4)?;
        ensure!(carrier.gateway.incidents()?.is_empty());
        carrier.gateway.verify()
    });
}

/// Has the unit authenticate anew, and waits until its new tunnel is all that is left.
fn re_authenticate(charon: &Charon) -> Result<()> {
    let before = charon.wait_for_tunnel()?;
    charon.rekey(&["--ike", "segw", "--reauth"])?;
    charon.wait_for_sas("a new tunnel alone", PROMPT, |sas| match sas {
        [sa] if sa.established() && sa.text("uniqueid") != before.text("uniqueid") => {
            (sa.installed().len() == 1).then_some(())
        }
        _ => None,
    })
}

fn no_second_claim(carrier: &Carrier<'_>) -> Result<()> {
    let contested = |event: &interop::truecell::Event| event.kind == "admission.contested";
    ensure!(!carrier.gateway.events()?.iter().any(contested));
    ensure!(carrier.gateway.incidents()?.is_empty());
    Ok(())
}
