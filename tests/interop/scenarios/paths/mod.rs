//! Paths between unit and gateway that are not plain: a NAT, a NAT that forgets, a small MTU.

use anyhow::ensure;
use interop::carrier::Carrier;
use interop::charon::PROMPT;
use interop::truecell::SERVICE_V4;

use crate::FEMTOCELL;

#[test]
#[ignore = "needs root and strongSwan: ./test interop"]
fn a_unit_behind_a_nat_attaches_and_is_followed_when_the_nat_forgets_it() {
    Carrier::with("nat", "", |carrier| {
        let nat = carrier.internet.nat("nat")?;
        let host = carrier.internet.host_behind(&nat, "femto")?;
        let unit = carrier.unit("00aabbccddee")?;
        let charon = carrier.charon("femto", &host, &unit, FEMTOCELL, "")?;
        charon.wait_for_tunnel()?;
        host.ping(SERVICE_V4)?;
        let [before] = &carrier.gateway.sessions()?[..] else { anyhow::bail!("not one session") };
        ensure!(before.outer.starts_with(&format!("{}:4", nat.outside)), "{before:?}");
        nat.rebind()?;
        host.ping(SERVICE_V4)?;
        let [after] = &carrier.gateway.sessions()?[..] else { anyhow::bail!("not one session") };
        ensure!(after.outer.starts_with(&format!("{}:5", nat.outside)), "{after:?}");
        assert_eq!(after.id, before.id, "the same session goes on");
        carrier.gateway.wait_for_event("the change of path", PROMPT, |event| {
            event.kind == "gateway.path_changed" && event.body["to"] == after.outer.as_str()
        })?;
        ensure!(carrier.gateway.incidents()?.is_empty());
        Ok(())
    });
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
