//! Traffic of charon's units through a gateway with a TUN device, to a host behind it.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use interop::carrier::Carrier;
use interop::charon::PROMPT;
use interop::deadline::until;
use interop::internet::{Host, Side};
use interop::process::Process;

use crate::FEMTOCELL;

/// A gateway with a TUN device, a forwarding host, and a core host behind it that knows the way back.
fn with_core(name: &str, body: impl FnOnce(&mut Carrier<'_>, &Host) -> Result<()>) {
    let tun = "[gateway.tun]\nreachable = [\"198.18.0.0/15\", \"2001:db8::/32\"]\n";
    Carrier::with(name, tun, |carrier| {
        let core = carrier.internet.host(Side::Core, "core")?;
        carrier.host.forward()?;
        carrier.internet.lead_to(&carrier.host, &["10.64.0.0/12", "fd00:7c::/64"])?;
        body(carrier, &core)
    });
}

/// One run of iperf3 with the arguments in `how`; octets per second at the receiver.
fn iperf(carrier: &Carrier<'_>, from: &Host, to: &Host, how: &str) -> Result<f64> {
    let part = format!("iperf{}", how.replace(' ', ""));
    let log = carrier.scene.dir(&part)?.join("server.log");
    let mut serve = to.namespace.command("iperf3");
    let mut server = Process::spawn(serve.args(["-s", "-1", "--forceflush"]), &log)?;
    server.wait_for_line("Server listening", Duration::from_secs(5))?;
    let answer = from.namespace.run(&format!("iperf3 -J -t 2 -c {} {how}", to.v4))?;
    let answer: serde_json::Value = serde_json::from_str(&answer)?;
    let end = &answer["end"];
    let received = if how.contains("-u") { &end["sum"] } else { &end["sum_received"] };
    let lost = received["lost_percent"].as_f64().unwrap_or(0.0);
    ensure!(lost < 1.0, "{lost} % lost: {end}");
    received["bits_per_second"].as_f64().map(|bits| bits / 8.0).with_context(|| format!("{answer}"))
}

#[test]
#[ignore = "needs root and strongSwan: ./test interop"]
fn tcp_and_udp_pass_in_both_directions_to_a_host_behind_the_gateway() {
    with_core("iperf", |carrier, core| {
        let (unit, host) = (carrier.unit("00aabbccddee")?, carrier.access("femto")?);
        let charon = carrier.charon("femto", &host, &unit, FEMTOCELL, "")?;
        charon.wait_for_tunnel()?;
        host.ping(&core.v4.to_string())?;
        host.ping(&core.address(true).to_string())?;
        for how in ["", "-R", "-u -b 20M", "-u -b 20M -R"] {
            let octets = iperf(carrier, &host, core, how)?;
            ensure!(octets > 1e6, "{how}: {octets} octets per second");
        }
        let [session] = carrier.gateway.sessions()?.try_into().ok().context("one session")?;
        ensure!(session.uplink.octets > 1_000_000 && session.downlink.octets > 1_000_000, "{session:?}");
        Ok(())
    });
}

/// A path narrower than the TUN device's packets, that drops IP fragments as many carrier NATs do: the gateway finds its
/// MTU, and tells the core host.
#[test]
#[ignore = "needs root and strongSwan: ./test interop"]
fn tcp_from_the_core_passes_paths_of_1280_1400_and_1500_octets_that_drop_fragments() {
    for (octets, v6) in [(1500, false), (1400, false), (1280, false), (1400, true), (1280, true)] {
        with_core(&format!("mtu{octets}"), |carrier, core| {
            let (unit, host) = (carrier.unit("00aabbccddee")?, carrier.access("femto")?);
            carrier.internet.set_path_mtu(octets)?;
            carrier.internet.drop_ip_fragments()?;
            let gateway = carrier.host.address(v6);
            let charon = carrier.charon_to(gateway, "femto", &host, &unit, FEMTOCELL, "")?;
            charon.wait_for_tunnel()?;
            host.ping(&core.v4.to_string())?;
            let passed = iperf(carrier, &host, core, "-R -t 8")?;
            ensure!(passed > 1e6, "{octets}, IPv6 {v6}: {passed} octets per second");
            Ok(())
        });
    }
}

#[test]
#[ignore = "needs root and strongSwan: ./test interop"]
fn a_tun_device_that_is_down_or_gone_raises_an_alarm_and_the_gateway_lives() {
    with_core("tun", |carrier, core| {
        let (unit, host) = (carrier.unit("00aabbccddee")?, carrier.access("femto")?);
        let charon = carrier.charon("femto", &host, &unit, FEMTOCELL, "")?;
        charon.wait_for_tunnel()?;
        let target = core.v4.to_string();
        host.ping(&target)?;
        let _pings = host.ping_steadily(&target, &carrier.scene.dir("pings")?.join("ping.log"))?;
        let mut told = Vec::new();
        for (change, raised) in
            [("set truecell0 down", true), ("set truecell0 up", false), ("del truecell0", true)]
        {
            carrier.host.namespace.ip(&format!("link {change}"))?;
            told.push(raised);
            until(&format!("alarms {told:?}"), PROMPT, || Ok((core_alarms(carrier)? == told).then_some(())))?;
        }
        let [session] = carrier.gateway.sessions()?.try_into().ok().context("the tunnel stays")?;
        ensure!(session.state == "open", "{session:?}");
        Ok(())
    });
}

/// Whether each alarm about the core began or ended.
fn core_alarms(carrier: &Carrier<'_>) -> Result<Vec<bool>> {
    let alarms = carrier.gateway.events()?.into_iter().filter(|event| event.kind == "gateway.alarm");
    let core = alarms.filter(|event| event.body["alarm"] == "core-unreachable");
    Ok(core.filter_map(|event| event.body["raised"].as_bool()).collect())
}
