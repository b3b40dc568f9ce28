//! One key in two places that both live: the one that came later reaches enrolment and management under another address.

use anyhow::{Context, Result, ensure};
use interop::carrier::Carrier;
use interop::internet::{Host, Side};
use interop::iperf::Iperf;
use interop::truecell::SERVICE_V4;
use std::net::IpAddr;
use std::time::Duration;

use crate::{FEMTOCELL, clone::COPY};

/// The core host, and of the service address nothing.
const SETTINGS: &str = "
admission.make_room_s = 7
gateway.quarantine.v4 = \"10.127.255.0/24\"
gateway.quarantine.v6 = \"fd00:7c:0:1::/64\"
gateway.quarantine.reach = [\"198.18.2.0/24\", \"2001:db8:2::/64\"]
";

/// How long a run of a few seconds may take on a busy machine.
const IPERF: Duration = Duration::from_secs(60);

fn iperf(carrier: &Carrier<'_>, from: &Host, to: &Host, address: IpAddr, how: &str) -> Result<Vec<f64>> {
    let dir = carrier.scene.dir("iperf")?;
    Iperf::start(from, to, address, &format!("-t 2 {how}"), &dir)?.finish(IPERF)?.octets_per_second()
}

#[test]
#[ignore = "needs root and strongSwan: ./test interop"]
fn two_that_have_one_address_get_each_their_own_packets_and_the_later_one_only_from_where_it_may() {
    Carrier::with_core("quarantine", SETTINGS, |carrier, core| {
        ensure!(core.v4.octets()[..3] == [198, 18, 2], "{core:?}: what is within reach is another network");
        carrier.internet.lead_to(&carrier.host, &["10.127.255.0/24", "fd00:7c:0:1::/64"])?;
        let other = carrier.internet.host(Side::Core, "other")?;
        let unit = carrier.unit("00aabbccddee")?;
        let (home, away) = (carrier.access("home")?, carrier.access("away")?);
        for host in [core, &other] {
            home.reach_through_tunnel_alone(host)?;
            away.reach_through_tunnel_alone(host)?;
        }
        let original = carrier.charon("original", &home, &unit, FEMTOCELL, "")?;
        original.wait_for_tunnel()?;
        home.ping(&other.v4.to_string())?;
        let log = carrier.scene.dir("original")?.join("ping.txt");
        let pings = home.ping_steadily(&core.v4.to_string(), &log)?;

        let copy = carrier.charon("copy", &away, &unit, COPY, "")?;
        copy.initiate("core")?;
        carrier.gateway.wait_for_sessions("one in quarantine", |all| {
            all.iter().any(|session| session.state == "quarantined").then_some(())
        })?;
        for address in [false, true].map(|v6| core.address(v6).to_string()) {
            away.ping(&address)?;
            let theirs = away.ping_steadily(&address, &carrier.scene.dir("copy")?.join("ping.txt"))?;
            ensure!(away.no_ping(SERVICE_V4), "a service address that is not listed was within reach");
            let sent = theirs.stop()?;
            ensure!(sent.lost == 0 && sent.answered > 10, "of the copy: {sent:?}");
        }
        // Before anything fills the way.
        let sent = pings.stop()?;
        ensure!(sent.lost == 0 && sent.answered > 50, "of the original: {sent:?}");
        for v6 in [false, true] {
            for how in ["", "-R", "-u -b 5M", "-u -b 5M -R"] {
                let octets = iperf(carrier, &away, core, core.address(v6), how)?;
                ensure!(octets[0] > 1e5, "{how}, IPv6 {v6}: {octets:?} octets per second");
            }
            ensure!(away.no_ping(&other.address(v6).to_string()), "another host was within reach");
        }
        copy.rekey(&["--child", "core"])?;
        away.ping(&core.v4.to_string())?;
        ensure!(away.no_ping(&other.v4.to_string()), "another CHILD SA reaches another host");
        let octets = iperf(carrier, &home, core, core.v4.into(), "--bidir")?;
        ensure!(octets.iter().all(|octets| *octets > 1e5), "{octets:?}");

        let sessions = carrier.gateway.sessions()?;
        let [holder, confined] = &sessions[..] else { anyhow::bail!("{sessions:?}") };
        ensure!(holder.inner == confined.inner && holder.state == "open", "{sessions:?}");
        ensure!(holder.drops.is_empty(), "{holder:?}");
        let shown = carrier.gateway.run(&["session", "show", &confined.id])?;
        ensure!(shown.contains("10.127.255.1 fd00:7c:0:1::1") && shown.contains("second-claim"), "{shown}");
        let told = carrier.gateway.events()?.into_iter().find(|event| event.kind == "admission.quarantined");
        let told = told.context("nothing says that it is in quarantine")?;
        ensure!(told.body["session"] == confined.id.as_str(), "{told:?}");
        carrier.gateway.verify()
    });
}
