use super::{
    Declined, Public, Sources,
    document::{Dates, Document},
    tally::Told,
};
use axum::{
    extract::{Path, State},
    http::HeaderMap,
    response::Response,
};
use ids::UnixTime;
use pki::{Generation, PkiError, ocsp::OutOfReach};
use std::{
    collections::HashMap,
    fs, io,
    path::Path as File,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

const MEDIA_TYPE: &str = "application/pkix-crl";
const ROUTE: &str = "crl";

/// However many are revoked, no more than one list in this time is made of them: each costs a look at every
/// certificate in the books.
const AT_MOST_EVERY: Duration = Duration::from_secs(60);

/// The revocation lists that are handed out now.
#[derive(Debug, Default)]
pub(super) struct Lists {
    current: Mutex<HashMap<Generation, Arc<List>>>,
}

#[derive(Debug)]
struct List {
    document: Document,
    dates: Dates,
}

/// Why there is no new list.
#[derive(Debug, thiserror::Error)]
enum NotMade {
    #[error(transparent)]
    Books(#[from] OutOfReach),
    #[error("the number of the last list: {0}")]
    Number(#[from] io::Error),
    #[error(transparent)]
    Ca(#[from] PkiError),
}

/// The list of a generation, made before it was asked for.
pub(super) async fn get(
    Path(file): Path<String>,
    State(public): State<Arc<Public>>,
    headers: HeaderMap,
) -> Response {
    let asked = file.strip_suffix(".crl").and_then(|name| name.parse().ok());
    let asked = asked.filter(|generation| public.sources.ca.generations().contains(generation));
    let Some(issuing) = asked else { return Told::declined("other", Declined::NoRoute) };
    let (list, now) = (public.lists.of(issuing), (public.sources.clock)());
    let Some((list, now)) = list.zip(now) else { return Told::declined(ROUTE, Declined::NotReady) };
    let kept = list.dates.until.since(now) / 2;
    Told::new(ROUTE, "served").on(list.document.answer(&headers, kept))
}

impl Lists {
    fn of(&self, issuing: Generation) -> Option<Arc<List>> {
        self.current().get(&issuing).cloned()
    }

    fn current(&self) -> MutexGuard<'_, HashMap<Generation, Arc<List>>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes those that are missing, halfway to their end, or older than a revocation. The last one of a generation that
    /// signs no more goes with its end.
    pub(super) fn renew(&self, sources: &Sources, now: UnixTime) {
        let is_told = sources.revocations.take();
        let mut is_behind = false;
        let speaking = sources.ca.speaking();
        self.current().retain(|issuing, list| speaking.contains(issuing) || now < list.dates.until);
        for issuing in speaking {
            let list = self.of(issuing);
            if list.is_none_or(|list| list.is_due(now, is_told)) {
                is_behind |= self.make(issuing, sources, now);
            } else {
                is_behind |= is_told;
            }
        }
        if is_told && is_behind {
            sources.revocations.keep();
        }
    }

    /// Whether nothing came of it.
    fn make(&self, issuing: Generation, sources: &Sources, now: UnixTime) -> bool {
        match list(issuing, sources, now) {
            Ok(list) => drop(self.current().insert(issuing, Arc::new(list))),
            Err(error) => {
                let next = "see to the ledger and the CA's directory; it is tried again each minute";
                tracing::error!(ca = %issuing, %error, next, "there is no new revocation list");
                return true;
            }
        }
        false
    }
}

impl List {
    /// One from the future was made by a clock that was wrong.
    fn is_due(&self, now: UnixTime, is_told: bool) -> bool {
        let Dates { from, until } = self.dates;
        let is_behind = is_told && now >= from.after(AT_MOST_EVERY);
        now < from || now >= from.after(until.since(from) / 2) || is_behind
    }
}

fn list(issuing: Generation, sources: &Sources, now: UnixTime) -> Result<List, NotMade> {
    let period = sources.crl_period;
    // A certificate that ends stands on one more list (RFC 5280 §3.3): they follow each other within a period.
    let revoked = sources.statuses.revoked(issuing, now.before(period), now)?;
    let number = next_number(&sources.ca.directory().join("crl-number"), now)?;
    let der = sources.ca.crl(issuing, &revoked, number, now, period)?;
    let dates = Dates { from: now, until: now.after(period) };
    Ok(List { document: Document::new(MEDIA_TYPE, der, Some(dates)), dates })
}

/// A cRLNumber above all before, written down before the list is handed out (RFC 5280 §5.2.3). It is the time in
/// milliseconds, so that a lost file or a backup that is brought back gives no number again; the file keeps it growing
/// when the clock was set back.
fn next_number(file: &File, now: UnixTime) -> io::Result<u64> {
    let last = match fs::read_to_string(file) {
        Ok(text) => text.trim().parse().unwrap_or(0),
        Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
        Err(error) => return Err(error),
    };
    let time = u64::try_from(now.micros() / 1000).unwrap_or(0);
    let number = time.max(last + 1);
    pki::replace_file(file, 0o644, format!("{number}\n").as_bytes())?;
    Ok(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_grow_also_over_a_restart_with_a_clock_that_was_set_back_and_without_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("crl-number");
        let at = |secs| next_number(&file, UnixTime::from_secs(secs)).unwrap();
        assert_eq!(at(1_800_000_000), 1_800_000_000_000);
        assert_eq!(at(1_800_000_000), 1_800_000_000_001);
        assert_eq!(at(1_700_000_000), 1_800_000_000_002);
        fs::write(&file, "damaged").unwrap();
        assert_eq!(at(1_800_000_001), 1_800_000_001_000);
    }

    #[test]
    fn a_list_is_made_anew_halfway_or_after_a_revocation_and_not_each_time_that_there_is_one() {
        let at = |secs: i64| UnixTime::from_secs(1_800_000_000 + secs);
        let dates = Dates { from: at(0), until: at(86_400) };
        let list = List { document: Document::new(MEDIA_TYPE, Vec::new(), Some(dates)), dates };
        assert!(!list.is_due(at(43_199), false) && list.is_due(at(43_200), false));
        assert!(!list.is_due(at(59), true) && list.is_due(at(60), true));
        assert!(list.is_due(at(-1), false), "by a clock that was wrong");
    }
}
