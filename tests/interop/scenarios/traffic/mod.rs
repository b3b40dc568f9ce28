//! Traffic of charon's units through a gateway with a TUN device, to a host behind it.

use std::net::IpAddr;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use interop::carrier::Carrier;
use interop::charon::PROMPT;
use interop::deadline::{never, until};
use interop::internet::Host;
use interop::iperf::Iperf;

use crate::FEMTOCELL;

const CBC: &str = include_str!("cbc.conf");

/// How long a run of a few seconds may take on a busy machine.
const IPERF: Duration = Duration::from_secs(60);

/// One run of iperf3 over IPv4 with the arguments in `how`; octets per second at each receiver.
fn iperf(carrier: &Carrier<'_>, from: &Host, to: &Host, how: &str) -> Result<Vec<f64>> {
    iperf_to(to.v4.into(), carrier, from, to, how)
}

fn iperf_to(address: IpAddr, carrier: &Carrier<'_>, from: &Host, to: &Host, how: &str) -> Result<Vec<f64>> {
    let run = Iperf::start(from, to, address, &format!("-t 2 {how}"), &carrier.scene.dir("iperf")?)?;
    let report = run.finish(IPERF)?;
    for (lost, sent) in report.lost() {
        ensure!(lost * 100 < sent, "{how}: {lost} of {sent} lost");
    }
    report.octets_per_second()
}

#[test]
#[ignore = "needs root and strongSwan: ./test interop"]
fn tcp_and_udp_pass_in_both_directions_to_a_host_behind_the_gateway() {
    Carrier::with_core("iperf", "", |carrier, core| {
        let (unit, host) = (carrier.unit("00aabbccddee")?, carrier.access("femto")?);
        let charon = carrier.charon("femto", &host, &unit, FEMTOCELL, "")?;
        charon.wait_for_tunnel()?;
        host.ping(&core.v4.to_string())?;
        host.ping(&core.address(true).to_string())?;
        for how in ["", "-R", "-u -b 20M", "-u -b 20M -R"] {
            let octets = iperf(carrier, &host, core, how)?;
            ensure!(octets[0] > 1e6, "{how}: {octets:?} octets per second");
        }
        let [session] = carrier.gateway.sessions()?.try_into().ok().context("one session")?;
        ensure!(session.uplink.octets > 1_000_000 && session.downlink.octets > 1_000_000, "{session:?}");
        Ok(())
    });
}

/// Over which IP the unit reaches the gateway, and the core host inside; with which configuration.
const COMBINATIONS: [(&str, bool, bool, &str); 3] = [
    ("AES-CBC with HMAC", false, false, CBC),
    ("IPv4 in IPv6", true, false, FEMTOCELL),
    ("IPv6 in IPv4", false, true, FEMTOCELL),
];

#[test]
#[ignore = "needs root and strongSwan: ./test interop"]
fn tcp_and_udp_pass_both_ways_at_once_with_cbc_and_with_either_ip_in_the_other() {
    Carrier::with_core("mixed", "", |carrier, core| {
        for (n, (name, v6_outside, v6_inside, conf)) in COMBINATIONS.into_iter().enumerate() {
            let (unit, host) = (carrier.unit(&format!("00aabb00000{n}"))?, carrier.access("femto")?);
            host.reach_through_tunnel_alone(core)?;
            let gateway = carrier.host.address(v6_outside);
            let charon = carrier.charon_to(gateway, &format!("femto{n}"), &host, &unit, conf, "")?;
            charon.wait_for_tunnel()?;
            let target = core.address(v6_inside);
            host.ping(&target.to_string()).context(name)?;
            for how in ["--bidir", "-u -b 10M --bidir"] {
                let octets = iperf_to(target, carrier, &host, core, how).context(name)?;
                ensure!(octets.len() == 2 && octets.iter().all(|octets| *octets > 1e5), "{name}: {octets:?}");
            }
            let session = carrier.gateway.session_of(&unit)?;
            ensure!(session.outer.starts_with('[') == v6_outside, "{name}: {session:?}");
            ensure!(session.uplink.octets.min(session.downlink.octets) > 1_000_000, "{name}: {session:?}");
            ensure!(session.drops.is_empty(), "{name}: {session:?}");
        }
        Ok(())
    });
}

