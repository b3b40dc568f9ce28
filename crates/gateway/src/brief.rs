use crate::sessions::{Amount, Session, State};
use ids::{DeviceId, SessionId, UnixTime};
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, SocketAddr};

/// A session in brief: what a table of all of them shows, without what is looked at for one at a time
/// ([`SessionView`](crate::SessionView)).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionBrief {
    /// Its name.
    pub id: SessionId,
    /// Whose it is.
    pub device: DeviceId,
    /// How far it is.
    pub state: State,
    /// Where the unit is seen: address and port of its datagrams.
    pub outer: SocketAddr,
    /// Its inner addresses, IPv4 first.
    pub inner: Vec<IpAddr>,
    /// When it was admitted.
    pub since: UnixTime,
    /// From the unit, passed on.
    pub uplink: Amount,
    /// To the unit.
    pub downlink: Amount,
    /// Packets dropped, of all causes.
    pub drops: u64,
}

impl Session {
    pub(crate) fn brief(&self) -> SessionBrief {
        SessionBrief {
            id: self.id,
            device: self.device,
            state: self.state(),
            outer: self.outer(),
            inner: self.inner().collect(),
            since: self.since,
            uplink: self.traffic.uplink.view(),
            downlink: self.traffic.downlink.view(),
            drops: self.traffic.drops.total(),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::{
        cause::Cause,
        sessions::{Amount, Child, Sessions, session_for_tests},
    };
    use ids::{SessionId, Spi};
    use ike::CipherSuite;
    use std::time::Instant;

    #[test]
    fn a_brief_sums_the_drops_of_every_cause() {
        let session = session_for_tests(7);
        for cause in Cause::all() {
            session.traffic.drops.count(cause);
        }
        session.traffic.drops.count(Cause::UplinkBlocked);
        session.traffic.downlink.add(1400);
        let brief = session.brief();
        assert_eq!(brief.drops, Cause::all().count() as u64 + 1);
        assert_eq!((brief.uplink, brief.downlink), (Amount::default(), Amount { packets: 1, octets: 1400 }));
    }

    #[test]
    fn pages_of_briefs_have_each_session_once() {
        let sessions = Sessions::default();
        (1..=2_500).for_each(|number| sessions.insert(session_for_tests(number)));
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let page = sessions.briefs(after, 1_000);
            let Some(last) = page.last() else { break };
            after = Some(last.id);
            seen.extend(page.into_iter().map(|brief| brief.id.number));
        }
        assert_eq!(seen, (1..=2_500).collect::<Vec<_>>());
    }

    #[test]
    #[ignore = "measures: run it alone, released, with --no-capture"]
    fn what_a_look_at_twenty_thousand_sessions_costs() {
        let sessions = Sessions::default();
        let child = Child { spi_in: Spi(1), spi_out: Spi(2), cipher: CipherSuite::Aes256Gcm16, esn: true };
        for number in 1..=20_000 {
            let session = session_for_tests(number * 7919 % 1_000_003);
            session.child_installed(child);
            sessions.insert(session);
        }
        let pages = |page: &dyn Fn(Option<SessionId>) -> Option<(SessionId, usize)>| {
            let (begun, mut after, mut octets) = (Instant::now(), None, 0);
            while let Some((last, more)) = page(after) {
                (after, octets) = (Some(last), octets + more);
            }
            (begun.elapsed(), octets)
        };
        for _ in 0..10 {
            let brief = pages(&|after| {
                let page = sessions.briefs(after, 1_000);
                Some((page.last()?.id, serde_json::to_vec(&page).unwrap().len()))
            });
            let whole = pages(&|after| {
                let page = sessions.views(after, 1_000);
                Some((page.last()?.id, serde_json::to_vec(&page).unwrap().len()))
            });
            println!("brief {brief:?}, whole {whole:?}");
        }
    }
}
