//! charon attaches: over IPv4 and IPv6 outside, with IPv4 and IPv6 inside.

use interop::carrier::Carrier;
use interop::truecell::{SERVICE_V4, SERVICE_V6};

const CONF: &str = include_str!("femtocell.conf");

fn attaches_and_passes_packets(name: &str, v6: bool) {
    Carrier::with(name, "", |carrier| {
        let (unit, host) = (carrier.unit("00aabbccddee")?, carrier.access("femto")?);
        let charon = carrier.charon_to(carrier.host.address(v6), "femto", &host, &unit, CONF, "")?;
        charon.initiate("core")?;
        let sa = charon.wait_for_tunnel()?;
        assert_eq!(sa.inner().len(), 2, "{sa:?}");
        host.ping(SERVICE_V4)?;
        host.ping(SERVICE_V6)?;
        let [session] = &carrier.gateway.sessions()?[..] else { panic!("one session") };
        assert_eq!(session.inner, sa.inner());
        Ok(())
    });
}

#[test]
#[ignore = "needs root and strongSwan: ./test interop"]
fn a_unit_attaches_over_ipv4_and_reaches_the_service_over_both() {
    attaches_and_passes_packets("v4", false);
}
