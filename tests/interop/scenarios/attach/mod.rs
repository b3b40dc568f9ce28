//! charon attaches: over IPv4 and IPv6 outside, with IPv4 and IPv6 inside.

use anyhow::{Context, Result};
use interop::carrier::Carrier;
use interop::charon::PROMPT;
use interop::truecell::{SERVICE_V4, SERVICE_V6, Session};

use crate::FEMTOCELL;

const BY_HAND: &str = include_str!("by_hand.conf");
const CHILDLESS: &str = include_str!("childless.conf");

fn attaches_and_passes_packets(name: &str, v6: bool) {
    Carrier::with(name, "", |carrier| {
        let (unit, host) = (carrier.unit("00aabbccddee")?, carrier.access("femto")?);
        let gateway = carrier.host.address(v6);
        let charon = carrier.charon_to(gateway, "femto", &host, &unit, FEMTOCELL, "")?;
        let sa = charon.wait_for_tunnel()?;
        assert_eq!(sa.inner().len(), 2, "{sa:?}");
        host.ping(SERVICE_V4)?;
        host.ping(SERVICE_V6)?;
        let session = only(carrier)?;
        assert_eq!((session.device.as_str(), session.state.as_str()), ("00aabbccddee", "open"));
        assert_eq!(session.inner, sa.inner());
        assert!(session.outer.contains(&host.address(v6).to_string()), "{session:?}");
        assert!(session.uplink.octets > 0 && session.downlink.octets > 0, "{session:?}");
        Ok(())
    });
}

fn only(carrier: &Carrier<'_>) -> Result<Session> {
    let sessions: [Session; 1] = carrier.gateway.sessions()?.try_into().ok().context("not one session")?;
    let [session] = sessions;
    carrier.gateway.ask(&["session", "show", &session.id])
}

#[test]
#[ignore = "needs root and strongSwan: ./test interop"]
fn a_unit_attaches_over_ipv4_and_reaches_the_service_over_both() {
    attaches_and_passes_packets("v4", false);
}

#[test]
#[ignore = "needs root and strongSwan: ./test interop"]
fn a_unit_attaches_over_ipv6_and_reaches_the_service_over_both() {
    attaches_and_passes_packets("v6", true);
}

#[test]
#[ignore = "needs root and strongSwan: ./test interop"]
fn a_unit_without_nat_sends_esp_in_udp_because_the_gateway_says_it_is_behind_one() {
    Carrier::with("udp", "", |carrier| {
        carrier.internet.watch_raw_esp()?;
        let (unit, host) = (carrier.unit("00aabbccddee")?, carrier.access("femto")?);
        let charon = carrier.charon("femto", &host, &unit, FEMTOCELL, "")?;
        let sa = charon.wait_for_tunnel()?;
        host.ping(SERVICE_V4)?;
        assert_eq!((sa.text("remote-port"), sa.text("nat-remote")), ("4500", "yes"), "{sa:?}");
        assert_eq!(carrier.internet.raw_esp_packets()?, 0);
        Ok(())
    });
}

#[test]
#[ignore = "needs root and strongSwan: ./test interop"]
fn mobike_is_asked_for_and_not_offered() {
    Carrier::with("mobike", "", |carrier| {
        let (unit, host) = (carrier.unit("00aabbccddee")?, carrier.access("femto")?);
        let charon = carrier.charon("femto", &host, &unit, FEMTOCELL, "")?;
        charon.wait_for_tunnel()?;
        let log = charon.log();
        let line = |what: &str| log.lines().find(|line| line.contains(what)).unwrap_or_default().to_owned();
        assert!(line("generating IKE_AUTH request 1 [ IDi").contains("N(MOBIKE_SUP)"), "{log}");
        let answer = line("parsed IKE_AUTH response 1 [ IDr");
        assert!(!answer.is_empty() && !answer.contains("MOBIKE"), "{answer}");
        assert!(!log.contains("peer supports MOBIKE"), "{log}");
        Ok(())
    });
}

#[test]
#[ignore = "needs root and strongSwan: ./test interop"]
fn a_unit_attaches_without_a_child_sa_and_makes_it_afterwards() {
    Carrier::with("childless", "", |carrier| {
        let (unit, host) = (carrier.unit("00aabbccddee")?, carrier.access("femto")?);
        let charon = carrier.charon("femto", &host, &unit, CHILDLESS, "")?;
        charon.initiate_childless("segw")?;
        let sa = charon.wait_for_sas("an IKE SA", PROMPT, |sas| sas.first().cloned())?;
        assert!(sa.established() && sa.children().is_empty(), "{sa:?}");
        assert_eq!(only(carrier)?.children.len(), 0);
        charon.initiate("core")?;
        charon.wait_for_tunnel()?;
        host.ping(SERVICE_V4)?;
        Ok(())
    });
}

