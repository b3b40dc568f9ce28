use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder},
    metrics::{counter::ConstCounter, gauge::ConstGauge},
    registry::Registry,
};
use std::{fmt, sync::Arc};

/// One metric with its values at this moment, one for each set of labels.
#[derive(Clone, Debug, PartialEq)]
pub struct Family {
    /// Without `_total`, which counters get by themselves.
    pub name: &'static str,
    /// One sentence without its full stop.
    pub help: &'static str,
    /// What the values do.
    pub kind: Kind,
    /// Labels and value.
    pub samples: Vec<Sample>,
}

/// Labels, and the value under them.
pub type Sample = (Vec<(&'static str, String)>, u64);

/// What the values of a metric do over time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows, and starts from zero with the process.
    Counter,
    /// Goes both ways.
    Gauge,
}

impl Family {
    /// A metric that only grows, without labels.
    pub fn counter(name: &'static str, help: &'static str, value: u64) -> Self {
        Self { name, help, kind: Kind::Counter, samples: vec![(Vec::new(), value)] }
    }

    /// A metric that goes both ways, without labels.
    pub fn gauge(name: &'static str, help: &'static str, value: u64) -> Self {
        Self { name, help, kind: Kind::Gauge, samples: vec![(Vec::new(), value)] }
    }

    /// A counter for each cause, under the label `label`.
    pub fn counter_by(
        name: &'static str,
        help: &'static str,
        label: &'static str,
        values: impl IntoIterator<Item = (String, u64)>,
    ) -> Self {
        let samples = values.into_iter().map(|(cause, value)| (vec![(label, cause)], value)).collect();
        Self { name, help, kind: Kind::Counter, samples }
    }
}

/// Reads all counters of one part of the system, at each scrape.
pub type Source = Arc<dyn Fn() -> Vec<Family> + Send + Sync>;

/// What `/metrics` shows, in the OpenMetrics text format.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
}

impl Metrics {
    /// Every source under the common prefix `truecell_`.
    pub fn new(sources: impl IntoIterator<Item = Source>) -> Self {
        let mut registry = Registry::with_prefix("truecell");
        for source in sources {
            registry.register_collector(Box::new(Scraped(source)));
        }
        Self { registry }
    }

    /// The text of one scrape.
    ///
    /// # Errors
    /// [`fmt::Error`] when a family cannot be written, as when its name is no metric name.
    pub fn text(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

struct Scraped(Source);

impl fmt::Debug for Scraped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Scraped")
    }
}

impl Collector for Scraped {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        (self.0)().iter().try_for_each(|family| family.encode(&mut encoder))
    }
}

impl Family {
    fn encode(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        use prometheus_client::metrics::MetricType;
        let kind = match self.kind {
            Kind::Counter => MetricType::Counter,
            Kind::Gauge => MetricType::Gauge,
        };
        let mut family = encoder.encode_descriptor(self.name, self.help, None, kind)?;
        for (labels, value) in &self.samples {
            if labels.is_empty() {
                self.kind.encode(*value, family)?;
                break;
            }
            self.kind.encode(*value, family.encode_family(labels)?)?;
        }
        Ok(())
    }
}

impl Kind {
    fn encode(self, value: u64, encoder: MetricEncoder<'_>) -> fmt::Result {
        match self {
            Self::Counter => ConstCounter::new(value).encode(encoder),
            Self::Gauge => ConstGauge::new(value).encode(encoder),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_are_written_in_the_openmetrics_text_format() {
        let source: Source = Arc::new(|| {
            vec![
                Family::gauge("sessions", "Sessions up", 3),
                Family::counter_by("refusals", "Attaches refused", "reason", [("unknown-device".into(), 7)]),
            ]
        });
        let expected = "# HELP truecell_sessions Sessions up\n# TYPE truecell_sessions gauge\ntruecell_sessions 3\n\
            # HELP truecell_refusals Attaches refused\n# TYPE truecell_refusals counter\n\
            truecell_refusals_total{reason=\"unknown-device\"} 7\n# EOF\n";
        assert_eq!(Metrics::new([source]).text().unwrap(), expected);
    }
}
