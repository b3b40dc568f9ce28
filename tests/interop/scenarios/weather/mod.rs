//! A way that loses, doubles and holds back datagrams.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use interop::carrier::{Carrier, Unit};
use interop::charon::{Charon, PROMPT};
use interop::internet::Host;
use interop::iperf::Iperf;
use interop::numbered::Numbered;
use interop::relay::{Kind, Relay, Tally, Way, Weather};
use interop::truecell::Session;

use crate::FEMTOCELL;

/// With this one the first message of IKE_AUTH is lost each way.
const SEED: u64 = 16;
const PINGS: u64 = 400;
/// A datagram each way in this time.
const PACE: Duration = Duration::from_millis(1);
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

/// A unit whose only way to the gateway is the relay's.
struct Unlucky<'a> {
    carrier: &'a Carrier<'a>,
    core: &'a Host,
    unit: Unit,
    host: Host,
    relay: Relay,
    charon: Charon,
}

#[test]
#[ignore = "needs root and strongSwan: ./test interop"]
fn through_loss_doubling_and_reordering_a_unit_attaches_renews_and_has_its_traffic() {
    Carrier::with_core("weather", "", |carrier, core| {
        let unlucky = Unlucky::attach(carrier, core)?;
        unlucky.loses_what_the_relay_loses()?;
        unlucky.renews_under_traffic()?;
        unlucky.has_tcp()?;
        ensure!(carrier.gateway.incidents()?.is_empty());
        Ok(())
    });
}

impl<'a> Unlucky<'a> {
    fn attach(carrier: &'a Carrier<'a>, core: &'a Host) -> Result<Self> {
        let (unit, host) = (carrier.unit("00aabbccddee")?, carrier.access("femto")?);
        host.reach_through_tunnel_alone(core)?;
        let between = carrier.access("relay")?;
        let relay = Relay::start(between, carrier.host.v4.into(), SEED, weather)?;
        let charon = carrier.charon_to(relay.address(), "femto", &host, &unit, FEMTOCELL, PATIENT)?;
        charon.wait_for_tunnel()?;
        let ike = [Way::Up, Way::Down].map(|way| relay.tally(way, Kind::Ike));
        ensure!(ike.iter().all(|tally| tally.lost > 0), "the weather was good: {ike:?}");
        Ok(Self { carrier, core, unit, host, relay, charon })
    }

    fn session(&self) -> Result<Session> {
        self.carrier.gateway.session_of(&self.unit)
    }

    fn esp(&self, way: Way) -> Tally {
        self.relay.tally(way, Kind::Esp)
    }

    /// Neither side drops a packet that came late, and the gateway takes no packet twice.
    fn loses_what_the_relay_loses(&self) -> Result<()> {
        let lost = pings_lost(&self.host, self.core)?;
        let (up, down, session) = (self.esp(Way::Up), self.esp(Way::Down), self.session()?);
        // 3 % each way are 5.9 % of 400.
        ensure!(lost == up.lost + down.lost && (8..48).contains(&lost), "{lost} lost: {up:?} {down:?}");
        ensure!(session.uplink.packets == up.seen - up.lost, "{up:?} {session:?}");
        ensure!(only_replayed(&session.drops) == Some(up.doubled), "{up:?} {session:?}");
        Ok(())
    }

    fn renews_under_traffic(&self) -> Result<()> {
        let before = self.esp(Way::Up);
        let unit = (&self.host, self.charon.wait_for_tunnel()?.inner_v4()?);
        let core = (self.core, self.core.v4.into());
        let up = Numbered::start(unit, core, PACE)?;
        let down = Numbered::start(core, unit, PACE)?;
        renew_both(&self.charon)?;
        up.wait_for(1000, PROMPT).context("up")?;
        down.wait_for(1000, PROMPT).context("down")?;
        let (up, down) = (up.stop()?, down.stop()?);
        // What was held back until its SA was gone is lost as well.
        let gone = self.carrier.gateway.counters()?.dropped("unknown_spi");
        let may_be_lost = self.esp(Way::Up).lost - before.lost + gone;
        ensure!(up.lost.len() as u64 <= may_be_lost && up.doubled == 0, "{may_be_lost}: {up:?}");
        ensure!(up.late > 0 && down.late > 0, "{up:?} {down:?}");
        Ok(())
    }

    fn has_tcp(&self) -> Result<()> {
        let dir = self.carrier.scene.dir("iperf")?;
        for how in ["-t 2", "-t 2 -R"] {
            let run = Iperf::start(&self.host, self.core, self.core.v4.into(), how, &dir)?;
            let rates = run.finish(Duration::from_secs(60))?.octets_per_second()?;
            ensure!(rates.iter().all(|rate| *rate > 1e4), "{how}: {rates:?} octets per second");
        }
        let (session, up) = (self.session()?, self.esp(Way::Up));
        ensure!(only_replayed(&session.drops).is_some_and(|all| all <= up.doubled), "{up:?} {session:?}");
        Ok(())
    }
}

/// Of [`PINGS`], one each 5 ms.
fn pings_lost(host: &Host, core: &Host) -> Result<u64> {
    let said = host.namespace.run(&format!("ping -n -q -c {PINGS} -i 0.005 -W 2 {}", core.v4))?;
    let received = said.split(" received").next().and_then(|before| before.rsplit(' ').next());
    let received: u64 = received.context(said.clone())?.parse().context(said.clone())?;
    Ok(PINGS - received)
}

/// How many were dropped as replayed, if nothing was dropped for another cause.
fn only_replayed(drops: &BTreeMap<String, u64>) -> Option<u64> {
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
