use super::Declined;
use crate::{Family, Kind};
use axum::response::Response;
use std::{
    collections::BTreeMap,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

/// What became of a request: words of ours, none that a peer chooses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Told {
    route: &'static str,
    outcome: &'static str,
}

impl Told {
    pub(super) const fn new(route: &'static str, outcome: &'static str) -> Self {
        Self { route, outcome }
    }

    /// The answer with the word for the tally on it.
    pub(super) fn on(self, mut response: Response) -> Response {
        response.extensions_mut().insert(self);
        response
    }

    pub(super) fn declined(route: &'static str, declined: Declined) -> Response {
        Self::new(route, declined.word()).on(declined.response())
    }
}

/// Counts of the public listener.
#[derive(Debug, Default)]
pub(super) struct Tally {
    requests: Mutex<BTreeMap<Told, u64>>,
    turned_away: AtomicU64,
    no_handshake: AtomicU64,
}

impl Tally {
    pub(super) fn count(&self, told: Told) {
        *self.requests.lock().unwrap_or_else(PoisonError::into_inner).entry(told).or_default() += 1;
    }

    /// A connection from a source that has enough of them, or beyond all places.
    pub(super) fn turn_away(&self) {
        self.turned_away.fetch_add(1, Ordering::Relaxed);
    }

    /// A connection over which no TLS came to be.
    pub(super) fn no_handshake(&self) {
        self.no_handshake.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn families(&self, connections: usize) -> Vec<Family> {
        let requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let labels =
            |told: Told| vec![("route", told.route.to_owned()), ("outcome", told.outcome.to_owned())];
        vec![
            Family::gauge("enrol_connections", "Connections to the public listener", connections as u64),
            Family::counter(
                "enrol_turned_away",
                "Connections turned away from the public listener for want of a place",
                self.turned_away.load(Ordering::Relaxed),
            ),
            Family::counter(
                "enrol_tls_failures",
                "Connections to the public listener without a TLS handshake in time",
                self.no_handshake.load(Ordering::Relaxed),
            ),
            Family {
                name: "enrol_requests",
                help: "Requests to the public listener by route and outcome",
                kind: Kind::Counter,
                samples: requests.into_iter().map(|(told, count)| (labels(told), count)).collect(),
            },
        ]
    }
}