#[test]
#[ignore = "needs root and strongSwan: ./test interop"]
fn a_childless_unit_that_starts_by_itself_makes_its_child_sa_in_an_exchange_of_its_own() {
    Carrier::with("alone", "", |carrier| {
        let (unit, host) = (carrier.unit("00aabbccddee")?, carrier.access("femto")?);
        let conf = FEMTOCELL.replace("version = 2", "version = 2\n        childless = force");
        let charon = carrier.charon("femto", &host, &unit, &conf, "")?;
        charon.wait_for_tunnel()?;
        host.ping(SERVICE_V4)?;
        host.ping(SERVICE_V6)?;
        let log = charon.log();
        let line = |what: &str| log.lines().find(|line| line.contains(what)).unwrap_or_default().to_owned();
        assert!(line("parsed IKE_SA_INIT response 0").contains("N(CHDLESS_SUP)"), "{log}");
        for message in ["generating IKE_AUTH request 1 [", "parsed IKE_AUTH response 1 ["] {
            let payloads = line(message);
            assert!(payloads.contains("AUTH") && !payloads.contains("SA TSi"), "{message}: {payloads}");
        }
        assert!(line("parsed CREATE_CHILD_SA response 2 [").ends_with("[ SA No KE TSi TSr ]"), "{log}");
        assert_eq!(only(carrier)?.children.len(), 1);
        Ok(())
    });
}

#[test]
#[ignore = "needs root and strongSwan: ./test interop"]
fn two_child_sas_with_equal_selectors_are_one_claim() {
    Carrier::with("equal", "", |carrier| {
        let (unit, host) = (carrier.unit("00aabbccddee")?, carrier.access("femto")?);
        let charon = carrier.charon("femto", &host, &unit, BY_HAND, "")?;
        charon.initiate("core")?;
        charon.initiate("copy")?;
        charon.wait_for_sas("two CHILD SAs", PROMPT, |sas| match sas {
            [sa] if sa.children().len() == 2 && sa.child_up() => Some(()),
            _ => None,
        })?;
        host.ping(SERVICE_V4)?;
        let session = only(carrier)?;
        assert_eq!((session.state.as_str(), session.children.len()), ("open", 2), "{session:?}");
        assert!(carrier.gateway.incidents()?.is_empty());
        assert!(!carrier.gateway.events()?.iter().any(|event| event.kind == "admission.contested"));
        Ok(())
    });
}

#[test]
#[ignore = "needs root and strongSwan: ./test interop"]
fn a_session_that_is_cut_ends_at_the_unit_too() {
    Carrier::with("cut", "", |carrier| {
        let (unit, host) = (carrier.unit("00aabbccddee")?, carrier.access("femto")?);
        let charon = carrier.charon("femto", &host, &unit, BY_HAND, "")?;
        charon.initiate("core")?;
        host.ping(SERVICE_V4)?;
        carrier.gateway.run(&["session", "cut", &only(carrier)?.id, "--why", "a test"])?;
        charon.wait_for_sas("no IKE SA", PROMPT, |sas| sas.is_empty().then_some(()))?;
        assert!(carrier.gateway.sessions()?.is_empty());
        assert!(host.no_ping(SERVICE_V4));
        Ok(())
    });
}

#[test]
#[ignore = "needs root and strongSwan: ./test interop"]
fn a_unit_with_close_action_start_comes_back_after_a_polite_restart_of_the_gateway() {
    Carrier::with("restart", "", |carrier| {
        let (unit, host) = (carrier.unit("00aabbccddee")?, carrier.access("femto")?);
        let charon = carrier.charon("femto", &host, &unit, FEMTOCELL, "")?;
        let before = charon.wait_for_tunnel()?;
        carrier.gateway.process.stop()?;
        carrier.gateway.restart()?;
        carrier.gateway.wait_for_sessions("the unit to come back", |all| (all.len() == 1).then_some(()))?;
        let after = charon.wait_for_tunnel()?;
        assert_eq!(after.inner(), before.inner(), "a device keeps its inner addresses");
        host.ping(SERVICE_V4)?;
        assert!(carrier.gateway.incidents()?.is_empty());
        Ok(())
    });
}
