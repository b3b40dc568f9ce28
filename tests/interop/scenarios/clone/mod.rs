//! One key in two places: the copy passes nothing and is refused, the original goes on, an incident names both.

use anyhow::{Context, Result, ensure};
use interop::carrier::Carrier;
use interop::charon::PROMPT;
use interop::deadline::until;
use interop::truecell::{Incident, SERVICE_V4};
use std::time::Duration;

use crate::FEMTOCELL;

pub(crate) const COPY: &str = include_str!("copy.conf");

/// The holder has 7 s to make room, so that the scenario is short; 30 s is the default.
const SHORT: &str = "admission.make_room_s = 7";

#[test]
#[ignore = "needs root and strongSwan: ./test interop"]
fn a_copied_key_passes_no_packet_is_refused_and_the_original_loses_none() {
    Carrier::with("clone", SHORT, |carrier| {
        let unit = carrier.unit("00aabbccddee")?;
        let (home, away) = (carrier.access("home")?, carrier.access("away")?);
        let original = carrier.charon("original", &home, &unit, FEMTOCELL, "")?;
        let held = original.wait_for_tunnel()?;
        home.ping(SERVICE_V4)?;
        let pings = home.ping_steadily(SERVICE_V4, &carrier.scene.dir("original")?.join("ping.txt"))?;

        let copy = carrier.charon("copy", &away, &unit, COPY, "")?;
        copy.initiate("core")?;
        carrier.gateway.wait_for_sessions("a contest", |all| {
            all.iter().any(|session| session.state == "contesting").then_some(())
        })?;
        ensure!(away.no_ping(SERVICE_V4), "the copy got an answer while its claim was being settled");
        let sessions = carrier.gateway.sessions()?;
        let contesting = sessions.iter().find(|session| session.state == "contesting");
        let contesting = contesting.context("the contest ended too early to look")?;
        let blocked = contesting.drops.get("blocked").copied();
        ensure!(blocked >= Some(1) && contesting.uplink.packets == 0, "{contesting:?}");
        copy.wait_for_sas("the copy to be deleted", PROMPT, |sas| sas.is_empty().then_some(()))?;
        ensure!(copy.log().contains("received DELETE for IKE_SA"), "{}", copy.log());
        ensure!(away.no_ping(SERVICE_V4), "the copy passed a packet");

        let sent = pings.stop()?;
        ensure!(sent.lost == 0 && sent.answered > 20, "{sent:?}");
        let [sa] = &original.sas()?[..] else { anyhow::bail!("{:?}", original.sas()) };
        assert_eq!(sa.text("initiator-spi"), held.text("initiator-spi"), "the original was not touched");
        let incident = only_incident(carrier)?;
        assert_eq!(
            (incident.kind.as_str(), &incident.devices[..]),
            ("second-claim", &["00aabbccddee".to_owned()][..])
        );
        let outer = |side: &str| incident.evidence[side]["claim"]["outer"]["address"].to_string();
        assert!(outer("holder").contains(&home.v4.to_string()), "{}", incident.evidence);
        assert!(outer("newcomer").contains(&away.v4.to_string()), "{}", incident.evidence);
        let shown = carrier.gateway.run(&["incident", "show", "1"])?;
        assert!(shown.contains(&home.v4.to_string()) && shown.contains(&away.v4.to_string()), "{shown}");
        carrier.gateway.verify()
    });
}

#[test]
#[ignore = "needs root and strongSwan: ./test interop"]
fn a_copy_takes_the_place_of_a_unit_that_is_gone_and_the_returning_unit_is_the_newcomer() {
    // Nobody can tell a copy from a unit that moved while the original is silent. What holds: never two at once.
    Carrier::with("gone", SHORT, |carrier| {
        let unit = carrier.unit("00aabbccddee")?;
        let (home, away) = (carrier.access("home")?, carrier.access("away")?);
        let original = carrier.charon("original", &home, &unit, FEMTOCELL, "")?;
        original.wait_for_tunnel()?;
        original.process.freeze()?;
        let copy = carrier.charon("copy", &away, &unit, COPY, "")?;
        copy.initiate("core")?;
        carrier.gateway.wait_for_sessions("the copy's session alone", |all| {
            matches!(all, [session] if session.state == "open" && session.outer.contains(&away.v4.to_string()))
                .then_some(())
        })?;
        away.ping(SERVICE_V4)?;
        original.process.thaw()?;
        until("an incident", Duration::from_secs(40), || Ok(carrier.gateway.incidents()?.pop()))?;
        away.ping(SERVICE_V4)?;
        ensure!(home.no_ping(SERVICE_V4), "two at once");
        Ok(())
    });
}

fn only_incident(carrier: &Carrier<'_>) -> Result<Incident> {
    let incidents = carrier.gateway.incidents()?;
    let [incident]: [Incident; 1] = incidents.try_into().ok().context("not one incident")?;
    Ok(incident)
}
