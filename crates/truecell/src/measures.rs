//! Metrics, from each part's own counters.

use crate::node::Node;
use api::{Family, Kind, Readiness, Sample, Source, public::Public};
use gateway::{Amount, Gateway, Stats};
use ids::UnixTime;
use ledger::Ledger;
use std::{
    fs,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

/// Everything that `/metrics` shows of a node that serves.
pub(crate) fn sources(node: &Node, gateway: &Arc<Gateway>, public: Option<Arc<Public>>) -> Vec<Source> {
    let (checked, counted, journal) = (gateway.clone(), gateway.clone(), node.journal.clone());
    let mut sources: Vec<Source> = vec![
        Arc::new(build),
        Arc::new(process),
        Arc::new(move || checks(&checked)),
        Arc::new(move || {
            vec![Family::counter("journal_records", "Records in this node's journal", journal.head())]
        }),
        Arc::new(move || {
            let stats = counted.stats();
            [sessions(&stats), ike(&stats), packets(&stats)].concat()
        }),
    ];
    sources.push(expiring(node.ledger.clone()));
    let lines = node.origins.lines().cloned();
    sources.extend(lines.map(|lines| -> Source { Arc::new(move || lines.families(UnixTime::now())) }));
    let facts = node.origins.facts().cloned();
    sources.extend(facts.map(|facts| -> Source { Arc::new(move || facts.families(UnixTime::now())) }));
    sources.extend(public.map(|public| -> Source { Arc::new(move || public.families()) }));
    sources
}

/// Who is attached, and what came of those who tried.
fn sessions(stats: &Stats) -> Vec<Family> {
    let by = |counts: &std::collections::BTreeMap<&'static str, u64>| {
        counts.iter().map(|(word, count)| ((*word).to_owned(), *count)).collect::<Vec<_>>()
    };
    vec![
        Family::gauge("sessions", "Sessions of units", stats.sessions as u64),
        Family::gauge("contests", "Second claims that are being settled", stats.contests as u64),
        Family::gauge("quarantined", "Sessions in quarantine", stats.quarantined as u64),
        Family::counter_by(
            "quarantines",
            "Sessions that were to be quarantined, by whether there was a place",
            "outcome",
            by(&stats.quarantines),
        ),
        Family::counter_by(
            "management_orders",
            "Orders to management systems by what was concluded: what was ordered, and what became of it",
            "what",
            by(&stats.management_orders),
        ),
        Family::counter_by("attaches", "Attempts to attach by outcome", "outcome", by(&stats.attaches)),
        Family::counter_by("sessions_closed", "Sessions that ended by cause", "why", by(&stats.closed)),
        Family::counter_by(
            "contests_settled",
            "Second claims by outcome",
            "how",
            by(&stats.contests_settled),
        ),
        Family::counter("claims_judged", "Claims that admission judged", stats.claims_judged),
        Family::counter_by(
            "claim_times",
            "Claims by the time until they were told what became of them, at most so many microseconds",
            "micros",
            stats.claim_times.iter().map(|(micros, count)| (micros.to_string(), *count)),
        ),
        Family::counter("claim_batches", "Ledger transactions they shared", stats.batches),
        Family::counter("claims_dropped", "Claims left unanswered for want of room", stats.claims_dropped),
        Family::counter("refusals_untold", "Refusals that no event tells of", stats.refusals_untold),
    ]
}

fn ike(stats: &Stats) -> Vec<Family> {
    let ike = &stats.ike;
    let refused = ike::Reason::ALL.into_iter().map(|reason| (reason.code().to_owned(), ike.refused(reason)));
    vec![
        Family::gauge("ike_waiting", "IKE_SA_INIT requests that wait for their turn", ike.waiting_now as u64),
        Family::gauge("ike_known_networks", "Networks whose IKE_SA_INIT go first", ike.known_now as u64),
        Family::gauge("ike_half_open", "IKE SAs that are not established yet", ike.half_open_now as u64),
        Family::gauge("ike_established", "IKE SAs that are established", ike.established_now as u64),
        Family::counter("ike_datagrams", "IKE datagrams received", ike.datagrams),
        Family::counter(
            "ike_init_answered",
            "IKE_SA_INIT requests answered with a half-open SA",
            ike.init_answered,
        ),
        Family::counter("ike_cookies_asked", "Cookies asked for", ike.cookies_asked),
        Family::counter("ike_sas", "IKE SAs established", ike.established),
        Family::counter("ike_sas_deleted", "IKE SAs over", ike.deleted),
        Family::counter("ike_rekeyed", "IKE SAs rekeyed", ike.ike_rekeyed),
        Family::counter("child_sas", "CHILD SAs installed, rekeyed ones included", ike.children_installed),
        Family::counter("child_sas_rekeyed", "CHILD SAs rekeyed", ike.children_rekeyed),
        Family::counter("ike_retransmitted", "Requests sent once more", ike.retransmitted),
        Family::counter("ike_answered_again", "Requests answered from the kept response", ike.answered_again),
        Family::counter("ike_not_sent", "IKE datagrams that the socket did not take", stats.ike_not_sent),
        Family::counter(
            "ike_overflowed",
            "IKE datagrams that found the receive buffer full",
            stats.ike_overflowed,
        ),
        Family::counter_by("ike_refused", "Messages and attempts refused by IKE", "reason", refused),
    ]
}

