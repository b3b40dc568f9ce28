use crate::UnitSays;
use admission::{Evidence, Located, Missing};
use ids::{AccessLine, DeviceId, SourceClass, UnixTime};
use std::net::{IpAddr, SocketAddr};

/// What feeds and databases say about where a claim comes from and about its unit, as far as it is in memory: an answer
/// never waits.
pub trait Origins: Send + Sync {
    /// The line that an address and port belong to now, whoever's line that is. `own`: that of the unit whose address it is
    /// to be, if it has one.
    fn line(&self, peer: SocketAddr, own: Option<&AccessLine>, now: UnixTime) -> Evidence<AccessLine>;

    /// The kind of network that an address is in, and where that is.
    fn source(&self, address: IpAddr) -> (Evidence<SourceClass>, Evidence<Located>);

    /// What is wrong when the feed of lines is configured and says nothing.
    fn silence(&self, now: UnixTime) -> Option<String>;

    /// What its management system has from a unit; the cells that it hears beside those that it heard at that line.
    fn unit(&self, device: DeviceId, line: Option<&AccessLine>, now: UnixTime) -> Evidence<UnitSays>;

    /// A unit's session has been on this line since that time, by all that is known.
    fn is_at_home(&self, device: DeviceId, line: &AccessLine, since: UnixTime);

    /// What is wrong when the feed of device facts is configured and says nothing.
    fn facts_silence(&self, now: UnixTime) -> Option<String>;

    /// What waits for a person, as the feed ended more lines than is believed without one.
    fn held(&self) -> Option<String>;
}

/// There is no feed, and no database.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoOrigins;

impl Origins for NoOrigins {
    fn line(&self, _: SocketAddr, _: Option<&AccessLine>, _: UnixTime) -> Evidence<AccessLine> {
        Evidence::Missing(Missing::NotGathered)
    }

    fn source(&self, _: IpAddr) -> (Evidence<SourceClass>, Evidence<Located>) {
        (Evidence::Missing(Missing::NotGathered), Evidence::Missing(Missing::NotGathered))
    }

    fn silence(&self, _: UnixTime) -> Option<String> {
        None
    }

    fn unit(&self, _: DeviceId, _: Option<&AccessLine>, _: UnixTime) -> Evidence<UnitSays> {
        Evidence::Missing(Missing::NotGathered)
    }

    fn is_at_home(&self, _: DeviceId, _: &AccessLine, _: UnixTime) {}

    fn facts_silence(&self, _: UnixTime) -> Option<String> {
        None
    }

    fn held(&self) -> Option<String> {
        None
    }
}
