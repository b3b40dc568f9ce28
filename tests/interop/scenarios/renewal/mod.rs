//! Keys and authentication are renewed while traffic goes on.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use interop::carrier::Carrier;
use interop::charon::{Charon, IkeSa, PROMPT};
use interop::numbered::{Numbered, Outcome};
use interop::truecell::SERVICE_V4;

use crate::FEMTOCELL;

/// The gateway renews after one minute less up to a tenth.
const EACH_MINUTE: &str = "gateway.lifetimes = { ike_sa_m = 1, child_sa_m = 1 }";
const LATER: Duration = Duration::from_secs(75);

/// A datagram each way in this time.
const PACE: Duration = Duration::from_micros(500);

#[test]
#[ignore = "needs root and strongSwan: ./test interop"]
fn both_sas_are_renewed_by_either_side_under_load_and_no_packet_is_lost() {
    Carrier::with_core("rekey", EACH_MINUTE, |carrier, core| {
        let (unit, host) = (carrier.unit("00aabbccddee")?, carrier.access("femto")?);
        host.reach_through_tunnel_alone(core)?;
        let charon = carrier.charon("femto", &host, &unit, FEMTOCELL, "")?;
        let mut sa = charon.wait_for_tunnel()?;
        let inner = sa.inner_v4()?;
        host.ping(&core.v4.to_string())?;
        let up = Numbered::start((&host, inner), (core, core.v4.into()), PACE)?;
        let down = Numbered::start((core, core.v4.into()), (&host, inner), PACE)?;
        for _ in 0..5 {
            charon.rekey(&["--child", "core"])?;
            sa = renewed(&charon, "a CHILD SA renewed by the unit", &sa, is_new_child)?;
            charon.rekey(&["--ike", "segw"])?;
            sa = renewed(&charon, "an IKE SA renewed by the unit", &sa, is_new_ike)?;
        }
        let asked = charon.log().matches("generating CREATE_CHILD_SA request").count();
        ensure!(asked == 10, "the unit has asked {asked} times");
        charon.wait_for_log("parsed CREATE_CHILD_SA request 0 [", 1, LATER)?;
        renewed(&charon, "both SAs renewed by the gateway", &sa, |new, old| {
            is_new_ike(new, old) && is_new_child(new, old)
        })?;
        let asks = charon.log().matches("generating CREATE_CHILD_SA request").count();
        ensure!(asks == asked, "the unit renewed something itself");
        for (way, stream) in [("up", &up), ("down", &down)] {
            stream.wait_for(1000, PROMPT).context(way)?;
        }
        let [up, down] = [up.stop()?, down.stop()?];
        let session = carrier.gateway.session_of(&unit)?;
        let evidence = format!("up {up:?}\ndown {down:?}\n{session:#?}\n{:?}", carrier.gateway.counters()?);
        for stream in [up, down] {
            ensure!(stream == Outcome { sent: stream.sent, ..Outcome::default() }, "{evidence}");
        }
        ensure!(session.drops.is_empty(), "{evidence}");
        no_second_claim(carrier)
    });
}

/// Waits until one IKE SA with one CHILD SA in use is left that `is_new` beside `old`.
fn renewed(charon: &Charon, what: &str, old: &IkeSa, is_new: fn(&IkeSa, &IkeSa) -> bool) -> Result<IkeSa> {
    charon.wait_for_sas(what, LATER, |sas| {
        let [sa] = sas else { return None };
        (sa.installed().len() == 1 && is_new(sa, old)).then(|| sa.clone())
    })
}

fn is_new_ike(new: &IkeSa, old: &IkeSa) -> bool {
    new.text("initiator-spi") != old.text("initiator-spi")
}

/// With a key exchange of its own.
fn is_new_child(new: &IkeSa, old: &IkeSa) -> bool {
    let spi = |sa: &IkeSa| sa.installed().first().map(|child| child.text("spi-in").to_owned());
    spi(new) != spi(old) && new.installed().iter().all(|child| !child.text("dh-group").is_empty())
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
