use crate::{facts::FactFeed, lines::LineFeed};
use admission::{Evidence, Known, Located, Missing};
use gateway::{Origins, UnitSays};
use ids::{AccessLine, DeviceId, SourceClass, UnixTime};
use records::source::Sources;
use std::{
    net::{IpAddr, SocketAddr},
    sync::{Arc, PoisonError, RwLock},
};

/// What the feeds of lines and of device facts and databases of networks say, where they are configured.
pub struct KnownOrigins {
    lines: Option<Arc<LineFeed>>,
    facts: Option<Arc<FactFeed>>,
    sources: RwLock<Option<Sources>>,
}

impl KnownOrigins {
    /// Of feeds, where there are some; of no database before [`Self::look_in`].
    pub fn new(lines: Option<Arc<LineFeed>>, facts: Option<Arc<FactFeed>>) -> Self {
        Self { lines, facts, sources: RwLock::new(None) }
    }

    /// The feed of device facts, where there is one.
    pub fn facts(&self) -> Option<&Arc<FactFeed>> {
        self.facts.as_ref()
    }

    /// The feed of lines, where there is one.
    pub fn lines(&self) -> Option<&Arc<LineFeed>> {
        self.lines.as_ref()
    }

    /// Looks in these databases from now on.
    pub fn look_in(&self, sources: Option<Sources>) {
        *self.sources.write().unwrap_or_else(PoisonError::into_inner) = sources;
    }
}

impl Origins for KnownOrigins {
    fn line(&self, peer: SocketAddr, own: Option<&AccessLine>, now: UnixTime) -> Evidence<AccessLine> {
        let whose = self.lines.as_ref().map(|lines| lines.whose(peer, own, now));
        whose.unwrap_or(Evidence::Missing(Missing::NotGathered))
    }

    fn source(&self, address: IpAddr) -> (Evidence<SourceClass>, Evidence<Located>) {
        let sources = self.sources.read().unwrap_or_else(PoisonError::into_inner);
        let Some(sources) = &*sources else {
            return (Evidence::Missing(Missing::NotGathered), Evidence::Missing(Missing::NotGathered));
        };
        let found = sources.look_up(address);
        let class = found.and_then(|found| Some((found.class?, found.built)));
        let place = found.and_then(|found| Some((found.place?, found.built)));
        let located = place.map(|((position, radius_km), built)| (Located { position, radius_km }, built));
        (of_database(class), of_database(located))
    }

    fn silence(&self, now: UnixTime) -> Option<String> {
        self.lines.as_ref()?.silence(now)
    }

    fn unit(&self, device: DeviceId, line: Option<&AccessLine>, now: UnixTime) -> Evidence<UnitSays> {
        let said = self.facts.as_ref().map(|facts| facts.unit(device, line, now));
        said.unwrap_or(Evidence::Missing(Missing::NotGathered))
    }

    fn is_at_home(&self, device: DeviceId, line: &AccessLine, since: UnixTime) {
        self.facts.iter().for_each(|facts| facts.is_at_home(device, line, since));
    }

    fn facts_silence(&self, now: UnixTime) -> Option<String> {
        self.facts.as_ref()?.silence(now)
    }

    fn held(&self) -> Option<String> {
        self.lines.as_ref()?.held()
    }
}

/// As old as the database.
fn of_database<T>(found: Option<(T, UnixTime)>) -> Evidence<T> {
    match found {
        Some((value, built)) => {
            Evidence::Known(Box::new(Known { value, source: "database".into(), observed_at: built }))
        }
        None => Evidence::Missing(Missing::NoRecord),
    }
}
