use crate::lines::LineFeed;
use admission::{Evidence, Known, Located, Missing};
use gateway::Origins;
use ids::{AccessLine, SourceClass, UnixTime};
use records::source::Sources;
use std::{
    net::{IpAddr, SocketAddr},
    sync::{Arc, PoisonError, RwLock},
};

/// What the feed of lines and databases of networks say about an address, where they are configured.
pub struct KnownOrigins {
    lines: Option<Arc<LineFeed>>,
    sources: RwLock<Option<Sources>>,
}

impl KnownOrigins {
    /// Of a feed, where there is one; of no database before [`Self::look_in`].
    pub fn new(lines: Option<Arc<LineFeed>>) -> Self {
        Self { lines, sources: RwLock::new(None) }
    }

    /// The feed, where there is one.
    pub fn lines(&self) -> Option<&Arc<LineFeed>> {
        self.lines.as_ref()
    }

    /// Looks in these databases from now on.
    pub fn look_in(&self, sources: Option<Sources>) {
        *self.sources.write().unwrap_or_else(PoisonError::into_inner) = sources;
    }
}

impl Origins for KnownOrigins {
    fn line(&self, peer: SocketAddr, now: UnixTime) -> Evidence<AccessLine> {
        let whose = self.lines.as_ref().map(|lines| lines.whose(peer, now));
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

    fn held(&self) -> Option<String> {
        self.lines.as_ref()?.held()
    }
}

/// As old as the database.
fn of_database<T>(found: Option<(T, UnixTime)>) -> Evidence<T> {
    match found {
        Some((value, built)) => Evidence::Known(Box::new(Known {
            value,
            source: "database".into(),
            observed_at: built,
            before_fork: false,
        })),
        None => Evidence::Missing(Missing::NoRecord),
    }
}
