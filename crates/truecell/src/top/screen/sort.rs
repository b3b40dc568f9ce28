use crate::top::picture::Tunnel;
use clap::ValueEnum;
use std::cmp::Ordering;

/// The order of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Sort {
    /// Fastest first, both directions together
    Rate,
    /// Most drops per second first
    Drops,
    /// Youngest first
    Age,
    /// By name
    Device,
}

impl Sort {
    pub(crate) const ALL: [Self; 4] = [Self::Rate, Self::Drops, Self::Age, Self::Device];

    /// What chooses it.
    pub(crate) fn key(self) -> char {
        match self {
            Self::Rate => 'r',
            Self::Drops => 'd',
            Self::Age => 'a',
            Self::Device => 'n',
        }
    }

    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Rate => "rate",
            Self::Drops => "drops",
            Self::Age => "age",
            Self::Device => "device name",
        }
    }

    /// Equals stand in the order of admission.
    pub(super) fn order(self, left: &Tunnel, right: &Tunnel) -> Ordering {
        let order = match self {
            Self::Rate => right.bits_s().total_cmp(&left.bits_s()).then(right.octets().cmp(&left.octets())),
            Self::Drops => {
                right.drops_s().total_cmp(&left.drops_s()).then(right.brief.drops.cmp(&left.brief.drops))
            }
            Self::Age => right.brief.since.cmp(&left.brief.since),
            Self::Device => left.brief.device.cmp(&right.brief.device),
        };
        order.then(left.brief.id.cmp(&right.brief.id))
    }
}

impl Tunnel {
    fn bits_s(&self) -> f64 {
        self.rates.map_or(0.0, |rates| rates.bits_s())
    }

    fn drops_s(&self) -> f64 {
        self.rates.map_or(0.0, |rates| rates.drops_s)
    }

    fn octets(&self) -> u64 {
        self.brief.uplink.octets.saturating_add(self.brief.downlink.octets)
    }

    /// Whether some column of the table has the text; `wanted` is in small letters.
    pub(super) fn has(&self, wanted: &str) -> bool {
        let brief = &self.brief;
        brief.device.to_string().contains(wanted)
            || brief.state.word().contains(wanted)
            || brief.outer.to_string().contains(wanted)
            || brief.inner.iter().any(|inner| inner.to_string().contains(wanted))
    }
}
