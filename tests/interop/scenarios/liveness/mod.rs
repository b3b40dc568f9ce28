//! One side falls silent: the other notices, and the tunnel comes back by itself.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use interop::carrier::{Carrier, Unit};
use interop::charon::{Charon, PROMPT};
use interop::deadline::until;
use interop::internet::Host;
use interop::numbered::{Numbered, Outcome};
use interop::truecell::SERVICE_V4;

const EAGER: &str = include_str!("eager.conf");

/// charon gives up a request after 3 s.
const SHORT: &str = "retransmit_timeout = 0.5\nretransmit_base = 1.4\nretransmit_tries = 3";

/// The gateway gives up a request 82.6 s after it was first sent.
const GATEWAY_GIVES_UP: Duration = Duration::from_secs(120);

/// A datagram in this time.
const PACE: Duration = Duration::from_millis(1);

/// A unit with an endless stream of datagrams to the core host, and one from there.
struct Busy {
    charon: Charon,
    host: Host,
    unit: Unit,
    up: Numbered,
    down: Numbered,
}

impl Busy {
    fn start(carrier: &Carrier<'_>, core: &Host, id: &str) -> Result<Self> {
        let (unit, host) = (carrier.unit(id)?, carrier.access("femto")?);
        host.reach_through_tunnel_alone(core)?;
        let charon = carrier.charon(id, &host, &unit, EAGER, SHORT)?;
        let inner = charon.wait_for_tunnel()?.inner_v4()?;
        host.ping(&core.v4.to_string())?;
        let up = Numbered::start((&host, inner), (core, core.v4.into()), PACE)?;
        let down = Numbered::start((core, core.v4.into()), (&host, inner), PACE)?;
        Ok(Self { charon, host, unit, up, down })
    }

    fn both_ways(&self) -> Result<()> {
        self.up.wait_for(100, PROMPT).context("up")?;
        self.down.wait_for(100, PROMPT).context("down")
    }

    /// Ends both streams, that must have lost nothing.
    fn lost_nothing(self) -> Result<()> {
        for (way, outcome) in [("up", self.up.stop()?), ("down", self.down.stop()?)] {
            ensure!(outcome == Outcome { sent: outcome.sent, ..Outcome::default() }, "{way}: {outcome:?}");
        }
        Ok(())
    }
}

#[test]
#[ignore = "needs root and strongSwan: ./test interop"]
fn a_unit_that_froze_for_a_moment_under_traffic_goes_on_in_its_session() {
    Carrier::with_core("moment", "", |carrier, core| {
        let frozen = Busy::start(carrier, core, "00aabb000001")?;
        let other = Busy::start(carrier, core, "00aabb000002")?;
        let before = carrier.gateway.session_of(&frozen.unit)?;
        frozen.both_ways()?;
        frozen.charon.process.freeze()?;
        // More than charon's socket holds: what is sent to it meanwhile is lost there.
        until("2,000 packets for the frozen unit", PROMPT, || {
            let now = carrier.gateway.session_of(&frozen.unit)?;
            Ok((now.downlink.packets > before.downlink.packets + 2000).then_some(()))
        })?;
        other.both_ways()?;
        frozen.charon.process.thaw()?;
        frozen.both_ways()?;
        let after = carrier.gateway.session_of(&frozen.unit)?;
        ensure!(after.id == before.id && after.drops.is_empty(), "{before:?}\n{after:?}");
        ensure!(frozen.down.stop()?.late == 0);
        other.lost_nothing()?;
        ensure!(carrier.gateway.incidents()?.is_empty());
        Ok(())
    });
}

#[test]
#[ignore = "needs root and strongSwan: ./test interop"]
fn a_frozen_unit_is_noticed_and_its_session_closed_whatever_is_sent_to_it() {
    Carrier::with_core("dpd", "gateway.lifetimes.dpd_s = 1", |carrier, core| {
        let frozen = Busy::start(carrier, core, "00aabbccddee")?;
        let other = Busy::start(carrier, core, "00aabb000002")?;
        frozen.both_ways()?;
        let before = carrier.gateway.session_of(&frozen.unit)?;
        frozen.charon.process.freeze()?;
        let closed = carrier.gateway.wait_for_event("the session's end", GATEWAY_GIVES_UP, |event| {
            event.kind == "gateway.session_closed"
        })?;
        assert_eq!(
            (&closed.body["why"], &closed.body["device"]),
            (&"dpd-timeout".into(), &"00aabbccddee".into())
        );
        ensure!(carrier.gateway.sessions()?.len() == 1, "the other one");
        until("what is sent to it has no tunnel", PROMPT, || {
            Ok((carrier.gateway.counters()?.dropped("no_tunnel") > 100).then_some(()))
        })?;
        frozen.charon.process.thaw()?;
        carrier.gateway.wait_for_sessions("the unit to come back", |all| (all.len() == 2).then_some(()))?;
        frozen.both_ways()?;
        ensure!(carrier.gateway.session_of(&frozen.unit)?.id != before.id);
        other.lost_nothing()?;
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
fn after_the_gateway_was_killed_nothing_of_old_sas_passes_and_units_come_back_by_themselves() {
    Carrier::with_core("killed", "", |carrier, core| {
        let ids = ["00aabb000001", "00aabb000002", "00aabb000003"];
        let units = ids.iter().map(|id| Busy::start(carrier, core, id)).collect::<Result<Vec<_>>>()?;
        let inner = |unit: &Busy| Ok(unit.charon.wait_for_tunnel()?.inner().to_vec());
        let before = units.iter().map(inner).collect::<Result<Vec<_>>>()?;
        units.iter().try_for_each(Busy::both_ways)?;
        // Frozen, since charon would notice the restart while it lasts.
        units.iter().try_for_each(|unit| unit.charon.process.freeze())?;
        carrier.gateway.process.kill()?;
        carrier.gateway.restart()?;
        let arrived = || units.iter().map(|unit| unit.up.arrived()).sum::<u64>();
        let at_its_end = arrived();
        units.iter().try_for_each(|unit| unit.charon.process.thaw())?;
        until("packets of old SAs", PROMPT, || {
            Ok((carrier.gateway.counters()?.dropped("unknown_spi") > 100).then_some(()))
        })?;
        let (then, sessions) = (arrived(), carrier.gateway.sessions()?);
        ensure!(sessions.is_empty() && then == at_its_end, "{at_its_end} became {then}, {sessions:?}");
        carrier.gateway.wait_for_sessions("every unit", |all| (all.len() == units.len()).then_some(()))?;
        for (unit, before) in units.iter().zip(&before) {
            assert_eq!(&inner(unit)?, before, "a device keeps its inner addresses");
            unit.host.ping(&core.v4.to_string())?;
            unit.both_ways()?;
        }
        let arrived = arrived() - at_its_end;
        let passed = carrier.gateway.sessions()?.iter().map(|session| session.uplink.packets).sum::<u64>();
        ensure!(arrived <= passed, "{arrived} arrived, {passed} were let through");
        ensure!(carrier.gateway.incidents()?.is_empty(), "{:?}", carrier.gateway.incidents());
        carrier.gateway.verify()
    });
}
