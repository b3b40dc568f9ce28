use crate::UnitSays;
use admission::{Evidence, Located, Missing};
use ids::{AccessLine, DeviceId, SourceClass, UnixTime};
use std::net::{IpAddr, SocketAddr};

/// What feeds and databases say about where a claim comes from and about its unit, as far as it is in memory: an answer
/// never waits. What is not implemented is as where there is no feed and no database.
pub trait Origins: Send + Sync {
    /// The line that an address and port belong to now, whoever's line that is. `own`: that of the unit whose address
    /// it is to be, if it has one.
    fn line(&self, peer: SocketAddr, own: Option<&AccessLine>, now: UnixTime) -> Evidence<AccessLine> {
        let _ = (peer, own, now);
        Evidence::Missing(Missing::NotGathered)
    }

    /// The kind of network that an address is in, and where that is.
    fn source(&self, address: IpAddr) -> (Evidence<SourceClass>, Evidence<Located>) {
        let _ = address;
        (Evidence::Missing(Missing::NotGathered), Evidence::Missing(Missing::NotGathered))
    }

    /// What is wrong when the feed of lines is configured and says nothing.
    fn silence(&self, now: UnixTime) -> Option<String> {
        let _ = now;
        None
    }

    /// What its management system has from a unit; the cells that it hears beside those that it heard at that line.
    fn unit(&self, device: DeviceId, line: Option<&AccessLine>, now: UnixTime) -> Evidence<UnitSays> {
        let _ = (device, line, now);
        Evidence::Missing(Missing::NotGathered)
    }

    /// A unit's session has been on this line since that time, by all that is known.
    fn is_at_home(&self, device: DeviceId, line: &AccessLine, since: UnixTime) {
        let _ = (device, line, since);
    }

    /// What is wrong when the feed of device facts is configured and says nothing.
    fn facts_silence(&self, now: UnixTime) -> Option<String> {
        let _ = now;
        None
    }

    /// What waits for a person, as the feed ended more lines than is believed without one.
    fn held(&self) -> Option<String> {
        None
    }
}

/// There is no feed, and no database.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoOrigins;

impl Origins for NoOrigins {}
