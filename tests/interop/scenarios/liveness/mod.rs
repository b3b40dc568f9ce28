//! One side falls silent: the other notices, and the tunnel comes back by itself.

use std::time::Duration;

use anyhow::ensure;
use interop::carrier::Carrier;
use interop::truecell::SERVICE_V4;

const EAGER: &str = include_str!("eager.conf");

/// charon gives up a request after 3 s.
const SHORT: &str = "retransmit_timeout = 0.5\nretransmit_base = 1.4\nretransmit_tries = 3";

/// The gateway gives up a request 82.6 s after it was first sent.
const GATEWAY_GIVES_UP: Duration = Duration::from_secs(120);

#[test]
#[ignore = "needs root and strongSwan: ./test interop"]
fn a_frozen_unit_is_noticed_and_its_session_closed() {
    Carrier::with("dpd", "gateway.lifetimes.dpd_s = 1", |carrier| {
        let (unit, host) = (carrier.unit("00aabbccddee")?, carrier.access("femto")?);
        let charon = carrier.charon("femto", &host, &unit, EAGER, SHORT)?;
        charon.wait_for_tunnel()?;
        charon.process.freeze()?;
        let closed = carrier.gateway.wait_for_event("the session's end", GATEWAY_GIVES_UP, |event| {
            event.kind == "gateway.session_closed"
        })?;
        assert_eq!(
            (&closed.body["why"], &closed.body["device"]),
            (&"dpd-timeout".into(), &"00aabbccddee".into())
        );
        ensure!(carrier.gateway.sessions()?.is_empty());
        charon.process.thaw()?;
        carrier.gateway.wait_for_sessions("the unit to come back", |all| (all.len() == 1).then_some(()))?;
        host.ping(SERVICE_V4)?;
        ensure!(carrier.gateway.incidents()?.is_empty());
        Ok(())
    });
}

#[test]
#[ignore = "needs root and strongSwan: ./test interop"]
fn a_unit_that_lost_power_is_back_before_the_gateway_missed_it() {
    Carrier::with("power", "", |carrier| {
        let (unit, host) = (carrier.unit("00aabbccddee")?, carrier.access("femto")?);
        let mut charon = carrier.charon("before", &host, &unit, EAGER, SHORT)?;
        charon.wait_for_tunnel()?;
        charon.process.kill()?;
        let charon = carrier.charon("after", &host, &unit, EAGER, SHORT)?;
        charon.wait_for_tunnel()?;
        // Its packets are held back until the session that it lost has not answered: 6 s.
        host.ping(SERVICE_V4)?;
        carrier.gateway.wait_for_event("the contest's end", Duration::from_secs(10), |event| {
            event.kind == "admission.contest_resolved" && event.body["how"] == "holder-silent"
        })?;
        ensure!(carrier.gateway.sessions()?.len() == 1 && carrier.gateway.incidents()?.is_empty());
        carrier.gateway.verify()
    });
}

#[test]
#[ignore = "needs root and strongSwan: ./test interop"]
fn a_unit_attaches_anew_once_a_frozen_gateway_goes_on() {
    Carrier::with("frozen", "", |carrier| {
        let (unit, host) = (carrier.unit("00aabbccddee")?, carrier.access("femto")?);
        let charon = carrier.charon("femto", &host, &unit, EAGER, SHORT)?;
        charon.wait_for_tunnel()?;
        carrier.gateway.process.freeze()?;
        charon.wait_for_log("giving up after 3 retransmits", 1, Duration::from_secs(30))?;
        carrier.gateway.process.thaw()?;
        charon.wait_for_tunnel()?;
        host.ping(SERVICE_V4)?;
        carrier.gateway.wait_for_sessions("one open session", |all| {
            matches!(all, [session] if session.state == "open").then_some(())
        })?;
        ensure!(carrier.gateway.incidents()?.is_empty(), "{:?}", carrier.gateway.incidents());
        carrier.gateway.verify()
    });
}

#[test]
#[ignore = "needs root and strongSwan: ./test interop"]
fn units_come_back_by_themselves_after_the_gateway_was_killed() {
    Carrier::with("killed", "", |carrier| {
        let units = ["00aabb000001", "00aabb000002", "00aabb000003"];
        let mut charons = Vec::new();
        for id in units {
            let (unit, host) = (carrier.unit(id)?, carrier.access("femto")?);
            let charon = carrier.charon(id, &host, &unit, EAGER, SHORT)?;
            let inner = charon.wait_for_tunnel()?.inner().to_vec();
            host.ping(SERVICE_V4)?;
            charons.push((charon, host, inner));
        }
        carrier.gateway.process.kill()?;
        carrier.gateway.restart()?;
        carrier.gateway.wait_for_sessions("every unit", |all| (all.len() == units.len()).then_some(()))?;
        for (charon, host, inner) in &charons {
            assert_eq!(charon.wait_for_tunnel()?.inner(), inner, "a device keeps its inner addresses");
            host.ping(SERVICE_V4)?;
        }
        ensure!(carrier.gateway.incidents()?.is_empty(), "{:?}", carrier.gateway.incidents());
        carrier.gateway.verify()
    });
}