/// Inner packets.
fn packets(stats: &Stats) -> Vec<Family> {
    let ways = |count: fn(&Amount) -> u64| {
        [("uplink".to_owned(), count(&stats.uplink)), ("downlink".to_owned(), count(&stats.downlink))]
    };
    let drops = stats.drops.iter().map(|((way, cause), count)| {
        (vec![("direction", (*way).to_owned()), ("cause", (*cause).to_owned())], *count)
    });
    vec![
        Family::counter_by("packets", "Inner packets passed", "direction", ways(|amount| amount.packets)),
        Family::counter_by("octets", "Inner octets passed", "direction", ways(|amount| amount.octets)),
        Family {
            name: "drops",
            help: "Packets dropped by cause",
            kind: Kind::Counter,
            samples: drops.collect(),
        },
        Family::counter("keepalives", "NAT-keepalives received", stats.keepalives),
    ]
}

fn build() -> Vec<Family> {
    let version = vec![("version", env!("CARGO_PKG_VERSION").to_owned())];
    vec![Family {
        name: "build",
        help: "Which Truecell this is; always 1",
        kind: Kind::Gauge,
        samples: vec![(version, 1)],
    }]
}

/// 1 for each check that is good: with any at 0 but those six nobody new is admitted.
fn checks(gateway: &Gateway) -> Vec<Family> {
    let checks = Readiness::from(gateway.health()).checks.into_iter();
    let samples = checks.map(|(name, bad)| (vec![("check", name.to_owned())], u64::from(bad.is_none())));
    vec![Family {
        name: "check_good",
        help: "Whether something works; with any but ca, ca-key, clock-step, issuers, policy and witness at 0 nobody new is admitted",
        kind: Kind::Gauge,
        samples: samples.collect(),
    }]
}

/// How many certificates end within so many days: what becomes urgent while nobody gets new ones. Counted by the index, as it
/// is, and at most once a minute. Nothing is said while the ledger is out of reach.
fn expiring(ledger: Ledger) -> Source {
    let last = Mutex::new(None::<(Instant, Vec<Sample>)>);
    Arc::new(move || {
        let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.as_ref().is_none_or(|(at, _)| at.elapsed() >= A_MINUTE) {
            *last = count_expiring(&ledger, UnixTime::now()).map(|samples| (Instant::now(), samples));
        }
        vec![Family {
            name: "certificates_expiring",
            help: "Certificates of units that count and end within a time",
            kind: Kind::Gauge,
            samples: last.as_ref().map(|(_, samples)| samples.clone()).unwrap_or_default(),
        }]
    })
}

const A_MINUTE: Duration = Duration::from_secs(60);

/// Each stretch of time is counted once.
fn count_expiring(ledger: &Ledger, now: UnixTime) -> Option<Vec<Sample>> {
    let (mut from, mut count, mut samples) = (now, 0, Vec::new());
    for days in [1, 3, 10] {
        let until = now.after(Duration::from_secs(days * 24 * 3600));
        count += ledger.ending_by_day(from, until).ok()?.iter().map(|(_, count)| count).sum::<u64>();
        samples.push((vec![("within", format!("{days}d"))], count));
        from = until.after(Duration::from_micros(1));
    }
    Some(samples)
}

/// What this process takes from the machine.
fn process() -> Vec<Family> {
    let resident = fs::read_to_string("/proc/self/status").ok().and_then(|text| resident_in(&text));
    let files = fs::read_dir("/proc/self/fd").map_or(0, |entries| entries.count() as u64);
    vec![
        Family::counter("process_cpu_milliseconds", "CPU time of all threads", cpu_milliseconds()),
        Family::gauge("process_resident_bytes", "Resident memory", resident.unwrap_or(0)),
        Family::gauge("process_open_files", "Open file descriptors", files),
    ]
}

fn cpu_milliseconds() -> u64 {
    let spent = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    u64::try_from(spent.tv_sec * 1_000 + spent.tv_nsec / 1_000_000).unwrap_or(0)
}

fn resident_in(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::resident_in;

    #[test]
    fn resident_memory_is_read_in_octets() {
        assert_eq!(resident_in("VmHWM:\t   9000 kB\nVmRSS:\t    8124 kB\n"), Some(8124 * 1024));
        assert_eq!(resident_in("VmRSS: many"), None);
    }
}
