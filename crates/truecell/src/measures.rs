//! Metrics, from each part's own counters.

use crate::node::Node;
use api::{Family, Health, Kind, Source};
use std::{fs, sync::Arc};

/// Everything that `/metrics` shows of a node that serves.
pub(crate) fn sources(node: &Node, health: &Arc<Health>) -> Vec<Source> {
    let (health, journal) = (health.clone(), node.journal.clone());
    vec![
        Arc::new(build),
        Arc::new(process),
        Arc::new(move || checks(&health)),
        Arc::new(move || {
            vec![Family::counter("journal_records", "Records in this node's journal", journal.head())]
        }),
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

/// 1 for each check that is good: with any at 0 nobody new is admitted.
fn checks(health: &Health) -> Vec<Family> {
    let checks = health.readiness().checks.into_iter();
    let samples = checks.map(|(name, bad)| (vec![("check", name.to_owned())], u64::from(bad.is_none())));
    vec![Family {
        name: "check_good",
        help: "Whether something that admission needs works; with any at 0 nobody new is admitted",
        kind: Kind::Gauge,
        samples: samples.collect(),
    }]
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
