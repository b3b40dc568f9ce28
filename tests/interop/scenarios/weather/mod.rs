//! A way that loses, doubles and holds back datagrams.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use interop::carrier::Carrier;
use interop::charon::{Charon, PROMPT};
use interop::internet::Host;
use interop::iperf::Iperf;
use interop::numbered::Numbered;
use interop::relay::{Kind, Relay, Tally, Way, Weather};

use crate::FEMTOCELL;

const SEED: u64 = 20;
const PINGS: u64 = 400;
/// charon asks up to ten times, within 8 s.
const PATIENT: &str = "retransmit_timeout = 0.3\nretransmit_base = 1.2\nretransmit_tries = 10";

/// Each in a thousand. The gateway's replay window takes what comes 1,023 packets late, charon's what comes 31 late.
fn weather(way: Way, kind: Kind) -> Weather {
    match (kind, way) {
        (Kind::Ike, _) => Weather { lost: 300, doubled: 100, late: 0, by: 0 },
        (Kind::Esp, Way::Up) => Weather { lost: 30, doubled: 20, late: 50, by: 200 },
        (Kind::Esp, Way::Down) => Weather { lost: 30, doubled: 20, late: 50, by: 16 },
    }
}

#[test]
#[ignore = "needs root and strongSwan: ./test interop"]
fn through_loss_doubling_and_reordering_a_unit_attaches_renews_and_has_its_traffic() {
    Carrier::with_core("weather", "", |carrier, core| {
        let (unit, host, between) =
            (carrier.unit("00aabbccddee")?, carrier.access("femto")?, carrier.access("relay")?);
        host.reach_through_tunnel_alone(core)?;
        let relay = Relay::start(&between, carrier.host.v4.into(), SEED, weather)?;
        let charon = carrier.charon_to(between.v4.into(), "femto", &host, &unit, FEMTOCELL, PATIENT)?;
        let inner = charon.wait_for_tunnel()?.inner_v4()?;

        let lost = pings_lost(&host, core)?;
        let [up, down] = [Way::Up, Way::Down].map(|way| relay.tally(way, Kind::Esp));
        // 3 % each way are 5.9 % of 400.
        ensure!(lost == up.lost + down.lost && (8..48).contains(&lost), "{lost} lost: {up:?} {down:?}");
        let session = carrier.gateway.session_of(&unit)?;
        ensure!(session.uplink.packets == up.seen - up.lost, "{up:?} {session:?}");
        ensure!(only_replayed(&session.drops) == Some(up.doubled), "{up:?} {session:?}");

        let stream = Numbered::start((&host, inner), (core, core.v4.into()), Duration::from_millis(1))?;
        let back = Numbered::start((core, core.v4.into()), (&host, inner), Duration::from_millis(1))?;
        renew_both(&charon)?;
        stream.wait_for(1000, PROMPT).context("up")?;
        back.wait_for(1000, PROMPT).context("down")?;
        let (sent, returned) = (stream.stop()?, back.stop()?);
        // What was held back until its SA was gone is lost as well.
        let may_be_lost = relay.tally(Way::Up, Kind::Esp).lost - up.lost
            + carrier.gateway.counters()?.dropped("unknown_spi");
        ensure!(sent.lost.len() as u64 <= may_be_lost && sent.doubled == 0, "{may_be_lost}: {sent:?}");
        ensure!(sent.late > 0 && returned.late > 0, "{sent:?} {returned:?}");

        for how in ["-t 2", "-t 2 -R"] {
            let run = Iperf::start(&host, core, core.v4.into(), how, &carrier.scene.dir("iperf")?)?;
            let rates = run.finish(Duration::from_secs(60))?.octets_per_second()?;
            ensure!(rates.iter().all(|rate| *rate > 1e4), "{how}: {rates:?} octets per second");
        }
        let (session, up) = (carrier.gateway.session_of(&unit)?, relay.tally(Way::Up, Kind::Esp));
        ensure!(only_replayed(&session.drops).is_some_and(|all| all <= up.doubled), "{up:?} {session:?}");
        let ike = [Way::Up, Way::Down].map(|way| relay.tally(way, Kind::Ike));
        ensure!(ike.iter().all(|Tally { lost, .. }| *lost > 0), "the weather was good: {ike:?}");
        ensure!(carrier.gateway.incidents()?.is_empty());
        Ok(())
    });
}

/// Of [`PINGS`], one each 5 ms.
fn pings_lost(host: &Host, core: &Host) -> Result<u64> {
    let said = host.namespace.run(&format!("ping -n -q -c {PINGS} -i 0.005 -W 2 {}", core.v4))?;
    let received = said.split(" received").next().and_then(|before| before.rsplit(' ').next());
    let received: u64 = received.context(said.clone())?.parse().context(said.clone())?;
    Ok(PINGS - received)
}

/// How many were dropped as replayed, if nothing was dropped for another cause.
fn only_replayed(drops: &std::collections::BTreeMap<String, u64>) -> Option<u64> {
    let is_other = |cause: &&String| !cause.contains("replayed");
    drops.keys().find(is_other).is_none().then(|| drops.values().sum())
}

/// The unit renews first its CHILD SA, then its IKE SA.
fn renew_both(charon: &Charon) -> Result<()> {
    let before = charon.wait_for_tunnel()?;
    charon.rekey(&["--child", "core"])?;
    charon.wait_for_log("CHILD_SA closed", 1, PROMPT)?;
    charon.rekey(&["--ike", "segw"])?;
    charon.wait_for_sas("a renewed IKE SA alone", PROMPT, |sas| {
        let [sa] = sas else { return None };
        let is_new = sa.text("initiator-spi") != before.text("initiator-spi");
        (is_new && sa.installed().len() == 1).then_some(())
    })
}