/// A path narrower than the TUN device's packets, that drops IP fragments as many carrier NATs do: the gateway finds its
/// MTU, and tells the core host.
#[test]
#[ignore = "needs root and strongSwan: ./test interop"]
fn tcp_from_the_core_passes_paths_of_1280_1400_and_1500_octets_that_drop_fragments() {
    for (octets, v6) in [(1500, false), (1400, false), (1280, false), (1400, true), (1280, true)] {
        Carrier::with_core(&format!("mtu{octets}"), "", |carrier, core| {
            let (unit, host) = (carrier.unit("00aabbccddee")?, carrier.access("femto")?);
            carrier.internet.set_path_mtu(octets)?;
            carrier.internet.drop_ip_fragments()?;
            let gateway = carrier.host.address(v6);
            let charon = carrier.charon_to(gateway, "femto", &host, &unit, FEMTOCELL, "")?;
            charon.wait_for_tunnel()?;
            host.ping(&core.v4.to_string())?;
            let passed = iperf(carrier, &host, core, "-R -t 8")?;
            ensure!(passed[0] > 1e6, "{octets}, IPv6 {v6}: {passed:?} octets per second");
            Ok(())
        });
    }
}

#[test]
#[ignore = "needs root and strongSwan: ./test interop"]
fn a_tun_device_without_its_routes_raises_an_alarm_until_somebody_adds_them_again() {
    Carrier::with_core("tun", "", |carrier, core| {
        let (unit, host) = (carrier.unit("00aabbccddee")?, carrier.access("femto")?);
        let charon = carrier.charon("femto", &host, &unit, FEMTOCELL, "")?;
        charon.wait_for_tunnel()?;
        let target = core.v4.to_string();
        host.ping(&target)?;
        let mut told = Vec::new();
        let mut tell = |changes: &[&str], raised: bool, missing: &str| {
            changes.iter().try_for_each(|change| carrier.host.namespace.ip(change).map(drop))?;
            told.push((raised, missing.to_owned()));
            until(&format!("alarms {told:?}"), PROMPT, || Ok((core_alarms(carrier)? == told).then_some(())))
        };
        let missing = |networks| format!("no route by the TUN device truecell0 to {networks}");
        let all = missing("192.168.255.1/32, fd00:5e::1/128, 10.64.0.0/12, fd00:7c::/64");
        tell(&["link set truecell0 down"], true, &all)?;
        carrier.host.namespace.ip("link set truecell0 up")?;
        never("an end while the routes are missing", Duration::from_secs(3), || {
            Ok(Some(core_alarms(carrier)?.len()).filter(|count| *count > 1))
        })?;
        tell(&RESTORED, false, "it works again")?;
        host.ping(&target)?;
        tell(&["route del 10.64.0.0/12 dev truecell0"], true, &missing("10.64.0.0/12"))?;
        tell(&RESTORED[..1], false, "it works again")?;
        tell(&["link del truecell0"], true, &all)?;
        let [session] = carrier.gateway.sessions()?.try_into().ok().context("the tunnel stays")?;
        ensure!(session.state == "open", "{session:?}");
        Ok(())
    });
}

/// What the kernel forgets with a device that is taken down, as docs/deployment.md has it put back.
const RESTORED: [&str; 3] = [
    "route add 10.64.0.0/12 dev truecell0",
    "address add fd00:5e::1 dev truecell0 nodad",
    "route add fd00:7c::/64 dev truecell0",
];

/// Each alarm about the core: whether it began or ended, and why.
fn core_alarms(carrier: &Carrier<'_>) -> Result<Vec<(bool, String)>> {
    let alarms = carrier.gateway.events()?.into_iter().filter(|event| event.kind == "gateway.alarm");
    let core = alarms.filter(|event| event.body["alarm"] == "core-unreachable");
    let told =
        core.map(|event| Some((event.body["raised"].as_bool()?, event.body["detail"].as_str()?.to_owned())));
    told.collect::<Option<_>>().context("an alarm's event is raised or not, and has a detail")
}
