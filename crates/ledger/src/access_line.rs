use crate::{LedgerError, Row, Tx};
use ids::{AccessLine, Position};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use std::{collections::HashMap, net::IpAddr, sync::Arc};

/// A fixed line, and the networks that its subscribers come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccessLineRecord {
    /// Its name.
    pub line: AccessLine,
    /// Outer addresses seen behind it; none means that nobody knows.
    pub prefixes: Vec<IpNet>,
    /// Region.
    pub region: String,
    /// Where it ends; `None` where nobody has said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<Position>,
}

impl AccessLineRecord {
    /// Whether `address` is behind this line; `None` when nobody knows.
    pub fn covers(&self, address: IpAddr) -> Option<bool> {
        let address = address.to_canonical();
        (!self.prefixes.is_empty()).then(|| self.prefixes.iter().any(|prefix| prefix.contains(&address)))
    }
}

impl Row for AccessLineRecord {
    const TABLE: &'static str = "line";

    fn key(&self) -> String {
        self.line.to_string()
    }
}

/// Where all lines are. It is made of their rows, and kept until one is written.
pub(crate) struct Lines {
    of: HashMap<IpNet, Vec<AccessLine>>,
    shared: HashMap<AccessLine, AccessLine>,
}

impl Lines {
    fn new(records: &[AccessLineRecord]) -> Self {
        let (mut of, mut ends) = (HashMap::<_, Vec<_>>::new(), Vec::new());
        for AccessLineRecord { line, prefixes, .. } in records {
            for net in prefixes {
                of.entry(net.trunc()).or_default().push(line.clone());
                ends.push((net.network(), net.broadcast(), line.clone()));
            }
        }
        Self { of, shared: overlaps(ends) }
    }

    /// A line that has addresses which this one has too: a claim from there might be anybody's.
    pub(crate) fn that_shares_with(&self, line: &AccessLine) -> Option<&AccessLine> {
        self.shared.get(line)
    }

    /// Whether nothing but this line is where the address is.
    pub(crate) fn is_alone_at(&self, line: &AccessLine, address: IpAddr) -> bool {
        let address = address.to_canonical();
        let longest = IpNet::from(address).max_prefix_len();
        let nets = (0..=longest).filter_map(|length| IpNet::new(address, length).ok());
        let mut there = nets.filter_map(|net| self.of.get(&net.trunc())).flatten();
        there.all(|other| other == line)
    }
}

/// Of (first address, last address, line): the lines that share one with another line.
fn overlaps(mut networks: Vec<(IpAddr, IpAddr, AccessLine)>) -> HashMap<AccessLine, AccessLine> {
    networks.sort();
    let mut shared = HashMap::new();
    let mut furthest: Option<(IpAddr, AccessLine)> = None;
    for (first, last, line) in networks {
        match &furthest {
            Some((end, other)) if first <= *end && line != *other => {
                shared.insert(line.clone(), other.clone());
                shared.insert(other.clone(), line.clone());
            }
            Some(_) | None => {}
        }
        if furthest.as_ref().is_none_or(|(end, _)| last > *end) {
            furthest = Some((last, line));
        }
    }
    shared
}

impl Tx<'_> {
    /// Where all lines are, as of now. After a line was written it takes a look at each, and then none.
    pub(crate) fn lines(&mut self) -> Result<Arc<Lines>, LedgerError> {
        if let Some(lines) = self.kept_lines() {
            return Ok(lines);
        }
        let lines = Arc::new(Lines::new(&self.all(None)?));
        self.keep_lines(&lines);
        Ok(lines)
    }
}
