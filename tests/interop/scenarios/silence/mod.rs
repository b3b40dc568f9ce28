//! While the ledger is out of reach nobody is answered: tunnels stay, and units that keep trying come back by themselves.

use std::time::Duration;

use anyhow::{Result, ensure};
use interop::carrier::Carrier;
use interop::charon::Charon;
use interop::deadline::never;
use interop::truecell::{SERVICE_V4, Truecell};
use rusqlite::Connection;

use crate::FEMTOCELL;

const GIVES_UP: &str = include_str!("gives_up.conf");

/// charon gives up a request after 3 s; with its defaults it takes 165 s.
const SHORT: &str = "retransmit_timeout = 0.5\nretransmit_base = 1.4\nretransmit_tries = 3";
const GAVE_UP: &str = "giving up after 3 retransmits";

/// Another process that writes to the ledger and does not end, until it is dropped.
struct Lock(Connection);

impl Lock {
    fn on(gateway: &Truecell) -> Result<Self> {
        let connection = Connection::open(gateway.ledger())?;
        connection.busy_timeout(Duration::from_secs(10))?;
        connection.execute_batch("BEGIN EXCLUSIVE")?;
        Ok(Self(connection))
    }

    fn release(self) -> Result<()> {
        Ok(self.0.execute_batch("ROLLBACK")?)
    }
}

fn attempts(charon: &Charon) -> usize {
    charon.log().matches("generating IKE_SA_INIT request 0").count()
}

#[test]
#[ignore = "needs root and strongSwan: ./test interop"]
fn with_the_ledger_locked_tunnels_stay_nobody_is_answered_and_who_keeps_trying_gets_in_afterwards() {
    Carrier::with("locked", "", |carrier| {
        let home = carrier.access("home")?;
        let attached = carrier.charon("attached", &home, &carrier.unit("00aabb000001")?, FEMTOCELL, "")?;
        attached.wait_for_tunnel()?;
        home.ping(SERVICE_V4)?;
        let pings = home.ping_steadily(SERVICE_V4, &carrier.scene.dir("attached")?.join("ping.txt"))?;
        let (patient, hasty) = (carrier.unit("00aabb000002")?, carrier.unit("00aabb000003")?);
        let hosts = [carrier.access("patient")?, carrier.access("hasty")?];

        let lock = Lock::on(&carrier.gateway)?;
        let patient = carrier.charon("patient", &hosts[0], &patient, FEMTOCELL, SHORT)?;
        let hasty = carrier.charon("hasty", &hosts[1], &hasty, GIVES_UP, SHORT)?;
        for charon in [&patient, &hasty] {
            charon.wait_for_log(GAVE_UP, 1, Duration::from_secs(30))?;
            ensure!(!charon.log().contains("parsed IKE_AUTH response"), "{}", charon.log());
        }
        carrier
            .gateway
            .process
            .wait_for_line("nobody new is admitted; tunnels stay", Duration::from_secs(20))?;
        lock.release()?;

        patient.wait_for_tunnel()?;
        hosts[0].ping(SERVICE_V4)?;
        never("charon with keyingtries=1 tries again", Duration::from_secs(4), || {
            Ok(Some(attempts(&hasty)).filter(|attempts| *attempts > 1))
        })?;
        ensure!(hasty.sas()?.is_empty());
        let pinged = pings.stop()?;
        ensure!(pinged.lost == 0 && pinged.answered > 20, "{pinged:?}");
        carrier.gateway.verify()
    });
}
