//! When to renew, and how long to wait after a failure.

use crate::Failure;
use ids::UnixTime;
use std::time::Duration;
use x509::Certificate;

/// When a certificate is due: at two thirds of its life and up to a sixth later, by its own hash, so that units that
/// were installed on one day do not come back in one hour, and a restart changes nothing.
pub fn renews_at(certificate: &Certificate) -> UnixTime {
    let life = certificate.not_after().since(certificate.not_before());
    let [a, b, ..] = certificate.sha256().0;
    let share = u32::from(u16::from_be_bytes([a, b]));
    // In whole seconds, as the time that an authority tells.
    UnixTime::from_secs(certificate.not_before().after(life / 3 * 2 + life / 6 / 65_536 * share).secs())
}

/// How often it failed in a row.
#[derive(Clone, Copy, Debug, Default)]
pub struct Backoff {
    failures: u32,
}

impl Backoff {
    /// The first wait after a way or a server that fails: a unit comes back soon after its line does.
    const FIRST: Duration = Duration::from_secs(10);
    /// The longest of these.
    const LONGEST: Duration = Duration::from_secs(15 * 60);
    /// The same once somebody has said no: a person has to do something first.
    const FIRST_REFUSED: Duration = Duration::from_secs(60);
    /// The longest of these.
    const LONGEST_REFUSED: Duration = Duration::from_secs(3600);

    /// It went well.
    pub fn succeeded(&mut self) {
        self.failures = 0;
    }

    /// How long to wait: twice as long each time up to a limit, and between half and one and a half of that. `random`:
    /// any number, drawn for this.
    pub fn failed(&mut self, failure: &Failure, random: u32) -> Duration {
        let (first, longest) = match failure.is_refusal() {
            true => (Self::FIRST_REFUSED, Self::LONGEST_REFUSED),
            false => (Self::FIRST, Self::LONGEST),
        };
        let wait = first.saturating_mul(1 << self.failures.min(16)).min(longest);
        self.failures = self.failures.saturating_add(1);
        wait / 2 + wait.mul_f64(f64::from(random) / f64::from(u32::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::WireError;

    #[test]
    fn waits_grow_to_their_limit_and_spread_over_as_much_again() {
        let down = Failure::Wire(WireError::Http(503));
        let (mut low, mut high) = (Backoff::default(), Backoff::default());
        let mut seen = Vec::new();
        for _ in 0..40 {
            seen.push((low.failed(&down, 0).as_secs(), high.failed(&down, u32::MAX).as_secs()));
        }
        assert_eq!(seen[..4], [(5, 15), (10, 30), (20, 60), (40, 120)]);
        assert_eq!(seen[39], (450, 1350));
        low.succeeded();
        assert_eq!(low.failed(&down, 0).as_secs(), 5);
    }
}
