//! Paths between unit and gateway that are not plain: a NAT, a NAT that forgets, a small MTU.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use interop::capture::{Capture, Datagram};
use interop::carrier::Carrier;
use interop::charon::PROMPT;
use interop::deadline::until;
use interop::iperf::Iperf;
use interop::numbered::Numbered;
use interop::truecell::SERVICE_V4;

use crate::FEMTOCELL;

/// A datagram each way in this time.
const PACE: Duration = Duration::from_millis(2);

#[test]
#[ignore = "needs root and strongSwan: ./test interop"]
fn a_unit_is_followed_when_its_nat_forgets_it_under_traffic_once_it_has_answered_from_there() {
    Carrier::with_core("nat", "", |carrier, core| {
        let nat = carrier.internet.nat("nat")?;
        let host = carrier.internet.host_behind(&nat, "femto")?;
        host.reach_through_tunnel_alone(core)?;
        let unit = carrier.unit("00aabbccddee")?;
        let charon = carrier.charon("femto", &host, &unit, FEMTOCELL, "")?;
        let inner = charon.wait_for_tunnel()?.inner_v4()?;
        host.ping(&core.v4.to_string())?;
        let before = carrier.gateway.session_of(&unit)?;
        ensure!(before.outer.starts_with(&format!("{}:4", nat.outside)), "{before:?}");
        let dir = carrier.scene.dir("traffic")?;
        let capture = Capture::start(carrier.internet.access(), "core0", &dir)?;
        let up = Numbered::start((&host, inner), (core, core.v4.into()), PACE)?;
        let down = Numbered::start((core, core.v4.into()), (&host, inner), PACE)?;
        let tcp = Iperf::start(&host, core, core.v4.into(), "--bidir -b 4M -t 4", &dir)?;
        until("TCP both ways", PROMPT, || {
            let now = carrier.gateway.session_of(&unit)?;
            Ok((now.uplink.octets.min(now.downlink.octets) > 500_000).then_some(()))
        })?;
        nat.rebind()?;
        carrier.gateway.wait_for_event("the change of path", PROMPT, |event| {
            event.kind == "gateway.path_changed"
                && event.body["to"].as_str().is_some_and(|to| to.starts_with(&format!("{}:5", nat.outside)))
        })?;
        up.wait_for(100, PROMPT).context("up")?;
        down.wait_for(100, PROMPT).context("down")?;
        let rates = tcp.finish(Duration::from_secs(60))?.octets_per_second()?;
        ensure!(rates.len() == 2 && rates.iter().all(|rate| *rate > 1e4), "{rates:?} octets per second");
        let after = carrier.gateway.session_of(&unit)?;
        ensure!(after.id == before.id && after.drops.is_empty(), "{before:?}\n{after:?}");
        ensure!(after.outer.starts_with(&format!("{}:5", nat.outside)), "{after:?}");
        esp_follows_the_answer(&capture.datagrams()?, after.outer.parse()?)?;
        ensure!(carrier.gateway.incidents()?.is_empty());
        Ok(())
    });
}

/// The unit spoke from `moved`, was asked there, answered from there, and then ESP went there.
fn esp_follows_the_answer(datagrams: &[Datagram], moved: SocketAddr) -> Result<()> {
    let first = |is: &dyn Fn(&Datagram) -> bool| datagrams.iter().position(is);
    let order = [
        first(&|datagram| datagram.from == moved),
        first(&|datagram| datagram.to == moved && datagram.is_ike),
        first(&|datagram| datagram.from == moved && datagram.is_ike),
        first(&|datagram| datagram.to == moved && !datagram.is_ike),
    ];
    ensure!(order.iter().all(Option::is_some) && order.is_sorted(), "{order:?}");
    Ok(())
}

#[test]
#[ignore = "needs root and strongSwan: ./test interop"]
fn four_certificates_pass_a_path_of_576_octets_that_drops_ip_fragments() {
    Carrier::with("mtu", "ca.intermediates = 2\nca.key = \"rsa-3072\"", |carrier| {
        let (unit, host) = (carrier.unit("00aabbccddee")?, carrier.access("femto")?);
        ensure!(unit.credential.intermediates.len() == 3, "unit, issuing CA and two above it");
        carrier.internet.set_path_mtu(576)?;
        carrier.internet.drop_ip_fragments()?;
        let charon = carrier.charon("femto", &host, &unit, FEMTOCELL, "fragment_size = 576")?;
        charon.wait_for_tunnel()?;
        host.ping(SERVICE_V4)?;
        charon.rekey(&["--ike", "segw"])?;
        charon.wait_for_log("IKE_SA segw[2] state change: CONNECTING => ESTABLISHED", 1, PROMPT)?;
        host.ping(SERVICE_V4)?;
        Ok(())
    });
}
